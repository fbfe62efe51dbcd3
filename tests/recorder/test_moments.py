"""The picture of the moment: the right one, late rather than never, and told when there is none."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.pictures.client import NoPicture, PicturesDown, Still
from gateway.recorder.moments import EARLY_NS, FORGET_NS, MomentKeeper
from gateway.store.video import VideoStore
from gateway.store.video.stills import FOLDER, note_of, stills_of
from tests.clocks import NOON, SECOND, FakeClock
from tests.store.video.making import opened

Answer = Callable[[str, int], Still]


@dataclass
class Bench:
    """The keeper of moments over a real store; what the pictures process says is the test's."""

    clock: FakeClock
    store: VideoStore
    keeper: MomentKeeper
    asked: list[tuple[str, int]]
    answer: Answer

    def stills(self, alarm_id: str) -> dict[str, int]:
        """Camera → the picture's time, nanoseconds from NOON."""
        return {note.camera: note.at_ns - NOON for note in stills_of(self.store.folder, alarm_id)}

    async def until(self, enough: Callable[[], object]) -> None:
        """Let time pass until it is so."""
        async with asyncio.timeout(60):
            while not enough():
                self.clock.advance(0.1)
                await self.store.run(lambda _db: None)

    async def asks(self, times: int) -> None:
        """Let it ask so often."""
        wanted = len(self.asked) + times
        await self.until(lambda: len(self.asked) >= wanted)


@asynccontextmanager
async def bench(root: Path, answer: Answer, clock: FakeClock | None = None) -> AsyncIterator[Bench]:
    clock = clock or FakeClock()
    asked: list[tuple[str, int]] = []
    async with opened(root, clock, recovered=True) as store:

        async def ask(camera: str, at_ns: int) -> Still:
            asked.append((camera, at_ns))
            return made.answer(camera, at_ns)

        keeper = MomentKeeper(store, ask, keep_days=90)
        made = Bench(clock, store, keeper, asked, answer)
        task = asyncio.create_task(keeper.run())
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            keeper.close()


def group(from_ns: int, to_ns: int) -> Answer:
    """What is on the disk ends with this group of pictures."""
    return lambda _camera, _at_ns: Still(b"jpeg %d" % from_ns, NOON + from_ns, NOON + to_ns)


def none(_camera: str, _at_ns: int) -> Still:
    raise NoPicture("there is no video of it")


def away(_camera: str, _at_ns: int) -> Still:
    raise PicturesDown("it is being started")


async def test_the_key_picture_whose_group_reaches_beyond_the_raise_is_kept(tmp_path: Path) -> None:
    async with bench(tmp_path, group(-SECOND, SECOND)) as room:
        room.keeper.want("a1", "gate", NOON)
        await room.until(lambda: room.stills("a1"))
        assert room.stills("a1") == {"gate": -SECOND}
        assert room.asked == [("gate", NOON)]
        assert not room.keeper.findings()


async def test_while_the_groups_on_the_disk_end_before_the_raise_it_asks_again(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, group(-4 * SECOND, -2 * SECOND)) as room:
        room.keeper.want("a1", "gate", NOON)
        await room.asks(3)
        assert room.stills("a1") == {}
        room.answer = group(-2 * SECOND, 0)
        await room.asks(2)
        assert room.stills("a1") == {}, "a group that ends at the raise is not the moment's"
        room.answer = group(0, 2 * SECOND)
        await room.until(lambda: room.stills("a1"))
        assert room.stills("a1") == {"gate": 0}


async def test_a_camera_that_was_lost_a_moment_before_gives_its_last_picture(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, group(-7 * SECOND, -5 * SECOND)) as room:
        room.keeper.want("a1", "gate", NOON)
        await room.until(lambda: room.stills("a1"))
        assert room.stills("a1") == {"gate": -7 * SECOND}
        assert room.clock.utc_ns() - NOON >= 20 * SECOND, "not before it had been waited for"
        note = note_of(room.store.folder, "a1", "gate")
        assert note is not None
        assert (note.wanted_ns, note.at_ns) == (NOON, NOON - 7 * SECOND), "its own time is told"


@pytest.mark.parametrize("answer", [none, group(-EARLY_NS - SECOND, -EARLY_NS)])
async def test_no_picture_of_the_moment_is_told_and_none_is_made_up(
    tmp_path: Path, answer: Answer
) -> None:
    async with bench(tmp_path, answer) as room:
        room.keeper.want("a1", "gate", NOON)
        await room.until(room.keeper.findings)
        [finding] = room.keeper.findings()
        assert finding.key == "video-still.gate"
        assert finding.attributes == {"alarm_id": "a1", "camera": "gate", "missed": 1}
        assert room.stills("a1") == {}
        room.keeper.want("a1", "gate", NOON)
        asked = len(room.asked)
        room.keeper.want("a2", "gate", NOON)
        await room.asks(3)
        assert len(room.asked) == asked + 3
        room.clock.advance(3700)
        assert all(each.attributes["alarm_id"] != "a1" for each in room.keeper.findings())


async def test_a_pictures_process_that_is_away_costs_no_patience(tmp_path: Path) -> None:
    async with bench(tmp_path, away) as room:
        room.keeper.want("a1", "gate", NOON)
        await room.until(lambda: room.clock.utc_ns() - NOON > 300 * SECOND)
        assert not room.keeper.findings()
        room.answer = group(-SECOND, SECOND)
        await room.until(lambda: room.stills("a1"))


async def test_a_still_that_is_there_is_not_asked_for_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with bench(tmp_path, group(-SECOND, SECOND), clock) as room:
        room.keeper.want("a1", "gate", NOON)
        await room.until(lambda: room.stills("a1"))
    async with bench(tmp_path, away, clock) as room:
        room.keeper.want("a1", "gate", NOON)
        room.keeper.want("a1", "yard", NOON)
        await room.asks(2)
        assert {camera for camera, _ in room.asked} == {"yard"}


async def test_a_crash_between_picture_and_note_is_mended_by_asking_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with bench(tmp_path, group(-SECOND, SECOND), clock) as room:
        room.keeper.want("a1", "gate", NOON)
        await room.until(lambda: room.stills("a1") and not room.keeper._wanted)
        (room.store.folder / FOLDER / "a1" / "gate.json").unlink()
        room.keeper.want("a1", "gate", NOON)
        await room.until(lambda: room.stills("a1"))


async def test_the_alarm_of_now_comes_before_those_of_hours_ago(tmp_path: Path) -> None:
    async with bench(tmp_path, away) as room:
        for number in range(40):
            room.keeper.want(f"old{number}", "gate", NOON - 3600 * SECOND)
        await room.asks(40)
        room.answer = lambda _camera, at_ns: Still(b"jpeg", at_ns - 1, at_ns + 1)
        room.keeper.want("now", "gate", NOON)
        await room.until(lambda: room.stills("now"))
        there = sum(bool(room.stills(f"old{number}")) for number in range(40))
        assert there < 40
        await room.until(lambda: all(room.stills(f"old{number}") for number in range(40)))


async def test_an_alarm_of_days_ago_is_not_asked_for(tmp_path: Path) -> None:
    async with bench(tmp_path, group(-SECOND, SECOND)) as room:
        room.keeper.want("old", "gate", NOON - FORGET_NS - 1)
        room.keeper.want("new", "gate", NOON)
        await room.until(lambda: room.stills("new"))
        assert room.stills("old") == {}
        assert len(room.asked) == 1


async def test_a_disk_that_takes_no_still_gets_it_when_it_does(tmp_path: Path) -> None:
    async with bench(tmp_path, group(-SECOND, SECOND)) as room:
        obstacle = room.store.folder / FOLDER
        obstacle.write_text("in the way")
        room.keeper.want("a1", "gate", NOON)
        await room.asks(2)
        obstacle.unlink()
        await room.until(lambda: room.stills("a1"))


async def test_stills_that_are_old_and_held_by_nobody_go_and_no_others(tmp_path: Path) -> None:
    clock = FakeClock()
    async with bench(tmp_path, group(-SECOND, SECOND), clock) as room:
        for alarm_id in ("held", "free"):
            room.keeper.want(alarm_id, "gate", NOON)
        await room.until(lambda: room.stills("held") and room.stills("free"))
        folder = room.store.folder
        for path in (folder / FOLDER).glob("*/*"):
            os.utime(path, ns=(NOON, NOON))
        await room.store.hold("held", ["gate"], NOON, NOON + SECOND)
        clock.quality = "stepped"
    clock.advance(91 * 86_400)
    async with bench(tmp_path, away, clock) as room:
        room.keeper.want("new", "gate", clock.utc_ns())
        await room.asks(2)
        assert room.stills("free"), "not by a clock that nobody trusts"
    clock.quality = "trusted"
    async with bench(tmp_path, away, clock) as room:
        async with asyncio.timeout(60):
            while stills_of(room.store.folder, "free"):
                await room.store.run(lambda _db: None)
        assert room.stills("held")
