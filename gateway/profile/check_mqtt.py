"""What the MQTT tables of one profile have to agree on.

Owns    the cross checks of [[message]], [[availability]] and [bridge].
Needs   schema.py, path.py, payload.py.
Keeps   See check.py: after these checks compiling a plan cannot fail.
"""

import re
from collections.abc import Callable, Iterator

from gateway.profile.check_rule import Problem, check_rule
from gateway.profile.path import BadPath, compile_path, holes
from gateway.profile.payload import offset_of
from gateway.profile.schema import ProfileFile
from gateway.profile.schema_mqtt import Availability, Message, SetRule

CheckPath = Callable[[str, str], Iterator[Problem]]
"""Key inside the message, path → what is wrong with the path."""

TOPIC_TYPES = frozenset({"topic", "segment", "integer", "choice"})
_LEAVE_OUT = "去掉 / leave it out"


def check_mqtt(body: ProfileFile) -> Iterator[Problem]:
    """Yield every disagreement between the MQTT tables and the rest of the file."""
    yield from _onvif(body)
    if not body.message:
        yield ("message", "缺少 / missing", "至少一个 [[message]] / at least one [[message]]")
    for index, message in enumerate(body.message):
        yield from _message(f"message[{index}]", message, body)
    for index, availability in enumerate(body.availability):
        yield from _availability(f"availability[{index}]", availability, body)
    if body.bridge is not None:
        yield from _availability("bridge", body.bridge, body)


def _onvif(body: ProfileFile) -> Iterator[Problem]:
    """A camera's events are documents; whether it is there is known from asking it."""
    if body.profile.driver != "onvif":
        return
    for key in ("availability", "bridge"):
        if getattr(body, key):
            yield (key, "只用于 mqtt / for mqtt only", _LEAVE_OUT)
    for index, message in enumerate(body.message):
        if message.format != "json":
            yield (f"message[{index}].format", f"{message.format}", "json")


def _message(key: str, message: Message, body: ProfileFile) -> Iterator[Problem]:
    captures: list[str] = []
    yield from _topic(f"{key}.topic", message.topic, body, captures)
    yield from _layers(key, message)
    yield from _tlv(key, message)
    yield from _fields(key, message)
    fields = {entry.name or "" for entry in message.tlv} | {field.name for field in message.field}

    def path(where: str, text: str) -> Iterator[Problem]:
        return _path(f"{key}.{where}", text, body, fields=fields, captures=captures)

    for where, text in _message_paths(message):
        yield from path(where, text)
    if message.duplicate is not None:
        yield from _duplicate(f"{key}.duplicate", message.duplicate, body, path)
    yield from _time(f"{key}.time", message, body)
    for index, rule in enumerate(message.set):
        yield from _rule(key, f"set[{index}]", rule, body, path)


def _message_paths(message: Message) -> Iterator[tuple[str, str]]:
    for text in message.where:
        yield (f"where.{text}", text)
    yield from ((f"required[{at}]", text) for at, text in enumerate(message.required))
    if message.bytes is not None:
        yield ("bytes.path", message.bytes.path)
    if message.priority is not None:
        yield ("priority", message.priority)
    if message.time is not None:
        yield ("time.path", message.time.path)
    if isinstance(message.attributes, list):
        yield from ((f"attributes[{at}]", text) for at, text in enumerate(message.attributes))
    elif isinstance(message.attributes, dict):
        yield from ((f"attributes.{name}", text) for name, text in message.attributes.items())


def _layers(key: str, message: Message) -> Iterator[Problem]:
    dissecting = bool(message.tlv or message.field)
    raw = message.format in {"base64", "hex", "bytes"}
    if message.bytes is not None and message.format != "json":
        yield (f"{key}.bytes", "只用于 json / for json only", _LEAVE_OUT)
    if dissecting and not raw and message.bytes is None:
        yield (f"{key}.tlv", "没有字节可解 / there are no bytes", "bytes = { path = … } 或 format")
    if (raw or message.bytes is not None) and not dissecting:
        yield (key, "字节没有用处 / the bytes are not used", "[[message.tlv]] / [[message.field]]")
    if message.tlv and message.field:
        yield (f"{key}.field", "与 tlv 并用 / together with tlv", "二选一 / one of the two")
    if message.root == "any" and message.format != "json":
        yield (f"{key}.root", "只用于 json / for json only", _LEAVE_OUT)


def _tlv(key: str, message: Message) -> Iterator[Problem]:
    seen: set[tuple[int, int]] = set()
    for index, entry in enumerate(message.tlv):
        place = f"{key}.tlv[{index}]"
        if (entry.channel, entry.type) in seen:
            yield (place, "通道和类型重复 / channel and type twice", "各一次 / each once")
        seen.add((entry.channel, entry.type))
        if entry.name is not None and entry.length == 0:
            yield (f"{place}.length", "0", "有名字的至少 1 字节 / at least 1 byte when named")


def _fields(key: str, message: Message) -> Iterator[Problem]:
    names = [field.name for field in message.field]
    for index, field in enumerate(message.field):
        place = f"{key}.field[{index}]"
        if field.name in names[:index]:
            yield (f"{place}.name", f"重复 / twice: {field.name}", "不同的名字 / another name")
        if message.size is not None and field.at + field.length > message.size:
            yield (f"{place}.at", "超出 size / beyond size", f"小于 / below {message.size}")


def _time(key: str, message: Message, body: ProfileFile) -> Iterator[Problem]:
    if message.time is None:
        return
    text = message.time.utc_offset
    if text is None or message.time.form != "local":
        if (message.time.form == "local") != (text is not None):
            problem = "只用于且必须用于 local / for local and needed there"
            yield (f"{key}.utc_offset", problem, '"+08:00"')
        return
    hole = re.fullmatch(r"\{([a-z][a-z0-9_]*)\}", text)
    if hole is not None:
        model = body.address.get(hole[1])
        if model is None or model.pattern is None or model.default is None:
            expected = "有 pattern 和 default 的 address 键 / an address key with both"
            yield (f"{key}.utc_offset", text, expected)
            return
        text = str(model.default)
    try:
        offset_of(text)
    except ValueError:
        yield (f"{key}.utc_offset", f"不是时区 / no offset: {text}", '"+08:00"')


# --- rules -------------------------------------------------------------------------------------


def _rule(
    key: str, where: str, rule: SetRule, body: ProfileFile, path: CheckPath
) -> Iterator[Problem]:
    nature = next((point.nature for point in body.point if point.name == rule.point), None)
    if nature is None:
        names = ", ".join(each.name for each in body.point)
        problem = f"不认识 / unknown: {rule.point}"
        yield (f"{key}.{where}.point", problem, f"其中之一 / one of {names}")
        return
    for text in rule.where:
        yield from path(f"{where}.where.{text}", text)
    if rule.each is not None:
        yield from path(f"{where}.each", rule.each)
    if rule.value is not None:
        yield from path(f"{where}.value", rule.value)
    for word, problem, expected in check_rule(rule, nature):
        yield (f"{key}.{where}.{word}", problem, expected)


def _availability(key: str, model: Availability, body: ProfileFile) -> Iterator[Problem]:
    captures: list[str] = []
    yield from _topic(f"{key}.topic", model.topic, body, captures)
    if captures or "+" in model.topic:
        yield (f"{key}.topic", "含通配符 / holds a wildcard", "确定的主题 / an exact topic")
    if model.path is not None:
        yield from _path(f"{key}.path", model.path, body, fields=set(), captures=[])
    both = {word.casefold() for word in model.online} & {word.casefold() for word in model.offline}
    if both:
        yield (f"{key}.offline", f"两边都有 / in both: {sorted(both)}", "不同的词 / other words")


# --- texts -------------------------------------------------------------------------------------


def _topic(key: str, template: str, body: ProfileFile, captures: list[str]) -> Iterator[Problem]:
    expected = "主题模板 / a topic template: application/+/device/{dev_eui}/event/up"
    try:
        found = holes(template)
    except BadPath as error:
        yield (key, str(error), expected)
        return
    for name, stand_in in found:
        if stand_in is not None:
            yield (key, f"主题中不能有替代值 / no stand-in in a topic: {name}", expected)
        if name[:1] != "+":
            yield from _address_hole(key, name, body, in_topic=True)
            continue
        if name[1:] in captures or f"/{{{name}}}/" not in f"/{template}/":
            yield (key, f"捕获不对 / not a capture: {{{name}}}", "占一整段 / a whole level, once")
        captures.append(name[1:])
    bare = re.sub(r"\{[^{}]*\}", "x", template)
    if "#" in bare or "//" in bare or re.search(r"[^/]\+|\+[^/]", bare):
        yield (key, f"不是主题 / not a topic: {template}", expected)


def _address_hole(
    key: str, name: str, body: ProfileFile, *, in_topic: bool = False
) -> Iterator[Problem]:
    model = body.address.get(name)
    if model is None:
        known = ", ".join(body.address) or "(无 / none)"
        yield (key, f"不认识的键 / unknown key {{{name}}}", f"其中之一 / one of {known}")
    elif in_topic and model.type not in TOPIC_TYPES:
        yield (key, f"{name} 是 / is {model.type}", " ".join(sorted(TOPIC_TYPES)))
    elif model.default is None and not model.required:
        yield (key, f"{name} 可以缺少 / may be missing", "required 或 / or default")


def _path(
    key: str, text: str, body: ProfileFile, *, fields: set[str], captures: list[str]
) -> Iterator[Problem]:
    """Check a path as it is with the example address put in."""
    filled = text
    try:
        for name, _ in holes(text):
            yield from _address_hole(key, name, body)
            model = body.address.get(name)
            value = "x"
            if model is not None and model.type != "member":
                value = str(model.example if model.default is None else model.default)
            filled = filled.replace(f"{{{name}}}", value)
        compile_path(filled)
    except BadPath as error:
        yield (key, str(error), 'a.b[0]."c.d"[*]')
        return
    if filled[:1] == "@" and filled[1:] not in fields:
        yield (key, f"没有这个字段 / no such field: {filled}", "name of [[message.tlv]] or field")
    if filled[:1] == "+" and filled[1:] not in captures:
        yield (key, f"主题没有捕获它 / the topic catches no {filled}", "{+name}")


def _duplicate(key: str, template: str, body: ProfileFile, path: CheckPath) -> Iterator[Problem]:
    try:
        found = [name for name, _ in holes(template)]
    except BadPath as error:
        yield (key, str(error), "{devAddr}/{fCnt|0}")
        return
    if all(name in body.address for name in found):
        yield (key, "没有报文中的内容 / nothing of the message in it", "{devAddr}/{fCnt|0}")
    for name in found:
        if name not in body.address:
            yield from path("duplicate", name)
