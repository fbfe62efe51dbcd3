"""Which addresses of one function a unit answers: found with few reads, by doubling and halving.

Owns    the search for the edges of ranges, the gaps between them, and the most one read may ask.
Needs   asking.Reply. Knows no unit, no time and no socket: whoever calls hands in how to ask.
Keeps   1. Everything said to be there was read; everything said to be missing was refused.
        2. At most `budget` requests are made; what was not looked at is not claimed.
        3. A range is followed for MAX_FOLLOWED addresses and no further: many devices answer
           everywhere, with zeros.

An island of addresses that no seed names and that lies further than the longest hop behind a range
is not found: Modbus has no table of contents.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.commission.asking import Reply
from gateway.links.modbus.request import MAX_READ_BITS, MAX_READ_REGISTERS

MAX_FOLLOWED: Final = 256
MAX_BACK: Final = 128
HOPS: Final = (1, 3, 7, 15, 31)
"""How far behind the end of a range the next one is looked for."""
GIVE_UP_SILENT: Final = 3
"""Requests in a row without any answer after which the function is left alone."""
LAST: Final = 0xFFFF

Ask = Callable[[int, int], Awaitable[Reply]]
"""(address, count) → reply."""


@dataclass(slots=True)
class Known:
    """What is known of one function of one unit.

    held      address → word or bit, as read last
    missing   addresses that were refused when asked for alone
    limit     the most one read was answered with while one more was refused; None: not met
    code      what the last refusal said
    state     "unasked", "answers", "refused" (it answers nothing that was asked), "unknown"
              (exception 1), "silent"
    complete  False when the budget ran out before the search was through
    """

    held: dict[int, int] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    limit: int | None = None
    code: int | None = None
    state: str = "unasked"
    complete: bool = True

    def ranges(self) -> list[tuple[int, int]]:
        """Return (first, last) of every run of addresses that answer, in order."""
        runs: list[tuple[int, int]] = []
        for address in sorted(self.held):
            if runs and runs[-1][1] == address - 1:
                runs[-1] = (runs[-1][0], address)
            else:
                runs.append((address, address))
        return runs


class OutOfBudget(Exception):
    """The requests this search may make are used up."""


class Ranges:
    """One search; see the module.

    budget  requests left; shared by several searches when the caller carries it over
    """

    def __init__(self, function: int, ask: Ask, *, budget: int) -> None:
        self.known = Known()
        self.budget = budget
        self._ask = ask
        self._most = MAX_READ_BITS if function <= 2 else MAX_READ_REGISTERS
        self._silent = 0

    async def explore(self, seeds: Iterable[int]) -> Known:
        """Look at every seed, and follow what answers to both its ends and over the next gap."""
        known = self.known
        try:
            for seed in sorted(set(seeds)):
                if seed in known.held or seed in known.missing:
                    continue
                if not await self._there(seed):
                    if known.state in {"unknown", "silent"}:
                        return known
                    continue
                await self._back(seed)
                await self._follow(seed)
        except OutOfBudget:
            known.complete = False
        return known

    # --- single questions -----------------------------------------------------------------------

    async def _read(self, address: int, count: int) -> bool:
        """Ask; note what came; whether data came."""
        if self.budget <= 0:
            raise OutOfBudget
        self.budget -= 1
        reply = await self._ask(address, count)
        known = self.known
        if reply.state == "data":
            known.state = "answers"
            self._silent = 0
            known.held.update(enumerate(reply.words, address))
            known.missing.difference_update(range(address, address + count))
            return True
        if reply.state == "refused":
            self._silent = 0
            known.code = reply.code
            if known.state != "answers":
                known.state = "unknown" if reply.code == 1 else "refused"
        else:
            self._silent += 1
            if self._silent >= GIVE_UP_SILENT and known.state != "answers":
                known.state = "silent"
        if count == 1:
            known.missing.add(address)
        return False

    async def _there(self, address: int) -> bool:
        if address in self.known.held:
            return True
        if address in self.known.missing or not 0 <= address <= LAST:
            return False
        return await self._read(address, 1)

    # --- edges ----------------------------------------------------------------------------------

    async def _follow(self, at: int) -> None:
        """Find where the range that `at` belongs to ends, hop over the gap, and go on."""
        start = at
        while at - start < MAX_FOLLOWED:
            end = await self._end(at, start + MAX_FOLLOWED)
            if end - start >= MAX_FOLLOWED or end > LAST:
                return
            found = await self._hop(end)
            if found is None:
                return
            at = found

    async def _end(self, at: int, stop: int) -> int:
        """Return the first address behind `at` that does not answer, `stop` at the latest."""
        while at < stop and at <= LAST:
            good = await self._longest(at, min(stop, LAST + 1) - at)
            at += good
            if at >= stop or at > LAST or not await self._there(at):
                return at
            # It is there, so it was not the address that was refused but the number of them.
            if good < self._most:
                self._most = good
                self.known.limit = good
        return at

    async def _longest(self, at: int, room: int) -> int:
        """Return how many addresses from `at` on are answered in one read; at least 1."""
        most = min(self._most, room)
        good, step = 1, 2
        while good < most:
            count = min(step, most)
            if all(each in self.known.held for each in range(at, at + count)):
                good, step = count, step * 2
                continue
            if not await self._read(at, count):
                return await self._between(at, good, count)
            good, step = count, count * 4
        return good

    async def _between(self, at: int, good: int, bad: int) -> int:
        while bad - good > 1:
            middle = (good + bad) // 2
            if await self._read(at, middle):
                good = middle
            else:
                bad = middle
        return good

    async def _back(self, at: int) -> None:
        """Find where the range that `at` belongs to begins."""
        low, step = at, 1
        while low > 0 and at - low < MAX_BACK:
            reach = max(low - step, 0, at - MAX_BACK)
            if not await self._there(low - 1):
                return
            count = min(low - reach, self._most)
            if count > 1 and not await self._read(low - count, count):
                good = await self._before(low, count)
                low -= good
                if not await self._there(low - 1):
                    return
                step = 1
                continue
            low, step = low - count, step * 4

    async def _before(self, end: int, bad: int) -> int:
        good = 1
        while bad - good > 1:
            middle = (good + bad) // 2
            if await self._read(end - middle, middle):
                good = middle
            else:
                bad = middle
        return good

    async def _hop(self, gap: int) -> int | None:
        """Return an address behind a gap that answers, and know the range's first one by then."""
        last_miss = gap
        for hop in HOPS:
            address = gap + hop
            if address > LAST:
                return None
            if await self._there(address):
                low, high = last_miss, address
                while high - low > 1:
                    middle = (low + high) // 2
                    if await self._there(middle):
                        high = middle
                    else:
                        low = middle
                return high
            last_miss = address
        return None
