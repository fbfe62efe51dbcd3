"""Time, handed in: whoever needs it takes a Clock, so a test can own it.

Keeps   1. utc_ns never follows a wall clock that jumps by more than STEP_NS: it goes on by the
           monotonic clock and says `stepped`, until the wall clock has been steady again for
           SETTLE_NS (promise 7, reliability-facts section 5).
        2. Order, time-outs and back-off use mono_ns only.
"""

import asyncio
import time
from typing import Final, Protocol

STEP_NS: Final = 5_000_000_000
SETTLE_NS: Final = 600_000_000_000
SANE_NS: Final = 1_767_225_600_000_000_000
"""2026-01-01: a wall clock before this is a board without a battery, not a date."""


class Clock(Protocol):
    """What the house may know of time."""

    def utc_ns(self) -> int:
        """Our best estimate of UTC, nanoseconds since 1970."""

    def mono_ns(self) -> int:
        """Nanoseconds that only go forward, of no known origin."""

    @property
    def quality(self) -> str:
        """`trusted`, `stepped` (the wall clock jumped, we went on by our own) or `unset`."""

    async def sleep(self, seconds: float) -> None:
        """Wait by the monotonic clock."""


class SystemClock:
    """The machine's clocks, distrusted.

    floor_ns  the newest time the store has seen: UTC is never below it
    """

    def __init__(self, floor_ns: int = 0) -> None:
        self._anchor_mono = time.monotonic_ns()
        wall = time.time_ns()
        self._unset = wall < max(SANE_NS, floor_ns - STEP_NS)
        self._anchor_utc = max(wall, floor_ns)
        self._step_ns = 0
        self._suspect_since: int | None = None
        self._suspect_offset = 0

    def mono_ns(self) -> int:
        """See Clock."""
        return time.monotonic_ns()

    def utc_ns(self) -> int:
        """See Clock; costs two system clock reads."""
        mono = time.monotonic_ns()
        estimate = self._anchor_utc + mono - self._anchor_mono
        offset = time.time_ns() - estimate
        if -STEP_NS <= offset <= STEP_NS:
            self._suspect_since = None
            self._anchor_utc, self._anchor_mono = max(estimate, estimate + offset), mono
            self._unset = self._unset and self._anchor_utc < SANE_NS  # 1970 agrees with itself
            return self._anchor_utc
        self._watch_step(offset, estimate, mono)
        return self._anchor_utc + mono - self._anchor_mono

    def _watch_step(self, offset: int, estimate: int, mono: int) -> None:
        if self._suspect_since is None or abs(offset - self._suspect_offset) > STEP_NS:
            self._suspect_since, self._suspect_offset = mono, offset
            self._step_ns = offset
        sane = estimate + offset >= SANE_NS
        settled = mono - self._suspect_since >= SETTLE_NS
        if sane and (settled or (self._unset and offset > 0)):
            # Steady for long enough, or set for the first time since power came: believe it.
            self._anchor_utc, self._anchor_mono = estimate + offset, mono
            self._suspect_since, self._unset = None, False

    @property
    def step_ns(self) -> int:
        """By how much the wall clock last jumped; for the fault's text."""
        return self._step_ns

    @property
    def quality(self) -> str:
        """See Clock."""
        if self._unset:
            return "unset"
        return "trusted" if self._suspect_since is None else "stepped"

    async def sleep(self, seconds: float) -> None:
        """See Clock."""
        await asyncio.sleep(seconds)
