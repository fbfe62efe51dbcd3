"""One subscription to a camera's events: made, kept alive, resumed, and replaced when it is lost.

Owns    which subscription is ours, and how long it lives.
Needs   connection.py, events.py.
Keeps   1. What the camera has queued for a subscription is not given up lightly: one that was kept
           (also across a restart of the gateway) is asked first, a new one is made only when the
           camera says that it is gone.
        2. One PullMessages at a time on a subscription (the specification calls a second an error).
        3. Bounds: MAX_MESSAGES in one answer, PULL_S of waiting, MAX_KEPT_CHARS to remember it by.

Source  ONVIF Core, "Real-time pull-point notification interface".
"""

import asyncio
import json
from typing import Final

from gateway.clock import Clock
from gateway.errors import LinkDown
from gateway.links.onvif import names
from gateway.links.onvif.connection import Connection
from gateway.links.onvif.errors import Fault, Unreadable
from gateway.links.onvif.events import Pulled, granted, read_pulled
from gateway.links.onvif.settings import ours
from gateway.links.onvif.soap import written_time
from gateway.links.onvif.xml import BadXml, Element, parse

PULL_S: Final = 20.0
"""The camera answers after so long without news; it is how soon a dead camera is noticed."""
PULL_GRACE_S: Final = 15.0
LIFE_S: Final = 600
MAX_MESSAGES: Final = 100
MAX_KEPT_CHARS: Final = 2000
MAX_REFERENCES: Final = 8


class Lost(LinkDown):
    """The camera does not know the subscription: what it had queued for it is gone."""


class PullPoint:
    """See the module.

    kept  what `kept` of an earlier one said, None for none
    """

    def __init__(
        self,
        connection: Connection,
        url: str,
        clock: Clock,
        kept: str | None = None,
        *,
        pull_s: float = PULL_S,
    ) -> None:
        self._connection = connection
        self._events = url
        self._clock = clock
        self._pull_s = pull_s
        self._address, self._references = _from_kept(kept, connection.settings.url)
        self._life_ns = LIFE_S * 1_000_000_000
        self._renewed_ns = clock.mono_ns()

    @property
    def is_there(self) -> bool:
        """Whether there is a subscription to ask, as far as we know."""
        return bool(self._address)

    @property
    def kept(self) -> str:
        """What to remember it by, so that it can be resumed after a restart; "" for nothing."""
        text = json.dumps([self._address, *self._references])
        return text if self._address and len(text) <= MAX_KEPT_CHARS else ""

    def forget(self) -> None:
        """There is no subscription any more: the camera said so."""
        self._address, self._references = "", ()

    async def create(self) -> None:
        """Subscribe to everything the camera has."""
        self.forget()
        answer = await self._subscribe(f"PT{LIFE_S}S")
        life_ns = granted(answer)
        if life_ns is not None and life_ns < LIFE_S * 500_000_000:
            # Some cameras take a span wrongly; a point in time is understood by all of them.
            end_ns = self._clock.utc_ns() + (self._connection.offset_ns or 0) + self._life_ns
            await self._take(answer)
            await self.unsubscribe()
            answer = await self._subscribe(written_time(end_ns))
        await self._take(answer)

    async def _subscribe(self, until: str) -> Element:
        return await self._connection.ask(
            self._events,
            names.CREATE,
            f'<CreatePullPointSubscription xmlns="{names.EVENTS}"><InitialTerminationTime>{until}'
            "</InitialTerminationTime></CreatePullPointSubscription>",
            addressed=(),
        )

    async def _take(self, answer: Element) -> None:
        reference = answer.find("SubscriptionReference")
        address = "" if reference is None else reference.said("Address")
        where = self._connection.settings.where
        if reference is None or not address:
            raise Unreadable(where, "没有给出订阅地址", "it gives no address for a subscription")
        parameters = reference.find("ReferenceParameters")
        said = [] if parameters is None else parameters.children[:MAX_REFERENCES]
        self._address = ours(address, self._connection.settings.url)[0]
        self._references = tuple(each.written() for each in said)
        self._life_ns = granted(answer) or LIFE_S * 1_000_000_000
        self._renewed_ns = self._clock.mono_ns()

    async def pull(self, wait_s: float | None = None) -> Pulled:
        """Wait for news; an answer without any is as good as one with.

        raises Lost when the camera does not know the subscription (any more)
        """
        wait = self._pull_s if wait_s is None else wait_s
        answer = await self._ask(
            names.PULL,
            f'<PullMessages xmlns="{names.EVENTS}"><Timeout>PT{max(1, round(wait))}S</Timeout>'
            f"<MessageLimit>{MAX_MESSAGES}</MessageLimit></PullMessages>",
            wait + PULL_GRACE_S,
        )
        if len(answer.children) > 2 * MAX_MESSAGES:  # more than was asked for: not in the loop
            pulled = await asyncio.to_thread(read_pulled, answer)
        else:
            pulled = read_pulled(answer)
        if pulled.granted_ns is not None and pulled.granted_ns > self._life_ns * 4 // 5:
            self._renewed_ns = self._clock.mono_ns()  # pulling prolongs it
        return pulled

    async def synchronize(self) -> None:
        """Have the camera say every state it knows; raises Lost."""
        await self._ask(
            names.SYNCHRONIZE, f'<SetSynchronizationPoint xmlns="{names.EVENTS}"/>', None
        )

    async def renew(self) -> None:
        """Prolong the subscription when four fifths of its life are over.

        A camera that does not know how prolongs it by itself; if not, the next pull will say so.
        """
        if self._clock.mono_ns() - self._renewed_ns < self._life_ns * 4 // 5:
            return
        self._renewed_ns = self._clock.mono_ns()
        body = (
            f'<Renew xmlns="{names.NOTIFICATION}"><TerminationTime>PT{LIFE_S}S</TerminationTime>'
            "</Renew>"
        )
        try:
            await self._ask(names.RENEW, body, None)
        except Lost:
            return

    async def unsubscribe(self) -> None:
        """Give the camera its slot back; it may be gone already."""
        if not self._address:
            return
        try:
            await self._ask(names.UNSUBSCRIBE, f'<Unsubscribe xmlns="{names.NOTIFICATION}"/>', None)
        except LinkDown:
            return
        finally:
            self._address = ""

    async def _ask(self, action: str, body: str, timeout_s: float | None) -> Element:
        try:
            return await self._connection.ask(
                self._address, action, body, addressed=self._references, timeout_s=timeout_s
            )
        except Fault as fault:
            raise Lost(str(fault)) from fault


def _from_kept(kept: str | None, url: str) -> tuple[str, tuple[str, ...]]:
    """Read what `kept` wrote; anything else is nothing."""
    try:
        address, *references = json.loads(kept or "[]")[: MAX_REFERENCES + 1]
        for text in references:
            parse(text.encode())
        believed, is_ours = ours(address, url)
    except (ValueError, TypeError, AttributeError, BadXml):
        return "", ()
    return (believed, tuple(references)) if is_ours else ("", ())
