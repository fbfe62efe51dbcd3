"""Reading less often: the kernel wakes us when a tenth of a second of the stream has come.

Waking up costs as much as all the parsing of what is then read, and a camera at 25 pictures in a
second would wake us 25 times. SO_RCVLOWAT says from how many bytes on a socket counts as readable.

Owns    how many bytes to wait for.
Needs   nothing of ours. Pure.
Keeps   1. Never more than MAX_BYTES, nor more than the stream brings in `gather_s`.
        2. Where nothing was read since the last look, 1: so no byte waits longer than two looks.
"""

from typing import Final

MAX_BYTES: Final = 64 * 1024
MIN_BYTES: Final = 4096
"""Below this waiting saves nothing."""
_SLUGGISH: Final = 0.25
"""A threshold that is off by less is left alone: setting it costs a call."""


class Gathering:
    """How many bytes one socket waits for; looked at every `every_s`."""

    def __init__(self, gather_s: float, every_s: float) -> None:
        self.threshold = 1
        self._gather_s = gather_s
        self._every_s = every_s
        self._rate = 0.0
        self._bytes = 0

    def look(self, received: int) -> int | None:
        """The new threshold for `received` bytes in all; None when it may stay."""
        came, self._bytes = received - self._bytes, received
        self._rate += (came / self._every_s - self._rate) / 4
        wanted = min(int(self._rate * self._gather_s), MAX_BYTES)
        if not came or wanted < MIN_BYTES:
            wanted = 1
        if wanted > 1 and abs(wanted - self.threshold) < _SLUGGISH * self.threshold:
            return None
        if wanted == self.threshold:
            return None
        self.threshold = wanted
        return wanted
