"""How fast all viewers together may be served, so that a download leaves the machine to alarms.

Needs   gateway.clock.
Keeps   Whoever asks first goes first; a short pause of all is made up for by a burst.
Bound   RATE_BYTES_PER_S for all, BURST_BYTES at once.
"""

from typing import Final

from gateway.clock import Clock

RATE_BYTES_PER_S: Final = 32_000_000
"""Sixty-four viewers of 4 Mbit/s, or one who takes an hour of it away in a minute."""
BURST_BYTES: Final = 4_000_000


class Pace:
    """One for all streams; take() before each chunk is sent."""

    def __init__(self, clock: Clock, *, rate: int = RATE_BYTES_PER_S) -> None:
        self._clock = clock
        self._rate = rate
        self._paid_ns = 0

    async def take(self, size_bytes: int) -> None:
        """Return when so many bytes may go."""
        now_ns = self._clock.mono_ns()
        burst_ns = BURST_BYTES * 10**9 // self._rate
        self._paid_ns = max(self._paid_ns, now_ns - burst_ns) + size_bytes * 10**9 // self._rate
        ahead_ns = self._paid_ns - now_ns
        if ahead_ns > 0:
            await self._clock.sleep(ahead_ns / 1e9)
