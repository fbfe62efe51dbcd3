"""Whether a unit answers, and when it is worth asking one that does not. Pure.

Owns    one unit's failures, its suspension and its back-off.
Needs   nothing of ours. The caller says what time it is.
Keeps   1. A unit that was silent SUSPEND_AFTER times in a row is suspended: asked only by probes,
           PAUSE_FIRST_S apart at first, PAUSE_MOST_S at last, each with a short time-out.
        2. After OFFLINE_AFTER failures in a row it is offline. One good answer ends both.
        3. A late answer is a sign of life: the next probe waits as long as that one took.
"""

from typing import Final

SUSPEND_AFTER: Final = 2
OFFLINE_AFTER: Final = 3
PAUSE_FIRST_S: Final = 1.0
PAUSE_MOST_S: Final = 30.0
PROBE_TIMEOUT_S: Final = 0.15
LATE_MARGIN: Final = 1.5


class Health:
    """One unit; see the module.

    offline  told as such; heard_ns  when it last answered, monotonic, 0 before the first time
    late_s   how long its last late answer took, 0.0 when it never was late
    """

    __slots__ = ("_failures", "_pause_s", "heard_ns", "late_s", "offline", "probe_ns", "suspended")

    def __init__(self) -> None:
        self.suspended = False
        self.offline = False
        self.heard_ns = 0
        self.late_s = 0.0
        self.probe_ns = 0
        self._failures = 0
        self._pause_s = PAUSE_FIRST_S

    def answered(self, now_ns: int) -> bool:
        """Note a good answer, or a refusal, which is one too; returns whether it was suspended."""
        was = self.suspended
        self.suspended = self.offline = False
        self._failures = 0
        self._pause_s = PAUSE_FIRST_S
        self.heard_ns = now_ns
        return was

    def silent(self, now_ns: int) -> bool:
        """Note that no answer came; returns whether it is offline from now on."""
        self._failures += 1
        if self._failures >= SUSPEND_AFTER:
            self.suspended = True
            self.probe_ns = now_ns + int(self._pause_s * 1e9)
            self._pause_s = min(self._pause_s * 2, PAUSE_MOST_S)
        if self._failures >= OFFLINE_AFTER and not self.offline:
            self.offline = True
            return True
        return False

    def late(self, seconds: float, now_ns: int) -> None:
        """Note that an answer came after its time-out."""
        self.late_s = seconds
        if self.suspended:
            self.probe_ns = min(self.probe_ns, now_ns + int(PAUSE_FIRST_S * 1e9))

    def probe_timeout_s(self, timeout_s: float) -> float:
        """How long to wait for the answer to a probe."""
        return min(timeout_s, max(PROBE_TIMEOUT_S, self.late_s * LATE_MARGIN))
