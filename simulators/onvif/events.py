"""What the camera has to report, and who has subscribed to it.

Keeps   1. A message that was handed out is gone from the queue, whether it arrived or not: so real
           cameras do it.
        2. A property is told as Initialized to who subscribes or asks for a synchronization point,
           as Changed when it changes.
        3. Bounds: QUEUE messages wait for one subscriber, the oldest go first.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from simulators.onvif import words

QUEUE: Final = 20_000
Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Subscription:
    """One pull point; `ends` by the camera's own clock."""

    name: str
    ends: datetime
    queue: deque[str] = field(default_factory=lambda: deque(maxlen=QUEUE))
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, text: str) -> None:
        """Have a message wait."""
        self.queue.append(text)
        self.news.set()

    async def take(self, wait_s: float, limit: int) -> list[str]:
        """Return what waits, or what comes within so long."""
        if not self.queue:
            self.news.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self.news.wait()
            except TimeoutError:
                return []
        return [self.queue.popleft() for _ in range(min(limit, len(self.queue)))]


class Properties:
    """The states a camera knows, by topic and source."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self._held: dict[Key, tuple[dict[str, str], dict[str, str]]] = {}

    def hold(self, topic: str, source: Mapping[str, str], data: Mapping[str, str]) -> bool:
        """Keep a state; whether it is another than before."""
        key: Key = (topic, tuple(source.items()))
        before = self._held.get(key)
        self._held[key] = (dict(source), dict(data))
        return before is None or before[1] != dict(data)

    def drop(self, topic: str, source: Mapping[str, str]) -> dict[str, str]:
        """Forget a state; returns what it last was."""
        return self._held.pop((topic, tuple(source.items())))[1]

    def initialize(self, subscription: Subscription, now: datetime) -> None:
        """Say every state to one subscriber."""
        for (topic, _), (source, data) in self._held.items():
            subscription.put(words.notification(topic, source, data, "Initialized", now))

    def tell(self, text: str) -> None:
        """Say something to all subscribers."""
        for subscription in self.subscriptions.values():
            subscription.put(text)

    def expire(self, now: datetime) -> None:
        """End the subscriptions whose time is over."""
        for name in [n for n, each in self.subscriptions.items() if each.ends <= now]:
            del self.subscriptions[name]
