"""What the machine says about a process: processor seconds, memory; and how to start and end one.

Keeps   1. Whatever was started is ended: a process dies with us even when we are killed (Linux's
           parent-death signal), and its whole session is killed when its block ends.
        2. Nothing is asked of a library: /proc says it all.
Source  proc(5): /proc/PID/stat fields 6, 14 to 17; /proc/PID/smaps_rollup.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
STOP_S: Final = 10.0
_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None)


class BenchError(Exception):
    """A part did not do what was asked; the row says so and the next row is tried."""


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program with a log file of its own, in a session of its own. Use it in a with block."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        cwd: Path,
        talk: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        self.started_ns = time.monotonic_ns()
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                list(command),
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talk else out,
                stderr=out,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 we have no threads
                text=True,
            )
        self.pid = self._popen.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    def end(self, *, kill: bool = False) -> None:
        """SIGTERM and after STOP_S SIGKILL, or SIGKILL at once; then everything in its session."""
        if self.alive:
            self._popen.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def interrupt(self) -> None:
        """Ask it to finish (SIGINT) and wait at most STOP_S for that."""
        self._popen.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(STOP_S)

    def line(self) -> str:
        """Read its next line; raises BenchError when it ended instead."""
        assert self._popen.stdout is not None
        text = self._popen.stdout.readline()
        if not text:
            raise BenchError(f"{self.log.stem} ended: {tail(self.log)}")
        return text.strip()

    def say(self, text: str) -> None:
        """Write it a line."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(text + "\n")
        self._popen.stdin.flush()

    def ask(self, text: str) -> dict[str, Any]:
        """Write it a line and read the JSON it answers."""
        self.say(text)
        answer: dict[str, Any] = json.loads(self.line())
        return answer

    def cpu_s(self) -> float:
        """Processor seconds of it and of every process in its session, living or waited for."""
        total = 0
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == self.pid:
                        total += sum(int(value) for value in fields[11:15])
        return total / TICKS_PER_S

    def memory_mib(self) -> tuple[float, float]:
        """(PSS, RSS) in MiB: PSS counts a page that is shared by n processes for one n-th."""
        found = {"Pss": 0, "Rss": 0}
        for text in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = text.partition(":")
            if name in found:
                found[name] = int(rest.split()[0])
        return found["Pss"] / 1024, found["Rss"] / 1024


def tail(log: Path, size_bytes: int = 600) -> str:
    """Return the end of a log, for an error."""
    with contextlib.suppress(OSError):
        return log.read_bytes()[-size_bytes:].decode("utf-8", "replace").strip() or "(empty log)"
    return "(no log)"


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def until(what: str, holds: Callable[[], bool], within_s: float, every_s: float = 0.05) -> None:
    """Wait until something holds; raises BenchError that names it after within_s."""
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            raise BenchError(f"not within {within_s:g} s: {what}")
        time.sleep(every_s)


def listens(port: int) -> bool:
    """Whether somebody accepts connections at a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
