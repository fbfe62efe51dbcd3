"""Scans of lines of simulated devices: what is found, what is said, and what is never sent."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.clock import SystemClock
from gateway.commission.scan import MAX_REQUESTS, Found, Scan
from gateway.commission.scan_text import document_of, lines_of
from gateway.errors import LinkDown
from gateway.links.modbus import parse_url
from gateway.profile import Shelf
from simulators.brokers import free_port
from simulators.modbus import (
    BadCrc,
    Exceptional,
    Gateway,
    LateReply,
    Limits,
    Line,
    Silent,
    Unit,
)
from tests.commission.conftest import model

SOON_S = 0.1


async def scan(
    url: str, units: Sequence[int], shelf: Shelf, *, ranges: bool = True
) -> tuple[Scan, Found]:
    made = Scan(
        parse_url(url), units, SystemClock(), rate_per_s=5000, timeout_s=SOON_S, ranges=ranges
    )
    return made, await made.run(shelf)


def text(made: Scan) -> str:
    return "\n".join(lines_of(made.settings, made.found))


async def test_units_are_found_with_their_ranges_and_their_profiles(shelf: Shelf) -> None:
    line = Line([model("power/kstar_ups", unit=3).unit])
    async with line.tcp() as served:
        made, found = await scan(served.url, [1, 2, 3], shelf)
    assert list(found.units) == [3]
    assert found.units[3].functions[3].ranges() == [(100, 101), (109, 112), (119, 125)]
    best = found.units[3].fits[0]
    assert (best.profile_id, best.sure) == ("power/kstar_ups", "likely")
    assert "power/kstar_ups" in text(made)
    assert "unit = 3" in text(made)


async def test_a_scan_sends_reads_and_nothing_else(shelf: Shelf) -> None:
    line = Line([model("gas/draeger_regard3900", unit=5, channel=1).unit, Unit(7)])
    async with line.rtu_over_tcp() as served:
        _, found = await scan(served.url, [5, 7], shelf)
    assert {asked.function for asked in line.requests} <= {1, 2, 3, 4}
    assert len(line.writes) == 0
    assert found.requests == len(line.requests)


async def test_an_exception_is_a_unit_that_is_there(shelf: Shelf) -> None:
    line = Line([Unit(4, limits=Limits(functions={6}))])
    async with line.rtu_over_tcp() as served:
        made, found = await scan(served.url, [4], shelf)
    assert found.units[4].first.code == 1
    assert "unit 4 is there (exception 1)" in text(made)
    assert "has none of the addresses that were tried" in text(made)


async def test_a_converters_exception_is_no_unit_but_says_the_converter_lives(
    shelf: Shelf,
) -> None:
    line = Line([Unit(9)], gateway=Gateway(timeout_s=0.01, code=0x0B))
    async with line.tcp() as served:
        made, found = await scan(served.url, [1, 2], shelf)
    assert found.units == {}
    assert found.gateway[0x0B] > 0
    assert "the converter is there, no unit behind it answers" in text(made)


async def test_a_unit_that_is_silent_to_one_function_is_asked_by_another(shelf: Shelf) -> None:
    unit = Unit(2)
    unit.set_words(4, 0, [7])

    class DeafToHolding(Silent):
        def pieces(self, exchange):  # type: ignore[no-untyped-def]
            return [] if exchange.function == 3 else [*_honest(exchange)]

    unit.fault = DeafToHolding()
    async with Line([unit]).tcp() as served:
        _, found = await scan(served.url, [2], shelf, ranges=False)
    assert found.units[2].function == 4


def _honest(exchange):  # type: ignore[no-untyped-def]
    from simulators.modbus import Fault  # noqa: PLC0415

    return Fault().pieces(exchange)


async def test_a_late_unit_is_found_all_the_same_and_the_time_it_needs_is_said(
    shelf: Shelf,
) -> None:
    unit = Unit(6)
    unit.set_words(3, 0, [1])
    unit.fault = LateReply(SOON_S * 2.5)
    async with Line([unit]).rtu_over_tcp() as served:
        made, found = await scan(served.url, [6], shelf, ranges=False)
    assert found.late[6] == pytest.approx(SOON_S * 2.5, abs=0.2)
    assert list(found.units) == [6]
    assert "timeout_seconds" in text(made)


async def test_replies_that_cannot_be_read_are_told_as_two_devices_with_one_number(
    shelf: Shelf,
) -> None:
    unit = Unit(3)
    unit.fault = BadCrc()
    async with Line([unit]).rtu_over_tcp() as served:
        made, found = await scan(served.url, [3], shelf, ranges=False)
    assert found.units == {}
    assert "two devices with one address" in text(made)
    assert "两台设备同号" in text(made)


async def test_a_device_that_has_the_connection_for_itself_is_examined_once(shelf: Shelf) -> None:
    unit = Unit(1)
    unit.set_words(3, 0, [5, 6])
    line = Line([unit], ignores_unit_id=True)
    async with line.tcp() as served:
        made, found = await scan(served.url, range(1, 33), shelf)
    assert found.unit_ignored
    assert len(found.asked) < 32
    assert "write unit = 1" in text(made)


async def test_silence_ends_with_the_other_framing_and_the_wiring(shelf: Shelf) -> None:
    async with Line([Unit(40)]).rtu_over_tcp() as served:
        made, found = await scan(served.url, [1], shelf)
        tried = served.url
    assert found.units == {}
    told = text(made)
    assert f"scan modbus {tried.replace('rtu-over-tcp', 'tcp')}" in told
    assert "120 Ω" in told
    assert "swap A and B" in told


async def test_serial_silence_names_the_settings_and_the_guess(shelf: Shelf) -> None:
    async with Line([]).pty() as served:
        made, _ = await scan(f"serial:{served.path}?baud=4800&parity=N", [1], shelf)
    assert "4800 8N1" in text(made)
    assert "--serial-guess" in text(made)


async def test_what_was_found_before_the_line_broke_is_kept(shelf: Shelf) -> None:
    line = Line([model("power/kstar_ups", unit=1).unit])
    async with line.tcp() as served:
        made = Scan(parse_url(served.url), [1], SystemClock(), rate_per_s=5000, timeout_s=SOON_S)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(made.run(shelf))
            await line[1].asked(function=3, address=110)
            await served.down()
            found = await task
    assert list(found.units) == [1]
    assert found.ended is not None
    assert "not finished" in text(made)


async def test_a_scan_that_is_cancelled_keeps_what_it_has(shelf: Shelf) -> None:
    line = Line([model("power/kstar_ups", unit=1).unit])
    async with line.tcp() as served:
        made = Scan(parse_url(served.url), [1], SystemClock(), rate_per_s=5000, timeout_s=SOON_S)
        running = asyncio.ensure_future(made.run(shelf))
        await line[1].asked(function=3, address=110)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert list(made.found.units) == [1]
    assert made.found.requests > 1
    assert made.found.units[1].functions[4].state == "unasked"
    assert "not looked at" in text(made)


async def test_a_port_that_is_closed_is_an_error_and_no_empty_result(shelf: Shelf) -> None:
    async with Line([]).tcp() as served:
        url = served.url
    with pytest.raises(LinkDown):
        await scan(url, [1], shelf)


async def test_a_unit_that_refuses_everything_costs_a_bounded_number_of_reads(
    shelf: Shelf,
) -> None:
    unit = Unit(1)
    unit.fault = Exceptional(2)
    line = Line([unit])
    async with line.tcp() as served:
        await scan(served.url, [1], shelf)
    assert len(line.requests) <= MAX_REQUESTS + 4


async def test_a_hostile_text_of_a_device_is_escaped_in_every_output(shelf: Shelf) -> None:
    device = model("gas/draeger_regard3900", unit=1, channel=3)
    device.put_words("gas_name", [0x1B5B, 0x324A, 0x4300, 0])
    async with Line([device.unit]).rtu_over_tcp() as served:
        made, _ = await scan(served.url, [1], shelf)
    assert "\x1b" not in text(made)
    assert "\x1b" not in str(document_of(made.settings, made.found))


async def test_the_document_for_programs_has_every_key_always(shelf: Shelf) -> None:
    async with Line([]).tcp() as served:
        made, _ = await scan(served.url, [1], shelf)
    document = document_of(made.settings, made.found)
    assert document["units"] == []
    assert document["complete"] is True
    assert document["next"]


async def test_a_box_that_dials_in_is_waited_for_and_scanned(shelf: Shelf) -> None:
    line = Line([model("power/kstar_ups", unit=3).unit])
    port = free_port()
    url = f"dial-in://127.0.0.1:{port}?registration=DTU-1"
    async with line.dtu("127.0.0.1", port, registration=b"DTU-1"):
        _, found = await scan(url, [3], shelf, ranges=False)
    assert list(found.units) == [3]
