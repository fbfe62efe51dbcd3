"""What the words of one rule have to agree on, whatever way the device talks.

Owns    the cross checks inside one [[message.set]] or [[set]].
Needs   schema_rule.py.
"""

from collections.abc import Iterator

from gateway.events import Nature
from gateway.profile.schema_rule import RuleModel

Problem = tuple[str, str, str]
"""Dotted key, what is wrong, what was expected."""

_LEAVE_OUT = "去掉 / leave it out"


def check_rule(rule: RuleModel, nature: Nature) -> Iterator[Problem]:
    """Yield every disagreement, with the word it is about as the key."""
    yield from (_constant_words if rule.value is None else _value_words)(rule, nature)


_NUMBER_WORDS = ("scale", "offset", "min", "max", "invalid")
_TRUTH_WORDS = ("true_when", "false_when", "values", "invert")
_UNSET: tuple[object, ...] = (None, False, [], {})


def _constant_words(rule: RuleModel, nature: Nature) -> Iterator[Problem]:
    for word in ("default", *_NUMBER_WORDS, *_TRUTH_WORDS):
        if getattr(rule, word) not in _UNSET:
            yield (word, "没有 value / without value", "写上 value / give the value's path")
    if nature is Nature.STATE and rule.active is None:
        yield ("active", "缺少 / missing", "value 或 / or active")
    if nature is Nature.MEASUREMENT:
        yield ("value", "缺少 / missing", "测量值的路径 / the path of what is measured")
    if rule.active is False and nature is not Nature.STATE:
        yield ("active", f"false ({nature})", "true 或不写 / true or left out")


def _value_words(rule: RuleModel, nature: Nature) -> Iterator[Problem]:
    measuring = nature is Nature.MEASUREMENT
    if rule.active is not None and not measuring:
        yield ("active", "与 value 并用 / together with value", "二选一 / one of the two")
    for word in _TRUTH_WORDS if measuring else _NUMBER_WORDS:
        if getattr(rule, word) not in _UNSET:
            yield (word, f"对 {nature} 无意义 / has no meaning for {nature}", _LEAVE_OUT)
    both = [
        value
        for value in rule.true_when
        for other in rule.false_when
        if type(value) is type(other) and value == other
    ]
    if both:
        yield ("false_when", f"两边都有 / in both: {both}", "只在一边 / in one of them")
