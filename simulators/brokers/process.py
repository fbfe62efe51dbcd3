"""A broker as a process: started, stopped, killed, frozen, started again on the same port.

Keeps   1. `start` returns when the broker has answered a CONNECT, not when the process exists.
        2. Nothing is started on a port on which somebody else answers.
        3. Bounds: 30 s to come up, 10 s to go down, then SIGKILL.
"""

import asyncio
import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from simulators.mqtt import Address, connect_packet
from simulators.ports import free_port

__all__ = ["Broker", "BrokerFailed", "BrokerMissing", "find_program", "free_port"]

START_S: Final = 30.0
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


class Broker(ABC):
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

    @abstractmethod
    def command(self) -> list[str]:
        """Write the broker's files and return the command that starts it."""

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
        """Freeze the process (SIGSTOP): connections stay open and nobody answers.

        Returns when it stands still: kill(2) comes back before the other processor has stopped.
        """
        if self._process is not None and self.is_running:
            self._process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

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
