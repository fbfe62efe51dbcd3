"""Cameras that come, change and go while the others are recorded on without a gap.

Owns    the tasks of the recorders, and the answer to the request "reload".
Needs   gateway.config for what the files say now; streams, rounds and keeper, which learn of it.
Keeps   1. Only streams that are others now are ended, each with its open segment sealed; no other
           recorder notices.
        2. A configuration with a fault changes nothing.
        3. What is not about cameras (disks, times of holds, the store) takes a start of the
           service, and the answer says so.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from gateway.config import Camera, Config, load_config
from gateway.errors import ConfigError
from gateway.recorder.camera import CameraRecorder
from gateway.recorder.streams import Stream, Streams
from gateway.requests import Answer, Request

log = structlog.get_logger()

Run = Callable[[str, CameraRecorder], Coroutine[Any, Any, None]]


class Changing:
    """See the module.

    make     recorders for both streams of a camera
    run      what keeps a recorder running, for ever
    changed  told the cameras once they are others
    """

    def __init__(
        self,
        config: Config,
        streams: Streams,
        *,
        make: Callable[[Config, Camera], Sequence[Stream]],
        run: Run,
        changed: Callable[[Sequence[Camera]], None],
    ) -> None:
        self._config = config
        self._streams = streams
        self._make = make
        self._run = run
        self._changed = changed
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Run every recorder in this group, and those that come."""
        self._group = group
        for stream in self._streams.all:
            self._start(stream)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The recorders that run."""
        return list(self._tasks.values())

    def _start(self, stream: Stream) -> None:
        assert self._group is not None  # noqa: S101 begin() was called
        recorder = stream.recorder
        assert isinstance(recorder, CameraRecorder)  # noqa: S101 what make() makes
        name = f"camera.{recorder.camera}"
        self._tasks[recorder.camera] = self._group.create_task(self._run(name, recorder))

    async def reload(self, _request: Request) -> Answer:
        """Take up the cameras of the files as they are now."""
        before = self._config
        try:
            config = await asyncio.to_thread(load_config, before.folder)
        except ConfigError as error:
            return Answer(ok=False, text=f"没有改变 nothing was changed: {error.faults[0]}")
        was = {camera.id: camera for camera in before.cameras}
        now = {camera.id: camera for camera in config.cameras}
        same = {name for name in was.keys() & now.keys() if was[name] == now[name]}
        kept = [stream for stream in self._streams.all if stream.camera.id in same]
        ended = [stream for stream in self._streams.all if stream.camera.id not in same]
        tasks = [self._tasks.pop(stream.recorder.camera) for stream in ended]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)  # each seals its segment
        fresh = [
            stream
            for camera in config.cameras
            if camera.id not in same
            for stream in self._make(config, camera)
        ]
        self._streams.change([*kept, *fresh])
        self._config = config
        self._changed(config.cameras)
        for stream in fresh:
            self._start(stream)
        log.info("cameras taken up", same=len(same), ended=len(ended), begun=len(fresh))
        text = f"录像:{len(same)} 台不变，{len(now) - len(same)} 台新录 cameras recorded anew"
        if (before.volumes, before.video, before.store) != (
            config.volumes, config.video, config.store,
        ):  # fmt: skip
            text += ";磁盘与时间要重启录像服务才生效 disks and times take a restart of the service"
        return Answer(ok=True, text=text)
