"""What the Modbus tables of one profile have to agree on.

Owns    the cross checks of [modbus], [[value]], [[set]], [[log]], [[query]] and [[command]].
Needs   schema.py, formula.py, repeat.py, registers.py, meaning.py.
Keeps   See check.py: after these checks making a plan can fail only for a device whose address
        leads outside the map, and that is told as a fault of that device.
"""

import itertools
from collections.abc import Iterable, Iterator

from gateway.events import Nature
from gateway.profile.check_rule import Problem, check_rule
from gateway.profile.formula import BadFormula, evaluate, names_in, on_the_wire
from gateway.profile.meaning import needs_of
from gateway.profile.payload import offset_of
from gateway.profile.registers import words_of
from gateway.profile.schema import ProfileFile
from gateway.profile.schema_modbus import (
    ClockParts,
    Command,
    Log,
    ModbusSet,
    Query,
    Step,
    Value,
    ValueForm,
)

_LEAVE_OUT = "去掉 / leave it out"


def check_modbus(body: ProfileFile) -> Iterator[Problem]:
    """Yield every disagreement between the Modbus tables and the rest of the file."""
    if body.modbus is None:
        yield ("modbus", "缺少 / missing", "[modbus]")
        return
    for key in ("message", "availability", "bridge"):
        if getattr(body, key):
            yield (key, "只用于 mqtt / for mqtt only", _LEAVE_OUT)
    unit = body.address.get("unit")
    if unit is None or unit.type != "integer":
        yield ("address.unit", "缺少 / missing", 'type = "integer", 0–255: the unit on the bus')
    names = [value.name for value in body.value]
    for index, value in enumerate(body.value):
        key = f"value[{index}]"
        if value.name in names[:index]:
            yield (f"{key}.name", f"重复 / twice: {value.name}", "不同的名字 / names that differ")
        yield from _prefixed(key, _value(value, body))
    yield from _circles(body)
    for index, rule in enumerate(body.set):
        yield from _prefixed(f"set[{index}]", _set(rule, body, set(names), polled=True))
    yield from _beyond_values(body)
    yield from _samples(body)


def _beyond_values(body: ProfileFile) -> Iterator[Problem]:
    for index, log in enumerate(body.log):
        yield from _prefixed(f"log[{index}]", _log(log, body))
    for index, query in enumerate(body.query):
        yield from _prefixed(f"query[{index}]", _query(query, body))
    for index, command in enumerate(body.command):
        yield from _prefixed(f"command[{index}]", _command(command, body))


def _prefixed(key: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    for word, problem, expected in problems:
        yield (f"{key}.{word}" if word else key, problem, expected)


def _numbers(body: ProfileFile) -> dict[str, int]:
    """The numbers of an example device, for trying formulas."""
    numbers: dict[str, int] = {}
    for name, key in body.address.items():
        value = key.default if key.example is None else key.example
        if isinstance(value, int) and not isinstance(value, bool):
            numbers[name] = value
    return numbers


def _at(
    at: int | str, function: int | None, body: ProfileFile, *, write: bool = False, n: bool = False
) -> Iterator[Problem]:
    modbus = body.modbus
    assert modbus is not None  # noqa: S101 check_modbus has looked
    numbers = {**_numbers(body), **({"n": 1} if n else {})}
    try:
        if isinstance(at, str):
            for name in sorted(names_in(at) - numbers.keys()):
                known = ", ".join(numbers) or "(无 / none)"
                yield ("at", f"不认识 / unknown: {name}", f"整数键 / whole-number keys: {known}")
                return
        meant, _ = on_the_wire(evaluate(at, numbers), modbus.numbering, function or modbus.function)
    except BadFormula as error:
        yield ("at", str(error), "地址或公式 / an address or a formula")
        return
    if meant is None and not write:
        yield ("function", "缺少 / missing", "1–4, 或 / or modbus.function")
    if modbus.numbering == "reference" and function is not None and not write:
        yield ("function", "编号已说明 / the reference number says it", _LEAVE_OUT)


def _function_of(value: Value, body: ProfileFile) -> int | None:
    assert body.modbus is not None  # noqa: S101
    try:
        number = evaluate(value.at or 0, _numbers(body))
        return on_the_wire(number, body.modbus.numbering, value.function or body.modbus.function)[0]
    except BadFormula:
        return None


# --- values ------------------------------------------------------------------------------------


def _value(value: Value, body: ProfileFile) -> Iterator[Problem]:
    names = {each.name for each in body.value}
    if sum(way is not None for way in (value.at, value.compare, value.key)) != 1:
        yield ("at", "at、compare、key / at, compare and key", "正好一个 / exactly one of them")
    if value.key is not None:
        yield from _key(value, body)
    if value.at is not None:
        yield from _at(value.at, value.function, body)
        yield from _form(value)
        yield from _fits_function(value, body)
    if value.compare is not None:
        compare = value.compare
        if (compare.at_least is None) == (compare.at_most is None):
            yield ("compare", "at_least, at_most", "正好一个 / exactly one of them")
    for name in sorted(needs_of(value) | ({value.unit_from} if value.unit_from else set())):
        if name not in names:
            yield ("", f"没有这个值 / no such value: {name}", _known(names))
    if value.heartbeat_s is not None and value.at is None:
        yield ("heartbeat_s", "没有寄存器 / without a register", "at")


_KEY_TYPES = ("integer", "number", "boolean", "choice", "text")


def _key(value: Value, body: ProfileFile) -> Iterator[Problem]:
    model = body.address.get(str(value.key))
    if model is None or model.type not in _KEY_TYPES:
        kinds = ", ".join(_KEY_TYPES)
        yield ("key", f"没有这样的键 / no such key: {value.key}", f"[address.*] type: {kinds}")
    for word in sorted(value.model_fields_set - {"name", "repeat", "key"}):
        yield (word, "与 key 并用 / together with key", _LEAVE_OUT)


def _known(names: Iterable[str]) -> str:
    return "其中之一 / one of " + ", ".join(sorted(names)[:20])


def _fits_function(value: Value, body: ProfileFile) -> Iterator[Problem]:
    function = _function_of(value, body)
    if function is None or body.modbus is None:
        return
    if (function in {1, 2}) != (value.form == "bit"):
        yield ("form", f"{value.form}, 功能码 / function {function}", "bit: 1, 2; others: 3, 4")
    limit = body.modbus.max_bits if function in {1, 2} else body.modbus.max_registers
    if words_of(value) > limit:
        yield ("words", f"{words_of(value)} > {limit}", "max_registers 以内 / within it")


def _form(form: ValueForm) -> Iterator[Problem]:
    width = 16 * words_of(form)
    whole = form.form[0] in "usm" and form.form != "bit"
    ways = [form.bit is not None, form.bits is not None, form.byte is not None]
    if sum(ways) > 1 or (any(ways) and not whole):
        yield ("bit", "bit, bits, byte", "最多一个，只用于整数 / at most one, of whole numbers")
    if form.bit is not None and form.bit >= width:
        yield ("bit", f"{form.bit}", f"0–{width - 1}")
    if form.bits is not None and not 0 <= form.bits[0] <= form.bits[1] < width:
        yield ("bits", f"{form.bits}", f"[低 low, 高 high], 0–{width - 1}")
    if (form.words is not None) != (form.form in {"digits", "text"}):
        yield ("words", f"{form.form}", "用于且必须用于 digits、text / for these, and needed there")
    if form.signed and not (form.bits or form.byte):
        yield ("signed", "没有 bits 或 byte / without bits or byte", "s16, s32 …")
    numeric = form.form not in {"text", "bit"} and form.bit is None
    numeric_words = ("subtract", "scale", "divide", "offset", "scale_from", "decimals_from",
                     "invalid", "names", "bands")  # fmt: skip
    for word in numeric_words:
        if getattr(form, word) not in (None, [], {}) and not numeric:
            yield (word, f"对 {form.form} 无意义 / has no meaning here", _LEAVE_OUT)
    if form.divide == 0:
        yield ("divide", "0", "非零 / not zero")
    if form.names and any((form.scale, form.subtract, form.divide, form.offset, form.bands)):
        yield ("names", "与换算并用 / together with a scale", "二选一 / one of the two")
    yield from _bands(form)


def _bands(form: ValueForm) -> Iterator[Problem]:
    edges = sorted((band.from_, band.to, band.name) for band in form.bands)
    for low, high, name in edges:
        if low > high:
            yield ("bands", f"{name}: {low} > {high}", "from ≤ to")
    for (_, high, one), (low, _, other) in itertools.pairwise(edges):
        if low <= high:
            yield ("bands", f"重叠 / overlap: {one}, {other}", "互不相交 / apart from each other")
    if (form.else_band or form.hysteresis) and not form.bands:
        yield ("bands", "缺少 / missing", "[[value.bands]]")


def _circles(body: ProfileFile) -> Iterator[Problem]:
    needs = {value.name: needs_of(value) - {value.name} for value in body.value}
    while True:
        free = [name for name, others in needs.items() if not others & needs.keys()]
        if not free:
            break
        for name in free:
            del needs[name]
    if needs:
        names = ", ".join(sorted(needs))
        yield ("value", f"互相依赖 / depend on each other: {names}", "没有环 / no circle")


# --- rules, logs, writes -----------------------------------------------------------------------


def _set(rule: ModbusSet, body: ProfileFile, names: set[str], *, polled: bool) -> Iterator[Problem]:
    point = next((point for point in body.point if point.name == rule.point), None)
    if point is None:
        points = _known(each.name for each in body.point)
        yield ("point", f"不认识 / unknown: {rule.point}", points)
        return
    if rule.value is not None and rule.value not in names:
        yield ("value", f"没有这个值 / no such value: {rule.value}", _known(names))
    for word in ("where", "attributes"):
        for name in getattr(rule, word):
            if name not in names:
                yield (word, f"没有这个值 / no such value: {name}", _known(names))
    if rule.ack is not None:
        yield from _is_command("ack", rule.ack, body)
    if polled:
        if point.nature is Nature.MOMENTARY and point.counter_bits is None:
            yield (
                "point",
                "不可表达：轮询看不到一次按下，只看得到寄存器的值 / not expressible: polling sees "
                "what a register holds, not that something happened",
                "state, counter_bits, [[log]] / a state, a counter or a log",
            )
        if point.nature is Nature.RECORD and rule.value is None:
            yield ("value", "缺少 / missing", "变化时记录的值 / the value whose change is recorded")
    yield from check_rule(rule, point.nature)


def _is_command(word: str, name: str, body: ProfileFile) -> Iterator[Problem]:
    if all(command.name != name for command in body.command):
        known = _known(command.name for command in body.command)
        yield (word, f"没有这个命令 / no such command: {name}", known)


def _log(log: Log, body: ProfileFile) -> Iterator[Problem]:
    names = {value.name for value in body.value}
    counter = log.newest if log.kind == "ring" else log.pending
    word = "newest" if log.kind == "ring" else "pending"
    if counter is None or counter not in names:
        yield (word, f"没有这个值 / no such value: {counter}", _known(names))
    yield from _at(log.entry, log.function, body, n=True)
    if log.kind == "ring" and (log.wrap < log.size or log.size < 1):
        yield ("wrap", f"{log.wrap} < size {log.size}", "不小于 size / at least size")
    if log.kind == "queue" and log.ack is None:
        yield ("ack", "缺少 / missing", "取走一条的命令 / the command that takes an entry off")
    if log.ack is not None:
        yield from _is_command("ack", log.ack, body)
    own = {value.name for value in log.value}
    for index, value in enumerate(log.value):
        yield from _prefixed(f"value[{index}]", _form(value))
        if value.at + words_of(value) > log.words:
            yield (f"value[{index}].at", f"{value.at}", f"小于 / below {log.words}")
        if value.bands or value.scale_from or value.decimals_from:
            yield (f"value[{index}]", "日志里无意义 / has no meaning in a log", _LEAVE_OUT)
    for index, rule in enumerate(log.set):
        yield from _prefixed(f"set[{index}]", _set(rule, body, own, polled=False))
    if log.time is not None:
        yield from _prefixed("time", _time(log.time, own, body))


def _time(time: ClockParts, names: set[str], body: ProfileFile) -> Iterator[Problem]:
    parts = (time.year, time.month, time.day, time.hour, time.minute)
    if (time.unix_s is None) == (None in parts):
        yield ("", "unix_s 或年月日时分 / unix_s, or year to minute", "其中一种 / one of the two")
    for name in (time.unix_s, *parts, time.second):
        if name is not None and name not in names:
            yield ("", f"没有这个值 / no such value: {name}", _known(names))
    offset = time.utc_offset
    if time.unix_s is None and offset is None:
        yield ("utc_offset", "缺少 / missing", '"+08:00"')
    if offset is not None and offset.startswith("{"):
        model = body.address.get(offset[1:-1])
        offset = None if model is None else str(model.default)
    if offset is not None or (time.utc_offset or "").startswith("{"):
        try:
            offset_of(str(offset))
        except ValueError:
            yield ("utc_offset", f"不是时区 / no offset: {time.utc_offset}", '"+08:00"')


def _steps(steps: Iterable[Step], body: ProfileFile) -> Iterator[Problem]:
    numbers = _numbers(body)
    for index, step in enumerate(steps):
        key = f"step[{index}]"
        yield from _prefixed(key, _at(step.at, step.function, body, write=True))
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
    names = {value.name for value in body.value}
    yield from _steps(command.step, body)
    twins = [each for each in body.command if each.name == command.name]
    if len(twins) > 1:
        yield ("name", f"重复 / twice: {command.name}", "不同的名字 / names that differ")
    if command.confirm is not None and command.confirm.value not in names:
        yield (
            "confirm.value",
            f"没有这个值 / no such value: {command.confirm.value}",
            _known(names),
        )
    if command.effect in {"close", "open"} and command.confirm is None:
        yield (
            "confirm",
            "缺少：阀门要看位置，不是看写过 / missing: a valve is proved by its position",
            "{ value, in, within_s }",
        )
    if command.broadcast and command.effect in {"close", "open"}:
        yield ("broadcast", "广播没有应答 / a broadcast has no answer", _LEAVE_OUT)


def _query(query: Query, body: ProfileFile) -> Iterator[Problem]:
    names = {value.name for value in body.value}
    yield from _steps(query.step, body)
    for name in (query.done.value, *query.good, *query.value):
        if name not in names:
            yield ("value", f"没有这个值 / no such value: {name}", _known(names))
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
            known = _known(log.name for log in body.log)
            yield (f"{key}.log", f"不认识 / unknown: {sample.log}", known)
