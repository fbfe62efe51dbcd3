"""What a simulator remembers of what was done to it, so that a test can wait instead of sleep.

Owns    a bounded log whose next entries can be awaited.
Needs   nothing.
Keeps   The newest `at_most` entries; `total` counts all there ever were.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar, overload

T = TypeVar("T")

REMEMBERED_COUNT: Final = 20_000


@dataclass(slots=True)
class _Waiter(Generic[T]):
    matches: Callable[[T], bool]
    missing: int
    done: asyncio.Future[None]
    seen: list[T] = field(default_factory=list)


class Log(Sequence[T]):
    """Entries, oldest first; reads like a list."""

    def __init__(self, at_most: int = REMEMBERED_COUNT) -> None:
        self.total = 0
        self._kept: deque[T] = deque(maxlen=at_most)
        self._waiters: list[_Waiter[T]] = []

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[T]:
        return iter(self._kept)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> list[T]: ...
    def __getitem__(self, place: int | slice) -> T | list[T]:
        if isinstance(place, slice):
            return list(self._kept)[place]
        return self._kept[place]

    def add(self, entry: T) -> None:
        """Remember it and wake whoever waits for it."""
        self.total += 1
        self._kept.append(entry)
        for waiter in self._waiters:
            if waiter.missing and waiter.matches(entry):
                waiter.seen.append(entry)
                waiter.missing -= 1
                if not waiter.missing and not waiter.done.done():
                    waiter.done.set_result(None)

    def clear(self) -> None:
        """Forget what was; `total` goes on."""
        self._kept.clear()

    async def coming(
        self,
        matches: Callable[[T], bool] = lambda _: True,
        *,
        times: int = 1,
        timeout_s: float = 30.0,
    ) -> list[T]:
        """Return the next `times` entries that match, counted from this call.

        raises TimeoutError  when they have not come within timeout_s
        raises ValueError    for times below 1, which would wait for nothing
        """
        if times < 1:
            raise ValueError(f"times {times}: 1 or more")
        done = asyncio.get_running_loop().create_future()
        waiter = _Waiter(matches, times, done)
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await done
        finally:
            self._waiters.remove(waiter)
        return waiter.seen
