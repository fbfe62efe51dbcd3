"""Cameras that are not there, and who records them: the gateway's video process, or ffmpeg.

Owns    the processes and the folders of one measurement, inside the rig's scene.
Needs   rig. The gateway is used from outside: its command, its configuration, its files; its store
        is only opened once, so that there is one.
Keeps   1. All cameras are one process, whose cost is nobody's; each is 1080p25 at 3 Mbit/s.
        2. Cost is of the processes that record, from one moment to another, after all of them do;
           what they started (the picture check) is told apart.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.machine import BenchError, Process, tail, until
from bench.rig import ROOT, Rig
from gateway.store import Store

FPS: Final = 25
SEGMENT_S: Final = 60
START_S: Final = 90.0
HEAD_BYTES: Final = 16 * 1024
"""A file larger than this has pictures in it, not only its head."""
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class CameraServer:
    """So many cameras at 127.0.0.1, main stream only, each at an address of its own."""

    def __init__(self, rig: Rig, count: int, *, options: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", "simulators.cameras", "--cameras", str(count)]
        command += ["--label", "bench", "--auth", "none", "--no-sub", "--for-s", "100000"]
        command += options
        self.log = rig.place("cameras") / "cameras.log"
        self.process = rig.start(Process(command, self.log, cwd=ROOT, talk=True))
        self.urls = [self.process.line() for _ in range(count)]

    def tell(self, number: int, words: str) -> None:
        """Have camera `number`, from 1, do something; see simulators.cameras.console."""
        self.process.say(f"cam-{number} {words}")
        self.process.line()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What recording cost: CPU seconds of one camera's minute, and MiB (PSS) of all."""

    cpu_s: float
    pss_mib: float


class VideoProcess:
    """`campus-gateway video` with a configuration of its own.

    store  an alarm process's, whose alarms hold video; an empty one is made when none is given
    """

    def __init__(
        self, rig: Rig, urls: Sequence[str], *, store: Path | None = None, start: bool = True
    ) -> None:
        self._rig = rig
        self.folder = rig.place("video")
        self.store = store or self.folder / "store"
        if store is None:
            asyncio.run(_make_store(self.store))
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        self.log = self.folder / "video.log"
        self.config = self.folder / "config"
        self.config.mkdir()
        write_configuration(self.config, self.store, self.disk, urls)
        self.cameras = len(urls)
        if start:
            self.start()

    def start(self) -> None:
        """Start it (again)."""
        command = [sys.executable, "-m", "gateway.cli", "video", "--config", str(self.config)]
        self.process = self._rig.start(Process(command, self.log, cwd=ROOT))

    def files(self) -> list[Path]:
        """What was recorded so far, sealed or open."""
        return sorted(
            path for path in self.disk.rglob("*.mp4*") if path.suffix in {".mp4", ".open"}
        )

    def pids(self) -> list[int]:
        """Who records."""
        return [self.process.pid]

    def stop(self) -> None:
        """Have it seal everything and end."""
        self.process.end()

    def camera_of(self, path: Path) -> str:
        """Whose file it is."""
        return path.relative_to(self.disk).parts[0]

    @staticmethod
    def day_of(utc_ns: int) -> str:
        """The name of a day's folders."""
        return datetime.fromtimestamp(utc_ns / 1e9, UTC).strftime("%Y%m%d")


class FfmpegProcesses:
    """One `ffmpeg -c copy` for each camera, into fragmented MP4 of a minute each."""

    def __init__(self, rig: Rig, urls: Sequence[str]) -> None:
        program = shutil.which("ffmpeg")
        if program is None:
            raise BenchError("ffmpeg is not installed (Debian: apt-get install ffmpeg)")
        self.folder = rig.place("ffmpeg")
        self.disk = self.folder / "disk"
        self.cameras = len(urls)
        self._processes: list[Process] = []
        for number, url in enumerate(urls, start=1):
            place = self.disk / f"cam-{number}"
            place.mkdir(parents=True)
            command = [program, "-nostdin", "-loglevel", "error", "-rtsp_transport", "tcp"]
            command += ["-i", url, "-c", "copy", "-f", "segment", "-segment_time", str(SEGMENT_S)]
            command += ["-segment_format", "mp4", "-segment_format_options"]
            command += ["movflags=frag_keyframe+empty_moov+default_base_moof"]
            command += [str(place / "%04d.mp4")]
            log = self.folder / f"cam-{number}.log"
            self._processes.append(rig.start(Process(command, log, cwd=self.folder)))

    def files(self) -> list[Path]:
        """What was recorded so far."""
        return sorted(self.disk.rglob("*.mp4"))

    def pids(self) -> list[int]:
        """Who records; raises BenchError when one has ended."""
        ended = [process for process in self._processes if not process.alive]
        if ended:
            raise BenchError(f"ffmpeg ended: {tail(ended[0].log)}")
        return [process.pid for process in self._processes]

    def stop(self) -> None:
        """Have each finish its file."""
        for pid in self.pids():
            os.kill(pid, signal.SIGTERM)
        for process in self._processes:
            process.end()

    def camera_of(self, path: Path) -> str:
        """Whose file it is."""
        return path.parent.name


Recorder = VideoProcess | FfmpegProcesses


def until_recording(recorder: Recorder) -> None:
    """Wait until there are pictures of every camera on the disk."""
    missing: set[str] = set()

    def all_have_some() -> bool:
        recorder.pids()
        large = (path for path in recorder.files() if path.stat().st_size > HEAD_BYTES)
        wanted = {f"cam-{number}" for number in range(1, recorder.cameras + 1)}
        missing.clear()
        missing.update(wanted - {recorder.camera_of(path) for path in large})
        return not missing

    try:
        until("all cameras are recorded", all_have_some, START_S, 0.2)
    except BenchError as error:
        who = type(recorder).__name__
        raise BenchError(f"{error} ({who}: {', '.join(sorted(missing)[:5])} …)") from error


def cost_of(recorder: Recorder, seconds: float) -> Cost:
    """What recording costs from now on, for so long; memory at the end."""
    before, began = cpu_s_of(recorder.pids()), time.monotonic()
    time.sleep(seconds)
    used, took = cpu_s_of(recorder.pids()) - before, time.monotonic() - began
    pss = sum(pss_mib(pid) for pid in recorder.pids())
    return Cost(cpu_s=used / took * 60 / recorder.cameras, pss_mib=pss)


def cpu_s_of(pids: Iterable[int]) -> float:
    """Processor seconds of these processes themselves, all their threads, without children."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_S


def pss_mib(pid: int) -> float:
    """Memory of a process, pages that n share counted for one n-th."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def children_of(pid: int) -> dict[int, str]:
    """Processes that one started, and how each was called; without their own children."""
    found: dict[int, str] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                words = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ")
                found[int(child)] = words.decode("utf-8", "replace")
    return found


async def _make_store(folder: Path) -> None:
    """Holds are derived from a store of alarms; without one nothing is ever removed."""
    store, began = await Store.open(folder, reserve_mib=1)
    await store.close(began.seq, began.floor_ns)


def write_configuration(config: Path, store: Path, disk: Path, urls: Sequence[str]) -> None:
    """A configuration that records these addresses."""
    lines = [
        '[site]\nid = "320612-0001"\nname = "示范小学"\ngateway = "gw-1"',
        f'[store]\npath = "{store}"',
        '[[link]]\nname = "field"\nkind = "mqtt"\nurl = "mqtt://127.0.0.1:1"',
        f'[[video.volume]]\npath = "{disk}"',
        *(f'[[camera]]\nid = "cam-{at}"\nurl = "{url}"' for at, url in enumerate(urls, 1)),
    ]
    (config / "gateway.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (config / "devices.toml").write_text(
        '[[device]]\nid = "btn"\nprofile = "generic/json_button"\nlink = "field"\n'
        'address = { topic = "btn" }\n',
        encoding="utf-8",
    )
