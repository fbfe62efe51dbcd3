"""Named places where a test may have this process die as if the power had gone.

Keeps   Nothing happens unless CAMPUS_CRASH_AT was set when the process started. It names a place,
        and with ":N" the Nth time it is passed: "commit.before:7". FORMAT.md lists the places.
"""

import os
import signal
from typing import Final

_PLACE, _, _times = os.environ.get("CAMPUS_CRASH_AT", "").partition(":")
_AT: Final = int(_times) if _times.isdecimal() else 1
_passed = [0]


def crash_here(place: str) -> None:
    """SIGKILL ourselves when the environment asked for this place; one comparison otherwise."""
    if place == _PLACE:
        _passed[0] += 1
        if _passed[0] >= _AT:
            os.kill(os.getpid(), signal.SIGKILL)
