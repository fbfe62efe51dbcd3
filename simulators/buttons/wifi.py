"""Wi-Fi buttons with an MQTT session of their own: Tasmota, ESPHome, Shelly of generation 2.

Source  shared device notes mqtt-buttons.md sections 2 to 4 (tasmota/docs, esphome.io,
        shelly-api-docs.shelly.cloud).
"""

from typing import Any

from simulators.buttons.base import CAMPUS_ZONE, Device, json_message, text_message
from simulators.mqtt import Message


class _Tasmota(Device):
    """Last will Online/Offline, retained; local time without a zone."""

    @property
    def will(self) -> Message:
        """See Device."""
        return text_message(f"tele/{self.name}/LWT", "Offline", retain=True)

    def address(self) -> dict[str, str]:
        """See Device."""
        return {"topic": self.name}

    def online(self, *, up: bool) -> list[Message]:
        """See Device."""
        return [text_message(f"tele/{self.name}/LWT", "Online" if up else "Offline", retain=True)]

    def _time(self) -> str:
        return self.now().astimezone(CAMPUS_ZONE).strftime("%Y-%m-%dT%H:%M:%S")


class TasmotaSwitch(_Tasmota):
    """A contact with SwitchMode 15: every change is published, and repeated each TelePeriod.

    inverted   SwitchMode 16: ON and OFF change places
    """

    family = "tasmota-switch"

    def __init__(self, name: str, *, inverted: bool = False, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(name, **settings)
        self.closed = False
        self._inverted = inverted

    def pressed(self) -> list[Message]:
        """See Device."""
        self.press_count += 1
        self.closed = True
        return self.alive()

    def released(self) -> list[Message]:
        """See Device."""
        self.closed = False
        return self.alive()

    def alive(self) -> list[Message]:
        """See Device: the same message each TelePeriod, pressed or not."""
        state = "ON" if self.closed is not self._inverted else "OFF"
        return [json_message(f"tele/{self.name}/SENSOR", {"Time": self._time(), "Switch1": state})]


class TasmotaButton(_Tasmota):
    """A detached button (SetOption73): an action for each press, nothing for its release."""

    family = "tasmota-button"

    def __init__(self, name: str, *, action: str = "HOLD", **settings: Any) -> None:  # noqa: ANN401
        super().__init__(name, **settings)
        self._action = action

    def pressed(self) -> list[Message]:
        """See Device."""
        self.press_count += 1
        return [json_message(f"stat/{self.name}/RESULT", {"Button1": {"Action": self._action}})]

    def alive(self) -> list[Message]:
        """See Device: the report of each TelePeriod."""
        wifi = {"RSSI": self.dice.randint(30, 100)}
        report = {"Time": self._time(), "UptimeSec": self.press_count, "Wifi": wifi}
        return [json_message(f"tele/{self.name}/STATE", report)]


class EspHomeButton(Device):
    """A binary sensor: ON and OFF as text; its node says online/offline, retained.

    thing   the object id of the sensor on the node
    """

    family = "esphome"

    def __init__(self, name: str, *, thing: str = "sos", **settings: Any) -> None:  # noqa: ANN401
        super().__init__(name, **settings)
        self._thing = thing
        self._held = False

    @property
    def will(self) -> Message:
        """See Device."""
        return text_message(f"{self.name}/status", "offline", retain=True)

    def address(self) -> dict[str, str]:
        """See Device."""
        return {"prefix": self.name, "object": self._thing}

    def pressed(self) -> list[Message]:
        """See Device."""
        self.press_count += 1
        self._held = True
        return self.alive()

    def released(self) -> list[Message]:
        """See Device."""
        self._held = False
        return self.alive()

    def alive(self) -> list[Message]:
        """See Device: the state again, as after each reconnect."""
        topic = f"{self.name}/binary_sensor/{self._thing}/state"
        return [text_message(topic, "ON" if self._held else "OFF")]

    def online(self, *, up: bool) -> list[Message]:
        """See Device."""
        return [text_message(f"{self.name}/status", "online" if up else "offline", retain=True)]


class ShellyGen2(Device):
    """Input 0 of a Shelly of generation 2 or later: RPC notifications.

    push   what the input calls the press: single_push, long_push …
    """

    family = "shelly-gen2"

    def __init__(self, name: str, *, push: str = "single_push", **settings: Any) -> None:  # noqa: ANN401
        super().__init__(name, **settings)
        self._push = push

    @property
    def will(self) -> Message:
        """See Device."""
        return text_message(f"{self.name}/online", "false", retain=True)

    def address(self) -> dict[str, str]:
        """See Device."""
        return {"topic": self.name}

    def pressed(self) -> list[Message]:
        """See Device."""
        self.press_count += 1
        seconds = round(self.now().timestamp(), 2)
        event = {"component": "input:0", "id": 0, "event": self._push, "ts": seconds}
        return [self._notify("NotifyEvent", {"ts": seconds, "events": [event]})]

    def alive(self) -> list[Message]:
        """See Device: a change overlay that says nothing of the input."""
        seconds = round(self.now().timestamp(), 2)
        return [self._notify("NotifyStatus", {"ts": seconds, "sys": {"cfg_rev": 12}})]

    def online(self, *, up: bool) -> list[Message]:
        """See Device."""
        return [text_message(f"{self.name}/online", "true" if up else "false", retain=True)]

    def _notify(self, method: str, params: dict[str, Any]) -> Message:
        content = {
            "src": self.name,
            "dst": f"{self.name}/events",
            "method": method,
            "params": params,
        }
        return json_message(f"{self.name}/events/rpc", content)
