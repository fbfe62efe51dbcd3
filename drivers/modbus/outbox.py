"""Arrivals on their way to the disk: one line for the whole bus, so that nothing overtakes.

Owns    what was read and is not yet stored, in the order in which it was read.
Needs   gateway.driver's emit.
Keeps   1. At most MAX_WAITING arrivals wait before is_full says so; whoever reads then stops. What
           was already on its way when it filled up (one reply, one log entry for each log) comes on
           top.
        2. What storing an arrival earns (a command that acknowledges it) happens behind emit, never
           before it (promise 1).
"""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway import crash
from gateway.driver import Emit
from gateway.events import Arrival

MAX_WAITING: Final = 2048
BATCH: Final = 512
"""Most arrivals emit takes at once."""
BATCH_READINGS: Final = 512
"""After so many readings a batch ends: it is judged in one go, and an alarm behind it waits."""

Then = Callable[[], None]


class Outbox:
    """See the module. `on_room` is called whenever some of it has reached the disk."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Arrival, Then | None]] = []
        self._more = asyncio.Event()
        self.on_room: Then = lambda: None

    @property
    def is_full(self) -> bool:
        """Nothing more should be asked of the devices for now."""
        return len(self._waiting) >= MAX_WAITING

    def put(self, arrival: Arrival, then: Then | None = None) -> None:
        """Have it stored behind what already waits; `then` is called once it is on disk."""
        self._waiting.append((arrival, then))
        self._more.set()

    async def store(self, arrival: Arrival) -> None:
        """Return once it is on disk."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def tell() -> None:
            if not stored.done():
                stored.set_result(None)

        self.put(arrival, tell)
        await stored

    def clear(self) -> None:
        """Begin anew: whoever read it has been told to read it again."""
        self._waiting.clear()
        self._more.clear()

    def _batch(self) -> list[tuple[Arrival, Then | None]]:
        readings = size = 0
        for arrival, _ in self._waiting[:BATCH]:
            size += 1
            readings += len(arrival.readings)
            if readings >= BATCH_READINGS:
                break
        batch, self._waiting = self._waiting[:size], self._waiting[size:]
        return batch

    async def run(self, emit: Emit) -> None:
        """Take arrivals to the disk, for ever; raises what emit raises."""
        while True:
            await self._more.wait()
            batch = self._batch()
            if not self._waiting:
                self._more.clear()
            await emit([arrival for arrival, _ in batch])
            crash.here("modbus.stored")
            self.on_room()
            for _, then in batch:
                if then is not None:
                    then()
