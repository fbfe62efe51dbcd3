"""H.264: real encoders' parameter sets, and anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media import Unreadable, h264
from tests.media.clips import clip

SHAPES = [
    ("", 160, 96),
    (":interlaced=1", 160, 128),
    (":b-pyramid=normal:ref=4", 166, 90),
    (":cqm=jvt", 1920, 1080),
]


def sps(part):
    return next(nal for nal in part.parameter_sets if h264.kind(nal) == h264.SPS)


@pytest.mark.parametrize(("extra", "width", "height"), SHAPES)
def test_the_size_is_what_is_seen(extra, width, height):
    said = h264.parse_sps(sps(clip("h264", frames=2, extra=extra, width=width, height=height)))

    assert (said.width, said.height) == (width, height)
    assert (said.profile, said.chroma_format, said.luma_bits) == (100, 1, 8)
    assert said.codec == f"avc1.64{said.constraints:02x}{said.level:02x}"


def test_emulation_prevention_bytes_are_left_out_before_reading():
    # Baseline, level 1: id 0, frame num 0, order count type 2, 1 reference; 16 x 16, frames only.
    bits = "1" + "1" + "011" + "010" + "0" + "1" + "1" + "1" + "1" + "0" + "0" + "1"
    raw = bytes((66, 0, 10)) + int(bits.ljust(24, "0"), 2).to_bytes(3, "big")

    assert h264.parse_sps(b"\x67" + raw).width == 16
    with pytest.raises(Unreadable):
        h264.parse_sps(b"\x67" + raw[:4])


def test_key_pictures_are_idr_and_recovery_points_that_hold_at_once():
    slice_, idr = b"\x41\x9a", b"\x65\x88"

    assert h264.is_key([b"\x09\x10", b"\x67", b"\x68", idr])
    assert not h264.is_key([b"\x09\x10", slice_])
    assert h264.is_key([b"\x06\x06\x01\xc4\x80", slice_])  # recovery_frame_cnt 0
    assert not h264.is_key([b"\x06\x06\x01\x40\x80", slice_])  # recovery_frame_cnt 1
    assert h264.is_key([b"\x06\x05\x02ab\x06\x01\xc4\x80", slice_])  # behind another message
    assert not h264.is_key([])


def test_open_groups_of_a_real_encoder_begin_with_recovery_points():
    part = clip("h264", b_frames=2, extra=":open-gop=1")
    idr = [n for n, unit in enumerate(part.units) if any(nal[0] & 31 == 5 for nal in unit)]

    assert len(idr) == 1
    assert len(part.keys) == 5


def test_avcc_needs_both_kinds_of_sets():
    part = clip("h264")
    with pytest.raises(Unreadable, match="sequence and a picture"):
        h264.avcc([sps(part)])


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_unreadable(data):
    for read in (h264.parse_sps, h264.set_id, h264.kind):
        for nal in (data, b"\x67" + data, b"\x68" + data):
            try:
                read(nal)
            except Unreadable:
                continue
    h264.is_key([b"\x06" + data, b"\x41"])


@given(st.data())
def test_a_damaged_set_is_read_or_unreadable(data):
    nal = bytearray(sps(clip("h264")))
    at = data.draw(st.integers(1, len(nal) - 1))
    nal[at] = data.draw(st.integers(0, 255))
    try:
        said = h264.parse_sps(bytes(nal))
    except Unreadable:
        return
    assert 0 < said.width <= h264.MAX_SIDE_PX
    assert 0 < said.height <= h264.MAX_SIDE_PX
