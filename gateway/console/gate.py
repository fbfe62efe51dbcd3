"""Gate: the first to see a request; what it does not let in, no route ever sees.

Owns    framing, body and time limits of requests, who is asking, the headers of every answer.
Needs   gateway.clock, gateway.console.{holders,limits,problems,sessions,tokens}.
Keeps   1. Deny by default: a path that is not listed here as open needs an identity, known or not.
        2. A body is not read before its sender is known, and never beyond MAX_BODY_BYTES or BODY_S.
        3. Whoever changes something with a cookie proves that our page sent it (CSRF), and no page
           of another site is that.
"""

import asyncio
import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.clock import Clock
from gateway.console.holders import Everybody, SignOnBooks
from gateway.console.limits import FailureLimit, RateLimit, SignOnLimit
from gateway.console.once import HEADER, Once
from gateway.console.problems import Problem
from gateway.console.sessions import COOKIE, Session, Sessions
from gateway.console.tokens import Identity, TokenBook
from gateway.console.video_problems import address_over, not_signed
from gateway.plan_pictures import SIZE_MOST
from gateway.playback import Addresses, BadSignature, Expired

MAX_BODY_BYTES: Final = 1024 * 1024
LARGER_BODIES: Final = {("POST", "/api/v1/floors"): SIZE_MOST}
"""Whose bodies may be larger: a plan's picture. They have BODY_S for each MAX_BODY_BYTES of it."""
BODY_S: Final = 15.0

OPEN_PATHS: Final = frozenset(
    {
        "/",
        "/healthz",
        "/readyz",
        "/login",
        "/basic/login",
        "/static/page.css",
        "/static/login.js",
        "/api/v1/session/people",
        "/api/v1/session/first",
    }
)
OPEN_TO_POST: Final = frozenset({"/api/v1/session"})
"""Signing on needs nobody; asking who is signed on does."""
OPEN_FOLDER: Final = "/console/"
"""The pages themselves, which hold no data (assets.py)."""
UNLIMITED_PATHS: Final = frozenset({"/api/v1/stream", "/api/v1/console/stream"})
"""Not counted by the request rate: a stream is one request, and streams are capped by number."""

CSRF_HEADER: Final = "x-csrf-token"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

Refuse = Callable[[Request, Problem], Response]


def is_page(path: str) -> bool:
    """Whether a person's browser asks for this path, so that the answer is HTML."""
    return path in {"/", "/login", "/basic"} or path.startswith("/basic/")


class Door:
    """Everything that knows who is who; the gate and whoever signs people on share one."""

    def __init__(self, tokens: TokenBook, books: SignOnBooks, clock: Clock) -> None:
        self.tokens = tokens
        self.books = books
        self.clock = clock
        self.holders = Everybody(tokens, books.people)
        self.sessions = Sessions(self.holders, clock, books.people.folder / "sessions.json")
        self.failures = FailureLimit(clock)
        self.sign_on = SignOnLimit(clock)
        self.rate = RateLimit(clock)
        self.addresses: Addresses | None = None


class Gate:
    """ASGI middleware around the whole application.

    refuse  makes the answer to a refused request, HTML or JSON
    body_s  within which a body must have come, seconds
    """

    def __init__(self, app: ASGIApp, *, door: Door, refuse: Refuse, body_s: float = BODY_S) -> None:
        self._body_s = body_s
        self._app = app
        self._door = door
        self._refuse = refuse
        self._once = Once(door.clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in or answer it here."""
        if scope["type"] != "http":
            return  # no web sockets, no lifespan: nothing here speaks them
        request = Request(scope)
        guarded_send = _with_headers(send)
        try:
            self._admit(request)
        except Problem as problem:
            await self._refuse(request, problem)(scope, receive, guarded_send)
            return
        most = _most(request)
        body_s = self._body_s * most / MAX_BODY_BYTES
        bounded = _bounded(request.headers, receive, body_s, most)
        key = request.headers.get(HEADER)
        identity = getattr(request.state, "identity", None)
        if key is None or request.method != "POST" or identity is None:
            await self._app(scope, bounded, guarded_send)
            return
        what = f"{request.method} {request.url.path}"
        try:
            await self._once.run((identity.id, what, key), self._app, scope, bounded, guarded_send)
        except Problem as problem:
            await self._refuse(request, problem)(scope, receive, guarded_send)

    def _admit(self, request: Request) -> None:
        headers = request.headers
        if "content-length" in headers and "transfer-encoding" in headers:
            # RFC 9112 6.1: two lengths for one body are how requests are smuggled past a proxy.
            raise Problem(
                400,
                "two_lengths",
                "请求长度自相矛盾",
                "Content-Length and Transfer-Encoding exclude each other",
                "send one of them",
                close=True,
            )
        _refuse_long_body(headers, _most(request))
        path = request.url.path
        if path in OPEN_PATHS or path.startswith(OPEN_FOLDER):
            return
        if path in OPEN_TO_POST and request.method == "POST":
            return
        if path == "/metrics" and is_local(request):
            # For whoever is here; with a token that may know of duress they are all the numbers.
            _, _, token = headers.get("authorization", "").partition(" ")
            request.state.identity = self._door.tokens.check(token.strip()) if token else None
            return
        identity, session = self._who(request)
        if identity is not None:
            identity = replace(identity, address=peer(request))
        request.state.identity, request.state.session = identity, session
        if identity is None:
            raise Problem.no_token()
        getattr(request.state, "known", _nobody_asks)(identity.id)  # who lets connections in
        if session is not None and request.method not in _SAFE_METHODS:
            self._check_proof(request, session)
        if path not in UNLIMITED_PATHS:
            wait_s = self._door.rate.wait_s(identity.id)
            if wait_s > 0:
                raise Problem.too_often(wait_s)

    def _who(self, request: Request) -> tuple[Identity | None, Session | None]:
        presented = request.headers.get("authorization")
        if presented is not None:
            scheme, _, token = presented.partition(" ")
            identity = (
                self._door.tokens.check(token.strip()) if scheme.lower() == "bearer" else None
            )
            if identity is None:
                wait_s = self._door.failures.failed(peer(request))
                if wait_s > 0:
                    raise Problem.too_often(wait_s)
            return identity, None
        signed = self._signed(request)
        if signed is not None:
            return signed, None
        found = self._door.sessions.find(cookie_of(request))
        return (None, None) if found is None else (found[1], found[0])

    def _signed(self, request: Request) -> Identity | None:
        """Who a signed address speaks for: whoever asked for it, while his token is valid."""
        addresses = self._door.addresses
        if addresses is None or request.method not in {"GET", "HEAD"}:
            return None
        scope = request.scope
        try:
            who = addresses.check(scope["path"], scope["query_string"])
        except BadSignature as error:
            wait_s = self._door.failures.failed(peer(request))
            raise Problem.too_often(wait_s) if wait_s > 0 else not_signed() from error
        except Expired as error:
            raise address_over() from error
        if who is None:
            return None
        identity = self._door.holders.holder(who)
        if identity is None:
            raise address_over()
        return identity

    @staticmethod
    def _check_proof(request: Request, session: Session) -> None:
        refuse_foreign(request)
        if is_page(request.url.path):
            return  # its own forms carry the token in a field, which gateway.console.page checks
        if not same(session.csrf, request.headers.get(CSRF_HEADER, "")):
            raise Problem(
                403,
                "no_csrf_proof",
                "页面已过期，请刷新后重试",
                "the request does not come from our page",
                f"send the header {CSRF_HEADER} of this session",
            )


def refuse_foreign(request: Request) -> None:
    """Raise Problem 403 when another site's page sends this: it decides nothing here.

    Browsers say Sec-Fetch-Site where there is TLS, and nothing between changes it; Origin is asked
    where they do not, because a proxy may have given us another Host than the browser's.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own = {None, f"{request.url.scheme}://{request.url.netloc}"}
    is_foreign = origin not in own if site is None else site not in {"same-origin", "none"}
    if is_foreign:
        raise Problem(
            403,
            "no_csrf_proof",
            "页面已过期，请返回首页重试",
            "the request does not come from our page",
            "open the first page again and repeat it there",
        )


def _nobody_asks(_who: str) -> None:
    """Stand in where no doorway is: an application without a socket."""


def peer(request: Request) -> str:
    """Return the address at the other end of the socket; what headers claim is not asked."""
    return request.client.host if request.client is not None else ""


def same(secret: str, presented: str) -> bool:
    """Compare in a time that does not depend on where they differ."""
    return hmac.compare_digest(secret.encode(), presented.encode(errors="replace"))


def cookie_of(request: Request, name: str = COOKIE) -> str:
    """Return a cookie's value, "" when there is none; without a name the session's."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[name].value if name in jar else ""


def is_local(request: Request) -> bool:
    """Whether the request was made on this machine, and not on behalf of another one.

    A proxy here names whom it speaks for in a header; a browser that was lured by a foreign
    name pointing at 127.0.0.1 names that in Host.
    """
    headers = request.headers
    if any(name in headers for name in ("x-forwarded-for", "forwarded", "x-real-ip", "via")):
        return False
    return is_loopback(peer(request)) and is_loopback(request.url.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _most(request: Request) -> int:
    """How long the body of a request may be, bytes."""
    return LARGER_BODIES.get((request.method, request.url.path), MAX_BODY_BYTES)


def _refuse_long_body(headers: Headers, most: int) -> None:
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 12 or int(length) > most:
        raise Problem.too_large(most)


def _bounded(headers: Headers, receive: Receive, body_s: float, most: int) -> Receive:
    """Count a body while it comes, and give its sender body_s for all of it."""
    if "content-length" not in headers and "transfer-encoding" not in headers:
        return receive  # nothing will come but the news that the client left
    got = 0
    complete = False
    deadline = asyncio.get_running_loop().time() + body_s

    async def counted() -> Message:
        nonlocal got, complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError as error:
            raise Problem(
                408,
                "too_slow",
                "请求内容未及时到达",
                "the body did not arrive in time",
                f"send it within {body_s:.0f} s",
                close=True,
            ) from error
        got += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if got > most:
            raise Problem.too_large(most)
        return message

    return counted


def _with_headers(send: Send) -> Send:
    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return dressed
