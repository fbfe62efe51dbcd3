"""What becomes of an alarm at the police: accepted, dispatched, closed, told to the gateway later.

Needs   the gateway's POST /api/v1/receipts and a bearer token; without them it only remembers.
Keeps   1. The states of one record are told in order, each until the gateway answered 2xx.
        2. Bounds: 10,000 records are followed at once, further ones get no later states (counted);
           a state is tried 20 times, 0.5 s apart, then left (kept in `failed`).
"""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import aiohttp

MAX_FOLLOWED: Final = 10_000
TRIES: Final = 20
PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterState:
    """One thing the police say about a record after they received it."""

    id: str
    receipt: str
    state: str

    def body(self) -> dict[str, str]:
        """As it is posted."""
        return {"id": self.id, "state": self.state, "receipt": self.receipt}


class Progress:
    """The later states of the records that came in, and the task that tells them."""

    def __init__(
        self,
        plan: Sequence[tuple[str, float]],
        *,
        reports_to: str | None = None,
        token: str | None = None,
    ) -> None:
        self.reports_to = reports_to
        self.token = token
        self.told: deque[LaterState] = deque(maxlen=MAX_FOLLOWED)
        self.failed: deque[str] = deque(maxlen=100)
        self.unfollowed_count = 0
        self._plan = tuple(plan)
        self._due: list[tuple[float, int, LaterState]] = []
        self._number = 0
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, record_id: str, receipt: str) -> None:
        """Follow this record from now on."""
        if len(self._due) >= MAX_FOLLOWED:
            self.unfollowed_count += 1
            return
        now_s = time.monotonic()
        for state, after_s in self._plan:
            self._number += 1
            later = LaterState(id=record_id, receipt=receipt, state=state)
            heapq.heappush(self._due, (now_s + after_s, self._number, later))
        self._more.set()

    async def start(self) -> None:
        """Begin to tell."""
        if self._task is None and self._plan:
            self._task = asyncio.create_task(self._run(), name="police progress")

    async def stop(self) -> None:
        """Stop telling; what is not yet due is forgotten."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                wait_s = self._due[0][0] - time.monotonic() if self._due else None
                if wait_s is None or wait_s > 0:
                    self._more.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._more.wait(), wait_s)
                    continue
                _, _, later = heapq.heappop(self._due)
                await self._tell(session, later)

    async def _tell(self, session: aiohttp.ClientSession, later: LaterState) -> None:
        if self.reports_to is None:
            self.told.append(later)
            return
        why = ""
        for _ in range(TRIES):
            try:
                async with session.post(
                    f"{self.reports_to}/api/v1/receipts",
                    json=later.body(),
                    headers={"Authorization": f"Bearer {self.token}"},
                ) as answer:
                    if answer.ok:
                        self.told.append(later)
                        return
                    why = f"HTTP {answer.status}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = repr(error)
            await asyncio.sleep(PAUSE_S)
        self.failed.append(f"{later.id} {later.state}: {why}")
