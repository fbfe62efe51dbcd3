"""HTTP/1.1 as far as a receiver needs it: one POST, one answer, the connection kept for the next.

Owns    at most `limit` connections to one receiver, and the addresses its name last had.
Needs   reading.py, gateway.clock. Decision 0005 says why this is not a library.
Keeps   1. A connection is used again only after an answer that was read to its exact end.
        2. No cookie, redirect, compression, credential or proxy of the environment exists here.
        3. Every await ends with the caller's time-out; connecting ends by itself, earlier.
        4. One look-up of the name at a time, in a thread that no other receiver uses.
Source  RFC 9112 (HTTP/1.1) 3.2, 9; RFC 9110 9.3.6 (CONNECT).
"""

import asyncio
import ipaddress
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from yarl import URL

from gateway.clock import Clock
from gateway.uplinks.http.answer import Answer
from gateway.uplinks.http.reading import UNREADABLE, Reader, read_answer, read_head

MAX_ADDRESSES: Final = 4
ADDRESSES_KEPT_S: Final = 30.0
IDLE_S: Final = 60.0
"""Longer than the pause between two heartbeats, so that a quiet night costs no new handshake."""


class WireError(Exception):
    """The answer never came or is no HTTP; nothing is known of the record: send it again.

    stale  the connection had served before and ended without a byte: a new one may do at once
    """

    def __init__(self, why: str, *, stale: bool = False) -> None:
        super().__init__(why)
        self.stale = stale


@dataclass(slots=True)
class _Connection:
    reader: Reader
    writer: asyncio.StreamWriter
    used_ns: int = 0
    served: bool = False


class Wire:
    """The way to one receiver."""

    def __init__(
        self,
        url: URL,
        *,
        tls: ssl.SSLContext | None,
        proxy: URL | None,
        limit: int,
        connect_timeout_s: float,
        clock: Clock,
    ) -> None:
        self._host, self._port = url.raw_host or "", url.port or 443
        self._tls = tls
        self._proxy = proxy
        self._connect_timeout_s = connect_timeout_s
        self._clock = clock
        self._free = asyncio.Semaphore(limit)
        self._idle: list[_Connection] = []
        self._addresses: list[str] = []
        self._asked_ns: int | None = None
        self._names: ThreadPoolExecutor | None = None
        self._asking: asyncio.Future[list[str]] | None = None
        self._closed = False
        target = str(url) if proxy is not None and tls is None else url.raw_path_qs
        self._head = (
            f"POST {target} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\n"
            "User-Agent: campus-gateway\r\nAccept: application/json\r\n"
            "Accept-Encoding: identity\r\n"
        )

    async def post(self, headers: str, body: bytes) -> Answer:
        """Send one request and return its answer; raises WireError.

        headers  lines that end with CRLF each; the rest of the head is ours
        """
        request = f"{self._head}{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body
        async with self._free:
            if self._closed:
                raise WireError("the gateway is stopping")
            connection = self._take_idle() or await self._connect()
            keep = False
            try:
                connection.writer.write(request)
                answer, keep = await read_answer(connection.reader)
            except UNREADABLE as error:
                nothing = isinstance(error, asyncio.IncompleteReadError) and not error.partial
                nothing = nothing or isinstance(error, ConnectionError)
                stale = connection.served and nothing
                if stale:
                    self._drop_idle()  # they have the same age and the same fate
                raise WireError(_say(error), stale=stale) from error
            finally:
                # A byte too many would be read as the answer to the next record: a false receipt.
                unsent = connection.writer.transport.get_write_buffer_size()
                if keep and connection.reader.is_empty and not unsent and not self._closed:
                    connection.used_ns, connection.served = self._clock.mono_ns(), True
                    self._idle.append(connection)
                else:
                    connection.writer.transport.abort()
        return answer

    def close(self) -> None:
        """End every connection as it comes free; the idle ones now."""
        self._closed = True
        self._drop_idle()
        if self._names is not None:
            self._names.shutdown(wait=False, cancel_futures=True)

    def _drop_idle(self) -> None:
        for connection in self._idle:
            connection.writer.transport.abort()
        self._idle.clear()

    def _take_idle(self) -> _Connection | None:
        """Return the connection used last, which is the one most likely still alive."""
        while self._idle:
            connection = self._idle.pop()
            fresh = self._clock.mono_ns() - connection.used_ns < IDLE_S * 1e9
            ended = connection.reader.at_eof() or connection.writer.is_closing()
            quiet = connection.reader.is_empty and connection.reader.exception() is None
            if fresh and quiet and not ended:
                return connection
            connection.writer.transport.abort()
        return None

    async def _connect(self) -> _Connection:
        """Connect, through the proxy where there is one, with TLS where the receiver wants it."""
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                if self._proxy is None:
                    return await self._connect_to_any()
                return await self._connect_through(self._proxy)
        except TimeoutError:
            raise WireError(f"no connection within {self._connect_timeout_s:g} s") from None
        except UNREADABLE as error:
            raise WireError(_say(error)) from error

    async def _connect_to_any(self) -> _Connection:
        """Try the addresses of the receiver's name in turn; the one that works is first next time.

        Each but the last gets an equal part of the time, so that a dead first one is survived.
        """
        addresses = await self._resolve()
        last = addresses[-1]
        part_s = self._connect_timeout_s / len(addresses)
        for address in addresses:
            try:
                async with asyncio.timeout(None if address == last else part_s):
                    connection = await self._open(address)
            except OSError:  # a time-out is one
                if address == last:
                    raise
                continue
            break
        self._addresses = [address, *(one for one in addresses if one != address)]
        return connection

    async def _open(self, address: str) -> _Connection:
        host = self._host if self._tls is not None else None
        return await _open(address, self._port, tls=self._tls, server_hostname=host)

    async def _connect_through(self, proxy: URL) -> _Connection:
        connection = await _open(proxy.raw_host or "", proxy.port or 80)
        reader, writer = connection.reader, connection.writer
        if self._tls is None:
            return connection
        try:
            where = f"[{self._host}]" if ":" in self._host else self._host
            asked = f"CONNECT {where}:{self._port} HTTP/1.1\r\nHost: {where}:{self._port}\r\n\r\n"
            writer.write(asked.encode())
            _, status, _ = read_head(await reader.line(b"\r\n\r\n"))
            if not 200 <= status <= 299:
                raise OSError(f"the proxy answers HTTP {status}")  # noqa: TRY301
            await writer.start_tls(self._tls, server_hostname=self._host)
        except BaseException:
            writer.transport.abort()
            raise
        return connection

    async def _resolve(self) -> list[str]:
        """Return the receiver's addresses, asked for again after 30 s.

        When the name server is silent or gone, those it last gave: an alarm must not need it.
        """
        try:
            return [str(ipaddress.ip_address(self._host))]
        except ValueError:
            pass
        now_ns = self._clock.mono_ns()
        if self._asked_ns is None or now_ns - self._asked_ns > ADDRESSES_KEPT_S * 1e9:
            try:
                async with asyncio.timeout(self._connect_timeout_s / 2):
                    news = await self._ask_for_addresses()
            except OSError:  # a time-out is one
                if not self._addresses:
                    raise
            else:
                # Stay with what worked as long as the name still has it.
                worked = self._addresses[:1]
                self._addresses = sorted(news, key=lambda one: one not in worked)
            self._asked_ns = now_ns
        return list(self._addresses)

    async def _ask_for_addresses(self) -> list[str]:
        """Look the name up in a thread of our own: a dead name server holds up nobody else's.

        A look-up cannot be called off, so whoever comes meanwhile waits for the one under way.
        """
        if self._closed:
            raise OSError("the gateway is stopping")
        if self._asking is None or self._asking.done():
            if self._names is None:
                self._names = ThreadPoolExecutor(1, f"names of {self._host}")
            loop = asyncio.get_running_loop()
            self._asking = loop.run_in_executor(self._names, _look_up, self._host, self._port)
            # If nobody waits any more, its failure is nobody's news.
            self._asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())
        return await asyncio.shield(self._asking)


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))[:MAX_ADDRESSES]


async def _open(
    host: str, port: int, *, tls: ssl.SSLContext | None = None, server_hostname: str | None = None
) -> _Connection:
    loop = asyncio.get_running_loop()
    reader = Reader()
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(
        lambda: protocol, host, port, ssl=tls, server_hostname=server_hostname
    )
    return _Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


def _say(error: BaseException) -> str:
    """Say what went wrong in a phrase; none of these errors carries a URL."""
    if isinstance(error, EOFError):
        return "the receiver closed the connection before its answer was complete"
    if isinstance(error, asyncio.LimitOverrunError):
        return "a line of the answer without end"
    return f"{type(error).__name__}: {error}" if isinstance(error, OSError) else str(error)
