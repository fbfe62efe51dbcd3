"""Guessing the speed of a serial line, on a terminal that only answers at the right one."""

import os
import termios

import pytest

from gateway.clock import SystemClock
from gateway.commission.guess import guess, settings_to_try, url_of
from gateway.errors import LinkDown
from gateway.links.modbus import parse_url
from simulators.modbus import Exchange, Fault, Line, Piece, PtyServed, Unit


class OnlyAt(Fault):
    """Hears nothing unless the terminal runs at its speed."""

    def __init__(self, served: PtyServed, speed: int) -> None:
        self._path = served.path
        self._speed = speed

    def pieces(self, exchange: Exchange) -> list[Piece]:
        terminal = os.open(self._path, os.O_RDWR | os.O_NOCTTY)
        try:
            now = termios.tcgetattr(terminal)[5]
        finally:
            os.close(terminal)
        return super().pieces(exchange) if now == self._speed else []


def unit(number: int) -> Unit:
    made = Unit(number)
    made.set_words(3, 0, [1])
    return made


async def test_the_speed_at_which_a_unit_answers_is_found() -> None:
    line = Line([unit(2)])
    told: list[str] = []
    async with line.pty() as served:
        line[2].fault = OnlyAt(served, termios.B4800)
        first = parse_url(f"serial:{served.path}?baud=115200")
        found = await guess(
            first, [1, 2], SystemClock(), rate_per_s=1000, timeout_s=0.05, told=told.append
        )
        assert found is not None
        assert (found.baud, found.parity) == (4800, "N")
        assert url_of(found) == f"serial:{served.path}?baud=4800&parity=N"
    assert any("115200" in line for line in told), "what the installer wrote is tried first"
    assert any("9600 8E1" in line and "cannot do" in line for line in told), (
        "a terminal has no parity: it is said and the rest is tried"
    )


async def test_nobody_at_any_speed_is_no_guess() -> None:
    async with Line([]).pty() as served:
        found = await guess(
            parse_url(f"serial:{served.path}"),
            [1],
            SystemClock(),
            rate_per_s=1000,
            timeout_s=0.02,
            told=lambda _: None,
        )
    assert found is None


async def test_a_port_that_is_not_there_ends_it_at_once() -> None:
    with pytest.raises(LinkDown):
        await guess(
            parse_url("serial:/dev/no-such-port"),
            [1],
            SystemClock(),
            rate_per_s=1000,
            timeout_s=0.02,
            told=lambda _: None,
        )


def test_what_the_url_says_is_tried_first_and_nothing_twice() -> None:
    first = parse_url("serial:/dev/ttyUSB0?baud=4800&parity=E&stop=2")
    tried = list(settings_to_try(first))
    assert tried[0] == first
    pairs = [(each.baud, each.parity) for each in tried]
    assert len(pairs) == len(set(pairs))
    assert (9600, "N") in pairs
