"""Who talks on a broker: every topic heard within some seconds, on a connection of its own.

Owns    a session of a few seconds, which the broker forgets at its end.
Needs   gateway.links.mqtt. It publishes nothing.
Keeps   1. The connection that carries alarms is not touched: another client id, a clean session.
        2. Whatever is sent is a sample: cut, counted, never decoded here.
Bound   TOPICS_MOST topics, a sample of SAMPLE_BYTES each; `seconds` long.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol, runtime_checkable

from gateway.clock import Clock
from gateway.driver import Stranger
from gateway.links.mqtt import MqttConnection
from gateway.links.mqtt_settings import MqttSettings

TOPICS_MOST: Final = 500
SAMPLE_BYTES: Final = 64 * 1024
TOPIC_CHARS: Final = 512


@runtime_checkable
class OnBroker(Protocol):
    """A driver that talks to a broker, and can say how it is reached."""

    def settings(self) -> MqttSettings:
        """Raises LinkDown when a certificate cannot be read."""


async def listen(
    settings: MqttSettings,
    filters: Sequence[str],
    clock: Clock,
    *,
    seconds: float,
    heard: dict[str, Stranger],
) -> list[str]:
    """Fill `heard` by topic for some seconds; returns the filters the broker refused.

    raises  LinkDown when the broker cannot be reached or hangs up
    """
    mine = replace(
        settings,
        client_id=f"{settings.client_id[:40]}-look-{secrets.token_hex(4)}",
        clean=True,
        will=None,
    )
    connection = await MqttConnection.open(mine)
    try:
        refused = await connection.subscribe(filters)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    messages = await connection.receive()
                    connection.acknowledge(messages)
                    now_ns = clock.utc_ns()
                    for message in messages:
                        topic = message.topic[:TOPIC_CHARS]
                        known = heard.get(topic)
                        if known is None and len(heard) >= TOPICS_MOST:
                            continue
                        heard[topic] = Stranger(
                            topic=topic,
                            count=1 if known is None else known.count + 1,
                            last_ns=now_ns,
                            sample=bytes(message.payload[:SAMPLE_BYTES]),
                            size_bytes=message.size_bytes,
                            retained=message.retained,
                        )
        except TimeoutError:
            return refused
    finally:
        await connection.close()
