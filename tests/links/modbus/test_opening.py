"""What an installer reads when a bus cannot be opened."""

import asyncio
import os
import pty
import socket

import pytest

from gateway.clock import SystemClock
from gateway.errors import LinkDown
from gateway.links.modbus import BusSettings, ModbusConnection
from simulators.ports import free_port
from tests.links.modbus.ends import SOON_S, bus


def tcp(port: int, **given: float) -> BusSettings:
    return BusSettings(scheme="tcp", host="127.0.0.1", port=port, **given)  # type: ignore[arg-type]


async def test_row_21_nobody_listens() -> None:
    """Quirk row 21: open() says so and tries nothing again; the driver's loop does."""
    with pytest.raises(LinkDown, match="唯一的连接已被占用") as caught:
        await ModbusConnection.open(tcp(free_port()), SystemClock())
    assert "tried again later" in str(caught.value)


async def test_row_21_nobody_answers() -> None:
    """Quirk row 21: a full backlog takes no more calls; bounded by connect_timeout_s."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            with pytest.raises(LinkDown, match="没有应答"):
                async with asyncio.timeout(30):
                    await ModbusConnection.open(tcp(port, connect_timeout_s=0.2), SystemClock())
        finally:
            for filler in fillers:
                filler.close()


async def test_a_name_that_nobody_knows() -> None:
    settings = BusSettings(scheme="tcp", host="no-such-host.invalid", port=502)
    with pytest.raises(LinkDown, match=r"主机名|没有应答"):
        await ModbusConnection.open(settings, SystemClock())


async def test_a_serial_port_that_is_not_there() -> None:
    settings = BusSettings(scheme="serial", device="/dev/no-such-port")
    with pytest.raises(LinkDown, match="打不开"):
        await ModbusConnection.open(settings, SystemClock())


async def test_something_that_is_no_serial_port(tmp_path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    settings = BusSettings(scheme="serial", device=str(file))
    with pytest.raises(LinkDown, match="打不开"):
        await ModbusConnection.open(settings, SystemClock())


async def test_row_25_a_serial_port_is_opened_once() -> None:
    """Quirk row 25: on this machine at least there is one master."""
    async with bus("serial") as both:
        with pytest.raises(LinkDown, match="打不开"):
            await ModbusConnection.open(both.connection.settings, SystemClock())


async def test_a_port_that_opens_too_late_is_closed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A USB adapter that hangs for longer than connect_timeout_s must not keep the port."""
    from gateway.links.modbus import opening  # noqa: PLC0415

    far, near = pty.openpty()
    hold = asyncio.Event()
    loop = asyncio.get_running_loop()
    made = []

    class Slow(opening.SerialTransport):
        def __init__(self, *given) -> None:
            asyncio.run_coroutine_threadsafe(hold.wait(), loop).result(10)
            super().__init__(*given)
            made.append(self.sync_serial)

    monkeypatch.setattr(opening, "SerialTransport", Slow)
    settings = BusSettings(scheme="serial", device=os.ttyname(near), connect_timeout_s=SOON_S)
    with pytest.raises(LinkDown, match="串口打不开"):
        await ModbusConnection.open(settings, SystemClock())
    hold.set()
    async with asyncio.timeout(10):
        while not made or made[0].is_open:  # noqa: ASYNC110 pyserial has no event
            await asyncio.sleep(0)
    os.close(far)
    os.close(near)
