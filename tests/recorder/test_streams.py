"""What of a stream is a fault, and what is not: told from what its recorder counts."""

from dataclasses import dataclass, field

from gateway.config import Camera, VideoSettings
from gateway.links.rtsp import RtspSettings
from gateway.recorder.camera import State
from gateway.recorder.streams import (
    LOST_MOST,
    OFF_S,
    SESSIONS_MOST,
    WINDOW_S,
    Stream,
    Streams,
)
from tests.clocks import FakeClock

GATE = Camera(
    id="gate",
    name="枪机",
    place="西门",
    stream=RtspSettings(url="rtsp://192.0.2.5/1"),
    sub=RtspSettings(url="rtsp://192.0.2.5/2"),
)
S = 1_000_000_000


@dataclass
class Recorder:
    camera: str
    state: State = field(default_factory=State)


class Watched:
    """Streams of one camera, looked at every five seconds."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.main, self.sub = Recorder("gate"), Recorder("gate.sub")
        self.main.state.is_recording = self.sub.state.is_recording = True
        self.streams = Streams(
            [
                Stream(GATE, self.main, is_sub=False, retention_days=90),
                Stream(GATE, self.sub, is_sub=True, retention_days=7),
            ],
            VideoSettings(),
            self.clock,
        )
        self.streams.sample()

    def wait(self, seconds: float) -> list[str]:
        while seconds > 0:
            self.clock.advance(5)
            seconds -= 5
            self.streams.sample()
        return [finding.key for finding in self.streams.findings()]


def test_a_sound_camera_is_no_finding() -> None:
    assert Watched().wait(60) == []


def test_a_camera_that_is_away_for_a_moment_is_none_and_for_longer_is_one() -> None:
    watched = Watched()
    watched.main.state.is_recording = False
    watched.main.state.why = "192.0.2.5:554 refused us"
    assert watched.wait(OFF_S - 5) == []
    assert watched.wait(5) == ["video.gate"]
    [finding] = watched.streams.findings()
    assert "192.0.2.5:554 refused us" in finding.text
    assert finding.text.startswith("西门 枪机 没有录像")
    watched.main.state.is_recording = True
    assert watched.wait(15) == ["video.gate"], "it has to show that it stays"
    assert watched.wait(5) == []


def test_why_a_camera_is_lost_is_said_in_each_language_alone() -> None:
    watched = Watched()
    state = watched.main.state
    state.is_recording, state.reason = False, "camera"
    watched.wait(OFF_S)
    seen = {}
    for why in (
        "",
        "192.0.2.5:554: 密码不对，请检查用户名和密码 / 192.0.2.5:554: wrong password; check it",
        "192.0.2.5: 连接不上：[Errno 111] refused / 192.0.2.5: cannot connect: refused",
        "卷满了 no room on any volume",
    ):
        state.why = why
        [finding] = watched.streams.findings()
        seen[why] = finding.said
        assert finding.attributes["why"]
    lost = "连不上摄像机，请查网线和电源"
    assert [said.zh for said in seen.values()] == [
        f"西门 枪机 没有录像: {why}"
        for why in (lost, "192.0.2.5:554: 密码不对，请检查用户名和密码", lost, "卷满了")
    ]
    assert [said.en.partition(": ")[2] for said in seen.values()] == [
        "it cannot be reached: look at its cable and power",
        "192.0.2.5:554: wrong password; check it",
        "192.0.2.5: cannot connect: refused",
        "no room on any volume",
    ]


def test_a_small_stream_that_is_missing_has_a_name_of_its_own() -> None:
    watched = Watched()
    watched.sub.state.is_recording = False
    assert watched.wait(OFF_S) == ["video-sub.gate"]


def test_a_camera_that_is_mostly_away_is_a_finding_although_it_comes_back() -> None:
    watched = Watched()
    keys: list[str] = []
    for _ in range(6):
        watched.main.state.is_recording = False
        watched.wait(10)
        watched.main.state.is_recording = True
        keys = watched.wait(5)
    assert keys == ["video.gate"]


def test_a_storm_of_reconnects_is_a_finding_until_it_is_over() -> None:
    watched = Watched()
    watched.main.state.sessions += SESSIONS_MOST + 1
    assert watched.wait(5) == ["video-storm.gate"]
    assert watched.wait(WINDOW_S) == []


def test_lost_packets_are_a_finding_above_a_rate() -> None:
    watched = Watched()
    watched.main.state.lost += LOST_MOST
    assert watched.wait(5) == []
    watched.main.state.lost += 1
    assert watched.wait(5) == ["video-loss.gate"]
    assert watched.wait(WINDOW_S) == []


def test_a_camera_whose_clock_is_off_is_a_finding_while_ours_is_trusted() -> None:
    watched = Watched()
    watched.main.state.offset_ns = -3600 * S
    watched.clock.quality = "stepped"
    assert watched.wait(5) == []
    watched.clock.quality = "trusted"
    assert watched.wait(5) == ["video-clock.gate"]
    watched.main.state.offset_ns = -9 * S
    assert watched.wait(5) == ["video-clock.gate"], "not on and off around the limit"
    watched.main.state.offset_ns = -2 * S
    assert watched.wait(5) == []


def test_what_is_missing_of_a_day_is_a_finding_above_a_limit() -> None:
    watched = Watched()
    stream = watched.streams.all[0]
    stream.missing_s, stream.missing_why = 15 * 60, "camera"
    assert watched.wait(5) == []
    stream.missing_s += 60
    assert watched.wait(5) == ["video-gaps.gate"]
    [finding] = watched.streams.findings()
    assert finding.attributes == {"camera": "gate", "missing_s": 960, "why": "camera"}


def test_the_state_for_the_api_says_what_is_known_and_none_for_what_is_not() -> None:
    watched = Watched()
    state = watched.main.state
    state.codec, state.width, state.height, state.to_ns = "avc1.640028", 1920, 1080, 7
    for _ in range(6):
        state.data_bytes += 5 * 375_000
        watched.wait(5)
    found = watched.streams.cameras()
    assert set(found) == {"gate", "gate.sub"}
    assert found["gate"]["bit_rate_bps"] == 3_000_000
    assert (found["gate"]["recording"], found["gate"]["newest_ns"]) == (True, 7)
    assert (found["gate"]["oldest_ns"], found["gate"]["offset_ms"]) == (None, None)
    assert (found["gate.sub"]["sub"], found["gate.sub"]["retention_days"]) == (True, 7)
    assert found["gate.sub"]["bit_rate_bps"] == 0
