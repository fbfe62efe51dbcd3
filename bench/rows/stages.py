"""Where the gateway's processor time goes in a burst, stage by stage.

Needs   py-spy on PATH or beside this Python; without it the row says so.
Keeps   A sample counts for the innermost frame that belongs to a stage, so that SQLite or the JSON
        library counts for whoever called it. What belongs to none is "the loop and the rest".
"""

import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bench.machine import BenchError, Process
from bench.rig import ROOT, Rig
from bench.rows import Size
from bench.rows.carriers import Carrier, gateway_http, gateway_mqtt
from bench.rows.flow import Measure
from bench.table import Row

RATE_HZ: Final = 250
TOP: Final = 24
REST: Final = "the loop and the rest"
OUTBOX: Final = "outbox read"
STAGES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("commit", ("gateway/store/batch", "gateway/store/store", "gateway/store/disk")),
    ("seal", ("gateway/store/journal",)),
    ("judge", ("gateway/intake", "gateway/rules/", "gateway/profile/logic")),
    ("decode", ("gateway/profile/", "drivers/")),
    ("wire out", ("gateway/uplinks/", "gateway/links/mqtt_outbox")),
    ("deliver", ("gateway/delivery",)),
    ("wire in", ("gateway/links/mqtt_wire", "gateway/links/mqtt")),
    ("observe", ("gateway/metrics", "gateway/clock", "gateway/console", "gateway/housekeeping")),
)
"""Innermost first does not depend on this order; within one frame the first match counts."""
WIRE_OUT: Final = ("publish", "_send_more", "encode_publish", "encode_properties")
"""links/mqtt.py serves both sides; these functions are used towards the receiver only."""


def stages(name: str, carrier: Carrier, load_factor: int) -> Measure:
    """Profile the burst of a carrier, longer than the timed one so that samples suffice."""

    def measure(rig: Rig, size: Size) -> list[Row]:
        count = size.burst * load_factor
        with rig.scene():
            carried = carrier(rig)
            process = carried.process()
            out = rig.place("profile") / "stacks.txt"
            load = rig.load(carried.field_port, count)
            spy = rig.start(Process(_spy(process.pid, out), out.with_suffix(".log"), cwd=ROOT))
            before = process.cpu_s()
            load.go()
            load.result()
            carried.receiver.wait(count)
            cpu_us = (process.cpu_s() - before) / count * 1e6
            spy.interrupt()
            if not out.exists():
                raise BenchError(
                    f"py-spy wrote nothing: {out.with_suffix('.log').read_text()[-300:]}"
                )
            stacks = list(read_stacks(out.read_text().splitlines()))
        return [*_rows(name, stacks, cpu_us), *_top(name, stacks, cpu_us)]

    return measure


def _spy(pid: int, out: Path) -> list[str]:
    beside = str(Path(sys.executable).parent)
    program = shutil.which("py-spy") or shutil.which("py-spy", path=beside)
    if program is None:
        raise BenchError("py-spy is not installed (pip install py-spy): no profile")
    options = ["--rate", str(RATE_HZ), "--nonblocking", "--format", "raw", "--full-filenames"]
    return [program, "record", "--pid", str(pid), "--duration", "600", *options, "-o", str(out)]


def read_stacks(lines: Iterable[str]) -> Iterable[tuple[list[str], int]]:
    """Read py-spy's raw form: frames from the outermost in, semicolons between, and a count."""
    for line in lines:
        frames, _, count = line.rpartition(" ")
        if frames and count.isdigit():
            yield frames.split(";"), int(count)


def stage_of(frames: list[str]) -> str:
    """Return the stage of one sample."""
    for frame in reversed(frames):
        function, _, place = frame.partition(" (")
        if function.endswith("_execute_fetchall"):
            return OUTBOX
        if "gateway/links/mqtt" in place and function in WIRE_OUT:
            return "wire out"
        for stage, parts in STAGES:
            if any(part in place for part in parts):
                return stage
    return REST


def _rows(name: str, stacks: list[tuple[list[str], int]], cpu_us: float) -> list[Row]:
    counts: Counter[str] = Counter()
    for frames, count in stacks:
        counts[stage_of(frames)] += count
    total = sum(counts.values()) or 1
    return [
        Row(
            group=f"CPU per stage, {name}: {cpu_us:.0f} us an event, {total} samples",
            name=f"{name}: {stage}",
            value=cpu_us * count / total,
            unit="us",
            note=f"{count / total:.0%}",
        )
        for stage, count in counts.most_common()
    ]


def _top(name: str, stacks: list[tuple[list[str], int]], cpu_us: float) -> list[Row]:
    """Name our functions in which most samples were taken, with what they call that is not ours."""
    counts: Counter[tuple[str, str]] = Counter()
    lines: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    total = 0
    for frames, count in stacks:
        function, line = _short(_own(frames))
        key = (stage_of(frames), function)
        counts[key] += count
        lines[key][line] += count
        total += count
    return [
        Row(
            group=f"CPU per function, {name}",
            name=f"{name}: {key[0]}: {key[1]}",
            value=cpu_us * count / max(total, 1),
            unit="us",
            note="lines " + ", ".join(line for line, _ in lines[key].most_common(3)),
        )
        for key, count in counts.most_common(TOP)
    ]


def _own(frames: list[str]) -> str:
    """Return the innermost frame that is ours, or the innermost of all."""
    root = str(ROOT)
    for frame in reversed(frames):
        if root in frame and "site-packages" not in frame:
            return frame
    return frames[-1]


def _short(frame: str) -> tuple[str, str]:
    """Return "function file" and the line of one frame."""
    function, _, place = frame.partition(" (")
    file, _, line = place.rstrip(")").rpartition(":")
    parts = Path(file).parts
    ours = file.startswith(str(ROOT))
    return f"{function} {'/'.join(parts[len(ROOT.parts) :] if ours else parts[-2:])}", line


ALL: dict[str, Measure] = {
    "stages-mqtt": stages("burst to MQTT", gateway_mqtt(), 3),
    "stages-http": stages("burst to HTTP", gateway_http(), 1),
    "stages-http-batch": stages("burst to HTTP, batches", gateway_http(batch=100), 3),
}
