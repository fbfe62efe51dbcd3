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
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from gateway.errors import BadFrame
from gateway.events import (
    MAX_ATTRIBUTE_CHARS,
    MAX_ATTRIBUTES,
    ONLINE_POINT,
    Device,
    Nature,
    Reading,
    Scalar,
)
from gateway.profile.envelope import Open, compile_open
from gateway.profile.model import Profile
from gateway.profile.path import Scope, compile_path, compile_template, holes, substitute
from gateway.profile.payload import Garble, device_time, offset_of, read_json, read_text
from gateway.profile.rules import Found, compile_condition, compile_rule
from gateway.profile.schema_mqtt import Availability, Message

Captures = Mapping[str, str]


@dataclass(slots=True)
class Came:
    """One message as it came, for one device."""

    device_id: str
    payload: bytes
    retained: bool
    received_ns: int
    captures: Captures


Handler = Callable[[Came], list[Reading]]
Attributes = Callable[[Scope], dict[str, Scalar]]

_NO_CAPTURES: Final[Captures] = {}


class BridgePlan:
    """Something on which many devices depend, evaluated once for all of them.

    topic   where it says whether it is there
    decode  True there, False gone, None when the message says neither; never raises. A retained
            message is as good as a live one.
    """

    __slots__ = ("_read", "qos", "topic")

    def __init__(self, topic: str, qos: int, read: "Callable[[bytes], bool | None]") -> None:
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
            if "+" in topic:
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
                return handler(Came(self.device_id, payload, retained, received_ns, _NO_CAPTURES))
        came = Came(self.device_id, payload, retained, received_ns, _NO_CAPTURES)
        if self._wild:
            caught = _caught(self._wild, topic)
            if caught:
                pairs = [(handler, replace(came, captures=names)) for handler, names in caught]
                return _all_of(pairs)
        bridge = self.bridge
        if bridge is not None and bridge.topic == topic:
            there = bridge.decode(payload)
            if there is not None:
                return [_online(came, there=there, attributes={"via": topic})]
        return []


def plan_mqtt(profile: Profile, device: Device) -> MqttPlan:
    """Make the plan of one device; its address has passed profile.check_address."""
    body = profile.body
    address = profile.complete(device.address)
    words = {name: _as_text(value) for name, value in address.items()}
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
        make = partial(_own_availability, availability, paths)
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
        plan = BridgePlan(topic, model.qos, _availability(model, paths))
        profile.compiled["bridge", topic] = plan
    return plan


# --- one message -------------------------------------------------------------------------------


def compile_message(
    message: Message, profile: Profile, paths: Mapping[str, str], words: Mapping[str, str]
) -> Handler:
    """Compile one [[message]] for given address values."""
    natures: dict[str, Nature] = {point.name: point.nature for point in profile.body.point}
    opened: Open = compile_open(message, paths)
    required = [(path, compile_path(substitute(path, paths))) for path in message.required]
    gates = [compile_condition(path, want, paths, words) for path, want in message.where.items()]
    rules = [
        compile_rule(
            rule, natures[rule.point], text=message.format == "text", paths=paths, words=words
        )
        for rule in message.set
    ]
    attributes = _attributes(message, paths)
    duplicate = message.duplicate and compile_template(substitute(message.duplicate, words))
    observed = _observed(message, paths, words)
    priority = message.priority and compile_path(substitute(message.priority, paths))

    def handle(came: Came) -> list[Reading]:
        problems: list[str] = []
        scope = opened(came.payload, came.captures, problems)
        found: list[Found] = []
        if required:
            problems += [
                f"缺少 {path} / {path} is missing" for path, read in required if not read(scope)
            ]
        if not gates or _passes(gates, scope, problems):
            for rule in rules:
                rule(scope, found, problems)
        if problems and not any(active for _, active, _ in found):
            raise BadFrame(problems[0], raw=came.payload)
        if not found:
            return []
        noted = attributes(scope) if attributes else {}
        if problems:
            noted = _with_problem(noted, problems[0])
        key = duplicate(scope) if duplicate else None
        when = observed(scope) if observed else None
        level = _level_of(priority(scope)) if priority else None
        return [
            Reading(
                device_id=came.device_id,
                point=point,
                received_ns=came.received_ns,
                active=active,
                value=value,
                observed_ns=when,
                attributes=noted,
                duplicate=_nth(key, found, index) if index else key,
                priority=level,
                retained=came.retained,
            )
            for index, (point, active, value) in enumerate(found)
        ]

    return handle


def _passes(gates: list[Callable[[Scope], bool]], scope: Scope, problems: list[str]) -> bool:
    try:
        return all(gate(scope) for gate in gates)
    except Garble as problem:
        problems.append(str(problem))
        return False


def _nth(key: str | None, found: list[Found], index: int) -> str | None:
    """Two presses in one message share its key but are two: the later ones get a number."""
    if key is None:
        return None
    point = found[index][0]
    before = sum(1 for other, _, _ in found[:index] if other == point)
    return f"{key}#{before}" if before else key


def _level_of(values: list[Any]) -> int | None:
    """Return a priority the message itself states: a JSON number that is 1, 2, 3 or 4."""
    for value in values:
        if (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and value in {1, 2, 3, 4}
        ):
            return int(value)
    return None


def _with_problem(noted: dict[str, Scalar], problem: str) -> dict[str, Scalar]:
    kept = dict(list(noted.items())[: MAX_ATTRIBUTES - 1])
    kept["undecoded"] = problem[:MAX_ATTRIBUTE_CHARS]
    return kept


def _observed(
    message: Message, paths: Mapping[str, str], words: Mapping[str, str]
) -> Callable[[Scope], int | None] | None:
    if message.time is None:
        return None
    read = compile_path(substitute(message.time.path, paths))
    offset = message.time.utc_offset
    zone = None if offset is None else offset_of(substitute(offset, words))
    convert = device_time(message.time.form, zone)

    def observed(scope: Scope) -> int | None:
        values = read(scope)
        return convert(values[0]) if values else None

    return observed


def _attributes(message: Message, paths: Mapping[str, str]) -> Attributes | None:
    wanted = message.attributes
    if wanted == "members":
        return _members
    if not wanted:
        return None
    pairs = wanted.items() if isinstance(wanted, dict) else ((path, path) for path in wanted)
    reads = [(name, compile_path(substitute(path, paths))) for name, path in pairs]

    def capture(scope: Scope) -> dict[str, Scalar]:
        found: dict[str, Scalar] = {}
        for name, read in reads:
            for value in read(scope):
                if isinstance(value, str):
                    found[name] = value[:MAX_ATTRIBUTE_CHARS]
                elif isinstance(value, (int, float)):
                    found[name] = value
        return found

    return capture


def _members(scope: Scope) -> dict[str, Scalar]:
    """Return the first MAX_ATTRIBUTES scalar members of a JSON object, with their JSON types."""
    found: dict[str, Scalar] = {}
    root = scope.root
    if isinstance(root, dict):
        for name, value in root.items():
            if isinstance(value, str):
                value = value[:MAX_ATTRIBUTE_CHARS]  # noqa: PLW2901 the loop is the hot path
            elif value is None or isinstance(value, (dict, list)):
                continue
            found[name[:MAX_ATTRIBUTE_CHARS]] = value
            if len(found) == MAX_ATTRIBUTES:
                break
    return found


# --- online and offline ------------------------------------------------------------------------


def _own_availability(model: Availability, paths: Mapping[str, str]) -> Handler:
    read = _availability(model, paths)

    def handle(came: Came) -> list[Reading]:
        there = read(came.payload)
        return [] if there is None else [_online(came, there=there, attributes={})]

    return handle


def _availability(model: Availability, paths: Mapping[str, str]) -> Callable[[bytes], bool | None]:
    """Return what reads "online", {"state":"online"}, true …; raises BadFrame for other words.

    An empty message says nothing (None): that is how MQTT takes a retained one back.
    """
    inside = None if model.path is None else compile_path(substitute(model.path, paths))
    online = frozenset(word.casefold() for word in model.online)
    offline = frozenset(word.casefold() for word in model.offline)

    def read(payload: bytes) -> bool | None:
        if not payload:
            return None
        value: object = read_text(payload)
        with suppress(BadFrame):  # a bare word is no JSON; it is judged as text below
            value = read_json(payload)
        if inside is not None and isinstance(value, dict):
            values = inside(Scope(value, {}, {}))
            value = values[0] if values else None
        word = _as_text(value).casefold() if isinstance(value, (bool, int, float, str)) else ""
        if word in online:
            return True
        if word in offline:
            return False
        raise BadFrame("不是在线或离线 / neither online nor offline", raw=payload)

    return read


def _online(came: Came, *, there: bool, attributes: dict[str, Scalar]) -> Reading:
    return Reading(
        device_id=came.device_id,
        point=ONLINE_POINT,
        received_ns=came.received_ns,
        value=there,
        attributes=attributes,
        retained=came.retained,
    )


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
    return lambda came: _all_of([(handler, came) for handler in handlers])


def _all_of(pairs: list[tuple[Handler, Came]]) -> list[Reading]:
    """Ask each in turn; one that cannot read it is overruled by one that reads an alarm."""
    readings: list[Reading] = []
    garbled: BadFrame | None = None
    for handler, came in pairs:
        try:
            readings += handler(came)
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


def topic_captures(template: str) -> list[str]:
    """Return the names of the {+captures} of a topic template."""
    return [name[1:] for name, _ in holes(template) if name[:1] == "+"]


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
