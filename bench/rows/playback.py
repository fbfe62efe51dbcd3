"""Playback: how long until the first byte, and what an alarm takes while eight people look.

The viewers take all they are given, which no player does: it is the worst that eight can do.
"""

import http.client
import json
import statistics
import sys
import time
from pathlib import Path

from bench.machine import Process, until
from bench.rig import ROOT, SECRETS, Gateway, Rig, warm
from bench.rows import Size
from bench.rows.carriers import Carried, gateway_mqtt
from bench.rows.flow import Measure
from bench.table import Row
from bench.video import past

MINUTES = 6
ASKED = 24
FIRST_BYTE_TARGET_MS = 200.0
ALARM_TARGET_MS = 50.0
RATE = 100
VIEWERS = 8


def playback(rig: Rig, size: Size) -> list[Row]:
    """See the module."""
    with rig.scene():
        carried = gateway_mqtt()(rig)
        gateway = carried.gateway
        assert gateway is not None
        gateway.kill()
        disk = gateway.folder / "disk"
        begin, end = past.make(gateway.folder / "store", disk, MINUTES)
        token = _configure(gateway, disk)
        gateway.start()
        warm(carried.field_port, carried.receiver)
        rows = _first_bytes(gateway, token, begin, end)
        quiet = _alarms(rig, carried, size)
        path = f"/api/v1/cameras/{past.CAMERA}/video.mp4?from={begin // 10**6}&to={end // 10**6}"
        command = [sys.executable, "-m", "bench.video.viewers", "127.0.0.1"]
        command += [str(gateway.console), str(VIEWERS)]
        viewers = rig.start(Process(command, rig.place("viewers") / "log", cwd=ROOT, talk=True))
        viewers.say(f"{path} {token}")
        viewers.line()
        time.sleep(1.0)
        began = time.monotonic()
        busy = _alarms(rig, carried, size)
        viewers.say("enough")
        mb_per_s = int(viewers.line()) / 1e6 / (time.monotonic() - began)
    group = f"alarms at {RATE}/s while {VIEWERS} people look"
    alone = "alarms, nobody looks"
    for name, report in ((alone, quiet), (f"alarms, {VIEWERS} viewers", busy)):
        for part in ("p50", "p99"):
            is_busy = report is busy
            rows.append(
                Row(
                    group=group,
                    name=f"{name}, {part}",
                    value=report[f"{part}_ms"],
                    unit="ms",
                    target=ALARM_TARGET_MS if is_busy and part == "p99" else None,
                    against=f"{alone}, {part}" if is_busy else None,
                    note=f"{mb_per_s:.0f} MB/s to the viewers" if is_busy else "",
                )
            )
    lost = size.slow - int(busy["unique"])
    rows.append(
        Row(group=group, name=f"alarms, {VIEWERS} viewers, lost", value=lost, unit="", target=0)
    )
    return rows


def _configure(gateway: Gateway, disk: Path) -> str:
    config = gateway.folder / "config"
    with (config / "gateway.toml").open("a") as file:
        file.write(
            f'[[video.volume]]\npath = "{disk}"\n'
            f'[[camera]]\nid = "{past.CAMERA}"\nurl = "rtsp://127.0.0.1:1/none"\n'
        )
    return make_token(gateway)


def make_token(gateway: Gateway) -> str:
    """A guard's token of a gateway that is configured."""
    config = gateway.folder / "config"
    command = [sys.executable, "-m", "gateway.cli", "token", "--config", str(config)]
    command += ["--role", "guard", "--name", "bench"]
    log = gateway.folder / "token.log"
    with Process(command, log, cwd=ROOT, talk=True, env=SECRETS) as made:
        return next(word for word in made.line().split() if word.startswith("cg_"))


def _first_bytes(gateway: Gateway, token: str, begin: int, end: int) -> list[Row]:
    """Of ranges nobody has asked for: every one needs its own plan."""

    def ask(number: int, *, to: int) -> float:
        begins = begin + number * 7_000_000_000 + 123_000_000
        path = f"/api/v1/cameras/{past.CAMERA}/video.mp4?from={begins // 10**6}&to={to // 10**6}"
        connection = http.client.HTTPConnection("127.0.0.1", gateway.console, timeout=30)
        asked = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        got = answer.read(1)
        took_ms = (time.perf_counter() - asked) * 1000
        assert answer.status == 200, json.loads(got + answer.read())
        connection.close()
        return took_ms

    def listens() -> bool:
        try:
            ask(0, to=end)
        except OSError:
            return False
        return True

    until("the console listens", listens, 30.0)
    took = sorted(ask(number, to=end) for number in range(1, ASKED + 1))
    group = f"video.mp4 of {MINUTES} minutes, first byte"
    return [
        Row(
            group=group,
            name="first byte of video.mp4, p50",
            value=statistics.median(took),
            unit="ms",
        ),
        Row(
            group=group,
            name="first byte of video.mp4, slowest",
            value=took[-1],
            unit="ms",
            target=FIRST_BYTE_TARGET_MS,
            note=f"of {ASKED} ranges, none asked for before",
        ),
    ]


def _alarms(rig: Rig, carried: Carried, size: Size) -> dict[str, float]:
    carried.receiver.clear()
    load = rig.load(carried.field_port, size.slow, rate=RATE)
    load.go()
    load.result()
    return carried.receiver.wait(size.slow)


ALL: dict[str, Measure] = {"playback": playback}
