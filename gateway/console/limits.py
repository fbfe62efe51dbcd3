"""Limits: how often somebody may ask, and how often somebody may be wrong.

Owns    the counters, in memory, bounded.
Needs   gateway.clock.
Keeps   Keys are token ids and socket addresses, never what a header claims.
"""

import ipaddress
import math
from collections import OrderedDict
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

    def failed(self, address: str) -> float:
        """Count one wrong credential; return the seconds its sender must wait, 0 for none yet."""
        key = _network(address)
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
        log.warning("wrong token refused", address=key, failures=entry.count, must_wait_s=wait_s)
        return wait_s


def _network(address: str) -> str:
    """Return the key of an address: an IPv6 sender owns a whole /64, so that is what counts."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
