"""Video: what recording costs beside ffmpeg, and whether a picture is ever lost or late.

Each measure starts its own cameras, and its peer right after it with the same ones.
"""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from bench.machine import BenchError, Process
from bench.rig import ROOT, Rig
from bench.rows import Size
from bench.rows.flow import Measure
from bench.table import Row
from bench.video import count, site

CPU_TARGET = 0.9
MEMORY_TARGET = 0.25
MEMORY_CAMERAS = 32
"""From so many on a share of ffmpeg's memory is asked for; below, most of it is Python itself."""
LATE_TARGET_MS = 500.0


def cost(cameras: int, *, beside_ffmpeg: bool = True) -> Measure:
    """CPU seconds of a camera's minute and memory; pictures lost."""

    def measure(rig: Rig, size: Size) -> list[Row]:
        group = f"recording {cameras} cameras"
        with rig.scene():
            server = site.CameraServer(rig, cameras)
            video = site.VideoProcess(rig, server.urls)
            mine, note = _measured(video, size)
            lost, why = _lost(video)
            try:
                peer = site.FfmpegProcesses(rig, server.urls) if beside_ffmpeg else None
            except BenchError as error:
                peer, note = None, f"{note}; no peer: {error}"
            theirs = _measured(peer, size)[0] if peer is not None else None
            peer_lost = count.count_all(peer.files(), site.FPS) if peer is not None else None
        rows = _rows(group, cameras, mine, theirs, note)
        name = f"gateway, {cameras} cameras, pictures lost"
        rows.append(
            Row(group=group, name=name, value=lost, unit="", target=0, worst=True, note=why)
        )
        if peer_lost is not None:
            name = f"ffmpeg, {cameras} cameras, pictures lost"
            note = f"of {peer_lost.there + peer_lost.missing:,}"
            rows.append(
                Row(group=group, name=name, value=peer_lost.missing, unit="", worst=True, note=note)
            )
        return rows

    return measure


def _measured(recorder: site.Recorder, size: Size) -> tuple[site.Cost, str]:
    """Cost while it records, and what its children cost; it is stopped then."""
    site.until_recording(recorder)
    before = {pid: site.cpu_s_of([pid]) for pid in site.children_of(recorder.pids()[0])}
    found = site.cost_of(recorder, size.video_s)
    note = ""
    for pid, called in site.children_of(recorder.pids()[0]).items():
        used = (site.cpu_s_of([pid]) - before.get(pid, 0.0)) * 60 / size.video_s
        each = used / recorder.cameras
        what = "its picture check" if "pictures" in called else called[:60]
        note += f"{what}: {each:.3f} CPU s each, {site.pss_mib(pid):.0f} MiB"
    recorder.stop()
    return found, note


def _rows(
    group: str, cameras: int, mine: site.Cost, theirs: site.Cost | None, note: str
) -> list[Row]:
    cpu, memory = f"{cameras} cameras, CPU per camera-minute", f"{cameras} cameras, memory (PSS)"
    rows = [
        Row(group=group, name=f"gateway, {cpu}", value=mine.cpu_s, unit="s",
            against=f"ffmpeg, {cpu}", note=note),
        Row(group=group, name=f"gateway, {memory}", value=mine.pss_mib, unit="MiB",
            against=f"ffmpeg, {memory}"),
    ]  # fmt: skip
    if theirs is None:
        return rows
    rows += [
        Row(group=group, name=f"ffmpeg, {cpu}", value=theirs.cpu_s, unit="s",
            note="-c copy -f segment, fragmented MP4; not hashed, not synced, not indexed"),
        Row(group=group, name=f"ffmpeg, {memory}", value=theirs.pss_mib, unit="MiB"),
        Row(group=group, name=f"{cpu}: share of ffmpeg's", value=mine.cpu_s / theirs.cpu_s,
            unit="", target=CPU_TARGET),
        Row(group=group, name=f"{memory}: share of ffmpeg's", value=mine.pss_mib / theirs.pss_mib,
            unit="", target=MEMORY_TARGET if cameras >= MEMORY_CAMERAS else None),
    ]  # fmt: skip
    return rows


def _lost(video: site.VideoProcess) -> tuple[int, str]:
    """Pictures missing inside files, and in what the recorder calls a gap; it has ended."""
    found = count.count_all(video.files(), site.FPS)
    with closing(sqlite3.connect(video.store / "video.sqlite")) as db:
        gaps = db.execute(
            "SELECT reason, sum(to_ns - from_ns) / 1e9 FROM gap"
            " WHERE reason <> 'started' GROUP BY reason"
        ).fetchall()
        indexed = db.execute("SELECT sum(frames) FROM segment").fetchone()[0]
    missing_s = sum(seconds for _, seconds in gaps)
    note = f"of {found.there:,} in {len(video.files())} files"
    note += "".join(f"; {seconds:.2f} s {reason}" for reason, seconds in gaps)
    if indexed != found.there:
        note += f"; the index says {indexed:,}"
    return found.missing + round(missing_s * site.FPS) + abs(found.there - indexed), note


def busy(rig: Rig, size: Size) -> list[Row]:
    """How late a picture is taken while another thread holds the interpreter; cut every 5 s."""
    cameras = size.busy_cameras
    group = f"{cameras} cameras beside a busy thread of the same process"
    with rig.scene():
        server = site.CameraServer(rig, cameras)
        folder = rig.place("busy")
        command = [sys.executable, "-m", "bench.video.busy", "--folder", str(folder)]
        command += ["--seconds", str(size.video_s), *server.urls]
        process = rig.start(Process(command, folder / "busy.log", cwd=ROOT, talk=True))
        said = json.loads(process.line())
        files = sorted((folder / "disk").rglob("*.mp4"))
        missing = count.count_all(files, site.FPS).missing + _gap_pictures(folder)
    note = f"worst {said['worst_ms']:.0f} ms, alone p99 {said['alone_p99_ms']:.0f} ms;"
    note += f" {said['pictures']:,} pictures; reading in lots of 100 ms is in it"
    return [
        Row(group=group, name=f"picture taken after, {cameras} cameras, p99",
            value=said["p99_ms"], unit="ms", target=LATE_TARGET_MS, note=note),
        Row(group=group, name=f"pictures lost at {len(files)} seals, {cameras} cameras",
            value=missing, unit="", target=0, worst=True),
    ]  # fmt: skip


def _gap_pictures(store: Path) -> int:
    with closing(sqlite3.connect(store / "video.sqlite")) as db:
        sql = "SELECT ifnull(sum(to_ns - from_ns), 0) FROM gap WHERE reason <> 'started'"
        missing_ns: int = db.execute(sql).fetchone()[0]
    return round(missing_ns / 1e9 * site.FPS)


ALL: dict[str, Measure] = {
    "video-8": cost(8),
    "video-32": cost(32),
    "video-64": cost(64),
    "video-128": cost(128, beside_ffmpeg=False),
    "video-busy": busy,
}
LONG = {"video-32", "video-64", "video-128"}
"""Not in the short run."""
