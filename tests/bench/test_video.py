"""The video benchmark itself: it counts what is missing, and a soak finds what grows."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from bench.video import count
from bench.video.soak import Sample, Soaked, soak, told

FPS = 25


def write(path: Path, numbers: list[int]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.options = {"bf": "0", "preset": "ultrafast"}
        for number in numbers:
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_pictures_that_are_missing_inside_a_file_are_counted(tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole.mp4", tmp_path / "torn.mp4"
    write(whole, list(range(60)))
    write(torn, [number for number in range(60) if number not in {10, 30, 31}])
    assert count.count(whole, FPS) == (60, 0)
    assert count.count(torn, FPS) == (57, 3)
    assert count.count_all([whole, torn], FPS) == (117, 3)


def soaked(files: list[int]) -> Soaked:
    samples = [Sample(float(at), 50.0, count, 9, 12) for at, count in enumerate(files)]
    return Soaked(30.0, samples=samples, hung_up=4, sessions=6, segments=9, expired=3)


def test_a_soak_names_what_grew_and_says_nothing_of_what_goes_up_and_down() -> None:
    assert soaked([20, 24, 22] * 10).faults() == []
    assert soaked(list(range(20, 50))).faults() == ["files grew by 19.0"]


@pytest.mark.timeout(120)
async def test_cameras_that_hang_up_leave_nothing_behind(tmp_path: Path) -> None:
    found = await soak(tmp_path, 10.0, cameras=2, every_s=2.0)
    assert found.faults() == [], told(found)
    assert found.hung_up >= 3
    assert found.gaps.get("camera"), "what a camera broke off is a gap with that reason"
    assert not found.gaps.get("unknown")


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_two_minutes_of_it_are_flat(tmp_path: Path) -> None:
    found = await soak(tmp_path, 140.0, cameras=6, every_s=1.5)
    assert found.faults() == [], told(found)
    assert found.hung_up >= 100
