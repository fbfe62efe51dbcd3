"""The scan of one bus: who is there, what it answers, which profile that could be.

Owns    the order of questions, and what is known at every moment of it.
Needs   asking.py, ranges.py, fit.py.
Keeps   1. Whatever stops the scan (Ctrl-C, a lost bus), Scan.found holds what was learnt before.
        2. Bounds: 256 units, MAX_REQUESTS a unit for its ranges, one time-out for each question.
        3. An exception is an answer: the unit is there. A gateway's exception for a unit is not.

source  modbus-quirks rows 1, 2, 6, 13, 15, 25, 32
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Final

from gateway.clock import Clock
from gateway.commission.asking import Asker, Reply, Told
from gateway.commission.fit import Fit, fits, seeds
from gateway.commission.ranges import Known, Ranges
from gateway.commission.words import exception
from gateway.config.inspection import both
from gateway.errors import LinkDown
from gateway.links.modbus import BusSettings, Strange, listening
from gateway.profile import Shelf

SWEEPS: Final = (3, 4, 2, 1)
"""Functions by which a unit is looked for. A sound unit answers the first, if with a refusal; some
are silent to what they do not have, so those that were silent are asked by the others too."""
FUNCTIONS: Final = (3, 4, 1, 2)
MAX_REQUESTS: Final = 240
KEPT_FOR_EACH: Final = 30
"""Requests that are kept for each function still to come."""
LATE_MARGIN: Final = 1.5
MAX_TIMEOUT_S: Final = 5.0
TELL_EVERY: Final = 8
SAME_FROM: Final = 4
"""So many numbers must answer alike before it is said that the number does not matter."""


@dataclass(slots=True)
class UnitFound:
    """One unit that answered.

    first      its first reply · function  to which question · timeout_s  what it needs
    functions  what is known of each function once it was looked at
    """

    unit: int
    first: Reply
    function: int
    timeout_s: float
    functions: dict[int, Known] = field(default_factory=dict)
    fits: list[Fit] = field(default_factory=list)

    @property
    def held(self) -> dict[tuple[int, int], int]:
        """(function, address) → word, everything that was read."""
        return {
            (function, address): word
            for function, known in self.functions.items()
            for address, word in known.held.items()
        }


@dataclass(slots=True)
class Found:
    """What a scan has learnt so far.

    units        that answer, by number, in the order in which they were found
    asked        numbers that were asked, all sweeps of them done or not
    spoiled      numbers at which something came that was no answer: (what, how often)
    gateway      exception codes by which a converter said that a unit is not there
    late         unit → seconds after which its reply came, behind the time-out
    strange      frames nobody asked for, by kind
    strangers    numbers these frames carried
    unit_ignored every number answers alike: the device has the connection for itself
    ended        why it stopped early, None when it is through
    """

    units: dict[int, UnitFound] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    spoiled: dict[int, tuple[str, int]] = field(default_factory=dict)
    gateway: Counter[int] = field(default_factory=Counter)
    late: dict[int, float] = field(default_factory=dict)
    strange: Counter[Strange] = field(default_factory=Counter)
    strangers: set[int] = field(default_factory=set)
    unit_ignored: bool = False
    requests: int = 0
    seconds: float = 0.0
    ended: str | None = None


class Scan:
    """One scan of one bus; run() it once and look at `found` whenever you like.

    units   numbers to ask · rate_per_s  requests a second · timeout_s  of each
    ranges  whether to look at what each unit answers
    told    where progress goes
    asker   of a bus that is at work already (lent.py); otherwise one is opened
    """

    def __init__(
        self,
        settings: BusSettings,
        units: Sequence[int],
        clock: Clock,
        *,
        rate_per_s: float = 5.0,
        timeout_s: float = 0.3,
        ranges: bool = True,
        told: Told = lambda _: None,
        asker: Asker | None = None,
    ) -> None:
        self.settings = settings
        self.found = Found()
        self._units = list(dict.fromkeys(units))
        self._clock = clock
        self._timeout_s = timeout_s
        self._ranges = ranges
        self._told = told
        self._is_lent = asker is not None
        self._asker = asker or Asker(
            settings, clock, rate_per_s=rate_per_s, on_strange=self._strange
        )

    async def run(self, shelf: Shelf) -> Found:
        """Scan; returns `found`. Raises LinkDown only when the bus could not be opened at all."""
        began = self._clock.mono_ns()
        try:
            port = nullcontext() if self._is_lent else listening(self.settings, self._clock)
            async with port:
                await self._asker.open()
                try:
                    await self._look_for_units()
                    if self._ranges:
                        await self._look_at_units(shelf)
                except LinkDown as down:
                    self.found.ended = str(down)
        finally:
            await self._asker.close()
            self.found.requests = self._asker.requests
            self.found.seconds = (self._clock.mono_ns() - began) / 1e9
        return self.found

    # --- who is there ---------------------------------------------------------------------------

    async def _look_for_units(self) -> None:
        for number, function in enumerate(SWEEPS, 1):
            left = [unit for unit in self._units if unit not in self.found.units]
            if not left or (number > 2 and self.found.units):
                return  # the rare ones are tried only while nobody was found
            self._told(
                both(
                    f"第 {number} 遍，功能码 {function}，{len(left)} 个站号",
                    f"round {number}, function {function}, {len(left)} numbers",
                )
            )
            for at, unit in enumerate(left, 1):
                await self._look_for(unit, function)
                if at % TELL_EVERY == 0:
                    count = len(self.found.units)
                    self._told(f"  {at}/{len(left)}, " + both(f"已找到 {count}", f"{count} found"))
                if self._all_alike():
                    return

    async def _look_for(self, unit: int, function: int) -> None:
        found = self.found
        if unit not in found.asked:
            found.asked.append(unit)
        timeout_s = self._timeout_of(unit)
        reply = await self._asker.read(unit, function, 0, 1, timeout_s=timeout_s)
        if reply.state == "silent" and reply.code is not None:
            found.gateway[reply.code] += 1
        elif reply.state in {"wrong", "lost"}:
            _, often = found.spoiled.get(unit, ("", 0))
            found.spoiled[unit] = (reply.why, often + 1)
        if not reply.alive:
            return
        found.units[unit] = UnitFound(unit, reply, function, timeout_s)
        said = ("", "") if reply.code is None else exception(reply.code)
        self._told(both(f"{unit} 号站应答{said[0]}", f"unit {unit} answers{said[1]}"))

    def _timeout_of(self, unit: int) -> float:
        late_s = self.found.late.get(unit)
        if late_s is None:
            return self._timeout_s
        return min(max(self._timeout_s, late_s * LATE_MARGIN), MAX_TIMEOUT_S)

    def _all_alike(self) -> bool:
        """Whether a device with its own socket answers whatever number it is asked by (row 32)."""
        units = list(self.found.units.values())
        if self.settings.scheme != "tcp" or len(units) < SAME_FROM:
            return False
        if len(units) < len(self.found.asked):
            return False
        first = units[0].first
        alike = all(
            (each.first.state, each.first.code, each.first.words)
            == (first.state, first.code, first.words)
            for each in units
        )
        self.found.unit_ignored = alike
        return alike

    # --- what they have -------------------------------------------------------------------------

    async def _look_at_units(self, shelf: Shelf) -> None:
        wanted = seeds(shelf, self.settings.scheme)
        units = list(self.found.units.values())
        for each in units[:1] if self.found.unit_ignored else units:
            self._told(
                both(f"查看 {each.unit} 号站有哪些地址", f"looking at what unit {each.unit} has")
            )
            budget = MAX_REQUESTS
            each.functions = {function: Known() for function in FUNCTIONS}
            for at, function in enumerate(FUNCTIONS, 1):
                kept = KEPT_FOR_EACH * (len(FUNCTIONS) - at)
                search = Ranges(function, self._ask_of(each, function), budget=budget - kept)
                each.functions[function] = search.known  # at once: Ctrl-C may end it amid
                await search.explore(wanted[function])
                budget = search.budget + kept
            each.fits = fits(shelf, each.unit, self.settings.scheme, each.held)
            count = len(each.held)
            self._told("  " + both(f"读到 {count} 个地址", f"{count} addresses answer"))

    def _ask_of(self, each: UnitFound, function: int) -> "_AskOne":
        return _AskOne(self._asker, each, function)

    # --- frames nobody asked for ----------------------------------------------------------------

    def _strange(self, what: Strange, unit: int, raw: bytes, latency_s: float | None) -> None:
        del raw
        if what == "late":
            if latency_s is not None:
                self.found.late[unit] = max(latency_s, self.found.late.get(unit, 0.0))
            return
        self.found.strange[what] += 1
        if what in {"foreign", "unsolicited"}:
            self.found.strangers.add(unit)


class _AskOne:
    """Asks one unit by one function, once more when the reply was spoiled."""

    def __init__(self, asker: Asker, each: UnitFound, function: int) -> None:
        self._asker = asker
        self._each = each
        self._function = function

    async def __call__(self, address: int, count: int) -> Reply:
        """See ranges.Ask."""
        each, ask = self._each, self._asker.read
        timeout_s = each.timeout_s
        reply = await ask(each.unit, self._function, address, count, timeout_s=timeout_s)
        if not reply.alive:
            # One lost reply must not be written down as a gap.
            reply = await ask(each.unit, self._function, address, count, timeout_s=timeout_s)
        return reply
