"""The hand on the button: publishes what a device says, well and in every bad way.

Needs   a device, and a publisher that knows what was accepted.
Keeps   1. Every coroutine here returns after the broker's PUBACK for everything it sent.
        2. Bounds: `stick` sends at most 1,000,000 messages.
"""

import asyncio
import time
from typing import Final

from simulators.buttons.base import Device
from simulators.buttons.garbage import GARBAGE
from simulators.mqtt import Accepted, Message, Publisher, send_twice

MAX_STUCK: Final = 1_000_000


class Hand:
    """One device at one publisher; several devices may share it, as behind a bridge."""

    def __init__(self, device: Device, publisher: Publisher) -> None:
        self.device = device
        self.publisher = publisher

    async def say(self, messages: list[Message]) -> list[Accepted]:
        """Publish in order; returns when the broker has all of them."""
        return list(await asyncio.gather(*map(self.publisher.post, messages)))

    async def press(self) -> list[Accepted]:
        """Press once."""
        return await self.say(self.device.pressed())

    async def release(self) -> list[Accepted]:
        """Let go."""
        return await self.say(self.device.released())

    def press_unheard(self) -> list[asyncio.Future[Accepted]]:
        """Press while the broker may be away: it stays in the device until it is back."""
        return [self.publisher.post(message) for message in self.device.pressed()]

    async def double_press(self, gap_s: float = 0.2) -> list[Accepted]:
        """Press twice within 300 ms, as a frightened person does."""
        first = asyncio.gather(*self.press_unheard())
        await asyncio.sleep(min(gap_s, 0.3))
        second = await self.press()
        return [*await first, *second]

    async def press_duplicated(self) -> int:
        """Press once; the PUBACK is lost, so it is sent again with DUP. Returns the PUBACKs."""
        acknowledged = 0
        for message in self.device.pressed():
            acknowledged += await send_twice(
                self.publisher.address, message, client_id=f"{self.publisher.client_id}-again"
            )
        return acknowledged

    async def leave_retained(self) -> list[Accepted]:
        """Publish a press with retain set: the broker replays it to whoever subscribes later."""
        messages = self.device.pressed()
        return await self.say(
            [Message(topic=one.topic, payload=one.payload, retain=True) for one in messages]
        )

    async def clear_retained(self) -> None:
        """Publish the empty retained message that makes a broker forget."""
        await self.publisher.publish(self.device.press_topic(), b"", retain=True)

    async def fade(self, down_to_pct: int = 5, step_pct: int = 5) -> list[Accepted]:
        """Report a falling battery, then say nothing any more (the silence is the caller's)."""
        accepted = []
        while self.device.battery_pct > down_to_pct:
            self.device.battery_pct = max(down_to_pct, self.device.battery_pct - step_pct)
            accepted += await self.say(self.device.alive())
        return accepted

    async def stick(self, rate_per_s: float, for_s: float) -> int:
        """Be stuck: press that often for that long; returns how many messages the broker took."""
        waiting: list[asyncio.Future[Accepted]] = []
        begun_s = time.monotonic()
        while (gone_s := time.monotonic() - begun_s) < for_s and len(waiting) < MAX_STUCK:
            while len(waiting) <= gone_s * rate_per_s:
                waiting += self.press_unheard()
            await asyncio.sleep(0.005)
        return len(await asyncio.gather(*waiting))

    async def babble(self, what: str) -> Accepted:
        """Send one of the GARBAGE payloads where its presses go; it counts as no press."""
        return await self.publisher.publish(self.device.press_topic(), GARBAGE[what])
