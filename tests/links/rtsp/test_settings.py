"""What may be opened, and what is never printed."""

from ipaddress import ip_network

import pytest

from gateway.links.rtsp import RtspSettings


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:secret@192.0.2.1/",
        "rtsps://192.0.2.1/",
        "file:///etc/passwd",
        "http://192.0.2.1/",
        "rtsp:///x",
        "rtsp://192.0.2.1/a b",
        "rtsp://192.0.2.1/\r\nX: y",
        "rtsp://192.0.2.1:99999/",
        "rtsp://192.0.2.1:0/",
        "rtsp://192.0.2.1/" + "x" * 1024,
        "/dev/video0",
    ],
)
def test_what_is_not_an_address_of_a_camera_is_refused_without_repeating_it(url):
    with pytest.raises(ValueError, match=r"url|[Pp]ort") as caught:
        RtspSettings(url=url)
    assert "secret" not in str(caught.value)


def test_nothing_secret_is_printed():
    text = repr(RtspSettings(url="rtsp://192.0.2.1/", username="admin", password="sesame"))

    assert "sesame" not in text
    assert "admin" not in text


def test_where_a_camera_is_in_one_word():
    assert RtspSettings(url="rtsp://192.0.2.1/token=9").where == "rtsp://192.0.2.1:554"
    assert RtspSettings(url="rtsp://[2001:db8::1]:8554/x").where == "rtsp://[2001:db8::1]:8554"


def test_only_addresses_in_the_allowed_networks():
    settings = RtspSettings(url="rtsp://cam/", allowed=(ip_network("10.0.0.0/8"),))

    assert settings.allows("10.1.2.3")
    assert settings.allows("::ffff:10.1.2.3")
    assert not settings.allows("192.0.2.1")
    assert not settings.allows("fe80::1%eth0")
    assert RtspSettings(url="rtsp://cam/").allows("192.0.2.1")
