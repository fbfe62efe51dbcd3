"""What a message means for one point: [[message.set]] and `where`, compiled into functions.

Owns    matching, truth, numbers, enumerations.
Needs   path.py, payload.py, schema_rule.py.
Keeps   1. Types are the message's own: true is not 1 and "1" is not 1. A value of a type that the
           profile does not foresee is a problem, never silently "no".
        2. One rule's problem does not silence another rule: problems are collected beside what
           was found, and mqtt.py decides.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.events import MAX_ATTRIBUTE_CHARS, Nature, Scalar
from gateway.profile.path import Read, Scope, compile_path, substitute
from gateway.profile.payload import Garble, linear, read_number_text
from gateway.profile.schema_rule import Match, RuleModel

Found = tuple[str, bool | None, Scalar | None]
"""Point, active, value."""
Rule = Callable[[Scope, list[Found], list[str]], None]
"""Look at a scope, add what was found and what was wrong."""
Condition = Callable[[Scope], bool]
Typed = tuple[str, Any]

MAX_ELEMENTS: Final = 256
"""Elements of one array an `each` looks at; more make the message garbled."""


def typed(value: object) -> Typed:
    """Return a key under which equal JSON values, and only those, are equal."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, (int, float)):
        return ("number", value)
    if isinstance(value, str):
        return ("text", value)
    return ("other", None)


def compile_condition(
    path: str, wanted: object, paths: Mapping[str, str], words: Mapping[str, str]
) -> Condition:
    """Compile one entry of a `where` table; the condition raises Garble for a foreign type."""
    read = compile_path(substitute(path, paths))
    ignored: frozenset[Typed] = frozenset()
    strict = False
    if isinstance(wanted, Match):
        ignored = _typed_set(wanted.ignore, words)
        strict = wanted.else_ == "garbled"
        accepted = _typed_set(wanted.in_, words)
    else:
        accepted = _typed_set(wanted if isinstance(wanted, list) else [wanted], words)
    kinds = {kind for kind, _ in accepted | ignored}

    def holds(scope: Scope) -> bool:
        stranger: str | None = None
        for value in read(scope):
            key = typed(value)
            if key in accepted:
                return True
            if key not in ignored and (strict or key[0] not in kinds):
                stranger = key[0]
        if stranger is not None:
            raise Garble(f"{path} 的内容不认识 / {path}: a {stranger} the profile does not know")
        return False

    return holds


def _typed_set(values: list[Any], words: Mapping[str, str]) -> frozenset[Typed]:
    return frozenset(
        typed(substitute(value, words) if isinstance(value, str) else value) for value in values
    )


def compile_rule(
    rule: RuleModel,
    nature: Nature,
    *,
    text: bool,
    paths: Mapping[str, str],
    words: Mapping[str, str],
    each: str | None = None,
) -> Rule:
    """Compile one [[message.set]] or [[set]].

    nature  of the rule's point
    text    the message is plain text, so numbers come as text
    paths   address values as they go into paths; words: as they go into texts
    each    a path to an array: the rule is tried on every element
    """
    conditions = [
        compile_condition(path, wanted, paths, words) for path, wanted in rule.where.items()
    ]
    read_each = None if each is None else compile_path(substitute(each, paths))
    if rule.value is None:
        give = _constant(rule, nature)
    else:
        read = compile_path(substitute(rule.value, paths))
        give = _reader(rule, read, _judge(rule, nature, text=text, words=words))

    def apply(scope: Scope, found: list[Found], problems: list[str]) -> None:
        try:
            for condition in conditions:
                if not condition(scope):
                    return
            give(scope, found, problems)
        except Garble as problem:
            problems.append(str(problem))

    if read_each is None:
        return apply
    return _for_each(read_each, apply, each or "")


def _for_each(each: Read, apply: Rule, path: str) -> Rule:
    def apply_each(scope: Scope, found: list[Found], problems: list[str]) -> None:
        for array in each(scope):
            if not isinstance(array, list):
                problems.append(f"{path} 不是数组 / {path} is not an array")
                continue
            if len(array) > MAX_ELEMENTS:
                problems.append(f"{path} 元素过多 / {path} has too many elements")
            for element in array[:MAX_ELEMENTS]:
                apply(Scope(element, scope.fields, scope.captures), found, problems)

    return apply_each


def _constant(rule: RuleModel, nature: Nature) -> Rule:
    active = rule.active
    if active is None and nature is Nature.MOMENTARY:
        active = True
    item: Found = (rule.point, active, None)

    def give(scope: Scope, found: list[Found], problems: list[str]) -> None:
        del scope, problems
        found.append(item)

    return give


Judge = Callable[[Any], Found | None]


def _reader(rule: RuleModel, read: Read, judge: Judge) -> Rule:
    missing: list[Any] = [] if rule.default is None else [rule.default]
    garbled = rule.missing == "garbled"
    path = rule.value

    def give(scope: Scope, found: list[Found], problems: list[str]) -> None:
        values = read(scope) or missing
        if not values and garbled:
            raise Garble(f"缺少 {path} / {path} is missing")
        for value in values:
            try:
                item = judge(value)
            except Garble as problem:
                problems.append(f"{path}: {problem}")
            else:
                if item is not None:
                    found.append(item)

    return give


def _judge(rule: RuleModel, nature: Nature, *, text: bool, words: Mapping[str, str]) -> Judge:
    """Return what turns one value into a reading, or None where it means nothing."""
    if nature is Nature.MEASUREMENT:
        return _measure(rule, text=text)
    truth = _truth(rule, nature, words)
    names = rule.values
    point, invert = rule.point, rule.invert

    def judge(value: Any) -> Found | None:  # noqa: ANN401 JSON
        active = truth(value)
        if active is _NOTHING:
            return None
        if invert and active is not None:
            active = not active
        if nature is Nature.MOMENTARY and not active:
            return None
        if nature is Nature.RECORD:
            active = None
        shown: Scalar | None = names.get(_as_key(value)) if names else None
        if shown is None and nature is not Nature.STATE:
            shown = _scalar(value)
        return (point, active, shown)

    return judge


_NOTHING: Any = object()


def _truth(rule: RuleModel, nature: Nature, words: Mapping[str, str]) -> Callable[[Any], Any]:
    """Return what says True, False, or _NOTHING of a value; raises Garble for a foreign one."""
    yes, no = _typed_set(rule.true_when, words), _typed_set(rule.false_when, words)
    if not yes and not no:
        if nature is not Nature.STATE:
            # A press or a record happens whatever the value is.
            return lambda _value: True
        yes, no = frozenset({("boolean", True)}), frozenset({("boolean", False)})
    otherwise = {"active": True, "inactive": False, "ignore": _NOTHING}.get(rule.else_)

    def truth(value: Any) -> Any:  # noqa: ANN401 bool or _NOTHING
        key = typed(value)
        if key in yes:
            return True
        if key in no:
            return False
        if otherwise is None or key[0] == "other":
            raise Garble(f"不认识的内容 / a {key[0]} the profile does not know")
        return otherwise

    return truth


def _measure(rule: RuleModel, *, text: bool) -> Judge:
    low, high = rule.min, rule.max
    invalid = frozenset(typed(value) for value in rule.invalid)

    def judge(value: Any) -> Found:  # noqa: ANN401 JSON
        if typed(value) in invalid:
            return (rule.point, rule.active, None)
        if text and isinstance(value, str):
            value = read_number_text(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Garble("不是数字 / not a number")
        if typed(value) in invalid:
            return (rule.point, rule.active, None)
        number = linear(value, rule.scale, rule.offset)
        if (low is not None and number < low) or (high is not None and number > high):
            raise Garble("超出量程 / outside the range the profile allows")
        return (rule.point, rule.active, number)

    return judge


def _as_key(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _scalar(value: object) -> Scalar | None:
    if isinstance(value, str):
        return value[:MAX_ATTRIBUTE_CHARS]
    return value if isinstance(value, (bool, int, float)) else None
