"""Limits: how often somebody may ask, and how often somebody may be wrong.

Owns    the counters, in memory, bounded.
Needs   gateway.clock.
Keeps   1. Keys are token ids, socket addresses and what we signed, never what a header claims.
        2. Who must wait is told before anything slow is computed for him.
Bound   MAX_ADDRESSES keys in each; the one that was quiet longest is forgotten.
"""

import ipaddress
import math
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

import structlog

from gateway.clock import Clock

log = structlog.get_logger()

RATE_PER_S: Final = 50.0
BURST: Final = 200.0

FREE_FAILURES: Final = 5
LONGEST_WAIT_S: Final = 60.0
FORGET_S: Final = 600.0
MAX_ADDRESSES: Final = 4_096


@dataclass(slots=True)
class _Bucket:
    left: float
    at_ns: int


class RateLimit:
    """A token bucket per key: RATE_PER_S sustained, BURST at once. Keys are configured tokens."""

    def __init__(self, clock: Clock, *, per_s: float = RATE_PER_S, burst: float = BURST) -> None:
        self._clock = clock
        self._per_s = per_s
        self._burst = burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Count one request; 0 when it may go on, otherwise seconds until one may."""
        now = self._clock.mono_ns()
        bucket = self._buckets.setdefault(key, _Bucket(self._burst, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        bucket.left = min(self._burst, bucket.left + (now - bucket.at_ns) / 1e9 * self._per_s)
        bucket.at_ns = now
        if bucket.left >= 1:
            bucket.left -= 1
            return 0.0
        return (1 - bucket.left) / self._per_s


@dataclass(slots=True)
class _Failures:
    count: int
    last_ns: int
    until_ns: int


class FailureLimit:
    """Wrong credentials per socket address: after FREE_FAILURES each one doubles the wait.

    The wait grows 1, 2, 4 … to LONGEST_WAIT_S, and FORGET_S after the last failure all is
    forgotten. A right token passes even while its address waits: with 256 random bits a guesser
    gains nothing by that, whereas a misconfigured script behind the same address translation as
    the security room could otherwise keep the guard out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds this address must still wait, 0 for none: asked where right ones wait, too."""
        entry = self._failures.get(network_of(address))
        return 0.0 if entry is None else max(0, entry.until_ns - self._clock.mono_ns()) / 1e9

    def failed(self, address: str) -> float:
        """Count one wrong credential; return the seconds its sender must wait, 0 for none yet."""
        key = network_of(address)
        now = self._clock.mono_ns()
        entry = self._failures.pop(key, None)
        if entry is None or now - entry.last_ns > FORGET_S * 1e9:
            entry = _Failures(0, now, now)
        self._failures[key] = entry
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)
        waiting_ns = entry.until_ns - now
        if waiting_ns > 0:
            # Asking again too early costs nothing more, so the wait is never without an end.
            return waiting_ns / 1e9
        entry.count, entry.last_ns, entry.until_ns = entry.count + 1, now, now
        if entry.count > FREE_FAILURES:
            steps = min(entry.count - FREE_FAILURES - 1, 16)
            entry.until_ns = now + int(min(LONGEST_WAIT_S, math.ldexp(1.0, steps)) * 1e9)
        wait_s = (entry.until_ns - now) / 1e9
        # One line for each that counts: whoever floods is counted once a wait.
        log.warning("wrong secret refused", address=key, failures=entry.count, must_wait_s=wait_s)
        return wait_s


class Budget:
    """How many tries a key has over a long time: `burst` at once, then one in every_s.

    A try is taken before it is known to be wrong, so that many at once are not more than many one
    after another; a right one is given back.
    """

    def __init__(self, clock: Clock, *, burst: float, every_s: float) -> None:
        self._clock = clock
        self._burst = burst
        self._every_s = every_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Seconds until there is one to take, 0 when there is."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return 0.0
        passed_s = (self._clock.mono_ns() - bucket.at_ns) / 1e9
        return max(0.0, (1 - bucket.left) * self._every_s - passed_s)

    def take(self, key: str) -> None:
        """Take one; whoever asked wait_s() just before finds it there."""
        now = self._clock.mono_ns()
        bucket = self._buckets.setdefault(key, _Bucket(self._burst, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        passed_s = (now - bucket.at_ns) / 1e9
        bucket.left = min(self._burst, bucket.left + passed_s / self._every_s) - 1
        bucket.at_ns = now

    def give_back(self, key: str) -> None:
        """The try was right: it cost nothing."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.left = min(self._burst, bucket.left + 1)


PERSON_TRIES: Final = 10
PERSON_EVERY_S: Final = 900.0
STRANGER_TRIES: Final = 20
STRANGER_EVERY_S: Final = 360.0
CONSOLE_TRIES: Final = 50
CONSOLE_EVERY_S: Final = 240.0
BUSY_S: Final = 1.0
ALERT_FAILURES: Final = 20
ALERT_WITHIN_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """From where somebody signs on.

    address  the other end of the socket
    console  "" for a browser we do not know, otherwise a name for it that cannot be made up
    vouched  who signed on there last: consoles that one person made known share one budget
    """

    address: str
    console: str = ""
    vouched: str = ""


class SignOnLimit:
    """How often a PIN may be guessed: a PIN has four digits, so every guess counts.

    A browser we do not know waits as its address does (FailureLimit), and besides for the person it
    names and for all strangers together: however many addresses a guesser has, he gets one guess
    in PERSON_EVERY_S at one person and one in STRANGER_EVERY_S at all. A known console (somebody
    signed on there before, or it is this machine) has nothing to do with those: strangers cannot
    use up what it has. It has its own wait and its own budget, CONSOLE_TRIES and then one in
    CONSOLE_EVERY_S, because a browser in an empty guard room can be sat at, too.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits = FailureLimit(clock)
        self._person = Budget(clock, burst=PERSON_TRIES, every_s=PERSON_EVERY_S)
        self._strangers = Budget(clock, burst=STRANGER_TRIES, every_s=STRANGER_EVERY_S)
        self._consoles = Budget(clock, burst=CONSOLE_TRIES, every_s=CONSOLE_EVERY_S)
        self._trying: set[str] = set()
        self._failed_ns: deque[int] = deque(maxlen=ALERT_FAILURES)
        self.failures = 0

    def begin(self, caller: Caller, person: str) -> float:
        """Take one try; 0 when it may go on, otherwise seconds until one may, and none is taken.

        One at a time from one place. Who was let in says right(), wrong() or ended() afterwards.
        """
        key = _place(caller)
        budgets = self._budgets(caller, person)
        waits = [self._waits.wait_s(key), *(budget.wait_s(name) for budget, name in budgets)]
        if key in self._trying:
            waits.append(BUSY_S)
        if max(waits) > 0:
            return max(waits)
        for budget, name in budgets:
            budget.take(name)
        self._trying.add(key)
        return 0.0

    def right(self, caller: Caller, person: str) -> None:
        """It was the right secret."""
        self._trying.discard(_place(caller))
        for budget, name in self._budgets(caller, person):
            budget.give_back(name)

    def wrong(self, caller: Caller) -> None:
        """It was not."""
        self._trying.discard(_place(caller))
        self._waits.failed(_place(caller))
        self.failures += 1
        self._failed_ns.append(self._clock.mono_ns())

    def ended(self, caller: Caller) -> None:
        """Nobody knows: it costs a try, and no wait."""
        self._trying.discard(_place(caller))

    def is_alarming(self) -> bool:
        """Whether ALERT_FAILURES were wrong within ALERT_WITHIN_S, up to now."""
        oldest = self._failed_ns[0] if len(self._failed_ns) == ALERT_FAILURES else None
        return oldest is not None and self._clock.mono_ns() - oldest < ALERT_WITHIN_S * 1e9

    def _budgets(self, caller: Caller, person: str) -> list[tuple[Budget, str]]:
        if caller.console:
            return [(self._consoles, caller.vouched or caller.console)]
        return [(self._person, person), (self._strangers, "")]


def _place(caller: Caller) -> str:
    return f"console {caller.console}" if caller.console else network_of(caller.address)


def network_of(address: str) -> str:
    """Return the key of an address: an IPv6 sender owns a whole /64, so that is what counts."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
