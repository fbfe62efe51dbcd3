"""The only way out of this machine that a browser under test has: a proxy that lets nobody out.

Needs   the browser's flag: what is on this machine is asked without a proxy, all else through it,
        names included, whoever in the browser asks: a page, its worker, a style, the browser.
Keeps   `asked` has the first line of everything that wanted out, but for what Chromium asks its
        maker for itself, whatever page it shows (OWN: those hosts and no other of the maker's).
"""

import asyncio
import re
from types import TracebackType
from typing import Final, Self

LINE_BYTES: Final = 4096
OWN: Final = re.compile(
    r"\w+ (?:https?://)?(?:update|accounts|clients\d*|clientservices|optimizationguide-pa|redirector"
    r"|content-autofill|safebrowsing|edgedl\.me)\.(?:google|googleapis|gvt1)\.com[:/]"
)
REFUSED: Final = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Strangers:
    """See the module. `async with` listens."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen on a port of this machine."""
        self._server = await asyncio.start_server(self._refuse, "127.0.0.1", 0, limit=LINE_BYTES)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        assert self._server is not None
        self._server.close()

    @property
    def flag(self) -> str:
        """What the browser is started with."""
        assert self._server is not None
        return f"--proxy-server=http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        if line:  # a connection that is made beforehand and never used asks for nothing
            asked = line.decode("latin-1").strip()
            if OWN.match(asked) is None:
                self.asked.append(asked)
            writer.write(REFUSED)
        writer.close()
