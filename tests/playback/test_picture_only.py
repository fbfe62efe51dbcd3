"""A live picture without its sound, and what a browser is asked whether it can play."""

import io
from contextlib import suppress

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media import Run, Sample, Unreadable, fragment, init_segment
from gateway.media.tracks import g711_track, video
from gateway.playback.picture_only import beginning, codecs, lone
from simulators.cameras import SMALL
from simulators.cameras.clip import load
from simulators.cameras.scene import Picture
from tests.console.web.studio import MODERN
from tests.playback.film import GROUP, TICKS, picture, track_of

TRACKS = (g711_track("pcma"), track_of(SMALL))
"""The sound first: what is left out lies before what is kept."""
SOUND = [Sample(bytes([0xD5]) * 160, 160)] * 20


def groups(count: int) -> list[bytes]:
    made = []
    for number in range(count):
        pictures = [
            Sample(picture(number * GROUP + index), TICKS, 0, index == 0) for index in range(GROUP)
        ]
        runs = [Run(1, number * 3200, SOUND), Run(2, number * GROUP * TICKS, pictures)]
        made.append(fragment(number + 1, runs))
    return made


def packets(content: bytes) -> list[tuple[str, int, bytes]]:
    with av.open(io.BytesIO(content), format="mov") as container:
        return [
            (packet.stream.type, int(packet.dts or 0), bytes(packet))
            for packet in container.demux()
            if packet.size
        ]


def test_only_the_picture_is_left_and_no_byte_of_it_is_changed() -> None:
    init, parts = init_segment(TRACKS), groups(3)
    whole = packets(init + b"".join(parts))
    lean = beginning(init, 2)
    for part in parts:
        head = part[: int.from_bytes(part[:4], "big")]
        found = lone(head, 2)
        assert found is not None
        lean += found.head + part[found.at : found.at + found.size]
    left = packets(lean)
    assert len(left) == 3 * GROUP
    assert left == [packet for packet in whole if packet[0] == "video"]
    assert lone(head, 9) is None


def test_a_file_is_called_what_a_browser_is_asked_for() -> None:
    assert codecs(init_segment(TRACKS)) == f"alaw,{track_of(SMALL).codec_string}"
    sets = load("studio", MODERN, Picture.NORMAL).sets
    track = video("h265", 90_000, sets)
    assert codecs(init_segment([track])) == track.codec_string
    assert track.codec_string.startswith("hvc1.1.")


@given(cut=st.integers(0, 2_000), at=st.integers(0, 2_000), byte=st.integers(0, 255))
def test_what_is_torn_or_changed_is_read_or_unreadable(cut: int, at: int, byte: int) -> None:
    [part] = groups(1)
    for whole, read in ((init_segment(TRACKS), codecs), (part[:3000], lambda b: lone(b, 2))):
        torn = bytearray(whole)
        torn[at % len(torn)] = byte
        with suppress(Unreadable):
            read(bytes(torn[: len(torn) - cut]))
        with suppress(Unreadable):
            beginning(bytes(torn), 2)


def test_what_is_no_fragment_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        lone(b"", 1)
