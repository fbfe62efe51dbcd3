"""The decoding plan of one MQTT device: topic and bytes in, readings out.

Owns    MqttPlan, BridgePlan, and how [[message]], [[availability]] and [bridge] are compiled.
Needs   gateway.events, gateway.errors, model.py, rules.py, path.py, payload.py.
Keeps   1. decode raises BadFrame and nothing else, whatever the bytes are.
        2. An alarm that could be read is never lost to another part of the message that could
           not: with an active reading in hand the rest is noted (attribute "undecoded"); without
           one the whole message is garbled, for it may have been a press.
        3. A plan holds only what differs between devices (the topics); everything else is
           compiled once per profile and shared, so ten thousand plans stay small.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from gateway.errors import BadFrame
from gateway.events import Device, Reading, Scalar
from gateway.profile.message import (
    Captures,
    Handler,
    compile_message,
    compile_own_availability,
    online_reading,
)
from gateway.profile.model import Profile
from gateway.profile.online import as_text, compile_availability
from gateway.profile.path import substitute
from gateway.profile.schema_mqtt import Availability, Message

_NO_CAPTURES: Final[Captures] = {}


class BridgePlan:
    """Something on which many devices depend, evaluated once for all of them.

    topic   where it says whether it is there
    decode  True there, False gone, None when the message says neither; never raises. A retained
            message is as good as a live one.
    """

    __slots__ = ("_read", "qos", "topic")

    def __init__(self, topic: str, qos: int, read: Callable[[bytes], bool | None]) -> None:
        self.topic = topic
        self.qos = qos
        self._read = read

    def decode(self, payload: bytes) -> bool | None:
        """See the class."""
        try:
            return self._read(payload)
        except BadFrame:
            return None


class MqttPlan:
    """What one device's messages mean.

    filters  topic filters to subscribe to; those without "+" are exact topics
    qos      the QoS to ask for, one for each filter
    shared   topics the device depends on and does not own (not in filters)
    bridge   the plan of that topic, the same object for every device of one bridge, or None
    """

    __slots__ = ("_exact", "_wild", "bridge", "device_id", "filters", "qos")

    def __init__(
        self,
        device_id: str,
        routes: list[tuple[str, int, Handler]],
        bridge: BridgePlan | None,
    ) -> None:
        asked: dict[str, int] = {}
        exact: list[tuple[str, Handler]] = []
        wild: list[tuple[tuple[str, ...], Handler]] = []
        for template, qos, handler in routes:
            levels = template.split("/")
            topic = "/".join("+" if level[:2] == "{+" else level for level in levels)
            asked[topic] = max(qos, asked.get(topic, 0))
            if "+" in levels or topic != template:
                wild.append((tuple(levels), handler))
            else:
                exact.append((topic, handler))
        self.device_id = device_id
        self.filters = tuple(asked)
        self.qos = tuple(asked.values())
        self.bridge = bridge
        self._exact = tuple(_merge(exact))
        self._wild = tuple(wild)

    @property
    def shared(self) -> tuple[str, ...]:
        """Topics whose loss makes this device unknown, and which others share."""
        return () if self.bridge is None else (self.bridge.topic,)

    def decode(
        self, topic: str, payload: bytes, *, retained: bool, received_ns: int
    ) -> list[Reading]:
        """Return what a message on one of the filters (or on a shared topic) means.

        An empty list: understood, and it means nothing. Raises BadFrame with the payload when it
        is not understood. A topic that is none of this device's gives an empty list.
        """
        for known, handler in self._exact:
            if known == topic:
                readings = handler(self.device_id, payload, received_ns, _NO_CAPTURES)
                break
        else:
            readings = self._seldom(topic, payload, received_ns)
        if retained:
            for reading in readings:
                reading.retained = True
        return readings

    def _seldom(self, topic: str, payload: bytes, received_ns: int) -> list[Reading]:
        """Decode a message on a topic with a wildcard, or on one that is shared."""
        caught = _caught(self._wild, topic)
        if caught:
            return _all_of(caught, self.device_id, payload, received_ns)
        bridge = self.bridge
        if bridge is not None and bridge.topic == topic:
            there = bridge.decode(payload)
            if there is not None:
                via: dict[str, Scalar] = {"via": topic}
                return [online_reading(self.device_id, received_ns, via, there=there)]
        return []


def plan_mqtt(profile: Profile, device: Device) -> MqttPlan:
    """Make the plan of one device; its address has passed profile.check_address."""
    body = profile.body
    address = profile.complete(device.address)
    words = {name: as_text(value) for name, value in address.items()}
    paths = {
        name: f'"{words[name]}"' if profile.address[name].type == "member" else words[name]
        for name in words
    }
    routes: list[tuple[str, int, Handler]] = []
    for index, message in enumerate(body.message):
        make = partial(compile_message, message, profile, paths, words)
        handler = _shared(profile, ("message", index), message, words, make)
        routes.append((substitute(message.topic, words), message.qos, handler))
    for index, availability in enumerate(body.availability):
        make = partial(compile_own_availability, availability, paths)
        handler = _shared(profile, ("availability", index), availability, words, make)
        routes.append((substitute(availability.topic, words), availability.qos, handler))
    return MqttPlan(device.id, routes, _bridge_of(profile, words, paths))


def _shared(
    profile: Profile,
    place: tuple[str, int],
    model: Message | Availability,
    words: Mapping[str, str],
    make: Callable[[], Handler],
) -> Handler:
    """Return the compiled part, made anew only for address values that change its meaning."""
    known = profile.compiled.get(("words", *place))
    if known is None:
        text = model.model_dump_json(exclude={"topic"})
        known = tuple(name for name in profile.address if f"{{{name}" in text)
        profile.compiled["words", *place] = known
    key = ("handler", *place, *(words.get(name) for name in known))
    handler: Handler | None = profile.compiled.get(key)
    if handler is None:
        handler = profile.compiled[key] = make()
    return handler


def _bridge_of(
    profile: Profile, words: Mapping[str, str], paths: Mapping[str, str]
) -> BridgePlan | None:
    model = profile.body.bridge
    if model is None:
        return None
    topic = sys.intern(substitute(model.topic, words))
    plan: BridgePlan | None = profile.compiled.get(("bridge", topic))
    if plan is None:
        plan = BridgePlan(topic, model.qos, compile_availability(model, paths))
        profile.compiled["bridge", topic] = plan
    return plan


# --- topics ------------------------------------------------------------------------------------


def _merge(routes: list[tuple[str, Handler]]) -> list[tuple[str, Handler]]:
    """Make one handler of those that share a topic."""
    by_topic: dict[str, list[Handler]] = {}
    for topic, handler in routes:
        by_topic.setdefault(topic, []).append(handler)
    return [
        (topic, handlers[0] if len(handlers) == 1 else _chain(tuple(handlers)))
        for topic, handlers in by_topic.items()
    ]


def _chain(handlers: tuple[Handler, ...]) -> Handler:
    def handle(
        device_id: str, payload: bytes, received_ns: int, captures: Captures
    ) -> list[Reading]:
        pairs = [(handler, captures) for handler in handlers]
        return _all_of(pairs, device_id, payload, received_ns)

    return handle


def _all_of(
    pairs: list[tuple[Handler, Captures]], device_id: str, payload: bytes, received_ns: int
) -> list[Reading]:
    """Ask each in turn; one that cannot read it is overruled by one that reads an alarm."""
    readings: list[Reading] = []
    garbled: BadFrame | None = None
    for handler, captures in pairs:
        try:
            readings += handler(device_id, payload, received_ns, captures)
        except BadFrame as error:
            garbled = garbled or error
    if garbled is not None and not any(reading.active for reading in readings):
        raise garbled
    return readings


def _caught(
    wild: tuple[tuple[tuple[str, ...], Handler], ...], topic: str
) -> list[tuple[Handler, Captures]]:
    """Return the handlers whose levels fit the topic, with what each caught."""
    levels = topic.split("/")
    fitting: list[tuple[Handler, Captures]] = []
    for wanted, handler in wild:
        if len(wanted) != len(levels):
            continue
        captures: dict[str, str] = {}
        for want, level in zip(wanted, levels, strict=True):
            if want[:2] == "{+":
                captures[want[2:-1]] = level
            elif want not in {"+", level}:
                break
        else:
            fitting.append((handler, captures))
    return fitting
