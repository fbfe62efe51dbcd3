"""One request, with its bytes made once, and the test whether a reply is an answer to it.

Owns    the protocol data unit of the eight functions an installation needs: 1 to 6, 15 and 16.
Needs   pymodbus, which builds the data units. Pure.
Keeps   1. What answer() returns has exactly the length, function and echo that was asked for
           (quirk rows 9, 10, 11); everything else is Wrong or Refused.
        2. A request that the specification forbids is never made: ValueError.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from pymodbus.framer.rtu import FramerRTU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.pdu import ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from gateway.links.modbus.errors import STANDARD_CODES, Refused, Wrong

READ_REQUESTS: Final[dict[int, type[ModbusPDU]]] = {
    1: ReadCoilsRequest,
    2: ReadDiscreteInputsRequest,
    3: ReadHoldingRegistersRequest,
    4: ReadInputRegistersRequest,
}
MAX_READ_BITS: Final = 2000
MAX_READ_REGISTERS: Final = 125
MAX_WRITE_BITS: Final = 1968
MAX_WRITE_REGISTERS: Final = 123
"""Modbus Application Protocol 1.1b3, sections 6.1 to 6.12."""

ON: Final = 0xFF00
BARE_EXCEPTION: Final = 0x80
"""A maker of arc detectors answers errors with this function byte (quirk row 12)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to one unit; make it with read() or one of the write_…() once, use it often.

    unit      0 to 255; a write to 0 is a broadcast and nobody answers it
    count     registers or bits that are read or written
    values    what is written; empty for a read
    pdu       function byte and data, as it travels
    rtu       unit, pdu and CRC: a whole RTU frame
    head      first three bytes of the right reply in RTU order: unit, function, and for a read the
              number of bytes, for a write the high byte of the address
    data_bytes   how many data bytes a read returns; 0 for a write
    body_bytes   length of the right reply from its unit to the last byte before a CRC
    """

    unit: int
    function: int
    address: int
    count: int
    values: tuple[int, ...]
    pdu: bytes = field(repr=False)
    rtu: bytes = field(repr=False)
    head: bytes = field(repr=False)
    data_bytes: int = field(repr=False)
    body_bytes: int = field(repr=False)

    @property
    def broadcast(self) -> bool:
        """True for a write to unit 0, which no unit answers."""
        return self.unit == 0 and self.function > 4

    @classmethod
    def read(cls, unit: int, function: int, address: int, count: int) -> Self:
        """Read 1 to 2000 bits (functions 1, 2) or 1 to 125 registers (3, 4); ValueError beyond."""
        if function not in READ_REQUESTS:
            raise ValueError(f"function {function} does not read, expected 1, 2, 3 or 4")
        bits = function <= 2
        _check_span(address, count, MAX_READ_BITS if bits else MAX_READ_REGISTERS)
        body = READ_REQUESTS[function](address=address, count=count).encode()
        return cls._made(unit, function, address, count, (), body)

    @classmethod
    def write_coil(cls, unit: int, address: int, value: bool | int) -> Self:  # noqa: FBT001 the wire's own two values
        """Write one coil (function 5): True, False, or the raw word some devices want instead."""
        _check_span(address, 1, 1)
        if isinstance(value, bool):
            body = WriteSingleCoilRequest(address=address, bits=[value]).encode()
            return cls._made(unit, 5, address, 1, (ON if value else 0,), body)
        _check_words((value,))
        return cls._made(unit, 5, address, 1, (value,), struct.pack(">HH", address, value))

    @classmethod
    def write_register(cls, unit: int, address: int, value: int) -> Self:
        """Write one register (function 6)."""
        _check_span(address, 1, 1)
        _check_words((value,))
        body = WriteSingleRegisterRequest(address=address, registers=[value]).encode()
        return cls._made(unit, 6, address, 1, (value,), body)

    @classmethod
    def write_coils(cls, unit: int, address: int, values: Sequence[bool]) -> Self:
        """Write 1 to 1968 coils (function 15)."""
        _check_span(address, len(values), MAX_WRITE_BITS)
        bits = [bool(value) for value in values]
        body = WriteMultipleCoilsRequest(address=address, bits=bits).encode()
        return cls._made(unit, 15, address, len(bits), tuple(map(int, bits)), body)

    @classmethod
    def write_registers(cls, unit: int, address: int, values: Sequence[int]) -> Self:
        """Write 1 to 123 registers (function 16)."""
        _check_span(address, len(values), MAX_WRITE_REGISTERS)
        _check_words(values)
        body = WriteMultipleRegistersRequest(address=address, registers=list(values)).encode()
        return cls._made(unit, 16, address, len(values), tuple(values), body)

    @classmethod
    def _made(
        cls,
        unit: int,
        function: int,
        address: int,
        count: int,
        values: tuple[int, ...],
        body: bytes,
    ) -> Self:
        if not 0 <= unit <= 255:
            raise ValueError(f"unit {unit}, expected 0 to 255")
        pdu = bytes((function,)) + body
        frame = bytes((unit,)) + pdu
        rtu = frame + FramerRTU.compute_CRC(frame).to_bytes(2, "big")
        size = 0
        if function <= 4:
            size = (count + 7) // 8 if function <= 2 else count * 2
        head = bytes((unit, function, size if function <= 4 else address >> 8))
        body_bytes = 3 + size if function <= 4 else 6
        return cls(unit, function, address, count, values, pdu, rtu, head, size, body_bytes)

    def answer(self, function: int, rest: bytes) -> bytes | Refused | Wrong:
        """Judge a reply of this unit: the data bytes of a read, b"" after a write, or an error.

        function  the reply's function byte
        rest      what follows it, without a CRC
        """
        raw = bytes((self.unit, function)) + rest
        if function == self.function:
            return self._data(rest, raw) if function <= 4 else self._echoed(rest, raw)
        if function in {self.function | 0x80, BARE_EXCEPTION}:
            if len(rest) != 1:
                return self._wrong("异常应答的长度不对", "an exception reply of odd length", raw)
            bare = function == BARE_EXCEPTION
            code = rest[0]
            return Refused(self.unit, code, nonstandard=bare or code not in STANDARD_CODES)
        return self._wrong(
            f"应答的功能码是 {function}，问的是 {self.function}",
            f"answered with function {function} for {self.function}",
            raw,
        )

    def _data(self, rest: bytes, raw: bytes) -> bytes | Wrong:
        said = rest[0] if rest else 0
        if said == self.data_bytes and len(rest) == said + 1:
            return rest[1:]
        return self._wrong(
            f"应答有 {max(len(rest) - 1, 0)} 字节（自称 {said}），应为 {self.data_bytes}",
            f"answered {max(len(rest) - 1, 0)} bytes (says {said}), expected {self.data_bytes}",
            raw,
        )

    def _echoed(self, rest: bytes, raw: bytes) -> bytes | Wrong:
        if rest == self.pdu[1:5]:  # address, then value (5, 6) or count (15, 16)
            return b""
        return self._wrong(
            "写操作的回显与所写不符，以回读为准",
            "the echo of a write is not what was written; only reading back tells",
            raw,
        )

    def _wrong(self, chinese: str, english: str, raw: bytes) -> Wrong:
        why = f"{self.unit} 号从站：{chinese} / unit {self.unit}: {english}"
        return Wrong(self.unit, why, raw)


def _check_span(address: int, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise ValueError(f"count {count}, expected 1 to {most}")
    if not (address >= 0 and address + count <= 0x10000):
        raise ValueError(f"address {address} with count {count} leaves 0 to 65535")


def _check_words(values: Sequence[int]) -> None:
    for value in values:
        if not 0 <= value <= 0xFFFF:
            raise ValueError(f"value {value}, expected 0 to 65535")
