"""Whether somebody on this machine uses a bus, and the words for one that does not open."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.commission.busy import connected_from_here, why_not_open
from gateway.errors import LinkDown
from gateway.links.modbus import ModbusConnection, parse_url
from simulators.modbus import Line

PROC = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux tells, others do not")


@PROC
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_connection_of_this_machine_is_seen_with_its_process(host: str) -> None:
    async with Line([]).tcp() as served:
        settings = parse_url(f"tcp://{host}:{served.port}")
        assert await asyncio.to_thread(connected_from_here, settings) is None
        connection = await ModbusConnection.open(parse_url(served.url), SystemClock())
        who = await asyncio.to_thread(connected_from_here, settings)
        assert who is not None
        assert str(os.getpid()) in who
        await connection.close()


@PROC
async def test_a_connection_that_has_ended_is_not_in_the_way() -> None:
    async with Line([]).tcp() as served:
        connection = await ModbusConnection.open(parse_url(served.url), SystemClock())
        await connection.close()
        assert await asyncio.to_thread(connected_from_here, parse_url(served.url)) is None


def test_a_serial_line_is_not_looked_at_and_a_host_without_a_name_is_not_in_use() -> None:
    assert connected_from_here(parse_url("serial:/dev/ttyUSB0")) is None
    assert connected_from_here(parse_url("tcp://no-such-host.invalid:502")) is None


async def test_a_serial_port_that_is_taken_names_the_gateway() -> None:
    async with Line([]).pty() as served:
        settings = parse_url(f"serial:{served.path}")
        connection = await ModbusConnection.open(settings, SystemClock())
        with pytest.raises(LinkDown) as caught:
            await ModbusConnection.open(settings, SystemClock())
        assert "systemctl stop campus-gateway" in "\n".join(why_not_open(settings, caught.value))
        await connection.close()


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EACCES, "dialout"), (errno.EBUSY, "stop it first"), (errno.ENOENT, "by-id")],
)
def test_each_way_a_port_does_not_open_has_its_next_step(number: int, words: str) -> None:
    down = LinkDown("does not open")
    down.__cause__ = OSError(number, os.strerror(number))
    lines = why_not_open(parse_url("serial:/dev/ttyUSB0"), down)
    assert lines[0] == "does not open"
    assert words in "\n".join(lines)


def test_a_host_that_does_not_answer_is_told_to_ping() -> None:
    lines = why_not_open(parse_url("tcp://192.0.2.20"), LinkDown("no answer"))
    assert "ping 192.0.2.20" in lines[1]


def test_a_dial_in_port_is_told_about_the_box() -> None:
    settings = parse_url("dial-in://127.0.0.1:5020?registration=DTU-1")
    assert "registration text" in why_not_open(settings, LinkDown("taken"))[1]
