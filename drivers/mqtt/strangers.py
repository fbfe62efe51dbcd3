"""Strangers: topics on which something came that belongs to no device, for whoever installs one.

Owns    what is remembered of them, in memory.
Needs   gateway.links.mqtt_wire for a message.
Keeps   1. A payload is a sample to be looked at: cut, and never taken for text with a meaning.
        2. Somebody who makes topics up for ever costs no more than TOPICS_MOST of them; those heard
           of longest ago go.
Bound   TOPICS_MOST topics of TOPIC_CHARS, a sample of SAMPLE_BYTES each.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from gateway.driver import Stranger
from gateway.links.mqtt_wire import Message

TOPICS_MOST: Final = 200
TOPIC_CHARS: Final = 256
SAMPLE_BYTES: Final = 4096


class Strangers:
    """See the module."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, Stranger] = OrderedDict()

    def note(self, message: Message, now_ns: int) -> None:
        """Something came on a topic of no device."""
        topic = message.topic[:TOPIC_CHARS]
        known = self._seen.pop(topic, None)
        self._seen[topic] = Stranger(
            topic=topic,
            count=1 if known is None else known.count + 1,
            last_ns=now_ns,
            sample=bytes(message.payload[:SAMPLE_BYTES]),
            size_bytes=message.size_bytes,
            retained=message.retained,
        )
        if len(self._seen) > TOPICS_MOST:
            self._seen.popitem(last=False)

    def all(self) -> Sequence[Stranger]:
        """What was heard of, newest first."""
        return tuple(reversed(self._seen.values()))
