"""Modbus devices, lines and everything that is wrong with them; read line.py first."""

from simulators.modbus.faults import (
    BadCrc,
    CutMidFrame,
    Duplicate,
    Exceptional,
    Fragments,
    GarbageAfter,
    GarbageBefore,
    IgnoredWrite,
    LateReply,
    OneBehind,
    Partial,
    ShortReply,
    Silent,
    Slow,
    Stuck,
    WrongCount,
    WrongEcho,
    WrongFunction,
    WrongTransaction,
    WrongUnit,
)
from simulators.modbus.line import Gateway, Line, Rival
from simulators.modbus.memory import Log
from simulators.modbus.named import fault_named
from simulators.modbus.ports import Dtu, PtyServed, TcpServed
from simulators.modbus.sometimes import Every, Only, Times
from simulators.modbus.tables import Asked, Table, Write, periods_of
from simulators.modbus.unit import Exchange, Fault, Limits, Piece, Unit

__all__ = [
    "Asked",
    "BadCrc",
    "CutMidFrame",
    "Dtu",
    "Duplicate",
    "Every",
    "Exceptional",
    "Exchange",
    "Fault",
    "Fragments",
    "GarbageAfter",
    "GarbageBefore",
    "Gateway",
    "IgnoredWrite",
    "LateReply",
    "Limits",
    "Line",
    "Log",
    "OneBehind",
    "Only",
    "Partial",
    "Piece",
    "PtyServed",
    "Rival",
    "ShortReply",
    "Silent",
    "Slow",
    "Stuck",
    "Table",
    "TcpServed",
    "Times",
    "Unit",
    "Write",
    "WrongCount",
    "WrongEcho",
    "WrongFunction",
    "WrongTransaction",
    "WrongUnit",
    "fault_named",
    "periods_of",
]
