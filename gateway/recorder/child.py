"""The pictures process as a child of the video process: begun, watched, begun again.

Owns    one child at a time, `python -m gateway.pictures`.
Needs   gateway.clock. What the child does is no business of the recording: it may be dead for good.
Keeps   1. A child that ends, however, is begun again after a pause that doubles up to PAUSE_MOST_S.
        2. It holds one end of a pipe of ours: when this process is killed, the child ends.
        3. Cancelled, the child is told to stop and, after STOP_S, killed.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Final

import structlog

from gateway.clock import Clock

PAUSE_FIRST_S: Final = 0.5
PAUSE_MOST_S: Final = 15.0
STABLE_S: Final = 60.0
STOP_S: Final = 5.0

log = structlog.get_logger()


class PicturesChild:
    """See the module."""

    def __init__(self, config_folder: Path, clock: Clock) -> None:
        self._folder = config_folder
        self._clock = clock
        self.pid: int | None = None
        self.begun = 0

    async def run(self) -> None:
        """Have a child for ever."""
        pause = PAUSE_FIRST_S
        while True:
            began = self._clock.mono_ns()
            code = await self._one_life()
            lived_s = (self._clock.mono_ns() - began) / 1e9
            if lived_s > STABLE_S:
                pause = PAUSE_FIRST_S
            log.warning(
                "the pictures process ended; no stills and no picture checks until it is back",
                code=code,
                lived_s=round(lived_s, 1),
                again_in_s=pause,
            )
            await self._clock.sleep(pause)
            pause = min(pause * 2, PAUSE_MOST_S)

    def begin_anew(self) -> None:
        """End the child that runs: the next one reads the configuration as it is then."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    async def _one_life(self) -> int:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.pictures",
            "--leashed",
            "--config",
            str(self._folder),
            stdin=asyncio.subprocess.PIPE,
        )
        self.pid = child.pid
        self.begun += 1
        try:
            return await child.wait()
        except asyncio.CancelledError:
            await _stop(child)
            raise
        finally:
            self.pid = None


async def _stop(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await child.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
