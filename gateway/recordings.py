"""Whether every camera that should be recorded is: seen from the alarm process, in the index.

Owns    the fault `video.<camera>` of the gateway.
Needs   the index, read only; the intake for the fault. The recorder is not asked: what it wrote is
        what counts, and a recorder that is dead cannot say so.
Keeps   1. A camera without video for SILENT_S is a fault, whatever the reason, and so is an index
           that cannot be read for as long; both end by themselves.
        2. Video never delays an alarm: reads are short, in a thread of their own.
"""

from collections.abc import Sequence
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.config.settings import Camera
from gateway.errors import StoreError
from gateway.intake import Intake
from gateway.store.video import VideoReader

LOOK_S: Final = 15.0
SILENT_S: Final = 240
"""A segment is in the index when it is sealed, a minute or two behind its first picture."""

log = structlog.get_logger()


class Recordings:
    """See the module."""

    def __init__(
        self, cameras: Sequence[Camera], reader: VideoReader, intake: Intake, clock: Clock
    ) -> None:
        self._cameras = cameras
        self._reader = reader
        self._intake = intake
        self._clock = clock
        self._seen_ns: dict[str, int] = {}
        self._silent: set[str] = set()

    async def run(self) -> None:
        """Look every LOOK_S, for ever."""
        self.begin()
        while True:
            await self.look()
            await self._clock.sleep(LOOK_S)

    def begin(self) -> None:
        """From now on a camera has SILENT_S to show that it is recorded."""
        self._seen_ns = dict.fromkeys(
            [camera.id for camera in self._cameras], self._clock.mono_ns()
        )

    async def look(self) -> None:
        """Look once at what was recorded of late."""
        for camera in self._cameras:
            try:
                found = await self._newest_age_s(camera.id)
            except StoreError as error:
                log.debug("the video index cannot be read", why=str(error))
                found = None
            now = self._clock.mono_ns()
            if found is not None and found < SILENT_S:
                self._seen_ns[camera.id] = now - int(found * 1e9)
            self._tell(camera, (now - self._seen_ns[camera.id]) / 1e9)

    async def _newest_age_s(self, camera: str) -> float | None:
        now = self._clock.utc_ns()
        since = now - SILENT_S * 1_000_000_000
        located = await self._reader.segments(camera, since, now + SILENT_S * 1_000_000_000)
        ends = [each.segment.end_ns for each in located]
        return max(0.0, (now - max(ends)) / 1e9) if ends else None

    def _tell(self, camera: Camera, silent_s: float) -> None:
        silent = silent_s >= SILENT_S
        if silent is (camera.id in self._silent):
            return
        (self._silent.add if silent else self._silent.discard)(camera.id)
        self._intake.fault(
            f"video.{camera.id}",
            f"{camera.place} {camera.name} 没有录像 is not being recorded".strip(),
            active=silent,
            attributes={"camera": camera.id, "silent_s": int(silent_s)},
        )
