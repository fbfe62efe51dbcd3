"""Whether a unit answers, and when it is worth asking one that does not. Pure.

Owns    one unit's failures, its suspension and its back-off.
Needs   nothing of ours. The caller says what time it is.
Keeps   1. A unit that was silent SUSPEND_AFTER times in a row is suspended: asked only by probes,
           PAUSE_FIRST_S apart at first, PAUSE_MOST_S at last, each with a short time-out.
        2. After OFFLINE_AFTER silences in a row, or SPOILED_AFTER replies in a row that were none,
           it is offline. One good answer ends everything.
        3. A late answer is a sign of life: the next probe comes soon, and waits as long as that one
           took. What a gateway says late of a unit behind it is none; but the next probe waits for
           it, because meanwhile the gateway would keep the neighbours waiting.
"""

from typing import Final

SUSPEND_AFTER: Final = 2
OFFLINE_AFTER: Final = 3
SPOILED_AFTER: Final = 10
PAUSE_FIRST_S: Final = 1.0
PAUSE_MOST_S: Final = 30.0
PROBE_TIMEOUT_S: Final = 0.15
PROBE_MOST_S: Final = 2.0
MARGIN: Final = 1.5


class Health:
    """One unit; see the module.

    suspended  asked by probes only · offline  told as such
    heard_ns   when it last answered, monotonic, 0 before the first time
    late_s     how long its last late answer took, 0.0 when it never was late
    """

    __slots__ = ("_failures", "_gateway_s", "_pause_s", "_spoiled", "heard_ns", "late_s", "offline",
                 "probe_ns", "suspended")  # fmt: skip

    def __init__(self) -> None:
        self.suspended = False
        self.offline = False
        self.heard_ns = 0
        self.late_s = 0.0
        self.probe_ns = 0
        self._failures = 0
        self._spoiled = 0
        self._pause_s = PAUSE_FIRST_S
        self._gateway_s = 0.0

    def answered(self, now_ns: int) -> bool:
        """Note a good answer, or a refusal, which is one too; returns whether it was suspended."""
        was = self.suspended
        self.suspended = self.offline = False
        self._failures = self._spoiled = 0
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
        return self._failures >= OFFLINE_AFTER and self._goes_offline()

    def spoiled(self) -> bool:
        """Note a reply that was none (damaged, short); returns whether it is offline from now on.

        Something lives there, so it is asked on as usual.
        """
        self.suspended = False
        self._failures = 0
        self._spoiled += 1
        return self._spoiled >= SPOILED_AFTER and self._goes_offline()

    def _goes_offline(self) -> bool:
        was, self.offline = self.offline, True
        return not was

    def late(self, seconds: float, now_ns: int) -> None:
        """Note that an answer came after its time-out."""
        self.late_s = seconds
        if self.suspended:
            self.probe_ns = min(self.probe_ns, now_ns + int(PAUSE_FIRST_S * 1e9))

    def gateway_late(self, seconds: float) -> None:
        """Note that a gateway has said, after our time-out, that the unit is silent."""
        self._gateway_s = seconds

    def probe_timeout_s(self, timeout_s: float, usual_s: float) -> float:
        """How long to wait for the answer to a probe; never more than PROBE_MOST_S or timeout_s.

        usual_s  how long this reply takes at the least, on the line and by what it took before
        """
        wanted = max(PROBE_TIMEOUT_S, MARGIN * max(usual_s, self.late_s))
        return max(min(timeout_s, wanted), min(self._gateway_s * MARGIN, PROBE_MOST_S))
