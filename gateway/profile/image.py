"""The image of one device's registers: data in, readings out when something is new.

Owns    the values as last read, and what is news: a change, or nothing new for REFRESH_S.
Needs   meaning.py for what data means. Reads no clock: the caller says what time it is.
Keeps   1. take() never raises, whatever the data is; what does not decode comes back as a sentence.
        2. A change that could matter to an alarm is reported at once: a state that is another, a
           number that has crossed a threshold, a counter that moved. A number that only wanders is
           reported at most once in REPORT_S, and its last value always is.
        3. After forget() everything is unknown until it was read again (promise 5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.events import Nature, Point, Reading, Scalar
from gateway.profile.meaning import Layout, Meant, Now
from gateway.profile.path import Scope
from gateway.profile.payload import Garble
from gateway.profile.rules import Found

REFRESH_NS: Final = 60_000_000_000
REPORT_NS: Final = 1_000_000_000


@dataclass(slots=True)
class Taken:
    """What the data of a part meant.

    readings  in the order of the profile's rules
    problem   a sentence when some of it did not decode, else None
    acks      commands to send once the readings are on disk, each once
    """

    readings: list[Reading] = field(default_factory=list)
    problem: str | None = None
    acks: tuple[str, ...] = ()


NOTHING: Final = Taken()
"""No news; shared, change nothing in it."""


@dataclass(slots=True)
class _Told:
    """What was last reported of a point."""

    active: bool | None
    value: Scalar | None
    zone: int
    at_ns: int


class Image:
    """See the module. One for each device; used by one task."""

    __slots__ = (
        "_beats",
        "_data",
        "_derived",
        "_device_id",
        "_due",
        "_layout",
        "_points",
        "_raw",
        "_told",
        "_waiting",
        "values",
    )

    def __init__(self, device_id: str, points: Mapping[str, Point], layout: Layout) -> None:
        self._device_id = device_id
        self._points = points
        self._layout = layout
        self._data: list[bytes | None] = [None] * len(layout.parts)
        self._due = [0] * len(layout.parts)
        self._waiting = [False] * len(layout.parts)
        self._raw: Now = {}
        self._derived: Now = {}
        self._told: dict[str, _Told] = {}
        self._beats: dict[str, tuple[Scalar | None, int]] = {}
        self.values: Now = dict(layout.constants)

    def take(self, part: int, data: bytes, received_ns: int, mono_ns: int) -> Taken:
        """Take what was read of one part; see take_all."""
        return self.take_all(((part, data),), received_ns, mono_ns)

    def take_all(
        self, pieces: Sequence[tuple[int, bytes]], received_ns: int, mono_ns: int
    ) -> Taken:
        """Take what one reply says of some parts: judged together, because it was read together.

        pieces       (part, data): 2 bytes for each register, high byte first, or bits eight to a
                     byte, the lowest first
        received_ns  our UTC clock; mono_ns our monotonic one
        """
        changed: set[str] | None = None
        problems: list[str] = []
        refresh = False
        for part, data in pieces:
            due = mono_ns >= self._due[part]
            same = data == self._data[part]
            if same and not due and not self._waiting[part]:
                continue
            if changed is None:
                changed = set()
            if not same or due:
                self._data[part] = data
                changed |= self._read(part, data, problems)
            if due or self._waiting[part]:
                changed.update([name for name, _ in self._layout.parts[part].readers])
            if due:
                refresh = True
                self._due[part] = mono_ns + REFRESH_NS
            self._waiting[part] = False
        if not changed:
            return NOTHING
        self._derive(changed, problems)
        return self._judge(pieces[0][0], changed, problems, received_ns, mono_ns, refresh=refresh)

    def forget(self) -> None:
        """The device is gone: nothing that was read is known any more."""
        self._data = [None] * len(self._data)
        self._due = [0] * len(self._due)
        self._raw.clear()
        self._derived.clear()
        self.values.clear()
        self.values.update(self._layout.constants)
        self._beats.clear()

    def stuck(self, mono_ns: int) -> str | None:
        """Return a heartbeat value that has not changed for too long, None when all is well."""
        for name, seconds in self._layout.heartbeats:
            value = self._raw.get(name)
            if value is None:
                continue
            before = self._beats.get(name)
            if before is None or before[0] != value:
                self._beats[name] = (value, mono_ns)
            elif mono_ns - before[1] > seconds * 1e9:
                return name
        return None

    # --- inside ---------------------------------------------------------------------------------

    def _read(self, part: int, data: bytes, problems: list[str]) -> set[str]:
        meaning = self._layout.parts[part]
        words = meaning.unpack(data)
        raw, values = self._raw, self.values
        changed: set[str] = set()
        for name, read in meaning.readers:
            try:
                value = read(words)
            except Garble as problem:
                problems.append(f"{name}: {problem}")
                value = None
            if name not in raw or raw[name] != value:
                raw[name] = values[name] = value
                changed.add(name)
        return changed

    def _derive(self, changed: set[str], problems: list[str]) -> None:
        values = self.values
        for each in self._layout.derived:
            if changed.isdisjoint(each.needs):
                continue
            name = each.name
            try:
                value = each.derive(self._raw.get(name), values, self._derived.get(name))
            except Garble as problem:
                problems.append(f"{name}: {problem}")
                value = None
            values[name] = self._derived[name] = value
            changed.add(name)

    def _judge(
        self,
        part: int,
        changed: set[str],
        problems: list[str],
        received_ns: int,
        mono_ns: int,
        *,
        refresh: bool,
    ) -> Taken:
        depending = self._layout.depending
        rules = self._layout.rules
        scope = Scope(self.values, {}, {})
        readings: list[Reading] = []
        acks: list[str] = []
        for index in sorted({at for name in changed for at in depending.get(name, ())}):
            meant = rules[index]
            found: list[Found] = []
            meant.rule(scope, found, problems)
            for item in found:
                if self._is_news(part, item, mono_ns, refresh=refresh):
                    readings.append(self._reading(meant, item, received_ns))
                    if meant.ack is not None and item[1] and meant.ack not in acks:
                        acks.append(meant.ack)
        if not readings and not problems:
            return NOTHING
        return Taken(readings, problems[0] if problems else None, tuple(acks))

    def _reading(self, meant: Meant, item: Found, received_ns: int) -> Reading:
        point, active, value = item
        values = self.values
        unit = values.get(meant.unit) if meant.unit is not None else None
        return Reading(
            device_id=self._device_id,
            point=point,
            received_ns=received_ns,
            active=active,
            value=value,
            attributes={
                name: held for name in meant.attributes if (held := values.get(name)) is not None
            },
            unit=unit if isinstance(unit, str) else None,
        )

    def _is_news(self, part: int, item: Found, mono_ns: int, *, refresh: bool) -> bool:
        """Keep 2."""
        name, active, value = item
        point = self._points[name]
        told = self._told.get(name)
        zone = _zone(point, value) if point.nature is Nature.MEASUREMENT else 0
        if told is None:
            self._told[name] = _Told(active, value, zone, mono_ns)
            return point.nature is not Nature.RECORD  # what it was before is not known
        moved = told.value != value or told.active is not active
        if point.nature is Nature.RECORD:
            refresh = False
        wanders = point.nature is Nature.MEASUREMENT and moved and zone == told.zone
        if wanders and not refresh and mono_ns - told.at_ns < REPORT_NS:
            self._waiting[part] = True
            return False
        if moved or refresh:
            told.active, told.value, told.zone, told.at_ns = active, value, zone, mono_ns
            return True
        return False


def _zone(point: Point, value: Scalar | None) -> int:
    """On which side of each threshold a number is; numbers in one zone mean the same to a point."""
    if not isinstance(value, (int, float)):
        return -1
    zone = 0
    if point.alarm_above is not None:
        restore = point.alarm_above if point.restore_below is None else point.restore_below
        zone = (value >= point.alarm_above) | (value < restore) << 1
    if point.alarm_below is not None:
        restore = point.alarm_below if point.restore_above is None else point.restore_above
        zone |= (value <= point.alarm_below) << 2 | (value > restore) << 3
    return zone
