"""The demo's recorder: `campus-gateway video` as a child, started again when it ends.

Owns    the child and <data>/video.log.
Keeps   1. What becomes of it is told on the terminal and never ends the demo.
        2. At the end it has STOP_S to seal what is open; then it goes, with what it started.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Final

import typer

PAUSE_FIRST_S: Final = 1.0
PAUSE_MOST_S: Final = 60.0
STABLE_S: Final = 60.0
STOP_S: Final = 20.0


class Recorder:
    """See the module."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._log = data / "video.log"

    async def keep(self) -> None:
        """Have it run until this is cancelled."""
        pause_s = PAUSE_FIRST_S
        clock = asyncio.get_running_loop().time
        while True:
            began_s = clock()
            code = await self._once()
            if clock() - began_s > STABLE_S:
                pause_s = PAUSE_FIRST_S
            typer.echo(
                f"录像进程已退出({code}),{pause_s:g} 秒后重启，报警不受影响；原因见 {self._log}\n"
                f"the recorder ended ({code}) and is started again in {pause_s:g} s; alarms go on;"
                " that file says why",
                err=True,
            )
            await asyncio.sleep(pause_s)  # noqa: TID251 a process is waited for, no Clock's business
            pause_s = min(pause_s * 2, PAUSE_MOST_S)

    async def _once(self) -> int:
        with self._log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway.cli",
                "video",
                "--config",
                str(self._data / "config"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            return await process.wait()
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
