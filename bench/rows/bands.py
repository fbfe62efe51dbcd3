"""Bands: what the playback screen asks for a minute, of an index of 90 days, over HTTP.

For a minute that nobody looked at before the screen asks for the band around it and for what
exactly is there; the first byte of its pictures is a row of its own (playback).
"""

import http.client
import json
import random
import time
import uuid

from bench.machine import until
from bench.rig import Gateway, Rig, warm
from bench.rows import Size
from bench.rows.carriers import gateway_mqtt
from bench.rows.flow import Measure
from bench.rows.playback import make_token
from bench.table import Row
from bench.video import history

DAYS = 90
ASKED = 100
COLUMNS = 1_600
MINUTE_TARGET_MS = 1_000.0
MS = 1_000_000
BEFORE_MS = 15 * 60_000
BEHIND_MS = 45 * 60_000


def bands(rig: Rig, size: Size) -> list[Row]:
    """See the module."""
    past = history.History(cameras=size.history, days=DAYS, surplus=0, today_ns=history.today_ns())
    group = f"playback's bands, an index of {past.rows:,} segments, {past.cameras} cameras"
    with rig.scene():
        carried = gateway_mqtt()(rig)
        gateway = carried.gateway
        assert gateway is not None
        gateway.kill()
        disk = gateway.folder / "disk"
        disk.mkdir()
        history.make(gateway.folder / "store", disk, str(uuid.uuid4()), past)
        with (gateway.folder / "config" / "gateway.toml").open("a") as file:
            file.write(f'[[video.volume]]\npath = "{disk}"\n')
            for number in range(1, past.cameras + 1):
                file.write(
                    f'[[camera]]\nid = "cam-{number}"\nurl = "rtsp://127.0.0.1:1/{number}"\n'
                )
        token = make_token(gateway)
        gateway.start()
        warm(carried.field_port, carried.receiver)
        return _rows(gateway, token, past, group)


def _rows(gateway: Gateway, token: str, past: history.History, group: str) -> list[Row]:
    asker = _Asker(gateway.console, token)
    until("the console listens", asker.listens, 30.0)
    dice = random.Random(1)
    first_ms, last_ms = past.first_ns // MS, past.today_ns // MS
    minutes: list[float] = []
    everything: list[float] = []
    largest = 0
    for at in range(ASKED):
        camera = f"cam-{dice.randrange(past.cameras) + 1}"
        moment = dice.randrange(first_ms + 86_400_000, last_ms - 86_400_000)
        began = time.perf_counter()
        asker.ask(camera, moment - 43_200_000, moment + 43_200_000, f"&bins={COLUMNS}")
        asker.ask(camera, moment - BEFORE_MS, moment + BEHIND_MS, "")
        minutes.append((time.perf_counter() - began) * 1e3)
        if at % 4 == 0:
            began = time.perf_counter()
            largest = max(largest, asker.ask(camera, first_ms, last_ms, f"&bins={COLUMNS}"))
            everything.append((time.perf_counter() - began) * 1e3)
    found = []
    for what, took_ms, note in (
        ("band of a day and what is around a minute", minutes, f"of {ASKED} minutes"),
        (f"band of {DAYS} days", everything, f"at most {largest / 1e3:,.0f} kB of JSON"),
    ):
        took_ms.sort()
        found.append(
            Row(
                group=group,
                name=f"{what}, {past.rows:,} segments, p95",
                value=took_ms[int(len(took_ms) * 0.95)],
                unit="ms",
                target=MINUTE_TARGET_MS,
                note=f"{note}, median {took_ms[len(took_ms) // 2]:.0f} ms",
            )
        )
    return found


class _Asker:
    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token

    def ask(self, camera: str, from_ms: int, to_ms: int, more: str) -> int:
        """Ask for a timeline; returns the answer's bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        path = f"/api/v1/cameras/{camera}/timeline?from={from_ms}&to={to_ms}{more}"
        connection.request("GET", path, headers={"Authorization": f"Bearer {self._token}"})
        answer = connection.getresponse()
        got = answer.read()
        connection.close()
        told = json.loads(got)
        if answer.status != 200 or not (told.get("bins") or told.get("spans")):
            raise ValueError(f"{answer.status}: {got[:200]!r}")
        return len(got)

    def listens(self) -> bool:
        """Whether the console is up."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            connection.close()
        except OSError:
            return False
        return True


ALL: dict[str, Measure] = {"bands": bands}
