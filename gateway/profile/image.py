"""The image of one device's registers: data in, readings out when something is new.

Owns    the values as last read, and which rules have to be looked at again.
Needs   meaning.py for what data means, news.py for what is news. Reads no clock: the caller says
        what time it is.
Keeps   1. take() never raises, whatever the data is; what does not decode comes back as a sentence.
        2. A change that could matter to an alarm is reported at once: a state that is another, a
           number that has crossed a threshold, a counter that moved, a value that is known no more.
           A number that only wanders is reported at most once in REPORT_NS, and its last value
           always is.
        3. After forget() everything is unknown until it was read again (promise 5).

Where the time goes: most polls bring what the last one brought (one comparison of bytes), most
others move a few words (only what lies in them is read). A plain number whose only use is to be a
measurement (meaning.Gauge) takes no rule: it is compared with the room it may wander in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, count
from operator import ne
from typing import Final

from gateway.events import Point, Reading, Scalar
from gateway.profile.meaning import Layout, Meant, Now, PartMeaning
from gateway.profile.news import REFRESH_NS, REPORT_NS, Told
from gateway.profile.path import Scope
from gateway.profile.payload import Garble
from gateway.profile.registers import Reader, Words
from gateway.profile.rules import Found

__all__ = ["NOTHING", "REFRESH_NS", "REPORT_NS", "Image", "Taken"]


@dataclass(slots=True)
class Taken:
    """What the data of a part meant.

    readings  in the order of the profile's rules
    problem   a sentence when something of it does not decode, else None
    acks      commands to send once the readings are on disk, each once
    """

    readings: list[Reading] = field(default_factory=list)
    problem: str | None = None
    acks: tuple[str, ...] = ()


NOTHING: Final = Taken()
"""No news; shared, change nothing in it."""


@dataclass(slots=True)
class _Turn:
    """What one take has found so far.

    changed   names of values that are others than before · rules  those to look at
    readings  with the number of the rule that made each
    home      the part that is charged with what has to be looked at later
    """

    received_ns: int
    mono_ns: int
    home: int
    changed: set[str] = field(default_factory=set)
    rules: set[int] = field(default_factory=set)
    readings: list[tuple[int, Reading]] = field(default_factory=list)
    problem: str | None = None


_Slot = tuple[str, Reader, Told | None, int]
"""Name and reader of a value; for a gauge also what was told of its point, and its rule."""


class _PartNow:
    """What is known of one part.

    data, words  as last read; None when it was not, or is not to be believed any more
    due_ns       when it is looked at although nothing has changed
    refresh_ns   when all of it is
    late         rules whose news was held back
    """

    __slots__ = ("data", "due_ns", "late", "meaning", "refresh_ns", "slots", "words")

    def __init__(self, meaning: PartMeaning, told: Mapping[str, Told]) -> None:
        self.meaning = meaning
        gauges = {gauge.value: gauge for gauge in meaning.gauges}
        self.slots: list[_Slot] = [
            (name, read, told[gauges[name].point], gauges[name].rule)
            if name in gauges
            else (name, read, None, -1)
            for name, read in meaning.readers
        ]
        self.late: set[int] = set()
        self.forget()

    def forget(self) -> None:
        """Nothing is known."""
        self.data: bytes | None = None
        self.words: Words | None = None
        self.due_ns = self.refresh_ns = 0
        self.late.clear()

    def moved(self, words: Words) -> Iterable[_Slot]:
        """Return the slots in which a word is another than before."""
        before, at_word = self.words, self.meaning.at_word
        moved = list(compress(count(), map(ne, before or (), words)))
        if 2 * len(moved) > len(words):
            return self.slots
        return [self.slots[at] for at in sorted({at for word in moved for at in at_word[word]})]


class Image:
    """See the module. One for each device; used by one task.

    values  every value by name, as last read; None or absent is unknown. For looking only
    """

    __slots__ = ("_beats", "_derived", "_device_id", "_layout", "_parts", "_raw", "_stopped",
                 "_told", "_wrong", "values")  # fmt: skip

    def __init__(self, device_id: str, points: Mapping[str, Point], layout: Layout) -> None:
        self._device_id = device_id
        self._layout = layout
        self._told = {name: Told(point) for name, point in points.items()}
        self._parts = [_PartNow(meaning, self._told) for meaning in layout.parts]
        self._raw: Now = {}
        self._derived: Now = {}
        self._wrong: dict[tuple[str, str], str] = {}
        self._beats: dict[str, tuple[Scalar | None, int]] = {}
        self._stopped: str | None = None
        self.values: Now = dict(layout.constants)

    @property
    def problem(self) -> str | None:
        """A sentence while something that was read does not decode; None when all of it does."""
        return next(iter(self._wrong.values()), None)

    def words(self, part: int) -> tuple[int, ...] | None:
        """A part's registers or bits as last read; None when it is not known any more."""
        words = self._parts[part].words
        return None if words is None else tuple(words)

    def take(self, part: int, data: bytes, received_ns: int, mono_ns: int) -> Taken:
        """Take what was read of one part; see take_all."""
        now = self._parts[part]
        if data == now.data and mono_ns < now.due_ns:
            return NOTHING
        return self.take_all(((part, data),), received_ns, mono_ns)

    def take_all(
        self, pieces: Sequence[tuple[int, bytes]], received_ns: int, mono_ns: int
    ) -> Taken:
        """Take what one reply says of some parts: judged together, because it was read together.

        pieces       (part, data): 2 bytes for each register, high byte first, or bits eight to a
                     byte, the lowest first
        received_ns  our UTC clock; mono_ns our monotonic one
        """
        turn: _Turn | None = None
        for part, data in pieces:
            now = self._parts[part]
            if data == now.data and mono_ns < now.due_ns:
                continue
            if turn is None:
                turn = _Turn(received_ns, mono_ns, part)
            self._look(now, part, data, turn)
        if turn is None:
            return NOTHING
        if turn.changed:
            self._derive(turn)
            depending = self._layout.depending
            turn.rules.update([at for name in turn.changed for at in depending.get(name, ())])
        acks = self._judge(turn) if turn.rules else ()
        if not turn.readings and turn.problem is None:
            return NOTHING
        turn.readings.sort(key=_rule_of)
        return Taken([reading for _, reading in turn.readings], turn.problem or self.problem, acks)

    def forget(self) -> None:
        """The device is gone: nothing that was read is known any more.

        One whose heart had stopped is only believed again once it beats.
        """
        for part in self._parts:
            part.forget()
        for told in self._told.values():
            told.forget()
        self._raw.clear()
        self._derived.clear()
        self._wrong.clear()
        self.values.clear()
        self.values.update(self._layout.constants)
        self._beats = {name: beat for name, beat in self._beats.items() if name == self._stopped}

    def stuck(self, mono_ns: int) -> str | None:
        """Return a heartbeat value that has not changed for too long, None when all is well."""
        for name, seconds in self._layout.heartbeats:
            beat = self._beats.get(name)
            if beat is not None and mono_ns - beat[1] > seconds * 1e9:
                self._stopped = name
                return name
        self._stopped = None
        return None

    # --- reading --------------------------------------------------------------------------------

    def _look(self, now: _PartNow, part: int, data: bytes, turn: _Turn) -> None:
        meaning, mono_ns = now.meaning, turn.mono_ns
        if len(data) != meaning.size_bytes:
            # The link has checked it; if it has not, nothing of it may pass for a value.
            turn.problem = f"长度不对 / {len(data)} bytes where {meaning.size_bytes} were asked for"
            return
        waited: set[int] = set()
        if mono_ns >= now.due_ns:
            waited, now.late = now.late, waited
            now.due_ns = now.refresh_ns
        if mono_ns >= now.refresh_ns:
            now.due_ns = now.refresh_ns = mono_ns + REFRESH_NS
            now.words = meaning.unpack(data)
            self._read(now.slots, now.words, turn, whole=True)
        elif data != now.data:
            words = meaning.unpack(data)
            slots = now.slots if now.words is None else now.moved(words)
            now.words = words
            try:
                self._read_moved(slots, words, part, turn)
            except Garble:  # a gauge's; what it could not say is said now
                self._read(now.slots, words, turn, whole=True)
        now.data = data
        if waited:
            turn.rules |= waited.difference(now.late, [rule for rule, _ in turn.readings])

    def _read_moved(self, slots: Iterable[_Slot], words: Words, part: int, turn: _Turn) -> None:
        """Read values, the gauges among them straight into readings."""
        values, mono_ns = self.values, turn.mono_ns
        others: list[_Slot] = []
        late: list[int] = []
        until_ns = mono_ns + REPORT_NS
        for slot in slots:
            name, read, told, rule = slot
            if told is None:
                others.append(slot)
                continue
            value = read(words)
            values[name] = value
            if value is None:
                turn.rules.add(rule)
            elif told.low <= value < told.high and mono_ns < told.again_ns:  # type: ignore[operator]
                late.append(rule)
                if told.again_ns < until_ns:  # noqa: PLR1730 a call would cost as much as the rest
                    until_ns = told.again_ns
            elif value != told.value:
                told.tell(None, value, mono_ns)
                turn.readings.append((rule, self._plain(rule, value, turn.received_ns)))
        if late:
            self._hold_back(part, late, until_ns)
        if others:
            self._read(others, words, turn, whole=False)

    def _plain(self, rule: int, value: Scalar, received_ns: int) -> Reading:
        point = self._layout.rules[rule].point
        return Reading(device_id=self._device_id, point=point, received_ns=received_ns, value=value)

    def _hold_back(self, part: int, rules: Iterable[int], until_ns: int) -> None:
        """Have rules looked at again when their points may be told."""
        now = self._parts[part]
        now.late.update(rules)
        now.due_ns = min(now.due_ns, until_ns)

    def _read(self, slots: Iterable[_Slot], words: Words, turn: _Turn, *, whole: bool) -> None:
        """Read values that rules or other values are made of; whole: whether changed or not."""
        raw, values, changed = self._raw, self.values, turn.changed
        for name, read, _, _ in slots:
            try:
                value = read(words)
            except Garble as problem:
                value = None
                turn.problem = self._wrong["read", name] = f"{name}: {problem}"
            else:
                self._wrong.pop(("read", name), None)
            if name not in raw or raw[name] != value:
                raw[name] = values[name] = value
                changed.add(name)
                if name in self._layout.beating:
                    self._beat(name, value, turn.mono_ns)
            elif whole:
                values[name] = value
                changed.add(name)

    def _beat(self, name: str, value: Scalar | None, mono_ns: int) -> None:
        before = self._beats.get(name)
        if value is not None and (before is None or before[0] != value):
            self._beats[name] = (value, mono_ns)

    def _derive(self, turn: _Turn) -> None:
        values, changed = self.values, turn.changed
        for each in self._layout.derived:
            if changed.isdisjoint(each.needs):
                continue
            name = each.name
            try:
                value = each.derive(self._raw.get(name), values, self._derived.get(name))
            except Garble as problem:
                value = None
                turn.problem = self._wrong["derive", name] = f"{name}: {problem}"
            else:
                self._wrong.pop(("derive", name), None)
            values[name] = self._derived[name] = value
            changed.add(name)

    # --- meaning --------------------------------------------------------------------------------

    def _judge(self, turn: _Turn) -> tuple[str, ...]:
        """Look at the rules of this turn; returns the commands to send."""
        scope = Scope(self.values, {}, {})
        acks: dict[str, None] = {}
        said: set[str] = set()
        silent: list[int] = []
        for index in sorted(turn.rules):
            meant = self._layout.rules[index]
            found: list[Found] = []
            wrong: list[str] = []
            meant.rule(scope, found, wrong)
            if wrong:
                turn.problem = self._wrong["rule", str(index)] = wrong[0]
            else:
                self._wrong.pop(("rule", str(index)), None)
            if not found:
                silent.append(index)
            for item in found:
                said.add(item[0])
                is_told = self._tell(index, meant, item, turn)
                if is_told and item[1] and meant.ack is not None:
                    acks[meant.ack] = None
        for index in silent:
            meant = self._layout.rules[index]
            if meant.lasting and meant.point not in said and self._is_lost(meant):
                self._tell(index, meant, (meant.point, None, None), turn)
        return tuple(acks)

    def _is_lost(self, meant: Meant) -> bool:
        """Whether what was told of a point is not known any more (promise 5)."""
        told = self._told[meant.point]
        was_known = told.value is not None or told.active is not None
        return was_known and any(self.values.get(name) is None for name in meant.looks)

    def _tell(self, index: int, meant: Meant, item: Found, turn: _Turn) -> bool:
        point, active, value = item
        what = self._told[point].judge(active, value, turn.mono_ns)
        if what == "late":
            self._hold_back(turn.home, (index,), self._told[point].again_ns)
        if what != "news":
            return False
        values = self.values
        unit = values.get(meant.unit) if meant.unit is not None else None
        reading = Reading(
            device_id=self._device_id,
            point=point,
            received_ns=turn.received_ns,
            active=active,
            value=value,
            attributes={
                name: held for name in meant.attributes if (held := values.get(name)) is not None
            },
            unit=unit if isinstance(unit, str) else None,
        )
        turn.readings.append((index, reading))
        return True


def _rule_of(told: tuple[int, Reading]) -> int:
    return told[0]
