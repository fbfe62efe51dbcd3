"""Devices that publish plain JSON: the contract's generic/json_button and generic/json_event.

Source  design.md section 4, "Two profiles are part of the contract".
Keeps   Every message carries `mark`, DEVICE#NUMBER, which reappears in data.attributes: by it a
        record is recognised as the one that came of this message.
"""

from typing import Any

from simulators.buttons.base import Device, json_message
from simulators.mqtt import Message

MARK = "mark"


class JsonButton(Device):
    """Every message is a press of kind panic."""

    family = "json-button"

    @property
    def topic(self) -> str:
        """Where it publishes."""
        return f"campus-test/button/{self.name}"

    def address(self) -> dict[str, str]:
        """See Device."""
        return {"topic": self.topic}

    @property
    def mark(self) -> str:
        """The mark of its newest message."""
        return f"{self.name}#{self.press_count}"

    def pressed(self) -> list[Message]:
        """See Device."""
        self.press_count += 1
        content = {MARK: self.mark, "battery": self.battery_pct}
        return [json_message(self.topic, content)]

    def alive(self) -> list[Message]:
        """See Device: it has no way to say that nothing happened, so it says nothing."""
        return []


class JsonEvent(JsonButton):
    """Every message is one recorded event of the configured kind, with a priority of its own."""

    family = "json-event"

    def __init__(self, name: str, *, kind: str = "access", **settings: Any) -> None:  # noqa: ANN401
        super().__init__(name, **settings)
        self.kind = kind

    @property
    def topic(self) -> str:
        """Where it publishes."""
        return f"campus-test/event/{self.name}"

    def address(self) -> dict[str, str]:
        """See Device."""
        return {"topic": self.topic, "kind": self.kind, "priority_member": "level"}

    def pressed(self) -> list[Message]:
        """See Device: somebody goes through a door."""
        self.press_count += 1
        content = {MARK: self.mark, "level": self.dice.randint(1, 4), "door": f"门{self.name}"}
        return [json_message(self.topic, content)]
