"""RTCP: the camera's clock in, our report out."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from gateway.links.rtsp.rtcp import Reception, parse, receiver_report
from tests.links.rtsp.camera import SSRC, sender_report


def test_a_sender_report_says_the_time_of_a_tick():
    ntp = (2_208_988_800 + 1_795_262_400 << 32) | 1 << 31  # half a second past
    (report,) = parse(sender_report(SSRC, ntp, 90_000)).reports

    assert (report.ssrc, report.stamp) == (SSRC, 90_000)
    assert report.utc_ns == 1_795_262_400_500_000_000


def test_a_camera_without_a_clock_is_not_believed():
    for ntp in (0, 5 << 32, 2_208_988_800 << 32):
        (report,) = parse(sender_report(SSRC, ntp, 0)).reports
        assert report.utc_ns is None or report.utc_ns > 2_000_000_000 * 10**9


def test_a_camera_behind_2036_counts_from_a_new_era():
    ntp = (2_208_988_800 + 2_100_000_000 & 0xFFFFFFFF) << 32
    (report,) = parse(sender_report(SSRC, ntp, 0)).reports

    assert report.utc_ns == 2_100_000_000 * 10**9


def test_our_report_is_two_whole_packets():
    data = receiver_report(7, Reception(SSRC, 64, 5, 70_000, 9, 0xABCD, 65536), b"gw")
    flags, kind, words, ours, source, loss, highest, jitter, last, delay = struct.unpack_from(
        ">BBHIIIIIII", data
    )

    assert (flags, kind, words, ours, source) == (0x81, 201, 7, 7, SSRC)
    assert (loss, highest, jitter, last, delay) == (64 << 24 | 5, 70_000, 9, 0xABCD, 65536)
    flags, kind, words = struct.unpack_from(">BBH", data, 32)
    assert (flags, kind, 32 + 4 + 4 * words) == (0x81, 202, len(data))
    assert data[40:44] == b"\1\2gw"
    assert parse(data) == ((), False)


@given(st.binary(max_size=200))
def test_any_bytes_are_read(data):
    parse(data)
    parse(b"\x80\xc8\0\6" + data)
