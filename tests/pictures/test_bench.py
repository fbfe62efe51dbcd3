"""Key pictures out of recordings: the right one at every time, and none from any other bytes."""

import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media import Run, Sample, fragment, init_segment
from gateway.media.nal import join_lengths, split_annexb
from gateway.media.tracks import video
from gateway.pictures.bench import Bench
from gateway.pictures.decode import SIDE_MOST, jpeg, key_picture
from gateway.pictures.errors import NoPicture
from gateway.pictures.find import BACK_NS, Finder
from gateway.store.video import VideoReader
from simulators.cameras import SMALL, read_number
from tests.clocks import NOON, SECOND
from tests.playback.film import CAMERA, GROUP, GROUP_NS, TICKS, Film, filming, picture, track_of


@dataclass
class Looking:
    """A film, and the bench that looks at it."""

    film: Film
    finder: Finder
    bench: Bench

    async def number(self, at_ns: int | None) -> int:
        """The number of the picture that is the answer."""
        number, _place = await self.bench.judged(CAMERA, at_ns, read_number)
        return number


@asynccontextmanager
async def looking(root: Path, volumes: tuple[str, ...] = ("disk",)) -> AsyncIterator[Looking]:
    async with filming(root) as film:
        reader = VideoReader(root / "store")
        finder = Finder([root / name for name in volumes], reader, film.clock)
        bench = Bench(finder, hang_s=None)
        try:
            yield Looking(film, finder, bench)
        finally:
            bench.close()
            finder.close()
            await reader.close()


async def test_at_every_time_it_is_the_key_picture_of_the_group_of_that_time(
    tmp_path: Path,
) -> None:
    async with looking(tmp_path) as it:
        await it.film.segments(2, groups=3)
        await it.film.groups(2)  # still open
        for index in range(8):
            begun_ns = NOON + index * GROUP_NS
            for at_ns in (begun_ns, begun_ns + GROUP_NS // 2, begun_ns + GROUP_NS - 1):
                made, place = await it.bench.still(CAMERA, at_ns)
                assert (place.at_ns, place.end_ns) == (begun_ns, begun_ns + GROUP_NS)
                with av.open(io.BytesIO(made.data)) as shown:
                    assert read_number(next(shown.decode(video=0))) == index * GROUP
        assert await it.number(NOON + 100 * GROUP_NS) == 7 * GROUP, "later: the newest there is"


async def test_the_newest_is_that_of_the_file_that_is_being_written(tmp_path: Path) -> None:
    async with looking(tmp_path) as it:
        await it.film.segments(1)
        it.film.clock.advance(it.film.at_ns / SECOND - NOON / SECOND + 1)
        assert await it.number(None) == 4 * GROUP, "nothing is open: the last that was"
        await it.film.groups(1)
        assert await it.number(None) == 5 * GROUP
        await it.film.groups(1)
        assert await it.number(None) == 6 * GROUP


async def test_where_nothing_was_recorded_there_is_no_picture(tmp_path: Path) -> None:
    async with looking(tmp_path) as it:
        for at_ns in (None, NOON, 0):
            with pytest.raises(NoPicture):
                await it.number(at_ns)
        await it.film.segments(1, groups=2)
        with pytest.raises(NoPicture):
            await it.number(NOON - 1)
        assert await it.number(NOON + BACK_NS) == GROUP
        with pytest.raises(NoPicture):
            await it.number(NOON + BACK_NS + 2 * GROUP_NS + SECOND)


async def test_a_segment_that_is_sealed_while_it_is_looked_at_is_found_under_its_new_name(
    tmp_path: Path,
) -> None:
    async with looking(tmp_path) as it:
        await it.film.groups(2)
        places = await it.finder.places(CAMERA, NOON + GROUP_NS)
        await it.film.seal()
        assert not places[0].path.exists()
        group = await it.finder.read(places[0])
        assert read_number(key_picture(group.init, group.fragment)) == GROUP


async def test_without_an_index_the_names_say_it_and_elsewhere_the_index_does(
    tmp_path: Path,
) -> None:
    async with looking(tmp_path) as it:
        await it.film.segments(2)
        it.finder._reader = VideoReader(tmp_path / "nowhere")
        assert await it.number(NOON + 7 * GROUP_NS) == 7 * GROUP
        await it.finder._reader.close()
    async with looking(tmp_path / "b", volumes=("another",)) as it:
        await it.film.segments(2)
        assert await it.number(NOON + 7 * GROUP_NS) == 7 * GROUP


async def test_a_group_that_was_damaged_gives_way_to_the_one_before(tmp_path: Path) -> None:
    async with looking(tmp_path) as it:
        await it.film.segments(1, groups=3)
        [place, *_] = await it.finder.places(CAMERA, NOON + 2 * GROUP_NS)
        with place.path.open("r+b") as file:
            file.seek(place.offset + 8)
            file.write(bytes(place.size_bytes - 8))
        assert await it.number(NOON + 2 * GROUP_NS) == GROUP


async def test_what_is_no_segment_is_passed_over(tmp_path: Path) -> None:
    async with looking(tmp_path) as it:
        await it.film.segments(1, groups=1)
        [sealed] = (tmp_path / "disk").rglob("*.mp4")
        later = sealed.with_name(sealed.name.replace("T120000", "T120001"))
        os.mkfifo(later)
        sealed.with_name(sealed.name.replace("T120000", "T120002")).mkdir()
        sealed.with_name(sealed.name.replace("T120000", "T120003") + ".open").symlink_to(
            "/dev/zero"
        )
        sealed.with_name(sealed.name.replace("T120000", "x")).write_bytes(b"x")
        with suppress(NoPicture):  # three that are none are tried, then it is given up
            assert await it.number(NOON + 5 * SECOND) == 0
        assert await it.number(NOON + SECOND // 2) == 0


@cache
def group_bytes() -> tuple[bytes, bytes]:
    samples = [Sample(picture(number), TICKS, 0, number == 0) for number in range(GROUP)]
    return init_segment([track_of(SMALL)]), fragment(1, [Run(1, 0, samples)])


@settings(max_examples=80)
@given(st.data())
def test_any_damage_gives_a_picture_or_none(data: st.DataObject) -> None:
    init, body = (bytearray(part) for part in group_bytes())
    for part in (init, body):
        for _ in range(data.draw(st.integers(0, 8))):
            part[data.draw(st.integers(0, len(part) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    with suppress(NoPicture):
        frame = key_picture(bytes(init), bytes(body[:cut]))
        made = jpeg(frame, 64)
        assert made.width <= 64
        assert 0 < frame.width <= SIDE_MOST


@settings(max_examples=60)
@given(st.binary(max_size=400), st.binary(max_size=400))
def test_any_bytes_give_no_picture(init: bytes, body: bytes) -> None:
    with pytest.raises(NoPicture):
        key_picture(init, body)


def test_the_rest_of_a_long_group_has_no_key_picture_in_it() -> None:
    init, _ = group_bytes()
    samples = [Sample(picture(number), TICKS, 0, is_key=False) for number in range(1, GROUP)]
    with pytest.raises(NoPicture):
        key_picture(init, fragment(2, [Run(1, 0, samples)]))


def test_a_picture_of_absurd_size_is_refused() -> None:
    wide = SIDE_MOST + 32
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = wide, 32, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"preset": "ultrafast"}
    frame = av.VideoFrame(wide, 32, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    units = [unit for packet in packets for unit in split_annexb(bytes(packet))]
    sets = tuple(unit for unit in units if unit[0] & 31 in {7, 8})
    rest = [unit for unit in units if unit[0] & 31 in {1, 5}]
    init = init_segment([video("h264", 90_000, sets)])
    body = fragment(1, [Run(1, 0, [Sample(join_lengths(rest), 3600)])])
    with pytest.raises(NoPicture, match=str(wide)):
        key_picture(init, body)


@pytest.mark.parametrize(
    ("width", "size"), [(None, (640, 360)), (320, (320, 180)), (9999, (640, 360)), (17, (16, 8))]
)
def test_a_still_is_as_wide_as_asked_and_never_made_larger(
    width: int | None, size: tuple[int, int]
) -> None:
    made = jpeg(key_picture(*group_bytes()), width)
    assert (made.width, made.height) == size
    with av.open(io.BytesIO(made.data)) as shown:
        frame = next(shown.decode(video=0))
        assert (frame.width, frame.height) == size
