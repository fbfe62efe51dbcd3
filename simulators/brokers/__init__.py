"""Real brokers for tests, the demo and benchmarks: mosquitto, and nats-server with MQTT.

Owns    one broker process each, its folder, its port.
Needs   the programs `mosquitto` or `nats-server` on PATH, beside this Python, or in /usr/sbin.
Keeps   1. `start` returns when the broker has answered a CONNECT, not when the process exists.
        2. A broker is restarted on the port and the folder it had.
        3. Bounds: 30 s to come up, 10 s to go down, then SIGKILL.
"""

from simulators.brokers.mosquitto import Mosquitto, MosquittoSettings
from simulators.brokers.nats import NatsMqtt
from simulators.brokers.process import (
    Broker,
    BrokerFailed,
    BrokerMissing,
    find_program,
    free_port,
    is_taken,
)

__all__ = [
    "Broker",
    "BrokerFailed",
    "BrokerMissing",
    "Mosquitto",
    "MosquittoSettings",
    "NatsMqtt",
    "find_program",
    "free_port",
    "is_taken",
]
