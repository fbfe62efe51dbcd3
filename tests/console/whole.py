"""The whole house in this process, as gateway/app.py wires it: its application can be looked into.

Owns    one folder with a configuration of everything, recordings, a broker, and the house on them.
Needs   gateway.app; tests.playback.film for recordings made in no time.
Keeps   1. Nothing is left out and nothing replaced: requests go through sockets.
        2. What a test presses goes through the broker.
Bound   READY_S until it is ready.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import pytest
from fastapi import FastAPI

import gateway.app
from gateway.app import Running
from gateway.clock import SystemClock
from gateway.config.load import load_config
from gateway.console import api
from gateway.console.tokens import Role, TokenBook
from simulators.brokers import Mosquitto, MosquittoSettings
from simulators.buttons import JsonButton
from simulators.mqtt import Message, Publisher
from simulators.ports import free_port
from tests.console.conftest import Answer
from tests.playback.film import CAMERA, Film, filming

READY_S: Final = 120.0
WORD: Final = "正确的马 correct horse"
CONFIG: Final = """
[site]
id = "320612-0001"
name = "示范小学"
gateway = "gw-1"
[store]
path = "{folder}/store"
reserve_mib = 16
[[video.volume]]
path = "{folder}/disk"
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:{broker}"
[[uplink]]
name = "police"
kind = "http"
url = "http://127.0.0.1:{nobody}/alarms"
secret_file = "secrets/police"
[[camera]]
id = "{camera}"
name = "西门"
place = "西门门卫室"
url = "rtsp://127.0.0.1:{nobody}/main"
[[contact]]
name = "城关派出所"
number = "0513-8012"
role = "police"
[console]
listen = "127.0.0.1:{port}"
"""
DEVICE: Final = """
[[device]]
id = "{name}"
profile = "generic/json_button"
link = "field"
name = "一键报警"
place = "西门"
address = {{ topic = "{topic}" }}
cameras = ["{camera}"]
"""


@dataclass(kw_only=True)
class Whole:
    """The house, and ways to ask it."""

    app: FastAPI
    running: Running
    film: Film
    http: aiohttp.ClientSession
    publisher: Publisher
    button: JsonButton
    book: TokenBook
    folder: Path
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where its console listens."""
        return f"http://127.0.0.1:{self.running.port}"

    def token(self, role: Role) -> str:
        """The role's token that is signed on with; it has a rate of its own."""
        return self._token(role, "某")

    def bearer(self, role: Role) -> dict[str, str]:
        """What a machine of that role sends: with another token."""
        return {"Authorization": f"Bearer {self._token(role, '机')}"}

    def _token(self, role: Role, of: str) -> str:
        name = f"{of}{role}"
        if name not in self._tokens:
            self._tokens[name] = self.book.create(role, name)
        return self._tokens[name]

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """One request; a body that never ends is left where it begins to."""
        endless = options.pop("endless", False)
        options = {"allow_redirects": False} | options
        async with self.http.request(method, self.url + path, **options) as answer:
            body = b"" if endless and answer.status == 200 else await answer.read()
            return Answer(answer.status, answer.headers, body, answer)

    async def press(self) -> str:
        """Press the button; returns the alarm's id once it is committed."""
        known = {row["alarm_id"] for row in await self._open()}
        mark = await self.running.desk.wait_change(-1)
        for message in self.button.pressed():
            await self.publisher.post(message)
        async with asyncio.timeout(60):
            while not (new := {row["alarm_id"] for row in await self._open()} - known):
                mark = await self.running.desk.wait_change(mark)
        return str(new.pop())

    async def say(self, topic: str, payload: bytes) -> None:
        """Publish anything."""
        await self.publisher.post(Message(topic=topic, payload=payload))

    async def _open(self) -> list[dict[str, Any]]:
        return await self.running.desk.alarms(open_only=True, limit=1000)

    async def trail(self, after: int = 0) -> list[dict[str, Any]]:
        """Entries of the audit trail behind a number."""
        found: list[dict[str, Any]] = []
        while True:
            bodies, after = await self.running.desk.trail(after, 500)
            if not bodies:
                return found
            found += [orjson.loads(body) for body in bodies]

    async def trail_end(self) -> int:
        """The number of the newest entry, 0 for none."""
        return max((entry["seq"] for entry in await self.trail()), default=0)


class Session:
    """A browser that is signed on."""

    def __init__(self, whole: Whole) -> None:
        self.whole = whole
        self.cookie = ""
        self.csrf = ""

    async def sign_on(self, **body: str) -> Answer:
        """Sign on with a token, or a name and a secret."""
        answer = await self.whole.ask("POST", "/api/v1/session", json=body)
        if answer.status == 200:
            self.cookie = answer.response.cookies["campus_session"].value
            self.csrf = answer.json()["csrf"]
        return answer

    def headers(self, *, proof: bool = True) -> dict[str, str]:
        """What its requests carry."""
        found = {"Cookie": f"campus_session={self.cookie}"}
        return found | ({"X-CSRF-Token": self.csrf} if proof else {})


@asynccontextmanager
async def whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Whole]:
    """Open all of it."""
    kept: list[FastAPI] = []

    checked = api.refuse_undeclared

    def seen(app: FastAPI) -> None:
        kept.append(app)
        checked(app)

    # To look into it, not to change it; whoever puts the parts together asks build_app for it.
    monkeypatch.setattr(api, "refuse_undeclared", seen)
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(
            Mosquitto(folder / "broker", MosquittoSettings(max_queued=0))
        )
        film = await stack.enter_async_context(filming(folder))
        await film.segments(2)
        await film.groups(1)
        button = JsonButton("btn-1")
        config = folder / "config"
        (config / "secrets").mkdir(parents=True)
        (config / "secrets" / "police").write_text(
            "whsec_" + "c2ltdWxhdGVkLXNlY3JldC0wMTIzNDU2Nzg="
        )
        (config / "secrets" / "police").chmod(0o600)
        (config / "gateway.toml").write_text(
            CONFIG.format(
                folder=folder,
                broker=broker.port,
                nobody=free_port(),
                port=free_port(),
                camera=CAMERA,
            ),
            "utf-8",
        )
        (config / "devices.toml").write_text(
            DEVICE.format(name=button.name, topic=button.address()["topic"], camera=CAMERA), "utf-8"
        )
        stop = asyncio.Event()
        ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        life = asyncio.ensure_future(gateway.app._live(load_config(config), stop, ready.set_result))
        try:
            async with asyncio.timeout(READY_S):
                await asyncio.wait({life, ready}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                await life
            running = await ready
            http = await stack.enter_async_context(
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
            )
            publisher = await stack.enter_async_context(
                Publisher(broker.address, client_id="school")
            )
            yield Whole(
                app=kept[-1],
                running=running,
                film=film,
                http=http,
                publisher=publisher,
                button=button,
                book=TokenBook(folder / "store" / "tokens.json", SystemClock()),
                folder=folder,
            )
        finally:
            stop.set()
            with suppress(asyncio.CancelledError):
                await life
