"""Named points at which a test has this process die, as a power cut would have it.

Owns    the environment variable CAMPUS_CRASH_AT=POINT[:N]: SIGKILL at the N-th passing (default 1).
Needs   nothing of ours, so that anybody may call it.
Keeps   1. Unset, `here` has no body: 50 ns, at points passed once a batch.
        2. There is no way back from the signal: no handler, no flush, no goodbye.

Points on an alarm's way, in its order; the store has more of its own (store/FORMAT.md):

    commit.before commit.after      a batch is sealed, not written; it is on disk, nobody knows
    ack.before ack.after            emit returned; the PUBACKs are given to the link
    deliver.before deliver.after    a call of an uplink; its outcome is known to nobody else
    receipt.before receipt.after    outcomes are judged, not committed; they are on disk
"""

import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Final

VARIABLE: Final = "CAMPUS_CRASH_AT"


def _pass(_point: str) -> None:
    """Do nothing."""


def armed(order: str) -> Callable[[str], None]:
    """Return what kills this process at the ordered passing; raises ValueError for a bad N."""
    point, _, nth = order.partition(":")
    last = int(nth or 1)
    passed = count(1)

    def here(name: str) -> None:
        if name == point and next(passed) >= last:
            os.kill(os.getpid(), signal.SIGKILL)

    return here


here: Final = armed(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else _pass
