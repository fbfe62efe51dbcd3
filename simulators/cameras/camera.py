"""A simulated camera: its settings, its clock, what it shows and what it has done.

Owns    one listening port and the connections to it.
Needs   connection (RTSP), playing (RTP), clip.
Keeps   1. Picture n is taken n / fps seconds after the camera was made, by the camera's clock, also
           while nobody looks and while it is off: whoever connects again finds a gap as long as the
           time that passed.
        2. Everything a client did is counted and can be waited for with until().
        3. Bounds: RUNS runs are remembered, and the last CHANGES of what is shown.
"""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Self
from urllib.parse import quote

from simulators.cameras.auth import Scheme
from simulators.cameras.clip import MAIN, SUB, Clip, Shape, load
from simulators.cameras.conduct import Conduct, Run
from simulators.cameras.connection import Connection
from simulators.cameras.playing import Playing
from simulators.cameras.scene import Picture
from simulators.cameras.sound import Sound, Track, track
from simulators.ports import free_port

RUNS: Final = 1000
CHANGES: Final = 8
LOOK_S: Final = 0.2
"""How often sessions are looked at for silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """What a camera is made like.

    name               key in Cameras, and the session's name
    label              what stands in the picture; cameras with one label share their clips, which
                       is what makes a hundred of them cheap. Empty: the name
    main, sub          the two streams, /main and /sub; sub may be None
    port               0: any
    clock_ahead_s      how far its clock is from ours
    speed              its time runs so much faster than ours: an hour of pictures in a minute
    session_timeout_s  silence of the client after which its session is over
    first_number       number of the picture taken when the camera is made
    """

    name: str = "camera"
    label: str = ""
    main: Shape = MAIN
    sub: Shape | None = SUB
    sound: Sound | None = None
    scheme: Scheme = Scheme.DIGEST
    user: str = "viewer"
    password: str = "look-only"  # noqa: S105  a simulator's, printed in its url
    port: int = 0
    clock_ahead_s: float = 0.0
    speed: float = 1.0
    session_timeout_s: float = 60.0
    first_number: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Shown:
    since: int
    clip: Clip
    instead: int | None


class LiveCamera:
    """A camera that is on. Made by Cameras, which also calls tick()."""

    def __init__(self, settings: Camera) -> None:
        self.settings = settings
        self.port = settings.port or free_port()
        self.conduct = Conduct()
        self.jumped_s = 0.0
        self.runs: deque[Run] = deque(maxlen=RUNS)
        self.requests: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self.connection_count = 0
        self.client_report_count = 0
        self.dice = random.Random(f"{settings.seed} {settings.name}")
        self.playing: list[Playing] = []
        self.track: Track | None = None
        self.shapes: dict[str, Shape] = {"main": settings.main}
        if settings.sub is not None:
            self.shapes["sub"] = settings.sub
        self._shown: dict[str, list[_Shown]] = {}
        self._anchor_s, self._anchor_media_s = (
            time.monotonic(),
            settings.first_number / settings.main.fps,
        )
        self._drift_ppm = 0.0
        self._look_s = 0.0
        self._begun_wall_s = time.time() + settings.clock_ahead_s - self._anchor_media_s
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._changed = asyncio.Event()
        self._waiting = 0

    # What tests and people use

    def url_of(self, stream: str) -> str:
        """Return the address of a stream, with user and password when it asks for them."""
        one = self.settings
        who = f"{quote(one.user, safe='')}:{quote(one.password, safe='')}@"
        return f"rtsp://{'' if one.scheme is Scheme.NONE else who}127.0.0.1:{self.port}/{stream}"

    @property
    def url(self) -> str:
        """Address of the main stream."""
        return self.url_of("main")

    @property
    def sub_url(self) -> str:
        """Address of the sub stream."""
        return self.url_of("sub")

    @property
    def open_count(self) -> int:
        """Connections there are."""
        return len(self._connections)

    @property
    def playing_count(self) -> int:
        """Streams being sent."""
        return len(self.playing)

    def number_now(self, stream: str = "main") -> int:
        """Return the number of the newest picture."""
        return int(self.media_s() * self.shapes[stream].fps)

    def taken_wall_s(self, number: int, stream: str = "main") -> float:
        """Return when a picture was taken, UTC seconds by the camera's own clock."""
        return self.wall_s(number / self.shapes[stream].fps)

    async def until(self, enough: "Callable[[LiveCamera], bool]", timeout_s: float = 30.0) -> None:
        """Return when `enough` says so; asked after each request, picture and end of a run."""
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                while not enough(self):
                    self._changed.clear()
                    await self._changed.wait()
        finally:
            self._waiting -= 1

    async def show(
        self, picture: Picture = Picture.NORMAL, *, shape: Shape | None = None, stream: str = ""
    ) -> int:
        """Show something else from the next key frame on; returns that frame's number.

        shape   for one stream only: another size in mid-stream, with new parameter sets
        stream  "main" or "sub"; empty: both, and the number is that of main
        Blocks no loop: what was never encoded is encoded in a thread first, which takes seconds.
        """
        streams = [stream] if stream else list(self.shapes)
        if shape is not None and not stream:
            raise ValueError("a shape is for one stream: say which")
        clips = {
            one: await asyncio.to_thread(self._load, shape or self._shape_now(one), picture)
            for one in streams
        }
        since = 0
        for one in reversed(streams):
            clip, group = clips[one], self.shapes[one].group
            known = self.shapes[one]
            if replace(clip.shape, width=known.width, height=known.height,
                       kbit_per_s=known.kbit_per_s) != known:  # fmt: skip
                raise ValueError("only size and rate can change while it runs")
            since = (self.number_now(one) // group + 1) * group
            instead = since if picture is Picture.FROZEN else None
            before = [past for past in self._shown[one] if past.since < since]
            self._shown[one] = [*before[1 - CHANGES :], _Shown(since, clip, instead)]
        return since

    def jump(self, seconds: float) -> None:
        """Let timestamps jump, forward or back, and stay there."""
        self.jumped_s += seconds

    async def hang_up(self, *, polite: bool = False) -> None:
        """Close every connection: RST in mid-stream, or with RTCP BYE and FIN."""
        for connection in list(self._connections.values()):
            connection.hang_up("hung up", polite=polite)
        if self._connections:
            await asyncio.wait(list(self._connections))

    def lose_sessions(self) -> None:
        """Forget every session: media stop, connections stay, the next request is answered 454."""
        for connection in self._connections.values():
            connection.lose_session()

    async def power_off(self) -> None:
        """Refuse connections and break those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections.values():
            connection.hang_up("powered off", polite=False)
        for task in list(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(list(self._connections))

    async def power_on(self) -> None:
        """Listen, on the port it had before."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accept, "127.0.0.1", self.port, reuse_address=True
            )

    # What its parts use

    def prepare(self) -> Self:
        """Load or encode what it shows; blocks, so call it in a thread."""
        for stream, shape in self.shapes.items():
            self._shown[stream] = [_Shown(0, self._load(shape, Picture.NORMAL), None)]
        if self.settings.sound is not None:
            self.track = track(self.settings.sound)
        return self

    def tick(self, now_s: float) -> None:
        """Send what is due, and end sessions nobody keeps alive."""
        media_s = self.media_s()
        for playing in list(self.playing):
            if media_s >= playing.quiet_until_s:
                playing.tick(now_s, media_s)
        if now_s >= self._look_s:
            self._look_s = now_s + LOOK_S
            for connection in self._connections.values():
                connection.tick(now_s)

    def media_s(self) -> float:
        """Seconds by the camera's own clock since picture zero."""
        now_s = time.monotonic()
        rate = self.settings.speed * (1 + self._drift_ppm * 1e-6)
        media_s = self._anchor_media_s + (now_s - self._anchor_s) * rate
        if self._drift_ppm != self.conduct.drift_ppm:
            self._anchor_s, self._anchor_media_s = now_s, media_s
            self._drift_ppm = self.conduct.drift_ppm
        return media_s

    def wall_s(self, media_s: float) -> float:
        """Return what the camera's own clock says then, UTC seconds."""
        return self._begun_wall_s + media_s

    def shown(self, stream: str, number: int) -> tuple[Clip, int | None]:
        """Return the clip picture `number` comes from, and what its strip says instead of it."""
        past = [one for one in self._shown[stream] if one.since <= number]
        it = past[-1] if past else self._shown[stream][0]
        return it.clip, it.instead

    def tell(self) -> None:
        """Wake whoever waits in until()."""
        if self._waiting:
            self._changed.set()

    def _shape_now(self, stream: str) -> Shape:
        return self._shown[stream][-1].clip.shape

    def _load(self, shape: Shape, picture: Picture) -> Clip:
        return load(self.settings.label or self.settings.name, shape, picture)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # pragma: no cover  start_server always runs it in one
            return
        connection = Connection(self, reader, writer)
        self._connections[task] = connection
        self.connection_count += 1
        self.tell()
        try:
            await connection.serve()
        except asyncio.CancelledError:
            if self._server is not None:
                raise
        finally:
            del self._connections[task]
            self.tell()
