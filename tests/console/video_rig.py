"""A console with video: real recordings on a disk, real HTTP, an audit trail a test can read."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

from gateway.audit import Entry
from gateway.clock import SystemClock
from gateway.config.settings import Camera
from gateway.console.api import Site, build_app
from gateway.console.holders import SignOnBooks
from gateway.console.people import PeopleBook
from gateway.console.server import ServerSettings
from gateway.console.tokens import Role, TokenBook
from gateway.console.video import VideoRoutes
from gateway.console.video_stills import NoStill, StillsDown
from gateway.errors import StoreError
from gateway.playback import Addresses, Playback
from gateway.playback.moments import said
from gateway.store.video.names import SECOND_NS
from tests.console.conftest import Answer, running
from tests.console.memory_desk import MemoryDesk
from tests.playback.film import CAMERA, Film, camera_of, filming

VIDEO = f"/api/v1/cameras/{CAMERA}/video.mp4"
LIVE = f"/api/v1/cameras/{CAMERA}/live.mp4"
SNAPSHOT = f"/api/v1/cameras/{CAMERA}/snapshot.jpg"
TIMELINE = f"/api/v1/cameras/{CAMERA}/timeline"
ADDRESS = f"/api/v1/cameras/{CAMERA}/address"
TINY = b"\xff\xd8\xff\xd9"


class MovedClock(SystemClock):
    """The machine's clock; a test may put it forward."""

    ahead_ns = 0

    def utc_ns(self) -> int:
        return super().utc_ns() + self.ahead_ns


@dataclass(frozen=True)
class Drawn:
    jpeg: bytes
    at_ns: int


@dataclass
class Stills:
    """Stands where the pictures process is; it has one of its own tests with the real one."""

    down: bool = False
    nothing: bool = False
    newest_ns: int = SECOND_NS
    asked: list[tuple[str, int | None, int | None]] = field(default_factory=list)
    gate: asyncio.Event | None = None
    came: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def __call__(self, camera: str, at_ns: int | None, width: int | None) -> Drawn:
        self.asked.append((camera, at_ns, width))
        self.came.release()
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise StillsDown("away")
        if self.nothing:
            raise NoStill("nothing")
        return Drawn(TINY, at_ns or self.newest_ns)


@dataclass
class Rig:
    film: Film
    playback: Playback
    book: TokenBook
    clock: MovedClock
    http: aiohttp.ClientSession
    port: int
    tokens: dict[Role, str]
    stills: Stills
    trail: list[Entry]
    desk: MemoryDesk
    people: PeopleBook
    states: dict[str, Mapping[str, Any]]
    refuse_audit: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def audit(self, entry: Entry) -> int:
        if self.refuse_audit:
            raise StoreError("the disk is full")
        self.trail.append(entry)
        return len(self.trail)

    def bearer(self, role: Role = Role.GUARD) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    async def ask(
        self, path: str, role: Role | None = Role.GUARD, method: str = "GET", **options: Any
    ) -> Answer:
        headers = ({} if role is None else self.bearer(role)) | options.pop("headers", {})
        async with self.http.request(
            method, self.url + path, headers=headers, **options
        ) as response:
            return Answer(response.status, response.headers, await response.read(), response)

    async def until_nobody_looks(self) -> None:
        async with asyncio.timeout(30):
            while self.playback.viewers:  # noqa: ASYNC110 it tells nobody
                await asyncio.sleep(0.01)

    def range(self, from_ns: int, to_ns: int) -> dict[str, str]:
        return {"from": said(from_ns), "to": said(to_ns)}


@asynccontextmanager
async def rig(root: Path, *, most: int = 16, sub: bool = False, **film: Any) -> AsyncIterator[Rig]:
    """A camera's store that a test writes, and a console that serves it."""
    async with filming(root, **film) as recorded:
        camera = camera_of(sub=sub)
        async with serving(root, root / "store", [camera], recorded, most=most) as made:
            yield made


@asynccontextmanager
async def serving(
    root: Path, store: Path, cameras: list[Camera], film: Film | None = None, *, most: int = 16
) -> AsyncIterator[Rig]:
    """A console over recordings: the index in store, the volume at root/disk."""
    clock = MovedClock()
    playback = Playback(cameras, [root / "disk"], store, clock, most=most)
    book = TokenBook(root / "tokens.json", clock)
    tokens = {role: book.create(role, f"某{role}") for role in Role}
    async with aiohttp.ClientSession() as http:
        desk, books = MemoryDesk(clock), SignOnBooks.in_folder(root, clock)
        made = Rig(
            film, playback, book, clock, http, 0, tokens, Stills(), [], desk, books.people, {}
        )  # type: ignore[arg-type]

        async def states() -> Mapping[str, Mapping[str, Any]]:
            return made.states

        addresses = Addresses(store, clock)
        app = build_app(
            made.desk,
            book,
            CollectorRegistry(),
            site=Site(id="1", name="校", gateway="g"),
            clock=clock,
            books=books,
            video=VideoRoutes(playback, addresses, made.audit, made.stills, states, clock),
        )
        try:
            async with running(app, ServerSettings(port=0)) as port:
                made.port = port
                yield made
        finally:
            await playback.end()
