"""SIGKILL in the middle of commits: what was said to be stored is stored, in one chain."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.store import Batch, verify
from gateway.store.salvage import SKIP_AHEAD
from tests.store.making import opened, rows, seal_some

TREE = Path(__file__).parents[2]


@contextmanager
def writing(
    folder: Path, count: int, *more: str, crash_at: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """A writer in a process of its own; killed at the end if it still lives."""
    command = [sys.executable, "-m", "tests.store.writer", str(folder), str(count), *more]
    environment = os.environ | {"CAMPUS_CRASH_AT": crash_at}
    with subprocess.Popen(
        command, cwd=TREE, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def newest_acked(process: subprocess.Popen[str], most_lines: int | None = None) -> int:
    """The last number the writer said it had stored; reads that many lines, or all."""
    assert process.stdout is not None
    newest = 0
    for number, line in enumerate(process.stdout):
        word, *rest = line.split()
        if word == "acked":
            newest = int(rest[0])
        if number + 1 == most_lines:
            break
    return newest


async def check_after_a_kill(folder: Path, acked: int) -> int:
    """Every acknowledged record is there, in one piece; returns the newest number."""
    async with opened(folder) as (store, start, _):
        assert start.complaints == []
        assert start.seq >= acked
        assert len(start.alarms) == start.seq
        counted = await store.read("SELECT count(*), min(seq), max(seq) FROM record")
        assert counted == [(start.seq, 1 if start.seq else None, start.seq or None)]
        assert await store.read("SELECT count(*) FROM delivery") == [(2 * start.seq,)]
    assert verify(folder) == []
    return start.seq


@pytest.mark.parametrize(
    ("place", "kept"), [("commit.before:9", 0), ("commit.after:9", 1), ("commit.after:1", 1)]
)
async def test_a_kill_at_a_named_point_leaves_the_batch_whole_or_not_at_all(
    tmp_path: Path, place: str, kept: int
) -> None:
    with writing(tmp_path, 50, crash_at=place) as process:
        acked = newest_acked(process)
        assert process.wait() == -9
    newest = await check_after_a_kill(tmp_path, acked)
    assert (newest > acked) == bool(kept)


async def kill_at_random(folder: Path, seed: int, rounds: int) -> None:
    dice = random.Random(seed)
    for _ in range(rounds):
        with writing(folder, 100_000) as process:
            newest_acked(process, most_lines=dice.randrange(2, 120))
            process.kill()
            acked = newest_acked(process)
        await check_after_a_kill(folder, acked)


async def test_kills_at_random_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    await kill_at_random(tmp_path, seed=2, rounds=3)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_hundreds_of_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    await kill_at_random(tmp_path, seed=3, rounds=100)


@pytest.mark.timeout(120)
async def test_a_kill_while_a_damaged_store_is_brought_over(tmp_path: Path) -> None:
    with writing(tmp_path, 40) as process:
        newest_acked(process)
        assert process.wait() == 0
    (tmp_path / "suspect.txt").write_text("a test", "utf-8")
    with writing(tmp_path, 5, crash_at="salvage.essential") as process:
        newest_acked(process)
        assert process.wait() == -9
    async with opened(tmp_path) as (store, start, _):
        assert start.seq == 155 + SKIP_AHEAD
        assert len(start.alarms) == 155
        pending = await store.read("SELECT count(*) FROM delivery WHERE state = 0")
        assert pending == [(310,)]


async def test_an_acknowledgement_that_never_came_back_is_found_again(tmp_path: Path) -> None:
    """Killed right after the commit: nobody was told, so the sender sends again."""
    with writing(tmp_path, 1, crash_at="commit.after") as process:
        assert newest_acked(process) == 0
    assert rows(tmp_path, "SELECT count(*) FROM record") == [(1,)]


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_million_records_open_in_seconds_after_a_kill(tmp_path: Path) -> None:
    """Issue 2: from the kill to a store that takes alarms in at most 3 s; printed, see bench/."""
    script = """
import asyncio, sys
from pathlib import Path
from gateway.store import Batch
from tests.store.making import opened, seal_some

async def fill():
    async with opened(Path(sys.argv[1])) as (store, _, journal):
        while True:
            await store.commit(Batch(records=seal_some(journal, 500, receivers=(1,))))

asyncio.run(fill())
"""
    ended = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        str(tmp_path),
        cwd=TREE,
        env=os.environ | {"CAMPUS_CRASH_AT": "commit.after:2000"},
    )
    assert await ended.wait() == -9
    began = time.monotonic()
    async with opened(tmp_path) as (store, start, journal):
        await store.commit(Batch(records=seal_some(journal, 1)))
        took_s = time.monotonic() - began
        assert start.seq == 1_000_000
    print(f"1,000,000 records: {took_s:.2f} s to the first alarm")
    assert took_s < 30, "something looks at all of them"
