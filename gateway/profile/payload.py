"""Bytes in, values out: JSON, text, hex, base64, type-length lists, fixed fields, device clocks.

Owns    how a message's bytes become a Scope.
Needs   gateway.errors. Pure: no clock, no socket.
Keeps   Whatever the bytes are, the only error is BadFrame; its text holds none of them.
"""

import base64
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import orjson

from gateway.errors import BadFrame
from gateway.events import Scalar

MAX_PAYLOAD_BYTES: Final = 256 * 1024
"""Longer messages are not looked into: no device of this house says that much."""

MAX_ENTRIES: Final = 128
"""Entries read of one type-length list."""

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d{0,9})?\s?(Z|z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_S: Final = 4_102_444_800
"""2100-01-01: a device clock beyond it is not a time."""


class Garble(Exception):
    """One thing in a message is not as the profile says; mqtt.py makes it a BadFrame or a note.

    Its text is for a person and holds no bytes of the message.
    """


def read_json(payload: bytes) -> Any:  # noqa: ANN401 a JSON document
    """Parse strict JSON: no NaN, no Infinity, no lone surrogates, at most 1,024 levels deep."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise BadFrame("报文过长 / the message is too long", raw=payload)
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise BadFrame("不是有效的 JSON / not valid JSON", raw=payload) from error


def read_text(payload: bytes) -> str:
    """Decode UTF-8 and strip white space and NUL at both ends."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise BadFrame("报文过长 / the message is too long", raw=payload)
    try:
        text = payload.decode().strip().strip("\0")
    except UnicodeDecodeError as error:
        raise BadFrame("不是 UTF-8 文字 / not UTF-8 text", raw=payload) from error
    if not text:
        raise BadFrame("报文为空 / the message is empty", raw=payload)
    return text


def unpack(text: object, encoding: str) -> bytes:
    """Undo base64 or hex; raises Garble."""
    if not isinstance(text, str):
        raise Garble("数据不是文字 / the data is not text")
    try:
        if encoding == "hex":
            return bytes.fromhex(text)
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Garble(f"不是有效的 {encoding} / not valid {encoding}") from error


def check_bytes(data: bytes, *, size: int | None, checksum: str | None) -> None:
    """Refuse bytes of another length or with a wrong sum; raises Garble.

    sum8_zero  all bytes together, the checksum byte included, are 0 modulo 256
    """
    if size is not None and len(data) != size:
        raise Garble(f"应为 {size} 字节 / {size} bytes are due")
    if checksum == "sum8_zero" and sum(data) & 0xFF:
        raise Garble("校验和不对 / the checksum does not fit")


Convert = Callable[[bytes], Scalar]


def converter(
    *,
    endian: str,
    signed: bool,
    mask: int | None,
    shift: int,
    scale: float | None,
    offset: float | None,
) -> Convert:
    """Return a function from bytes to a number; order: integer, mask, shift, scale, offset."""
    order: Any = endian

    def convert(data: bytes) -> Scalar:
        number = int.from_bytes(data, order, signed=signed)
        if mask is not None:
            number &= mask
        return linear(number >> shift, scale, offset)

    return convert


def linear(number: float, scale: float | None, offset: float | None) -> float:
    """Return number × scale + offset, rounded to 9 digits so that 0.1 steps look like it."""
    if scale is None and offset is None:
        return number
    result = round(number * (1.0 if scale is None else scale) + (offset or 0.0), 9)
    if not math.isfinite(result):
        raise Garble("数值溢出 / the number overflows")
    return result


TlvTable = Mapping[tuple[int, int], tuple[int, str | None, Convert]]


def read_tlv(data: bytes, table: TlvTable) -> tuple[dict[str, list[Any]], bytes]:
    """Read channel, type, value until the end or the first unknown entry.

    table    (channel, type) → length in bytes, name (None: pass over), how to read the value
    returns  name → values in order, and the bytes that could not be read
    """
    fields: dict[str, list[Any]] = {}
    at = 0
    for _ in range(MAX_ENTRIES):
        entry = table.get((data[at], data[at + 1])) if at + 1 < len(data) else None
        if entry is None or at + 2 + entry[0] > len(data):
            break
        length, name, convert = entry
        if name is not None:
            fields.setdefault(name, []).append(convert(data[at + 2 : at + 2 + length]))
        at += 2 + length
    return fields, data[at:]


def read_number_text(text: str) -> float:
    """Read a decimal number as devices print it; raises Garble for anything else."""
    if _NUMBER.fullmatch(text) is None or not math.isfinite(number := float(text)):
        raise Garble("不是数字 / not a number")
    return number


def offset_of(text: str) -> timezone:
    """Read "+08:00" or "Z"; raises ValueError."""
    if text in {"Z", "z"}:
        return UTC
    found = re.fullmatch(r"([+-])(\d\d):?(\d\d)", text, re.ASCII)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        raise ValueError(text)
    delta = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-delta if found[1] == "-" else delta)


def device_time(form: str, zone: timezone | None) -> Callable[[object], int | None]:
    """Return a function from a device's time to UTC nanoseconds.

    None for anything that is no time between 1970 and 2100: clocks of devices lie (a board that
    lost power, a random value for minutes after start), and a press is worth more than its time.
    """
    if form in {"unix_s", "unix_ms"}:
        per_unit = 1_000 if form == "unix_s" else 1
        return lambda value: _from_unix(value, per_unit)
    return lambda value: _from_text(value, zone)


def _from_unix(value: object, ms_per_unit: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not 0 < value * ms_per_unit < _LAST_S * 1000:
        return None
    if isinstance(value, int):
        return value * ms_per_unit * 1_000_000
    # A float holds milliseconds of this century exactly enough, and nothing finer.
    return round(value * ms_per_unit) * 1_000_000


def _from_text(value: object, zone: timezone | None) -> int | None:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        where = offset_of(found[4]) if found[4] else zone
        if where is None or (zone is not None and found[4]):
            return None
        moment = datetime.fromisoformat(f"{found[1]}T{found[2]}").replace(tzinfo=where)
        seconds = (moment - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        return None
    if not 0 < seconds < _LAST_S:
        return None
    return seconds * 1_000_000_000 + int((found[3] or "0").ljust(9, "0"))
