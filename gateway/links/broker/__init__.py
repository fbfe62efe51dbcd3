"""The embedded field broker; read README.md, then supervisor.py."""

from gateway.links.broker.settings import ACK_WAIT_S, BrokerSettings, BrokerUser
from gateway.links.broker.supervisor import EmbeddedBroker, Notice

__all__ = ["ACK_WAIT_S", "BrokerSettings", "BrokerUser", "EmbeddedBroker", "Notice"]
