"""What the tables of one profile have to agree on, beyond what each of them says alone.

Owns    the cross checks: names that must exist, words that make no sense together.
Needs   schema.py, path.py, model.py.
Keeps   1. What the language cannot carry out is refused here with a message; after these checks
           compiling a plan cannot fail.
        2. Every fault is reported, not only the first.
"""

import re
from collections.abc import Iterator

from gateway.events import NEVER_FOLDED, Category, Kind, Nature
from gateway.profile.check_modbus import check_modbus
from gateway.profile.check_mqtt import check_mqtt
from gateway.profile.check_rule import Problem
from gateway.profile.model import default_category, make_profile
from gateway.profile.schema import PointModel, ProfileFile
from gateway.profile.words import MESSAGE_DRIVERS


def check_profile(body: ProfileFile) -> list[Problem]:
    """Return every disagreement between the tables of a file."""
    problems = [*_source(body), *_address(body), *_points(body), *_samples(body)]
    speaks = body.profile.driver in MESSAGE_DRIVERS
    problems += check_mqtt(body) if speaks else check_modbus(body)
    return problems


def _source(body: ProfileFile) -> Iterator[Problem]:
    if "://" in body.source.document + (body.source.note or ""):
        yield ("source.document", "含网址 / holds a web address", "名称和章节 / title and chapter")


def _samples(body: ProfileFile) -> Iterator[Problem]:
    for index, sample in enumerate(body.sample):
        if body.profile.driver not in MESSAGE_DRIVERS:
            continue
        if sum(way is not None for way in (sample.payload, sample.hex, sample.base64)) != 1:
            problem = "报文写法不对 / the payload is not given once"
            yield (f"sample[{index}]", problem, "payload、hex、base64 之一 / exactly one of them")


def _address(body: ProfileFile) -> Iterator[Problem]:
    for name, model in body.address.items():
        key = f"address.{name}"
        if (model.type == "choice") != bool(model.choices):
            yield (
                f"{key}.choices",
                "与 type 不符 / does not fit type",
                "只用于 choice / for choice only",
            )
        if model.pattern is not None:
            try:
                re.compile(model.pattern)
            except re.error as error:
                yield (f"{key}.pattern", f"{error}", "正则表达式 / a regular expression")
                continue
        if model.default is None and model.example is None:
            yield (f"{key}.example", "缺少 / missing", "示例值 / a value the samples can use")
    yield from _address_values(body)


def _address_values(body: ProfileFile) -> Iterator[Problem]:
    try:
        keys = make_profile("check", body).address
    except re.error:
        return
    for name, key in keys.items():
        for which in ("default", "example"):
            value = getattr(key, which)
            try:
                fault = None if value is None else key.fault_of(value)
            except re.error:
                return
            if fault is not None:
                yield (f"address.{name}.{which}", *fault)


# --- points ------------------------------------------------------------------------------------


def _points(body: ProfileFile) -> Iterator[Problem]:
    names = [point.name for point in body.point]
    used = {rule.point for message in body.message for rule in message.set}
    used |= {rule.point for rules in (body.set, *(log.set for log in body.log)) for rule in rules}
    for index, point in enumerate(body.point):
        key = f"point[{index}]"
        if point.name in names[:index]:
            yield (f"{key}.name", f"重复 / twice: {point.name}", "不同的名字 / names that differ")
        if point.name not in used:
            yield (
                f"{key}.name",
                f"没有规则设置它 / no rule sets {point.name}",
                "[[message.set]] / [[set]]",
            )
        kind = _kind_of(point, body)
        if kind is None:
            yield (f"{key}.kind", f"不认识 / unknown: {point.kind}", "kind: " + " ".join(Kind))
            continue
        for word, problem, expected in _point(point, kind):
            yield (f"{key}.{word}", problem, expected)


def _kind_of(point: PointModel, body: ProfileFile) -> Kind | None:
    if point.kind.startswith("{") and point.kind.endswith("}"):
        model = body.address.get(point.kind[1:-1])
        return Kind.ACCESS if model is not None and model.type == "kind" else None
    return Kind(point.kind) if point.kind in set(Kind) else None


_LASTING = ("on_delay_s", "off_delay_s", "debounce_s", "auto_restore_s", "accept_retained")
_THRESHOLDS = ("alarm_above", "restore_below", "alarm_below", "restore_above")


def _point(point: PointModel, kind: Kind) -> Iterator[Problem]:
    lasting = point.nature in {Nature.STATE, Nature.MEASUREMENT}
    no_use = f"对 {point.nature} 无意义 / has no meaning for {point.nature}"
    for word in (*_LASTING, *_THRESHOLDS):
        allowed = lasting if word in _LASTING else point.nature is Nature.MEASUREMENT
        if getattr(point, word) is not None and not allowed:
            yield (word, no_use, "去掉 / leave it out")
    category = point.category or default_category(point, kind)
    if kind in NEVER_FOLDED and category is Category.ALARM and point.latch is False:
        yield ("latch", "此类报警必须锁定 / this kind latches", "true 或不写 / true or left out")
    if point.accept_retained and kind in {Kind.PANIC, Kind.DURESS}:
        yield ("accept_retained", "保留消息不能触发紧急求助 / never for panic and duress", "false")
    recorded = category is Category.RECORD
    if recorded != (point.nature is Nature.RECORD) and not (
        recorded and point.nature is Nature.STATE
    ):
        yield ("category", f"{category}", "nature 与 category 同为 record / both record or neither")
    if point.counter_bits is not None and point.nature is not Nature.MOMENTARY:
        yield ("counter_bits", no_use, "momentary")
    if category is Category.READING and point.nature is not Nature.MEASUREMENT:
        yield ("category", f"{category}", "reading 只用于测量 / reading is for measurements")
    yield from _thresholds(point)


def _thresholds(point: PointModel) -> Iterator[Problem]:
    above, below = point.alarm_above, point.alarm_below
    if point.restore_below is not None and (above is None or point.restore_below > above):
        yield (
            "restore_below",
            f"{point.restore_below}",
            "不高于 alarm_above / at most alarm_above",
        )
    if point.restore_above is not None and (below is None or point.restore_above < below):
        yield (
            "restore_above",
            f"{point.restore_above}",
            "不低于 alarm_below / at least alarm_below",
        )
    if above is not None and below is not None:
        top = above if point.restore_below is None else point.restore_below
        floor = below if point.restore_above is None else point.restore_above
        if floor >= top:
            yield (
                "alarm_below",
                "没有正常范围 / leaves no normal range",
                "低于上限 / below the upper one",
            )
