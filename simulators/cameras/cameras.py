"""Many cameras in one process, and the beat that makes them send.

Owns    the one task that sends all media.
Keeps   1. Clips are there before the first connection is accepted.
        2. One task serves every stream: it looks at all of them each TICK_S, so cameras are never
           in step by more than that, and nobody has a timer of his own.
        3. Nothing is left when it ends: no task, no connection, no port.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from simulators.cameras.camera import Camera, LiveCamera

TICK_S: Final = 0.01


class Cameras:
    """Serve cameras while the context is open; `cams["gate"]` is one of them."""

    def __init__(self, cameras: Sequence[Camera | str]) -> None:
        made = [Camera(name=one) if isinstance(one, str) else one for one in cameras]
        if len({one.name for one in made}) != len(made):
            raise ValueError("two cameras have one name")
        self._settings = made
        self._live: dict[str, LiveCamera] = {}
        self._beat: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Load or encode the clips, then listen."""
        for settings in self._settings:
            camera = LiveCamera(settings)
            await asyncio.to_thread(camera.prepare)
            self._live[settings.name] = camera
        try:
            for camera in self._live.values():
                await camera.power_on()
        except OSError:
            await self._off()
            raise
        self._beat = asyncio.create_task(self._send())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Break every connection and stop."""
        if self._beat is not None:
            self._beat.cancel()
            with suppress(asyncio.CancelledError):
                await self._beat
        await self._off()

    def __getitem__(self, name: str) -> LiveCamera:
        """Return a camera by name."""
        return self._live[name]

    def __iter__(self) -> Iterator[LiveCamera]:
        """Go through all of them."""
        return iter(self._live.values())

    async def _off(self) -> None:
        for camera in self._live.values():
            await camera.power_off()

    async def _send(self) -> None:
        cameras = list(self._live.values())
        while True:
            await asyncio.sleep(TICK_S)
            now_s = time.monotonic()
            for camera in cameras:
                if camera.playing:
                    camera.tick(now_s)
