"""What is news of a point: what was last told of it, and whether this is something else.

Owns    Told, one for each point of a device's image.
Needs   gateway.events. Reads no clock.
Keeps   1. A state that is another, a number on the other side of a threshold, and a value that is
           known no more are news at once.
        2. A number that wanders on one side of all thresholds is news REPORT_NS after it was last
           told, not before.
        3. What stays the same is told again once REFRESH_NS have passed; a record never is.
"""

import math
from typing import Final, Literal

from gateway.events import Nature, Point, Scalar

REFRESH_NS: Final = 60_000_000_000
REPORT_NS: Final = 1_000_000_000

_LONG_AGO: Final = -(1 << 62)


class Told:
    """What was last told of one point.

    low, high  the values from low up to but not with high mean the same to every threshold of the
               point as the one that was told; none do while no number was told
    again_ns   when a number that only wandered may be told
    """

    __slots__ = ("_edges", "_is_record", "active", "again_ns", "high", "known", "low",
                 "measures", "value")  # fmt: skip

    def __init__(self, point: Point) -> None:
        self.measures = point.nature is Nature.MEASUREMENT
        self._is_record = point.nature is Nature.RECORD
        self._edges = _edges(point) if self.measures else ()
        self.known = False
        self.active: bool | None = None
        self.value: Scalar | None = None
        self.low = self.high = math.nan
        self.again_ns = _LONG_AGO

    def judge(
        self,
        active: bool | None,  # noqa: FBT001
        value: Scalar | None,
        mono_ns: int,
    ) -> Literal["news", "late", "old"]:
        """Say what this is, and remember it as told when it is news."""
        if not self.known:
            self.known = True
            self.tell(active, value, mono_ns)
            # What a record was before is not known, so it cannot be said to have changed.
            return "old" if self._is_record else "news"
        if value == self.value and active is self.active:
            if self._is_record or mono_ns - self.again_ns < REFRESH_NS - REPORT_NS:
                return "old"
        elif self.measures and mono_ns < self.again_ns and self._is_inside(value):
            return "late"
        self.tell(active, value, mono_ns)
        return "news"

    def tell(self, active: bool | None, value: Scalar | None, mono_ns: int) -> None:  # noqa: FBT001
        """Remember what is being told."""
        self.active, self.value = active, value
        self.again_ns = mono_ns + REPORT_NS
        if self.measures and not self._is_inside(value):
            self.low, self.high = self._room_of(value)

    def forget(self) -> None:
        """Have whatever comes next told; a record is only told when it is another."""
        if not self._is_record:
            self.active = self.value = None
            self.low = self.high = math.nan
            self.again_ns = _LONG_AGO

    def _is_inside(self, value: Scalar | None) -> bool:
        return isinstance(value, (int, float)) and self.low <= value < self.high

    def _room_of(self, value: Scalar | None) -> tuple[float, float]:
        if not isinstance(value, (int, float)):
            return math.nan, math.nan
        low, high = -math.inf, math.inf
        for edge in self._edges:
            if value < edge:
                high = min(high, edge)
            else:
                low = max(low, edge)
        return low, high


def _edges(point: Point) -> tuple[float, ...]:
    """Return the numbers from which on (not below) something is another, see PointMachine."""
    edges = []
    if point.alarm_above is not None:
        edges.append(point.alarm_above)
        edges.append(point.alarm_above if point.restore_below is None else point.restore_below)
    if point.alarm_below is not None:
        # These two belong to the lower side: it is another from the next number on.
        edges.append(math.nextafter(point.alarm_below, math.inf))
        restore = point.alarm_below if point.restore_above is None else point.restore_above
        edges.append(math.nextafter(restore, math.inf))
    return tuple(edges)
