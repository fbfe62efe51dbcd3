"""A client that sees what others hide: every answer, every packet, every number. And a real one."""

import asyncio
import hashlib
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

import av

from simulators.cameras import LiveCamera, read_number

HURRY = {"rtsp_transport": "tcp", "timeout": "20000000", "allowed_media_types": "video"}


@dataclass
class Answer:
    status: int
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str:
        return self.headers[name.lower()][0]


@dataclass
class Packet:
    channel: int
    data: bytes

    @property
    def sequence(self) -> int:
        return struct.unpack_from(">H", self.data, 2)[0]

    @property
    def timestamp(self) -> int:
        return struct.unpack_from(">I", self.data, 4)[0]

    @property
    def ends_picture(self) -> bool:
        return bool(self.data[1] & 0x80)

    @property
    def is_video(self) -> bool:
        return self.channel == 0


@dataclass
class Viewer:
    """Talk RTSP by hand: `async with Viewer(url) as viewer: await viewer.play()`."""

    url: str
    digest: bool = True
    answers: list[Answer] = field(default_factory=list)
    early: list[Packet] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        where = urlsplit(self.url)
        assert where.hostname is not None
        self.user, self.password = unquote(where.username or ""), unquote(where.password or "")
        self.base = f"rtsp://{where.hostname}:{where.port}{where.path}"
        self.reader, self.writer = await asyncio.open_connection(where.hostname, where.port)
        self.count, self.session, self.challenge = 0, "", {}
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.writer.transport.abort()

    async def ask(self, method: str, uri: str = "", **headers: str) -> Answer:
        """Send one request, once; packets that come before the answer are kept in `early`."""
        uri = uri or self.base
        self.count += 1
        lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {self.count}"]
        if self.session and "Session" not in headers:
            lines.append(f"Session: {self.session}")
        if self.challenge and self.digest:
            lines.append(f"Authorization: {self._authorization(method, uri)}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(20):
            answer = await self._answer()
        assert answer.header("cseq") == str(self.count)
        for value in answer.headers.get("www-authenticate", []):
            if value.startswith("Digest"):
                self.challenge = dict(re.findall(r'(\w+)="([^"]*)"', value))
        return answer

    async def welcome(self, method: str, uri: str = "", **headers: str) -> Answer:
        """Ask, and again with credentials when that is what it takes."""
        answer = await self.ask(method, uri, **headers)
        return await self.ask(method, uri, **headers) if answer.status == 401 else answer

    async def play(self, *, sound: bool = False) -> Answer:
        await self.welcome("DESCRIBE")
        for track in range(1 + sound):
            answer = await self.welcome(
                "SETUP",
                f"{self.base}/trackID={track}",
                Transport=f"RTP/AVP/TCP;unicast;interleaved={2 * track}-{2 * track + 1}",
            )
            assert answer.status == 200, answer
            self.session = answer.header("session").split(";")[0]
        return await self.welcome("PLAY")

    async def packet(self) -> Packet:
        """Return the next packet; raises IncompleteReadError at the end of the connection."""
        if self.early:
            return self.early.pop(0)
        async with asyncio.timeout(20):
            head = await self.reader.readexactly(4)
            assert head[0] == 0x24, f"the framing is lost: {head.hex()}"
            return Packet(head[1], await self.reader.readexactly(int.from_bytes(head[2:], "big")))

    async def until(self, enough: Callable[[Packet], bool]) -> list[Packet]:
        """Return the packets up to the first one that is enough."""
        packets = []
        while True:
            self.last = await self.packet()
            packets.append(self.last)
            if enough(packets[-1]):
                return packets

    async def pictures(self, count: int) -> list[list[Packet]]:
        """Return the video packets of so many whole pictures."""
        found: list[list[Packet]] = []
        while len(found) < count:
            packets = await self.until(lambda one: one.is_video and one.ends_picture)
            found.append([one for one in packets if one.is_video])
        return found

    async def rest(self) -> bytes:
        """Return everything until the connection ends, however it does."""
        parts = []
        async with asyncio.timeout(20):
            try:
                while part := await self.reader.read(65536):
                    parts.append(part)
            except ConnectionResetError:
                pass
        return b"".join(parts)

    async def _answer(self) -> Answer:
        while (first := await self.reader.readexactly(1)) == b"$":
            head = await self.reader.readexactly(3)
            data = await self.reader.readexactly(int.from_bytes(head[1:], "big"))
            self.early.append(Packet(head[0], data))
        text = (first + await self.reader.readuntil(b"\r\n\r\n")).decode()
        start, *lines = text.strip().split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.lower(), []).append(value.strip())
        size = int(headers.get("content-length", ["0"])[0])
        answer = Answer(int(start.split()[1]), headers, await self.reader.readexactly(size))
        self.answers.append(answer)
        return answer

    def _authorization(self, method: str, uri: str) -> str:
        realm, nonce = self.challenge["realm"], self.challenge["nonce"]
        one = _md5(f"{self.user}:{realm}:{self.password}")
        response = _md5(f"{one}:{nonce}:{_md5(f'{method}:{uri}')}")
        return (
            f'Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}"'
        )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@dataclass(frozen=True)
class Seen:
    number: int
    pts: int | None
    width: int


async def watch(url: str, count: int, **options: str) -> list[Seen]:
    """Look with libav's own client, in a thread, until so many pictures are decoded."""
    return await asyncio.to_thread(_watch, url, count, {**HURRY, **options})


def _watch(url: str, count: int, options: dict[str, str]) -> list[Seen]:
    seen: list[Seen] = []
    with av.open(url, options=options) as container:
        for frame in container.decode(video=0):
            seen.append(Seen(read_number(frame), frame.pts, frame.width))
            if len(seen) == count:
                return seen
    return seen


def ran(camera: LiveCamera, why: str) -> Callable[[LiveCamera], bool]:
    """A condition for until(): the newest run ended so."""
    return lambda _: bool(camera.runs) and camera.runs[-1].ended == why
