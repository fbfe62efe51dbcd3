"""What tests of video are made of: synthetic fragments, stores, cameras that are only bytes."""

import random
import sqlite3
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from gateway.store.video import Segment, SegmentWriter, VideoStore, Volumes, recover
from tests.clocks import NOON, SECOND, FakeClock

MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
CAMERA = "cam-gate-west"
SITE = "320612-0001"


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


INIT = box(b"ftyp", b"iso6\0\0\0\0iso6") + box(b"moov", b"a movie's header")


def fragment(number: int, size_bytes: int = 400) -> bytes:
    """One group of pictures that no decoder would like, and no two alike."""
    return box(b"moof", struct.pack(">I", number)) + box(
        b"mdat", random.Random(number).randbytes(size_bytes)
    )


@asynccontextmanager
async def opened(
    root: Path, clock: FakeClock, *, volumes: Sequence[str] = ("one",), **given: Any
) -> AsyncIterator[VideoStore]:
    """One life of a store over folders of these names."""
    store = await open_store(root, clock, volumes=volumes, **given)
    try:
        yield store
    finally:
        await store.close()


async def open_store(
    root: Path,
    clock: FakeClock,
    *,
    volumes: Sequence[str] = ("one",),
    recovered: bool = False,
    **given: Any,
) -> VideoStore:
    for name in volumes:
        (root / name).mkdir(parents=True, exist_ok=True)
    settings = {"site": SITE, "clock": clock, "spare_bytes": 0} | given
    paths = [root / name for name in volumes]
    store = await VideoStore.open(root / "index", Volumes.open(paths, **settings), clock)
    if recovered:
        await recover(store)
    return store


def begin(
    store: VideoStore, start_ns: int, camera: str = CAMERA, quality: str = "trusted"
) -> SegmentWriter:
    return store.begin(
        camera, start_ns, quality, INIT, codec="avc1.640028", width=1920, height=1080, offset_ms=-40
    )


async def record(
    store: VideoStore,
    start_ns: int = NOON,
    *,
    camera: str = CAMERA,
    seconds: int = 60,
    group_s: int = 20,
    quality: str = "trusted",
    size_bytes: int = 400,
) -> Segment:
    """One sealed segment."""
    writer = begin(store, start_ns, camera, quality)
    for at in range(group_s, seconds + 1, group_s):
        piece = fragment(start_ns // SECOND + at, size_bytes)
        assert await writer.add(piece, start_ns + at * SECOND, group_s * 25)
    segment = await writer.seal("cut")
    assert segment is not None
    return segment


def rows(root: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What another process sees in the index."""
    path = root / "index" / "video.sqlite"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return db.execute(sql, values).fetchall()


def video_files(root: Path) -> list[Path]:
    """Segments on the disk, sealed and open."""
    return sorted(path for path in root.rglob("*.mp4*") if path.is_file())
