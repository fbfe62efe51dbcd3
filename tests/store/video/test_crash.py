"""SIGKILL at every named point of a segment's life: what was on the disk is played and indexed."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.store.video import recover, verify
from tests.clocks import NOON, SECOND, FakeClock
from tests.store.video.making import CAMERA, DAY, MINUTE, opened, video_files

TREE = Path(__file__).parents[3]
POINTS = [
    "segment.begun",
    "segment.written",
    "segment.synced",
    "segment.boxed",
    "segment.closed",
    "segment.renamed",
    "segment.named",
    "segment.indexed",
    "hold.noted",
    "expire.marked",
    "expire.unlinked",
]


class Said:
    """What a recorder said before it died."""

    def __init__(self, lines: list[str]) -> None:
        words = [line.split() for line in lines if len(line.split()) == 2]
        self.synced = [int(value) for word, value in words if word == "synced"]
        self.sealed = [int(value) for word, value in words if word == "sealed"]
        self.held = [int(value) for word, value in words if word == "held"]
        self.expired = any(word == "expired" for word, _ in words)
        self.closed = "closed" in lines


def run_recorder(
    root: Path, first: int, *, count: int = 6, crash_at: str = "", may_end: bool = False
) -> Said:
    command = [sys.executable, "-m", "tests.store.video.recorder", str(root), str(count)]
    done = subprocess.run(
        [*command, str(first)],
        cwd=TREE,
        env=os.environ | {"CAMPUS_CRASH_AT": crash_at},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    ends = {-9, 0} if may_end else {-9} if crash_at else {0}
    assert done.returncode in ends, done.stderr
    return Said(done.stdout.split("\n"))


async def check(root: Path, said: Said) -> None:
    """Everything that was said holds, after recovery; and there is nothing that nobody knows."""
    async with opened(root, FakeClock(NOON + 9 * DAY)) as store:
        found = await recover(store)
        assert (found.failed, found.damaged, found.missing) == (0, 0, 0)
        places = await store.segments(CAMERA, 0, NOON + 9 * DAY)
        spans = [(p.segment.facts.started_ns, p.segment.end_ns) for p in places]
        if not said.expired and not said.closed:
            for end_ns in said.synced:
                assert any(start < end_ns <= end for start, end in spans), end_ns
        for start_ns in said.held:
            assert start_ns in [start for start, _ in spans]
            assert (f"alarm-{start_ns}", CAMERA) in store.noted.holds
        on_disk = {path for path in video_files(root) if path.name.endswith(".mp4")}
        assert on_disk == set(video_files(root)), "nothing is left open"
        assert on_disk == {place.path for place in places}
        assert verify(root / "index") == []


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("nth", [1, pytest.param(3, marks=pytest.mark.long)])
async def test_a_kill_at_a_named_point_loses_nothing_that_was_synced(
    tmp_path: Path, point: str, nth: int
) -> None:
    if point == "hold.noted" and nth == 3:
        nth = 2
    said = run_recorder(tmp_path, 0, crash_at=f"{point}:{nth}")
    if point.startswith("expire"):
        said.expired = True
    await check(tmp_path, said)


async def test_a_kill_in_recovery_is_recovered_from(tmp_path: Path) -> None:
    said = run_recorder(tmp_path, 0, crash_at="segment.synced:7")
    assert said.synced
    for number, point in enumerate(["recover.boxed", "recover.renamed"]):
        again = run_recorder(tmp_path, 10 + number, crash_at=point)
        assert not again.sealed
    await check(tmp_path, said)


async def test_a_kill_with_the_index_gone_too(tmp_path: Path) -> None:
    said = run_recorder(tmp_path, 0, crash_at="segment.synced:15")
    for path in (tmp_path / "index").glob("video.sqlite*"):
        path.unlink()
    await check(tmp_path, said)


async def one_life_after_another(root: Path, seed: int, lives: int) -> None:
    dice = random.Random(seed)
    for life in range(lives):
        point = dice.choice(POINTS)
        order = f"{point}:{dice.randint(1, 5)}"  # more than it passes there: it ends by itself
        said = run_recorder(root, life * 10, crash_at=order, may_end=True)
        if point.startswith("expire"):
            said.expired = True
        await check(root, said)


async def test_kills_in_a_row_lose_nothing_that_was_synced(tmp_path: Path) -> None:
    await one_life_after_another(tmp_path, seed=1, lives=3)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_many_kills_in_a_row_lose_nothing_that_was_synced(tmp_path: Path) -> None:
    await one_life_after_another(tmp_path, seed=2, lives=60)


async def test_a_recorder_that_nobody_kills_ends_with_nothing_to_mend(tmp_path: Path) -> None:
    said = run_recorder(tmp_path, 0)
    assert said.closed
    assert len(said.sealed) == 6
    await check(tmp_path, said)
    assert len(video_files(tmp_path)) == len(said.held), "the rest was older than a day"
    assert NOON + MINUTE in said.sealed
    assert NOON + 20 * SECOND in said.synced
