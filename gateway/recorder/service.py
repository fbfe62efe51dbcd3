"""`campus-gateway video`: every configured camera recorded, and what was recorded looked after.

Owns    the process: store and volumes, a recorder for each camera, the rounds of housekeeping.
Needs   gateway.config, gateway.store.video, camera.py.
Keeps   1. Recording begins at once; repair of what a crash left runs beside it.
        2. One camera's end, or a round's, ends nothing else: each is run again after a pause.
        3. When told to stop, open segments are sealed before the index is closed.
        4. Room on a full volume is made only behind a line that says what goes and why.
"""

import asyncio
import contextlib
import dataclasses
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import structlog

from gateway import logs
from gateway.clock import SystemClock
from gateway.config import Config
from gateway.errors import StoreError
from gateway.recorder.camera import CameraRecorder
from gateway.recorder.child import PicturesChild
from gateway.store.video import Retention, VideoStore, Volumes, forecast, prove, recover
from gateway.store.video import State as VolumeState
from gateway.supervise import keep_running

LOOK_S: Final = 5.0
EXPIRE_S: Final = 600.0
PROVE_S: Final = 86_400.0
ROOM_BYTES: Final = 2 * 1024**3
"""Made at once on a volume that is full."""
SEAL_S: Final = 20.0
FULL_SOON_DAYS: Final = 7

log = structlog.get_logger()


async def run(config: Config) -> int:
    """Record until SIGTERM or SIGINT; returns the exit code."""
    logs.set_up(config.log.format, config.log.level)
    stop = asyncio.Event()
    with _signals(stop):
        try:
            await Service(config).live(stop)
        except StoreError as error:
            log.error("the video store cannot be used; stopping", why=str(error))
            return 1
    return 0


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    try:
        yield
    finally:
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(name)


class Service:
    """See the module."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._clock = SystemClock()
        self.recorders: list[CameraRecorder] = []

    async def live(self, stop: asyncio.Event) -> None:
        """Record until `stop` is set. Raises StoreError when the index cannot be opened."""
        config, clock = self._config, self._clock
        volumes = Volumes.open(config.volumes, site=config.site.id, clock=clock)
        store = await VideoStore.open(config.store.path, volumes, clock)
        for line in store.told:
            log.error("video store", told=line)
        try:
            self.recorders = [
                CameraRecorder(camera.id, camera.stream, store, clock, told=_told)
                for camera in config.cameras
            ]
            await self._record(store, stop)
        finally:
            await _seal(store)
            await store.close()

    async def _record(self, store: VideoStore, stop: asyncio.Event) -> None:
        days = {c.id: c.retention_days for c in self._config.cameras if c.retention_days}
        retention = Retention(store, self._config.store.retention_days, days)
        rounds: dict[str, Callable[[], Awaitable[None]]] = {
            "repair": lambda: self._repair(store),
            "volumes": lambda: self._look(store, retention),
            "retention": lambda: self._expire(retention),
            "proof": lambda: self._prove(store),
            "pictures": PicturesChild(self._config.folder, self._clock).run,
        }
        for recorder in self.recorders:
            rounds[f"camera.{recorder.camera}"] = recorder.run
        log.info("recording", cameras=len(self.recorders), volumes=len(store.volumes.all))
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(keep_running(name, part, self._clock))
                for name, part in rounds.items()
            ]
            await stop.wait()
            log.info("stopping: open segments are sealed")
            for task in tasks:
                task.cancel()

    async def _repair(self, store: VideoStore) -> None:
        found = await recover(store)
        log.info("what was left open is in order", **dataclasses.asdict(found))
        await asyncio.Event().wait()  # once is enough; a volume that comes back is looked at there

    async def _look(self, store: VideoStore, retention: Retention) -> None:
        was = {volume: volume.state for volume in store.volumes.all}
        while True:
            await store.look()
            for volume in store.volumes.all:
                if volume.state is not was[volume]:
                    log.warning("volume", path=str(volume.path), state=str(volume.state))
                    if volume.is_usable:
                        await recover(store)
                was[volume] = volume.state
                if volume.state is VolumeState.FULL:
                    plan = await retention.plan_room(volume, ROOM_BYTES)
                    log.error("no room for video", told=plan.told, younger=plan.is_short)
                    await retention.make_room(plan)
            await self._clock.sleep(LOOK_S)

    async def _expire(self, retention: Retention) -> None:
        while True:
            done = await retention.expire()
            if done.segments:
                log.info("video whose days are over", segments=done.segments, bytes=done.size_bytes)
            if done.refused is not None:
                log.warning("no video is removed for its age", why=str(done.refused))
            await self._clock.sleep(1.0 if done.more else EXPIRE_S)

    async def _prove(self, store: VideoStore) -> None:
        """Once a day: what there is of each camera, and when the disks will be full."""
        dice = random.Random()  # noqa: S311 which old file is read again
        while True:
            for recorder in self.recorders:
                proof = await prove(store, recorder.camera, dice, self._config.store.retention_days)
                log.info(
                    "video of a camera",
                    camera=proof.camera,
                    oldest_ns=proof.oldest_ns,
                    missing_s=proof.missing_ns // 1_000_000_000,
                    gaps=len(proof.gaps),
                    wrong=proof.wrong,
                )
            ahead = await forecast(store, self._config.store.retention_days)
            soon = ahead.full_in_days is not None and ahead.full_in_days < FULL_SOON_DAYS
            (log.error if soon else log.info)("room for video", **dataclasses.asdict(ahead))
            await self._clock.sleep(PROVE_S)


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
