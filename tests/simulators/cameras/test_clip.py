"""Encoded pictures carry any number, and nothing else about them changes."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import pytest

from simulators.cameras import SMALL, Clip, Picture, Shape, StripUnreadable, read_number, strip
from simulators.cameras.avc import Unexpected
from simulators.cameras.clip import encoded, load

SHAPES = [SMALL, replace(SMALL, codec="h265")]
WIDE = Shape(width=1280, height=720, group=5, groups=2, kbit_per_s=1500)
pytestmark = pytest.mark.parametrize("shape", SHAPES, ids=["h264", "h265"])


def decoded(shape: Shape, pictures: Iterable[bytes]) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("h264" if shape.codec == "h264" else "hevc", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames = [frame for data in pictures for frame in decoder.decode(av.Packet(data))]
    return frames + decoder.decode(None)


def stream(clip: Clip, numbers: Iterable[int]) -> list[bytes]:
    return [b"".join(b"\0\0\0\1" + unit for unit in clip.units(number)) for number in numbers]


def body(frame: av.VideoFrame, top: int) -> list[bytes]:
    """Rows of samples below `top`, of all three planes."""
    rows = []
    for at, plane in enumerate(frame.planes):
        data, first = bytes(plane), top if at == 0 else top // 2
        for row in range(first, plane.height):
            begin = row * plane.line_size
            rows.append(data[begin : begin + plane.width])
    return rows


def test_numbers_go_on_through_many_rounds(shape: Shape) -> None:
    clip, count = load("gate", shape), shape.frames * 5 + 3
    frames = decoded(shape, stream(clip, range(count)))
    assert [read_number(frame) for frame in frames] == list(range(count))
    assert {(frame.width, frame.height) for frame in frames} == {(640, 360)}


def test_numbers_are_right_after_days_and_begin_again_after_the_last(shape: Shape) -> None:
    clip, begin = load("gate", shape), strip.NUMBERS // shape.frames * shape.frames - 10
    numbers = list(range(begin, begin + 60))
    assert numbers[-1] > strip.NUMBERS
    frames = decoded(shape, stream(clip, numbers))
    assert [read_number(frame) for frame in frames] == [n % strip.NUMBERS for n in numbers]


@pytest.mark.parametrize("picture", [Picture.NORMAL, Picture.BLURRED, Picture.MOVED])
def test_the_picture_below_is_what_the_encoder_made_sample_by_sample(
    shape: Shape, picture: Picture
) -> None:
    clip = load("gate", shape, picture)
    plain = decoded(shape, encoded("gate", shape, picture))
    numbered = decoded(shape, stream(clip, range(shape.frames)))
    again = decoded(shape, stream(clip, range(3 * shape.frames)))[2 * shape.frames :]
    assert len(plain) == len(numbered) == len(again) == shape.frames
    for one, two, three in zip(plain, numbered, again, strict=True):
        assert body(one, 0) == body(two, strip.CELL) == body(three, strip.CELL)


def test_a_clip_may_begin_at_any_key_frame_and_nowhere_else(shape: Shape) -> None:
    clip = load("gate", shape)
    frames = decoded(shape, stream(clip, range(shape.group, 2 * shape.group)))
    assert [read_number(frame) for frame in frames] == list(range(shape.group, 2 * shape.group))
    key = clip.units(shape.group)
    assert key[: len(clip.sets)] == list(clip.sets)
    assert not set(clip.sets) & set(clip.units(shape.group + 1))


def test_wider_pictures_have_the_same_strip(shape: Shape) -> None:
    wide = replace(WIDE, codec=shape.codec)
    frames = decoded(wide, stream(load("gate", wide), range(700, 725)))
    assert [read_number(frame) for frame in frames] == list(range(700, 725))
    assert (frames[0].width, frames[0].height) == (1280, 720)


@pytest.mark.parametrize("picture", [Picture.BLACK, Picture.NO_SIGNAL])
def test_a_picture_of_nothing_has_no_number(shape: Shape, picture: Picture) -> None:
    frames = decoded(shape, stream(load("gate", shape, picture), range(10)))
    assert len(frames) == 10
    for frame in frames:
        with pytest.raises(StripUnreadable):
            read_number(frame)


def luma_mean(frame: av.VideoFrame, top: int = 80) -> float:
    rows = body(frame, top)[: 360 - top]
    return sum(map(sum, rows)) / sum(map(len, rows))


def edges(frame: av.VideoFrame) -> float:
    """Mean step between neighbours, above the grass: what is left of it when out of focus."""
    rows = body(frame, 80)[:200]
    return sum(abs(a - b) for row in rows for a, b in pairwise(row)) / 128_000


def test_bad_pictures_look_as_they_are_called(shape: Shape) -> None:
    looks = {
        picture: decoded(shape, stream(load("gate", shape, picture), range(2)))[-1]
        for picture in Picture
    }
    normal = looks[Picture.NORMAL]
    assert luma_mean(looks[Picture.BLACK]) < 20 < luma_mean(looks[Picture.COVERED]) < 60
    assert luma_mean(looks[Picture.NIGHT]) < 0.6 * luma_mean(normal)
    assert edges(looks[Picture.BLURRED]) < 0.6 * edges(normal)
    assert edges(looks[Picture.COVERED]) < edges(normal)
    assert abs(edges(looks[Picture.MOVED]) - edges(normal)) < 0.4 * edges(normal)
    assert abs(luma_mean(looks[Picture.MOVED]) - luma_mean(normal)) < 15
    night = body(looks[Picture.NIGHT], strip.CELL)[344:]
    assert all(abs(value - 128) <= 4 for row in night[40:] for value in row)


def test_a_frozen_picture_never_changes_but_for_what_the_encoder_mends(shape: Shape) -> None:
    clip = load("gate", shape, Picture.FROZEN)
    pictures = [
        b"".join(b"\0\0\0\1" + unit for unit in clip.units(number, shown=77))
        for number in range(20)
    ]
    frames = decoded(shape, pictures)
    assert {read_number(frame) for frame in frames} == {77}
    first, last = body(frames[0], 0)[:360], body(frames[-1], 0)[:360]
    moved = sum(
        abs(a - b)
        for one, two in zip(first, last, strict=True)
        for a, b in zip(one, two, strict=True)
    )
    assert moved / (640 * 360) < 2


def test_a_clip_is_encoded_once_and_then_kept(
    shape: Shape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one = load("kept", shape)
    (path,) = tmp_path.glob("*/*.clip")
    made = path.stat().st_mtime_ns
    units = one.units(1)
    del one
    assert load("kept", shape).units(1) == units
    assert path.stat().st_mtime_ns == made


def test_what_the_encoder_must_not_do_is_refused(shape: Shape) -> None:
    two_slices = encoded("gate", shape, Picture.NORMAL)
    clip_of = Clip(shape, Picture.NORMAL, two_slices)
    assert len(clip_of.units(0)) > 2
    two_slices[0] += two_slices[1]
    with pytest.raises(Unexpected, match="2 slices"):
        Clip(shape, Picture.NORMAL, two_slices)


def test_shapes_that_cannot_carry_a_strip_are_refused(shape: Shape) -> None:
    for wrong in ({"width": 320}, {"width": 650}, {"height": 361}, {"groups": 3}):
        with pytest.raises(ValueError, match=r"640|even"):
            replace(shape, **wrong)
