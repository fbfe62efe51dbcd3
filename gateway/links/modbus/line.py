"""What is known of a line's health: counters, and the frames nobody asked for.

Owns    the words `late`, `foreign`, `unsolicited`, `echo`.
Needs   nothing of ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

Strange = Literal["late", "foreign", "unsolicited", "echo"]
"""A frame that is no answer to what is being asked.

late         of a unit whose time-out has passed, or of a request that was given up (row 8)
foreign      of a unit that was not asked while another was: an address given twice (row 15)
unsolicited  while nothing was asked, or somebody else's request: two masters (row 25)
echo         our own frame came back: a 2-wire adapter that hears itself (row 16); told once
"""

OnStrange = Callable[[Strange, int, bytes, float | None], None]
"""Called with (what, unit, at most MAX_STRANGE_BYTES raw bytes, seconds since it was asked).

The seconds are None when nobody knows. Called from inside the event loop's read: must be quick,
must not raise and cannot await.
"""

MAX_STRANGE_BYTES: Final = 64


@dataclass(slots=True, kw_only=True)
class LineQuality:
    """Counters of one connection since it was opened; all of them only grow.

    requests       sent, broadcasts included
    replies        that were right
    silent         time-outs without a sound reply
    refused        exception replies
    wrong          replies that were no answers (short, other function, wrong echo, damaged)
    crc_errors     replies of the awaited shape whose checksum did not hold
    garbage_bytes  bytes that belong to no frame
    late, foreign, unsolicited, echoes    frames, see Strange
    heartbeats     of a DTU, and its registration text when it repeats it
    """

    requests: int = 0
    replies: int = 0
    silent: int = 0
    refused: int = 0
    wrong: int = 0
    crc_errors: int = 0
    garbage_bytes: int = 0
    late: int = 0
    foreign: int = 0
    unsolicited: int = 0
    echoes: int = 0
    heartbeats: int = 0
