"""One camera's HTTP: questions in, elements out, and telling it who we are.

Owns    the HTTP client of one camera, which way of saying who we are it wants, and its clock's
        offset to ours.
Needs   aiohttp, soap.py, the Digest answers of gateway.links.rtsp.auth (the same RFC).
Keeps   1. An answer costs at most MAX_BYTES of memory and the time given for it, whatever arrives;
           nothing is decompressed, no redirect is followed, no cookie is kept.
        2. The password leaves only as a digest. UsernameToken first; a camera that answers 401
           with a Digest challenge gets HTTP Digest from then on (ONVIF Core, "Authentication").
        3. After a refusal the camera's clock is measured again, once: a token is only as good as
           its time. Then it is Refused, and the caller waits: cameras lock out who guesses.
"""

import asyncio
import secrets
import ssl
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp

from gateway.clock import Clock
from gateway.errors import LinkDown
from gateway.links.onvif import names, soap
from gateway.links.onvif.errors import Fault, Refused, Unreadable
from gateway.links.onvif.settings import OnvifSettings
from gateway.links.onvif.xml import MAX_BYTES, Element
from gateway.links.rtsp.auth import Answerer, parse_challenges

CHUNK_BYTES: Final = 16 * 1024
THREAD_BYTES: Final = 32 * 1024
"""Longer answers are read in a thread: they would hold up every other camera."""
MOVED_NS: Final = 2_000_000_000
"""A clock that moved by more than this explains a refusal."""


@dataclass(frozen=True, slots=True)
class _Raw:
    status: int
    body: bytes
    challenges: tuple[str, ...]


class Connection:
    """See the module. `async with`, then ask.

    offset_ns  the camera's UTC minus ours when last measured; None before, or when it does not say
    """

    def __init__(self, settings: OnvifSettings, clock: Clock) -> None:
        self.settings = settings
        self.offset_ns: int | None = None
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._answerer = Answerer(
            settings.username or "", settings.password or "", allow_basic=False
        )

    async def __aenter__(self) -> Self:
        """Make the client; nothing is sent. Raises LinkDown when `ca` cannot be read."""
        connector = aiohttp.TCPConnector(limit=4, force_close=True, ssl=self._tls())
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "campus-gateway"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        if self._session is not None:
            await self._session.close()

    def _tls(self) -> ssl.SSLContext | bool:
        if urlsplit(self.settings.url).scheme != "https" or self.settings.ca is None:
            return True
        try:
            context = ssl.create_default_context(cafile=self.settings.ca)
        except (OSError, ssl.SSLError) as error:
            raise LinkDown(f"{self.settings.where}: 证书 certificate: {error}") from error
        context.check_hostname = False
        return context

    async def measure(self) -> int | None:
        """Ask what time the camera thinks it is; returns and keeps the offset, None if unsaid."""
        before = self._clock.utc_ns()
        answer = await self.ask(
            self.settings.url,
            f"{names.DEVICE}/GetSystemDateAndTime",
            f'<GetSystemDateAndTime xmlns="{names.DEVICE}"/>',
            signed=False,
        )
        middle = (before + self._clock.utc_ns()) // 2
        theirs = _system_time(answer)
        self.offset_ns = None if theirs is None else theirs - middle
        return self.offset_ns

    async def ask(
        self,
        url: str,
        action: str,
        body: str,
        *,
        signed: bool = True,
        addressed: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> Element:
        """Ask one question; returns the answer's first element.

        signed     say who we are (when there is a user)
        addressed  add WS-Addressing headers, with these reference parameters
        raises     LinkDown, Unreadable, Fault, Refused
        """
        signed = signed and self.settings.username is not None
        try:
            return await self._ask(url, action, body, addressed, timeout_s, signed=signed)
        except Fault as fault:
            if not signed or not fault.is_about_trust:
                raise
        before = self.offset_ns or 0
        await self.measure()
        if abs((self.offset_ns or 0) - before) <= MOVED_NS:
            raise Refused(self.settings.where)
        try:
            return await self._ask(url, action, body, addressed, timeout_s, signed=True)
        except Fault as fault:
            if fault.is_about_trust:
                raise Refused(self.settings.where) from fault
            raise

    async def _ask(
        self,
        url: str,
        action: str,
        body: str,
        addressed: Sequence[str] | None,
        timeout_s: float | None,
        *,
        signed: bool,
    ) -> Element:
        fresh = False  # whether the challenge we answer came with this very question
        while True:
            header = ""
            if addressed is not None:
                header = soap.addressing(action, url, str(uuid.uuid4()), addressed)
            if signed and self._answerer.scheme is None:
                header += self._token()
            raw = await self._post(url, action, soap.envelope(body, header), timeout_s)
            if raw.status != 401:
                break
            if self.settings.username is None or fresh:
                raise Refused(self.settings.where)
            # An old nonce is refused, too, and not every camera says that it was only stale.
            fresh = self._answerer.take(parse_challenges(raw.challenges))
            if not fresh:
                break  # a 401 without a Digest challenge: the fault in it says more
        if len(raw.body) > THREAD_BYTES:
            return await asyncio.to_thread(
                soap.read_answer, raw.body, self.settings.where, raw.status
            )
        return soap.read_answer(raw.body, self.settings.where, raw.status)

    def _token(self) -> str:
        created = soap.written_time(self._clock.utc_ns() + (self.offset_ns or 0))
        return soap.username_token(
            self.settings.username or "",
            self.settings.password or "",
            secrets.token_bytes(16),
            created,
        )

    async def _post(self, url: str, action: str, body: bytes, timeout_s: float | None) -> _Raw:
        assert self._session is not None, "not entered"  # noqa: S101 a mistake of ours
        where = self.settings.where
        headers = {"Content-Type": f'application/soap+xml; charset=utf-8; action="{action}"'}
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        authorization = self._answerer.header("POST", path or "/", secrets.token_hex(8))
        if authorization is not None:
            headers["Authorization"] = authorization
        try:
            async with (
                asyncio.timeout(timeout_s or self.settings.timeout_s),
                self._session.post(
                    url, data=body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                return _Raw(
                    answer.status,
                    await _bounded(answer, where),
                    tuple(answer.headers.getall("WWW-Authenticate", ())),
                )
        except TimeoutError as error:
            raise LinkDown(
                f"{where}: 没有及时回答，稍后重试 / {where}: no answer in time; it is asked again"
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            told = type(error).__name__
            raise LinkDown(
                f"{where}: 连不上（{told}），稍后重试 / {where}: no connection ({told}); it is "
                "asked again later"
            ) from error


async def _bounded(answer: aiohttp.ClientResponse, where: str) -> bytes:
    found = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        found += chunk
        if len(found) > MAX_BYTES:
            raise Unreadable(where, "回答过长", "the answer is too long")
    return bytes(found)


def _system_time(answer: Element) -> int | None:
    """Read UTCDateTime; None when there is none, or none that can be."""
    said = answer.find("SystemDateAndTime", "UTCDateTime")
    if said is None:
        return None
    fields: Mapping[str, tuple[str, str]] = {
        "year": ("Date", "Year"), "month": ("Date", "Month"), "day": ("Date", "Day"),
        "hour": ("Time", "Hour"), "minute": ("Time", "Minute"), "second": ("Time", "Second"),
    }  # fmt: skip
    try:
        value = {name: int(said.said(*path)[:8]) for name, path in fields.items()}
    except ValueError:
        return None
    second = min(value["second"], 59)  # 60 and 61 are allowed for leap seconds
    return soap.read_time(
        f"{value['year']:04d}-{value['month']:02d}-{value['day']:02d}"
        f"T{value['hour']:02d}:{value['minute']:02d}:{second:02d}Z"
    )
