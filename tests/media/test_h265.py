"""H.265: real encoders' parameter sets, and anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media import Unreadable, h265
from tests.media.clips import clip


def sps(part):
    return next(nal for nal in part.parameter_sets if h265.kind(nal) == h265.SPS)


@pytest.mark.parametrize(("width", "height"), [(160, 96), (166, 90), (1920, 1080)])
def test_the_size_is_what_is_seen(width, height):
    said = h265.parse_sps(sps(clip("h265", frames=2, width=width, height=height)))

    assert (said.width, said.height) == (width, height)
    assert (said.chroma_format, said.luma_bits, said.temporal_layers) == (1, 8, 1)
    assert said.codec == f"hvc1.1.6.L{said.level}.90"


def test_temporal_layers_are_read_past():
    part = clip("h265", b_frames=3, extra=":temporal-layers=3:b-pyramid=1")
    said = h265.parse_sps(sps(part))

    assert (said.width, said.height) == (160, 96)
    assert said.temporal_layers > 1


def test_key_pictures_are_the_ones_a_decoder_can_begin_with():
    def slice_of(kind):
        return bytes((kind << 1, 1, 0x80))

    assert all(h265.is_key([b"\x40\x01", slice_of(kind)]) for kind in range(16, 22))
    assert not any(h265.is_key([slice_of(kind)]) for kind in (0, 1, 9, 22, 31))
    assert not h265.is_key([])


def test_hvcc_needs_all_three_kinds_of_sets():
    part = clip("h265")
    with pytest.raises(Unreadable, match="video, a sequence and a picture"):
        h265.hvcc([sps(part)])


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_unreadable(data):
    for read in (h265.parse_sps, h265.set_id, h265.kind):
        for nal in (data, b"\x40\x01" + data, b"\x42\x01" + data, b"\x44\x01" + data):
            try:
                read(nal)
            except Unreadable:
                continue


@given(st.data())
def test_a_damaged_set_is_read_or_unreadable(data):
    nal = bytearray(sps(clip("h265")))
    at = data.draw(st.integers(2, len(nal) - 1))
    nal[at] = data.draw(st.integers(0, 255))
    try:
        said = h265.parse_sps(bytes(nal))
    except Unreadable:
        return
    assert 0 < said.width <= h265.MAX_SIDE_PX
