"""Processes of the gateway without what each start costs most: importing it.

A start takes some 1.5 s of one core until the first line of the gateway's own is executed, and
there are hundreds in these tests. Here one interpreter per pytest process has imported everything
and forks for each start. What is forked is a process as any other: own pid, own environment, files
and signals, `python -m gateway.cli` from its first line to its exit code.

Owns    the stem: `python -m tests.forked`, which ends when whoever started it does.
Keeps   1. The stem runs nothing of the gateway's, has one thread, and sees no configuration.
        2. Until the stem is ready, and wherever something has to be set before the first import
           (a launcher, a preloaded library, a point to crash at), a start is a real one: start()
           says which. So both are tested in every run.
Bound   one stem per process; a request is at most REQUEST_BYTES; wait() as long as it is told.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, TypeAlias

ROOT: Final = Path(__file__).parents[1]
REQUEST_BYTES: Final = 200_000
PACKAGES: Final = ("drivers", "gateway.uplinks")
COMMANDS: Final = (
    "app", "cli", "commission.buses", "evidence", "pointlist", "press", "profile.tool",
    "recorder.releasing", "recorder.service", "store.video",
)  # fmt: skip
"""What the commands of gateway.cli import when they are called; nothing that decodes pictures."""
BEFORE_IMPORT: Final = ("LD_PRELOAD", "CAMPUS_CRASH_AT", "PYTHONHASHSEED")
MODULE: Final = [sys.executable, "-m", "gateway.cli"]


class Forked:
    """As much of a subprocess.Popen as tests use."""

    def __init__(self, status: int, pid: int, args: Sequence[str]) -> None:
        self.args = args
        self.pid = pid
        self.returncode: int | None = None
        self._status = status
        self._looking = threading.Lock()

    def poll(self) -> int | None:
        """The exit code, None while it lives."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; raises subprocess.TimeoutExpired."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
        return code

    def send_signal(self, how: int) -> None:
        """Send a signal to a process that lives."""
        if self.poll() is None:
            os.kill(self.pid, how)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout_s: float | None) -> int | None:
        if self.returncode is None:
            ready, _, _ = select.select([self._status], [], [], timeout_s)
            with self._looking:
                if ready and self.returncode is None:
                    said = os.read(self._status, 16)
                    os.close(self._status)
                    self.returncode = int(said) if said else -signal.SIGKILL  # the stem is gone
        return self.returncode


Process: TypeAlias = Forked | subprocess.Popen[bytes]


class Stem:
    """The one interpreter, seen from the tests."""

    def __init__(self) -> None:
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._asking = threading.Lock()
        self._is_ready = False
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.close)

    @property
    def is_ready(self) -> bool:
        """Whether everything is imported."""
        with self._asking:
            if not self._is_ready:
                ready, _, _ = select.select([self._door], [], [], 0)
                self._is_ready = bool(ready) and self._door.recv(16) == b"ready"
            return self._is_ready

    def fork(
        self, args: Sequence[str], *, files: Sequence[int], cwd: str, env: Mapping[str, str]
    ) -> Forked:
        """Start one process; returns once it has a pid."""
        status, theirs = os.pipe()
        try:
            request = json.dumps([list(args), cwd, dict(env)]).encode()
            assert len(request) <= REQUEST_BYTES
            with self._asking:
                socket.send_fds(self._door, [request], [*files, theirs])
                pid = int(self._door.recv(16))
        finally:
            os.close(theirs)
        return Forked(status, pid, args)

    def close(self) -> None:
        """End the stem; what it forked goes on."""
        self._door.close()
        self._process.wait(10)


_stem: Stem | None = None
_making = threading.Lock()


def start(
    args: Sequence[str],
    *,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    cwd: Path | str = ROOT,
    env: Mapping[str, str] | None = None,
) -> Process:
    """Start `python -m gateway.cli …`: forked where that is the same, else as any program.

    stdout, stderr  open files, or subprocess.DEVNULL; stdin is empty
    env             all of it; ours, and where our modules are, when None
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT)} if env is None else env
    global _stem  # noqa: PLW0603 one per process, as its name says
    is_plain = list(args[: len(MODULE)]) == MODULE and not any(env.get(x) for x in BEFORE_IMPORT)
    with _making:
        if is_plain and _stem is None:
            _stem = Stem()
    if not is_plain or _stem is None or not _stem.is_ready:
        return subprocess.Popen(
            args, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=cwd, env=env
        )
    with open(os.devnull, "r+b", buffering=0) as nothing:  # noqa: PTH123 no text, no buffer
        files = [nothing.fileno(), *(_number(each, nothing.fileno()) for each in (stdout, stderr))]
        return _stem.fork(args[len(MODULE) :], files=files, cwd=str(cwd), env=env)


def run(
    args: Sequence[str],
    *,
    timeout_s: float,
    cwd: Path | str = ROOT,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """As subprocess.run with its output captured as text; see start()."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start(args, cwd=cwd, env=env, stdout=out, stderr=err)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(args, code, *said)


def _number(file: int | IO[bytes], nothing: int) -> int:
    if isinstance(file, int):
        return nothing if file == subprocess.DEVNULL else file
    return file.fileno()


# The stem itself.


def main(door: socket.socket) -> None:
    """Import everything; then fork for each request, and run it in the child."""
    gc.disable()  # as gateway.cli.parts.heavy
    for package in PACKAGES:
        folder = importlib.import_module(package)
        for found in pkgutil.walk_packages(folder.__path__, f"{package}."):
            importlib.import_module(found.name)
    for name in COMMANDS:
        importlib.import_module(f"gateway.{name}")
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()
    gc.enable()
    words = Forks(door).serve()
    if words is not None:
        sys.argv = ["gateway.cli", *words]
        runpy.run_module("gateway.cli", run_name="__main__", alter_sys=True)


class Forks:
    """Requests in, exit codes out. One thread: what it waits for is a request or a child's end."""

    def __init__(self, door: socket.socket) -> None:
        self._door = door
        self._status: dict[int, int] = {}
        self._ended, self._bell = socket.socketpair()
        for end in (self._ended, self._bell):
            end.setblocking(False)

    def serve(self) -> list[str] | None:
        """Return the words of the command line in each child, and None when nobody asks more."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        self._door.send(b"ready")
        with selectors.DefaultSelector() as waiting:
            for end in (self._door, self._ended):
                waiting.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in waiting.select():
                    if key.fileobj is self._ended:
                        self._ended.recv(4096)
                        self._reap()
                        continue
                    request, files = self._next()
                    if not request:
                        return None
                    if (words := self._fork(request, files)) is not None:
                        return words

    def _next(self) -> tuple[bytes, list[int]]:
        """Return what is asked, nothing when whoever asks is gone."""
        try:
            request, files, _, _ = socket.recv_fds(self._door, REQUEST_BYTES, 4)
        except ConnectionError:
            return b"", []
        return request, files

    def _fork(self, request: bytes, files: list[int]) -> list[str] | None:
        words, cwd, env = json.loads(request)
        *standard, status = files
        pid = os.fork()
        if pid:
            self._status[pid] = status
            for file in standard:
                os.close(file)
            self._door.send(str(pid).encode())
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, file in enumerate(standard):
            os.dup2(file, number)
        for end in (self._door, self._ended, self._bell):
            end.close()
        for file in (*files, *self._status.values()):
            os.close(file)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        return list(words)

    def _reap(self) -> None:
        while self._status:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            told = self._status.pop(pid)
            with contextlib.suppress(BrokenPipeError):  # nobody wanted to know
                os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(told)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
