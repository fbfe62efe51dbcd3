"""What one MQTT connection publishes: packet ids, how much may be under way, who waits for what.

Owns    the packet ids of our PUBLISHes, from the one after paho's own up.
Needs   mqtt_wire for the packets. Knows no socket: it writes to a buffer it is given.
Keeps   1. Never more unacknowledged messages than the broker said it takes (MQTT 5, 3.3.4).
        2. Every message of a publish call ends: acknowledged, refused for its size, or failed with
           the connection; the call is done when its last one is.
        3. At most OUTBOX_MESSAGES wait; one more is LinkDown for its caller.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.errors import LinkDown
from gateway.links.mqtt_wire import MAX_PACKET_BYTES, encode_properties, encode_publish

OUTBOX_MESSAGES: Final = 0x4000
TOO_LARGE: Final = 0x95
"""MQTT 5's reason code for a message larger than the broker takes; such a one is not sent."""
_FIRST_MID: Final = 0x8000  # below: paho's own packet ids for SUBSCRIBE


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to publish at QoS 1; properties and content_type are left out on 3.1.1."""

    topic: str
    payload: bytes
    retain: bool = False
    properties: tuple[tuple[str, str], ...] = ()
    content_type: str | None = None


class Waiter:
    """A publish call that waits for its acknowledgements; codes are MQTT 5's reason codes."""

    __slots__ = ("codes", "done", "left")

    def __init__(self, count: int) -> None:
        self.codes = [0] * count
        self.left = count
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def note(self, index: int, code: int) -> None:
        """Take the answer to one message; the last one ends the wait."""
        self.codes[index] = code
        self.left -= 1
        if self.left == 0 and not self.done.done():
            self.done.set_result(None)


class Outbox:
    """See the module.

    waiting  packet id → whose message it is, and which of the call's
    """

    def __init__(self, window: int, *, with_properties: bool) -> None:
        self.waiting: dict[int, tuple[Waiter, int]] = {}
        self._unsent: deque[tuple[Waiter, int, Outgoing]] = deque()
        self._next_mid = _FIRST_MID
        self._window = min(window, OUTBOX_MESSAGES)
        self._largest_bytes = MAX_PACKET_BYTES
        self._with_properties = with_properties

    def agree(self, window: int, largest_bytes: int) -> None:
        """Keep to what the broker takes."""
        self._window = min(window, self._window)
        self._largest_bytes = largest_bytes

    def put(self, items: Sequence[Outgoing]) -> Waiter:
        """Have them sent as there is room; raises LinkDown when too many wait (keep 3)."""
        if len(self.waiting) + len(self._unsent) + len(items) > OUTBOX_MESSAGES:
            raise LinkDown("too many messages without acknowledgement")
        waiter = Waiter(len(items))
        self._unsent.extend((waiter, index, item) for index, item in enumerate(items))
        return waiter

    def write(self, out: bytearray) -> None:
        """Write what may go out now (keep 1); the rest follows acknowledgements."""
        waiting, unsent = self.waiting, self._unsent
        while unsent and len(waiting) < self._window:
            waiter, index, item = unsent.popleft()
            if waiter.done.done():  # its caller was cancelled
                continue
            properties = (
                encode_properties(item.content_type, item.properties)
                if self._with_properties
                else None
            )
            mid = self._take_mid()
            packet = encode_publish(
                item.topic.encode(), item.payload, mid, retain=item.retain, properties=properties
            )
            if len(packet) > self._largest_bytes:
                waiter.note(index, TOO_LARGE)
                continue
            waiting[mid] = (waiter, index)
            out += packet

    def _take_mid(self) -> int:
        while True:
            mid = self._next_mid
            self._next_mid = mid + 1 if mid < 0xFFFF else _FIRST_MID
            if mid not in self.waiting:
                return mid

    def settle(self, acks: Iterable[tuple[int, int]]) -> bool:
        """Take acknowledgements, (packet id, reason code); returns whether more may go out now."""
        waiting = self.waiting
        for mid, reason in acks:
            found = waiting.pop(mid, None)
            if found is not None:
                waiter, index = found
                waiter.note(index, reason)
        return bool(self._unsent)

    def fail(self, why: LinkDown) -> None:
        """The connection has ended, and so has every wait for it."""
        unsent = {waiter for waiter, _, _ in self._unsent}
        for waiter in unsent | {waiter for waiter, _ in self.waiting.values()}:
            if not waiter.done.done():
                waiter.done.set_exception(why)
        self.waiting.clear()
        self._unsent.clear()
