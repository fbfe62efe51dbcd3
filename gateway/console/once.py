"""Once: a decision that is sent twice is carried out once (header Idempotency-Key).

Owns    the answers of the last minutes, by who asked, what for, and the key.
Needs   gateway.clock; the gate, which knows who asks.
Keeps   1. A key that is under way is waited for, one that was answered gets the same answer again:
           the request itself reaches no route a second time.
        2. The same key with other content is refused: somebody mixed two decisions up.
        3. Only an answer that settles something is kept: what failed here may be tried again, and
           so may what a PIN has to come before.
Bound   KEPT_MOST answers of ANSWER_BYTES at most, KEPT_S each. In memory: after a restart the state
        of the alarm itself says that it was acknowledged already.
"""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.clock import Clock
from gateway.console.problems import PIN_HEADER, Problem

HEADER: Final = "idempotency-key"
KEY_CHARS: Final = 100
KEPT_MOST: Final = 1_000
KEPT_S: Final = 600.0
ANSWER_BYTES: Final = 64 * 1024
UNSETTLED: Final = frozenset({408, 425, 429})
_PIN_HEADER: Final = PIN_HEADER.lower().encode()

Key = tuple[str, str, str]
"""Who asks, method and path, the key."""


@dataclass(slots=True)
class _Kept:
    """One decision: what it said, and what came of it once `done` is set."""

    began_ns: int
    done: asyncio.Event = field(default_factory=asyncio.Event)
    digest: str = ""
    messages: list[Message] | None = None


class Once:
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()

    async def run(self, key: Key, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: by the application, or by what it answered before.

        raises  Problem 422 for a key that is none, or that stood for something else
        """
        if not 0 < len(key[2]) <= KEY_CHARS or not key[2].isprintable():
            raise _wrong("the key is empty, long or not printable")
        self._forget()
        while (known := self._kept.get(key)) is not None:
            await known.done.wait()
            if known.messages is None:
                continue  # it settled nothing: this one may try, or wait for who tries now
            if await _digest_of(receive) != known.digest:
                raise _wrong("the key was used for something else")
            for message in known.messages:
                await send(message)
            return
        await self._first(key, app, scope, receive, send)

    async def _first(
        self, key: Key, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        kept = _Kept(self._clock.mono_ns())
        self._kept[key] = kept
        content = hashlib.sha256()
        answer: list[Message] = []
        size_bytes = 0

        async def heard() -> Message:
            message = await receive()
            content.update(message.get("body", b""))
            return message

        async def said(message: Message) -> None:
            nonlocal size_bytes
            size_bytes += len(message.get("body", b""))
            if size_bytes <= ANSWER_BYTES:
                answer.append(message)
            await send(message)

        try:
            await app(scope, heard, said)
            if _settles(answer) and size_bytes <= ANSWER_BYTES:
                kept.digest, kept.messages = content.hexdigest(), answer
        finally:
            if kept.messages is None:
                self._kept.pop(key, None)
            kept.done.set()

    def _forget(self) -> None:
        """Old answers go; of too many the oldest, but none that is under way."""
        now = self._clock.mono_ns()
        for key, kept in list(self._kept.items()):
            is_old = now - kept.began_ns > KEPT_S * 1e9
            if not is_old and len(self._kept) <= KEPT_MOST:
                break
            if kept.done.is_set():
                del self._kept[key]


def _settles(answer: list[Message]) -> bool:
    if not answer or answer[0]["status"] >= 500 or answer[0]["status"] in UNSETTLED:
        return False
    return all(name.lower() != _PIN_HEADER for name, _ in answer[0].get("headers", ()))


async def _digest_of(receive: Receive) -> str:
    content = hashlib.sha256()
    more = True
    while more:
        message = await receive()
        content.update(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    return content.hexdigest()


def _wrong(why: str) -> Problem:
    return Problem(
        422,
        "wrong_key",
        "请求的 Idempotency-Key 不对",
        f"Idempotency-Key: {why}",
        "make a new key for each decision, and keep it while that one is tried again",
    )
