"""From a camera's socket to a file that a decoder reads: nothing missing, nothing doubled."""

import io

import pytest

from gateway.clock import SystemClock
from gateway.links.rtsp import AccessUnit, RtspSession, RtspSettings
from gateway.media import Run, Sample, fragment, in_decode_order, init_segment, scan
from tests.links.rtsp.camera import BASE_TICKS, Caller, Camera, packets, running, sdp_of
from tests.media.clips import FRAME, clip, decoded, reference


def fragments(units: list[AccessUnit]) -> list[bytes]:
    """One for each group of pictures, as a recorder cuts them."""
    keys = [n for n, unit in enumerate(units) if unit.is_key]
    written = []
    for number, (start, stop) in enumerate(zip(keys, [*keys[1:], len(units)], strict=True), 1):
        group = units[start:stop]
        end = units[stop].ticks if stop < len(units) else max(u.ticks for u in group) + FRAME
        places = in_decode_order([unit.ticks for unit in group], end)
        samples = [
            Sample(unit.data, place.duration, place.offset, unit.is_key)
            for unit, place in zip(group, places, strict=True)
        ]
        written.append(fragment(number, [Run(1, places[0].decode, samples)]))
    return written


@pytest.mark.parametrize("sprop", [True, False], ids=["sets in the SDP", "sets in the pictures"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_what_a_camera_shows_is_what_a_decoder_sees(codec, sprop):
    part = clip(codec, frames=75, b_frames=2, durations=(FRAME, FRAME // 2, 2 * FRAME))

    async def play(caller: Caller) -> None:
        for unit in packets(part, joins=True):
            caller.say_rtp(*unit)

    async with (
        running(Camera(sdp=sdp_of(part, sprop=sprop), play=play)) as camera,
        await RtspSession.open(RtspSettings(url=camera.url), SystemClock()) as session,
    ):
        units = [await anext(session) for _ in part.units]
        head = init_segment(session.tracks)

    recorded = head + b"".join(fragments(units))
    assert decoded(recorded) == [(BASE_TICKS + time, what) for time, what in reference(part)]
    assert scan(io.BytesIO(recorded), check=True).torn is None
