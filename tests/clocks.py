"""A clock that a test owns."""

import asyncio
import heapq
from itertools import count

SECOND = 1_000_000_000
NOON = 1_795_262_400 * SECOND  # 2026-11-21


class FakeClock:
    """Time moves when the test says so; sleep() ends when it has moved far enough."""

    def __init__(self, utc_ns: int = NOON, mono_ns: int = 1_000 * SECOND) -> None:
        self._utc = utc_ns
        self._mono = mono_ns
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self.quality = "trusted"
        self.slept: list[float] = []

    def utc_ns(self) -> int:
        return self._utc

    def mono_ns(self) -> int:
        return self._mono

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        self._mono += int(seconds * SECOND)
        self._utc += int(seconds * SECOND)
        while self._sleepers and self._sleepers[0][0] <= self._mono:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)

    def step(self, seconds: float) -> None:
        """Set the wall clock, and only that."""
        self._utc += int(seconds * SECOND)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds <= 0:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        until = self._mono + int(seconds * SECOND)
        heapq.heappush(self._sleepers, (until, next(self._numbers), future))
        await future
