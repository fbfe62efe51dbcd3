"""A camera that says what a test tells it to, written from RFC 2326, 3550, 6184, 7798 and 3640."""

import asyncio
import base64
import hashlib
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.media.nal import join_lengths
from tests.media.clips import Clip

SSRC = 0xCAFE0001
MTU = 1400
BASE_TICKS = 0xFFFF0000
"""Where time stamps begin: soon over the 32-bit border."""


@dataclass
class Asked:
    """One request."""

    method: str
    uri: str
    headers: dict[str, str]


def rtp(  # the fields of RFC 3550, 5.1
    payload: bytes,
    number: int,
    ticks: int,
    *,
    marker: bool = False,
    kind: int = 96,
    ssrc: int = SSRC,
    sources: Sequence[int] = (),
    extension: bytes = b"",
    padding: int = 0,
) -> bytes:
    flags = 0x80 | len(sources) | (0x10 if extension else 0) | (0x20 if padding else 0)
    head = struct.pack(
        ">BBHII", flags, marker << 7 | kind, number & 0xFFFF, ticks & 0xFFFFFFFF, ssrc
    )
    head += b"".join(source.to_bytes(4, "big") for source in sources)
    if extension:
        head += struct.pack(">HH", 0xBEDE, len(extension) // 4) + extension
    tail = bytes(padding - 1) + bytes((padding,)) if padding else b""
    return head + payload + tail


def interleaved(channel: int, packet: bytes) -> bytes:
    return b"$" + bytes((channel,)) + len(packet).to_bytes(2, "big") + packet


def pieces_h264(nal: bytes, mtu: int = MTU) -> list[bytes]:
    """RFC 6184, 5.8."""
    if len(nal) <= mtu:
        return [nal]
    body = [nal[1:][at : at + mtu] for at in range(0, len(nal) - 1, mtu)]
    last = len(body) - 1
    return [
        bytes((nal[0] & 0xE0 | 28, (n == 0) << 7 | (n == last) << 6 | nal[0] & 0x1F)) + part
        for n, part in enumerate(body)
    ]


def pieces_h265(nal: bytes, mtu: int = MTU) -> list[bytes]:
    """RFC 7798, 4.4.3."""
    if len(nal) <= mtu:
        return [nal]
    body = [nal[2:][at : at + mtu] for at in range(0, len(nal) - 2, mtu)]
    last, kind = len(body) - 1, nal[0] >> 1 & 0x3F
    return [
        bytes((nal[0] & 0x81 | 49 << 1, nal[1], (n == 0) << 7 | (n == last) << 6 | kind)) + part
        for n, part in enumerate(body)
    ]


def stap(nals: Iterable[bytes]) -> bytes:
    """RFC 6184, 5.7.1."""
    return b"\x78" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def aggregate(nals: Iterable[bytes]) -> bytes:
    """RFC 7798, 4.4.2."""
    return bytes((48 << 1, 1)) + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def payloads(
    codec: str, unit: Sequence[bytes], *, joins: bool = False, mtu: int = MTU
) -> list[bytes]:
    """An access unit's RTP payloads; with `joins` the small units in front go together."""
    cut, join = (pieces_h264, stap) if codec == "h264" else (pieces_h265, aggregate)
    small = []
    rest = list(unit)
    while joins and rest and len(rest[0]) < 200:
        small.append(rest.pop(0))
    head = [join(small)] if len(small) > 1 else small
    return head + [piece for nal in rest for piece in cut(nal, mtu)]


def packets(
    part: Clip, *, first: int = 65530, base: int = BASE_TICKS, joins: bool = False, mtu: int = MTU
) -> list[list[bytes]]:
    """A clip as RTP: the packets of each access unit."""
    made, number = [], first
    for unit, time in zip(part.units, part.presented, strict=True):
        body = payloads(part.codec, unit, joins=joins, mtu=mtu)
        last = len(body) - 1
        made.append(
            [rtp(data, number + n, base + time, marker=n == last) for n, data in enumerate(body)]
        )
        number += len(body)
    return made


def expected(part: Clip) -> list[tuple[bytes, int]]:
    """What must come out of packets(): data and ticks of each access unit."""
    return [
        (join_lengths(unit), BASE_TICKS + time)
        for unit, time in zip(part.units, part.presented, strict=True)
    ]


def sender_report(ssrc: int, ntp: int, ticks: int) -> bytes:
    """RFC 3550, 6.4.1, without reception blocks; behind it a source description."""
    report = struct.pack(">BBHIQIII", 0x80, 200, 6, ssrc, ntp, ticks & 0xFFFFFFFF, 1, 1)
    return report + struct.pack(">BBHI", 0x81, 202, 2, ssrc) + b"\1\1x\0"


def sdp_of(
    part: Clip | None, *, more: str = "", control: str = "trackID=1", sprop: bool = True
) -> str:
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=camera", "t=0 0", "a=control:*"]
    if part is not None:
        encoded = [base64.b64encode(nal).decode() for nal in part.parameter_sets]
        lines += ["m=video 0 RTP/AVP 96", f"a=rtpmap:96 {part.codec.upper()}/90000"]
        if sprop and part.codec == "h264":
            lines.append(
                f"a=fmtp:96 packetization-mode=1; sprop-parameter-sets={','.join(encoded)}"
            )
        elif sprop:
            names = zip(("vps", "sps", "pps"), encoded, strict=True)
            lines.append("a=fmtp:96 " + "; ".join(f"sprop-{name}={text}" for name, text in names))
        lines.append(f"a=control:{control}")
    return "\r\n".join(lines) + "\r\n" + more


Play = Callable[["Caller"], Awaitable[None]]


@dataclass
class Camera:
    """What it says. Everything it was asked is in `asked`.

    play       what it does behind its answer to PLAY; the connection stays open when it returns
    answers    another answer to a method: the whole text without CSeq, or a function of the request
    digest     (user, password, algorithm or "", qop) to demand; None asks nobody
    """

    sdp: str = ""
    play: Play | None = None
    answers: dict[str, str | Callable[[Asked], str | None]] = field(default_factory=dict)
    digest: tuple[str, str, str, str] | None = None
    basic: tuple[str, str] | None = None
    challenges: list[str] = field(default_factory=list)
    nonce: str = "nonce-1"
    session: str = "12345678;timeout=60"
    content_base: str | None = None
    asked: list[Asked] = field(default_factory=list)
    callers: list["Caller"] = field(default_factory=list)
    heard: asyncio.Queue[Asked] = field(default_factory=asyncio.Queue)
    port: int = 0

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/stream"

    @property
    def methods(self) -> list[str]:
        return [asked.method for asked in self.asked]

    def believes(self, asked: Asked) -> bool:
        proof = asked.headers.get("authorization", "")
        if self.basic is not None:
            wanted = base64.b64encode(":".join(self.basic).encode()).decode()
            return proof == f"Basic {wanted}"
        if self.digest is None:
            return True
        user, password, algorithm, qop = self.digest
        said = dict(re.findall(r'(\w+)="?([^",]*)"?', proof))
        if not proof.startswith("Digest ") or said.get("nonce") != self.nonce:
            return False
        name = "sha256" if algorithm.upper().startswith("SHA-256") else "md5"

        def hashed(text: str) -> str:
            return hashlib.new(name, text.encode()).hexdigest()

        first = hashed(f"{user}:cameras:{password}")
        second = hashed(f"{asked.method}:{asked.uri}")
        middle = f"{self.nonce}:{said['nc']}:{said['cnonce']}:auth" if qop else self.nonce
        return (
            said["username"] == user
            and said["uri"] == asked.uri
            and said["response"] == hashed(f"{first}:{middle}:{second}")
        )

    def demand(self, *, stale: bool = False) -> str:
        lines = list(self.challenges)
        if self.basic is not None:
            lines.append('Basic realm="cameras"')
        elif self.digest is not None:
            _, _, algorithm, qop = self.digest
            said = f'Digest realm="cameras", nonce="{self.nonce}"'
            said += f", algorithm={algorithm}" if algorithm else ""
            said += f', qop="{qop}"' if qop else ""
            lines.append(said + (', stale="TRUE"' if stale else ""))
        head = "".join(f"WWW-Authenticate: {line}\r\n" for line in lines)
        return f"RTSP/1.0 401 Unauthorized\r\n{head}\r\n"

    def answer(self, asked: Asked) -> str | None:
        if asked.method in self.answers:
            planned = self.answers[asked.method]
            text = planned(asked) if callable(planned) else planned
            if text is not None:
                return text
        if not self.believes(asked):
            return self.demand()
        session = f"Session: {self.session}\r\n"
        match asked.method:
            case "OPTIONS":
                head = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
            case "DESCRIBE":
                base = self.url + "/" if self.content_base is None else self.content_base
                place = f"Content-Base: {base}\r\n" if base else ""
                size = len(self.sdp.encode())
                return f"RTSP/1.0 200 OK\r\n{place}Content-Length: {size}\r\n\r\n{self.sdp}"
            case "SETUP":
                head = f"{session}Transport: {asked.headers['transport']};ssrc={SSRC:08X}\r\n"
            case _:
                head = session
        return f"RTSP/1.0 200 OK\r\n{head}\r\n"


class Caller:
    """One connection, from the camera's side."""

    def __init__(self, camera: Camera, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.camera = camera
        self.reader = reader
        self.writer = writer
        self.reports: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    def say_rtp(self, *data: bytes, channel: int = 0) -> None:
        self.say(b"".join(interleaved(channel, packet) for packet in data))

    async def listen(self) -> None:
        """Answer until the client hangs up; afterwards `play` goes on by itself."""
        async with asyncio.TaskGroup() as group:
            playing: asyncio.Task[None] | None = None
            while True:
                try:
                    first = await self.reader.readexactly(1)
                except (asyncio.IncompleteReadError, ConnectionError):
                    break
                if first == b"$":
                    channel, size = struct.unpack(">BH", await self.reader.readexactly(3))
                    self.reports.put_nowait((channel, await self.reader.readexactly(size)))
                    continue
                try:
                    text = (first + await self.reader.readuntil(b"\r\n\r\n")).decode()
                except (asyncio.IncompleteReadError, ConnectionError):
                    break
                if text.startswith("RTSP/"):
                    continue
                asked = self._asked(text)
                said = self.camera.answer(asked)
                if said is not None:
                    line, _, rest = said.partition("\r\n")
                    self.say(f"{line}\r\nCSeq: {asked.headers['cseq']}\r\n{rest}".encode())
                if asked.method == "PLAY" and self.camera.play and said and " 200 " in said:
                    playing = group.create_task(self._play(self.camera.play))
            if playing is not None:
                playing.cancel()

    async def _play(self, play: Play) -> None:
        try:
            await play(self)
            await self.writer.drain()
        except ConnectionError:
            return

    def _asked(self, text: str) -> Asked:
        first, *lines = text.split("\r\n")
        method, uri, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines if line)
        asked = Asked(method, uri, {name.lower(): value for name, value in headers.items()})
        self.camera.asked.append(asked)
        self.camera.heard.put_nowait(asked)
        return asked

    def hang_up(self) -> None:
        self.writer.close()


@asynccontextmanager
async def running(camera: Camera) -> AsyncIterator[Camera]:
    """Serve it on a port of its own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = Caller(camera, reader, writer)
        camera.callers.append(caller)
        try:
            await caller.listen()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    camera.port = server.sockets[0].getsockname()[1]
    try:
        yield camera
    finally:
        server.close()
        for caller in camera.callers:
            caller.hang_up()
        await server.wait_closed()
