"""Asking a bus politely."""

import asyncio

import pytest

from gateway.clock import SystemClock
from gateway.commission.asking import MAX_REOPENS, Asker
from gateway.errors import LinkDown
from gateway.links.modbus import PortRefuses, parse_url
from simulators.modbus import CutMidFrame, Gateway, Line, ShortReply, Times, Unit
from tests.clocks import FakeClock


def one_unit() -> Unit:
    unit = Unit(1)
    unit.set_words(3, 0, [7, 8])
    unit.set_words(1, 0, [1, 0, 1])
    return unit


class Immediate(SystemClock):
    """A clock that does not wait, but remembers for how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


async def test_registers_and_bits_come_back_as_numbers() -> None:
    async with Line([one_unit()]).tcp() as served:
        asker = Asker(parse_url(served.url), SystemClock(), rate_per_s=1000)
        registers = await asker.read(1, 3, 0, 2, timeout_s=5)
        bits = await asker.read(1, 1, 0, 3, timeout_s=5)
        await asker.close()
    assert (registers.state, registers.words) == ("data", (7, 8))
    assert bits.words == (1, 0, 1)
    assert asker.requests == 2


async def test_the_next_request_waits_for_its_turn() -> None:
    clock = FakeClock()
    line = Line([one_unit()])
    async with line.tcp() as served:
        asker = Asker(parse_url(served.url), clock, rate_per_s=4)
        await asker.read(1, 3, 0, 1, timeout_s=5)
        second = asyncio.ensure_future(asker.read(1, 3, 1, 1, timeout_s=5))
        await asyncio.sleep(0)
        assert clock.slept == [0.25]
        assert len(line.requests) == 1
        clock.advance(0.25)
        assert (await second).words == (8,)
        await asker.close()


@pytest.mark.parametrize("function", [5, 6, 15, 16, 0, 23])
async def test_there_is_no_way_to_write(function: int) -> None:
    line = Line([one_unit()])
    async with line.tcp() as served:
        asker = Asker(parse_url(served.url), SystemClock(), rate_per_s=1000)
        with pytest.raises(ValueError, match="does not read"):
            await asker.read(1, function, 0, 1, timeout_s=5)
        await asker.close()
    assert len(line.writes) == 0


async def test_every_end_of_a_request_is_an_answer() -> None:
    spoiled = one_unit()
    spoiled.fault = ShortReply(0)
    line = Line([spoiled], gateway=Gateway(timeout_s=0.01, code=0x0B))
    async with line.tcp() as served:
        asker = Asker(parse_url(served.url), SystemClock(), rate_per_s=1000)
        wrong = await asker.read(1, 3, 0, 2, timeout_s=5)
        spoiled.fault = None
        refused = await asker.read(1, 3, 90, 1, timeout_s=5)
        behind = await asker.read(9, 3, 0, 1, timeout_s=5)
        await asker.close()
    assert (wrong.state, refused.state, behind.state) == ("wrong", "refused", "silent")
    assert (refused.code, behind.code) == (2, 0x0B)
    assert (wrong.alive, refused.alive, behind.alive) == (False, True, False)


async def test_a_connection_that_is_cut_is_opened_again() -> None:
    unit = one_unit()
    unit.fault = Times(CutMidFrame(3), 1)
    clock = Immediate()
    async with Line([unit]).tcp() as served:
        asker = Asker(parse_url(served.url), clock, rate_per_s=1e6)
        assert (await asker.read(1, 3, 0, 1, timeout_s=5)).state == "lost"
        assert (await asker.read(1, 3, 0, 1, timeout_s=5)).words == (7,)
        await asker.close()
        assert len(served.connections) == 2


async def test_a_bus_that_is_gone_is_given_up_after_a_few_tries() -> None:
    line = Line([one_unit()])
    clock = Immediate()
    async with line.tcp() as served:
        asker = Asker(parse_url(served.url), clock, rate_per_s=1e6)
        await asker.read(1, 3, 0, 1, timeout_s=5)
        await served.down()
        states = [(await asker.read(1, 3, 0, 1, timeout_s=5)).state for _ in range(MAX_REOPENS)]
        with pytest.raises(LinkDown):
            await asker.read(1, 3, 0, 1, timeout_s=5)
    assert states == ["lost"] * MAX_REOPENS


async def test_a_port_that_cannot_do_parity_says_so_and_what_to_try() -> None:
    """A pseudo terminal takes no parity bit: the kernel refuses it."""
    async with Line([]).pty() as served:
        asker = Asker(
            parse_url(f"serial:{served.path}?baud=9600&parity=E"), SystemClock(), rate_per_s=10
        )
        with pytest.raises(PortRefuses, match="9600 8E1"):
            await asker.open()
