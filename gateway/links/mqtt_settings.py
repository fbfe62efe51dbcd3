"""How to reach one broker, and what it says for us when we vanish."""

import ssl
from dataclasses import dataclass

from gateway.links.mqtt_outbox import OUTBOX_MESSAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker says for us when we vanish: QoS 1."""

    topic: str
    payload: bytes
    retain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """How to reach one broker.

    clean      False: the broker keeps the session and what arrives while we are away
    protocol   "auto" tries 5 and falls back to 3.1.1
    window     messages of ours without acknowledgement at most; less where the broker wants less
    """

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    keepalive_s: int = 15
    clean: bool = True
    protocol: str = "auto"
    will: Will | None = None
    window: int = OUTBOX_MESSAGES

    def __repr__(self) -> str:
        """Without the secret."""
        return f"MqttSettings({self.client_id!r} at {self.host}:{self.port})"
