"""SDP as cameras write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.rtsp.sdp import parse_sdp, resolve
from tests.links.rtsp.camera import sdp_of
from tests.media.clips import clip

BASE = "rtsp://192.0.2.9/cam/realmonitor?channel=1&subtype=0/"
AAC = (
    "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\na=control:trackID=2\r\n"
    "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
    "indexdeltalength=3;config=1408\r\n"
)


def read(text, **how):
    return parse_sdp(text.encode(), BASE, **how)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_camera_with_picture_and_sound(codec):
    said = read(sdp_of(clip(codec), more=AAC))
    picture, sound = said.offers

    assert picture.track == clip(codec).track
    assert picture.control == BASE + "trackID=1"
    assert (sound.track.codec, sound.track.clock_rate, sound.track.channels) == ("aac", 16000, 1)
    assert sound.payload == 97
    assert said.aggregate == BASE


def test_only_the_first_picture_and_the_first_sound_are_taken():
    said = read(sdp_of(clip("h264"), more=AAC + AAC + "m=video 0 RTP/AVP 96\r\n"))

    assert [offer.track.kind for offer in said.offers] == ["video", "audio"]
    assert [why.partition(": ")[2] for why in said.skipped] == ["one of its kind is enough"] * 2


def test_a_second_picture_is_taken_where_the_first_cannot_be():
    said = read(
        "m=video 0 RTP/AVP 26\r\na=control:jpeg\r\n"
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 h264/90000\r\na=control:avc\r\n"
    )

    assert [offer.control for offer in said.offers] == [BASE + "avc"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("m=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000\n", "neither"),
        ("m=audio 0 RTP/AVP 0\na=sendonly\n", "loudspeaker"),
        ("m=audio 0 RTP/AVP 98\na=rtpmap:98 G726-16/8000\n", "codec G726-16"),
        (AAC.replace("AAC-hbr", "AAC-lbr"), "AAC-lbr"),
        (AAC.replace("sizelength=13", "sizelength=6"), "another form"),
        (AAC.replace("config=1408", "config=zz"), "does not decode"),
        ("m=audio 0 RTP/AVP 0\na=control:http://x/\n", "not rtsp"),
        ("m=audio 0 RTP/AVP 8\na=rtpmap:8 PCMA/16000\n", "16000 Hz"),
    ],
)
def test_what_cannot_be_recorded_says_why_and_stops_nothing(more, why):
    said = read(sdp_of(clip("h264"), more=more))

    assert [offer.track.kind for offer in said.offers] == ["video"]
    assert why in said.skipped[0]


@pytest.mark.parametrize(
    "fmtp",
    ["packetization-mode=2", "packetization-mode=2;sprop-parameter-sets=,"],
)
def test_an_interleaved_picture_is_not_taken(fmtp):
    said = read(f"m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 {fmtp}\n")

    assert said.offers == ()


def test_parameter_sets_that_do_not_decode_are_as_good_as_none():
    said = read(
        "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets=Z0,!!,aGk=\n"
    )

    assert said.offers[0].track.parameter_sets == ()


@pytest.mark.parametrize(
    ("control", "address"),
    [
        ("trackID=1", "rtsp://192.0.2.9/live/trackID=1"),
        ("*", "rtsp://192.0.2.9/live"),
        ("", "rtsp://192.0.2.9/live"),
        ("rtsp://10.0.0.1/x/trackID=1", "rtsp://10.0.0.1/x/trackID=1"),
        ("rtsp://admin:secret@10.0.0.1/x", "rtsp://10.0.0.1/x"),
        ("RTSP://10.0.0.1/x", "rtsp://10.0.0.1/x"),
        ("http://10.0.0.1/x", None),
        ("x" * 2000, None),
        ("straße", None),
        ("a b", "rtsp://192.0.2.9/live/a%20b"),
    ],
)
def test_control_addresses(control, address):
    assert resolve("rtsp://192.0.2.9/live", control) == address


@given(st.text(max_size=600))
def test_any_text_is_read(text):
    read(text)
    read("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 " + text)
    read(AAC.partition("config=")[0] + text)
    read("m=audio 0 RTP/AVP 8\na=rtpmap:" + text + "\na=control:" + text)
