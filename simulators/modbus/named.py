"""Faults by name, as a person types them.

Owns    the list of names. Needs faults and sometimes of this package.
"""

from collections.abc import Callable
from typing import Final

from simulators.modbus.faults import (
    BadCrc,
    CutMidFrame,
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
from simulators.modbus.sometimes import Times
from simulators.modbus.unit import Fault


def _number(text: str) -> int:
    return int(text, 0)


NAMED: Final[dict[str, tuple[Callable[[str], Fault], str, str]]] = {
    "silent": (lambda _: Silent(), "", "不应答 / says nothing"),
    "slow": (lambda s: Slow(float(s)), "0.3", "应答慢（秒） / takes that many seconds"),
    "late": (lambda s: LateReply(float(s)), "0.7", "超时后才应答 / answers after the time-out"),
    "behind": (lambda _: OneBehind(), "", "总答上一问 / answers the request before"),
    "short": (lambda s: ShortReply(int(s)), "4", "数据不足（字节） / only so many data bytes"),
    "wrong-count": (lambda s: WrongCount(int(s)), "2", "字节数不符 / byte count off by"),
    "wrong-function": (lambda _: WrongFunction(), "", "功能码错 / another function"),
    "wrong-echo": (lambda s: WrongEcho(by=int(s)), "-1", "写应答不符 / write echo off by"),
    "wrong-unit": (lambda _: WrongUnit(), "", "站号错 / another unit's number"),
    "wrong-transaction": (lambda _: WrongTransaction(), "", "事务号错 / transaction off by one"),
    "exception": (lambda s: Exceptional(_number(s)), "4", "异常码 / that exception"),
    "exception-80": (
        lambda s: Exceptional(_number(s), 0x80),
        "3",
        "功能字节为 0x80 的异常 / exception with 0x80",
    ),
    "busy": (
        lambda s: Times(Exceptional(6), int(s)),
        "3",
        "忙若干次后正常 / busy so often, then fine",
    ),
    "garbage-before": (lambda _: GarbageBefore(), "", "应答前有杂波 / noise before"),
    "garbage-after": (lambda _: GarbageAfter(), "", "应答后有杂波 / noise behind"),
    "partial": (lambda s: Partial(int(s)), "3", "只发开头（字节） / only so many bytes"),
    "fragments": (lambda s: Fragments(int(s)), "3", "分段发送（字节） / so many bytes at a time"),
    "bad-crc": (lambda _: BadCrc(), "", "校验错 / wrong checksum"),
    "cut": (lambda s: CutMidFrame(int(s)), "3", "发到一半断线 / hangs up amid a reply"),
    "stuck": (lambda _: Stuck(), "", "数值停住 / values stand still"),
    "ignored-write": (lambda _: IgnoredWrite(), "", "写后不动作 / confirms, does nothing"),
}
"""Name: (maker, default argument, what it does); Duplicate, Only, Every need more than a word."""


def fault_named(text: str) -> Fault:
    """Make a fault of "silent", "slow=0.5", "exception=0x0B".

    raises ValueError  for a name or an argument that is none; its text names the ones there are
    """
    name, _, argument = text.strip().partition("=")
    if name not in NAMED:
        raise ValueError(f"没有故障 {name!r} / no such fault; 有 / there are: {', '.join(NAMED)}")
    make, default, _ = NAMED[name]
    return make(argument or default)
