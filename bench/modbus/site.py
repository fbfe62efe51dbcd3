"""The gateway before a Modbus device: configuration, process, and its stream of records.

Needs   rig, device. The gateway is used from outside only: its command, its files, its API.
Keeps   Everything that is read is a point with alarm thresholds: nothing is left undecoded.
"""

import http.client
import json
import re
import select
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.machine import BenchError, Process, free_port, until
from bench.modbus.device import Device
from bench.rig import ROOT, Rig, complaints_in

PROFILE: Final = "bench/registers"
ALARM_ABOVE: Final = 1000
RESTORE_BELOW: Final = 950
"""The device's own values stay below both; only Device.set goes beyond."""
READY_S: Final = 60.0
LOOK_S: Final = 0.001


def profile(registers: int) -> str:
    """Write the profile: one point of its own for each register, with an alarm and its hysteresis.

    Fire, because alarms of other kinds fold when many come at once, and here each one counts.
    """
    words = [*range(100, 99 + registers), ALARM_ABOVE]
    expected = [f'{{ point = "p{at}", value = {word} }}' for at, word in enumerate(words)]
    return f"""
[profile]
title = "基准用寄存器"
title_en = "registers of the benchmark"
family = "bench"
driver = "modbus"
power = "mains"
verified = true
[source]
document = "bench/modbus/server.c"
confidence = "A"
date = "2026-11-22"
[address.unit]
type = "integer"
min = 1
max = 247
example = 1
help = "单元号"
help_en = "unit id"
[modbus]
transports = ["tcp"]
numbering = "wire"
function = 3
timeout_s = 1.0
alarm_period_s = 0.1
[[value]]
name = "r{{n}}"
at = "n"
repeat = {{ n = [0, {registers - 1}] }}
[[point]]
name = "p{{n}}"
kind = "fire"
nature = "measurement"
text = "{{n}} 号温度高"
text_en = "temperature {{n}} high"
alarm_above = {ALARM_ABOVE}
restore_below = {RESTORE_BELOW}
repeat = {{ n = [0, {registers - 1}] }}
[[set]]
point = "p{{n}}"
value = "r{{n}}"
repeat = {{ n = [0, {registers - 1}] }}
[[sample]]
note = "the last register beyond its limit, the others as the device has them"
words = {{ "0" = {words} }}
expect = [{", ".join(expected)}]
"""


def write_config(
    folder: Path, device: Device, *, links: int, period_s: float, console: int
) -> Path:
    """Write a configuration that polls every unit of a device; returns its folder.

    links  over how many connections the units are spread, one after the other
    """
    config = folder / "config"
    (config / "profiles" / "bench").mkdir(parents=True)
    (config / "profiles" / f"{PROFILE}.toml").write_text(profile(device.registers))
    lines = [_head(folder, console)]
    lines += [
        f'[[link]]\nname = "bus-{number}"\nkind = "modbus"\n'
        f'url = "tcp://127.0.0.1:{device.port}"\n'
        f"alarm_period_seconds = {period_s:g}\ntimeout_seconds = 1.0"
        for number in range(links)
    ]
    (config / "gateway.toml").write_text("\n".join(lines) + "\n")
    with (config / "devices.toml").open("w") as file:
        for unit in range(1, device.units + 1):
            file.write(
                f'[[device]]\nid = "dev-{unit}"\nprofile = "{PROFILE}"\n'
                f'link = "bus-{unit % links}"\nname = "探测器{unit}"\nplace = "教学楼"\n'
                f"address = {{ unit = {unit} }}\n"
            )
    return config


def _head(folder: Path, console: int) -> str:
    return (
        '[site]\nid = "320612-0001"\nname = "示范小学"\ngateway = "gw-1"\n'
        f'[store]\npath = "{folder / "store"}"\n'
        f'[console]\nlisten = "127.0.0.1:{console}"\n'
    )


class Site:
    """A gateway that polls all units of a device; made when every one of them was read."""

    def __init__(self, rig: Rig, device: Device, *, links: int = 1, period_s: float = 0.1) -> None:
        self.device = device
        self.console = free_port()
        self._folder = rig.place("gateway")
        self.log = self._folder / "gateway.log"
        config = write_config(
            self._folder, device, links=links, period_s=period_s, console=self.console
        )
        self._token = self._make_token()
        self.process = rig.start(Process(_command("run", config), self.log, cwd=ROOT))

    def _make_token(self) -> str:
        """Have the command make one; it is the store's, so a short configuration does."""
        short = self._folder / "token"
        short.mkdir()
        (short / "gateway.toml").write_text(_head(self._folder, self.console))
        (short / "devices.toml").touch()
        command = [*_command("token", short), "--role", "platform", "--name", "bench"]
        done = subprocess.run(
            command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=READY_S
        )
        if done.returncode:
            said = " ".join((done.stdout + done.stderr).split())
            raise BenchError(f"campus-gateway token: {said[:300]}")
        return done.stdout.strip()

    def wait(self, *, without: int = 0) -> None:
        """Return when every unit was read twice and what that said is stored."""

        def read() -> bool:
            if not self.process.alive:
                raise BenchError(f"the gateway ended: {self.log.read_text()[-500:]}")
            units = enumerate(self.device.counted().units, 1)
            return all(unit[0] > 1 for number, unit in units if number != without)

        until("every unit was read", read, READY_S)
        until("the gateway is ready", self.is_ready, READY_S, 0.2)

    def is_ready(self) -> bool:
        """Whether the gateway says so itself."""
        asked = http.client.HTTPConnection("127.0.0.1", self.console, timeout=5)
        try:
            asked.request("GET", "/readyz")
            return asked.getresponse().status == 200
        except OSError:
            return False
        finally:
            asked.close()

    def complaints(self) -> list[str]:
        """Return what it logged at warning or above."""
        return complaints_in(self.log)

    def shelf(self) -> "Shelf":
        """Open its store for reading, from now on."""
        return Shelf(self._folder / "store")

    def stream(self) -> "Stream":
        """Open its stream of records, from now on."""
        return Stream(self.console, self._token)


_ALARM: Final = re.compile(rb'"type":"campus\.alarm\.raised\.v1","subject":"([^"]+)"')


class Shelf:
    """The store on disk as another process sees it: what is committed and nothing else.

    raised  "device/point" → monotonic ns when its alarm's record was seen there, at most one look
            (LOOK_S) after its commit
    """

    def __init__(self, store: Path) -> None:
        self.raised: dict[str, int] = {}
        self._db = sqlite3.connect(f"file:{store / 'events.db'}?mode=ro", uri=True)
        self._seq: int = self._db.execute("SELECT coalesce(max(seq), 0) FROM record").fetchone()[0]
        self._version = -1

    def look(self) -> None:
        """Note what was committed since; costs a few microseconds when nothing was."""
        version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return
        self._version = version
        now = time.monotonic_ns()
        asked = "SELECT seq, body FROM record WHERE seq > ? ORDER BY seq"
        for seq, body in self._db.execute(asked, (self._seq,)):
            self._seq = seq
            for subject in _ALARM.findall(body if isinstance(body, bytes) else body.encode()):
                self.raised.setdefault(subject.decode(), now)

    def close(self) -> None:
        """Leave."""
        self._db.close()


class Stream:
    """GET /api/v1/stream, read without threads: whoever waits for something reads meanwhile.

    raised  "device/point" → monotonic ns when its alarm's record had arrived here
    """

    def __init__(self, port: int, token: str) -> None:
        self.raised: dict[str, int] = {}
        self._held = b""
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._sock.sendall(
            b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
            b"Authorization: Bearer " + token.encode() + b"\r\n\r\n"
        )
        head = b""
        while b"\r\n\r\n" not in head:
            more = self._sock.recv(4096)
            if not more:
                break
            head += more
        if not head.startswith(b"HTTP/1.1 200"):
            raise BenchError(f"the stream was refused: {head[:100]!r}")

    def read(self, for_s: float, meanwhile: Callable[[], None]) -> None:
        """Take what comes for so long, and do something else every LOOK_S."""
        end = time.monotonic() + for_s
        while True:
            ready, _, _ = select.select([self._sock], [], [], LOOK_S)
            meanwhile()
            if ready:
                self._take()
            if time.monotonic() >= end:
                return

    def _take(self) -> None:
        more = self._sock.recv(1 << 18)
        now = time.monotonic_ns()
        if not more:
            raise BenchError("the gateway ended the stream")
        lines = (self._held + more).split(b"\n")
        self._held = lines.pop()
        for line in lines:
            for subject in _ALARM.findall(line):
                self.raised.setdefault(subject.decode(), now)

    def close(self) -> None:
        """Leave."""
        self._sock.close()


def _command(name: str, config: Path) -> list[str]:
    return [sys.executable, "-m", "gateway.cli", name, "--config", str(config)]


def answer_of(process: Process) -> dict[str, float]:
    """Read the one JSON line with which a loop ends."""
    found: dict[str, float] = json.loads(process.line())
    return found
