"""Addresses: what an installer writes, and what a camera says about itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.onvif.settings import OnvifSettings, device_url, ours, stream_of

URL = "http://192.0.2.30:8080/onvif/device_service"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("192.0.2.30", "http://192.0.2.30/onvif/device_service"),
        (" 192.0.2.30:8080 ", URL),
        ("camera-1.school.example", "http://camera-1.school.example/onvif/device_service"),
        ("2001:db8::1", "http://[2001:db8::1]/onvif/device_service"),
        ("[2001:db8::1]:81", "http://[2001:db8::1]:81/onvif/device_service"),
        ("https://192.0.2.30", "https://192.0.2.30/onvif/device_service"),
        ("http://192.0.2.30/other", "http://192.0.2.30/other"),
    ],
)
def test_an_installer_writes_as_little_as_there_is(written: str, url: str) -> None:
    assert device_url(written) == url


@pytest.mark.parametrize(
    "written",
    ["", "rtsp://192.0.2.30", "http://", "u:p@192.0.2.30", "192.0.2.30:0", "192.0.2.30:x",
     "192.0.2.30:99999", "a b", "校", "http://h/#x", "x" * 2000, "1::2::3"],
)  # fmt: skip
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        device_url(written)


@pytest.mark.parametrize(
    ("said", "asked", "believed"),
    [
        ("http://192.0.2.30:8080/onvif/events", "http://192.0.2.30:8080/onvif/events", True),
        ("http://192.0.2.30/onvif/events?x=1", "http://192.0.2.30/onvif/events?x=1", True),
        ("http://127.0.0.1/onvif/events", "http://192.0.2.30:8080/onvif/events", False),
        ("http://10.0.0.9:81/sub?idx=3", "http://192.0.2.30:8080/sub?idx=3", False),
        ("http://evil.example/steal", "http://192.0.2.30:8080/steal", False),
        ("file:///etc/passwd", URL, False),
        ("http://u:p@192.0.2.30/x", URL, False),
        ("", URL, False),
    ],
)
def test_no_camera_sends_us_to_another_machine(said: str, asked: str, believed: bool) -> None:
    assert ours(said, URL) == (asked, believed)


@pytest.mark.parametrize(
    ("said", "url", "believed"),
    [
        ("rtsp://192.0.2.30:554/a?b=c", "rtsp://192.0.2.30:554/a?b=c", True),
        ("rtsp://127.0.0.1/a", "rtsp://192.0.2.30/a", False),
        ("rtsp://user:pw@192.0.2.30/a", "rtsp://192.0.2.30/a", True),
        ("rtsp://10.0.0.1:8554/live 1", "rtsp://192.0.2.30:8554/live%201", False),
    ],
)
def test_a_stream_is_always_at_the_address_the_installer_wrote(
    said: str, url: str, believed: bool
) -> None:
    assert stream_of(said, URL) == (url, believed)


@given(st.text(max_size=80))
def test_any_text_of_a_camera_is_our_host_or_refused(text: str) -> None:
    assert ours(text, URL)[0].startswith("http://192.0.2.30")
    try:
        found, _ = stream_of(f"rtsp://{text}", URL)
    except ValueError:
        return
    assert found.startswith("rtsp://192.0.2.30")


def test_no_secret_is_in_what_settings_show() -> None:
    shown = repr(OnvifSettings(url=URL, username="somebody", password="hush"))
    assert "hush" not in shown
    assert "somebody" not in shown
