"""MQTT as a device or a receiver speaks it: one session, and the truth about what was accepted.

Owns    a paho client and its thread, for as long as the session is open.
Needs   a running asyncio loop. Knows no family of device and no record.
Keeps   1. `publish` returns only after the broker's PUBACK; until then the message is sent again on
           every new connection, so "accepted by the broker" is never a guess.
        2. A listener's `on_message` has returned before its message is acknowledged.
        3. Bounds: 65,000 messages wait in a device, 20 s for a connection, 100,000 messages wait in
           a listener; beyond that an error is raised, nothing is dropped in silence.
"""

from simulators.mqtt.listener import Listener
from simulators.mqtt.packets import connect_packet, publish_packet, send_twice
from simulators.mqtt.publisher import Accepted, Publisher
from simulators.mqtt.session import V5, V311, Address, BrokerRefused, DeviceFull, Message, Session

__all__ = [
    "V5",
    "V311",
    "Accepted",
    "Address",
    "BrokerRefused",
    "DeviceFull",
    "Listener",
    "Message",
    "Publisher",
    "Session",
    "connect_packet",
    "publish_packet",
    "send_twice",
]
