"""Silence, broken ways, floods and rubbish: one fault each, and each ends by itself."""

from pathlib import Path
from typing import Any

import pytest

from gateway.events import ONLINE_POINT, Garbled
from gateway.rules.supervision import FLOOD_MESSAGES
from tests.clocks import FakeClock
from tests.parts import Core, arrival, core, device, reading

HUNDRED = [device(f"d-{n}", silence_s=300.0) for n in range(100)]


async def link(made: Core, *, healthy: bool) -> None:
    watcher = made.intake.judge.supervision
    await made.intake.command(lambda ledger: watcher.link("field", healthy=healthy, ledger=ledger))


async def bridge(made: Core, *, there: bool) -> None:
    """What the driver emits when a bridge says that it is there or gone."""
    readings = [
        reading(
            made.clock,
            one.id,
            ONLINE_POINT,
            active=None,
            value=there,
            attributes={"via": "z/state"},
        )
        for one in HUNDRED
    ]
    await made.intake.emit([arrival(*readings, devices=())])


async def said(made: Core, device_id: str, **what: Any) -> None:
    await made.intake.emit(
        [arrival(reading(made.clock, device_id, ONLINE_POINT, active=None, **what), devices=())]
    )


def states(made: Core) -> set[str]:
    return {watch.state for watch in made.intake.judge.supervision.watches.values()}


async def test_after_the_start_every_device_is_unknown_and_a_message_makes_it_online(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock(), devices=HUNDRED) as made:
        assert states(made) == {"unknown"}
        await made.press("d-1", "door", value="open")
        assert made.intake.judge.supervision.watches["d-1"].state == "online"


async def test_silence_is_one_fault_and_a_message_ends_it(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock(), devices=[device(silence_s=300.0)]) as made:
        await made.press(name="door")
        await made.pass_time(299, step=30)
        assert made.told("offline") == []
        await made.pass_time(1000, step=30)
        assert made.told("offline") == ["fault.raised"]
        await made.press(name="door")
        assert made.told("offline") == ["fault.raised", "fault.restored"]
        assert len(made.intake.judge.book) == 0


async def test_silence_goes_on_over_a_restart(tmp_path: Path) -> None:
    clock = FakeClock()
    devices = [device(silence_s=300.0)]
    async with core(tmp_path, clock, devices=devices, crash=True) as made:
        await made.press(name="door")
        await made.pass_time(200, step=30)
    clock.advance(60)
    async with core(tmp_path, clock, devices=devices) as made:
        await made.pass_time(59)  # 260 s were over when it began; the start gives 60 s at least
        assert made.told("offline") == []
        await made.pass_time(5)
        assert made.told("offline") == ["fault.raised"]
    async with core(tmp_path, clock, devices=devices) as made:
        assert states(made) == {"offline"}
        await made.pass_time(600, step=30)
        assert made.told("offline") == []  # it is still that fault
        await made.press(name="door")
        assert made.told("offline") == ["fault.restored"]


@pytest.mark.parametrize("broken", [link, bridge])
async def test_a_dead_way_makes_devices_unknown_and_blames_none_of_them(
    tmp_path: Path, broken: Any
) -> None:
    word = "healthy" if broken is link else "there"
    async with core(tmp_path, FakeClock(), devices=HUNDRED) as made:
        for one in HUNDRED:
            await made.press(one.id, "door")
        await made.pass_time(100, step=20)
        await broken(made, **{word: False})
        assert states(made) == {"unknown"}
        await made.pass_time(3000, step=20)
        await broken(made, **{word: True})
        await made.pass_time(190, step=10)
        assert made.told("offline") == []  # 100 s of silence before, 190 s since
        await made.pass_time(60, step=10)
        assert made.told("offline") == ["fault.raised"] * 100  # now it is theirs


async def test_a_device_offline_by_its_last_will_is_one_fault_however_often_it_is_said(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await made.press(name="door")
        for _ in range(3):
            await said(made, "btn-1", value=False)
        assert made.told("offline") == ["fault.raised"]
        await said(made, "btn-1", value=True)
        assert made.told("offline") == ["fault.raised", "fault.restored"]
        assert states(made) == {"online"}


async def test_what_a_broker_kept_is_no_sign_of_life(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock(), devices=[device(silence_s=300.0)]) as made:
        await said(made, "btn-1", value=True, retained=True)
        assert states(made) == {"unknown"}
        await made.pass_time(400, step=20)
        assert states(made) == {"offline"}
        await said(made, "btn-1", value=True, retained=True)
        assert states(made) == {"offline"}  # silent all the same
        assert made.told("offline") == ["fault.raised"]


async def test_a_kept_word_ends_a_last_wills_fault_of_a_device_that_is_not_silent(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await said(made, "btn-1", value=False)
        await said(made, "btn-1", value=True, retained=True)
        assert made.told("offline") == ["fault.raised", "fault.restored"]
        assert states(made) == {"unknown"}


async def test_a_flooding_device_is_a_fault_until_it_is_quiet(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await made.pass_time(11)
        await made.intake.emit(
            [arrival(reading(made.clock, name="door")) for _ in range(FLOOD_MESSAGES)]
        )
        await made.pass_time(11)
        flooding = made.bodies("fault.raised")
        assert [body["data"]["point"] for body in flooding] == ["flooding"]
        await made.pass_time(22)
        assert made.told("fault") == ["fault.raised", "fault.restored"]


async def test_rubbish_is_a_fault_until_the_device_makes_sense_and_the_bytes_are_kept(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock()) as made:
        rubbish = [
            arrival(
                devices=("btn-1",),
                garbled=Garbled(
                    device_id="btn-1", why="not JSON", raw=b"%d" % n, size_bytes=3, received_ns=n
                ),
            )
            for n in range(150)
        ]
        for one in rubbish:
            await made.intake.emit([one])
        kept = await made.rows("SELECT raw FROM quarantine WHERE device = 'btn-1' ORDER BY id")
        assert [raw for (raw,) in kept] == [b"%d" % n for n in range(50, 150)]
        assert made.told("fault")[0] == "fault.raised"
        assert made.told("fault").count("fault.raised") == 1
        await made.press()
        assert made.told("fault")[-1] == "fault.restored"
