"""Point logic: readings of one point in, edges out.

Owns    the state of one point of one device, and the rules by which it changes.
Needs   gateway.events. Reads no clock: the caller says what time it is (mono_ns, monotonic).
Keeps   1. A raise is never lost: a delay that was due is fired before the reading that would
           cancel it is looked at, and a delay that a restart cut short begins anew.
        2. A raise is never doubled: an active point does not raise again before it was inactive,
           also across a restart and when a person closed the alarm meanwhile.
        3. Unknown is never normal (promise 5): what carries no truth (None, NaN, a value between
           the thresholds before any other) neither raises nor restores.
        4. Latching is not done here. The machine reports edges; the alarm book decides how long
           an alarm stays open and whether a raise is a repeat of an open one.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from gateway.events import Kind, Nature, Point, Reading, Scalar

What = Literal["raised", "repeated", "restored", "recorded"]

MAX_REMEMBERED: Final = 16
"""Duplicate keys kept for one point; forgetting the oldest can double an alarm, never lose one."""

NEVER_RETAINED: Final = frozenset({Kind.PANIC, Kind.DURESS})


@dataclass(frozen=True, slots=True)
class Change:
    """What a reading or the passing of time meant.

    what     raised: an occurrence begins · restored: it is over · recorded: a fact, no alarm.
             "repeated" is the alarm book's word for a raise while the alarm is open; this
             machine never says it.
    reading  the reading that began it, so its times are those of the cause, not of the delay's end;
             for a point that goes back by itself the one that raised it, with active False
    """

    what: What
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class PointState:
    """What has to survive a restart, at most a few kB.

    active        True, False, or None while unknown; None for momentary points and records
    value         the last value, None when none or not finite
    since_utc_ns  received_ns of the reading that made it so
    pending       the reading whose delay runs, its `active` saying towards what; None when none
    cause         the reading that raised it, kept only for a point that goes back by itself
    duplicates    device's own keys seen of late, oldest first, at most MAX_REMEMBERED
    """

    active: bool | None = None
    value: Scalar | None = None
    since_utc_ns: int | None = None
    pending: dict[str, Any] | None = None
    cause: dict[str, Any] | None = None
    duplicates: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON and msgpack can carry it."""
        return {
            "active": self.active,
            "value": self.value,
            "since_utc_ns": self.since_utc_ns,
            "pending": self.pending,
            "cause": self.cause,
            "duplicates": list(self.duplicates),
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> "PointState":
        """Read what as_dict wrote; keys of a later version are passed over."""
        return cls(
            active=saved.get("active"),
            value=saved.get("value"),
            since_utc_ns=saved.get("since_utc_ns"),
            pending=saved.get("pending"),
            cause=saved.get("cause"),
            duplicates=tuple(saved.get("duplicates", ())),
        )


_SAVED: Final = (
    "device_id",
    "point",
    "received_ns",
    "active",
    "value",
    "observed_ns",
    "attributes",
    "duplicate",
    "priority",
    "retained",
    "unit",
)


def _freeze(reading: Reading | None) -> dict[str, Any] | None:
    return None if reading is None else {name: getattr(reading, name) for name in _SAVED}


def _thaw(saved: dict[str, Any] | None) -> Reading | None:
    """Read what _freeze wrote, also what an earlier version did, which knew fewer names."""
    if saved is None:
        return None
    return Reading(**{name: saved[name] for name in _SAVED if name in saved})


class PointMachine:
    """One point of one device.

    After every feed and every tick look at due_ns: when it is not later than now, tick again at
    once (one call returns one change, and a delay that ran out together with a new reading makes
    two). A tick before its time does nothing. Times must not go back between calls.

    momentary    every reading is an occurrence: raised. Not from the broker's memory (retained).
                 With counter_bits it is the device's counter, and an occurrence is that it moved.
    record       every reading is recorded, retained ones are not news either.
    state        raised and restored on edges, after debounce and delays; see _level.
    measurement  the same with the thresholds' answer in place of the device's.

    Historical readings (the device's own log) tell of the past, so they never move a state or a
    measurement: they are recorded. A momentary one is raised; its mode is the caller's matter.
    """

    __slots__ = (
        "_active",
        "_anew",
        "_auto_due",
        "_cause",
        "_changed_ns",
        "_due",
        "_known",
        "_pending",
        "_since",
        "_value",
        "point",
    )

    def __init__(self, point: Point, saved: PointState | None = None) -> None:
        state = saved or PointState()
        self.point = point
        self._active = state.active
        self._value = state.value
        self._since = state.since_utc_ns
        self._pending = _thaw(state.pending)
        self._cause = _thaw(state.cause) if point.auto_restore_s is not None else None
        self._known: dict[str, int | None] | None = None
        if state.duplicates:
            self._known = dict.fromkeys(state.duplicates[-MAX_REMEMBERED:])
        self._changed_ns: int | None = None
        # Delays a restart cut short wait for the first tick, which tells the time: due at once.
        self._due = None if self._pending is None else 0
        self._auto_due = 0 if self._active and point.auto_restore_s is not None else None
        self._anew = self._due is not None or self._auto_due is not None

    @property
    def active(self) -> bool | None:
        """As last reported; None while unknown."""
        return self._active

    @property
    def due_ns(self) -> int | None:
        """When to call tick, monotonic; None when nothing waits; in the past means at once."""
        if self._due is None:
            return self._auto_due
        return self._due if self._auto_due is None else min(self._due, self._auto_due)

    def feed(self, reading: Reading, mono_ns: int) -> Change | None:
        """Take a reading that arrived at mono_ns and say what it changed, if anything."""
        key = reading.duplicate
        if key is not None and self._is_repeat(key, reading, mono_ns):
            return None
        if self._is_occurrence():
            return self._occurrence(reading)
        if reading.historical:
            return Change("recorded", reading)
        level = self._level(reading)
        if level and reading.retained and not self._believes_retained():
            return None
        self._note_value(reading)
        if level is None:
            return self.tick(mono_ns)
        before = self.tick(mono_ns)
        return self._move(level, reading, mono_ns, hold=before is not None) or before

    def tick(self, mono_ns: int) -> Change | None:
        """Fire what is due by mono_ns; at most one change, earliest first."""
        if self._anew:
            self._begin_anew(mono_ns)
        due, auto = self._due, self._auto_due
        if auto is not None and auto <= mono_ns and (due is None or auto < due):
            return self._expire()
        if due is not None and due <= mono_ns:
            return self._fire(mono_ns)
        return None

    def state(self) -> PointState:
        """What to keep on disk; the machine made from it goes on where this one is."""
        return PointState(
            active=self._active,
            value=self._value,
            since_utc_ns=self._since,
            pending=_freeze(self._pending),
            cause=_freeze(self._cause),
            duplicates=tuple(self._known or ()),
        )

    def reset(self, mono_ns: int) -> None:
        """Take note that a person closed the latched alarm of this point.

        A device that says when it is over: nothing changes here. If it still reports active, it
        stays active and does not raise again until it was inactive once; otherwise a stuck
        detector would ring again with each of its messages. What still waits for its delay goes
        on waiting.
        A device that never says so (auto_restore_s): it counts as over from now on without a
        change being reported, so the very next press raises a new alarm instead of being taken
        for the old one.
        """
        if self._anew:
            self._begin_anew(mono_ns)
        if self._auto_due is not None:
            self._expire()

    # --- inside ---------------------------------------------------------------------------------

    def _is_repeat(self, key: str, reading: Reading, mono_ns: int) -> bool:
        """Whether this key was seen within the window; remembers it when the reading counts.

        A key from before a restart is good for one more whole window: that is when brokers and
        network servers send again.
        """
        window = int(self.point.duplicate_window_s * 1e9)
        known = self._known
        if known is None:
            known = self._known = {}
        if key in known:
            seen = known[key]
            if seen is None:
                known[key] = seen = mono_ns
            if mono_ns - seen <= window:
                return True
            del known[key]
        if reading.retained and (self._is_occurrence() or not self._believes_retained()):
            # It may be passed over; if its live original comes later, that must not look repeated.
            return False
        known[key] = mono_ns
        if len(known) > MAX_REMEMBERED:
            del known[next(iter(known))]
        return False

    def _is_occurrence(self) -> bool:
        return self.point.nature is Nature.MOMENTARY or self.point.nature is Nature.RECORD

    def _occurrence(self, reading: Reading) -> Change | None:
        if reading.retained:
            return None
        if self.point.nature is Nature.RECORD:
            return Change("recorded", reading)
        if self.point.counter_bits is not None and not reading.historical:
            return self._counted(reading, 1 << self.point.counter_bits)
        return None if reading.active is False else Change("raised", reading)

    def _counted(self, reading: Reading, size: int) -> Change | None:
        """An occurrence is that the device's counter moved, however long we were away.

        A counter that has gone back by more than it could have wrapped began anew at 0 when the
        device lost its power: what it counted since is news. The first value ever is where we
        begin.
        """
        before, value = self._value, reading.value
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        self._value = value
        if not isinstance(before, int):
            return None
        moved = (value - before) % size
        if moved > size // 2:
            moved = value
        if moved == 0:
            return None
        return Change("raised", replace(reading, attributes={**reading.attributes, "count": moved}))

    def _believes_retained(self) -> bool:
        return self.point.accept_retained and self.point.kind not in NEVER_RETAINED

    def _note_value(self, reading: Reading) -> None:
        """Keep the value for the disk: what JSON cannot carry (NaN, beyond 64 bits) is left out."""
        value = reading.value
        if isinstance(value, float):
            good = math.isfinite(value)
        else:
            good = not isinstance(value, int) or -(2**63) <= value < 2**64
        self._value = value if good else None

    def _level(self, reading: Reading) -> bool | None:
        """Whether this reading says active, inactive, or nothing.

        The profile's own word comes first. Between the two thresholds the last level stands.
        Infinity is beyond any threshold but never back from it; text says nothing. NaN compares
        false with everything, so it is beyond no threshold and back from none.
        """
        if reading.active is not None or self.point.nature is Nature.STATE:
            return reading.active
        value = reading.value
        if isinstance(value, (bool, str)) or value is None:
            return None
        point = self.point
        above, below = point.alarm_above, point.alarm_below
        if above is None and below is None:
            return None
        if (above is not None and value >= above) or (below is not None and value <= below):
            return True
        restore_below = above if point.restore_below is None else point.restore_below
        restore_above = below if point.restore_above is None else point.restore_above
        back_down = restore_below is None or value < restore_below
        back_up = restore_above is None or value > restore_above
        if back_down and back_up and abs(value) != math.inf:
            return False
        return self._heading()

    def _heading(self) -> bool | None:
        """The level that was last read: the one that waits for its delay, else the reported one."""
        return self._active if self._pending is None else self._pending.active

    def _move(self, level: bool, reading: Reading, mono_ns: int, *, hold: bool) -> Change | None:  # noqa: FBT001
        """Go towards a level; hold keeps an immediate change for the next tick."""
        if level != self._heading():
            settling = self._settling(mono_ns)
            self._changed_ns = mono_ns
            self._due = self._pending = None
            if self._active is None and not level:
                self._active, self._since = False, reading.received_ns
                return None
            if level != self._active:
                point = self.point
                delay_s = point.on_delay_s if level else point.off_delay_s
                wait = max(int(delay_s * 1e9), settling)
                self._pending = replace(reading, active=level)
                self._due = mono_ns + wait
                if wait == 0 and not hold:
                    return self.tick(mono_ns)
        elif level and self._auto_due is not None:
            # Still asserted: it is over this long after the last time it said so.
            self._auto_due = mono_ns + self._auto_ns()
        return None

    def _settling(self, mono_ns: int) -> int:
        """Nanoseconds a change has to hold because the one before it was too recent."""
        window = int(self.point.debounce_s * 1e9)
        last = self._changed_ns
        return window if last is not None and mono_ns - last < window else 0

    def _fire(self, mono_ns: int) -> Change | None:
        """Make the pending reading the reported state."""
        reading, self._pending, self._due = self._pending, None, None
        if reading is None or bool(reading.active) == self._active:
            return None
        was, self._active, self._since = self._active, reading.active, reading.received_ns
        if not self._active:
            self._auto_due = self._cause = None
            return Change("restored", reading) if was else None
        if self.point.auto_restore_s is not None:
            self._auto_due, self._cause = mono_ns + self._auto_ns(), reading
        return Change("raised", reading)

    def _expire(self) -> Change | None:
        """Go back by itself; whatever waited to do the same has nothing left to do.

        Without a cause (the profile learnt to go back by itself while this was active) nothing is
        reported: the alarm stays open for a person, and the next raise is a new one.
        """
        cause, self._cause, self._auto_due = self._cause, None, None
        self._pending = self._due = None
        self._active = False
        return None if cause is None else Change("restored", replace(cause, active=False))

    def _auto_ns(self) -> int:
        return int((self.point.auto_restore_s or 0.0) * 1e9)

    def _begin_anew(self, mono_ns: int) -> None:
        """Start the delays from their beginning that a restart cut short: later, never skipped."""
        self._anew = False
        point, pending = self.point, self._pending
        if pending is not None:
            delay_s = point.on_delay_s if pending.active else point.off_delay_s
            self._due = mono_ns + int(max(delay_s, point.debounce_s) * 1e9)
        if self._auto_due is not None:
            self._auto_due = mono_ns + self._auto_ns()
