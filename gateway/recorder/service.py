"""`campus-gateway video`: every configured camera recorded, and what was recorded looked after.

Owns    the process: store and volumes, a recorder for each camera, the rounds of housekeeping.
Needs   gateway.config, gateway.store.video; camera.py for one stream, rounds.py for the rest,
        reporter.py for what the alarm process is told.
Keeps   1. Recording begins at once; repair of what a crash left runs beside it.
        2. One camera's end, or a round's, ends nothing else: each is run again after a pause.
        3. When told to stop, open segments are sealed before the index is closed.
"""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

import structlog

from gateway import logs
from gateway.clock import SystemClock
from gateway.config import Camera, Config
from gateway.errors import StoreError
from gateway.links.onvif.streams import StreamBook, Which
from gateway.pictures import client as pictures
from gateway.recorder import disks
from gateway.recorder.alarms import AlarmReader
from gateway.recorder.camera import SEGMENT_S, CameraRecorder
from gateway.recorder.changing import Changing
from gateway.recorder.child import PicturesChild
from gateway.recorder.keeping import Keeper
from gateway.recorder.moments import MomentKeeper
from gateway.recorder.reporter import Reporter
from gateway.recorder.rounds import Rounds
from gateway.recorder.streams import Stream, Streams
from gateway.store.video import VideoStore, Volumes
from gateway.supervise import keep_running, notify, told_to_stop

SEAL_S: Final = 20.0
MOVED_S: Final = 60.0
"""A disk that hangs may hold up a look for some time; for longer, systemd begins us again."""

log = structlog.get_logger()


async def run(config: Config) -> int:
    """Record until SIGTERM or SIGINT; returns the exit code."""
    logs.set_up(config.log.format, config.log.level)
    with told_to_stop() as stop:
        try:
            await Service(config).live(stop)
        except StoreError as error:
            log.error("the video store cannot be used; stopping", why=str(error))
            return 1
    return 0


class Service:
    """See the module; a watcher may look at its recorders and its store."""

    def __init__(self, config: Config, *, segment_s: float = SEGMENT_S) -> None:
        self._config = config
        self._segment_s = segment_s
        self._clock = SystemClock()
        self.recorders: list[CameraRecorder] = []
        self._make: Callable[[Config, Camera], list[Stream]]
        self.store: VideoStore | None = None

    async def live(self, stop: asyncio.Event) -> None:
        """Record until `stop` is set. Raises StoreError when the index cannot be opened."""
        config, clock = self._config, self._clock
        volumes = Volumes.open(config.volumes, site=config.site.id, clock=clock)
        self.store = store = await VideoStore.open(config.store.path, volumes, clock)
        for line in store.told:
            log.error("video store", told=line)
        reporter = Reporter(config.store.path, clock)
        try:
            await self._record(store, reporter, stop)
        finally:
            await _seal(store)
            await store.close()
            reporter.close()

    def _streams(self, store: VideoStore, reporter: Reporter) -> Streams:
        """A recorder for every stream of every camera."""

        def told(camera: str, recording: bool, why: str) -> None:  # noqa: FBT001 Told is positional
            reporter.changed()
            _told(camera, recording, why)

        book = StreamBook(self._config.store.path, self._clock)

        def make(config: Config, camera: Camera) -> list[Stream]:
            streams: list[Stream] = []
            days = camera.retention_days or config.store.retention_days
            both = [(camera.id, camera.stream, days)]
            if camera.sub is not None:
                both.append((camera.sub_id, camera.sub, camera.sub_retention_days))
            for name, settings, kept_days in both:
                is_sub = settings is camera.sub
                find = None
                if camera.onvif is not None:
                    which: Which = "sub" if is_sub else "main"
                    find = functools.partial(book.find, camera.id, camera.onvif, which)
                recorder = CameraRecorder(
                    name,
                    settings,
                    store,
                    self._clock,
                    told=told,
                    segment_s=self._segment_s,
                    find=find,
                )
                self.recorders.append(recorder)
                streams.append(Stream(camera, recorder, is_sub, kept_days))
            return streams

        self._make = make
        streams = [each for camera in self._config.cameras for each in make(self._config, camera)]
        return Streams(streams, self._config.video, self._clock)

    async def _record(self, store: VideoStore, reporter: Reporter, stop: asyncio.Event) -> None:
        streams = self._streams(store, reporter)
        rounds = Rounds(self._config, store, streams, reporter)
        alarms = AlarmReader(self._config.store.path)
        moments = MomentKeeper(
            store,
            functools.partial(pictures.still, self._config.store.path),
            keep_days=self._config.store.retention_days,
            called=streams.called,
        )
        child = PicturesChild(self._config.folder, self._clock)
        keeper = Keeper(store, alarms, self._config.cameras, self._config.video, moments)
        rounds.handlers["release"] = keeper.release
        reporter.sources += [keeper.findings, rounds.findings, streams.findings, moments.findings]
        reporter.cameras = streams.cameras
        reporter.volumes = functools.partial(disks.figures, store.volumes)
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            **rounds.all,
            "report": reporter.run,
            "holds": keeper.run,
            "stills": moments.run,
            "pictures": child.run,
            "watchdog": lambda: self._watchdog(rounds),
        }

        def run(name: str, recorder: CameraRecorder) -> Coroutine[Any, Any, None]:
            return keep_running(name, rounds.guarded(name, recorder.run), self._clock)

        def changed(cameras: Sequence[Camera]) -> None:
            self.recorders[:] = [
                each.recorder for each in streams.all if isinstance(each.recorder, CameraRecorder)
            ]
            rounds.streams_changed()
            keeper.change(cameras)
            reporter.changed()
            child.begin_anew()

        changing = Changing(self._config, streams, make=self._make, run=run, changed=changed)
        rounds.handlers["reload"] = changing.reload
        log.info("recording", streams=len(self.recorders), volumes=len(store.volumes.all))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(keep_running(name, rounds.guarded(name, part), self._clock))
                    for name, part in parts.items()
                ]
                changing.begin(group)
                notify("READY=1")
                await stop.wait()
                notify("STOPPING=1")
                log.info("stopping: open segments are sealed")
                for task in (*tasks, *changing.tasks):
                    task.cancel()
        finally:
            rounds.close()
            moments.close()
            await alarms.close()

    async def _watchdog(self, rounds: Rounds) -> None:
        """Tell systemd we live while pictures come in or, without cameras, disks are looked at."""
        seen, at_ns = (-1, -1), self._clock.mono_ns()
        while True:
            now = self._clock.mono_ns()
            moved = (rounds.progress, sum(each.state.pictures for each in self.recorders))
            if moved != seen:
                seen, at_ns = moved, now
            if now - at_ns < MOVED_S * 1e9:
                notify("WATCHDOG=1")
            await self._clock.sleep(5.0)


def _told(camera: str, recording: bool, why: str) -> None:  # noqa: FBT001 Told is positional
    if recording:
        log.info("camera is recorded", camera=camera)
    else:
        log.error("camera is not recorded", camera=camera, why=why)


async def _seal(store: VideoStore) -> None:
    """Seal what is open; what does not answer is repaired at the next start."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SEAL_S):
            await asyncio.gather(*(writer.seal("stopped") for writer in store.writers))
