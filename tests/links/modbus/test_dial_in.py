"""DTUs that call us (quirk row 30): real sockets on both sides."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.errors import LinkDown
from gateway.links.modbus import (
    BusSettings,
    ModbusConnection,
    Request,
    Silent,
    dial_in,
    listening,
    parse_url,
)
from gateway.links.modbus.dial_in import MAX_PENDING, MAX_REPORTS_A_MINUTE, ListeningPort
from gateway.links.modbus.registration import MAX_FIRST_BYTES
from simulators.ports import free_port
from tests.links.modbus.ends import PATIENT_S, SOON_S, Heard, ends_with, registers, words

READ = Request.read(1, 3, 10, 2)


class Dtu:
    """A DTU that has called; it passes bytes on and knows no Modbus."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def hear(self) -> Heard:
        """One request of eight bytes."""
        async with asyncio.timeout(10):
            raw = await self.reader.readexactly(8)
        return Heard(None, raw[0], raw[1:-2], raw)

    async def is_hung_up_on(self) -> None:
        """Wait until the gateway has closed."""
        async with asyncio.timeout(15):
            with contextlib.suppress(ConnectionError):
                assert await self.reader.read() == b""


@asynccontextmanager
async def calls(port: int, said: bytes = b"") -> AsyncIterator[Dtu]:
    """A DTU that calls and says this at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    try:
        yield Dtu(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def settings(port: int, registration: bytes = b"DTU-1", **given: Any) -> BusSettings:
    given = {"connect_timeout_s": 10.0, "heartbeats": (b"PING",)} | given
    return BusSettings(
        scheme="dial-in", host="127.0.0.1", port=port, registration=registration, **given
    )


@asynccontextmanager
async def heard_by(
    *wanted: BusSettings,
) -> AsyncIterator[tuple[ListeningPort, list[tuple[str, str]]]]:
    """The port of these buses, and what it reports."""
    reports: list[tuple[str, str]] = []
    async with contextlib.AsyncExitStack() as stack:
        ports = [
            await stack.enter_async_context(
                listening(one, SystemClock(), lambda *told: reports.append(told))
            )
            for one in wanted
        ]
        assert ports[0] is not None
        assert all(port is ports[0] for port in ports)
        yield ports[0], reports


@asynccontextmanager
async def opened(wanted: BusSettings) -> AsyncIterator[ModbusConnection]:
    connection = await ModbusConnection.open(wanted, SystemClock())
    try:
        yield connection
    finally:
        await connection.close()


async def answers(connection: ModbusConnection, dtu: Dtu, *values: int) -> None:
    """One transaction over this line."""
    asking = asyncio.create_task(connection.ask(READ, PATIENT_S))
    dtu.say((await dtu.hear()).reply(registers(*values)))
    assert await asking == words(*values)


async def test_row_30_a_dtu_that_calls_becomes_the_line_and_its_heartbeats_mean_nothing() -> None:
    """Quirk row 30: registration, heartbeats between frames, then RTU."""
    wanted = settings(free_port())
    async with heard_by(wanted) as (port, reports), calls(port.port, b"DTU-1\r\n") as dtu:
        async with opened(wanted) as connection:
            dtu.say(b"PING")
            await answers(connection, dtu, 1, 2)
            dtu.say(b"PINGDTU-1PING")
            asking = asyncio.create_task(connection.ask(READ, PATIENT_S))
            heard = await dtu.hear()
            dtu.say(b"PING" + heard.reply(registers(3, 4)) + b"PING")
            assert await asking == words(3, 4)
            assert connection.line.garbage_bytes == 0
            assert connection.line.heartbeats >= 4
        assert reports == []
        assert port.counts.placed == 1


async def test_row_30_the_url_of_an_installer_is_enough() -> None:
    """Quirk row 30: without listening() the port is open while open() waits."""
    port = free_port()
    wanted = parse_url(f"dial-in://127.0.0.1:{port}?registration=DTU-0001&heartbeat=50494E47")
    opening = asyncio.create_task(ModbusConnection.open(wanted, SystemClock()))
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0)
    dtu = Dtu(reader, writer)
    dtu.say(b"DTU-0001")
    connection = await opening
    await answers(connection, dtu, 5, 6)
    await connection.close()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_row_30_links_share_a_port_and_are_told_apart_by_their_registration() -> None:
    """Quirk row 30: neither gets the other's line."""
    number = free_port()
    first, second = settings(number, b"DTU-1"), settings(number, b"DTU-12")
    async with (
        heard_by(first, second) as (port, _),
        calls(port.port, b"DTU-12") as twelve,
        calls(port.port, b"DTU-1") as one,
        opened(first) as connection_one,
        opened(second) as connection_twelve,
    ):
        await answers(connection_one, one, 1, 1)
        await answers(connection_twelve, twelve, 12, 12)


async def test_row_30_a_text_cut_in_two_is_not_taken_for_a_shorter_one() -> None:
    """Quirk row 30: DTU-1 followed by 2 is DTU-12."""
    number = free_port()
    first, second = settings(number, b"DTU-1", connect_timeout_s=0.5), settings(number, b"DTU-12")
    async with heard_by(first, second) as (port, _), calls(port.port, b"DTU-1") as dtu:
        dtu.say(b"2")
        async with opened(second) as connection:
            await answers(connection, dtu, 12, 12)
        with pytest.raises(LinkDown, match="DTU"):
            await ModbusConnection.open(first, SystemClock())


async def test_row_30_an_unknown_registration_is_hung_up_on_and_reported_as_plain_text() -> None:
    """Quirk row 30: a stranger's text is hostile."""
    async with heard_by(settings(free_port())) as (port, reports):
        async with calls(port.port, b"\x1b[2J\xff<script>" + b"x" * 100) as dtu:
            await dtu.is_hung_up_on()
        assert port.counts.unknown == 1
        [(event, text)] = reports
        assert event == "unknown"
        assert text.startswith("\\x1b[2J\\xff<script>")
        assert len(text) <= 257


async def test_row_30_whoever_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quirk row 30: the time to register is bounded."""
    monkeypatch.setattr(dial_in, "REGISTRATION_TIMEOUT_S", SOON_S)
    async with heard_by(settings(free_port())) as (port, reports):
        async with calls(port.port) as dtu:
            await dtu.is_hung_up_on()
        assert reports == [("mute", "")]


async def test_row_30_whoever_talks_without_end_is_hung_up_on_at_once() -> None:
    """Quirk row 30: so are the bytes."""
    async with heard_by(settings(free_port())) as (port, _):
        async with calls(port.port, b"x" * MAX_FIRST_BYTES * 3) as dtu:
            await dtu.is_hung_up_on()
        assert port.counts.unknown == 1


async def test_row_30_no_more_than_so_many_callers_are_undecided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Quirk row 30: and those who are there already keep their place."""
    monkeypatch.setattr(dial_in, "REGISTRATION_TIMEOUT_S", 60.0)
    async with heard_by(settings(free_port())) as (port, _), contextlib.AsyncExitStack() as stack:
        for _ in range(MAX_PENDING):
            await stack.enter_async_context(calls(port.port))
        async with asyncio.timeout(10):
            while len(port.pending) < MAX_PENDING:  # noqa: ASYNC110 counters have no event
                await asyncio.sleep(0)
        one_more = await stack.enter_async_context(calls(port.port))
        await one_more.is_hung_up_on()
        assert port.counts.crowded == 1
        assert len(port.pending) == MAX_PENDING


async def test_row_30_a_flood_of_strangers_is_counted_and_reported_within_bounds() -> None:
    """Quirk row 30: a log is not to be filled by whoever can reach the port."""
    async with heard_by(settings(free_port())) as (port, reports):
        for _ in range(MAX_REPORTS_A_MINUTE + 3):
            async with calls(port.port, b"x" * MAX_FIRST_BYTES) as dtu:
                await dtu.is_hung_up_on()
        assert port.counts.unknown == MAX_REPORTS_A_MINUTE + 3
        assert len(reports) == MAX_REPORTS_A_MINUTE


async def test_row_30_a_second_dtu_with_the_same_registration_replaces_the_first() -> None:
    """Quirk row 30: it lost its cell and calls again before TCP notices."""
    wanted = settings(free_port())
    async with heard_by(wanted) as (port, reports), calls(port.port, b"DTU-1") as first:
        async with opened(wanted) as old:
            await answers(old, first, 1, 1)
            async with calls(port.port, b"DTU-1") as second:
                async with asyncio.timeout(10):
                    assert "again" in str(await old.lost)
                await first.is_hung_up_on()
                async with opened(wanted) as new:
                    await answers(new, second, 2, 2)
        assert reports == [("replaced", "DTU-1")]


async def test_row_30_a_dtu_that_waits_is_replaced_and_one_that_hangs_up_is_forgotten() -> None:
    """Quirk row 30: also while no link has taken it yet."""
    wanted = settings(free_port())
    async with heard_by(wanted) as (port, reports), calls(port.port, b"DTU-1") as first:
        claim = port.claims[b"DTU-1"]
        async with asyncio.timeout(10):
            await claim.arrived.wait()
        async with calls(port.port, b"DTU-1"):
            await first.is_hung_up_on()
            assert reports == [("replaced", "DTU-1")]
        async with asyncio.timeout(10):
            while claim.parked is not None:  # noqa: ASYNC110 nobody else waits for this
                await asyncio.sleep(0)


async def test_a_dtu_that_nobody_has_taken_is_hung_up_on_when_its_link_goes() -> None:
    number = free_port()
    async with contextlib.AsyncExitStack() as others:
        port, _ = await others.enter_async_context(heard_by(settings(number, b"DTU-2")))
        async with heard_by(settings(number)):
            dtu = await others.enter_async_context(calls(port.port, b"DTU-1"))
            async with asyncio.timeout(10):
                await port.claims[b"DTU-1"].arrived.wait()
        await dtu.is_hung_up_on()


async def test_a_line_that_has_ended_is_not_reported_as_replaced() -> None:
    wanted = settings(free_port())
    async with heard_by(wanted) as (port, reports):
        for values in ((1, 1), (2, 2)):
            async with calls(port.port, b"DTU-1") as dtu, opened(wanted) as connection:
                await answers(connection, dtu, *values)
        assert reports == []


async def test_no_dtu_is_a_sentence_for_a_person() -> None:
    with pytest.raises(LinkDown, match="DTU 还没有拨入"):
        await ModbusConnection.open(settings(free_port(), connect_timeout_s=SOON_S), SystemClock())


async def test_a_port_that_is_taken_is_a_lost_link() -> None:
    async with heard_by(settings(free_port())) as (port, _):
        clash = settings(port.port)
        other = BusSettings(
            scheme="dial-in", host="localhost", port=port.port, registration=b"DTU-2"
        )
        assert clash.where != other.where
        with pytest.raises(LinkDown, match="cannot listen"):
            async with listening(other, SystemClock()):
                pass


async def test_other_buses_have_no_port_to_keep_open() -> None:
    async with listening(BusSettings(scheme="tcp", host="h"), SystemClock()) as port:
        assert port is None


async def test_a_dtu_whose_line_is_silent_is_a_silent_unit() -> None:
    wanted = settings(free_port())
    async with (
        heard_by(wanted) as (port, _),
        calls(port.port, b"DTU-1"),
        opened(wanted) as connection,
    ):
        assert isinstance(await ends_with(connection.ask(READ, SOON_S)), Silent)
        assert not connection.lost.done()
