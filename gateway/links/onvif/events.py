"""What a camera reports, as bytes and as values. Pure.

Owns    reading PullMessages' answer: each NotificationMessage becomes a Notice, whose `document` a
        profile judges like any message.
Needs   xml.py, soap.py.
Keeps   1. A notice that cannot be read spoils none of its neighbours.
        2. Topics are written the same whatever prefixes the camera chose: tns1: for ONVIF's own,
           the camera's own prefix for a maker's.
        3. Bounds: MAX_ITEMS items of each part, MAX_VALUE_CHARS for each of their values.

Source  ONVIF Core, "Event handling"; WS-BaseNotification 1.3.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from gateway.links.onvif import names
from gateway.links.onvif.soap import read_time
from gateway.links.onvif.xml import Element

MAX_ITEMS: Final = 32
MAX_VALUE_CHARS: Final = 1024
MAX_TOPIC_CHARS: Final = 400
OPERATIONS: Final = frozenset({"Initialized", "Changed", "Deleted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One NotificationMessage.

    topic      tns1:Device/Trigger/DigitalInput
    operation  Initialized, Changed, Deleted, or "" for what has no state
    utc_time   the camera's own clock, as it wrote it
    """

    topic: str
    operation: str
    utc_time: str
    source: dict[str, str] = field(default_factory=dict)
    key: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """What a profile sees."""
        return {
            "topic": self.topic,
            "operation": self.operation,
            "utc_time": self.utc_time,
            "source": self.source,
            "key": self.key,
            "data": self.data,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """One answer to PullMessages.

    unread      how many messages in it could not be read
    granted_ns  how long the subscription lives from now on; None when the camera does not say
    """

    notices: list[Notice]
    unread: int = 0
    granted_ns: int | None = None


def read_pulled(answer: Element) -> Pulled:
    """Read a whole answer."""
    notices: list[Notice] = []
    unread = 0
    for element in answer.all("NotificationMessage"):
        notice = _notice(element)
        if notice is None:
            unread += 1
        else:
            notices.append(notice)
    return Pulled(notices=notices, unread=unread, granted_ns=granted(answer))


def granted(answer: Element) -> int | None:
    """Return how long a subscription lives, by the camera's own clock at both ends."""
    now = read_time(answer.said("CurrentTime"))
    end = read_time(answer.said("TerminationTime"))
    return None if now is None or end is None else end - now


def _notice(element: Element) -> Notice | None:
    topic = element.find("Topic")
    message = element.find("Message", "Message") or element.find("Message")
    if topic is None or message is None:
        return None
    name = _topic(topic)
    if not name:
        return None
    operation = message.attributes.get("PropertyOperation", "")
    return Notice(
        topic=name,
        operation=operation if operation in OPERATIONS else "",
        utc_time=message.attributes.get("UtcTime", "")[:40],
        source=_items(message, "Source"),
        key=_items(message, "Key"),
        data=_items(message, "Data"),
    )


def _topic(element: Element) -> str:
    """Return the topic with a prefix that means the same for every camera; "" for what is none."""
    text = element.text.strip().rstrip("/.")  # some cameras say ".../Motion//."
    if not text or len(text) > MAX_TOPIC_CHARS or not text.isprintable() or " " in text:
        return ""
    first, slash, rest = text.partition("/")
    prefix, colon, name = first.rpartition(":")
    if colon and element.prefixes.get(prefix) == names.TOPICS:
        prefix = "tns1"
    return f"{prefix}{colon}{name}{slash}{rest}"


def _items(message: Element, part: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in list(message.all(part, "SimpleItem"))[:MAX_ITEMS]:
        name = item.attributes.get("Name", "")[:MAX_VALUE_CHARS]
        if name and name not in found:
            found[name] = item.attributes.get("Value", item.text)[:MAX_VALUE_CHARS]
    return found
