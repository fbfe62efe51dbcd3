"""The alarm book: every open alarm and fault, and what may happen to it.

Owns    the open alarms, in memory as loaded from the store; the table alarm through the ledger.
Needs   gateway.rules.alarm, .ledger; gateway.store's Draft and Subject. The ledger has the time.
Keeps   1. At most one open alarm for each (device, point): pressed again while open is a repeat.
           What a device read later from its own log (historical) is an occurrence beside it: a live
           press is never told as a repeat of an old one (promise 6).
        2. A repeat is counted at once and told at most every REPEAT_S, the last one always.
        3. Panic, duress and fire latch, are never folded, and escalate until a person acknowledges.
        4. Every transition is one record, and the row changes in the same transaction. The record
           comes first: a transition that cannot be written has not happened.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from gateway.events import MAX_ATTRIBUTES, NEVER_FOLDED, Category, Kind, Mode, Point, Reading
from gateway.rules.alarm import DISPOSITIONS, Alarm, latches
from gateway.rules.ledger import Ledger
from gateway.store.journal import Draft, Subject, rfc3339, uuid7

REPEAT_S: Final = 5.0
FLOOD_ALARMS: Final = 10
FLOOD_S: Final = 60.0
"""More than FLOOD_ALARMS alarms of one kind on one link within FLOOD_S fold under the first."""
NOTE_CHARS: Final = 1000
WHO_CHARS: Final = 64

log = structlog.get_logger()


class NoSuchAlarm(LookupError):
    """There is no open alarm of that id."""


class WrongState(ValueError):
    """The alarm is there, but not in a state in which this may happen."""


class AlarmBook:
    """See the module.

    escalation  priority → seconds after raising at which an unacknowledged alarm escalates
    subjects    (device id, point) → Subject, for every configured point and the gateway's own
    """

    def __init__(
        self,
        escalation: Mapping[int, Sequence[float]],
        subject_of: Callable[[str, str], Subject],
        closed: Callable[[str, str, Ledger], None],
    ) -> None:
        self._escalation = escalation
        self._subject_of = subject_of
        self._closed = closed
        self._open: dict[tuple[str, str, bool], Alarm] = {}  # device, point, historical
        self._by_id: dict[str, Alarm] = {}
        self._recent: OrderedDict[tuple[str, str], deque[tuple[int, str]]] = OrderedDict()

    def load(self, docs: Sequence[str], ledger: Ledger) -> None:
        """Take up what the store says is open, with its deadlines (rules hold across a restart)."""
        for doc in docs:
            try:
                alarm = Alarm.from_doc(doc)
            except (ValueError, TypeError):
                log.exception("an open alarm cannot be read; its record is in the journal", doc=doc)
                continue
            self._open[_key(alarm)] = alarm
            self._by_id[alarm.alarm_id] = alarm
            if alarm.told < alarm.count:
                self._tell_later(ledger, alarm.alarm_id, REPEAT_S)
            self._arm(alarm, ledger)

    def __len__(self) -> int:
        """Number of open alarms and faults."""
        return len(self._by_id)

    def get(self, alarm_id: str) -> Alarm | None:
        """The open alarm of that id, if any."""
        return self._by_id.get(alarm_id)

    def all_open(self) -> list[Alarm]:
        """Every open alarm and fault."""
        return list(self._by_id.values())

    def open_at(self, device: str, point: str) -> Alarm | None:
        """The open alarm of a point, if any."""
        return self._open.get((device, point, False))

    def open_of(self, device: str) -> list[Alarm]:
        """What is open of a device."""
        return [alarm for (of, _, _), alarm in self._open.items() if of == device]

    def raised(
        self,
        ledger: Ledger,
        subject: Subject,
        point: Point,
        reading: Reading,
        *,
        group: str,
        both: bool = False,
    ) -> Alarm:
        """The condition began, or was signalled again.

        group  what floods fold by (the link)
        both   its one text has both languages, not Chinese alone: faults of the gateway itself
        """
        found = self._open.get((subject.device_id, subject.point, reading.historical))
        if found is not None:
            self._repeated(ledger, found, reading)
            return found
        kind = Kind(point.kind)
        mode = Mode.HISTORICAL if reading.historical else Mode.LIVE
        alarm = Alarm(
            alarm_id=uuid7(ledger.now_ns, ledger.journal.seq + 1),
            category=str(point.category),
            device=subject.device_id,
            name=subject.name,
            place=subject.place,
            family=subject.family,
            point=subject.point,
            kind=str(kind),
            priority=reading.priority or point.priority,
            mode=str(mode),
            text=f"{subject.place} {subject.name} {point.said if both else point.text}".strip(),
            words=point.said.cut(),
            raised_ns=ledger.now_ns,
            raised_seq=ledger.journal.seq + 1,
            last_ns=ledger.now_ns,
            told_ns=ledger.now_ns,
            value=reading.value,
            unit=reading.unit or point.unit,
            active=True,
            latched=point.category == Category.ALARM and latches(kind, profile_says=point.latch),
            cameras=list(subject.camera_ids),
            attributes=reading.attributes,
        )
        alarm.cause = self._fold(alarm, group, ledger.mono_ns)
        extra: dict[str, Any] = {"cause": alarm.cause} if alarm.cause else {}
        if subject.kept_ns is not None and point.category == Category.ALARM:
            alarm.video = extra["video"] = _kept(alarm.raised_ns, subject.kept_ns)
        self._record(ledger, alarm, "raised", reading, extra)
        self._open[_key(alarm)] = alarm
        self._by_id[alarm.alarm_id] = alarm
        steps = self._escalation.get(alarm.priority, ())
        if steps and alarm.category == Category.ALARM and not self._is_carried(alarm):
            alarm.due_ns = ledger.now_ns + int(steps[0] * 1e9)
            self._arm(alarm, ledger)
        self._save(ledger, alarm)
        return alarm

    def restored(self, ledger: Ledger, device: str, point: str, reading: Reading | None) -> None:
        """The condition is over; a latched alarm stays open."""
        historical = reading is not None and reading.historical
        alarm = self._open.get((device, point, historical))
        if alarm is None or not alarm.active:
            return
        self._record(ledger, alarm, "restored", reading, {})
        alarm.active = False
        alarm.restored_ns = ledger.now_ns
        self._settle(ledger, alarm)

    def acknowledge(self, ledger: Ledger, alarm_id: str, who: str) -> Alarm:
        """A person has seen it. Raises NoSuchAlarm, WrongState."""
        alarm = self._find(alarm_id)
        if alarm.acknowledged_ns is not None:
            raise WrongState(f"already acknowledged by {alarm.acknowledged_by}")
        self._record(ledger, alarm, "acknowledged", None, {"by": who[:WHO_CHARS]})
        alarm.acknowledged_ns, alarm.acknowledged_by = ledger.now_ns, who[:WHO_CHARS]
        alarm.due_ns = None
        self._settle(ledger, alarm)
        return alarm

    def close(
        self, ledger: Ledger, alarm_id: str, *, who: str, disposition: str, note: str = ""
    ) -> Alarm:
        """A person ends it with a disposition. Raises NoSuchAlarm, WrongState."""
        alarm = self._find(alarm_id)
        if disposition not in DISPOSITIONS:
            raise WrongState(f"disposition must be one of {', '.join(DISPOSITIONS)}")
        self._close(ledger, alarm, who, disposition, note)
        return alarm

    def _find(self, alarm_id: str) -> Alarm:
        alarm = self._by_id.get(alarm_id)
        if alarm is None:
            raise NoSuchAlarm(alarm_id)
        return alarm

    def _repeated(self, ledger: Ledger, alarm: Alarm, reading: Reading) -> None:
        alarm.count += 1
        alarm.last_ns = ledger.now_ns
        alarm.value = reading.value
        if reading.attributes:
            alarm.attributes = reading.attributes
        if not alarm.active:
            alarm.active, alarm.restored_ns = True, None
        waiting = alarm.count - 1 > alarm.told
        if not waiting:
            quiet_ns = ledger.now_ns - alarm.told_ns
            if quiet_ns >= REPEAT_S * 1e9 or quiet_ns < 0:
                self._tell(alarm.alarm_id, ledger)
            else:
                self._tell_later(ledger, alarm.alarm_id, REPEAT_S - quiet_ns / 1e9)
        self._save(ledger, alarm)

    def _tell_later(self, ledger: Ledger, alarm_id: str, seconds: float) -> None:
        ledger.after(seconds, lambda turn: self._tell(alarm_id, turn))

    def _tell(self, alarm_id: str, ledger: Ledger) -> None:
        """Write the repeated record that stands for every press since the last one."""
        alarm = self._by_id.get(alarm_id)
        if alarm is None or alarm.told >= alarm.count:
            return
        alarm.told, alarm.told_ns = alarm.count, ledger.now_ns
        if alarm.category == Category.ALARM:  # receivers are told of a fault once, and of its end
            self._record(ledger, alarm, "repeated", None, {"count": alarm.count})
        self._save(ledger, alarm)

    def _settle(self, ledger: Ledger, alarm: Alarm) -> None:
        if alarm.closes_by_itself:
            if alarm.category == Category.FAULT:
                alarm.closed_ns = ledger.now_ns  # its restored record is its end
                self._forget(ledger, alarm)
            else:
                self._close(ledger, alarm, "gateway", None, "")
        else:
            self._save(ledger, alarm)

    def _close(
        self, ledger: Ledger, alarm: Alarm, who: str, disposition: str | None, note: str
    ) -> None:
        if alarm.told < alarm.count:
            self._tell(alarm.alarm_id, ledger)
        by, said = who[:WHO_CHARS], note[:NOTE_CHARS] or None
        extra = {"by": by, "disposition": disposition, "note": said}
        self._record(ledger, alarm, "closed", None, extra)
        if alarm.acknowledged_ns is None:
            alarm.acknowledged_ns, alarm.acknowledged_by = ledger.now_ns, by
        alarm.closed_ns, alarm.closed_by = ledger.now_ns, by
        alarm.disposition, alarm.note = disposition, said
        self._forget(ledger, alarm)

    def _forget(self, ledger: Ledger, alarm: Alarm) -> None:
        self._open.pop(_key(alarm), None)
        self._by_id.pop(alarm.alarm_id, None)
        self._save(ledger, alarm)
        self._closed(alarm.device, alarm.point, ledger)

    def _save(self, ledger: Ledger, alarm: Alarm) -> None:
        ledger.changed[alarm.alarm_id] = alarm

    def _record(
        self,
        ledger: Ledger,
        alarm: Alarm,
        what: str,
        reading: Reading | None,
        extra: dict[str, Any],
    ) -> None:
        attributes = alarm.attributes
        if "count" in extra and len(attributes) < MAX_ATTRIBUTES:
            attributes = {**attributes, "count": alarm.count}
        ledger.write(
            Draft(
                type=f"{alarm.category}.{what}",
                subject=self._subject_of(alarm.device, alarm.point),
                kind=alarm.kind,
                priority=alarm.priority,
                received_ns=ledger.now_ns if reading is None else reading.received_ns,
                observed_ns=None if reading is None else reading.observed_ns,
                quality=ledger.quality,
                text=alarm.text,
                words=alarm.words,
                mode=alarm.mode,
                alarm_id=alarm.alarm_id,
                value=alarm.value if reading is None else reading.value,
                unit=alarm.unit,
                attributes=attributes,
                extra=extra,
            )
        )

    def _arm(self, alarm: Alarm, ledger: Ledger) -> None:
        """Set the timer for the next escalation; a due time far off means a clock that jumped."""
        if alarm.due_ns is None:
            return
        steps = self._escalation.get(alarm.priority, ())
        if alarm.level >= len(steps):  # the configuration has fewer steps than it had
            alarm.due_ns = None
            return
        before = steps[alarm.level - 1] if alarm.level else 0.0
        rest = min(max((alarm.due_ns - ledger.now_ns) / 1e9, 0.0), steps[alarm.level] - before)
        ledger.after(rest, lambda turn: self._escalate(alarm.alarm_id, turn))

    def _escalate(self, alarm_id: str, ledger: Ledger) -> None:
        alarm = self._by_id.get(alarm_id)
        if alarm is None or alarm.due_ns is None or alarm.acknowledged_ns is not None:
            return
        steps = self._escalation.get(alarm.priority, ())
        self._record(ledger, alarm, "escalated", None, {"level": alarm.level + 1})
        alarm.level += 1
        alarm.due_ns = None
        if alarm.level < len(steps):
            alarm.due_ns = ledger.now_ns + int((steps[alarm.level] - steps[alarm.level - 1]) * 1e9)
        self._arm(alarm, ledger)
        self._save(ledger, alarm)

    def _is_carried(self, alarm: Alarm) -> bool:
        """Whether the first alarm of its flood escalates for it: while nobody has seen that."""
        cause = None if alarm.cause is None else self._by_id.get(alarm.cause)
        return cause is not None and cause.acknowledged_ns is None

    def _fold(self, alarm: Alarm, group: str, mono_ns: int) -> str | None:
        """The first alarm of a flood this one belongs to, None when it stands for itself."""
        if alarm.kind in NEVER_FOLDED or alarm.priority == 1:
            return None
        recent = self._recent.setdefault((alarm.kind, group), deque(maxlen=FLOOD_ALARMS + 1))
        self._recent.move_to_end((alarm.kind, group))
        while len(self._recent) > 256:
            self._recent.popitem(last=False)
        while recent and mono_ns - recent[0][0] > FLOOD_S * 1e9:
            recent.popleft()
        if len(recent) > FLOOD_ALARMS:
            # Under the first that is still open; one that is closed can explain nothing any more.
            return next((first for _, first in recent if first in self._by_id), None)
        recent.append((mono_ns, alarm.alarm_id))
        return None


def _kept(raised_ns: int, kept_ns: tuple[int, int]) -> dict[str, str]:
    """Which video of an alarm is held at least: the contract's data.video."""
    return {"from": rfc3339(raised_ns - kept_ns[0]), "to": rfc3339(raised_ns + kept_ns[1])}


def _key(alarm: Alarm) -> tuple[str, str, bool]:
    return alarm.device, alarm.point, alarm.mode == Mode.HISTORICAL
