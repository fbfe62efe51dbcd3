"""Zigbee devices as Zigbee2MQTT publishes them.

Source  shared device notes mqtt-buttons.md section 1, gas.md section 5 (zigbee2mqtt.io pages of
        BT400B, SEB01ZB, HS1CG; guide "device availability").
"""

from typing import Any

from simulators.buttons.base import CAMPUS_ZONE, Device, json_message, text_message
from simulators.mqtt import Message

BASE = "zigbee2mqtt"


def bridge(*, up: bool, json_form: bool = True) -> Message:
    """Return what the bridge itself says, retained: when it is off line, its devices are stale."""
    state = "online" if up else "offline"
    topic = f"{BASE}/bridge/state"
    if json_form:
        return json_message(topic, {"state": state}, retain=True)
    return text_message(topic, state, retain=True)


class _Zigbee(Device):
    """What all have: a topic, a radio, a battery, availability in its old or its new form.

    json_availability   False for the plain online/offline of old versions
    last_seen           whether the bridge is set to add it
    retain              whether the installer set `retain: true` on the device
    """

    def __init__(
        self,
        name: str,
        *,
        seed: int = 0,
        clock_offset_s: float = 0.0,
        json_availability: bool = True,
        last_seen: bool = False,
        retain: bool = False,
    ) -> None:
        super().__init__(name, seed=seed, clock_offset_s=clock_offset_s)
        self.retain = retain
        self._json_availability = json_availability
        self._last_seen = last_seen

    @property
    def topic(self) -> str:
        """Where its state goes; a friendly name may hold "/"."""
        return f"{BASE}/{self.name}"

    def address(self) -> dict[str, str]:
        """See Device."""
        return {"topic": self.topic}

    def online(self, *, up: bool) -> list[Message]:
        """See Device; retained."""
        state = "online" if up else "offline"
        topic = f"{self.topic}/availability"
        if self._json_availability:
            return [json_message(topic, {"state": state}, retain=True)]
        return [text_message(topic, state, retain=True)]

    def _state(self, **members: Any) -> Message:  # noqa: ANN401 a JSON object
        state = dict(members)
        state["linkquality"] = self.dice.randint(20, 255)
        if self._last_seen:
            state["last_seen"] = self.now().astimezone(CAMPUS_ZONE).isoformat(timespec="seconds")
        return json_message(self.topic, state, retain=self.retain)

    def _power(self) -> dict[str, int]:
        return {"battery": self.battery_pct, "voltage": 2000 + 10 * self.battery_pct}


class ZigbeeAction(_Zigbee):
    """A button whose press is the string action=emergency (Tuya BT400B).

    empty_action   the bridge's legacy option: an empty action follows each press
    """

    family = "zigbee-action"

    def __init__(self, name: str, *, empty_action: bool = False, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(name, **settings)
        self._empty_action = empty_action

    def pressed(self) -> list[Message]:
        """See Device."""
        self.press_count += 1
        messages = [self._state(action="emergency", **self._power())]
        if self._empty_action:
            messages.append(self._state(action="", **self._power()))
        return messages

    def alive(self) -> list[Message]:
        """See Device: a battery report, without an action."""
        return [self._state(**self._power())]


class ZigbeeSticky(_Zigbee):
    """A button whose press is the boolean sos=true, which stays (Heiman SOS-EM) or clears (Feibit).

    clears   False: it never says sos=false again, and every report repeats sos=true
    """

    family = "zigbee-sticky"

    def __init__(self, name: str, *, clears: bool = False, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(name, **settings)
        self.sos = False
        self.tamper = False
        self._clears = clears

    def pressed(self) -> list[Message]:
        """See Device."""
        self.press_count += 1
        self.sos = True
        return self.alive()

    def released(self) -> list[Message]:
        """See Device."""
        if not self._clears:
            return []
        self.sos = False
        return self.alive()

    def alive(self) -> list[Message]:
        """See Device: the whole state, sos with it, so a stuck one looks like a press."""
        low = self.battery_pct <= 10
        return [
            self._state(
                sos=self.sos, tamper=self.tamper, battery_low=low, battery=self.battery_pct
            ),
        ]


class ZigbeeGas(_Zigbee):
    """A mains gas detector with a boolean (Heiman HS1CG, Tuya gas sensors)."""

    family = "zigbee-gas"

    def __init__(self, name: str, **settings: Any) -> None:  # noqa: ANN401 see _Zigbee
        super().__init__(name, **settings)
        self.gas = False
        self.faulty = False

    def pressed(self) -> list[Message]:
        """See Device: it smells gas."""
        self.press_count += 1
        self.gas = True
        return self.alive()

    def released(self) -> list[Message]:
        """See Device: the air is clean."""
        self.gas = False
        return self.alive()

    def alive(self) -> list[Message]:
        """See Device."""
        result = "failure" if self.faulty else "success"
        return [
            self._state(
                gas=self.gas, fault_alarm=self.faulty, self_test_result=result, silence=False
            ),
        ]
