"""Cameras in gateway.toml: both streams of each, and what two of them must not share."""

import pytest

from tests.config.conftest import Installation

CAMERA = '[[camera]]\nid = "gate"\nurl = "rtsp://192.0.2.5/main"\n'


def test_both_streams_have_the_account_and_days_of_their_own(installation: Installation) -> None:
    installation.write("secret", "pw")
    (installation.folder / "secret").chmod(0o600)
    installation.add(
        "gateway.toml",
        CAMERA + 'sub_url = "rtsp://192.0.2.5/sub"\nusername = "viewer"\n'
        'password_file = "secret"\naudio = false\nsub_retention_days = 14\n',
    )
    [camera] = installation.load().cameras
    assert camera.sub is not None
    assert (camera.sub_id, camera.sub.url) == ("gate.sub", "rtsp://192.0.2.5/sub")
    assert (camera.sub.username, camera.sub.password) == ("viewer", "pw")
    assert (camera.stream.audio, camera.sub.audio) == (False, False)
    assert (camera.retention_days, camera.sub_retention_days) == (None, 14)


def test_a_camera_has_no_small_stream_unless_it_is_written(installation: Installation) -> None:
    installation.add("gateway.toml", CAMERA)
    [camera] = installation.load().cameras
    assert camera.sub is None
    assert camera.sub_retention_days == 7


def test_what_is_told_about_video_can_be_set(installation: Installation) -> None:
    assert installation.load().video.warn_days == (14, 7, 2)
    installation.add(
        "gateway.toml", "[video]\nwarn_days = [30, 3]\ngap_minutes = 60\ncamera_clock_seconds = 2\n"
    )
    video = installation.load().video
    assert (video.warn_days, video.gap_minutes, video.camera_clock_s) == ((30, 3), 60, 2)


SAME = "与 camera[0].url 相同 / the same as camera[0].url"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (CAMERA + '[[camera]]\nid = "b"\nurl = "rtsp://192.0.2.5:554/main"\n',
         f'camera[1].url: {SAME}'),
        (CAMERA + 'sub_url = "rtsp://192.0.2.5/main"\n', f'camera[0].sub_url: {SAME}'),
        (CAMERA + 'sub_url = "rtsp://u:hunter2@192.0.2.5/sub"\n', 'camera[0].sub_url: '),
        (CAMERA + 'sub_url = "http://192.0.2.5/sub"\n', 'camera[0].sub_url: '),
        (CAMERA + "sub_retention_days = 0\n", 'camera[0].sub_retention_days: '),
        ('[[camera]]\nid = "gate"\nsub_url = "rtsp://192.0.2.5/sub"\n',
         'camera[0].url: 没有写，只有子码流 / missing'),
        (CAMERA + 'sub_url = "rtsp://192.0.2.5/sub"\n[[camera]]\nid = "gate.sub"\n'
         'url = "rtsp://192.0.2.6/1"\n', 'camera[1].id: '),
        ("[video]\nwarn_days = [2, 7]\n", "video.warn_days: 写成了 [2, 7] / is [2, 7]"),
        ("[video]\nwarn_days = [0]\n", "video.warn_days"),
        ("[video]\nwarm_days = [7]\n", "video.warm_days: "),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told(text: str, wrong: str, installation: Installation) -> None:
    installation.add("gateway.toml", text)
    [line] = installation.faults()
    assert line.startswith(f"gateway.toml: {wrong}")
    assert "hunter2" not in line


def test_two_streams_that_differ_only_in_what_is_behind_the_question_mark_are_two(
    installation: Installation,
) -> None:
    installation.add(
        "gateway.toml",
        '[[camera]]\nid = "a"\nurl = "rtsp://192.0.2.5/cam?channel=1&subtype=0"\n'
        'sub_url = "rtsp://192.0.2.5/cam?channel=1&subtype=1"\n',
    )
    assert len(installation.load().cameras) == 1


def test_a_camera_may_be_known_by_its_address_only(installation: Installation) -> None:
    table = '[[camera]]\nid = "gate"\naddress = "192.0.2.30:8080"\nchannel = 2\n'
    installation.add("gateway.toml", table)
    [camera] = installation.load().cameras
    assert camera.onvif is not None
    assert camera.onvif.settings.url == "http://192.0.2.30:8080/onvif/device_service"
    assert camera.onvif.channel == 2
    assert camera.sub is not None
    installation.add("gateway.toml", "sub_stream = false\n")
    assert installation.load().cameras[0].sub is None
