"""What is known of every stream that is recorded: for the API, and what of it is a fault.

Owns    the samples of the last minutes of each stream, and the thresholds of its faults.
Needs   nothing but State of camera.py and the clock. No disk, no network.
Keeps   1. A stream that is on and off is a fault once it was off for OFF_S more than on, and until
           it made that up: neither every hiccup nor a storm of reconnects is passed over.
        2. A camera's clock is only judged while ours can be trusted.
Bound   SAMPLES for each stream, one every sample().
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from gateway.clock import Clock
from gateway.config import Camera, VideoSettings
from gateway.recorder.camera import State
from gateway.reports import Finding, Value
from gateway.words import Said, chinese, english

OFF_S: Final = 20.0
OFF_MOST_S: Final = 30.0
WINDOW_S: Final = 300.0
RATE_S: Final = 30.0
SAMPLES: Final = 64
LOST_MOST: Final = 100
"""Packets in WINDOW_S; over TCP a healthy camera loses none."""
SESSIONS_MOST: Final = 10
"""In WINDOW_S."""


class Recorder(Protocol):
    """What a stream's recorder shows."""

    @property
    def camera(self) -> str:
        """The name it is recorded under."""

    @property
    def state(self) -> State:
        """What is known of it now."""


@dataclass(frozen=True, slots=True)
class _Sample:
    mono_ns: int
    data_bytes: int
    lost: int
    sessions: int


@dataclass(slots=True)
class Stream:
    """One stream of a camera.

    oldest_ns  since when there is video of it; filled in by whoever reads the index
    missing_s  of the last day, and mostly why
    """

    camera: Camera
    recorder: Recorder
    is_sub: bool
    retention_days: int
    oldest_ns: int | None = None
    missing_s: int = 0
    missing_why: str = ""
    off_s: float = 0.0
    is_off: bool = False
    is_clock_wrong: bool = False
    samples: deque[_Sample] = field(default_factory=lambda: deque(maxlen=SAMPLES))

    @property
    def called(self) -> Said:
        """How people call it."""
        name = f"{self.camera.place} {self.camera.name}".strip()
        return Said(f"{name} 子码流", f"{name} (sub stream)") if self.is_sub else Said(name, name)

    def said(self, zh: str, en: str) -> Said:
        """Something about it."""
        return Said(f"{self.called.zh} {zh}", f"{self.called.en} {en}")

    def since(self, window_s: float) -> tuple[float, _Sample, _Sample] | None:
        """(seconds, first, last) of the samples of the last window; None before there are two."""
        if len(self.samples) < 2:
            return None
        last = self.samples[-1]
        first = next(s for s in self.samples if last.mono_ns - s.mono_ns <= window_s * 1e9)
        passed_s = (last.mono_ns - first.mono_ns) / 1e9
        return (passed_s, first, last) if passed_s > 0 else None


class Streams:
    """All streams of an installation."""

    def __init__(self, streams: Sequence[Stream], settings: VideoSettings, clock: Clock) -> None:
        self.all = tuple(streams)
        self._settings = settings
        self._clock = clock
        self._sampled_ns: int | None = None

    def change(self, streams: Sequence[Stream]) -> None:
        """These are the streams from now on."""
        self.all = tuple(streams)

    def sample(self) -> None:
        """Look at all of them; every few seconds."""
        now = self._clock.mono_ns()
        passed_s = 0.0 if self._sampled_ns is None else (now - self._sampled_ns) / 1e9
        self._sampled_ns = now
        for stream in self.all:
            state = stream.recorder.state
            stream.samples.append(_Sample(now, state.data_bytes, state.lost, state.sessions))
            step = -passed_s if state.is_recording else passed_s
            stream.off_s = min(max(stream.off_s + step, 0.0), OFF_MOST_S)
            if stream.off_s >= OFF_S:
                stream.is_off = True
            elif stream.off_s == 0.0 and state.is_recording:
                stream.is_off = False
            self._judge_clock(stream)

    def _judge_clock(self, stream: Stream) -> None:
        offset_ns = stream.recorder.state.offset_ns
        if self._clock.quality != "trusted":
            return
        limit_s = self._settings.camera_clock_s * (0.8 if stream.is_clock_wrong else 1.0)
        stream.is_clock_wrong = offset_ns is not None and abs(offset_ns) > limit_s * 1e9

    def findings(self) -> Iterator[Finding]:
        """What is wrong with streams, those that are not recorded first."""
        for stream in self.all:
            if stream.is_off:
                yield _off(stream)
        for stream in self.all:
            yield from _gaps(stream, self._settings)
        for stream in self.all:
            yield from _unsteady(stream, self._settings)

    def called(self, name: str) -> Said:
        """How people call what is recorded under a name; what was once recorded goes by that."""
        found = (each.called for each in self.all if each.recorder.camera == name)
        return next(found, Said(name, name))

    def cameras(self) -> dict[str, dict[str, Value]]:
        """Each stream's state by the name it is recorded under, for GET /api/v1/cameras."""
        return {stream.recorder.camera: _state(stream) for stream in self.all}


_WHYS: Final = {
    "camera": Said(
        "连不上摄像机，请查网线和电源", "it cannot be reached: look at its cable and power"
    ),
    "refused": Said(
        "摄像机拒绝，请检查密码、地址和编码", "it refuses us: check password, address and codec"
    ),
    "stream": Said("码流不合规矩，正在重连", "its stream makes no sense, it is opened again"),
    "disk": Said("录像盘写不进去", "no disk can be written to"),
}
"""Why a camera was lost, by the reason that its gap has."""
_GAPS: Final = {
    **_WHYS,
    "clock": Said("时钟跳变", "a clock that jumped"),
    "started": Said("录像刚开始", "recording only began"),
    "no_room": Said("磁盘不够，提前删除", "no room, it went early"),
    "recorder_off": Said("录像进程没有运行", "the recorder did not run"),
    "disk_slow": Said("磁盘太慢", "a disk that is too slow"),
    "disk_full": Said("磁盘已满", "a full disk"),
    "disk_failed": Said("磁盘故障", "a disk that failed"),
    "missing": Said("录像文件不见了", "files that are gone"),
}
_UNKNOWN: Final = Said("原因不明", "for no reason that is known")
_CONNECTING: Final = Said("连接中", "connecting")
_ON_AND_OFF: Final = Said("时断时续", "on and off")


def _state(stream: Stream) -> dict[str, Value]:
    state = stream.recorder.state
    rate = stream.since(RATE_S)
    bits = None if rate is None else round((rate[2].data_bytes - rate[1].data_bytes) * 8 / rate[0])
    return {
        "recording": state.is_recording,
        "why": state.why,
        "since_ns": state.since_ns,
        "oldest_ns": stream.oldest_ns,
        "newest_ns": state.to_ns,
        "bit_rate_bps": bits,
        "lost_packets": state.lost,
        "sessions": state.sessions,
        "codec": state.codec,
        "width": state.width,
        "height": state.height,
        "offset_ms": None if state.offset_ns is None else state.offset_ns // 1_000_000,
        "sub": stream.is_sub,
        "retention_days": stream.retention_days,
        "missing_s_of_a_day": stream.missing_s,
    }


def _off(stream: Stream) -> Finding:
    state = stream.recorder.state
    now = _ON_AND_OFF if state.is_recording else _WHYS.get(state.reason, _CONNECTING)
    # Who was lost says why; what it or the system said in English is for those who read that.
    zh, en = chinese(state.why) or now.zh, english(state.why) or now.en
    key = f"video-sub.{stream.camera.id}" if stream.is_sub else f"video.{stream.camera.id}"
    return Finding(
        key,
        stream.said(f"没有录像: {zh}", f"is not being recorded: {en}"),
        {
            "camera": stream.recorder.camera,
            "why": state.why or str(now),
            "sessions": state.sessions,
        },
    )


def _gaps(stream: Stream, settings: VideoSettings) -> Iterator[Finding]:
    name = stream.recorder.camera
    if stream.missing_s > settings.gap_minutes * 60 and not stream.is_sub:
        why = _GAPS.get(stream.missing_why, _UNKNOWN)
        yield Finding(
            f"video-gaps.{name}",
            stream.said(
                f"最近一天缺 {stream.missing_s // 60} 分钟录像，多因{why.zh}",
                f"has {stream.missing_s // 60} minutes of the last day missing, mostly: {why.en}",
            ),
            {"camera": name, "missing_s": stream.missing_s, "why": stream.missing_why},
        )


def _unsteady(stream: Stream, settings: VideoSettings) -> Iterator[Finding]:
    name, state = stream.recorder.camera, stream.recorder.state
    window = stream.since(WINDOW_S)
    if window is not None:
        lost = window[2].lost - window[1].lost
        if lost > LOST_MOST:
            yield Finding(
                f"video-loss.{name}",
                stream.said(
                    "丢包，画面会花屏，请查网线和交换机",
                    "loses packets, pictures are damaged; look at cable and switch",
                ),
                {"camera": name, "lost_packets": lost, "seconds": round(window[0])},
            )
        sessions = window[2].sessions - window[1].sessions
        if sessions > SESSIONS_MOST:
            yield Finding(
                f"video-storm.{name}",
                stream.said(
                    "反复断线重连，录像有缺口", "breaks off again and again, its video has holes"
                ),
                {"camera": name, "sessions": sessions, "seconds": round(window[0])},
            )
    if stream.is_clock_wrong and state.offset_ns is not None and not stream.is_sub:
        off_s = state.offset_ns / 1e9
        yield Finding(
            f"video-clock.{name}",
            stream.said(
                f"时钟差 {off_s:+.0f} 秒，画面上的时间不可信，请给它设置网关为时间服务器",
                f"has a clock that is off by {off_s:+.0f} s: give it a time server",
            ),
            {"camera": name, "off_s": round(off_s), "limit_s": settings.camera_clock_s},
        )
