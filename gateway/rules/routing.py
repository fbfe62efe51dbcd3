"""Which receivers get a record, and in which lane it travels.

Keeps   1. Without any route everything goes to everybody.
        2. A receiver without a route of its own, beside others that have one, gets everything too:
           a forgotten route must not silence a receiver.
        3. Panic, duress, fire and whatever has priority 1 travel in lane 0 (promise 3).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.events import NEVER_FOLDED, Kind

URGENT: Final = 0
WARNING: Final = 1
ROUTINE: Final = 2
LANES: Final = 3


class Router:
    """Built from the configuration; a dictionary look-up per record.

    receivers  name → number, as the store numbers them
    routes     (receiver name, kinds or None for all)
    """

    def __init__(
        self,
        receivers: dict[str, int],
        routes: Sequence[tuple[str, Iterable[Kind] | None]],
    ) -> None:
        wanted: dict[int, set[str]] = {}
        everything = {str(kind) for kind in Kind}
        for name, kinds in routes:
            some = everything if kinds is None else {str(kind) for kind in kinds}
            wanted.setdefault(receivers[name], set()).update(some)
        self._of_kind = {
            kind: tuple(
                number
                for number in sorted(receivers.values())
                if kind in wanted.get(number, everything)
            )
            for kind in everything
        }

    def receivers(self, kind: str) -> tuple[int, ...]:
        """Numbers of the receivers of a kind."""
        return self._of_kind[kind]

    @staticmethod
    def lane(kind: str, priority: int) -> int:
        """URGENT, WARNING or ROUTINE."""
        if priority == 1 or kind in NEVER_FOLDED:
            return URGENT
        return WARNING if priority == 2 else ROUTINE
