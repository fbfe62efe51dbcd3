"""Opening a message: from its bytes to the Scope the rules look at.

Owns    the order of format, embedded bytes, size, checksum, type-length list and fixed fields.
Needs   payload.py, path.py, schema_mqtt.py.
Keeps   Raises BadFrame when nothing at all can be read. What can be read in part is opened in
        part, with the problem noted, so that an alarm in the readable part is not lost.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.errors import BadFrame
from gateway.profile.path import Scope, compile_path, substitute
from gateway.profile.payload import (
    MAX_PAYLOAD_BYTES,
    Convert,
    Garble,
    check_bytes,
    converter,
    read_json,
    read_text,
    read_tlv,
    unpack,
)
from gateway.profile.schema_mqtt import BytesPart, FieldModel, Message, Number, Tlv

Open = Callable[[bytes, Mapping[str, str], list[str]], Scope]
"""Payload, captures, problems to add to → what the rules look at."""

_NOTHING: dict[str, list[Any]] = {}


def compile_open(message: Message, paths: Mapping[str, str]) -> Open:
    """Compile how a [[message]] is opened, for given address values."""
    if message.format == "json":
        return _open_json(message, paths)
    if message.format == "text":
        return lambda payload, captures, _: Scope(read_text(payload), _NOTHING, captures)
    return _open_bytes(message)


def _open_json(message: Message, paths: Mapping[str, str]) -> Open:
    any_root = message.root == "any"
    inside = None if message.bytes is None else _inside(message.bytes, message, paths)

    def opened(payload: bytes, captures: Mapping[str, str], problems: list[str]) -> Scope:
        root = read_json(payload)
        if not any_root and not isinstance(root, dict):
            raise BadFrame("不是 JSON 对象 / not a JSON object", raw=payload)
        scope = Scope(root, _NOTHING, captures)
        if inside is not None:
            scope.fields = inside(scope, problems)
        return scope

    return opened


def _inside(
    part: BytesPart, message: Message, paths: Mapping[str, str]
) -> Callable[[Scope, list[str]], dict[str, list[Any]]]:
    """Return what reads the device's bytes out of a JSON document."""
    read = compile_path(substitute(part.path, paths))
    dissect = _dissector(message)
    encoding, needed = part.encoding, part.missing == "garbled"

    def fields(scope: Scope, problems: list[str]) -> dict[str, list[Any]]:
        values = read(scope)
        if not values:
            if needed:
                problems.append(f"缺少 {part.path} / {part.path} is missing")
            return {}
        try:
            return dissect(unpack(values[0], encoding), problems)
        except Garble as problem:
            problems.append(f"{part.path}: {problem}")
            return {}

    return fields


def _open_bytes(message: Message) -> Open:
    dissect = _dissector(message)
    encoding = message.format

    def opened(payload: bytes, captures: Mapping[str, str], problems: list[str]) -> Scope:
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise BadFrame("报文过长 / the message is too long", raw=payload)
        try:
            data = payload if encoding == "bytes" else unpack(read_text(payload), encoding)
            if not data:
                raise Garble("报文为空 / the message is empty")  # noqa: TRY301 same fate as the others
            return Scope(None, dissect(data, problems), captures)
        except Garble as problem:
            raise BadFrame(str(problem), raw=payload) from problem

    return opened


def _dissector(message: Message) -> Callable[[bytes, list[str]], dict[str, list[Any]]]:
    """Return what turns the device's bytes into fields; raises Garble when they are no good."""
    size, checksum = message.size, message.checksum
    table = {
        (entry.channel, entry.type): (entry.length, entry.name, _convert(entry))
        for entry in message.tlv
    }
    fixed = [(field, _convert(field)) for field in message.field]

    def dissect(data: bytes, problems: list[str]) -> dict[str, list[Any]]:
        check_bytes(data, size=size, checksum=checksum)
        fields: dict[str, list[Any]] = {}
        if table:
            fields, rest = read_tlv(data, table)
            if rest:
                at = len(data) - len(rest)
                problems.append(f"第 {at} 字节起不认识 / not understood from byte {at} on")
        for field, convert in fixed:
            value = data[field.at : field.at + field.length]
            if len(value) < field.length:
                raise Garble("数据太短 / the data is too short")
            fields.setdefault(field.name, []).append(convert(value))
        return fields

    return dissect


def _convert(number: Number) -> Convert:
    if isinstance(number, (Tlv, FieldModel)) and number.length > 8:
        return lambda data: data.hex()
    return converter(
        endian=number.endian,
        signed=number.signed,
        mask=number.mask,
        shift=number.shift,
        scale=number.scale,
        offset=number.offset,
    )
