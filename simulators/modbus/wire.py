"""Modbus bytes as the documents print them: requests in, replies out, over MBAP or RTU.

Owns    how a request is cut out of a stream and read (Modbus Application Protocol V1.1b3; Modbus
        over Serial Line V1.02 section 2.5; Messaging on TCP/IP V1.0b section 3.1).
Needs   nothing. Pure: no socket, no clock.
Keeps   1. A PDU is at most 253 bytes, an RTU frame 256, an MBAP frame 260; what is longer is never
           gathered.
        2. A request that breaks a rule of the application protocol is refused with the exception
           code the document's state diagrams give: 1 before 3, 3 before 2.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_PDU_BYTES: Final = 253
MAX_RTU_BYTES: Final = 256

READ_COILS: Final = 1
READ_DISCRETE: Final = 2
READ_HOLDING: Final = 3
READ_INPUT: Final = 4
WRITE_COIL: Final = 5
WRITE_REGISTER: Final = 6
WRITE_COILS: Final = 15
WRITE_REGISTERS: Final = 16
MASK_REGISTER: Final = 22
READ_WRITE: Final = 23

BIT_READS: Final = frozenset({READ_COILS, READ_DISCRETE})
READS: Final = frozenset({READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT})
FUNCTIONS: Final = READS | {5, 6, 15, 16, 22, 23}

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3


class Framing(StrEnum):
    """How a PDU travels."""

    MBAP = "mbap"
    RTU = "rtu"


class Refused(Exception):
    """The device answers with this exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Unframed(Exception):
    """The stream is no MBAP: the server hangs up, because the next header cannot be found."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One request as it came: for MBAP with its transaction, for RTU with a checked CRC.

    raw  every byte of it, for the echo of a two-wire adapter
    """

    unit: int
    pdu: bytes
    transaction: int
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A PDU, read.

    address   first item read; the one written where nothing is read
    count     items read; items written where nothing is read
    values    words or bits to write; for function 5 the word as sent (0x0000, 0xFF00, or a maker's)
    target    where function 23 writes; for the other writing functions the same as address
    masks     AND mask and OR mask of function 22
    """

    function: int
    address: int
    count: int
    values: tuple[int, ...] = ()
    target: int = 0
    masks: tuple[int, int] = (0xFFFF, 0)


def crc16(data: bytes) -> int:
    """Checksum of a serial frame: polynomial 0xA001 reflected, start 0xFFFF (V1.02, 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0xA001 if byte & 1 else 0)
    return byte


_CRC_TABLE: Final = tuple(_crc_of_byte(byte) for byte in range(256))


def seal_rtu(unit: int, pdu: bytes) -> bytes:
    """Put address and checksum around a PDU; the checksum goes low byte first."""
    body = bytes([unit]) + pdu
    return body + struct.pack("<H", crc16(body))


def seal_mbap(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Put the seven-byte header before a PDU; its length counts the unit and the PDU."""
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def refusal(function: int, code: int, *, function_byte: int | None = None) -> bytes:
    """Return an exception PDU; `function_byte` is for makers who always answer with 0x80."""
    return bytes([(function | 0x80) if function_byte is None else function_byte, code])


def pack_bits(bits: Sequence[int]) -> bytes:
    """Eight bits a byte, the first in the lowest position, the last byte filled with zeros."""
    packed = bytearray((len(bits) + 7) // 8)
    for place, bit in enumerate(bits):
        if bit:
            packed[place // 8] |= 1 << place % 8
    return bytes(packed)


def pack_words(words: Sequence[int]) -> bytes:
    """Each word high byte first."""
    return struct.pack(f">{len(words)}H", *words)


def read_request(pdu: bytes) -> Request:
    """Read a PDU.

    raises Refused(1)  for a function that nobody here knows
    raises Refused(3)  for a length or a byte count that does not fit the function
    """
    function = pdu[0] if pdu else 0
    if function not in FUNCTIONS:
        raise Refused(ILLEGAL_FUNCTION)
    if len(pdu) != (expected := _pdu_length(pdu)):
        raise Refused(ILLEGAL_VALUE) from ValueError(f"{len(pdu)} bytes, expected {expected}")
    first, second = struct.unpack_from(">HH", pdu, 1)
    if function in READS:
        return Request(function=function, address=first, count=second)
    if function in {WRITE_COIL, WRITE_REGISTER}:
        return Request(function=function, address=first, count=1, values=(second,), target=first)
    if function == MASK_REGISTER:
        masks = (second, int.from_bytes(pdu[5:7]))
        return Request(function=function, address=first, count=1, target=first, masks=masks)
    return _read_many(pdu, first, second)


def _read_many(pdu: bytes, first: int, second: int) -> Request:
    function = pdu[0]
    if function == READ_WRITE:
        target, written = struct.unpack_from(">HH", pdu, 5)
        values = _words(pdu[10:], written, at_most=121)
        return Request(function=function, address=first, count=second, values=values, target=target)
    if function == WRITE_REGISTERS:
        values = _words(pdu[6:], second, at_most=123)
    else:
        if not 1 <= second <= 1968 or len(pdu) - 6 != (second + 7) // 8:
            raise Refused(ILLEGAL_VALUE)
        values = tuple(pdu[6 + place // 8] >> place % 8 & 1 for place in range(second))
    return Request(function=function, address=first, count=second, values=values, target=first)


def _words(data: bytes, count: int, *, at_most: int) -> tuple[int, ...]:
    if not 1 <= count <= at_most or len(data) != 2 * count:
        raise Refused(ILLEGAL_VALUE)
    return struct.unpack(f">{count}H", data)


def _pdu_length(start: bytes) -> int | None:
    """How long the PDU that begins so will be; None when more of it is needed or nobody knows."""
    function = start[0]
    if function in READS or function in {WRITE_COIL, WRITE_REGISTER}:
        return 5
    if function == MASK_REGISTER:
        return 7
    place = {WRITE_COILS: 5, WRITE_REGISTERS: 5, READ_WRITE: 9}.get(function)
    if place is None or len(start) <= place:
        return None
    return place + 1 + start[place]


class MbapSplitter:
    """Cuts requests out of a TCP stream by the length in their headers; holds at most one."""

    framing: Final = Framing.MBAP

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def waits_for_more(self) -> bool:
        """Never by time: TCP has no silence that means anything."""
        return False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield what is complete; raises Unframed for a header that is none."""
        self._held += data
        while len(self._held) >= 8:
            transaction, protocol, length, unit = struct.unpack_from(">HHHB", self._held)
            if protocol != 0 or not 2 <= length <= MAX_PDU_BYTES + 1:
                raise Unframed(bytes(self._held[:8]).hex(" "))
            if len(self._held) < 6 + length:
                return
            raw = bytes(self._held[: 6 + length])
            del self._held[: 6 + length]
            yield Frame(unit, raw[7:], transaction, raw)

    def silence(self) -> Iterator[Frame]:
        """Nothing ends by silence here."""
        yield from ()


class RtuSplitter:
    """Cuts requests out of a serial stream by their function, and forgets the rest at a silence.

    A slave that reads a bad checksum says nothing and waits for the line to fall silent (V1.02,
    2.5.1); so does this. Holds at most MAX_RTU_BYTES; `dropped_bytes` counts what was thrown away.
    """

    framing: Final = Framing.RTU

    def __init__(self) -> None:
        self.dropped_bytes = 0
        self._held = bytearray()

    @property
    def waits_for_more(self) -> bool:
        """There is a beginning that a silence would end."""
        return bool(self._held)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield what is complete."""
        self._held += data
        while len(self._held) >= 4:
            size = _pdu_length(bytes(self._held[1:12]))
            if size is None or len(self._held) < size + 3:
                break
            raw = bytes(self._held[: size + 3])
            if not _sound(raw):
                self._drop()
                return
            del self._held[: size + 3]
            yield Frame(raw[0], raw[1:-2], 0, raw)
        if len(self._held) > MAX_RTU_BYTES:
            self._drop()

    def silence(self) -> Iterator[Frame]:
        """The line fell silent: what is there is a frame of an unknown function, or rubbish."""
        raw = bytes(self._held)
        if len(raw) >= 4 and raw[1] not in FUNCTIONS and _sound(raw):
            self._held.clear()
            yield Frame(raw[0], raw[1:-2], 0, raw)
        else:
            self._drop()

    def _drop(self) -> None:
        self.dropped_bytes += len(self._held)
        self._held.clear()


def _sound(raw: bytes) -> bool:
    return crc16(raw[:-2]) == int.from_bytes(raw[-2:], "little")
