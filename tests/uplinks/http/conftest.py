"""An HTTP receiver that keeps what it got and answers what the test says."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.clock import SystemClock
from gateway.uplink import Parcel, Receipt, UplinkSettings
from gateway.uplinks.http import Options, Uplink

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()

Reply = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)


@asynccontextmanager
async def receiver(
    reply: Reply | None = None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    kept = Receiver()

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        kept.bodies.append(body)
        kept.headers.append(dict(request.headers))
        assert request.transport is not None
        kept.peers.add(request.transport.get_extra_info("peername"))
        return await reply(request, body) if reply else web.Response(status=204)

    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handle_signals=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    kept.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/alarms"
    try:
        yield kept
    finally:
        await runner.cleanup()


def answering(status: int = 200, body: bytes = b"", **headers: str) -> Reply:
    async def reply(request: web.Request, got: bytes) -> web.StreamResponse:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return web.Response(status=status, body=body, headers=named)

    return reply


def parcel(number: int = 1, **changes: Any) -> Parcel:
    values: dict[str, Any] = {
        "seq": number,
        "id": f"0197-{number}",
        "type": "campus.alarm.raised.v1",
        "kind": "panic",
        "priority": 1,
        "device": "btn-gate-west",
        "body": f'{{"id": "0197-{number}", "text": "按下"}}'.encode(),
    }
    return Parcel(**(values | changes))


Make = Callable[..., Uplink]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Build uplinks from options as an installer writes them; their sessions end with the test."""
    (tmp_path / "police").write_text(SECRET + "\n")
    running: list[asyncio.Task[None]] = []

    def build(**table: Any) -> Uplink:
        table.setdefault("secret_file", "police")
        options = Options.model_validate(table, context={"folder": tmp_path})
        settings = UplinkSettings(
            name="police",
            site_id="320612-0001",
            site_name="示范小学",
            gateway="gw-1",
            folder=tmp_path,
            options=options,
        )
        uplink = Uplink(settings, SystemClock(), never_later)
        running.append(asyncio.create_task(uplink.run()))
        return uplink

    yield build
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def never_later(record_id: str, receipt: Receipt) -> None:
    raise AssertionError("HTTP has no way to report later")
