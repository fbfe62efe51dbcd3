"""The console's way to video, put together: recordings, stills, the audit trail, reports.

Needs   gateway.playback, gateway.pictures' client; what the alarm process knows of reports.
Keeps   No error of one part reaches another in words that only the first one knows.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.clock import Clock
from gateway.config import Config
from gateway.console.video import VideoRoutes
from gateway.console.video_stills import NoStill, Picture, StillsDown
from gateway.console.video_views import Audit
from gateway.pictures.client import NoPicture, PicturesDown, still
from gateway.playback import Addresses, Playback
from gateway.reports import Report


def open_views(
    config: Config, audit: Audit, report: Callable[[str], Report | None], clock: Clock
) -> tuple[Playback, VideoRoutes]:
    """Playback of this installation and its routes; end() the first when the console is gone.

    report  the fresh report of a process, None when it is silent
    raises  StoreError when the key of the addresses cannot be had
    """
    folder = config.store.path
    playback = Playback(config.cameras, config.volumes, folder, clock)

    async def picture(camera: str, at_ns: int | None, width: int | None) -> Picture:
        try:
            return await still(folder, camera, at_ns, width)
        except NoPicture as error:
            raise NoStill(str(error)) from error
        except PicturesDown as error:
            raise StillsDown(str(error)) from error

    async def states() -> Mapping[str, Mapping[str, Any]]:
        found = report("video")
        return {} if found is None else found.cameras

    addresses = Addresses(folder, clock)
    return playback, VideoRoutes(playback, addresses, audit, picture, states, clock)
