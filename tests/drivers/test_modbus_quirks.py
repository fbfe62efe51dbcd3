"""Every row of the quirk table that is the driver's to handle, on simulated devices.

Rows 8 to 12, 15 to 17, 22, 23, 30 and 31 of the link itself are in tests/links/modbus.
"""

import asyncio
import re
import time

import pytest

import drivers.modbus.driver as driver_module
from simulators.modbus import (
    BadCrc,
    Exceptional,
    Gateway,
    Line,
    Only,
    ShortReply,
    Silent,
    Stuck,
    Times,
    WrongFunction,
)
from simulators.modbus.behaviour import Behaviour
from simulators.modbus.model import Model
from simulators.ports import free_port
from tests.drivers.modbus_bench import House, device, driving, model

FAST = {"timeout_seconds": 0.2, "alarm_period_seconds": 0.1}


def panel(count: int) -> Line:
    """One unit with a register for each of so many devices."""
    first = model("spot", device=1)
    for number in range(2, count + 1):
        Model(model("spot", device=number).sheet, unit=first.unit)
    return Line([first.unit])


async def test_row_6_one_missing_point_never_blinds_its_neighbours() -> None:
    line = panel(40)
    unit = line[1]
    del unit.holding[17]
    devices = [device("spot", f"d-{number}", device=number) for number in range(1, 41)]
    house = House()
    async with line.tcp() as served, driving(served.url, house, *devices, **FAST):
        others = [each.id for each in devices if each.id != "d-17"]
        await house.until(lambda: all(house.actives("fire", name) for name in others))
        unit.set_words(3, 16, [1])
        unit.set_words(3, 18, [1])
        await house.until(lambda: house.actives("fire", "d-16")[-1])
        await house.until(lambda: house.actives("fire", "d-18")[-1])
        await house.until(lambda: house.garbled("d-17"))
        assert "17" in house.garbled("d-17")[0]
        assert not house.readings("d-17")
        assert not any(house.garbled(name) for name in others)
        # It costs little: the neighbours are still read together.
        since = len(unit.requests)
        await unit.asked(address=1, times=10)
        asked = unit.requests[since:]
        assert max(each.count for each in asked) > 5
        assert sum(each.covers(17) for each in asked) <= 2


async def test_row_6_a_point_that_is_fitted_later_is_found_and_its_reads_put_together() -> None:
    line = panel(8)
    unit = line[1]
    del unit.holding[5]
    devices = [device("spot", f"d-{number}", device=number) for number in range(1, 9)]
    house = House()
    async with line.tcp() as served, driving(served.url, house, *devices, **FAST):
        await house.until(lambda: house.is_troubled("d-5"))
        unit.set_words(3, 5, [1])
        await house.until(lambda: house.actives("fire", "d-5"))
        await house.until(lambda: not house.is_troubled("d-5"))
        assert (await unit.asked(address=5, times=3))[-1].count == 8


async def test_row_6_a_device_that_refuses_everything_while_it_boots_is_read_again_soon() -> None:
    line = panel(8)
    line[1].fault = Times(Exceptional(2), 24)
    devices = [device("spot", f"d-{number}", device=number) for number in range(1, 9)]
    house = House()
    async with line.tcp() as served, driving(served.url, house, *devices, **FAST):
        await house.until(lambda: all(house.actives("fire", each.id) for each in devices))
        assert (await line[1].asked(address=1, times=3))[-1].count == 8


async def test_a_refused_register_stays_told_while_the_rest_of_the_device_is_well() -> None:
    """Else a fault would come and go twice a minute for ever."""
    simulated = model("block")
    house = House()
    async with Line([simulated.unit]).tcp() as served:
        simulated.unit.fault = Only(Exceptional(2), function=4)
        async with driving(served.url, house, device("block"), **FAST):
            await house.until(house.is_troubled)
            since = house.mark()
            for tick in range(25):
                simulated.set("a_0", tick)
                await simulated.unit.asked(address=0, function=3)
            await since.until(lambda: since.readings(point="a_0"))
            assert house.is_troubled()
            simulated.unit.fault = None
            await house.until(lambda: not house.is_troubled())
            await house.until(lambda: house.readings(point="c_0"))


@pytest.mark.parametrize("code", [10, 11, 0x41, 0x42, 0x43, 0x4B])
async def test_rows_10_11_and_13_a_gateway_that_misses_a_unit_means_the_unit(code: int) -> None:
    good, bad = model("spot", unit=1, device=1), model("spot", unit=2, device=1)
    bad.unit.fault = Silent()
    line = Line([good.unit, bad.unit], gateway=Gateway(timeout_s=0.05, code=code))
    house = House()
    devices = [device("spot", "good", unit=1), device("spot", "bad", unit=2)]
    options = {**FAST, "timeout_seconds": 5.0}  # the gateway's answer, never our own time-out
    async with line.tcp() as served, driving(served.url, house, *devices, **options):
        await house.until(lambda: house.gone("bad"))
        # A probe waits a shorter time; on a machine with much to do one goes unanswered as well.
        assert re.search(rf"exception {code}\)|in a row", house.gone("bad")[0])
        await house.until(lambda: house.actives("fire", "good"))
        assert house.notices == [("link", True, "")]
        assert not house.garbled("bad")
        bad.unit.fault = None
        await house.until(lambda: house.is_online("bad"))


async def test_row_13_a_gateway_slower_than_our_time_out_does_not_take_the_neighbours_along() -> (
    None
):
    good, bad = model("spot", unit=1, device=1), model("spot", unit=2, device=1)
    bad.unit.fault = Silent()
    line = Line([good.unit, bad.unit], gateway=Gateway(timeout_s=0.5))
    house = House()
    devices = [device("spot", "good", unit=1), device("spot", "bad", unit=2)]
    options = {"timeout_seconds": 0.3, "alarm_period_seconds": 0.2}
    async with line.tcp() as served, driving(served.url, house, *devices, **options):
        await house.until(lambda: house.gone("bad"))
        for _ in range(2):  # probes, further and further apart
            await bad.unit.asked(timeout_s=20)
        await good.unit.asked(times=5)
        assert house.is_online("good")
        assert not house.gone("good")


@pytest.mark.parametrize("code", [5, 6])
async def test_row_14_a_busy_unit_is_asked_again_and_is_not_called_silent(code: int) -> None:
    simulated = model("spot", device=1)
    simulated.unit.fault = Times(Exceptional(code), 3)
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("spot"), **FAST),
    ):
        await house.until(lambda: house.actives("fire"))
        assert not house.gone()
        assert not house.garbled()
        assert 3 <= len(simulated.unit.requests) <= 6


async def test_row_14_a_unit_that_is_always_busy_is_told_and_restored() -> None:
    simulated = model("spot", device=1)
    simulated.unit.fault = Exceptional(6)
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("spot"), **FAST),
    ):
        await house.until(house.is_troubled)
        assert "busy" in house.garbled()[0]
        simulated.unit.fault = None
        await house.until(lambda: house.actives("fire") and not house.is_troubled())


async def test_row_17_noise_now_and_then_is_asked_again_and_nobody_is_woken_for_it() -> None:
    simulated = model("spot", device=1)
    house = House()
    async with (
        Line([simulated.unit]).rtu_over_tcp() as served,
        driving(f"{served.url}?drain_s=0.1", house, device("spot"), **FAST),
    ):
        await house.until(lambda: house.actives("fire"))
        for _ in range(3):
            simulated.unit.fault = Times(BadCrc(), 2)
            await simulated.unit.asked(times=6)
        assert not house.garbled()
        assert not house.gone()


@pytest.mark.parametrize("fault", [ShortReply(keep_bytes=0), WrongFunction()])
async def test_rows_9_and_10_a_unit_that_never_answers_rightly_is_told_then_offline(
    fault: ShortReply,
) -> None:
    simulated = model("spot", device=1)
    simulated.unit.fault = fault
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("spot"), **FAST),
    ):
        await house.until(house.garbled)
        assert not house.readings(point="fire")
        await house.until(house.gone)
        simulated.unit.fault = None
        await house.until(lambda: house.actives("fire") and house.is_online())
        assert not house.is_troubled()


async def test_row_18_dead_units_are_backed_off_and_their_cost_is_bounded() -> None:
    units = [model("spot", unit=number, device=1).unit for number in range(1, 6)]
    for unit in units[1:]:
        unit.fault = Silent()
    house = House()
    devices = [device("spot", f"d-{number}", unit=number) for number in range(1, 6)]
    async with Line(units).tcp() as served, driving(served.url, house, *devices, **FAST):
        await house.until(lambda: all(house.gone(f"d-{number}") for number in range(2, 6)))
        before, began_s = [len(unit.requests) for unit in units], time.monotonic()
        await units[0].asked(times=40)
        took_s = time.monotonic() - began_s
        asked = [len(unit.requests) - count for unit, count in zip(units, before, strict=True)]
        # A probe takes 0.15 s and is followed by ten times as long without one.
        assert sum(asked[1:]) <= took_s / (0.15 * 11) + 2
        assert units[0].periods_s(1)[-1] < 2


async def test_row_19_a_dead_unit_never_ends_the_connection() -> None:
    alive, dead = model("spot", unit=1, device=1), model("spot", unit=2, device=1)
    dead.unit.fault = Silent()
    house = House()
    devices = [device("spot", "d-1", unit=1), device("spot", "d-2", unit=2)]
    async with (
        Line([alive.unit, dead.unit]).tcp() as served,
        driving(served.url, house, *devices, **FAST),
    ):
        await dead.unit.asked(times=5, timeout_s=30)
        await house.until(lambda: house.gone("d-2"))
        assert len(served.connections) == 1
        assert house.notices == [("link", True, "")]


async def test_row_20_a_lost_connection_is_opened_again_within_seconds_and_all_told_anew() -> None:
    simulated = model("detector")
    simulated.show("gas")
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("detector"), **FAST),
    ):
        await house.until(lambda: house.actives("gas"))
        await served.down()
        await house.until(lambda: any(not ok for _, ok, _ in house.notices))
        since = house.mark()
        await served.up()
        began_s = time.monotonic()
        await since.until(lambda: ("link", True, "") in since.notices)
        await since.until(lambda: since.actives("gas") == [True])
        assert time.monotonic() - began_s < driver_module.PAUSE_MOST_S + 5
        assert since.is_online()


async def test_row_21_a_device_that_is_off_at_boot_is_found_when_it_comes() -> None:
    simulated = model("spot", device=1)
    port = free_port()
    house = House()
    async with driving(f"tcp://127.0.0.1:{port}", house, device("spot"), **FAST):
        await house.until(lambda: any(what == "link" and not ok for what, ok, _ in house.notices))
        assert str(port) in house.notices[0][2]
        async with Line([simulated.unit]).tcp(port=port):
            await house.until(lambda: house.actives("fire"))


async def test_row_24_the_pause_of_one_unit_is_no_pause_of_the_others() -> None:
    slow, quick = model("paced", unit=1), model("spot", unit=2, device=1)
    house = House()
    devices = [device("paced", "slow", unit=1), device("spot", "quick", unit=2)]
    async with (
        Line([slow.unit, quick.unit]).tcp() as served,
        driving(served.url, house, *devices, alarm_period_seconds=0.1),
    ):
        await house.until(lambda: house.readings("slow", "c_1"))
        await slow.unit.asked(times=4)
        await quick.unit.asked(times=10)
        between = [
            (late.mono_ns - soon.mono_ns) / 1e9
            for soon, late in zip(slow.unit.requests, list(slow.unit.requests)[1:], strict=False)
        ]
        assert min(between) >= 0.49
        periods = sorted(quick.unit.periods_s(1))
        assert periods[len(periods) // 2] < 0.4


async def test_row_25_a_second_master_is_a_conflict_until_it_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver_module, "CONFLICT_QUIET_S", 3.0)
    simulated = model("spot", device=1)
    line = Line([simulated.unit])
    house = House()
    async with line.pty() as served, driving(served.url, house, device("spot"), **FAST):
        await house.until(lambda: house.actives("fire"))
        async with line.rival(1, address=1, every_s=0.05):
            await house.until(lambda: any(what == "conflict" for what, _, _ in house.notices))
        told = [text for what, ok, text in house.notices if what == "conflict" and not ok]
        assert len(told) == 1
        assert "第二个主站" in told[0]
        await house.until(lambda: ("conflict", True, "") in house.notices)


async def test_row_27_a_heart_that_stops_takes_the_device_offline_and_its_beat_brings_it_back() -> (
    None
):
    simulated = model("detector")
    life = Behaviour(simulated)
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("detector"), **FAST),
    ):
        await house.until(lambda: house.actives("gas"))
        simulated.unit.fault = Stuck()
        simulated.show("gas")  # behind the frozen interface there is an alarm
        await house.until(house.gone)
        assert "beat" in house.gone()[0]
        assert house.actives("gas") == [False]
        since = house.mark()
        await simulated.unit.asked(times=10)
        assert not since.is_online()
        simulated.unit.fault = None
        life.beat("beat")
        await since.until(since.is_online)
        await since.until(lambda: since.actives("gas") == [True])


async def test_row_27_a_heart_that_beats_is_never_called_stopped() -> None:
    simulated = model("detector")
    life = Behaviour(simulated)
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("detector"), **FAST),
    ):
        for _ in range(6):
            life.beat("beat")
            await simulated.unit.asked(address=1, times=2)
        assert not house.gone()


async def test_row_30_a_dtu_dials_in_hangs_up_and_dials_again() -> None:
    simulated = model("detector")
    line = Line([simulated.unit])
    port = free_port()
    url = f"dial-in://127.0.0.1:{port}?registration=DTU-0001&heartbeat=50494E47"
    house = House()
    dialling = line.dtu(
        "127.0.0.1", port, registration=b"DTU-0001", heartbeat=b"PING", heartbeat_s=0.5
    )
    async with driving(url, house, device("detector"), **FAST), dialling as dtu:
        await house.until(lambda: house.actives("gas"))
        since = house.mark()
        dtu.drop()
        await since.until(lambda: any(not ok for _, ok, _ in since.notices))
        await since.until(lambda: since.actives("gas") == [False])


async def test_row_30_a_dtu_with_a_wrong_registration_is_named_to_whoever_looks_for_it() -> None:
    line = Line([model("spot", device=1).unit])
    port = free_port()
    url = f"dial-in://127.0.0.1:{port}?registration=DTU-0001&connect_timeout_s=1.5"
    house = House()
    dialling = line.dtu("127.0.0.1", port, registration=b"DTU-0007")
    async with driving(url, house, device("spot"), **FAST), dialling:
        await house.until(lambda: any("DTU-0007" in text for _, _, text in house.notices))


async def test_row_31_a_converter_with_one_slot_sees_one_connection_for_all_its_units() -> None:
    units = [model("spot", unit=number, device=1).unit for number in (1, 2, 3)]
    line = Line(units)
    line.client_limit = 1
    house = House()
    devices = [device("spot", f"d-{number}", unit=number) for number in (1, 2, 3)]
    async with line.rtu_over_tcp() as served, driving(served.url, house, *devices, **FAST):
        await house.until(lambda: all(house.actives("fire", each.id) for each in devices))
        await asyncio.gather(*(unit.asked(times=5) for unit in units))
        assert (len(served.connections), len(served.refusals)) == (1, 0)
