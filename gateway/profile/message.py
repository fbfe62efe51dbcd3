"""One message of one device: what came, and the readings it means.

Owns    how the parts of a [[message]] and an [[availability]] are put together.
Needs   envelope.py, rules.py, notes.py, online.py. Which message a topic has is for mqtt.py.
Keeps   See mqtt.py: only BadFrame is raised, and an alarm that could be read is not lost to what
        could not.
"""

from collections.abc import Callable, Mapping

from gateway.errors import BadFrame
from gateway.events import ONLINE_POINT, Nature, Reading, Scalar
from gateway.profile.envelope import compile_open
from gateway.profile.model import Profile
from gateway.profile.notes import (
    bound_members,
    compile_attributes,
    compile_observed,
    level_of,
    with_problem,
)
from gateway.profile.online import compile_availability
from gateway.profile.path import (
    Scope,
    compile_path,
    compile_template,
    single_member,
    substitute,
)
from gateway.profile.payload import Garble, read_json
from gateway.profile.rules import Found, compile_condition, compile_rule
from gateway.profile.schema_mqtt import Availability, Message

Captures = Mapping[str, str]
"""What the {+captures} of a topic caught."""


Handler = Callable[[str, bytes, int, Captures], list[Reading]]
"""Device id, payload, received_ns, captures → readings; mqtt.py marks retained ones afterwards."""


def compile_message(
    message: Message, profile: Profile, paths: Mapping[str, str], words: Mapping[str, str]
) -> Handler:
    """Compile one [[message]] for given address values."""
    natures = {point.name: point.nature for point in profile.body.point}
    plain = _plain(message, natures, paths)
    if plain is not None:
        return plain
    opened = compile_open(message, paths)
    ignores_empty = message.empty == "ignore"
    required = [(path, compile_path(substitute(path, paths))) for path in message.required]
    gates = [compile_condition(path, want, paths, words) for path, want in message.where.items()]
    rules = [
        compile_rule(
            rule,
            natures[rule.point],
            text=message.format == "text",
            paths=paths,
            words=words,
            each=rule.each,
        )
        for rule in message.set
    ]
    attributes = compile_attributes(message, paths)
    duplicate = message.duplicate and compile_template(substitute(message.duplicate, words))
    observed = compile_observed(message, paths, words)
    priority = message.priority and compile_path(substitute(message.priority, paths))

    def handle(
        device_id: str, payload: bytes, received_ns: int, captures: Captures
    ) -> list[Reading]:
        if ignores_empty and not payload:
            return []
        problems: list[str] = []
        scope = opened(payload, captures, problems)
        found: list[Found] = []
        if required:
            problems += [
                f"缺少 {path} / {path} is missing" for path, read in required if not read(scope)
            ]
        if not gates or _passes(gates, scope, problems):
            for rule in rules:
                rule(scope, found, problems)
        if problems and not any(active for _, active, _ in found):
            raise BadFrame(problems[0], raw=payload)
        if not found:
            return []
        noted = attributes(scope) if attributes else {}
        if problems:
            noted = with_problem(noted, problems[0])
        key = duplicate(scope) if duplicate else None
        when = observed(scope) if observed else None
        level = next(map(level_of, priority(scope)), None) if priority else None
        return [
            Reading(
                device_id=device_id,
                point=point,
                received_ns=received_ns,
                active=active,
                value=value,
                observed_ns=when,
                attributes=noted,
                duplicate=_nth(key, found, index) if index else key,
                priority=level,
            )
            for index, (point, active, value) in enumerate(found)
        ]

    return handle


def _plain(
    message: Message, natures: Mapping[str, Nature], paths: Mapping[str, str]
) -> Handler | None:
    """Compile the shortest message there is: any JSON is one occurrence of one point.

    The same meaning as the general way, at half its cost: the generic profiles carry the
    gateway's load tests and its busiest event feeds. None when the message says more than that.
    """
    rule = message.set[0]
    spoken = message.model_fields_set - {"topic", "qos", "format", "root", "attributes", "priority"}
    member = None
    if message.priority is not None:
        member = single_member(substitute(message.priority, paths))
    if (
        spoken != {"set"}
        or len(message.set) != 1
        or rule.model_fields_set != {"point"}
        or message.format != "json"
        or message.attributes != "members"
        or (member is None) != (message.priority is None)
    ):
        return None
    point, any_root = rule.point, message.root == "any"
    active = True if natures[point] is Nature.MOMENTARY else None

    def handle(
        device_id: str, payload: bytes, received_ns: int, captures: Captures
    ) -> list[Reading]:
        del captures
        root = read_json(payload)
        noted: dict[str, Scalar] = {}
        level = None
        if isinstance(root, dict):
            noted = bound_members(root, len(payload))
            if member is not None:
                level = level_of(root.get(member))
        elif not any_root:
            raise BadFrame("不是 JSON 对象 / not a JSON object", raw=payload)
        return [
            Reading(
                device_id=device_id,
                point=point,
                received_ns=received_ns,
                active=active,
                attributes=noted,
                priority=level,
            )
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


def compile_own_availability(model: Availability, paths: Mapping[str, str]) -> Handler:
    """Compile one [[availability]] of the device itself."""
    read = compile_availability(model, paths)

    def handle(
        device_id: str, payload: bytes, received_ns: int, captures: Captures
    ) -> list[Reading]:
        del captures
        there = read(payload)
        return [] if there is None else [online_reading(device_id, received_ns, {}, there=there)]

    return handle


def online_reading(
    device_id: str, received_ns: int, attributes: dict[str, Scalar], *, there: bool
) -> Reading:
    """Return what supervision hears of a device."""
    return Reading(
        device_id=device_id,
        point=ONLINE_POINT,
        received_ns=received_ns,
        value=there,
        attributes=attributes,
    )
