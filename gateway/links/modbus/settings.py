"""How to reach one bus: the URL of a [[link]] and what it means.

Owns    the schemes and every query key, with its unit in its name.
Needs   nothing of ours. Pure.

    tcp://192.0.2.20:502
    rtu-over-tcp://192.0.2.21:8899?baud=4800&gap_ms=20
    serial:/dev/ttyUSB0?baud=9600&parity=N&stop=1&bytes=8&echo=true
    dial-in://0.0.0.0:5020?registration=DTU-0001&heartbeat=50494E47

Modbus knows no password: whoever reaches a bus can read and write it, and whoever reaches a dial-in
port and knows a registration text can play that DTU. Listen on a private network's address.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

Scheme = Literal["tcp", "rtu-over-tcp", "serial", "dial-in"]
Match = Literal["exact", "prefix"]

DEFAULT_GAP_S: Final = 0.02
"""Between RTU transactions; modbus-quirks row 24 and the sheet's suggested defaults."""
SILENCE_CHARS: Final = 3.5
FAST_BAUD: Final = 19200
FAST_SILENCE_S: Final = 0.00175
"""Above FAST_BAUD the 3.5 characters no longer shrink (Modbus over Serial Line 1.02, 2.5.1.1)."""
MAX_HEARTBEATS: Final = 4
MAX_TEXT_BYTES: Final = 128
"""Of a registration text or a heartbeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusSettings:
    """How to reach one bus, and how it wants to be treated.

    device, baud, parity, stop_bits   of a serial line; always 8 data bits, RTU needs them. baud
                        also describes a converter's line, for the silence between frames
    echo                True: our own frames come back; "auto": find out; only asked of RTU
    gap_s               between the end of a transaction and the next request, whoever is asked
    drain_s             how long a unit that did not answer is left alone on RTU; longer than the
                        slowest reply
    connect_timeout_s   for open(); of a dial-in, how long to wait for the DTU
    registration, match   what the DTU says first, and whether more may follow it
    heartbeats          bytes a DTU puts between frames
    """

    scheme: Scheme
    host: str = ""
    port: int = 0
    device: str = ""
    baud: int = 9600
    parity: str = "N"
    stop_bits: float = 1
    data_bits: int = 8
    echo: bool | Literal["auto"] = "auto"
    gap_s: float = 0.0
    drain_s: float = 1.0
    connect_timeout_s: float = 5.0
    registration: bytes = b""
    match: Match = "exact"
    heartbeats: tuple[bytes, ...] = ()

    @property
    def rtu(self) -> bool:
        """Whether frames have a CRC and no transaction id."""
        return self.scheme != "tcp"

    @property
    def where(self) -> str:
        """The bus in one word, for messages."""
        if self.scheme == "serial":
            return f"serial:{self.device}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def char_s(self) -> float:
        """How long one character takes on the line."""
        bits = 1 + 8 + (self.parity != "N") + self.stop_bits
        return bits / self.baud


def parse_url(url: str) -> BusSettings:
    """Read a link's URL; ValueError with a sentence for an installer, Chinese first."""
    if len(url) > 1000:
        raise _fault("网址太长", "the URL is too long", "≤ 1000")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _fault("网址读不懂", "the URL cannot be read", _EXAMPLES) from None
    if parts.scheme not in _KEYS:
        raise _fault(f"不认识 {parts.scheme!r}", f"{parts.scheme!r} is unknown", " | ".join(_KEYS))
    if "@" in parts.netloc or parts.fragment:
        raise _fault("Modbus 没有用户名和 #", "Modbus has no user and no #", _EXAMPLES)
    known: dict[str, Any] = {"scheme": parts.scheme}
    if parts.scheme == "serial":
        device = unquote(parts.path)
        if parts.netloc or not re.fullmatch(r"/[^\0?#]+", device):
            raise _fault("串口不对", "no serial port", "serial:/dev/ttyUSB0?baud=9600")
        known["device"] = device
    else:
        if not host or parts.path.strip("/"):
            raise _fault("主机不对", "no host, or more than a host", f"{parts.scheme}://host:port")
        if port is None and parts.scheme == "tcp":
            port = 502
        if not port:
            raise _fault("缺少端口", "the port is missing", f"{parts.scheme}://{host}:8899")
        known |= {"host": host, "port": port}
    known |= _query(parts.scheme, parts.query)
    return _complete(known)


def _complete(known: dict[str, Any]) -> BusSettings:
    """Fill in what depends on other keys."""
    gap_s = known.pop("gap_s", None)
    settings = BusSettings(**known)
    if settings.scheme == "dial-in" and not settings.registration:
        raise _fault("缺少注册包", "the registration text is missing", "?registration=DTU-0001")
    if not settings.rtu:
        return BusSettings(**known, gap_s=gap_s or 0.0)
    silence_s = SILENCE_CHARS * settings.char_s
    if settings.baud > FAST_BAUD:
        silence_s = FAST_SILENCE_S
    return BusSettings(**known, gap_s=max(DEFAULT_GAP_S if gap_s is None else gap_s, silence_s))


def _query(scheme: str, query: str) -> dict[str, Any]:
    try:
        # A plus is a plus: nobody writes a form here.
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        if query:
            raise _fault("? 后面读不懂", "what follows ? cannot be read", "?key=value&…") from None
        pairs = []
    found: dict[str, Any] = {}
    for key, text in pairs:
        reader = _KEYS[scheme].get(key)
        if reader is None:
            raise _fault(
                f"{scheme} 没有 {key!r} 这个键",
                f"{scheme} has no key {key!r}",
                ", ".join(_KEYS[scheme]),
            )
        field, value = reader(key, text)
        if field == "heartbeats":
            value = (*found.get(field, ()), *value)
            if len(value) > MAX_HEARTBEATS:
                raise _fault("心跳太多", "too many heartbeats", f"≤ {MAX_HEARTBEATS}")
        elif field in found:
            raise _fault(f"{key!r} 写了两次", f"{key!r} is given twice", f"{key}=…")
        found[field] = value
    return found


Reader = Callable[[str, str], tuple[str, Any]]


def _number(field: str, low: float, high: float, *, per: float = 1.0) -> Reader:
    def read(key: str, text: str) -> tuple[str, Any]:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise _fault(f"{key}={text!r}", "out of range", f"{low:g} … {high:g}")
        return field, value / per

    return read


def _one_of(field: str, choices: Mapping[str, Any]) -> Reader:
    def read(key: str, text: str) -> tuple[str, Any]:
        if text not in choices:
            raise _fault(f"{key}={text!r}", "not one of these", " | ".join(choices))
        return field, choices[text]

    return read


def _baud(key: str, text: str) -> tuple[str, Any]:
    if not text.isascii() or not text.isdigit() or not 300 <= int(text) <= 1_000_000:
        raise _fault(f"{key}={text!r}", "not a baud rate", "300 … 1000000, 9600")
    return "baud", int(text)


def _bytes(key: str, text: str) -> tuple[str, Any]:
    if text != "8":
        raise _fault(f"{key}={text!r}", "RTU needs 8 data bits", "8")
    return "data_bits", 8


def _text(key: str, text: str) -> tuple[str, Any]:
    return "registration", _bounded(key, text.encode())


def _hex(field: str) -> Reader:
    def read(key: str, text: str) -> tuple[str, Any]:
        try:
            value = bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            raise _fault(f"{key}={text!r}", "not hexadecimal", f"{key}=50494E47") from None
        value = _bounded(key, value)
        return field, (value,) if field == "heartbeats" else value

    return read


def _bounded(key: str, value: bytes) -> bytes:
    if not 1 <= len(value) <= MAX_TEXT_BYTES:
        raise _fault(f"{key} 太长或为空", f"{key} is empty or too long", f"1 … {MAX_TEXT_BYTES}")
    return value


def _fault(chinese: str, english: str, expected: str) -> ValueError:
    return ValueError(f"{chinese} / {english}: {expected}")


_EXAMPLES: Final = "tcp://192.0.2.20:502 | serial:/dev/ttyUSB0?baud=9600"
_ANY: Final[dict[str, Reader]] = {
    "gap_ms": _number("gap_s", 0, 10_000, per=1000),
    "connect_timeout_s": _number("connect_timeout_s", 0.1, 60),
}
_RTU: Final[dict[str, Reader]] = {
    **_ANY,
    "baud": _baud,
    "drain_s": _number("drain_s", 0, 10),
    "echo": _one_of("echo", {"true": True, "false": False, "auto": "auto"}),
}
_KEYS: Final[dict[str, dict[str, Reader]]] = {
    "tcp": _ANY,
    "rtu-over-tcp": _RTU,
    "serial": {
        **_RTU,
        "parity": _one_of("parity", {letter: letter for letter in "NEOMS"}),
        "stop": _one_of("stop_bits", {"1": 1, "1.5": 1.5, "2": 2}),
        "bytes": _bytes,
    },
    "dial-in": {
        **_RTU,
        "registration": _text,
        "registration_hex": _hex("registration"),
        "match": _one_of("match", {"exact": "exact", "prefix": "prefix"}),
        "heartbeat": _hex("heartbeats"),
    },
}
