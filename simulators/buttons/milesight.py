"""What Milesight's LoRaWAN devices send, byte by byte, and what the maker's decoder makes of it.

Source  Milesight-IoT/SensorDecoders: ws-series/ws101, gs-series/gs101, gs-series/gs524n (payload
        tables in their READMEs); shared device notes mqtt-buttons.md section 5, gas.md section 5.
"""

import random
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final

SHORT: Final = 1
LONG: Final = 2
DOUBLE: Final = 3
_PRESSES: Final = {SHORT: "short press", LONG: "long press", DOUBLE: "double press"}


class Sensor(ABC):
    """The application on a LoRaWAN device: state in, frame out."""

    family: ClassVar[str]

    def __init__(self) -> None:
        self.active = False

    @abstractmethod
    def frame(self, battery_pct: int, *, event: bool) -> bytes:
        """Return the bytes of an uplink; event says whether it is sent because of a change."""

    @abstractmethod
    def decoded(self, battery_pct: int, dice: random.Random, *, event: bool) -> dict[str, Any]:
        """Return what the maker's decoder script gives for that frame."""


class Ws101(Sensor):
    """The SOS button: battery, and on a press what kind of press. It has no release."""

    family = "ws101"

    def __init__(self, press: int = LONG) -> None:
        super().__init__()
        self._press = press

    def frame(self, battery_pct: int, *, event: bool) -> bytes:
        """See Sensor; 01 75 bb, FF 2E ss."""
        battery = bytes([0x01, 0x75, battery_pct])
        return battery + bytes([0xFF, 0x2E, self._press]) if event and self.active else battery

    def decoded(self, battery_pct: int, dice: random.Random, *, event: bool) -> dict[str, Any]:
        """See Sensor; the decoder invents a message id."""
        content: dict[str, Any] = {"battery": battery_pct}
        if event and self.active:
            number = dice.randint(100_000, 999_999)
            content["button_event"] = {"status": _PRESSES[self._press], "msgid": number}
        return content


class Gs101(Sensor):
    """The gas detector with valve and relay: on mains, so it reports no battery."""

    family = "gs101"

    def __init__(self) -> None:
        super().__init__()
        self.life_s = 5 * 365 * 86_400

    def frame(self, battery_pct: int, *, event: bool) -> bytes:  # noqa: ARG002 it has no battery
        """See Sensor; 05 8E gas, 06 01 valve, 07 01 relay, then 08 90 the life that is left."""
        on = int(self.active)
        state = bytes([0x05, 0x8E, on, 0x06, 0x01, 0 if on else 1, 0x07, 0x01, on])
        return state if event else state + b"\x08\x90" + self.life_s.to_bytes(4, "little")

    def decoded(
        self,
        battery_pct: int,  # noqa: ARG002 it has no battery
        dice: random.Random,  # noqa: ARG002 nothing is left to chance
        *,
        event: bool,
    ) -> dict[str, Any]:
        """See Sensor."""
        content: dict[str, Any] = {
            "gas_status": "alarm" if self.active else "normal",
            "valve_status": "off" if self.active else "on",
            "relay_output_status": "on" if self.active else "off",
        }
        if not event:
            content["life_remain"] = self.life_s
        return content


class Gs524n(Sensor):
    """The smoke detector: six bytes, the last of which makes the sum zero."""

    family = "gs524n"

    def __init__(self) -> None:
        super().__init__()
        self.testing = False
        self.temperature_c = 28

    def _message(self, battery_pct: int) -> tuple[int, str]:
        if self.testing:
            return 14, "testing alarm with normal battery"
        if self.active:
            return 1, "alarm"
        return (4, "low battery") if battery_pct <= 10 else (7, "normal")

    def frame(self, battery_pct: int, *, event: bool) -> bytes:  # noqa: ARG002 all look alike
        """See Sensor; version 2.2, smoke sensor, battery, concentration, temperature, checksum."""
        code, _ = self._message(battery_pct)
        haze_pct = 12 if self.active and not self.testing else 0
        head = bytes([0x22, 0x10 | code, battery_pct, haze_pct, self.temperature_c & 0xFF])
        return head + bytes([-sum(head) & 0xFF])

    def decoded(self, battery_pct: int, dice: random.Random, *, event: bool) -> dict[str, Any]:  # noqa: ARG002
        """See Sensor."""
        return {
            "version": 2,
            "protocol": 2,
            "type": "smoke sensor",
            "event": self._message(battery_pct)[1],
            "battery": battery_pct,
            "concentration": 12 if self.active and not self.testing else 0,
            "temperature": self.temperature_c,
        }
