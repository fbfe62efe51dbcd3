"""The judge: what a message means for points, alarms, supervision and the journal. Pure.

Owns    the points as last known (points.py) and the messages that may come again (repeats.py); with
        them the alarm book and supervision, which are changed here and nowhere else.
Needs   profile logic, rules, the store's forms. It writes into the turn's ledger and never waits.
Keeps   1. Judging one message cannot stop the next: what fails is quarantined with its reason.
        2. What comes again is known as the same (decision 0008).
        3. On a disk that is nearly full telemetry goes first, a flooding device's events next.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import structlog

from gateway.events import (
    MAX_RAW_BYTES,
    ONLINE_POINT,
    Arrival,
    Category,
    Device,
    Garbled,
    Kind,
    Nature,
    Point,
    Reading,
    Scalar,
)
from gateway.metrics import Metrics
from gateway.points import PointNow, storable
from gateway.profile import Change
from gateway.repeats import Heard
from gateway.rules.alarm import Alarm
from gateway.rules.book import AlarmBook
from gateway.rules.ledger import Ledger
from gateway.rules.supervision import Supervision
from gateway.store import Draft, QuarantineRow, Start
from gateway.store.journal import Subject
from gateway.words import Said

READING_EVERY_NS: Final = 60_000_000_000
MARK: Final = "@mark."
"""Before the name of what a driver keeps; no point's name begins like this."""
DURESS_POINT: Final = "duress"
GUARD_ROOM: Final = "值班室"
"""Where somebody signs on under duress, beside the name of the site."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded: the ids of cameras, and how much of them an alarm keeps."""

    cameras: frozenset[str] = frozenset()
    before_ns: int = 0
    after_ns: int = 0

    def kept_ns(self, cameras: Iterable[str]) -> tuple[int, int] | None:
        """Before and behind an alarm that these cameras saw; None when none is recorded."""
        return None if self.cameras.isdisjoint(cameras) else (self.before_ns, self.after_ns)


NOTHING_RECORDED: Final = Recorded()


class Judge:
    """See the module. Used by one task only, the intake's."""

    def __init__(
        self,
        start: Start,
        devices: Sequence[Device],
        gateway: Device,
        escalation: Mapping[int, Sequence[float]],
        metrics: Metrics,
        recorded: Recorded = NOTHING_RECORDED,
    ) -> None:
        self._gateway = gateway
        self._video = recorded
        self._metrics = metrics
        self._devices = {device.id: device for device in (*devices, gateway)}
        self._saved = start.points
        self._start = start
        self._subjects: dict[tuple[str, str], Subject] = {}
        self._heard = Heard()
        self.points: dict[tuple[str, str], PointNow] = {}
        self.book = AlarmBook(escalation, self.subject, self._closed)
        self._own_subjects = _Subjects(self.subject)
        self.supervision = Supervision(devices, self.book, self._own_subjects)
        self.keep_readings = True

    def begin(self, ledger: Ledger) -> None:
        """Take up what the store knows: open alarms, silences, repeats, delays."""
        self.book.load(self._start.alarms, ledger)
        self.supervision.load(self._start.seen, ledger)
        self._heard.load(self._start.inbox)
        for key in list(self._saved):
            if key[0] in self._devices and key[1] in self._devices[key[0]].points:
                self._rearm(self._point(*key), ledger)
        self._start.points = {}

    def recall(self, device_id: str, name: str) -> str | None:
        """See gateway.driver.Recall."""
        saved = self._saved.get((device_id, f"{MARK}{name}"))
        if saved is None:
            return None
        try:
            return str(orjson.loads(saved)["mark"])
        except (ValueError, TypeError, KeyError):
            log.exception("a mark cannot be read; taken as none", device=device_id, mark=name)
            return None

    def keep(self, device_id: str, name: str, value: str, ledger: Ledger) -> None:
        """Have recall() say this from now on, and after a restart once this turn is committed."""
        key = (device_id, f"{MARK}{name}")
        self._saved[key] = ledger.batch.points[key] = orjson.dumps({"mark": value}).decode()

    def forget_session(self, link: str, ledger: Ledger) -> None:
        """A broker has forgotten us: its packet ids begin anew."""
        self._heard.forget(link)
        ledger.batch.forget_inbox.append(link)

    def arrival(self, arrival: Arrival, ledger: Ledger) -> None:
        """Judge one message; whatever fails in it is kept in quarantine (keep 1)."""
        try:
            self._arrival(arrival, ledger)
        except Exception as error:  # noqa: BLE001 keep 1, for the message as a whole
            self._unjudged(arrival, error, ledger)

    def _arrival(self, arrival: Arrival, ledger: Ledger) -> None:
        if self._heard.is_known(arrival, self._are_dated, ledger):
            self._metrics.counters["duplicates"] += 1
            return
        supervision = self.supervision
        for name in arrival.devices:
            supervision.heard(name, ledger)
        if arrival.garbled is not None:
            self._garbled(arrival.garbled, ledger)
        else:
            for name in arrival.devices:
                if name in supervision.watches and supervision.watches[name].garbled:
                    supervision.understood(name, ledger)
        for device_id, name, value in arrival.marks:
            self.keep(device_id, name, value, ledger)
        for reading in arrival.readings:
            try:
                self._reading(reading, ledger)
            except Exception as error:  # noqa: BLE001 keep 1: one must not stop the next
                self._unjudged(reading, error, ledger)

    def _unjudged(self, what: Arrival | Reading, error: Exception, ledger: Ledger) -> None:
        """Keep what could not be judged, and tell a person: it may have been an alarm."""
        if isinstance(what, Reading):
            name = what.device_id
        else:
            name = what.devices[0] if what.devices else self._gateway.id
        log.error("judging failed; kept in quarantine", device=name, exc_info=error)
        garbled = Garbled(
            device_id=name,
            why=f"judging failed: {type(error).__name__}",
            raw=repr(what).encode("utf-8", "backslashreplace")[:MAX_RAW_BYTES],
            size_bytes=0,
            received_ns=ledger.now_ns,
        )
        self._garbled(garbled, ledger)

    def _are_dated(self, readings: Sequence[Reading]) -> bool:
        """Whether all are events of devices that number or date what they send."""
        for reading in readings:
            points = self._devices[reading.device_id].points
            if reading.point not in points or points[reading.point].nature is not Nature.RECORD:
                return False
        return True

    def _reading(self, reading: Reading, ledger: Ledger) -> None:
        if reading.point == ONLINE_POINT:
            self.supervision.said(reading, ledger)
            return
        now = self.points.get((reading.device_id, reading.point))
        if now is None:
            now = self._point(reading.device_id, reading.point)
        now.at_ns, now.value = reading.received_ns, reading.value
        point = now.point
        if point.nature is Nature.RECORD and not self.keep_readings and self._is_shed(reading):
            self._metrics.counters["records_shed"] += 1
            return
        if point.nature is Nature.RECORD and reading.duplicate is None and not reading.retained:
            self._recorded(now, reading, ledger)
            return
        machine = now.machine
        before = (machine.active, machine.due_ns)
        change = machine.feed(reading, ledger.mono_ns)
        if (
            change is None
            and point.nature is Nature.MEASUREMENT
            and reading.duplicate is None
            and before == (machine.active, machine.due_ns)
            and 0 <= ledger.mono_ns - now.stored_ns < READING_EVERY_NS
            and now.stored_ns
        ):
            return  # a number that only wanders is kept once a minute, its meaning at once
        while change is not None:
            self._changed(now, change, ledger)
            due = machine.due_ns
            change = (
                machine.tick(ledger.mono_ns) if due is not None and due <= ledger.mono_ns else None
            )
        remembers = reading.duplicate is not None or point.counter_bits is not None
        if point.nature is not Nature.MOMENTARY or remembers:
            self._rearm(now, ledger)
            self._save_point(now, reading, ledger)

    def _is_shed(self, reading: Reading) -> bool:
        """On a disk that is nearly full a flooding device's routine events are only counted.

        Otherwise one stuck reader would eat the reserve that is there for alarms. Its flooding
        fault is open, and so is the disk's.
        """
        urgent = (reading.priority or 3) <= 2
        return self.supervision.watches[reading.device_id].flooding and not urgent

    def _save_point(self, now: PointNow, reading: Reading, ledger: Ledger) -> None:
        key = (reading.device_id, reading.point)
        doc = orjson.dumps(now.machine.state().as_dict()).decode()
        changed = self._saved.get(key) != doc
        if changed:
            self._saved[key] = doc
            ledger.batch.points[key] = doc
        minute = ledger.mono_ns - now.stored_ns > READING_EVERY_NS
        if now.point.nature is not Nature.RECORD and (changed or minute or not now.stored_ns):
            now.stored_ns = ledger.mono_ns
            if self.keep_readings:
                row = (reading.received_ns, *key, storable(now.value))
                ledger.batch.readings.append(row)
            else:
                self._metrics.counters["readings_left_out"] += 1

    def _rearm(self, now: PointNow, ledger: Ledger) -> None:
        """Have the point looked at when it is due. One timer, however often it is asked for."""
        due = now.machine.due_ns
        if due is None:
            return
        at = max(due, ledger.mono_ns)
        if 0 < now.armed_ns <= at:
            return  # that one sets the next
        now.armed_ns = at
        ledger.timers.append((at, lambda turn: self._tick(now, at, turn)))

    def _tick(self, now: PointNow, at: int, ledger: Ledger) -> None:
        if now.armed_ns != at:
            return  # an earlier one took its place
        now.armed_ns = 0
        while (due := now.machine.due_ns) is not None and due <= ledger.mono_ns:
            change = now.machine.tick(ledger.mono_ns)
            if change is None:
                break
            self._changed(now, change, ledger)
            self._save_point(now, change.reading, ledger)
        self._rearm(now, ledger)

    def _changed(self, now: PointNow, change: Change, ledger: Ledger) -> None:
        reading, point = change.reading, now.point
        if point.category is Category.RECORD and change.what == "restored":
            return  # a state that is only written down: its beginning is the event
        if change.what == "recorded" or point.category is Category.RECORD:
            self._recorded(now, reading, ledger)
        elif point.category is Category.READING:
            return
        elif change.what == "restored":
            self.book.restored(ledger, reading.device_id, reading.point, reading)
        else:
            link = self._devices[reading.device_id].link
            self.book.raised(ledger, now.subject, point, reading, group=link)
            if point.nature is Nature.MOMENTARY and not self._holds(now):
                self.book.restored(ledger, reading.device_id, reading.point, reading)

    @staticmethod
    def _holds(now: PointNow) -> bool:
        """Whether an active momentary point stays so: alarms do, and what restores itself."""
        return now.point.category is Category.ALARM or now.point.auto_restore_s is not None

    def _recorded(self, now: PointNow, reading: Reading, ledger: Ledger) -> None:
        point = now.point
        ledger.write(
            Draft(
                type="event.recorded",
                subject=now.subject,
                kind=point.kind,
                priority=reading.priority or point.priority,
                received_ns=reading.received_ns,
                observed_ns=reading.observed_ns,
                quality=ledger.quality,
                text=now.text,
                words=now.words,
                mode="historical" if reading.historical else "live",
                value=reading.value,
                unit=reading.unit or point.unit,
                attributes=reading.attributes,
            )
        )

    def _garbled(self, garbled: Garbled, ledger: Ledger) -> None:
        name = garbled.device_id
        self._metrics.quarantined[name] = self._metrics.quarantined.get(name, 0) + 1
        ledger.batch.quarantine.append(
            QuarantineRow(
                garbled.received_ns,
                name,
                garbled.why[:512],
                garbled.size_bytes,
                garbled.raw[:MAX_RAW_BYTES],
            )
        )
        self.supervision.garbled(name, garbled.why, garbled.size_bytes, ledger)

    def own_fault(
        self,
        ledger: Ledger,
        name: str,
        said: Said | None,
        attributes: dict[str, Scalar],
        *,
        active: bool,
        kind: Kind = Kind.FAULT,
    ) -> None:
        """Raise or restore a fault of the gateway itself; repeating it changes nothing."""
        device = self._gateway.id
        if not active:
            self.book.restored(ledger, device, name, None)
            return
        if self.book.open_at(device, name) is not None:
            return
        if said is None or not str(said):
            said = Said(name, name)
        point = Point(
            name=name,
            kind=kind,
            nature=Nature.STATE,
            category=Category.FAULT,
            priority=2,
            text=said.zh or said.en,
            text_en=said.en or said.zh,
        )
        reading = Reading(
            device_id=device,
            point=name,
            received_ns=ledger.now_ns,
            active=True,
            attributes=attributes,
        )
        subject = self.subject(device, name)
        self.book.raised(ledger, subject, point, reading, group="gateway", both=True)

    def duress(self, ledger: Ledger, person: str, address: str) -> None:
        """Somebody signed on with the PIN that says he is threatened: an alarm of the gateway."""
        point = Point(
            name=DURESS_POINT,
            kind=Kind.DURESS,
            nature=Nature.STATE,
            category=Category.ALARM,
            priority=1,
            text=f"{person} 在胁迫下登录值班台",
            text_en=f"{person} signed on under duress",
        )
        reading = Reading(
            device_id=self._gateway.id,
            point=DURESS_POINT,
            received_ns=ledger.now_ns,
            active=True,
            attributes={"person": person, "from_address": address},
        )
        subject = self.subject(self._gateway.id, DURESS_POINT)
        self.book.raised(ledger, subject, point, reading, group="gateway")

    # Devices that change while everything runs; gateway/reload.py keeps the order.

    def widen(self, devices: Iterable[Device], ledger: Ledger) -> None:
        """Take devices in; one that is known keeps its old points, too, until settle()."""
        self._forget_subjects()
        for device in devices:
            known = self._devices.get(device.id)
            points = device.points if known is None else {**known.points, **device.points}
            self._take(dataclasses.replace(device, points=points), ledger)

    def settle(self, devices: Iterable[Device], gone: Iterable[str], ledger: Ledger) -> None:
        """Devices are as given from now on, and `gone` are no more; of the others nothing changes.

        Open alarms of devices that are gone stay until a person closes them. Their faults are over:
        such a device is neither silent nor sick, it is not there.
        """
        for name in [name for name in gone if name in self._devices]:
            self.supervision.drop(name, ledger)
            for alarm in self.book.open_of(name):
                if alarm.category == Category.FAULT:
                    self.book.restored(ledger, name, alarm.point, None)
            self._lift(self._devices[name])
            if not self.book.open_of(name):
                del self._devices[name]  # otherwise its alarms go on having a name and a place
        self._forget_subjects()
        for device in devices:
            self._take(device, ledger)

    def _take(self, device: Device, ledger: Ledger) -> None:
        known = self._devices.get(device.id)
        if known == device and device.id in self.supervision.watches:
            return
        before = {} if known is None else self._lift(known)
        for name in () if known is None else known.points.keys() - device.points.keys():
            alarm = self.book.open_at(device.id, name)
            if alarm is not None and alarm.category == Category.FAULT:
                self.book.restored(ledger, device.id, name, None)  # nothing could end it any more
        self._devices[device.id] = device
        self.supervision.take(device, ledger)
        for name in device.points:
            if (device.id, name) not in self._saved and name not in before:
                continue
            now = self._point(device.id, name)
            if name in before:
                was = before[name]
                now.value, now.at_ns, now.stored_ns = was.value, was.at_ns, was.stored_ns
            self._rearm(now, ledger)

    def _forget_subjects(self) -> None:
        """Names and places may be others now; each subject is made again when it is asked for."""
        self._subjects.clear()
        self._own_subjects.clear()

    def _lift(self, device: Device) -> dict[str, PointNow]:
        """Take a device's points out, their state remembered and their timers off."""
        lifted = {}
        for name in device.points:
            now = self.points.pop((device.id, name), None)
            if now is not None:
                now.armed_ns = 0
                state = orjson.dumps(now.machine.state().as_dict()).decode()
                self._saved[device.id, name] = state
                lifted[name] = now
        return lifted

    def own_open(self) -> list[Alarm]:
        """The faults of the gateway itself that are open."""
        return self.book.open_of(self._gateway.id)

    def _closed(self, device: str, point: str, ledger: Ledger) -> None:
        """A person closed the alarm: the point may raise again once it was inactive."""
        now = self.points.get((device, point))
        if now is not None:
            now.machine.reset(ledger.mono_ns)
            self._saved[device, point] = doc = orjson.dumps(now.machine.state().as_dict()).decode()
            ledger.batch.points[device, point] = doc

    def _point(self, device_id: str, name: str) -> PointNow:
        device = self._devices[device_id]
        key = (device_id, name)
        now = self.points.get(key)
        if now is None:
            subject = self.subject(device_id, name)
            now = PointNow(device, device.points[name], subject, self._saved.get(key))
            self.points[key] = now
        return now

    def subject(self, device_id: str, point: str) -> Subject:
        """The constant part of a point's records; made once."""
        found = self._subjects.get((device_id, point))
        if found is None:
            device = self._devices.get(device_id)
            cameras = device.cameras if device else ()
            place = device.place if device else ""
            if (device_id, point) == (self._gateway.id, DURESS_POINT):
                place = f"{place} {GUARD_ROOM}".strip()
            found = Subject.of(
                device_id=device_id,
                name=device.name if device else device_id,
                place=place,
                family=device.family if device else "",
                point=point,
                cameras=cameras,
                kept_ns=self._video.kept_ns(cameras),
            )
            self._subjects[device_id, point] = found
        return found

    def device_points(self, device: Device) -> Iterable[tuple[Point, PointNow | None]]:
        """Every point of a device, heard of or not."""
        for name, point in device.points.items():
            yield point, self.points.get((device.id, name))


class _Subjects(dict[tuple[str, str], Subject]):
    """Subjects by key, made when first asked for."""

    def __init__(self, make: Callable[[str, str], Subject]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: tuple[str, str]) -> Subject:
        found = self[key] = self._make(*key)
        return found
