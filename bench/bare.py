"""A page that does nothing but what every page must: the browser's own share of a figure.

Owns    a server of one empty page and one stream of events, on this machine, in this event loop.
Keeps   The page paints one line for each event and tells when it is on the screen, as a console.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bench.machine import free_port

PAGE: Final = b"""<!doctype html><html lang="zh"><meta charset="utf-8"><title>bare</title><body>
<script>
new EventSource("/stream").onmessage = (event) => {
  const row = document.createElement("p");
  row.textContent = event.data;
  row.dataset.alarm = JSON.parse(event.data);
  document.body.append(row);
};
</script>"""
_HEAD: Final = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nConnection: close\r\n\r\n"


class Bare:
    """The server; tell() is an event."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self._writers: set[asyncio.StreamWriter] = set()

    def tell(self, name: str) -> None:
        """Send an event to every page."""
        for writer in self._writers:
            writer.write(f"data: {json.dumps(name)}\n\n".encode())

    def __len__(self) -> int:
        """Return how many pages listen."""
        return len(self._writers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request; a stream lasts until its page leaves."""
        try:
            asked = await reader.readuntil(b"\r\n\r\n")
            if asked.startswith(b"GET /stream"):
                writer.write(_HEAD.format("text/event-stream").encode())
                await writer.drain()
                self._writers.add(writer)
                await reader.read()
            else:
                writer.write(_HEAD.format("text/html; charset=utf-8").encode() + PAGE)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the page left
        finally:
            self._writers.discard(writer)
            writer.close()


@asynccontextmanager
async def bare() -> AsyncIterator[Bare]:
    """Serve until the block ends."""
    port = free_port()
    made = Bare(port)
    server = await asyncio.start_server(made.serve, "127.0.0.1", port)
    try:
        yield made
    finally:
        server.close()
