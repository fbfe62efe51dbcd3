"""How many pictures are missing in what was recorded: by the times that stand in the files.

A camera takes a picture each 1/25 s and says so in its time stamps, which every recorder here
keeps. So a picture that is missing inside a file is a step of more than one picture between two
others. Between two files of one camera the times say nothing; there the recorder's own word counts,
if it has one: what it calls a gap (see rows/video.py).
"""

import contextlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av


class Pictures(NamedTuple):
    """So many are there, so many are missing between the first and the last."""

    there: int
    missing: int


def count(path: Path, fps: int) -> Pictures:
    """Count one file; a file that ends in the middle of a fragment ends with the one before."""
    opened: Any = av.open(str(path))
    times: list[int] = []
    with opened as container:
        stream = container.streams.video[0]
        step = float(1 / fps / stream.time_base)
        with contextlib.suppress(av.error.InvalidDataError):
            times += [packet.pts for packet in container.demux(stream) if packet.pts is not None]
    times.sort()
    steps = (round((after - before) / step) for before, after in pairwise(times))
    return Pictures(len(times), sum(max(0, one - 1) for one in steps))


def count_all(paths: Iterable[Path], fps: int) -> Pictures:
    """Count several files, each by itself."""
    found = [count(path, fps) for path in paths]
    return Pictures(sum(one.there for one in found), sum(one.missing for one in found))
