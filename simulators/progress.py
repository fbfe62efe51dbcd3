"""What becomes of an alarm at a receiver: accepted, dispatched, closed, told to the gateway later.

Needs   a way to tell it (HTTP for the police, MQTT for the bureau), handed in.
Keeps   1. The states of one record are told in order, each until the gateway took it.
        2. Bounds: 10,000 states wait at once, of further records none are told (counted); a state
           is tried 20 times, 0.5 s apart, then left (kept in `failed`).
"""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

MAX_WAITING: Final = 10_000
TRIES: Final = 20
PAUSE_S: Final = 0.5


class NotTold(Exception):
    """The gateway did not take a state; it is told again after PAUSE_S."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterState:
    """One thing a receiver says about a record after it received it.

    source   the record's CloudEvents source, which names the gateway it came from
    """

    id: str
    receipt: str
    state: str
    source: str = ""

    def body(self) -> dict[str, str]:
        """As it is sent."""
        return {"id": self.id, "state": self.state, "receipt": self.receipt}


Tell = Callable[[LaterState], Awaitable[None]]
"""Tell the gateway one state; raises NotTold."""


class Progress:
    """The later states of the records that came in, and the task that tells them.

    plan   (state, seconds after the record arrived), in order
    """

    def __init__(self, plan: Sequence[tuple[str, float]], tell: Tell) -> None:
        self.told: deque[LaterState] = deque(maxlen=MAX_WAITING)
        self.failed: deque[str] = deque(maxlen=100)
        self.untold_count = 0
        self._plan = tuple(plan)
        self._tell = tell
        self._due: list[tuple[float, int, LaterState]] = []
        self._number = 0
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, record_id: str, receipt: str, source: str) -> None:
        """Follow this record from now on."""
        if len(self._due) + len(self._plan) > MAX_WAITING:
            self.untold_count += len(self._plan)
            return
        now_s = time.monotonic()
        for state, after_s in self._plan:
            self._number += 1
            later = LaterState(id=record_id, receipt=receipt, state=state, source=source)
            heapq.heappush(self._due, (now_s + after_s, self._number, later))
        self._more.set()

    async def start(self) -> None:
        """Begin to tell."""
        if self._task is None and self._plan:
            self._task = asyncio.create_task(self._run(), name="receiver's progress")

    async def stop(self) -> None:
        """Stop telling; what is not yet due is forgotten."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            wait_s = self._due[0][0] - time.monotonic() if self._due else None
            if wait_s is None or wait_s > 0:
                self._more.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._more.wait(), wait_s)
                continue
            await self._insist(heapq.heappop(self._due)[2])

    async def _insist(self, later: LaterState) -> None:
        why = ""
        for _ in range(TRIES):
            try:
                await self._tell(later)
            except NotTold as error:
                why = str(error)
                await asyncio.sleep(PAUSE_S)
            else:
                self.told.append(later)
                return
        self.failed.append(f"{later.id} {later.state}: {why}")
