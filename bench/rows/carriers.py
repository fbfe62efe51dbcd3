"""Whoever carries messages from the field broker to the receiver: the gateway, or a peer of it.

Needs   rig. A carrier is measured from outside, each by the same rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bench.machine import Process
from bench.rig import Broker, Field, Gateway, Receiver, Rig, http_uplink, mqtt_uplink, warm

__all__ = ["Carried", "Carrier", "bridge", "gateway_http", "gateway_mqtt"]


@dataclass(slots=True)
class Carried:
    """A carrier that works: where to publish, who receives, and the process whose cost counts."""

    field_port: int
    receiver: Receiver
    process: Callable[[], Process]
    gateway: Gateway | None = None


class Carrier(Protocol):
    """Starts everything between two ports and returns when a message has gone through."""

    def __call__(self, rig: Rig) -> Carried: ...


def gateway_mqtt(*, inflight: int = 1000, devices: int = 100, serve: bool = False) -> Carrier:
    """The gateway with an MQTT receiver, behind mosquitto with this max_inflight_messages.

    serve  the receiver is the MQTT server itself, so that its pace is felt
    """

    def start(rig: Rig) -> Carried:
        field = rig.broker(Field(inflight=inflight))
        if serve:
            receiver = rig.receiver("serve", devices=devices)
            port = receiver.port
        else:
            port = rig.broker(Field(inflight=0)).port
            receiver = rig.receiver("subscribe", port, devices)
        return _gateway(rig, field, receiver, mqtt_uplink(port), devices)

    return start


def gateway_http(batch: int = 1, devices: int = 100) -> Carrier:
    """The gateway with an HTTP receiver; batch over 1: CloudEvents batches."""

    def start(rig: Rig) -> Carried:
        field = rig.broker()
        receiver = rig.receiver("http", devices=devices)
        return _gateway(rig, field, receiver, http_uplink(receiver.port, batch), devices)

    return start


def _gateway(rig: Rig, field: Broker, receiver: Receiver, uplink: str, devices: int) -> Carried:
    gateway = rig.gateway(field.port, uplink, devices)
    warm(field.port, receiver)
    return Carried(field.port, receiver, lambda: gateway.process, gateway)


def bridge(*, serve: bool = False) -> Carrier:
    """The mosquitto bridge: the field broker itself carries everything on, unchanged, in C."""

    def start(rig: Rig) -> Carried:
        if serve:
            receiver = rig.receiver("serve")
            port = receiver.port
        else:
            port = rig.broker(Field(inflight=0)).port
            receiver = rig.receiver("subscribe", port)
        field = rig.broker(Field(bridge=port))
        warm(field.port, receiver)
        return Carried(field.port, receiver, lambda: field.process)

    return start
