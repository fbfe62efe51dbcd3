"""One RTSP connection: requests in, answers out, and the PLAY that runs on it.

Owns    the reading of requests and of what clients interleave, sessions, and every way of answering
        wrongly.
Needs   a House (the camera); auth, sdp, playing.
Keeps   1. Media go over the connection that asked for them (RFC 2326 10.12); other transports are
           refused with 461.
        2. A session ends by TEARDOWN, with the connection, or when the client has been silent for
           the camera's time-out: requests and RTCP both keep it alive.
        3. Bounds: a request has HEAD_BYTES and as much of a body; one session on a connection.

Source  RFC 2326.
"""

import asyncio
import random
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import urlsplit

from simulators.cameras.auth import Door, Scheme
from simulators.cameras.clip import Clip, Shape
from simulators.cameras.conduct import Run
from simulators.cameras.playing import Flow, Playing, Source, reset
from simulators.cameras.sdp import describe
from simulators.cameras.sound import Track

HEAD_BYTES: Final = 32 * 1024
METHODS: Final = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN"
_IN_SESSION: Final = frozenset({"PAUSE", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN"})
_ENDS: Final = {"PAUSE": "paused", "TEARDOWN": "teardown"}
_REASONS: Final = {
    **{one.value: one.phrase for one in HTTPStatus},
    451: "Parameter Not Understood",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
}


class Settings(Protocol):
    """What a connection asks of a camera's settings."""

    @property
    def name(self) -> str:
        """Title of the session."""

    @property
    def scheme(self) -> Scheme:
        """What it demands."""

    @property
    def user(self) -> str:
        """Who may look."""

    @property
    def password(self) -> str:
        """And by which word."""

    @property
    def session_timeout_s(self) -> float:
        """How long a client may be silent."""


class House(Source, Protocol):
    """What a connection asks of its camera."""

    runs: deque[Run]
    requests: Counter[str]
    answers: Counter[int]
    client_report_count: int
    dice: random.Random
    playing: list[Playing]
    track: Track | None
    shapes: dict[str, Shape]

    @property
    def settings(self) -> Settings:
        """What it was made like."""

    def number_now(self, stream: str) -> int:
        """Return the number of the newest picture."""


@dataclass(slots=True)
class Request:
    """One request; header names in small letters."""

    method: str
    uri: str
    headers: dict[str, str]

    @property
    def path(self) -> list[str]:
        """The parts of the path, without empty ones."""
        try:
            path = urlsplit(self.uri).path
        except ValueError:  # an address nobody has, [::1 for one, is no path of ours
            path = ""
        return [part for part in path.split("/") if part]


@dataclass(slots=True)
class Answer:
    """One answer; the body is a description."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Connection:
    """Talk until one end closes."""

    def __init__(
        self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._house, self._reader, self._writer = house, reader, writer
        one = house.settings
        self._door = Door(
            one.scheme, one.user, one.password, house.dice, house.conduct.nonce_requests
        )
        self._session = ""
        self._stream = ""
        self._flows: list[Flow | None] = [None, None]
        self._playing: Playing | None = None
        self._heard_s = time.monotonic()

    async def serve(self) -> None:
        """Answer requests one after another; ends with the connection."""
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while (request := await self._next()) is not None:
                    await self._answer(request)
        finally:
            self._stop("hung up")
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()

    def hang_up(self, why: str, *, polite: bool) -> None:
        """Close: with BYE and FIN, or with RST."""
        if self._playing is not None:
            self._playing.end(why, polite=polite)
        if polite:
            self._writer.close()
        else:
            reset(self._writer.transport)

    def lose_session(self) -> None:
        """Forget the session, keep the connection."""
        self._stop("session lost")
        self._session = ""

    def tick(self, now_s: float) -> None:
        """End a session that nobody keeps alive."""
        if self._playing and now_s - self._heard_s > self._house.settings.session_timeout_s:
            self._stop("timed out")
            self._session = ""
            self._writer.close()

    async def _next(self) -> Request | None:
        """Return the next request; None when the client has gone or speaks something else."""
        while True:
            first = await self._reader.readexactly(1)
            if first == b"$":
                head = await self._reader.readexactly(3)
                await self._reader.readexactly(int.from_bytes(head[1:], "big"))
                self._house.client_report_count += 1
                self._heard_s = time.monotonic()
                continue
            text = (first + await self._reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
            start, *lines = text.strip().split("\r\n")
            parts = start.split()
            if len(parts) != 3 or not parts[2].startswith("RTSP/"):
                return None
            headers = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            size = headers.get("content-length", "0")
            await self._reader.readexactly(min(HEAD_BYTES, _number(size)))
            return Request(parts[0], parts[1], headers)

    async def _answer(self, request: Request) -> None:
        house, conduct = self._house, self._house.conduct
        self._heard_s = time.monotonic()
        house.requests[request.method] += 1
        house.tell()
        if conduct.mute:
            return
        playing: Playing | None = None
        refused = conduct.answers.get(request.method)
        if refused is not None:
            answer = Answer(refused)
        elif request.method != "OPTIONS" and not self._may_pass(request):
            asks = tuple(("WWW-Authenticate", one) for one in self._door.challenges())
            answer = Answer(401, asks)
        elif request.method == "PLAY":
            answer, playing = self._play(request)
        else:
            answer = self._other(request)
        house.answers[answer.status] += 1
        await self._say(request, answer)
        if playing is not None:  # only now: media never overtake the answer
            self._begin(playing)
        house.tell()

    def _may_pass(self, request: Request) -> bool:
        if self._house.conduct.storm_401:
            return False
        return self._door.admits(request.method, request.headers.get("authorization"))

    def _other(self, request: Request) -> Answer:
        if request.method == "DESCRIBE":
            return self._describe(request)
        if request.method == "SETUP":
            return self._setup(request)
        lost = not self._is_ours(request)
        if request.method == "OPTIONS":
            lost = lost and "session" in request.headers
            return Answer(454) if lost else Answer(200, (("Public", METHODS),))
        if request.method not in _IN_SESSION:
            return Answer(HTTPStatus.NOT_IMPLEMENTED)
        if lost:
            return Answer(454)
        if request.method in _ENDS:
            self._stop(_ENDS[request.method])
        if request.method == "TEARDOWN":
            self._session = ""
        return Answer()

    def _describe(self, request: Request) -> Answer:
        conduct = self._house.conduct
        stream = self._stream_of(request)
        if stream is None:
            return Answer(404)
        if conduct.redirect_to is not None:
            return Answer(302, (("Location", conduct.redirect_to),))
        body = describe(
            self._house.settings.name,
            self._clip(stream),
            self._house.track,
            padding_bytes=conduct.sdp_padding_bytes,
        )
        base = request.uri.rstrip("/") + "/"
        return Answer(200, (("Content-Base", base), ("Content-Type", "application/sdp")), body)

    def _setup(self, request: Request) -> Answer:
        stream, parts = self._stream_of(request), request.path
        track = parts[1] if len(parts) > 1 else "trackID=0"
        if stream is None or track not in {"trackID=0", "trackID=1"}:
            return Answer(404)
        if track == "trackID=1" and self._house.track is None:
            return Answer(404)
        if self._session and not self._is_ours(request):
            return Answer(459 if "session" not in request.headers else 454)
        transport = request.headers.get("transport", "")
        if "RTP/AVP/TCP" not in transport.upper():
            return Answer(461)
        at = int(track[-1])
        channel = 2 * at
        _, _, wish = transport.partition("interleaved=")
        wished = wish.split("-")[0].split(";")[0]
        if wished and _number(wished) < 255:
            channel = _number(wished)
        flow = Flow(channel, self._house.dice)
        self._flows[at], self._stream = flow, stream
        self._session = self._session or f"{self._house.dice.getrandbits(32):08X}"
        said = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1};ssrc={flow.source:08X}"
        return Answer(200, (("Transport", said), self._session_header()))

    def _play(self, request: Request) -> tuple[Answer, Playing | None]:
        if not self._session or not self._is_ours(request):
            return Answer(454), None
        if self._playing is not None:
            return Answer(200, (self._session_header(),)), None
        house = self._house
        playing = Playing(
            house,
            self._stream,
            house.shapes[self._stream],
            house.track,
            self._writer.transport,
            (self._flows[0], self._flows[1]),
        )
        base = request.uri.rstrip("/")
        headers = (
            self._session_header(),
            ("Range", "npt=now-"),
            ("RTP-Info", playing.rtp_info(base)),
        )
        return Answer(200, headers), playing

    def _begin(self, playing: Playing) -> None:
        house = self._house
        self._playing = playing
        house.runs.append(playing.run)
        house.playing.append(playing)

        def ended() -> None:
            self._playing = None
            house.playing.remove(playing)
            house.tell()

        playing.on_end = ended

    def _stop(self, why: str) -> None:
        if self._playing is not None:
            self._playing.end(why)

    def _clip(self, stream: str) -> Clip:
        return self._house.shown(stream, self._house.number_now(stream))[0]

    def _stream_of(self, request: Request) -> str | None:
        parts = request.path
        return parts[0] if parts and parts[0] in self._house.shapes else None

    def _is_ours(self, request: Request) -> bool:
        return request.headers.get("session", "").split(";")[0] == self._session != ""

    def _session_header(self) -> tuple[str, str]:
        return "Session", f"{self._session};timeout={self._house.settings.session_timeout_s:.0f}"

    async def _say(self, request: Request, answer: Answer) -> None:
        conduct = self._house.conduct
        status = answer.status
        reason = _REASONS.get(status, "No Reason")
        lines = [f"RTSP/1.0 {status} {reason}", f"CSeq: {request.headers.get('cseq', '0')}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        if answer.body:
            lines.append(f"Content-Length: {len(answer.body) + conduct.wrong_length}")
        whole = ("\r\n".join(lines) + "\r\n\r\n").encode() + answer.body
        if not conduct.drip_s:
            self._writer.write(whole)
            await self._writer.drain()
            return
        for byte in whole:
            self._writer.write(bytes([byte]))
            await self._writer.drain()
            await asyncio.sleep(conduct.drip_s)


def _number(text: str) -> int:
    """Return what a client wrote, 0 when it is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
