"""What the Modbus tables of one profile have to agree on.

Owns    the cross checks of [modbus], [[set]], [[log]], [[query]] and [[command]].
Needs   schema.py, check_value.py, check_rule.py, formula.py, registers.py.
Keeps   See check.py: after these checks making a plan can fail only for a device whose address
        leads outside the map, and that is told as a fault of that device.
"""

from collections.abc import Iterable, Iterator, Mapping

from gateway.events import Nature
from gateway.profile.check_rule import Problem, check_rule
from gateway.profile.check_value import (
    LEAVE_OUT,
    Kinds,
    check_at,
    check_circles,
    check_form,
    check_kinds,
    check_value,
    example_numbers,
    kinds_of,
    known,
    prefixed,
)
from gateway.profile.formula import BadFormula, evaluate
from gateway.profile.payload import offset_of
from gateway.profile.registers import words_of
from gateway.profile.schema import PointModel, ProfileFile
from gateway.profile.schema_modbus import (
    ClockParts,
    Command,
    Confirm,
    Log,
    ModbusSet,
    Query,
    Step,
    ValueForm,
)


def check_modbus(body: ProfileFile) -> Iterator[Problem]:
    """Yield every disagreement between the Modbus tables and the rest of the file."""
    if body.modbus is None:
        yield ("modbus", "缺少 / missing", "[modbus]")
        return
    for key in ("message", "availability", "bridge"):
        if getattr(body, key):
            yield (key, "只用于 mqtt / for mqtt only", LEAVE_OUT)
    unit = body.address.get("unit")
    if unit is None or unit.type != "integer":
        yield ("address.unit", "缺少 / missing", 'type = "integer", 0–255: the unit on the bus')
    names = {value.name: kinds_of(value, body) for value in body.value}
    seen: set[str] = set()
    for index, value in enumerate(body.value):
        key = f"value[{index}]"
        if value.name in seen:
            yield (f"{key}.name", f"重复 / twice: {value.name}", "不同的名字 / names that differ")
        seen.add(value.name)
        yield from prefixed(key, check_value(value, body, names))
    yield from check_circles(body)
    points = {point.name: point for point in body.point}
    for index, rule in enumerate(body.set):
        key = f"set[{index}]"
        yield from prefixed(key, _set(rule, points, names, body))
        if rule.point in points:
            yield from prefixed(key, _polled(rule, points[rule.point], body))
    yield from _rivals(body, points)
    yield from _beyond_values(body)
    yield from _samples(body)


def _beyond_values(body: ProfileFile) -> Iterator[Problem]:
    for index, log in enumerate(body.log):
        yield from prefixed(f"log[{index}]", _log(log, body))
    for index, query in enumerate(body.query):
        yield from prefixed(f"query[{index}]", _query(query, body))
    for index, command in enumerate(body.command):
        yield from prefixed(f"command[{index}]", _command(command, body))


# --- rules, logs, writes -----------------------------------------------------------------------


def _set(
    rule: ModbusSet, points: Mapping[str, PointModel], names: Mapping[str, Kinds], body: ProfileFile
) -> Iterator[Problem]:
    point = points.get(rule.point)
    if point is None:
        yield ("point", f"不认识 / unknown: {rule.point}", known(points))
        return
    for word in ("where", "attributes"):
        for name in getattr(rule, word):
            if name not in names:
                yield (word, f"没有这个值 / no such value: {name}", known(names))
    for name, wanted in rule.where.items():
        yield from check_kinds("where", name, wanted, names.get(name, frozenset()))
    if rule.value is not None and rule.value not in names:
        yield ("value", f"没有这个值 / no such value: {rule.value}", known(names))
    elif rule.value is not None:
        yield from _kinds(rule, rule.value, point.nature, names[rule.value])
    if rule.ack is not None:
        yield from _is_command("ack", rule.ack, body)
    yield from check_rule(rule, point.nature)


def _kinds(rule: ModbusSet, name: str, nature: Nature, kinds: Kinds) -> Iterator[Problem]:
    """A value that can never be what the rule makes of it would be garbled at every poll."""
    for word in ("true_when", "false_when"):
        yield from check_kinds(word, name, getattr(rule, word), kinds)
    if not kinds:
        return
    if nature is Nature.MEASUREMENT and "number" not in kinds:
        yield ("value", f"{name} 不是数字 / is no number", "数字 / a number")
    says = rule.true_when or rule.false_when
    if nature is Nature.STATE and not says and "boolean" not in kinds:
        yield ("true_when", "缺少 / missing", f"{name} 何时为真 / of what {name} says")


def _polled(rule: ModbusSet, point: PointModel, body: ProfileFile) -> Iterator[Problem]:
    if point.nature is Nature.RECORD and rule.value is None:
        yield ("value", "缺少 / missing", "变化时记录的值 / the value whose change is recorded")
    if point.nature is not Nature.MOMENTARY:
        return
    if point.counter_bits is None:
        yield (
            "point",
            "不可表达：轮询看不到一次按下，只看得到寄存器的值 / not expressible: polling sees "
            "what a register holds, not that something happened",
            "state, counter_bits, [[log]] / a state, a counter or a log",
        )
        return
    value = next((value for value in body.value if value.name == rule.value), None)
    width = 0 if value is None or value.at is None else _counter_width(value)
    if width < point.counter_bits:
        told = "不是够宽的整数计数 / no whole-number counter that wide"
        yield ("value", f"{rule.value}: {told}", f"u16, u32, bits, 至少 / >= {point.counter_bits}")
    if rule.values:
        yield ("values", "计数要数字 / a counter is a number", LEAVE_OUT)


def _counter_width(form: ValueForm) -> int:
    """How many bits of a counter this is; 0 when it is none, and its presses would be lost."""
    plain = {"name", "repeat", "at", "function", "form", "word_order", "byte_order", "bits",
             "byte", "period_s", "heartbeat_s", "valid_when", "invalid"}  # fmt: skip
    if form.form[0] != "u" or not form.model_fields_set <= plain:
        return 0
    if form.bits is not None:
        return form.bits[1] - form.bits[0] + 1
    return 8 if form.byte is not None else 16 * words_of(form)


def _rivals(body: ProfileFile, points: Mapping[str, PointModel]) -> Iterator[Problem]:
    """Two rules that always speak make a point flicker: raised and restored at every poll."""
    first: dict[str, int] = {}
    for index, rule in enumerate(body.set):
        point = points.get(rule.point)
        if point is None or point.nature not in {Nature.STATE, Nature.MEASUREMENT} or rule.where:
            continue
        one_sided = rule.else_ == "ignore" and not (rule.true_when and rule.false_when)
        if one_sided or rule.missing == "garbled":
            continue
        if rule.point in first:
            other = f"set[{first[rule.point]}]"
            yield (
                f"set[{index}].point",
                f"{rule.point}: 与 {other} 同时说话 / says something whenever {other} does",
                "where, 或两个点 / where, or two points",
            )
        first.setdefault(rule.point, index)


def _is_command(word: str, name: str, body: ProfileFile) -> Iterator[Problem]:
    if all(command.name != name for command in body.command):
        there = known(command.name for command in body.command)
        yield (word, f"没有这个命令 / no such command: {name}", there)


def _log(log: Log, body: ProfileFile) -> Iterator[Problem]:
    names = {value.name for value in body.value}
    counter = log.newest if log.kind == "ring" else log.pending
    word = "newest" if log.kind == "ring" else "pending"
    if counter is None or counter not in names:
        yield (word, f"没有这个值 / no such value: {counter}", known(names))
    ends = (0, 1, log.wrap - 1) if log.kind == "ring" else (0,)
    for n in ends:
        problems = list(check_at(log.entry, log.function, body, size=log.words, n=n))
        for key, told, expected in problems:
            yield ("entry" if key == "at" else key, told, expected)
        if problems:
            break
    if log.kind == "ring" and (log.wrap < log.size or log.size < 1):
        yield ("wrap", f"{log.wrap} < size {log.size}", "不小于 size / at least size")
    if log.kind == "queue" and log.ack is None:
        yield ("ack", "缺少 / missing", "取走一条的命令 / the command that takes an entry off")
    if log.ack is not None:
        yield from _is_command("ack", log.ack, body)
    yield from _entry(log, body)


def _entry(log: Log, body: ProfileFile) -> Iterator[Problem]:
    own = {value.name: kinds_of(value, body) for value in log.value}
    points = {point.name: point for point in body.point}
    for index, value in enumerate(log.value):
        yield from prefixed(f"value[{index}]", check_form(value))
        if value.at + words_of(value) > log.words:
            yield (f"value[{index}].at", f"{value.at}", f"小于 / below {log.words}")
        if value.bands or value.scale_from or value.decimals_from:
            yield (f"value[{index}]", "日志里无意义 / has no meaning in a log", LEAVE_OUT)
    for index, rule in enumerate(log.set):
        key = f"set[{index}]"
        yield from prefixed(key, _set(rule, points, own, body))
        point = points.get(rule.point)
        if point is not None and point.counter_bits is not None:
            yield (f"{key}.point", "计数点 / the point is a counter", "另一个点 / another point")
    if log.time is not None:
        yield from prefixed("time", _time(log.time, own, body))


def _time(time: ClockParts, names: Iterable[str], body: ProfileFile) -> Iterator[Problem]:
    parts = (time.year, time.month, time.day, time.hour, time.minute)
    if (time.unix_s is None) == (None in parts):
        yield ("", "unix_s 或年月日时分 / unix_s, or year to minute", "其中一种 / one of the two")
    for name in (time.unix_s, *parts, time.second):
        if name is not None and name not in names:
            yield ("", f"没有这个值 / no such value: {name}", known(names))
    offset = time.utc_offset
    if time.unix_s is None and offset is None:
        yield ("utc_offset", "缺少 / missing", '"+08:00"')
    if offset is not None and offset.startswith("{"):
        model = body.address.get(offset[1:-1])
        offset = None if model is None else str(model.default or model.example)
    if offset is not None or (time.utc_offset or "").startswith("{"):
        try:
            offset_of(str(offset))
        except ValueError:
            yield ("utc_offset", f"不是时区 / no offset: {time.utc_offset}", '"+08:00"')


def _steps(steps: Iterable[Step], body: ProfileFile) -> Iterator[Problem]:
    numbers = example_numbers(body)
    for index, step in enumerate(steps):
        key = f"step[{index}]"
        yield from prefixed(key, check_at(step.at, step.function, body, write=True))
        if (step.value is None) == (not step.values):
            yield (f"{key}.value", "value 与 values / value and values", "正好一个 / one of them")
        if step.values and step.function != 16:
            yield (f"{key}.function", f"{step.function}", "16")
        if isinstance(step.value, bool) and step.function not in {5, 15}:
            yield (f"{key}.value", "true/false", "数字 / a number, for function 6 and 16")
        if isinstance(step.value, str):
            try:
                evaluate(step.value, numbers)
            except BadFormula as error:
                yield (f"{key}.value", str(error), "公式 / a formula of the address keys")


def _command(command: Command, body: ProfileFile) -> Iterator[Problem]:
    yield from _steps(command.step, body)
    twins = [each for each in body.command if each.name == command.name]
    if len(twins) > 1:
        yield ("name", f"重复 / twice: {command.name}", "不同的名字 / names that differ")
    if command.confirm is not None:
        yield from prefixed("confirm", _confirm(command.confirm, body))
    if command.effect in {"close", "open"} and command.confirm is None:
        yield (
            "confirm",
            "缺少：阀门要看位置，不是看写过 / missing: a valve is proved by its position",
            "{ value, in, within_s }",
        )
    if command.broadcast and command.effect in {"close", "open"}:
        yield ("broadcast", "广播没有应答 / a broadcast has no answer", LEAVE_OUT)


def _confirm(confirm: Confirm, body: ProfileFile) -> Iterator[Problem]:
    value = next((each for each in body.value if each.name == confirm.value), None)
    if value is None:
        there = known(each.name for each in body.value)
        yield ("value", f"没有这个值 / no such value: {confirm.value}", there)
        return
    yield from check_kinds("in", confirm.value, confirm.in_, kinds_of(value, body))


def _query(query: Query, body: ProfileFile) -> Iterator[Problem]:
    names = {value.name for value in body.value}
    yield from _steps(query.step, body)
    yield from prefixed("done", _confirm(query.done, body))
    for word, named in (("good", query.good), ("value", query.value)):
        for name in named:
            if name not in names:
                yield (word, f"没有这个值 / no such value: {name}", known(names))
    for value in body.value:
        if value.name in query.value and value.at is None:
            yield ("value", f"{value.name}: 没有寄存器 / without a register", "at")
    if query.done.value in query.value:
        yield ("done", "与 value 重复 / is one of value too", "不在其中 / not among them")


def _samples(body: ProfileFile) -> Iterator[Problem]:
    for index, sample in enumerate(body.sample):
        key = f"sample[{index}]"
        if not sample.words:
            yield (f"{key}.words", "缺少 / missing", '{ "40001" = [0x0001] }')
        if any((sample.topic, sample.payload, sample.hex, sample.base64)):
            yield (key, "只用于 mqtt / for mqtt only", "words")
        if sample.log is not None and all(log.name != sample.log for log in body.log):
            there = known(log.name for log in body.log)
            yield (f"{key}.log", f"不认识 / unknown: {sample.log}", there)
