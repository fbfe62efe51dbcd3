"""Power cuts after any call to the disk: what was synced is there, sealed, and in the index."""

import random
import shutil
from pathlib import Path

import pytest

from gateway.store.video import VideoStore, recover, verify
from tests.clocks import NOON, SECOND, FakeClock
from tests.store.video.making import CAMERA, MINUTE, SITE, begin, fragment, open_store, video_files
from tests.store.video.power import PowerDisk

Mark = tuple[int, int]
"""after so many calls this end_ns was said to be on the disk"""


async def a_life(root: Path, disk: PowerDisk) -> tuple[list[Mark], Path]:
    """Three segments of four fragments; the index as it was after the second is kept aside."""
    marks: list[Mark] = []
    store = await open_store(root, FakeClock(), disk=disk)
    behind = root / "behind"
    for number in range(3):
        start_ns = NOON + number * MINUTE
        writer = begin(store, start_ns)
        for part in range(1, 5):
            end_ns = start_ns + part * 15 * SECOND
            await writer.add(fragment(number * 10 + part, 6000), end_ns, 375)
            await writer.flush()
            marks.append((len(disk.calls), end_ns))
        await writer.seal("cut")
        if number == 1:
            await store.run(lambda db: db.execute("VACUUM INTO ?", (str(behind),)).fetchall())
    await store.close()
    return marks, behind


def put_back(root: Path, left: dict[Path, bytes], behind: Path | None) -> None:
    """The volume as the cut left it; the index lost, or as it was earlier."""
    shutil.rmtree(root / "one" / CAMERA, ignore_errors=True)
    for path, content in left.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for path in (root / "index").glob("video.sqlite*"):
        path.unlink()
    if behind is not None:
        shutil.copy(behind, root / "index" / "video.sqlite")


async def check(store: VideoStore, root: Path, sure_ns: int) -> None:
    found = await recover(store)
    assert (found.failed, found.damaged) == (0, 0), found.named
    told = await store.timeline(CAMERA, NOON, NOON + 3 * MINUTE)
    kept_ns = max((span.end_ns for span in told.spans), default=NOON)
    assert kept_ns >= sure_ns, "what was synced is lost"
    if sure_ns > NOON:
        assert told.spans[0].start_ns == NOON
        assert [gap for gap in told.gaps if gap.from_ns < sure_ns] == []
    assert all(path.suffix == ".mp4" for path in video_files(root))
    assert verify(root / "index") == []


@pytest.mark.parametrize("is_lost", [True, False])
async def test_a_power_cut_after_any_call_loses_nothing_that_was_synced(
    tmp_path: Path, is_lost: bool
) -> None:
    disk = PowerDisk()
    marks, behind = await a_life(tmp_path, disk)
    calls = len(disk.calls)
    sealed_both = next(n for n, end_ns in marks if end_ns > NOON + 2 * MINUTE)
    first = 0 if is_lost else sealed_both
    for at in range(first, calls + 1):
        dice = random.Random(at)
        put_back(tmp_path, disk.left(at, dice), None if is_lost else behind)
        sure_ns = max((end_ns for n, end_ns in marks if n <= at), default=NOON)
        store = await open_store(tmp_path, FakeClock(), site=SITE)
        try:
            await check(store, tmp_path, sure_ns)
        finally:
            await store.close()
    assert calls > 30


async def test_a_disk_that_never_syncs_does_lose_video_in_this_model(tmp_path: Path) -> None:
    """The model can fail a store that forgets its syncs: else the proof above proves nothing."""
    disk = PowerDisk()
    marks, _behind = await a_life(tmp_path, disk)
    disk.calls = [call for call in disk.calls if call[0] != "sync"]
    lost = 0
    for seed in range(20):
        left = disk.left(len(disk.calls), random.Random(seed))
        put_back(tmp_path, left, None)
        store = await open_store(tmp_path, FakeClock())
        try:
            await recover(store)
            told = await store.timeline(CAMERA, NOON, NOON + 3 * MINUTE)
            lost += max((span.end_ns for span in told.spans), default=0) < marks[-1][1]
        finally:
            await store.close()
    assert lost > 5
