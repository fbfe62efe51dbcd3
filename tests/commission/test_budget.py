"""The worst time of a new alarm on a bus: reckoned by hand, then by the tool."""

import asyncio
import dataclasses
import time
from collections.abc import Sequence

import pytest

from drivers.modbus import health, schedule
from gateway.clock import SystemClock
from gateway.commission import budget
from gateway.commission.budget import NETWORK_S, THINK_S, changes, reckon, station_of
from gateway.driver import LinkSettings, find_driver
from gateway.events import Arrival, Device
from gateway.links.modbus import parse_url
from gateway.profile import Profile, Shelf
from gateway.profile.tool import sample_device
from simulators.modbus import Line, Silent, Unit

SERIAL = "serial:/dev/ttyUSB0?baud=9600&parity=N&gap_ms=20"


def stations(
    shelf: Shelf, profile_id: str, units: range, *, timeout_s: float | None = None
) -> list[budget.Station]:
    profile = shelf.get(profile_id)
    assert isinstance(profile, Profile)
    made: list[budget.Station] = []
    for unit in units:
        device: Device = sample_device(profile, {"unit": unit})
        made.append(station_of(profile, device, timeout_s))
    return made


def test_one_fire_point_on_a_serial_line_is_reckoned_as_by_hand(shelf: Shelf) -> None:
    found = reckon(parse_url(SERIAL), stations(shelf, "fire/jbf_point", range(1, 2)), None)
    assert found is not None
    # 8 characters asked, 5 + 2 answered, 10 bits each at 9600; thinking; 20 ms of silence.
    read_s = (8 + 5 + 2) * 10 / 9600 + THINK_S + 0.02
    assert found.round_s == pytest.approx(read_s)
    assert found.wait_s == 1.0
    assert (found.dead_s, found.slow_s) == (0.0, 1.0), "alone on the bus nobody else can be dead"
    assert found.worst_s == pytest.approx(2.0 + read_s)
    assert (found.reads, found.alarm_reads) == (1, 1)


def test_tcp_costs_the_network_and_the_thinking(shelf: Shelf) -> None:
    found = reckon(
        parse_url("tcp://192.0.2.1"), stations(shelf, "fire/jbf_point", range(1, 2)), None
    )
    assert found is not None
    assert found.round_s == pytest.approx(NETWORK_S + THINK_S)


def test_a_second_unit_adds_its_read_and_one_probe_of_the_dead(shelf: Shelf) -> None:
    one = reckon(parse_url(SERIAL), stations(shelf, "fire/jbf_point", range(1, 2)), None)
    two = reckon(parse_url(SERIAL), stations(shelf, "fire/jbf_point", range(1, 3)), None)
    assert one is not None
    assert two is not None
    assert two.round_s == pytest.approx(2 * one.round_s)
    assert two.dead_s == budget.PROBE_S


def test_a_bus_that_wants_more_time_than_there_is_stretches_its_periods(shelf: Shelf) -> None:
    slow = parse_url("serial:/dev/ttyUSB0?baud=1200")
    found = reckon(slow, stations(shelf, "perimeter/vibration_cable", range(1, 11)), None)
    assert found is not None
    assert found.load > 1
    assert not found.kept
    assert found.wait_s == pytest.approx(found.load / budget.BUSY_SHARE * 0.5, rel=0.6)
    assert found.costs[0].seconds >= found.costs[-1].seconds


def test_a_bus_without_alarms_has_no_budget(shelf: Shelf) -> None:
    assert reckon(parse_url(SERIAL), [], None) is None


def test_what_hardly_changes_does_not_count_as_the_wait_for_an_alarm(shelf: Shelf) -> None:
    """The channel's name is read once an hour; the alarm bits every second or two."""
    found = reckon(parse_url(SERIAL), stations(shelf, "gas/draeger_regard3900", range(1, 2)), None)
    assert found is not None
    assert found.wait_s <= 2.0


def test_every_change_that_is_proposed_makes_it_shorter_and_the_best_comes_first(
    shelf: Shelf,
) -> None:
    slow = parse_url("serial:/dev/ttyUSB0?baud=2400")
    devices = stations(shelf, "gas/draeger_regard3900", range(1, 9))
    now = reckon(slow, devices, None)
    found = changes(slow, devices, None)
    assert now is not None
    assert found
    assert all(change.worst_s < now.worst_s for change in found)
    assert [change.worst_s for change in found] == sorted(change.worst_s for change in found)
    assert any("baud" in change.english for change in found)


def test_a_baud_rate_the_devices_do_not_have_is_not_proposed(shelf: Shelf) -> None:
    slow = parse_url("serial:/dev/ttyUSB0?baud=4800")
    found = changes(slow, stations(shelf, "fire/gst_gst200_point", range(1, 21)), None)
    assert not any("baud" in change.english for change in found)


def test_a_shorter_period_is_proposed_only_where_the_bus_has_the_time(shelf: Shelf) -> None:
    quick = changes(parse_url(SERIAL), stations(shelf, "fire/jbf_point", range(1, 2)), None)
    assert any("alarm_period_seconds" in change.english for change in quick)
    full = changes(
        parse_url("serial:/dev/ttyUSB0?baud=1200"),
        stations(shelf, "perimeter/vibration_cable", range(1, 31)),
        None,
    )
    assert not any("alarm_period_seconds" in change.english for change in full)


def test_the_links_own_time_out_and_period_are_reckoned_with(shelf: Shelf) -> None:
    found = reckon(
        parse_url(SERIAL), stations(shelf, "fire/jbf_point", range(1, 2), timeout_s=0.3), 0.2
    )
    assert found is not None
    assert (found.slow_s, found.wait_s) == (0.3, 0.2)
    assert found.kept


def test_the_reckoning_uses_the_pollers_own_numbers() -> None:
    assert schedule.URGENT_IN_A_ROW == budget.URGENT_IN_A_ROW
    assert schedule.BUSY_SHARE == budget.BUSY_SHARE
    assert health.PROBE_TIMEOUT_S == budget.PROBE_S


@pytest.mark.parametrize("dead", [False, True])
async def test_the_poller_is_never_slower_than_the_reckoning_says(
    shelf: Shelf, *, dead: bool
) -> None:
    """Fire points on a simulated 9600 line, one of whose units may be dead, read by the driver."""
    profile = shelf.get("fire/jbf_point")
    assert profile is not None
    units = [Unit(number) for number in (1, 2, 3)]
    for each in units:
        each.set_words(3, 256 + 1, [0])
    line = Line(units, baud=9600)
    if dead:
        units[2].fault = Silent()
    devices = [
        dataclasses.replace(
            sample_device(profile, {"unit": each.number, "loop": 1, "device": 1}),
            id=f"p{each.number}",
        )
        for each in units
    ]
    told: asyncio.Queue[bool | None] = asyncio.Queue()

    async def emit(arrivals: Sequence[Arrival]) -> None:
        for arrival in arrivals:
            for reading in arrival.readings:
                if (reading.device_id, reading.point) == ("p1", "alarm"):
                    told.put_nowait(reading.active)

    async def notice(what: str, healthy: bool, text: str) -> None:
        del what, healthy, text

    async with line.rtu_over_tcp() as served:
        link = LinkSettings(
            name="bus", kind="modbus", url=f"{served.url}?baud=9600", client_id="", options={}
        )
        found = reckon(
            parse_url(link.url), [station_of(profile, each, None) for each in devices], None
        )
        assert found is not None
        driver = find_driver("modbus")(link, devices, {profile.id: profile}, SystemClock())
        running = asyncio.ensure_future(driver.run(emit, notice))
        for _ in range(3):
            await units[0].asked(function=3, address=257)
        assert await told.get() is False
        took_s = []
        for active in (True, False, True):
            await units[0].asked(function=3, address=257)
            units[0].set_words(3, 257, [int(active)])  # just behind its read: the worst moment
            began = time.monotonic()
            async with asyncio.timeout(30):
                assert await told.get() is active
            took_s.append(time.monotonic() - began)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    # The best of three: a machine that is busy elsewhere proves nothing, a poller that is slow is
    # slow each time.
    assert min(took_s) <= found.worst_s, (took_s, found)
