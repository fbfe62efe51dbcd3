"""Asking a camera: one request, its answer, who we are when it wants to know.

Owns    request numbers, answers on their way, the credentials' use, what a status means.
Needs   wire, messages, auth, errors, settings.
Keeps   1. Credentials are tried once; a second 401 is Refused, unless the camera says that only its
           nonce was too old, or had believed us before and now has another nonce. Then once more.
        2. Redirects are refused: what was configured and checked is what is recorded.
        3. At most MAX_PENDING requests without answer; older ones are forgotten.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final

from gateway.errors import DeviceError, LinkDown
from gateway.links.rtsp.auth import Answerer, parse_challenges
from gateway.links.rtsp.errors import NotPlayable, Refused, link_down
from gateway.links.rtsp.messages import Message, printable, refusal, request
from gateway.links.rtsp.settings import RtspSettings
from gateway.links.rtsp.wire import RtspWire

MAX_PENDING: Final = 16
_UNPLAYABLE: Final = frozenset(
    {404, 405, 406, 410, 414, 415, 451, 456, 457, 459, 460, 461, 505, 551}
)
"""Statuses that will be the same tomorrow; all others above 400 may pass (453, 503 and so on)."""
Headers = Sequence[tuple[str, str]]


class RtspClient:
    """Requests over one wire. Its `take` is given every message that arrives."""

    def __init__(self, settings: RtspSettings, wire: RtspWire) -> None:
        self._settings = settings
        self._wire = wire
        self._answerer: Answerer | None = None
        if settings.username is not None:
            self._answerer = Answerer(
                settings.username, settings.password or "", settings.allow_basic
            )
        self._believed = False
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Message | LinkDown]] = {}
        self._unasked: dict[int, tuple[str, str, Headers]] = {}
        self._over: LinkDown | None = None

    async def ask(self, method: str, uri: str, headers: Headers = ()) -> Message:
        """Send a request and return its answer, whatever its status but 401, 403 and 3xx.

        raises  Refused, NotPlayable, LinkDown. Waits as long as the caller lets it
        """
        answer = await self._once(method, uri, headers)
        if answer.status == 401 and self._may_try(answer):
            answer = await self._once(method, uri, headers)
        if answer.status in {401, 403}:
            raise self._refused(answer)
        if 300 <= answer.status < 400:
            raise NotPlayable(
                self._settings.where,
                f"要求转到别处（{answer.status}），不予跟随",
                f"it answers {method} with a redirect ({answer.status}), which is not followed",
            )
        self._believed = self._believed or answer.status == 200
        return answer

    def tell(self, method: str, uri: str, headers: Headers = ()) -> None:
        """Send a request whose answer only matters when it is 401 with another nonce."""
        number = self._send(method, uri, headers)
        self._unasked[number] = (method, uri, headers)
        while len(self._unasked) > MAX_PENDING:
            self._unasked.pop(next(iter(self._unasked)))

    def trouble(self, method: str, answer: Message) -> DeviceError:
        """What an answer that is not 200 means for the session."""
        said = f"{answer.status} {answer.reason}".strip()
        where = self._settings.where
        if answer.status in _UNPLAYABLE:
            return NotPlayable(
                where, f"对 {method} 回答 {said}", f"it answers {method} with {said}"
            )
        return link_down(where, f"对 {method} 回答 {said}", f"it answers {method} with {said}")

    def take(self, message: Message) -> None:
        """A message came: an answer, or something the camera wants of us."""
        if message.status == 0:
            self._wire.send(refusal(message))
            return
        if message.status < 200:
            return  # "go on waiting"
        number = message.number
        if number is None and len(self._waiting) == 1:
            number = next(iter(self._waiting))  # cameras that forget it answer in order
        waiter = self._waiting.pop(number, None) if number is not None else None
        if waiter is not None:
            if not waiter.done():
                waiter.set_result(message)
            return
        told = self._unasked.pop(number, None) if number is not None else None
        if told is not None and message.status == 401 and self._may_try(message):
            self._send(*told)

    def end(self, why: LinkDown) -> None:
        """The wire ended: whoever waits is told."""
        self._over = why
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_result(why)
        self._waiting.clear()

    async def _once(self, method: str, uri: str, headers: Headers) -> Message:
        if self._over is not None:
            raise self._over
        waiter: asyncio.Future[Message | LinkDown] = asyncio.get_running_loop().create_future()
        number = self._send(method, uri, headers)
        self._waiting[number] = waiter
        try:
            answer = await waiter
        finally:
            self._waiting.pop(number, None)
        if isinstance(answer, LinkDown):
            raise answer
        return answer

    def _send(self, method: str, uri: str, headers: Headers) -> int:
        self._number += 1
        proof = self._answerer and self._answerer.header(method, uri, secrets.token_hex(8))
        if proof:
            headers = (*headers, ("Authorization", proof))
        if not self._wire.send(request(method, uri, self._number, headers)):
            self._wire.end("摄像机不再读取我们的请求", "the camera no longer reads what we send")
        return self._number

    def _may_try(self, answer: Message) -> bool:
        """Keep 1; takes the new challenge when it may be answered."""
        answerer = self._answerer
        if answerer is None:
            return False
        challenges = parse_challenges(answer.headers.get("www-authenticate", ()))
        tried_before = answerer.scheme is not None
        stale = any(one.stale for one in challenges)
        if tried_before and not stale and not self._believed:
            return False
        return answerer.take(challenges)

    def _refused(self, answer: Message) -> Refused:
        where = self._settings.where
        if answer.status == 403:
            return Refused(where, "没有权限（403）", "this user may not (403)")
        if self._answerer is None:
            return Refused(where, "要求用户名和密码", "it wants a user and a password")
        if self._answerer.scheme is None:
            said = printable(answer.header("www-authenticate").partition(" ")[0])
            return Refused(
                where,
                f"要求的认证方式不被支持：{said}",
                f"it wants to be told who we are in a way that is not known or allowed: {said}",
            )
        return Refused(
            where, "不接受用户名或密码（401）", "it does not accept user or password (401)"
        )
