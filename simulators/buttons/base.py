"""What every simulated device has in common: it turns what happens to it into messages.

Owns    the device's own state: how often it was pressed, its battery, its clock.
Needs   nothing; a device does not publish, `simulators.buttons.hand` does.
Keeps   1. A message is exactly what the real device's bridge or firmware puts on MQTT.
        2. Its clock may be wrong by `clock_offset_s`; nothing else of it depends on time.
"""

import copy
import random
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta, timezone
from typing import ClassVar, Final

import orjson

from simulators.mqtt import Message

CAMPUS_ZONE: Final = timezone(timedelta(hours=8))
EIGHT_HOURS_S: Final = 8 * 3600.0


class Device(ABC):
    """A device of one family.

    name             as its topics have it; may contain "/"
    seed             for what a real one would have by chance: radio levels, ids
    clock_offset_s   how far its clock is from true; EIGHT_HOURS_S for the usual mistake
    """

    family: ClassVar[str]

    def __init__(self, name: str, *, seed: int = 0, clock_offset_s: float = 0.0) -> None:
        self.name = name
        self.press_count = 0
        self.battery_pct = 100
        self.dice = random.Random(f"{seed}/{name}")
        self._offset = timedelta(seconds=clock_offset_s)

    def now(self) -> datetime:
        """What time the device thinks it is, UTC."""
        return datetime.now(UTC) + self._offset

    @property
    def will(self) -> Message | None:
        """The last will its session registers, None when its bridge has none for it."""
        return None

    @abstractmethod
    def address(self) -> dict[str, str]:
        """What an installer reads off the device: its topic or its number."""

    @abstractmethod
    def pressed(self) -> list[Message]:
        """Return what it says when it is pressed (or smells gas); each call is a press."""

    def released(self) -> list[Message]:
        """Return what it says when that is over; [] for the many that never say so."""
        return []

    @abstractmethod
    def alive(self) -> list[Message]:
        """Return what it says from time to time when nothing happens: never a press."""

    def press_topic(self) -> str:
        """Return where its presses go, without pressing it."""
        return copy.deepcopy(self).pressed()[0].topic

    def online(self, *, up: bool) -> list[Message]:  # noqa: ARG002 the families know
        """Return what is said of its availability; [] when nobody watches it."""
        return []


def json_message(topic: str, content: object, *, retain: bool = False) -> Message:
    """Return a message with compact JSON."""
    return Message(topic=topic, payload=orjson.dumps(content), retain=retain)


def text_message(topic: str, text: str, *, retain: bool = False) -> Message:
    """Return a message with plain text."""
    return Message(topic=topic, payload=text.encode(), retain=retain)
