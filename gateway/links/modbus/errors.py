"""What one Modbus transaction can end with, other than the data that was asked for.

DeviceError
├── LinkDown   (gateway.errors) the connection is gone    open another one, after a pause
│   └── PortRefuses  the port cannot do that baud or parity    other settings, or another adapter
├── Silent     nothing came in time                       count it; back off a unit that stays so
├── Refused    the unit, or a gateway, said no            see `busy` and `unit_silent`
└── Wrong      something came that is no answer           keep `raw` as evidence, ask again later

None of the last three says anything about the other units of the bus.
"""

from typing import Final

from gateway.errors import DeviceError, LinkDown

GATEWAY_CODES: Final = frozenset({0x0A, 0x0B, 0x41, 0x42, 0x43, 0x4B})
"""Codes by which a gateway says that the unit behind it is not reached (quirk row 13)."""

BUSY_CODES: Final = frozenset({0x05, 0x06})
"""Acknowledge and busy: the unit lives and wants to be asked again later (quirk row 14)."""

STANDARD_CODES: Final = frozenset({1, 2, 3, 4, 5, 6, 8, 10, 11})
"""Modbus Application Protocol 1.1b3, section 7."""

MAX_RAW_BYTES: Final = 300
"""More than the longest frame; what an error keeps of the bytes."""


class PortRefuses(LinkDown):
    """A serial port that is there and cannot be set as wanted; other settings may do."""


class Silent(DeviceError):
    """Nothing that answers the request came in time; the unit, not the bus, is the suspect."""

    def __init__(self, unit: int, timeout_s: float) -> None:
        super().__init__(
            f"{unit} 号从站在 {timeout_s:g} 秒内没有应答，稍后再问"
            f" / unit {unit} did not answer within {timeout_s:g} s; it is asked again later"
        )
        self.unit = unit
        self.timeout_s = timeout_s


class Refused(DeviceError):
    """An exception reply.

    code         the exception code as it came, any value
    nonstandard  True when the specification does not know the code, or when the function byte was
                 a bare 0x80 (quirk row 12)
    """

    def __init__(self, unit: int, code: int, *, nonstandard: bool) -> None:
        super().__init__(
            f"{unit} 号从站拒绝了请求，异常码 {code}，其他从站照常"
            f" / unit {unit} refused with exception {code}; the other units go on"
        )
        self.unit = unit
        self.code = code
        self.nonstandard = nonstandard

    @property
    def unit_silent(self) -> bool:
        """A gateway said it for a unit that did not answer: treat it like Silent (row 13)."""
        return self.code in GATEWAY_CODES

    @property
    def busy(self) -> bool:
        """The unit lives and wants the same request later (row 14)."""
        return self.code in BUSY_CODES


class Wrong(DeviceError):
    """A reply that is short, of another function, of another unit, a wrong echo, or damaged.

    why  one line for a person, both languages, no bytes of the reply in it
    raw  the bytes, at most MAX_RAW_BYTES
    """

    def __init__(self, unit: int, why: str, raw: bytes) -> None:
        super().__init__(why)
        self.unit = unit
        self.why = why
        self.raw = raw[:MAX_RAW_BYTES]
