"""Where an answer's fragments lie: a player shows the first picture without looking for them."""

import io
import struct
from pathlib import Path

import av
import pytest

from gateway.clock import SystemClock
from gateway.media.boxes import read_boxes
from gateway.playback import Playback, moof
from gateway.playback.choosing import INDEXED_NS
from gateway.playback.plan import Plan
from tests.clocks import NOON, SECOND
from tests.playback.film import CAMERA, GROUP_NS, Film, camera_of, filming, look


class Watched(io.BytesIO):
    """A file that knows how far somebody has looked."""

    farthest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.farthest = max(self.farthest, self.tell())
        return found


async def answered(film: Film, from_ns: int, to_ns: int) -> tuple[Plan, bytes]:
    playback = Playback(
        [camera_of()], [film.root / "disk"], film.root / "store", SystemClock(), most=2
    )
    try:
        plan = await playback.plan(CAMERA, from_ns, to_ns, going_on=False)
        stream = playback.open(plan, 0, plan.size_bytes, playback.enter("test"))
        got = bytearray()
        while chunk := await stream.next():
            got += chunk
        stream.close()
        assert len(got) == plan.size_bytes
        return plan, bytes(got)
    finally:
        await playback.end()


def said(answer: bytes) -> tuple[int, list[tuple[int, int]]]:
    """Where the references begin, and of each how many bytes and ticks; nothing without a box."""
    for part in read_boxes(answer):
        if part.kind == b"sidx":
            count = struct.unpack_from(">H", answer, part.body + 30)[0]
            rows = struct.unpack_from(f">{3 * count}I", answer, part.body + 32)
            return part.end, list(zip(rows[0::3], rows[1::3], strict=True))
    return 0, []


@pytest.mark.parametrize("sound", [False, True])
async def test_every_reference_is_a_fragment_at_its_time_and_none_is_left_over(
    tmp_path: Path, sound: bool
) -> None:
    async with filming(tmp_path, sound=sound) as film:
        await film.segments(2)
        film.pause(8)  # whole groups, so that a key picture follows
        await film.segments(1)
        await film.groups(3)  # still written
        # From within the first segment to within the third.
        plan, answer = await answered(film, NOON + GROUP_NS + 3, film.at_ns)
        at, rows = said(answer)
        assert len(rows) == 4 + 5 + 5 + 3
        [lane] = [lane for lane in moof.lanes(plan.init) if lane.is_video]
        ticks = 0
        for size, length in rows:
            head = next(read_boxes(answer, at))
            assert head.kind == b"moof"
            base = moof.times(answer[head.start : head.end])[lane.track].base
            assert abs(base - ticks) <= 1, "a hole in time is in the reference before it"
            at, ticks = at + size, ticks + length
        assert at == plan.size_bytes, "a player is content only with all of it"
        assert len(look(answer).numbers) == 10 * len(rows)


async def test_a_player_begins_without_looking_at_more_than_the_beginning(tmp_path: Path) -> None:
    async with filming(tmp_path) as film:
        await film.segments(20)
        _, answer = await answered(film, NOON, film.at_ns)
        watched = Watched(answer)
        with av.open(watched) as container:
            next(container.decode(video=0))
            assert watched.farthest < len(answer) / 4, "it was told where all of it is"
            middle = 15 * 5 * GROUP_NS // 1000
            container.seek(middle, backward=True)
            frame = next(container.decode(video=0))
        assert frame.time is not None
        assert frame.time * SECOND == pytest.approx(middle * 1000, abs=GROUP_NS)
        # Whoever asks for hours takes all of it: the heads of those are not read before.
        _, longer = await answered(film, NOON, NOON + INDEXED_NS + SECOND)
        assert said(longer) == (0, [])
        assert look(longer).numbers == look(answer).numbers
