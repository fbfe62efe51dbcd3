"""What nats-server says, as log lines of ours.

Owns    the reading end of its standard error.
Needs   gateway.clock.
Keeps   1. The pipe is always read: a broker never stops because nobody listens to it.
        2. At most LINES_AT_ONCE lines in WINDOW_S reach our log, the rest is counted; a line is
           cut at MAX_LINE_CHARS and printable: client ids in it come from outside.
"""

import asyncio
import re
from typing import Final

import structlog

from gateway.clock import Clock

log = structlog.get_logger(__name__)

MAX_LINE_CHARS: Final = 500
LINES_AT_ONCE: Final = 50
WINDOW_S: Final = 10.0

_LINE: Final = re.compile(r"\[\d+\] \S+ \S+ \[(?P<level>[A-Z]{3})\] ?(?P<text>.*)")
_METHOD: Final = {"WRN": "warning", "ERR": "error", "FTL": "critical"}
_WRITE_FAILED: Final = "critical write error"
_KNOWN: Final = ("Plaintext passwords detected",)
"""True of our 0600 file and meant: a bcrypt hash costs each reconnecting device 60 ms of CPU."""


class LogLines:
    """Forwards one child's lines after another's.

    last_trouble  the newest error or warning of this child
    write_failed  this child could not write a message: it takes no more until it is started anew
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._window_ns = 0
        self._lines = 0
        self._swallowed = 0
        self.last_trouble = ""
        self.write_failed = False

    async def forward(self, stream: asyncio.StreamReader | None, pid: int) -> None:
        """Read until the child closes its end; bounds in the header."""
        if stream is None:
            return
        self.last_trouble = ""
        self.write_failed = False
        rest = b""
        while chunk := await stream.read(8192):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._one(line, pid)
            rest = rest[: 4 * MAX_LINE_CHARS]
        if rest:
            self._one(rest, pid)

    def _one(self, raw: bytes, pid: int) -> None:
        text = raw.decode("utf-8", "replace")[:MAX_LINE_CHARS]
        text = "".join(char if char.isprintable() else " " for char in text).strip()
        found = _LINE.fullmatch(text)
        level = found["level"] if found else "ERR"  # a panic, or a fault found before its log began
        text = found["text"].strip() if found else text
        if not text or text.startswith(_KNOWN):
            return
        method = _METHOD.get(level, "debug")
        if method != "debug":
            self.last_trouble = text
            self.write_failed |= _WRITE_FAILED in text.lower()
        if self._allowed():
            getattr(log, method)("nats-server", said=text, broker_pid=pid)

    def _allowed(self) -> bool:
        now = self._clock.mono_ns()
        if now - self._window_ns > WINDOW_S * 1e9:
            if self._swallowed:
                log.warning("nats-server said more than we log", lines_left_out=self._swallowed)
            self._window_ns, self._lines, self._swallowed = now, 0, 0
        self._lines += 1
        if self._lines > LINES_AT_ONCE:
            self._swallowed += 1
            return False
        return True
