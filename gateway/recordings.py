"""What becomes of recordings, seen from the alarm process: in the index and in reports.

Owns    the faults that the reports of the other processes ask for, the fault `video.<camera>`, and
        PROCESS_KEYS: a process that has fallen silent.
Needs   the index and the reports, read only; the intake for faults. Nobody is asked: what was
        written is what counts, and a process that is dead cannot say so.
Keeps   1. A camera without video for SILENT_S is a fault, whatever the reason, and so is an index
           that cannot be read for as long; both end by themselves.
        2. A finding is a fault for as long as fresh reports have it, and GONE_S longer; one whose
           reporter fell silent stays: unknown is never normal (promise 5).
        3. A report that is missing or stale is a fault of its own, with what to do.
        4. Video never delays an alarm: reads are short, in threads of their own, and one that hangs
           is not asked again before it has answered.
        5. What was open before a restart of this process ends when its finding is gone, too.
        6. A report raises and ends faults of its own kind only (OWN), and not without measure: the
           pictures process reads what strangers send, and must not reach the fault of a clock.
Bound   the reports' own bounds; READ_S for one; RAISED_MOST new faults at once and RAISED_PER_S on
        average: the others wait, and are raised if they are still so then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.config.settings import Camera
from gateway.errors import StoreError
from gateway.events import MAX_ATTRIBUTES, Scalar
from gateway.intake import Intake
from gateway.metrics import Metrics
from gateway.reports import CUT_KEY, Finding, Report, Value, read_report
from gateway.rules.alarm import Alarm
from gateway.store.video import VideoReader
from gateway.store.video.workers import Workers, wait_for
from gateway.words import Said

LOOK_S: Final = 15.0
SILENT_S: Final = 240
"""A segment is in the index when it is sealed, a minute or two behind its first picture."""
READ_EVERY_S: Final = 2.0
READ_S: Final = 5.0
START_S: Final = 60.0
"""After our own start the other processes have so long for their first report."""
GONE_S: Final = 10.0
MARK: Final = "report"
"""The attribute that says whose finding a fault is."""
PROCESS_KEYS: Final = {"video": "video-process", "pictures": "pictures-process"}
OWN: Final = {"video": "video", "pictures": "picture"}
"""How the keys of a process's findings begin."""
RAISED_MOST: Final = 200
RAISED_PER_S: Final = 0.5
_SAID: Final = {
    "video": Said(
        "录像进程没有运行，没有录像：请安装人员查看录像服务",
        "the video process does not run, nothing is recorded:"
        " systemctl status campus-gateway-video",
    ),
    "pictures": Said(
        "画面检查进程没有运行，没有抓图和画面检查，录像照常：请安装人员查看录像服务",
        "the pictures process does not run: no stills, no picture checks; recording goes on:"
        " look at the log of campus-gateway-video",
    ),
}

log = structlog.get_logger()
Sample = tuple[str, float]
"""A label and its number."""


class Recordings:
    """See the module."""

    def __init__(
        self,
        cameras: Sequence[Camera],
        reader: VideoReader,
        intake: Intake,
        clock: Clock,
        folder: Path | None = None,
    ) -> None:
        """Made before the intake runs.

        folder  of the store, whose reports are read; None: none are
        """
        self._cameras = cameras
        self._reader = reader
        self._intake = intake
        self._clock = clock
        self._folder = folder if cameras else None
        self._workers = Workers("reports")
        self._seen_ns: dict[str, int] = {}
        self._silent: set[str] = set()
        self._reading: dict[str, Future[Report | None]] = {}
        self._reports: dict[str, Report] = {}
        self._findings: dict[str, dict[str, Finding]] = {name: {} for name in PROCESS_KEYS}
        self._gone_ns: dict[str, int] = {}
        self._active: set[str] = set()
        self._began_ns = 0
        self._video_since_ns = 0
        self._tokens = float(RAISED_MOST)
        self._settled_ns = clock.mono_ns()

    async def run(self) -> None:
        """Look for ever: at the index every LOOK_S, at the reports every READ_EVERY_S."""
        self.begin()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._every(LOOK_S, self.look))
            if self._folder is not None:
                group.create_task(self._every(READ_EVERY_S, self.read))

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await work()
            await self._clock.sleep(seconds)

    def begin(self) -> None:
        """From now on a camera has SILENT_S to show that it is recorded, a process START_S."""
        self._began_ns = self._clock.mono_ns()
        self._seen_ns = dict.fromkeys([camera.id for camera in self._cameras], self._began_ns)
        for alarm in self._intake.judge.own_open():
            self._take_up(alarm)

    def _take_up(self, alarm: Alarm) -> None:
        """A fault from before our start: it ends like those of today."""
        name, camera = alarm.attributes.get(MARK), alarm.attributes.get("camera")
        if not isinstance(name, str) or name not in PROCESS_KEYS:
            return
        self._active.add(alarm.point)
        if "silent_s" in alarm.attributes and camera in self._seen_ns:
            self._silent.add(str(camera))
            self._seen_ns[str(camera)] -= SILENT_S * 1_000_000_000
        elif self._folder is not None and alarm.point not in PROCESS_KEYS.values():
            said = alarm.words or Said(alarm.text, alarm.text)
            self._findings[name][alarm.point] = Finding(alarm.point, said)

    async def close(self) -> None:
        """End the threads; one that hangs is left behind."""
        await self._reader.close()
        self._workers.stop()

    # The index.

    async def look(self) -> None:
        """Look once at what was recorded of late."""
        for camera in self._cameras:
            try:
                found = await self._newest_age_s(camera.id)
            except StoreError as error:
                log.debug("the video index cannot be read", why=str(error))
                found = None
            now = self._clock.mono_ns()
            if found is not None and found < SILENT_S:
                self._seen_ns[camera.id] = now - int(found * 1e9)
            silent = (now - self._seen_ns[camera.id]) / 1e9 >= SILENT_S
            (self._silent.add if silent else self._silent.discard)(camera.id)
        self._settle()

    async def _newest_age_s(self, camera: str) -> float | None:
        now = self._clock.utc_ns()
        since = now - SILENT_S * 1_000_000_000
        located = await self._reader.segments(camera, since, now + SILENT_S * 1_000_000_000)
        ends = [each.segment.end_ns for each in located]
        return max(0.0, (now - max(ends)) / 1e9) if ends else None

    # The reports.

    async def read(self) -> None:
        """Read every report once, and take over what it says if it is fresh."""
        if self._folder is None:
            return
        for name in PROCESS_KEYS:
            reading = self._reading.get(name)
            if reading is None:
                reading = self._workers.submit(read_report, self._folder, name)
                self._reading[name] = reading
            await wait_for([reading], READ_S)
            if reading.done():
                del self._reading[name]
                if (report := reading.result()) is not None:
                    self._reports[name] = report
            if (fresh := self.report(name)) is not None:
                self._take(name, fresh)
        if self.report("video") is None:
            self._video_since_ns = self._clock.mono_ns()
        self._settle()

    def report(self, name: str) -> Report | None:
        """The newest report of a process, None when it is stale or there was none."""
        found = self._reports.get(name)
        return None if found is None or found.is_stale(self._clock) else found

    def _take(self, name: str, report: Report) -> None:
        """Findings that are there are, those that are not go once they were gone for GONE_S."""
        now = self._clock.mono_ns()
        kept = self._findings[name]
        here = {key: each for each in report.findings if (key := _own_key(name, each)) is not None}
        for key in list(kept):
            if key in here:
                self._gone_ns.pop(key, None)
            elif now - self._gone_ns.setdefault(key, now) >= GONE_S * 1e9:
                del kept[key], self._gone_ns[key]
        kept.update(here)

    # What is told.

    def _settle(self) -> None:
        """Raise what is wrong and was not, end what was and is not; nothing else is written."""
        wanted, now = self._wanted(), self._clock.mono_ns()
        passed_s = (now - self._settled_ns) / 1e9
        self._tokens = min(self._tokens + passed_s * RAISED_PER_S, float(RAISED_MOST))
        self._settled_ns = now
        for key in self._active - wanted.keys():
            self._intake.fault(key, None, active=False, attributes={})
        self._active &= wanted.keys()
        for key, (said, attributes) in wanted.items():
            if key not in self._active and self._tokens >= 1:
                self._tokens -= 1
                self._intake.fault(key, said, active=True, attributes=attributes)
                self._active.add(key)

    def _wanted(self) -> dict[str, tuple[Said, dict[str, Scalar]]]:
        wanted: dict[str, tuple[Said, dict[str, Scalar]]] = {}
        for camera in self._cameras:
            if camera.id in self._silent:
                silent_s = int((self._clock.mono_ns() - self._seen_ns[camera.id]) / 1e9)
                wanted[f"video.{camera.id}"] = (
                    _unrecorded(f"{camera.place} {camera.name}".strip()),
                    {"camera": camera.id, "silent_s": silent_s, MARK: "video"},
                )
        for name, findings in self._findings.items():
            for key, finding in findings.items():
                chosen = list(finding.attributes.items())[: MAX_ATTRIBUTES - 1]
                wanted[key] = (finding.said, {**dict(chosen), MARK: name})
        for name in self._missing():
            wanted[PROCESS_KEYS[name]] = (_SAID[name], {MARK: name})
        return wanted

    def _missing(self) -> list[str]:
        """The first process that does not report; the pictures process is the video process's."""
        if self._folder is None:
            return []
        missing = [name for name in PROCESS_KEYS if self.report(name) is None]
        told = [name for name in missing if PROCESS_KEYS[name] in self._active]
        now = self._clock.mono_ns()
        if now - self._began_ns < START_S * 1e9:
            return told
        if missing == ["pictures"] and now - self._video_since_ns < START_S * 1e9:
            return told  # it is begun by the video process, which is back only now
        return [name for name in missing if name == missing[0] or name in told]

    # Numbers.

    def gauges(self, metrics: Metrics) -> None:
        """Have the state of video among the numbers of this process."""
        for name, text, read in _GAUGES:
            metrics.gauge(name, text, "camera", lambda read=read: self._of_cameras(read))  # type: ignore[misc]
        clock = self._clock
        metrics.gauge(
            "campus_video_report_age_seconds",
            "age of the newest report of a process",
            "process",
            lambda: [(name, each.age_s(clock)) for name, each in self._reports.items()],
        )
        metrics.gauge(
            "campus_video_findings",
            "what a process finds wrong now",
            "process",
            lambda: [(name, float(len(found))) for name, found in self._findings.items()],
        )

        for name, text, of in _OF_VOLUMES:
            metrics.gauge(name, text, "volume", lambda of=of: self._of_volumes(of))  # type: ignore[misc]

    def _of_volumes(self, read: Callable[[Mapping[str, Value]], float | None]) -> list[Sample]:
        """One number of each volume; what is not known is left out, not zero."""
        report = self.report("video")
        rows = () if report is None else report.volumes
        found = {str(row.get("path")): read(row) for row in rows}
        return [(path, value) for path, value in found.items() if value is not None]

    def _of_cameras(self, read: Callable[[Mapping[str, Value], int], float | None]) -> list[Sample]:
        """One number of each configured stream; what is not known is left out, not zero."""
        report = self.report("video")
        if report is None:
            return []
        now = self._clock.utc_ns()
        streams = [camera.id for camera in self._cameras]
        streams += [camera.sub_id for camera in self._cameras if camera.sub is not None]
        found = [(name, read(report.cameras.get(name, {}), now)) for name in streams]
        return [(name, value) for name, value in found if value is not None]


def _unrecorded(called: str) -> Said:
    """That a camera is not recorded, by what people call it."""
    return Said(f"{called} 没有录像", f"{called} is not being recorded")


def _own_key(name: str, finding: Finding) -> str | None:
    """The key of the fault a finding becomes; None for one that is none of that process's."""
    if finding.key == CUT_KEY:
        return f"{OWN[name]}-cut"
    foreign = not finding.key.startswith(OWN[name]) or finding.key in PROCESS_KEYS.values()
    return None if foreign else finding.key


def _number(values: Mapping[str, Value], name: str) -> float | None:
    value = values.get(name)
    return float(value) if isinstance(value, int | float) else None


def _age_s(values: Mapping[str, Value], name: str, now_ns: int) -> float | None:
    at = _number(values, name)
    return None if at is None else (now_ns - at) / 1e9


def _scaled(name: str, factor: float) -> Callable[[Mapping[str, Value], int], float | None]:
    def read(values: Mapping[str, Value], _now_ns: int) -> float | None:
        found = _number(values, name)
        return None if found is None else found * factor

    return read


_OF_VOLUMES: Final[tuple[tuple[str, str, Callable[[Mapping[str, Value]], float | None]], ...]] = (
    (
        "campus_video_volume_free_bytes",
        "room on the file system of a volume",
        lambda row: _number(row, "free_bytes"),
    ),
    (
        "campus_video_volume_size_bytes",
        "how large the file system of a volume is",
        lambda row: _number(row, "size_bytes"),
    ),
    (
        "campus_video_volume_sound",
        "1 while a volume can be written to",
        lambda row: float(row.get("state") == "ok"),
    ),
)

_GAUGES: Final[tuple[tuple[str, str, Callable[[Mapping[str, Value], int], float | None]], ...]] = (
    ("campus_video_recording", "1 while the stream is recorded", _scaled("recording", 1.0)),
    ("campus_video_bytes_per_second", "what it records", _scaled("bit_rate_bps", 0.125)),
    (
        "campus_video_lost_packets",
        "lost since the video process began",
        _scaled("lost_packets", 1.0),
    ),
    ("campus_video_sessions", "opened since the video process began", _scaled("sessions", 1.0)),
    (
        "campus_video_clock_offset_seconds",
        "the camera's clock minus ours",
        _scaled("offset_ms", 0.001),
    ),
    (
        "campus_video_missing_seconds",
        "without video in the last day",
        _scaled("missing_s_of_a_day", 1.0),
    ),
    (
        "campus_video_oldest_age_seconds",
        "age of the oldest picture",
        lambda values, now: _age_s(values, "oldest_ns", now),
    ),
    (
        "campus_video_newest_age_seconds",
        "age of the newest whole group of pictures",
        lambda values, now: _age_s(values, "newest_ns", now),
    ),
)
