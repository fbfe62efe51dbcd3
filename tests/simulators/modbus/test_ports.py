"""Sockets, terminals and boxes that dial in; and a real Modbus client at each."""

import asyncio
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from simulators.modbus import Line, TcpServed, Unit
from tests.simulators.modbus.master import Master, tcp_master

ASK = "01 03 00 00 00 01 84 0A"
TRUE = "01 03 02 00 01 79 84"


def a_line() -> Line:
    unit = Unit(1)
    unit.holding.define(0, 10)
    unit.holding[0] = 1
    unit.coils.define(0, 10)
    unit.set_words(4, 5, [500, 600])
    unit.set_words(2, 3, [1, 0, 1])
    return Line([unit])


async def _use(client: Any) -> None:
    assert await client.connect()
    try:
        assert (await client.read_input_registers(5, count=2, device_id=1)).registers == [500, 600]
        assert (await client.read_discrete_inputs(3, count=3, device_id=1)).bits[:3] == [
            True,
            False,
            True,
        ]
        assert not (await client.write_registers(2, [7, 8], device_id=1)).isError()
        assert not (await client.write_coil(4, True, device_id=1)).isError()
        assert not (await client.write_coils(5, [True, False, True], device_id=1)).isError()
        assert not (
            await client.mask_write_register(address=2, and_mask=0xFFF0, or_mask=5, device_id=1)
        ).isError()
        assert (await client.read_holding_registers(2, count=2, device_id=1)).registers == [5, 8]
        assert (await client.read_coils(4, count=4, device_id=1)).bits[:4] == [
            True,
            True,
            False,
            True,
        ]
        both = await client.readwrite_registers(
            read_address=2, read_count=2, write_address=3, values=[9], device_id=1
        )
        assert both.registers == [5, 9]
        assert (await client.read_holding_registers(100, count=1, device_id=1)).exception_code == 2
    finally:
        client.close()


async def test_a_real_client_reads_and_writes_over_tcp() -> None:
    async with a_line().tcp() as served:
        await _use(AsyncModbusTcpClient(served.host, port=served.port, timeout=2, retries=0))


async def test_a_real_client_reads_and_writes_rtu_over_tcp() -> None:
    async with a_line().rtu_over_tcp() as served:
        await _use(
            AsyncModbusTcpClient(
                served.host, port=served.port, framer=FramerType.RTU, timeout=2, retries=0
            )
        )


async def test_a_real_client_reads_and_writes_on_a_terminal() -> None:
    async with a_line().pty() as served:
        assert served.url == f"serial:{served.path}?baud=9600&parity=N"
        await _use(AsyncModbusSerialClient(served.path, baudrate=9600, timeout=2, retries=0))


async def test_a_real_client_can_open_the_terminal_again() -> None:
    async with a_line().pty() as served:
        for _ in range(2):
            client = AsyncModbusSerialClient(served.path, baudrate=9600, timeout=2, retries=0)
            assert await client.connect()
            assert (await client.read_holding_registers(0, device_id=1)).registers == [1]
            client.close()


async def test_one_slot_refuses_the_second_client() -> None:
    line = a_line()
    line.client_limit = 1
    async with line.rtu_over_tcp() as served, tcp_master(served) as first:
        assert await first.ask(ASK, 7) == TRUE
        async with tcp_master(served) as second:
            assert await second.end_of_stream() == b""
        assert await first.ask(ASK, 7) == TRUE
        assert (len(served.connections), len(served.refusals)) == (1, 1)


async def test_one_slot_may_kick_the_first_client_out() -> None:
    line = a_line()
    line.client_limit, line.when_full = 1, "kick"
    async with line.rtu_over_tcp() as served, tcp_master(served) as first:
        assert await first.ask(ASK, 7) == TRUE
        async with tcp_master(served) as second:
            assert await second.ask(ASK, 7) == TRUE
            assert await first.end_of_stream() == b""
            assert served.open_count == 1


async def test_a_pulled_cable_breaks_connections_and_the_port_stays_the_same() -> None:
    async with a_line().tcp() as served:
        port = served.port
        async with tcp_master(served) as master:
            await master.ask("00 01 00 00 00 06 01 03 00 00 00 01", 11)
            await served.down()
            assert await master.end_of_stream() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(served.host, port)
        await served.up()
        assert served.port == port
        async with tcp_master(served) as master:
            await master.ask("00 01 00 00 00 06 01 03 00 00 00 01", 11)


async def test_what_is_no_modbus_is_hung_up_on() -> None:
    async with a_line().tcp() as served, tcp_master(served) as master:
        master.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await master.end_of_stream() == b""


class Exchange:
    """The listening end that a box dials: each caller is one Master."""

    def __init__(self) -> None:
        self.callers: asyncio.Queue[Master] = asyncio.Queue()
        self._masters: list[Master] = []

    async def __aenter__(self) -> "Exchange":
        self.server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for master in self._masters:
            master.writer.close()
        await self.server.wait_closed()

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        master = Master(reader, writer)
        self._masters.append(master)
        self.callers.put_nowait(master)

    async def caller(self) -> Master:
        return await asyncio.wait_for(self.callers.get(), 3)


async def test_a_box_dials_in_says_who_it_is_beats_and_answers() -> None:
    async with (
        Exchange() as exchange,
        a_line().dtu(
            "127.0.0.1", exchange.port, registration=b"DTU-07", heartbeat=b"@@", heartbeat_s=0.2
        ),
    ):
        master = await exchange.caller()
        assert bytes.fromhex(await master.hear(6)) == b"DTU-07"
        assert bytes.fromhex(await master.hear(4)) == b"@@@@"
        master.send(ASK)
        heard = bytes.fromhex(await master.hear(9))
        assert heard.replace(b"@@", b"").startswith(bytes.fromhex(TRUE)[:5])


async def test_a_box_may_beat_right_before_a_reply() -> None:
    async with (
        Exchange() as exchange,
        a_line().dtu("127.0.0.1", exchange.port, heartbeat=b"\xfe") as dtu,
    ):
        dtu.heartbeat_before_replies = True
        master = await exchange.caller()
        assert await master.ask(ASK, 8) == f"FE {TRUE}"


async def test_a_box_that_lost_its_network_dials_again() -> None:
    async with (
        Exchange() as exchange,
        a_line().dtu("127.0.0.1", exchange.port, registration=b"R", redial_s=0.01) as dtu,
    ):
        first = await exchange.caller()
        assert await first.hear(1) == "52"
        dtu.drop()
        assert await first.end_of_stream() == b""
        second = await exchange.caller()
        assert await second.hear(1) == "52"
        assert await second.ask(ASK, 7) == TRUE
        assert len(dtu.connections) == 2


async def test_a_box_keeps_dialling_while_nobody_listens() -> None:
    exchange = Exchange()
    async with exchange:
        port = exchange.port
    async with a_line().dtu("127.0.0.1", port, redial_s=0.01) as dtu:
        assert not dtu.connections
        async with a_line().rtu_over_tcp(port=port) as other:  # it meets a slave, and that is fine
            assert isinstance(other, TcpServed)
            await other.connections.coming(timeout_s=3)
