"""What a measurement stands on: brokers, the gateway, the load and the far end, as real processes.

Owns    one temporary folder and every process in it; both are gone when the rig closes.
Needs   mosquitto on this machine. The gateway is used from outside only: its command, its files.
Keeps   A measurement begins only when a message has gone all the way through (Rig.warm).
"""

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from bench import wire
from bench.generator import open_session, topic_of
from bench.machine import BenchError, Process, free_port, listens, until

ROOT: Final = Path(__file__).resolve().parent.parent
OUT: Final = "to"
SECRETS: Final = {"BENCH_SECRET": "whsec_" + "YmVuY2htYXJrLXNlY3JldC1vZi0yNC1ieXRlcw=="}
"""The environment of every command on a gateway's configuration: HTTP receivers sign with it."""
ReceiverMode = Literal["subscribe", "serve", "http"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """The field broker's settings that matter here.

    inflight  mosquitto's max_inflight_messages: 20 is its default, campus.conf says 1000
    bridge    port of a receiver to which mosquitto itself carries everything (the peer in C)
    """

    inflight: int = 1000
    bridge: int | None = None


class Rig:
    """Makes the parts. Every part lives until the with block of `scene` ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number = 0
        self._stack = ExitStack()

    @contextlib.contextmanager
    def scene(self) -> Iterator["Rig"]:
        """Start with nothing, end with nothing."""
        with ExitStack() as stack:
            self._stack = stack
            yield self

    def place(self, name: str) -> Path:
        """Return a new folder."""
        self._number += 1
        made = self.folder / f"{self._number:03d}-{name}"
        made.mkdir()
        return made

    def start(self, process: Process) -> Process:
        """Have a process ended with the scene."""
        return self._stack.enter_context(process)

    def broker(self, settings: Field = Field(), port: int | None = None) -> "Broker":
        """Start a real mosquitto that holds what is not acknowledged in memory, without bounds."""
        return Broker(self, settings, port or free_port())

    def receiver(
        self, mode: ReceiverMode, port: int | None = None, devices: int = 100
    ) -> "Receiver":
        """Start the far end."""
        return Receiver(self, mode, port or free_port(), devices)

    def gateway(
        self, field_port: int, uplink: str, devices: int = 100, *, buttons: Sequence[str] = ()
    ) -> "Gateway":
        """Write a configuration and start the gateway with it.

        uplink   the [[uplink]] table's own lines
        buttons  topics of panic buttons beside the one at bench/panic
        """
        return Gateway(self, field_port, uplink, devices, buttons)

    def load(
        self,
        port: int,
        count: int,
        *,
        rate: float = 0.0,
        devices: int = 100,
        first: int = 0,
        window: int = 2000,
    ) -> "Load":
        """Start a generator; it waits for Load.go()."""
        return Load(
            self,
            port=port,
            count=count,
            rate=rate,
            devices=devices,
            first=first,
            window=window,
        )


class Broker:
    """One mosquitto."""

    def __init__(self, rig: Rig, settings: Field, port: int) -> None:
        program = shutil.which(
            "mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
        )
        if program is None:
            raise BenchError("mosquitto is not installed (Debian: apt-get install mosquitto)")
        self.port = port
        folder = rig.place("mosquitto")
        lines = [
            f"listener {port} 127.0.0.1",
            "allow_anonymous true",
            "persistence false",
            f"max_inflight_messages {settings.inflight}",
            "max_queued_messages 0",
            "max_queued_bytes 0",
            "set_tcp_nodelay true",
            "log_type error",
            "log_type warning",
        ]
        if settings.bridge is not None:
            lines += [
                "connection bench",
                f"address 127.0.0.1:{settings.bridge}",
                "topic # out 1",
                "try_private false",
                "notifications false",
                "cleansession false",
                "bridge_attempt_unsubscribe false",
                "bridge_protocol_version mqttv311",
                "keepalive_interval 60",
                "restart_timeout 1",
            ]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self.process = rig.start(
            Process(
                [program, "-c", str(folder / "mosquitto.conf")],
                folder / "mosquitto.log",
                cwd=folder,
            )
        )
        until(f"mosquitto listens at {port}", lambda: listens(port), 10)


class Receiver:
    """The far end, seen from the one who measures."""

    def __init__(self, rig: Rig, mode: ReceiverMode, port: int, devices: int) -> None:
        self.mode, self.port = mode, port
        command = [sys.executable, "-m", "bench.receiver", mode]
        command += ["--port", str(port), "--devices", str(devices)]
        log = rig.place("receiver") / "receiver.log"
        self.process = rig.start(Process(command, log, cwd=ROOT, talk=True))
        self.process.line()

    def report(self) -> dict[str, Any]:
        """Return Tally.report()."""
        return self.process.ask("report")

    def clear(self) -> None:
        """Forget what came."""
        self.process.ask("clear")

    def rate(self, per_s: float) -> None:
        """Take no more than so many a second; 0 for as many as come."""
        self.process.ask(f"rate {per_s:g}")

    def wait(self, count: int, *, stalled_s: float = 15.0) -> dict[str, Any]:
        """Wait for `count` different numbers, or until nothing new came for stalled_s."""
        last, since = -1, time.monotonic()
        while True:
            unique = self.process.ask("count")["unique"]
            if unique >= count:
                break
            if unique != last:
                last, since = unique, time.monotonic()
            elif time.monotonic() - since > stalled_s:
                break
            time.sleep(0.05)
        return self.report()


class Gateway:
    """The gateway from outside: a folder of configuration, and its command."""

    def __init__(
        self, rig: Rig, field_port: int, uplink: str, devices: int, buttons: Sequence[str]
    ) -> None:
        self._rig = rig
        self.folder = rig.place("gateway")
        self.console = free_port()
        self.log = self.folder / "gateway.log"
        config = self.folder / "config"
        config.mkdir()
        (config / "gateway.toml").write_text(
            f"""
[site]
id = "320612-0001"
name = "示范小学"
gateway = "gw-1"
[store]
path = "{self.folder / "store"}"
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:{field_port}"
[[uplink]]
name = "{OUT}"
{uplink}
[console]
listen = "127.0.0.1:{self.console}"
"""
        )
        with (config / "devices.toml").open("w") as file:
            for number in range(devices):
                file.write(
                    f'[[device]]\nid = "dev-{number}"\nprofile = "generic/json_event"\n'
                    f'link = "field"\nname = "设备{number}"\nplace = "教学楼"\n'
                    f'address = {{ topic = "{topic_of(number)}", kind = "access",'
                    ' priority_member = "level" }\n'
                )
            for number, topic in enumerate(["bench/panic", *buttons]):
                file.write(
                    f'[[device]]\nid = "btn-{number}"\nprofile = "generic/json_button"\n'
                    f'link = "field"\nname = "西门按钮"\nplace = "西门门卫室"\n'
                    f'address = {{ topic = "{topic}" }}\n'
                )
        self.start()

    def start(self) -> None:
        """Start it (again)."""
        command = [sys.executable, "-m", "gateway.cli", "run", "--config"]
        command.append(str(self.folder / "config"))
        self.process = self._rig.start(Process(command, self.log, cwd=ROOT, env=SECRETS))

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.process.end(kill=True)

    def complaints(self) -> list[str]:
        """Return what it logged at warning or above."""
        return complaints_in(self.log)


def complaints_in(log: Path) -> list[str]:
    """Return the lines of a gateway's log at warning or above, and what is no line of it."""
    found = []
    for line in log.read_text("utf-8", "replace").splitlines():
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if entry.get("level") in {"warning", "error", "critical"}:
                found.append(line[:300])
            continue
        found.append(line[:300])
    return found


class Load:
    """One generator; options are the generator's own, by name."""

    def __init__(self, rig: Rig, **options: float) -> None:
        command = [sys.executable, "-m", "bench.generator"]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        log = rig.place("generator") / "generator.log"
        self.process = rig.start(Process(command, log, cwd=ROOT, talk=True))
        self.process.line()

    def go(self) -> None:
        """Let it send."""
        self.process.say("go")

    def result(self) -> dict[str, Any]:
        """Wait until everything is acknowledged; returns generator.Load.run()."""
        answer: dict[str, Any] = json.loads(self.process.line())
        return answer


class Publisher:
    """Single messages from the one who measures: probes and urgent ones, numbered below zero.

    after  the numbers begin behind so many, where an earlier publisher's may still be told of
    """

    def __init__(self, port: int, *, after: int = 0) -> None:
        self._sock = open_session(port, f"bench-probe-{time.monotonic_ns()}")
        self._number = -after

    def publish(self, topic: str, level: int | None = None) -> int:
        """Publish one, wait for the PUBACK, return its number."""
        self._number -= 1
        extra = "" if level is None else f',"level":{level}'
        payload = f'{{"n":{self._number},"t":{time.monotonic_ns()}{extra}}}'.encode()
        self._sock.sendall(wire.publish(topic, payload, -self._number))
        if self._sock.recv(4) != wire.puback(-self._number):
            raise BenchError("the field broker did not acknowledge a probe")
        return self._number

    def close(self) -> None:
        """Leave."""
        self._sock.close()


def warm(field_port: int, receiver: Receiver, within_s: float = 40.0) -> None:
    """Publish probes until one arrives: whoever carries them is ready then. Forgets them after."""
    publisher = Publisher(field_port)

    def through() -> bool:
        publisher.publish(topic_of(0))
        time.sleep(0.05)
        return bool(receiver.process.ask("count")["probes"])

    try:
        until("a message goes all the way through", through, within_s)
    finally:
        publisher.close()
    time.sleep(1.0)
    receiver.clear()


def mqtt_uplink(port: int) -> str:
    """The [[uplink]] lines of a receiver with a broker."""
    return f'kind = "mqtt"\nurl = "mqtt://127.0.0.1:{port}"\nprotocol = "3.1.1"'


def http_uplink(port: int, batch: int = 1) -> str:
    """The [[uplink]] lines of an HTTP receiver; signed, as everyone off this machine must be."""
    return (
        f'kind = "http"\nurl = "http://127.0.0.1:{port}/"\nbatch = {batch}\n'
        'secret_env = "BENCH_SECRET"'
    )
