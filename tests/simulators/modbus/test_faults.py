"""Each fault as a master sees it, byte by byte."""

import asyncio
import time

import pytest

from simulators.modbus import (
    BadCrc,
    CutMidFrame,
    Duplicate,
    Every,
    Exceptional,
    Fault,
    Fragments,
    GarbageAfter,
    GarbageBefore,
    IgnoredWrite,
    Line,
    OneBehind,
    Only,
    Partial,
    ShortReply,
    Silent,
    Slow,
    Stuck,
    Times,
    Unit,
    WrongCount,
    WrongEcho,
    WrongFunction,
    WrongTransaction,
    WrongUnit,
    fault_named,
)
from simulators.modbus.named import NAMED
from simulators.modbus.wire import seal_rtu
from tests.simulators.modbus.master import Master, tcp_master


def a_unit() -> Unit:
    unit = Unit(1)
    unit.holding.define(0, 10)
    unit.set_words(3, 0, [0x0102, 0x0304, 0x0506])
    return unit


def rtu(text: str) -> str:
    frame = bytes.fromhex(text)
    return seal_rtu(frame[0], frame[1:]).hex(" ").upper()


READ = rtu("01 03 00 00 00 03")
TRUE = rtu("01 03 06 01 02 03 04 05 06")
WRITE_NINE = rtu("01 10 00 00 00 09 12" + " 00 07" * 9)

SPOILED = [
    (ShortReply(4), READ, rtu("01 03 04 01 02 03 04")),
    (WrongCount(2), READ, rtu("01 03 08 01 02 03 04 05 06")),
    (WrongFunction(), READ, rtu("01 04 06 01 02 03 04 05 06")),
    (WrongFunction(23), READ, rtu("01 17 06 01 02 03 04 05 06")),
    (WrongUnit(), READ, rtu("02 03 06 01 02 03 04 05 06")),
    (WrongTransaction(), READ, TRUE),
    (WrongEcho(), WRITE_NINE, rtu("01 10 00 00 00 08")),
    (WrongEcho("address", 1), rtu("01 06 00 01 00 05"), rtu("01 06 00 02 00 05")),
    (WrongEcho("value", 2), rtu("01 06 00 01 00 05"), rtu("01 06 00 01 00 07")),
    (WrongEcho(), READ, TRUE),
    (Exceptional(5), READ, rtu("01 83 05")),
    (Exceptional(0x4B), READ, rtu("01 83 4B")),
    (Exceptional(3, 0x80), READ, rtu("01 80 03")),
    (GarbageBefore(), READ, f"00 FF {TRUE}"),
    (GarbageAfter(), READ, f"{TRUE} FF 00"),
    (Partial(4), READ, TRUE[:11]),
    (Duplicate(Unit(1), collide=False), READ, f"{TRUE} {rtu('01 83 02')}"),
]


@pytest.mark.parametrize(("fault", "request_text", "heard"), SPOILED)
async def test_a_reply_is_spoiled_in_just_this_way_and_nothing_follows(
    fault: Fault, request_text: str, heard: str
) -> None:
    unit = a_unit()
    unit.fault = fault
    async with Line([unit]).rtu_over_tcp() as served, tcp_master(served) as master:
        assert await master.ask(request_text, len(bytes.fromhex(heard))) == heard
        assert await master.hears_nothing_for(0.03)


async def test_a_silent_unit_does_nothing_either() -> None:
    unit = a_unit()
    unit.fault = Silent()
    async with Line([unit]).rtu_over_tcp() as served, tcp_master(served) as master:
        master.send(WRITE_NINE)
        assert await master.hears_nothing_for(0.05)
    assert (unit.holding[0], unit.requests.total) == (0x0102, 1)


async def test_a_wrong_checksum_is_wrong_and_mbap_gets_a_wrong_protocol() -> None:
    unit = a_unit()
    unit.fault = BadCrc()
    line = Line([unit])
    async with line.rtu_over_tcp() as served, tcp_master(served) as master:
        heard = await master.ask(READ, 11)
        assert (heard[:-2], heard != TRUE) == (TRUE[:-2], True)
    async with line.tcp() as served, tcp_master(served) as master:
        heard = await master.ask("00 01 00 00 00 06 01 03 00 00 00 01", 11)
        assert heard.startswith("00 01 00 01")


async def test_a_wrong_transaction_is_seen_over_tcp() -> None:
    unit = a_unit()
    unit.fault = WrongTransaction()
    async with Line([unit]).tcp() as served, tcp_master(served) as master:
        assert (await master.ask("00 01 00 00 00 06 01 03 00 00 00 01", 11))[:5] == "00 02"


async def test_a_reply_in_fragments_is_whole_in_the_end() -> None:
    unit = a_unit()
    unit.fault = Fragments(3, pause_s=0.02)
    async with Line([unit]).rtu_over_tcp() as served, tcp_master(served) as master:
        assert await master.ask(READ, 3) == TRUE[:8]
        began_s = time.monotonic()
        assert await master.hear(8) == TRUE[9:]
        assert time.monotonic() - began_s > 0.03


async def test_a_connection_is_closed_amid_a_reply() -> None:
    unit = a_unit()
    unit.fault = Times(CutMidFrame(3), 1)
    async with Line([unit]).rtu_over_tcp() as served:
        async with tcp_master(served) as master:
            master.send(READ)
            assert await master.end_of_stream() == bytes.fromhex(TRUE)[:3]
        async with tcp_master(served) as master:
            assert await master.ask(READ, 11) == TRUE


async def test_each_request_gets_the_reply_to_the_one_before() -> None:
    unit = a_unit()
    unit.fault = OneBehind()
    async with Line([unit]).rtu_over_tcp() as served, tcp_master(served) as master:
        master.send(rtu("01 03 00 00 00 01"))
        assert await master.hears_nothing_for(0.06)  # longer than the silence that ends a frame
        assert await master.ask(rtu("01 03 00 01 00 01"), 7) == rtu("01 03 02 01 02")
        assert await master.ask(rtu("01 03 00 02 00 01"), 7) == rtu("01 03 02 03 04")


async def test_values_stand_still_while_writes_are_taken() -> None:
    unit = a_unit()
    unit.fault = Stuck()
    async with Line([unit]).rtu_over_tcp() as served, tcp_master(served) as master:
        unit.holding[0] = 0x0999
        assert await master.ask(READ, 11) == TRUE
        unit.fault = Stuck({1})
        unit.set_words(3, 0, [0x0AAA, 0x0BBB])
        assert await master.ask(READ, 11) == rtu("01 03 06 0A AA 03 04 05 06")
        await master.ask(rtu("01 06 00 01 00 05"), 8)
    assert unit.holding[1] == 5


async def test_a_command_is_confirmed_and_the_relay_does_not_move() -> None:
    unit = a_unit()
    unit.fault = IgnoredWrite()
    async with Line([unit]).rtu_over_tcp() as served, tcp_master(served) as master:
        assert await master.ask(rtu("01 06 00 01 00 05"), 8) == rtu("01 06 00 01 00 05")
    assert unit.holding[1] == 0x0304


async def test_two_devices_of_one_address_spoil_each_others_checksum() -> None:
    unit, twin = a_unit(), a_unit()
    twin.set_words(3, 0, [0x1111, 0x2222, 0x3333])
    unit.fault = Duplicate(twin)
    async with Line([unit]).rtu_over_tcp() as served, tcp_master(served) as master:
        heard = bytes.fromhex(await master.ask(READ, 11))
        assert seal_rtu(heard[0], heard[1:-2]) != heard


async def test_a_unit_is_busy_three_times_and_then_fine() -> None:
    unit = a_unit()
    unit.fault = fault_named("busy=3")
    async with Line([unit]).rtu_over_tcp() as served, tcp_master(served) as master:
        for _ in range(3):
            assert await master.ask(READ, 5) == rtu("01 83 06")
        assert await master.ask(READ, 11) == TRUE


async def test_only_some_requests_suffer() -> None:
    unit = a_unit()
    async with Line([unit]).rtu_over_tcp() as served, tcp_master(served) as master:
        unit.fault = Only(Exceptional(2), function=3, address=1)
        assert await master.ask(READ, 11) == TRUE
        assert await master.ask(rtu("01 03 00 01 00 01"), 5) == rtu("01 83 02")
        unit.fault = Every(Exceptional(4), 2)
        assert await master.ask(READ, 11) == TRUE
        assert await master.ask(READ, 5) == rtu("01 83 04")


async def test_a_slow_unit_may_be_wrong_as_well() -> None:
    unit = a_unit()
    unit.fault = Slow(0.08, WrongUnit(9))
    async with Line([unit]).rtu_over_tcp() as served, tcp_master(served) as master:
        asked = asyncio.ensure_future(unit.asked(function=3, address=2))
        began_s = time.monotonic()
        assert (await master.ask(READ, 11)).startswith("09 03")
        assert time.monotonic() - began_s > 0.08
        assert (await asked)[0].count == 3


@pytest.mark.parametrize("name", NAMED)
async def test_every_named_fault_can_be_switched_on_and_off_again(name: str) -> None:
    unit = a_unit()
    async with Line([unit]).rtu_over_tcp() as served:
        async with tcp_master(served) as master:
            unit.fault = fault_named(name)
            asked = asyncio.ensure_future(unit.asked())
            await asyncio.sleep(0)
            master.send(READ)
            await asked
        unit.fault = None
        async with tcp_master(served) as master:
            assert await _true_within(master)


async def _true_within(master: Master) -> bool:
    return await master.ask(READ, 11) == TRUE


def test_a_fault_that_is_none_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="silent"):
        fault_named("asleep")
    assert fault_named("exception=0x4B") == Exceptional(0x4B)


async def test_waiting_for_a_request_that_never_comes_ends() -> None:
    with pytest.raises(TimeoutError):
        await a_unit().asked(timeout_s=0.01)
