"""One wire and its units, seen by a master that speaks bytes."""

import asyncio
import time
from itertools import pairwise

import pytest

from simulators.modbus import (
    Exceptional,
    Gateway,
    LateReply,
    Line,
    Silent,
    Slow,
    Times,
    Unit,
    periods_of,
)
from tests.simulators.modbus.master import serial_master, tcp_master

ASK_1 = "01 03 00 00 00 01 84 0A"
ASK_2 = "02 03 00 00 00 01 84 39"
TRUE_1 = "01 03 02 00 01 79 84"
TRUE_2 = "02 03 02 00 02 7D 85"


def two_units() -> list[Unit]:
    units = [Unit(1), Unit(2)]
    for unit in units:
        unit.holding[0] = unit.number
    return units


async def test_units_answer_over_tcp_under_the_transaction_they_were_asked_with() -> None:
    async with Line(two_units()).tcp() as served, tcp_master(served) as master:
        assert served.url == f"tcp://127.0.0.1:{served.port}"
        heard = await master.ask("01 02 00 00 00 06 02 03 00 00 00 01", 11)
        assert heard == "01 02 00 00 00 05 02 03 02 00 02"


async def test_units_answer_serial_frames_through_tcp() -> None:
    async with Line(two_units()).rtu_over_tcp() as served, tcp_master(served) as master:
        assert (await master.ask(ASK_1, 7), await master.ask(ASK_2, 7)) == (TRUE_1, TRUE_2)


async def test_units_answer_on_a_pseudo_terminal() -> None:
    async with Line(two_units()).pty() as served, serial_master(served) as master:
        assert (await master.ask(ASK_1, 7), await master.ask(ASK_2, 7)) == (TRUE_1, TRUE_2)


async def test_a_number_nobody_has_stays_unanswered_and_the_next_is_answered() -> None:
    async with Line([Unit(1)]).rtu_over_tcp() as served, tcp_master(served) as master:
        master.send(ASK_2)
        assert await master.hears_nothing_for(0.1)


async def test_a_gateway_answers_11_for_a_dead_unit_and_the_line_waits_for_it() -> None:
    line = Line(two_units(), gateway=Gateway(timeout_s=0.2))
    line[2].fault = Silent()
    async with line.tcp() as served, tcp_master(served) as master, tcp_master(served) as other:
        began_s = time.monotonic()
        dead = line[2].asked()
        master.send("00 01 00 00 00 06 02 03 00 00 00 01")
        await dead
        other.send("00 02 00 00 00 06 01 03 00 00 00 01")
        assert await master.hear(9) == "00 01 00 00 00 03 02 83 0B"
        assert await other.hear(11) == "00 02 00 00 00 05 01 03 02 00 01"
        assert time.monotonic() - began_s >= 0.2


async def test_a_gateway_throws_a_late_reply_away() -> None:
    line = Line(two_units(), gateway=Gateway(timeout_s=0.05, code=0x0A))
    line[1].fault = Times(LateReply(0.1), 1)
    async with line.tcp() as served, tcp_master(served) as master:
        ask = "00 01 00 00 00 06 01 03 00 00 00 01"
        assert await master.ask(ask, 9) == "00 01 00 00 00 03 01 83 0A"
        assert await master.ask(ask, 11) == "00 01 00 00 00 05 01 03 02 00 01"


async def test_a_late_unit_lets_the_others_answer_and_its_own_next_request_waits() -> None:
    line = Line(two_units())
    line[1].holding[1] = 0x0777
    line[1].fault = Times(LateReply(0.15), 1)
    async with line.rtu_over_tcp() as served, tcp_master(served) as master:
        master.send(ASK_1)
        assert await master.ask(ASK_2, 7) == TRUE_2
        master.send("01 03 00 01 00 01 D5 CA")
        assert await master.hear(7) == TRUE_1  # the answer to the first, taken for the second
        assert (await master.hear(7)).startswith("01 03 02 07 77")


async def test_a_broadcast_is_done_by_all_and_answered_by_none() -> None:
    line = Line(two_units())
    line[2].holding.read_only.add(0)
    async with line.rtu_over_tcp() as served, tcp_master(served) as master:
        written = asyncio.ensure_future(line[1].written(address=0))
        await asyncio.sleep(0)
        master.send("00 06 00 00 00 05 48 18")
        assert (await written).values == (5,)
        assert await master.hears_nothing_for(0.1)
    assert (line[1].holding[0], line[2].holding[0]) == (5, 2)
    assert [(write.unit, write.values) for write in line.writes] == [(1, (5,))]


async def test_a_device_with_its_own_socket_answers_to_any_number() -> None:
    unit = Unit(1)
    unit.holding[0] = 1
    async with Line([unit], ignores_unit_id=True).tcp() as served, tcp_master(served) as master:
        heard = await master.ask("00 01 00 00 00 06 FF 03 00 00 00 01", 11)
        assert heard == "00 01 00 00 00 05 FF 03 02 00 01"


async def test_bytes_take_their_time_at_9600_baud() -> None:
    unit = Unit(1)
    unit.holding.define(0, 125)
    async with Line([unit], baud=9600).rtu_over_tcp() as served, tcp_master(served) as master:
        began_s = time.monotonic()
        await master.ask("01 03 00 00 00 7D 85 EB", 255)
        # 8 bytes out, 255 back, two silences of 3.5: 270 times ten bits
        assert time.monotonic() - began_s >= 0.281


async def test_a_two_wire_adapter_reads_back_its_own_bytes() -> None:
    line = Line(two_units())
    line.local_echo = True
    async with line.rtu_over_tcp() as served, tcp_master(served) as master:
        assert await master.ask(ASK_1, 15) == f"{ASK_1} {TRUE_1}"


async def test_a_second_master_is_heard_with_its_replies_and_not_counted() -> None:
    line = Line(two_units())
    async with (
        line.rtu_over_tcp() as served,
        tcp_master(served) as master,
        line.rival(2, every_s=0.02) as rival,
    ):
        heard = await master.hear(30)
        assert heard == f"{ASK_2} {TRUE_2} {ASK_2} {TRUE_2}"
        assert rival.poll_count >= 2
    assert not line.requests


async def test_a_rude_second_master_talks_amid_a_transaction() -> None:
    line = Line(two_units())
    line[1].fault = Slow(0.1)
    async with line.rtu_over_tcp() as served, tcp_master(served) as master:
        asked = asyncio.ensure_future(line[1].asked())
        await asyncio.sleep(0)
        master.send(ASK_1)
        await asked
        async with line.rival(2, every_s=60, polite=False):
            assert await master.hear(22) == f"{ASK_2} {TRUE_2} {TRUE_1}"


async def test_noise_arrives_unasked() -> None:
    line = Line(two_units())
    async with line.rtu_over_tcp() as served, tcp_master(served) as master:
        assert await master.ask(ASK_1, 7) == TRUE_1
        await line.noise(b"\x00\xff")
        assert await master.hear(2) == "00 FF"


async def test_requests_of_many_units_are_remembered_in_order_with_their_times() -> None:
    line = Line(two_units())
    async with line.rtu_over_tcp() as served, tcp_master(served) as master:
        for _ in range(3):
            await master.ask(ASK_1, 7)
            await master.ask(ASK_2, 7)
    assert [asked.unit for asked in line.requests] == [1, 2, 1, 2, 1, 2]
    times_ns = [asked.mono_ns for asked in line.requests]
    assert all(soon <= late for soon, late in pairwise(times_ns))
    assert len(line[1].periods_s(0, function=3)) == len(periods_of(line.requests, 2)) == 2


async def test_a_fault_may_come_and_go_while_the_line_runs() -> None:
    line = Line(two_units())
    async with line.rtu_over_tcp() as served, tcp_master(served) as master:
        line[1].fault = Exceptional(4)
        assert (await master.ask(ASK_1, 5)).startswith("01 83 04")
        line[1].fault = None
        assert await master.ask(ASK_1, 7) == TRUE_1


async def test_a_slow_unit_holds_the_line() -> None:
    line = Line(two_units())
    line[1].fault = Slow(0.1)
    async with line.rtu_over_tcp() as served, tcp_master(served) as one, tcp_master(served) as two:
        asked = asyncio.ensure_future(line[1].asked())
        await asyncio.sleep(0)
        one.send(ASK_1)
        await asked
        began_s = time.monotonic()
        assert await two.ask(ASK_2, 7) == TRUE_2
        assert time.monotonic() - began_s > 0.05
        assert await one.hear(7) == TRUE_1


def test_two_units_of_one_number_are_refused_with_advice() -> None:
    with pytest.raises(ValueError, match="Duplicate"):
        Line([Unit(1), Unit(1)])


async def test_leaving_ends_what_is_still_thinking() -> None:
    line = Line(two_units())
    line[1].fault = LateReply(60)
    async with line.rtu_over_tcp() as served, tcp_master(served) as master:
        asked = asyncio.ensure_future(line[1].asked())
        await asyncio.sleep(0)
        master.send(ASK_1)
        await asked
    assert not line._late
