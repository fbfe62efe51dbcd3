"""Whatever lies on the disk, an answer has the bytes it promised, or ends."""

import os
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.errors import Unreadable
from gateway.playback import Gone, NothingThere, Plan, Playback, moof
from gateway.playback.live import NOTHING_NEW, tail
from gateway.playback.reading import read
from tests.clocks import NOON, SECOND
from tests.examples import examples
from tests.playback.film import CAMERA, Film, camera_of, filming, look


async def planned(film: Film, to_ns: int, from_ns: int = NOON) -> Plan | None:
    playback = Playback([camera_of()], [film.root / "disk"], film.root / "store", film.clock)
    try:
        return await playback.plan(CAMERA, from_ns, to_ns, going_on=False)
    except NothingThere:
        return None
    finally:
        await playback.end()


def promised(plan: Plan) -> bytes:
    """All that comes of a plan: its whole length, or less and then Gone."""
    got = bytearray()
    try:
        for chunk in read(plan, 0, plan.size_bytes):
            got += chunk
    except Gone:
        assert len(got) < plan.size_bytes
    else:
        assert len(got) == plan.size_bytes
    return bytes(got)


async def test_a_byte_changed_somewhere_never_breaks_a_promise(tmp_path: Path) -> None:
    await change_bytes(tmp_path, every=41)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_byte_changed_anywhere_never_breaks_a_promise(tmp_path: Path) -> None:
    await change_bytes(tmp_path, every=3)


async def change_bytes(tmp_path: Path, every: int) -> None:
    async with filming(tmp_path, sound=True) as film:
        await film.segments(1, groups=2)
        await film.groups(2)
        for path in (tmp_path / "disk").rglob("*.mp4*"):
            content = path.read_bytes()
            places = [*range(0, 900, every), *range(900, len(content), 211 * every)]
            places += range(len(content) - 400, len(content), every)
            for at in places:
                for flip in (0xFF, 0x01):
                    changed = bytearray(content)
                    changed[at] ^= flip
                    path.write_bytes(changed)
                    plan = await planned(film, film.at_ns)
                    if plan is not None:
                        promised(plan)
                    plan = await planned(film, film.at_ns, NOON + SECOND // 2)
                    if plan is not None:
                        promised(plan)
            path.write_bytes(content)


async def test_a_damaged_head_costs_its_own_group_only(tmp_path: Path) -> None:
    async with filming(tmp_path) as film:
        await film.segments(2, groups=4)
        [path, _] = sorted((tmp_path / "disk").rglob("*.mp4"))
        content = bytearray(path.read_bytes())
        at = content.index(b"trun", content.index(b"trun") + 1)
        content[at + 4 : at + 12] = b"\xff" * 8
        path.write_bytes(content)
        plan = await planned(film, film.at_ns)
        assert plan is not None
        seen = look(promised(plan))
        assert seen.numbers == [*range(10), *range(20, 80)]
        assert seen.at_ns[10] > seen.at_ns[9] + SECOND // 3, "its time is a hole"


async def test_links_and_pipes_that_somebody_put_there_are_not_followed(tmp_path: Path) -> None:
    async with filming(tmp_path) as film:
        await film.segments(2, groups=2)
        [first, second] = sorted((tmp_path / "disk").rglob("*.mp4"))
        kept = tmp_path / "kept.mp4"
        first.rename(kept)
        first.symlink_to(kept)
        plan = await planned(film, film.at_ns)
        assert plan is not None
        assert [gap.reason for gap in plan.gaps] == ["missing"]
        second.unlink()
        os.mkfifo(second)
        assert await planned(film, film.at_ns) is None


async def test_a_file_that_was_replaced_after_it_was_planned_is_not_sent(tmp_path: Path) -> None:
    async with filming(tmp_path) as film:
        await film.segments(1, groups=3)
        plan = await planned(film, film.at_ns)
        assert plan is not None
        [path] = (tmp_path / "disk").rglob("*.mp4")
        path.write_bytes(path.read_bytes() + b"more")
        assert promised(plan) == plan.init


def taken(source: Sequence[bytes] | object, looks: int) -> bytes:
    got = bytearray()
    for chunk in source:  # type: ignore[attr-defined]
        looks -= chunk == NOTHING_NEW
        got += chunk
        if not looks:
            break
    return bytes(got)


@pytest.mark.timeout(180)
async def test_live_bears_what_a_recorder_that_fails_leaves(tmp_path: Path) -> None:
    async with filming(tmp_path) as film:
        await film.groups(3)
        [path] = (tmp_path / "disk").rglob("*.open")
        content = path.read_bytes()
        for size in (*range(0, 1200, 13), *range(1200, len(content), 997)):
            path.write_bytes(content[:size])
            got = taken(tail([tmp_path / "disk"], CAMERA, film.at_ns), 3)
            if got:
                numbers = look(got).numbers
                assert numbers == list(range(numbers[0], numbers[-1] + 1))
        path.write_bytes(content[:-20] + b"\xff" * 20)
        assert look(taken(tail([tmp_path / "disk"], CAMERA, film.at_ns), 3)).numbers[0] == 10


HEAD = struct.pack(">I4sI", 16, b"mfhd", 0) + struct.pack(">I", 7)


@settings(max_examples=examples(300))
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_head_or_unreadable(rest: bytes, framed: bool) -> None:
    content = struct.pack(">I4s", 8 + len(HEAD) + len(rest), b"moof") + HEAD + rest
    data = content if framed else rest
    for work in (
        lambda: moof.times(data),
        lambda: moof.rewritten(data, 1, {1: moof.Shift(5, 100)}),
        lambda: moof.lanes(data),
    ):
        try:
            found = work()
        except Unreadable:
            continue
        if isinstance(found, bytes):
            assert len(found) == len(data)
