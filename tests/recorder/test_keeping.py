"""Holds derived from a real store of alarms: there when they must be, back when they were lost."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.config import Camera, VideoSettings
from gateway.errors import StoreError
from gateway.events import Category, Device, Kind, Nature
from gateway.links.rtsp import RtspSettings
from gateway.recorder.alarms import PAGE, AlarmReader
from gateway.recorder.keeping import PATIENCE_S, Keeper
from gateway.requests import Request
from gateway.store.video import Hold, Retention, VideoStore, holds_of, released_since
from gateway.store.video.retention import Refused
from tests.clocks import NOON, SECOND, FakeClock
from tests.parts import Core, arrival, core, device, point, reading
from tests.store.video.making import DAY, opened, record

STREAM = RtspSettings(url="rtsp://127.0.0.1:1/main")
GATE = Camera(id="gate", name="西门", place="西门", stream=STREAM)
YARD = Camera(id="yard", name="操场", place="操场", stream=STREAM, sub=STREAM)
SETTINGS = VideoSettings()
SEES = device(cameras=("gate", "yard"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@dataclass
class Wishes:
    """Who would make the stills; here it only remembers."""

    wanted: list[tuple[str, str, int]] = field(default_factory=list)

    def want(self, alarm_id: str, camera: str, at_ns: int) -> None:
        self.wanted.append((alarm_id, camera, at_ns))


@dataclass
class Room:
    """The video process's side, put together over one folder."""

    root: Path
    clock: FakeClock
    store: VideoStore
    alarms: AlarmReader
    keeper: Keeper
    wishes: Wishes

    async def look(self) -> None:
        """Look until nothing more waits."""
        while await self.keeper.look():
            pass

    async def held(self, alarm_id: str) -> dict[str, tuple[int, int]]:
        """Camera → from and to, in seconds since NOON."""
        found: Sequence[Hold] = await self.store.run(holds_of, alarm_id)
        return {
            each.camera: ((each.from_ns - NOON) // SECOND, (each.to_ns - NOON) // SECOND)
            for each in found
        }


@asynccontextmanager
async def watching(
    root: Path,
    clock: FakeClock,
    *,
    cameras: Sequence[Camera] = (GATE, YARD),
    settings: VideoSettings = SETTINGS,
) -> AsyncIterator[Room]:
    """One life of the video process, as far as holds go."""
    async with opened(root, clock, recovered=True) as store:
        alarms = AlarmReader(store.folder)
        wishes = Wishes()
        keeper = Keeper(store, alarms, cameras, settings, wishes)
        try:
            yield Room(root, clock, store, alarms, keeper, wishes)
        finally:
            await alarms.close()


@asynccontextmanager
async def alarming(
    root: Path, clock: FakeClock, devices: Sequence[Device] = (SEES,)
) -> AsyncIterator[Core]:
    """One life of the alarm process over the same folder."""
    async with core(root / "index", clock, devices=devices) as made:
        yield made


async def pressed(made: Core, **what: Any) -> str:
    """Press, and say which alarm it is."""
    await made.press(**what)
    alarm_id = made.records[-1].alarm_id
    assert alarm_id is not None
    return alarm_id


async def closed(made: Core, alarm_id: str) -> None:
    await made.intake.command(
        lambda ledger: made.intake.judge.book.close(ledger, alarm_id, who="王", disposition="real")
    )


async def test_an_alarm_holds_its_cameras_and_their_small_streams_from_before_to_after(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with alarming(tmp_path, clock) as made, watching(tmp_path, clock) as room:
        await room.look()
        alarm_id = await pressed(made)
        assert await room.keeper.look(), "one look is enough"
        span = (-10, 120)
        assert await room.held(alarm_id) == {"gate": span, "yard": span, "yard.sub": span}
        assert set(room.wishes.wanted) == {(alarm_id, "gate", NOON), (alarm_id, "yard", NOON)}


async def test_what_the_configuration_says_of_before_and_after_counts(
    tmp_path: Path, clock: FakeClock
) -> None:
    settings = VideoSettings(hold_before_s=45, hold_after_s=300)
    async with (
        alarming(tmp_path, clock) as made,
        watching(tmp_path, clock, cameras=[GATE], settings=settings) as room,
    ):
        alarm_id = await pressed(made)
        await room.look()
        assert await room.held(alarm_id) == {"gate": (-45, 300)}


async def test_faults_records_and_devices_without_cameras_hold_nothing(
    tmp_path: Path, clock: FakeClock
) -> None:
    tamper = point("tamper", kind=Kind.TAMPER, nature=Nature.STATE, category=Category.FAULT)
    door = point("door", kind=Kind.ACCESS, nature=Nature.RECORD, category=Category.RECORD)
    devices = [device("btn-1", tamper, door, cameras=("gate",)), device("blind")]
    async with alarming(tmp_path, clock, devices) as made, watching(tmp_path, clock) as room:
        await made.press(name="tamper")
        await made.press(name="door", active=None)
        await made.press("blind")
        await room.look()
        assert [each.type for each in made.records].count("alarm.raised") == 1
        assert room.store.noted.holds == {}


async def test_a_hold_goes_on_while_the_alarm_is_open_and_ends_behind_its_close(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with (
        alarming(tmp_path, clock) as made,
        watching(tmp_path, clock, cameras=[GATE]) as room,
    ):
        alarm_id = await pressed(made)
        await room.look()
        for _ in range(600):
            clock.advance(1)
            await room.look()
            [(_, to_s)] = (await room.held(alarm_id)).values()
            now_s = (clock.utc_ns() - NOON) // SECOND
            assert now_s + 85 <= to_s <= now_s + 185, "always well ahead, never far"
        await closed(made, alarm_id)
        await room.look()
        [(from_s, to_s)] = (await room.held(alarm_id)).values()
        assert from_s == -10
        assert 600 + 120 <= to_s <= 600 + 185
        clock.advance(1000)
        await room.look()
        assert (await room.held(alarm_id))["gate"] == (from_s, to_s), "it grows no more"


async def test_an_alarm_that_nobody_closes_is_held_for_a_day_at_most(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with (
        alarming(tmp_path, clock) as made,
        watching(tmp_path, clock, cameras=[GATE]) as room,
    ):
        alarm_id = await pressed(made)
        for _ in range(30):
            clock.advance(3600)
            await room.look()
        assert await room.held(alarm_id) == {"gate": (-10, 86_400)}
        await closed(made, alarm_id)
        await room.look()
        assert await room.held(alarm_id) == {"gate": (-10, 86_400)}


async def test_what_happened_while_the_recorder_was_away_is_held_when_it_is_back(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with alarming(tmp_path, clock) as made:
        over = await pressed(made)
        clock.advance(200)
        await closed(made, over)
        lasts = await pressed(made)
        clock.advance(1000)
        async with watching(tmp_path, clock, cameras=[GATE]) as room:
            await room.look()
            assert await room.held(over) == {"gate": (-10, 320)}
            assert (await room.held(lasts))["gate"][0] == 190
            assert (await room.held(lasts))["gate"][1] >= 1200 + 120


async def test_a_restart_asks_for_the_same_again_and_nothing_grows_by_it(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with alarming(tmp_path, clock) as made:
        alarm_id = await pressed(made)
        await closed(made, alarm_id)
        for _ in range(3):
            async with watching(tmp_path, clock, cameras=[GATE]) as room:
                await room.look()
                assert await room.held(alarm_id) == {"gate": (-10, 120)}
            clock.advance(600)


async def test_a_new_alarm_does_not_wait_for_thousands_of_old_ones(
    tmp_path: Path, clock: FakeClock
) -> None:
    many = [device(f"b{number}", point(), cameras=("gate",)) for number in range(PAGE * 2 + 7)]
    async with alarming(tmp_path, clock, many) as made:
        for each in many[:-1]:
            await made.intake.emit([arrival(reading(clock, each.id))])
        async with watching(tmp_path, clock, cameras=[GATE]) as room:
            await room.keeper.look()
            alarm_id = await pressed(made, device_id=many[-1].id)
            await room.keeper.look()
            assert await room.held(alarm_id)
            assert len(room.store.noted.holds) < len(many), "the pass goes on behind it"
            await room.look()
            assert len(room.store.noted.holds) == len(many)


async def test_lost_holds_stop_deletion_until_every_alarm_has_said_its_own_again(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with alarming(tmp_path, clock) as made:
        async with watching(tmp_path, clock, cameras=[GATE]) as room:
            await room.look()
            await record(room.store, NOON - 30 * SECOND, camera="gate")
            await record(room.store, NOON + 3600 * SECOND, camera="gate")
            alarm_id = await pressed(made)
            await closed(made, alarm_id)
            await room.look()
            assert await room.held(alarm_id)
        lose(tmp_path)
        clock.advance(200 * DAY / SECOND)
        async with watching(tmp_path, clock, cameras=[GATE]) as room:
            retention = Retention(room.store)
            for _ in range(40):  # ten days of a clock that is sound
                assert (await retention.expire()).refused is Refused.HOLDS_UNKNOWN
                clock.advance(DAY / SECOND / 4)
            await room.look()
            assert await room.held(alarm_id), "derived again, from the alarm store alone"
            gone = 0
            for _ in range(400):
                clock.advance(DAY / SECOND / 4)
                done = await retention.expire()
                assert done.refused in {None, Refused.CLOCK_STEPPED}
                gone += done.segments
            assert gone == 1, "the old one that nobody holds"
            left = await room.store.segments("gate", NOON - DAY, NOON + DAY)
            assert [each.segment.facts.started_ns for each in left] == [NOON - 30 * SECOND]


async def test_nothing_is_confirmed_while_a_damaged_store_of_alarms_waits_to_be_read(
    tmp_path: Path, clock: FakeClock
) -> None:
    aside = tmp_path / "index" / "damaged-0001"
    await lose_the_holds(tmp_path, clock)
    async with alarming(tmp_path, clock) as made:
        aside.mkdir()
        await pressed(made)
        async with watching(tmp_path, clock) as room:
            for _ in range(5):
                await room.look()
            assert await room.store.holds_are_unknown()
            (aside / "salvaged.json").write_text("{}")
            await room.look()
            assert not await room.store.holds_are_unknown()


async def test_without_a_store_of_alarms_it_waits_says_so_and_goes_on_when_there_is_one(
    tmp_path: Path, clock: FakeClock
) -> None:
    await lose_the_holds(tmp_path, clock)
    async with watching(tmp_path, clock, cameras=[GATE]) as room:
        task = asyncio.create_task(room.keeper.run())
        try:
            await looked(room, 2)
            assert not room.keeper.findings(), "it may be a moment"
            clock.advance(PATIENCE_S + 1)
            await looked(room, 1)
            [finding] = room.keeper.findings()
            assert finding.key == "video-keeping"
            assert await room.store.holds_are_unknown(), "nothing is taken for granted"
            async with alarming(tmp_path, clock) as made:
                alarm_id = await pressed(made)
                await looked(room, 3)
                assert set(await room.held(alarm_id)) == {"gate"}
                assert not room.keeper.findings()
                assert not await room.store.holds_are_unknown()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def lose_the_holds(root: Path, clock: FakeClock) -> None:
    """Have something on the disk that nobody knows the holds of."""
    async with opened(root, clock, recovered=True) as store:
        await record(store, camera="gate")
    lose(root)


def lose(root: Path, *, notes: bool = True) -> None:
    for path in (root / "index").glob("video.sqlite*"):
        path.unlink()
    if notes:
        (root / "index" / "notes.json").unlink()


async def looked(room: Room, times: int) -> None:
    """Let the keeper's loop look so often; time passes by its sleeps only."""
    wanted = room.keeper.looks + times
    async with asyncio.timeout(60):
        while room.keeper.looks < wanted:
            room.clock.advance(0.5)
            await room.store.run(lambda _db: None)


async def test_another_store_of_alarms_is_read_from_its_beginning(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with watching(tmp_path, clock, cameras=[GATE]) as room:
        async with alarming(tmp_path, clock) as made:
            first = await pressed(made)
            await room.look()
        for path in (tmp_path / "index").glob("events.db*"):
            path.unlink()
        (tmp_path / "index" / "head.json").unlink(missing_ok=True)
        with pytest.raises(StoreError):
            await room.look()
        async with alarming(tmp_path, clock) as made:
            second = await pressed(made)
            await room.look()
            assert await room.held(second), "whatever number it has in the new one"
            assert await room.held(first), "and what was held stays"


async def test_a_hold_that_cannot_be_written_is_asked_for_again(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with (
        alarming(tmp_path, clock) as made,
        watching(tmp_path, clock, cameras=[GATE]) as room,
    ):
        await room.look()
        obstacle = tmp_path / "index" / "notes.json.tmp"
        obstacle.mkdir()
        alarm_id = await pressed(made)
        for _ in range(3):
            with pytest.raises(StoreError):
                await room.look()
        obstacle.rmdir()
        await room.look()
        assert await room.held(alarm_id)


async def test_an_alarm_that_cannot_be_read_costs_no_other_its_hold(
    tmp_path: Path, clock: FakeClock
) -> None:
    devices = [device(f"b{number}", point(), cameras=("gate",)) for number in range(3)]
    async with alarming(tmp_path, clock, devices) as made:
        alarms = [await pressed(made, device_id=each.id) for each in devices]
        with closing(sqlite3.connect(tmp_path / "index" / "events.db")) as db:
            db.execute("UPDATE alarm SET doc = '[]' WHERE alarm_id = ?", (alarms[1],))
            db.commit()
        async with watching(tmp_path, clock, cameras=[GATE]) as room:
            with capture_logs() as lines:
                await room.look()
            assert [bool(await room.held(each)) for each in alarms] == [True, False, True]
            assert any(line.get("alarm") == alarms[1] for line in lines)


async def test_a_camera_nobody_records_is_told_once_and_one_that_was_recorded_is_held(
    tmp_path: Path, clock: FakeClock
) -> None:
    sees = device(cameras=("gate", "attic", "cellar"))
    async with (
        alarming(tmp_path, clock, [sees]) as made,
        watching(tmp_path, clock, cameras=[GATE]) as room,
    ):
        await record(room.store, camera="cellar")
        with capture_logs() as lines:
            for _ in range(2):
                alarm_id = await pressed(made)
                await closed(made, alarm_id)
                await room.look()
        assert set(await room.held(alarm_id)) == {"gate", "cellar"}
        told = [line for line in lines if line.get("camera") == "attic"]
        assert len(told) == 1


async def test_what_a_person_released_stays_released_and_an_open_alarm_is_not(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with alarming(tmp_path, clock) as made:
        async with watching(tmp_path, clock, cameras=[GATE]) as room:
            alarm_id = await pressed(made)
            await room.look()
            asked = Request("1", "release", {"alarm_id": alarm_id, "who": "李", "reason": "已移交"})
            refused = await room.keeper.release(asked)
            assert not refused.ok
            assert await room.held(alarm_id)
            await closed(made, alarm_id)
            await room.look()
            nameless = Request("2", "release", {"alarm_id": alarm_id, "who": "李", "reason": " "})
            assert not (await room.keeper.release(nameless)).ok
            assert (await room.keeper.release(asked)).ok
            assert not await room.held(alarm_id)
            [said] = await room.store.run(released_since, 0)
            assert (said.alarm_id, said.who, said.reason) == (alarm_id, "李", "已移交")
            assert not (await room.keeper.release(asked)).ok, "there is nothing left to release"
        async with watching(tmp_path, clock, cameras=[GATE]) as room:
            await room.look()
            assert not await room.held(alarm_id), "a restart does not bring it back"
        lose(tmp_path, notes=False)
        async with watching(tmp_path, clock, cameras=[GATE]) as room:
            await room.look()
            assert not await room.held(alarm_id), "nor does an index that was lost"
        (tmp_path / "index" / "notes.json").unlink()
        async with watching(tmp_path, clock, cameras=[GATE]) as room:
            await room.look()
            assert not await room.held(alarm_id), "nor do notes that were lost"
