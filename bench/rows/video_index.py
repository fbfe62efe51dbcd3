"""What an index of 90 days of 64 cameras costs: questions, a restart, taking away a day.

The index is made once and asked, then given to a recorder, which takes the oldest day away while
alarms go through a gateway beside it, and is killed and started again.
"""

import asyncio
import json
import os
import random
import time
import uuid
from pathlib import Path
from typing import Any

from bench.machine import BenchError, until
from bench.rig import Rig
from bench.rows import Size
from bench.rows.carriers import Carried, gateway_mqtt
from bench.rows.flow import Measure
from bench.table import Row
from bench.video import history, site

DAYS = 90
LIVE = 8
"""At most so many of them are recorded while the rest is history."""
QUESTIONS = 200
DAY_TARGET_MS = 20.0
ALL_TARGET_MS = 100.0
PASS_TARGET_S = 10.0
ALARM_TARGET_MS = 50.0
RESTART_TARGET_S = 5.0
ALARMS_PER_S = 100
PASS_MOST_S = 600.0


def index(rig: Rig, size: Size) -> list[Row]:
    """See the module."""
    cameras, today = size.history, history.today_ns()
    past = history.History(cameras=cameras, days=DAYS, surplus=1, today_ns=today)
    group = f"an index of {past.rows:,} segments, {cameras} cameras, {DAYS} days"
    with rig.scene():
        server = site.CameraServer(rig, min(cameras, LIVE))
        carried = gateway_mqtt()(rig)
        if carried.gateway is None:
            raise BenchError("no gateway")
        store = carried.gateway.folder / "store"
        video = site.VideoProcess(rig, server.urls, store=store, start=False)
        name = str(uuid.uuid4())
        marker = {"uuid": name, "site": "320612-0001", "created": "bench"}
        (video.disk / ".campus-volume").write_text(json.dumps(marker), encoding="utf-8")
        began = time.monotonic()
        history.make(store, video.disk, name, past)
        made_s = time.monotonic() - began
        rows = asyncio.run(_ask(store, past, group))
        file_mib = (store / "video.sqlite").stat().st_size / 2**20
        rows[0].note += f"; file of {file_mib:,.0f} MiB, made in {made_s:.0f} s"
        rows += _take_a_day_away(rig, video, past, group, carried)
        rows.append(_restart(video, past, group))
    return rows


async def _ask(store: Path, past: history.History, group: str) -> list[Row]:
    """Ask for timelines as the console does: another connection, read only, cold at first."""
    from gateway.store.video import VideoReader  # noqa: PLC0415 the only row that looks inside

    dice = random.Random(1)
    reader = VideoReader(store)
    one_day: list[float] = []
    everything: list[float] = []
    try:
        for at in range(QUESTIONS):
            camera = f"cam-{dice.randrange(past.cameras) + 1}"
            day = past.first_ns + dice.randrange(past.days) * history.DAY_NS
            began = time.perf_counter()
            found = await reader.timeline(camera, day, day + history.DAY_NS)
            one_day.append(time.perf_counter() - began)
            if len(found.spans) != 24:
                raise ValueError(f"{len(found.spans)} recordings in a day, expected 24")
            if at % 4 == 0:
                began = time.perf_counter()
                await reader.timeline(camera, past.first_ns, past.today_ns)
                everything.append(time.perf_counter() - began)
    finally:
        await reader.close()
    rows = []
    for what, found_s, target in (
        ("timeline of a day", one_day, DAY_TARGET_MS),
        (f"timeline of {past.days} days", everything, ALL_TARGET_MS),
    ):
        found_s.sort()
        p99 = found_s[int(len(found_s) * 0.99)] * 1e3
        note = f"median {found_s[len(found_s) // 2] * 1e3:.1f} ms"
        rows.append(
            Row(group=group, name=f"{what}, {past.rows:,} segments, p99", value=p99, unit="ms",
                target=target, note=note)
        )  # fmt: skip
    return rows


def _take_a_day_away(
    rig: Rig, video: site.VideoProcess, past: history.History, group: str, carried: Carried
) -> list[Row]:
    """Start the recorder: its first pass removes the surplus, while alarms go by beside it."""
    segments = past.cameras * past.surplus * history.DAY_NS // history.MINUTE_NS
    count = round(ALARMS_PER_S * PASS_TARGET_S)
    carried.receiver.clear()
    load = rig.load(carried.field_port, count, rate=ALARMS_PER_S)
    video.start()
    until("the pass begins", lambda: _has_begun(video, past), site.START_S, 0.01)
    began, used_s = time.monotonic(), site.cpu_s_of(video.pids())
    load.go()
    until("the pass ends", lambda: _is_over(video, past), PASS_MOST_S, 0.05)
    took_s = time.monotonic() - began
    used_s = site.cpu_s_of(video.pids()) - used_s
    load.result()
    report = carried.receiver.wait(count)
    carried.receiver.clear()
    load = rig.load(carried.field_port, count, rate=ALARMS_PER_S, first=count)
    load.go()
    load.result()
    without = carried.receiver.wait(count)
    meanwhile, after = "alarm meanwhile", "alarm, the same recorder, nothing taken away"
    day = f"a day of {past.cameras} cameras taken away"
    return [
        Row(group=group, name=f"{day}, of {past.rows:,} segments", value=took_s, unit="s",
            target=PASS_TARGET_S, note=f"{segments:,} links; {used_s:.1f} CPU s; {_load()}"),
        Row(group=group, name=f"{meanwhile}, {past.rows:,} segments, worst",
            value=report["worst_ms"], unit="ms", target=ALARM_TARGET_MS,
            against=f"{after}, {past.rows:,} segments, worst", note=_told(report)),
        Row(group=group, name=f"{after}, {past.rows:,} segments, worst",
            value=without["worst_ms"], unit="ms", note=_told(without)),
    ]  # fmt: skip


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def _told(report: dict[str, Any]) -> str:
    return f"p99 {report['p99_ms']:.1f} ms, {ALARMS_PER_S}/s for {PASS_TARGET_S:.0f} s"


def _surplus(video: site.VideoProcess, past: history.History) -> list[Path]:
    """The folders that retention has to empty, in the order in which it does."""
    days = [video.day_of(past.first_ns + day * history.DAY_NS) for day in range(past.surplus)]
    names = sorted(f"cam-{number}" for number in range(1, past.cameras + 1))
    return [video.disk / name / day for name in names for day in days]


def _files(folder: Path) -> int:
    try:
        return sum(1 for _ in folder.iterdir())
    except FileNotFoundError:
        return 0


def _has_begun(video: site.VideoProcess, past: history.History) -> bool:
    return _files(_surplus(video, past)[0]) < history.DAY_NS // history.MINUTE_NS


def _is_over(video: site.VideoProcess, past: history.History) -> bool:
    """Each camera's last one may stay: it is just not over. Asks the last folders first."""
    return all(_files(folder) <= 1 for folder in reversed(_surplus(video, past)))


def _restart(video: site.VideoProcess, past: history.History, group: str) -> Row:
    """SIGKILL, then how long until a new file of each camera that is there is being written."""
    day = video.day_of(past.today_ns)
    folders = [video.disk / f"cam-{number}" / day for number in range(1, video.cameras + 1)]

    def files() -> list[set[Path]]:
        return [set(folder.glob("*.mp4*")) for folder in folders]

    until("all are recorded", lambda: all(files()), site.START_S)
    video.process.end(kill=True)
    killed = time.monotonic()
    before = files()
    known = [{path.name.removesuffix(".open") for path in each} for each in before]

    def new(size_bytes: int) -> bool:
        return all(
            any(
                path.name.removesuffix(".open") not in names
                and path.exists()
                and path.stat().st_size > size_bytes
                for path in each
            )
            for names, each in zip(known, files(), strict=True)
        )

    video.start()
    until("all are recorded again", lambda: new(0), site.START_S, 0.01)
    took_s = time.monotonic() - killed
    until("all have pictures again", lambda: new(site.HEAD_BYTES), site.START_S, 0.01)
    pictures_s = time.monotonic() - killed
    return Row(
        group=group,
        name=f"SIGKILL to recording again, {past.rows:,} segments",
        value=took_s,
        unit="s",
        target=RESTART_TARGET_S,
        note=f"first group of pictures of all {video.cameras} on disk after {pictures_s:.1f} s",
    )


ALL: dict[str, Measure] = {"video-index": index}
