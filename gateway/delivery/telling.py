"""What people are told of one receiver: guards of all but duress, and of duress who may know of it.

Owns    how long urgent records have waited, since when it fails as a guard room may know, what was
        told to whom.
Needs   nothing of ours. The caller says what time it is, and what is about duress.
Keeps   1. People are told while an urgent record is unanswered for TELL_URGENT_S, or the receiver
           has failed for TELL_ROUTINE_S, until it answers again.
        2. What a guard room is told is what it would be told had there been no duress: neither its
           waiting nor its calls, answers and receipts change a state, number or time there.
        3. Nothing else is kept from it: a failure shows as soon as anything that is not about
           duress failed or waits (decision 0023).
"""

from typing import Final

from gateway.events import Kind

TELL_URGENT_S: Final = 5.0
TELL_ROUTINE_S: Final = 30.0
SILENT: Final = str(Kind.DURESS)
"""The kind that no guard room is shown (console/discreet.py)."""


class Telling:
    """See the module. Times are monotonic nanoseconds but for last_receipt_ns, which is UTC.

    told         whether a guard room was told · told_silent  whether who may know of duress was;
                 None in a new life, until it is known whether what an earlier one told is over
    failures     in a row, without those of calls that only carried duress
    """

    def __init__(self) -> None:
        self._waits: dict[int, int] = {}
        self._silent_waits: dict[int, int] = {}
        self._failing_since: int | None = None
        self.told: bool | None = None
        self.told_silent: bool | None = None
        self.failures = 0
        self.last_receipt_ns: int | None = None

    # What happens.

    def waits(self, seq: int, kind: str, now_ns: int) -> None:
        """An urgent record should have been answered from now on; the first time counts."""
        waits = self._silent_waits if kind == SILENT else self._waits
        waits.setdefault(seq, now_ns)

    def answered(self, seq: int) -> None:
        """A record has its receipt, or is parked: nobody waits for it any more."""
        self._waits.pop(seq, None)
        self._silent_waits.pop(seq, None)

    def failed(self, now_ns: int) -> None:
        """A call failed of which a guard room may know."""
        self.failures += 1
        if self._failing_since is None:
            self._failing_since = now_ns

    def recovered(self) -> None:
        """A call of which a guard room may know was answered."""
        self._failing_since = None
        self.failures = 0

    def begin_anew(self) -> None:
        """What waited is found again on disk."""
        self._waits.clear()
        self._silent_waits.clear()

    # What is told.

    def must_tell(self, now_ns: int) -> bool | None:
        """Whether people have to know (True) or need no longer (False); None: nothing changed.

        What it returns is taken as told.
        """
        since = self._failing_since
        bad = _is_late(self._waits, now_ns) or (
            since is not None and (self.told or now_ns - since > TELL_ROUTINE_S * 1e9)
        )
        if bad is self.told or (self.told is None and not bad and self.last_receipt_ns is None):
            return None
        self.told = bad
        return bad

    def must_tell_silent(self, now_ns: int, waiting: int) -> bool | None:
        """The same of duress, for those who may know; waiting: how much of it does."""
        bad = _is_late(self._silent_waits, now_ns)
        if bad is self.told_silent or (self.told_silent is None and not bad and waiting):
            return None
        self.told_silent = bad
        return bad

    def is_failing(self) -> bool:
        """Whether it fails, as a guard room may know."""
        return self._failing_since is not None

    def state(self, *, is_failing: bool) -> str:
        """ok, failing (a try failed, the next follows soon) or down (people were told)."""
        return _state(is_failing=is_failing, is_told=bool(self.told or self.told_silent))

    def discreet_state(self) -> str:
        """The same as a guard room may know it."""
        return _state(is_failing=self.is_failing(), is_told=bool(self.told))


def _state(*, is_failing: bool, is_told: bool) -> str:
    if is_told:
        return "down"
    return "failing" if is_failing else "ok"


def _is_late(waits: dict[int, int], now_ns: int) -> bool:
    since = next(iter(waits.values()), now_ns)
    return now_ns - since > TELL_URGENT_S * 1e9
