"""How one receiver's failures are borne: when it is tried again.

Owns    the receiver's failures as a whole, and the back-off. When people are told: telling.py.
Needs   nothing of the house but errors. The caller says what time it is.
Keeps   1. Calls that were under way together and fail count as one failure.
        2. The pause doubles up to BACKOFF_MOST_S, with jitter; a new urgent record is worth a try
           at once, but no more than one in URGENT_PROBE_S.
"""

import random
from typing import Final

import structlog

from gateway.errors import UplinkUnavailable

PROBE_ATTEMPTS: Final = 3
BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MOST_S: Final = 15.0
URGENT_PROBE_S: Final = 1.0

log = structlog.get_logger()


class Patience:
    """See the module. Times are monotonic nanoseconds.

    failures      in a row, of the receiver as a whole · try_at_ns  not to be called before
    failing       whether its last call failed
    """

    def __init__(self, receiver: str) -> None:
        self._receiver = receiver
        self._random = random.Random()  # noqa: S311 jitter
        self._failed_ns = 0
        self._failing_since: int | None = None
        self.failures = 0
        self.try_at_ns = 0

    @property
    def failing(self) -> bool:
        """See the class."""
        return self._failing_since is not None

    def urgent(self) -> None:
        """Note a new urgent record."""
        if self.failing:
            soon = self._failed_ns + int(URGENT_PROBE_S * 1e9)
            self.try_at_ns = min(self.try_at_ns, soon)

    def failed(self, error: UplinkUnavailable, began_ns: int, now_ns: int) -> bool:
        """Note a call that failed as a whole; returns whether it counts (keep 1)."""
        if self._failing_since is not None and began_ns <= self._failed_ns:
            return False
        self.failures += 1
        self._failed_ns = now_ns
        if self._failing_since is None:
            self._failing_since = now_ns
        rest = self.backoff(self.failures, BACKOFF_MOST_S)
        if error.retry_after_s is not None:
            rest = max(rest, min(error.retry_after_s, BACKOFF_MOST_S))
        self.try_at_ns = now_ns + int(rest * 1e9)
        if self.failures in {1, 5} or self.failures % 20 == 0:
            log.warning(
                "receiver not reached; kept and tried again",
                receiver=self._receiver,
                why=str(error),
                again_in_s=round(rest, 1),
                failures=self.failures,
            )
        return True

    def recovered(self) -> bool:
        """It said something; returns whether it had failed often enough to let everybody go on."""
        if self._failing_since is None:
            return False
        log.info("receiver reached again", receiver=self._receiver, after_failures=self.failures)
        was_down = self.failures >= PROBE_ATTEMPTS
        self.failures, self._failing_since = 0, None
        return was_down

    def backoff(self, tries: int, most_s: float) -> float:
        """Full jitter over the upper half, so that a thousand gateways do not come back as one."""
        top: float = min(BACKOFF_FIRST_S * 2.0 ** min(tries - 1, 20), most_s)
        return top / 2 + self._random.random() * top / 2
