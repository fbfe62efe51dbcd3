"""Buttons, and the detectors that speak like them: one file for each way of talking.

Read base.py, then a family; hand.py presses them over a real broker, well and in every bad way.
Run it: python -m simulators.buttons --family zigbee-action --name btn-gate-west --port 1883
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from simulators.buttons.base import EIGHT_HOURS_S, Device
from simulators.buttons.garbage import GARBAGE, random_garbage
from simulators.buttons.hand import Hand
from simulators.buttons.lorawan import ChirpStack, Ttn
from simulators.buttons.milesight import DOUBLE, LONG, SHORT, Gs101, Gs524n, Ws101
from simulators.buttons.plain import MARK, JsonButton, JsonEvent
from simulators.buttons.wifi import EspHomeButton, ShellyGen2, TasmotaButton, TasmotaSwitch
from simulators.buttons.zigbee import ZigbeeAction, ZigbeeGas, ZigbeeSticky, bridge

__all__ = [
    "DOUBLE",
    "EIGHT_HOURS_S",
    "FAMILIES",
    "GARBAGE",
    "LONG",
    "MARK",
    "SHORT",
    "ChirpStack",
    "Device",
    "EspHomeButton",
    "Gs101",
    "Gs524n",
    "Hand",
    "JsonButton",
    "JsonEvent",
    "ShellyGen2",
    "TasmotaButton",
    "TasmotaSwitch",
    "Ttn",
    "Ws101",
    "ZigbeeAction",
    "ZigbeeGas",
    "ZigbeeSticky",
    "bridge",
    "make",
    "random_garbage",
]

FAMILIES: Final[dict[str, Callable[..., Device]]] = {
    **{
        one.family: one
        for one in (
            *(ZigbeeAction, ZigbeeSticky, ZigbeeGas),
            *(TasmotaSwitch, TasmotaButton, EspHomeButton, ShellyGen2),
            *(JsonButton, JsonEvent),
        )
    },
    "chirpstack": ChirpStack,
    "chirpstack-decoded": partial(ChirpStack, decoded=True),
    "ttn": Ttn,
    "ttn-decoded": partial(Ttn, decoded=True),
}
"""Every family by the name the command line uses; gas and smoke over LoRaWAN: see `make`."""


def make(family: str, name: str, **settings: Any) -> Device:  # noqa: ANN401 the family's own
    """Return a device. "chirpstack+gs101" puts that sensor on the network before the plus.

    raises KeyError  there is no such family or sensor
    """
    network, _, sensor = family.partition("+")
    if sensor:
        settings["sensor"] = {"ws101": Ws101, "gs101": Gs101, "gs524n": Gs524n}[sensor]()
    return FAMILIES[network](name, **settings)
