"""Pictures: what it costs to judge one camera for a minute, decoding included.

The same code as at the bench of the pictures process, on a simulated camera's key frames; CPU time
of this process, so a busy machine changes it little.
"""

import time

import cv2

from bench.rig import Rig
from bench.rows import Size
from bench.rows.flow import Measure
from bench.table import Row
from gateway.media import Run, Sample, fragment, init_segment
from gateway.media.nal import join_lengths
from gateway.media.tracks import video
from gateway.pictures.decode import key_picture
from gateway.pictures.judge import Judge
from gateway.pictures.watch import MAIN_S, SUB_S, picture_of
from simulators.cameras import MAIN, SUB
from simulators.cameras.clip import Shape, load
from simulators.cameras.scene import Picture

TARGET_S = 0.3
LOOKS = 90


def _cost(shape: Shape, interval_s: float, shown: Picture) -> float:
    """CPU seconds for a minute of one camera whose scene is known."""
    judge, used = Judge(), 0.0
    for number in range(LOOKS):
        picture = Picture.NORMAL if number < LOOKS // 2 else shown
        clip = load("bench", shape, picture)
        init = init_segment([video(shape.codec, 90_000, clip.sets)])
        units = [unit for unit in clip.units(number * shape.group) if unit not in clip.sets]
        body = fragment(1, [Run(1, 0, [Sample(join_lengths(units), 90_000, 0, is_key=True)])])
        began = time.process_time()
        frame = key_picture(init, body)
        judge.see(picture_of(frame, int(number * interval_s * 1e9)))
        if number >= LOOKS // 2:
            used += time.process_time() - began
    return used / (LOOKS - LOOKS // 2) * 60 / interval_s


def judged(_rig: Rig, _size: Size) -> list[Row]:
    """A sub stream every 2 s and a main stream every 10 s; well, and with its scene in doubt."""
    cv2.setNumThreads(1)
    group = "judging pictures, CPU s for a camera's minute"
    streams = (("640x360 sub", SUB, SUB_S), ("1080p main", MAIN, MAIN_S))
    return [
        Row(
            group=group,
            name=f"{name}, {shown}",
            value=_cost(shape, interval_s, shown),
            unit="s",
            target=TARGET_S if shown is Picture.NORMAL else None,
            note=f"a key frame in {interval_s:.0f} s",
        )
        for name, shape, interval_s in streams
        for shown in (Picture.NORMAL, Picture.COVERED)
    ]


ALL: dict[str, Measure] = {"pictures": judged}
