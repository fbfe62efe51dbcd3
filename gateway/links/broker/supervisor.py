"""EmbeddedBroker: a nats-server of our own, whose PUBACK means on disk, kept alive.

Owns    the broker's folder and process. Nobody else starts or stops it.
Needs   settings, answers, ports, leash; gateway.clock, gateway.errors.
Keeps   1. A device's message that got a PUBACK survives SIGKILL of the broker, of the gateway and
           of both (decision 0006), if the gateway's subscription stood when it was sent.
        2. So devices are let in only by `admit`, which the gateway calls once it is subscribed.
        3. The broker dies with the gateway, and a second one never writes in the same folder.
        4. A broker that stops answering is replaced; nobody has to be asked.
        5. A full backlog refuses devices, loudly, and never the gateway that drains it.
"""

import asyncio
import os
import secrets
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.errors import LinkDown
from gateway.links.broker import answers, leash
from gateway.links.broker.folder import FolderLock, own_port
from gateway.links.broker.journal import LogLines
from gateway.links.broker.ports import holder_of_port, port_is_free
from gateway.links.broker.settings import (
    BrokerSettings,
    check_users,
    find_server,
    own_password,
    render,
    write_private,
)

log = structlog.get_logger(__name__)

Notice = Callable[[str, bool, str], Awaitable[None]]
"""Same as gateway.driver.Notice: (what, healthy, text)."""

START_S: Final = 60.0
"""A start takes milliseconds; reading a full gibibyte of backlog again may take this long."""

CHECK_EVERY_S: Final = 10.0
MISSED_CHECKS: Final = 3
"""Three unanswered questions in a row, 30 to 45 s: then it is killed and started again."""

STOP_S: Final = 5.0
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0
STEADY_S: Final = 60.0
"""Lived this long: the next pause is the first again."""

WELL: Final = True
UNWELL: Final = False

ROOM_BYTES: Final = 16 * 1024 * 1024
"""As much must be free before a broker whose write failed is started anew."""

FULL_AT: Final = 0.8
DRAINED_AT: Final = 0.5


class EmbeddedBroker:
    """One nats-server with an MQTT listener and JetStream, from start to stop.

    notice   told of "broker" (does it live), "broker-backlog" (does it fill up), "broker-disk"
    raises   ConfigError when nats-server is not installed or an account cannot be
    """

    def __init__(self, settings: BrokerSettings, clock: Clock, notice: Notice) -> None:
        check_users(settings)
        self._server = find_server()
        self._settings = settings
        self._clock = clock
        self._notice = notice
        self._log_lines = LogLines(clock)
        self._warden = secrets.token_urlsafe(24)
        self._admitted = False
        self._ready = asyncio.Event()
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._child: Process | None = None
        self._folder = FolderLock(settings.folder)
        self._trouble = "it was not started"
        self._filling = False
        self._disk_full = False
        settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings.folder.chmod(0o700)
        self._password = own_password(settings)

    @property
    def username(self) -> str:
        """The gateway's own account."""
        return self._settings.username

    @property
    def password(self) -> str:
        """Its password; never log it."""
        return self._password

    @property
    def pid(self) -> int | None:
        """Process id of the running nats-server."""
        return self._child.pid if self._child is not None else None

    async def run(self) -> None:
        """Keep the broker alive until cancelled or stopped; trouble becomes a notice, not an error.

        Pauses between two lives: 0.2 s, doubled up to 10 s, the first again after 60 s of life.
        """
        pause_s = FIRST_PAUSE_S
        self._ended.clear()
        try:
            while not self._stop.is_set():
                born_ns = self._clock.mono_ns()
                try:
                    await self._live()
                except LinkDown as problem:
                    self._trouble = str(problem)
                finally:
                    self._ready.clear()
                if self._stop.is_set():
                    break
                if self._clock.mono_ns() - born_ns > STEADY_S * 1e9:
                    pause_s = FIRST_PAUSE_S
                await self._notice("broker", UNWELL, self._text_of_trouble(pause_s))
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._stop.wait()
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        finally:
            self._folder.release()
            self._ended.set()

    def _text_of_trouble(self, pause_s: float) -> str:
        return (
            f"内置消息代理未运行，{pause_s:.1f} 秒后重新启动，设备会自行重发 · "
            f"the embedded broker does not run, next start in {pause_s:.1f} s, "
            f"devices send again: {self._trouble}"
        )

    async def wait_ready(self, timeout_s: float) -> None:
        """Return once it accepts sessions; raises LinkDown with the reason after timeout_s."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError:
            raise LinkDown(
                f"the embedded broker is not ready after {timeout_s:.0f} s: {self._trouble}"
            ) from None

    async def admit(self) -> None:
        """Let the devices in, for this and every later life; call it once we are subscribed.

        Before, a device's PUBACK would promise what nobody keeps: the broker stores a message for
        the subscriptions that exist. Sessions that are connected stay connected.
        """
        if self._admitted:
            return
        self._admitted = True
        if self._child is not None and self._settings.devices:
            self._write_config()
            with suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGHUP)

    async def stop(self) -> None:
        """End the broker in order, at most STOP_S, then by force; returns when run has returned."""
        self._stop.set()
        await self._ended.wait()

    # ---- one life -------------------------------------------------------------------------------

    async def _live(self) -> None:
        """Start, watch and end one nats-server; raises LinkDown with the reason it ended."""
        self._folder.take()
        self._check_port()
        child = self._child = await self._spawn()
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._log_lines.forward(child.stderr, child.pid))
                watching = group.create_task(self._watch(child.pid))
                dying = group.create_task(child.wait())
                stopping = group.create_task(self._stop.wait())
                await asyncio.wait({watching, dying, stopping}, return_when=asyncio.FIRST_COMPLETED)
                ended_by_itself = dying.done()
                await self._end(child)
                await reading  # its last words
                for task in (watching, stopping):
                    task.cancel()
        finally:
            await self._end(child)
            self._child = None
        if watching.done() and not watching.cancelled():
            raise LinkDown(watching.result())
        if ended_by_itself:
            raise LinkDown(f"{_how_it_ended(child)}; {self._log_lines.last_trouble or 'no word'}")

    async def _spawn(self) -> Process:
        for stale in self._settings.folder.glob("*.ports"):
            stale.unlink()
        self._write_config()
        arguments = [
            sys.executable, "-I", "-S", str(leash.__file__), str(os.getpid()),
            str(self._server), "-c", str(self._settings.config_path),
        ]  # fmt: skip
        return await asyncio.create_subprocess_exec(
            *arguments,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            cwd=self._settings.folder,
            env={"PATH": os.environ.get("PATH", ""), "GOMEMLIMIT": "256MiB"},
            pass_fds=self._folder.handles,
            start_new_session=True,  # Ctrl-C ends the gateway, and the gateway ends the broker
        )

    def _write_config(self) -> None:
        text = render(
            self._settings, password=self._password, warden=self._warden, admit=self._admitted
        )
        write_private(self._settings.config_path, text)

    async def _watch(self, pid: int) -> str:
        """Wait until it answers, then ask every CHECK_EVERY_S; returns what is wrong with it."""
        ports_file = self._settings.folder / f"nats-server_{pid}.ports"
        late_ns = self._clock.mono_ns() + int(START_S * 1e9)
        missed = 0
        while True:
            try:
                await self._check(ports_file)
            except LinkDown as problem:
                if self._ready.is_set():
                    missed += 1
                    log.warning("the broker missed a check", missed=missed, why=str(problem))
                    if missed >= MISSED_CHECKS:
                        return f"it missed {missed} checks: {problem}"
                elif self._clock.mono_ns() > late_ns:
                    return f"it did not get ready within {START_S:.0f} s: {problem}"
            else:
                missed = 0
                if not self._ready.is_set():
                    self._ready.set()
                    await self._notice(
                        "broker", WELL, "内置消息代理正常 · the embedded broker runs"
                    )
                if self._log_lines.write_failed and await self._there_is_room():
                    return f"its write failed: {self._log_lines.last_trouble}"
            await self._clock.sleep(CHECK_EVERY_S if self._ready.is_set() else 0.05)

    async def _there_is_room(self) -> bool:
        """Tell the disk's state once each way; a tiny disk is not waited for longer than it can."""
        disk = shutil.disk_usage(self._settings.folder)
        full = disk.free < min(ROOM_BYTES, disk.total // 4)
        if full != self._disk_full:
            self._disk_full = full
            await self._notice(
                "broker-disk",
                not full,
                f"消息代理所在磁盘剩余 {disk.free} 字节；写满时拒收设备消息，有空间后自动恢复 · "
                f"{disk.free} bytes are free for the broker; while there is no room devices are "
                "refused and send again, with room it goes on by itself",
            )
        return not full

    async def _check(self, ports_file: Path) -> None:
        """Open a session and bound the streams it made; raises LinkDown when either fails."""
        settings = self._settings
        port = own_port(ports_file)
        await answers.open_session(
            _reachable(settings.host), settings.port,
            username=settings.username, password=self._password,
        )  # fmt: skip
        await answers.bound_stream(
            port, self._warden, answers.RETAINED_STREAM, settings.max_retained_bytes
        )
        backlog = await answers.bound_stream(
            port, self._warden, answers.MESSAGES_STREAM, settings.max_backlog_bytes
        )
        share = backlog.used_bytes / backlog.max_bytes
        if self._filling != (share >= (DRAINED_AT if self._filling else FULL_AT)):
            self._filling = not self._filling
            await self._notice(
                "broker-backlog",
                not self._filling,
                f"消息代理积压 {backlog.messages} 条（{share:.0%}），满后拒收设备消息 · "
                f"{backlog.messages} messages wait in the broker ({share:.0%} of its room); "
                "when it is full, devices are refused and send again",
            )

    async def _end(self, child: Process) -> None:
        """SIGTERM, then SIGKILL after STOP_S; returns when the process is gone."""
        if child.returncode is not None:
            return
        with suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await child.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    # ---- what must be ours before it starts -----------------------------------------------------

    def _check_port(self) -> None:
        host, port = self._settings.host, self._settings.port
        try:
            free = port_is_free(host, port)
        except OSError as error:
            raise LinkDown(
                f"cannot listen on {host}:{port}: {error.strerror}; correct the link's url"
            ) from error
        if not free:
            holder = holder_of_port(port) or "another program"
            raise LinkDown(
                f"{host}:{port} is in use by {holder}; stop it or choose another port in the "
                "link's url"
            )


def _reachable(host: str) -> str:
    """Where we ask when it listens everywhere."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 a comparison


def _how_it_ended(child: Process) -> str:
    code = child.returncode
    if code is not None and code < 0:
        return f"nats-server was killed by {signal.Signals(-code).name}"
    return f"nats-server ended with exit code {code}"
