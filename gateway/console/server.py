"""Server: the console's application on a socket, in our loop, with every wait bounded.

Owns    the listening socket and the time limits of connections.
Needs   uvicorn and h11, gateway.errors.
Keeps   1. Signals belong to the app, not to the server.
        2. A connection that does not finish its request head, or takes nothing of its answer, is
           cut off; so a slow or hostile peer holds memory for a bounded time only.
        3. Beyond this machine only with TLS, unless somebody wrote down that a proxy does it.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from gateway.console.doorway import Doorway
from gateway.console.gate import is_loopback
from gateway.errors import ConfigError, ConfigFault

MAX_HEAD_BYTES: Final = 16 * 1024
BACKLOG: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the console listens, and its limits.

    port             0 lets the system choose
    cert, key        PEM files; both or none
    plain_allowed    listen beyond this machine without TLS: something in front does it
    max_connections  open at once; beyond it see doorway.py
    head_s           for the whole head of a request, from the first moment
    keep_alive_s     an idle connection is kept this long
    stall_s          a reader that takes nothing for this long is cut off
    stop_s           answers under way may end within this time when the server stops
    """

    host: str = "127.0.0.1"
    port: int = 8800
    cert: Path | None = None
    key: Path | None = None
    plain_allowed: bool = False
    max_connections: int = 256
    head_s: float = 10.0
    keep_alive_s: int = 10
    stall_s: float = 20.0
    stop_s: int = 3


async def serve(
    app: FastAPI, settings: ServerSettings, started: Callable[[int], None] | None = None
) -> None:
    """Serve until cancelled; then end the streams, let answers finish within stop_s, and return.

    With TLS its context is app.state.tls: a certificate put into it holds for new connections.

    started  called once with the port when connections are accepted
    raises   ConfigError when it may not or cannot listen there
    """
    listener = _listen(settings)
    with listener:
        server = _Server(_config(app, settings, listener), started, listener.getsockname()[1])
        running = asyncio.ensure_future(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            app.state.streams.close()
            server.should_exit = True
            await running
            raise


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, started: Callable[[int], None] | None, port: int
    ) -> None:
        super().__init__(config)
        self._tell = started
        self._port = port

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._tell is not None and self.started:
            self._tell(self._port)


def _config(app: FastAPI, settings: ServerSettings, listener: Doorway) -> uvicorn.Config:
    class Bounded(_Connection):
        head_s = settings.head_s
        stall_s = settings.stall_s
        doorway = listener

    config = uvicorn.Config(
        app,
        http=Bounded,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.stop_s,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        backlog=BACKLOG,
    )
    if settings.cert is not None:
        config.load()
        config.ssl = app.state.tls = _tls(settings)
    return config


class _Connection(H11Protocol):
    """uvicorn's connection with two clocks more: for the head of a request, and for its reader."""

    head_s: float
    stall_s: float
    doorway: Doorway

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        # The gate says who asks; of what it says in scope["state"] each request gets a copy.
        self.app_state = {"known": lambda who: self.doorway.know(address, who)}
        self._arm_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering():
            self._disarm_head()
        elif self._head_timer is None and not self.transport.is_closing():
            self._arm_head()  # some bytes of a next request: the keep-alive timer is off by now

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_answering():
            self._disarm_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self.loop.call_later(self.stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._disarm_stall()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _arm_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_s, self.transport.abort)

    def _disarm_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _disarm_stall(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _disarm(self) -> None:
        self._disarm_head()
        self._disarm_stall()


def _listen(settings: ServerSettings) -> Doorway:
    if (settings.cert is None) != (settings.key is None):
        raise _fault("console.cert", "only one of cert and key is given", "both, or none")
    if settings.cert is None and not settings.plain_allowed and not is_loopback(settings.host):
        raise _fault(
            "console.listen",
            f"{settings.host} is reachable from other machines without TLS",
            "127.0.0.1, or cert and key",
        )
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise _fault(
            "console.listen", f"cannot listen on {where}: {error.strerror}", "a free port here"
        ) from error
    return Doorway(listener, settings.max_connections)


def _tls(settings: ServerSettings) -> ssl.SSLContext:
    assert settings.cert is not None  # noqa: S101 _listen has checked
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.cert, settings.key)
    except OSError as error:
        raise _fault("console.cert", f"cannot be used: {error}", "PEM files that match") from error
    return context


def _fault(key: str, problem: str, expected: str) -> ConfigError:
    return ConfigError([ConfigFault("gateway.toml", key, problem, expected)])
