"""The embedded field broker; read README.md, then supervisor.py."""

from gateway.links.broker.settings import BrokerSettings, BrokerUser
from gateway.links.broker.supervisor import EmbeddedBroker, Notice

__all__ = ["BrokerSettings", "BrokerUser", "EmbeddedBroker", "Notice"]
