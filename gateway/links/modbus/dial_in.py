"""The port on which 4G DTUs call us: who is it, and which link waits for it (quirk row 30).

Owns    every listening port of this process, one for each address, shared by the links that name
        the same one and told apart by their registration texts.
Needs   settings, registration, keepalive, the Clock.
Keeps   1. A caller becomes a link's line only when what it sent first is that link's registration
           text and nothing else (or begins with it, where the link says so).
        2. Whoever cannot be placed within REGISTRATION_TIMEOUT_S is hung up on, counted and
           reported with what it said; at most MAX_PENDING callers are undecided at once.
        3. One caller for each registration: a second replaces the first and is reported. A DTU that
           lost its radio cell calls again long before TCP notices that the old line is dead.

Nothing here proves who calls: whoever reaches the port and knows the text can play the device.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, Protocol
from weakref import WeakKeyDictionary

from gateway.clock import Clock
from gateway.errors import LinkDown
from gateway.links.modbus.keepalive import keep_alive
from gateway.links.modbus.registration import MAX_FIRST_BYTES, Entry, place, printable
from gateway.links.modbus.settings import BusSettings

MAX_PENDING: Final = 32
REGISTRATION_TIMEOUT_S: Final = 10.0
SETTLE_S: Final = 0.2
"""A text is complete when nothing has followed for so long: DTU-1 is not DTU-12 cut in two."""
MAX_REPORTS_A_MINUTE: Final = 10
_MINUTE_NS: Final = 60_000_000_000

Event = Literal["unknown", "mute", "crowded", "replaced"]
Report = Callable[[Event, str], None]
"""Called with what happened and what the caller said, printable and at most 256 characters long.

At most MAX_REPORTS_A_MINUTE for each port, the rest is only counted. Must not raise or await.
"""


class Line(Protocol):
    """What a caller is connected to: a ModbusConnection."""

    lost: asyncio.Future[LinkDown]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The caller is put through."""

    def end(self, chinese: str, english: str) -> None:
        """Another caller has taken its place."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """Callers of one port since it was opened; see Event."""

    placed: int = 0
    unknown: int = 0
    mute: int = 0
    crowded: int = 0
    replaced: int = 0


class _Claim:
    """One link's interest in one registration.

    users   how many listening() and open() calls hold it
    parked  a caller that waits for the link to open()
    line    the connection that has taken the last caller
    """

    def __init__(self, settings: BusSettings) -> None:
        self.entry = Entry(settings.registration, settings.match == "prefix", settings.heartbeats)
        self.users = 0
        self.parked: _Caller | None = None
        self.line: Line | None = None
        self.arrived = asyncio.Event()


class ListeningPort:
    """One port and everybody on it; got from listening().

    counts  of callers
    port    the port really listened on
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.counts = Counts()
        self.port = 0
        self.claims: dict[bytes, _Claim] = {}
        self.reports: list[Report] = []
        self.pending: set[_Caller] = set()
        self.lock = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._minute_ns = clock.mono_ns()
        self._reported = 0

    async def start(self, settings: BusSettings) -> None:
        """Listen, unless somebody has already had this port listen."""
        async with self.lock:
            if self._server is None:
                loop = asyncio.get_running_loop()
                self._server = await loop.create_server(
                    lambda: _Caller(self), settings.host, settings.port
                )
                self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Close the port and hang up on all who are not on a line yet."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for caller in list(self.pending):
            caller.hang_up()

    def tell(self, event: Event, said: bytes) -> None:
        """Count an event and report it, within bounds."""
        setattr(self.counts, event, getattr(self.counts, event) + 1)
        now_ns = self._clock.mono_ns()
        if now_ns - self._minute_ns >= _MINUTE_NS:
            self._minute_ns, self._reported = now_ns, 0
        if self.reports and self._reported < MAX_REPORTS_A_MINUTE:
            self._reported += 1
            self.reports[0](event, printable(said))

    def place(self, caller: "_Caller", said: bytes) -> None:
        """Park a caller with the link whose registration it gave, or hang up."""
        entry = place(said, [claim.entry for claim in self.claims.values()])
        if entry is None:
            self.tell("unknown" if said else "mute", said)
            caller.hang_up()
            return
        claim = self.claims[entry.registration]
        self.counts.placed += 1
        old, claim.parked = claim.parked, caller
        line, claim.line = claim.line, None
        if line is not None and line.lost.done():
            line = None
        if old is not None or line is not None:
            self.tell("replaced", said)
        if old is not None:
            old.hang_up()
        if line is not None:
            line.end("同一注册包的 DTU 又拨入一次", "a DTU with this registration called again")
        caller.claim = claim
        claim.arrived.set()


class _Caller(asyncio.Protocol):
    """Somebody who called and is not on a line yet; holds at most MAX_FIRST_BYTES."""

    def __init__(self, port: ListeningPort) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._said = b""
        self.claim: _Claim | None = None
        self.transport: asyncio.Transport
        self._deadline: asyncio.TimerHandle | None = None
        self._settled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # of TCP
        if len(self._port.pending) >= MAX_PENDING:
            self._port.tell("crowded", b"")
            self.transport.abort()
            return
        keep_alive(transport)
        self._port.pending.add(self)
        self._deadline = self._loop.call_later(REGISTRATION_TIMEOUT_S, self._decide)

    def data_received(self, data: bytes) -> None:
        if self.claim is not None or self._deadline is None:
            return  # parked: heartbeats, which mean nothing to nobody
        self._said = (self._said + data)[:MAX_FIRST_BYTES]
        if self._settled is not None:
            self._settled.cancel()
        if len(self._said) == MAX_FIRST_BYTES:
            self._decide()
        else:
            self._settled = self._loop.call_later(SETTLE_S, self._decide)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._forget()
        if self.claim is not None and self.claim.parked is self:
            self.claim.parked = None

    def _decide(self) -> None:
        self._forget()
        self._port.place(self, self._said)

    def _forget(self) -> None:
        self._port.pending.discard(self)
        for timer in (self._deadline, self._settled):
            if timer is not None:
                timer.cancel()
        self._deadline = self._settled = None

    def hang_up(self) -> None:
        """Close at once."""
        self._forget()
        self.transport.abort()


_Ports = dict[tuple[str, int], ListeningPort]
_PORTS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Ports]] = WeakKeyDictionary()
"""Links know nothing of each other, and a port can be listened on once: so it is kept here."""


@asynccontextmanager
async def listening(
    settings: BusSettings, clock: Clock, report: Report | None = None
) -> AsyncIterator[ListeningPort | None]:
    """Keep the port of a dial-in bus open, also while no connection is; None for other buses.

    A driver holds this around its loop of open() and pauses, so that a DTU that calls during a
    pause is not refused: many wait minutes before they call again. Reports of callers nobody knows
    go to the first link of the port that gave a `report`. Raises LinkDown when the port is taken.
    """
    if settings.scheme != "dial-in":
        yield None
        return
    ports = _PORTS.setdefault(asyncio.get_running_loop(), {})
    key = (settings.host, settings.port)
    port = ports.setdefault(key, ListeningPort(clock))
    claim = port.claims.setdefault(settings.registration, _Claim(settings))
    claim.users += 1
    if report is not None:
        port.reports.append(report)
    try:
        try:
            await port.start(settings)
        except OSError as error:
            where = settings.where
            raise LinkDown(
                f"{where}: 端口打不开：{error}，稍后再试"
                f" / {where}: cannot listen: {error}; it is tried again later"
            ) from error
        yield port
    finally:
        if report is not None:
            port.reports.remove(report)
        claim.users -= 1
        if not claim.users:
            del port.claims[settings.registration]
            if claim.parked is not None:
                claim.parked.hang_up()
        if not port.claims and ports.get(key) is port:
            del ports[key]
            port.stop()


async def take_call(settings: BusSettings, clock: Clock, line: asyncio.Protocol) -> None:
    """Wait for the DTU of this bus and put it through to `line`; the caller sets a time-out."""
    async with listening(settings, clock) as port:
        if port is None:
            raise ValueError("not a dial-in bus")
        claim = port.claims[settings.registration]
        while (caller := claim.parked) is None:
            claim.arrived.clear()
            await claim.arrived.wait()
        claim.parked = None
        claim.line = line  # type: ignore[assignment] # a ModbusConnection is both
        caller.transport.set_protocol(line)
        line.connection_made(caller.transport)
