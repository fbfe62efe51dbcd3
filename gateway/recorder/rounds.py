"""What is done for the recordings again and again, beside the recording itself.

Owns    the rounds (repair, disks, room, retention, days, proof, requests) and what each found last.
Needs   gateway.store.video, disks.py and room.py for the findings, gateway.requests.
Keeps   1. A round that the disk fails is a finding and is tried again: it never ends the recording.
        2. One round's slowness is that round's.
"""

import asyncio
import dataclasses
import random
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import structlog

from gateway import requests
from gateway.config import Config
from gateway.errors import GatewayError, StoreError
from gateway.recorder import disks
from gateway.recorder.reporter import Reporter
from gateway.recorder.room import Room
from gateway.recorder.streams import Streams
from gateway.reports import Finding
from gateway.requests import Answer, Request
from gateway.store.video import Retention, VideoStore, Volume, forecast, index, prove, recover
from gateway.store.video.proof import Forecast
from gateway.store.video.retention import Refused
from gateway.store.video.timeline import NOTHING_YET, timeline
from gateway.store.video.volumes import read_marker
from gateway.store.video.workers import Workers
from gateway.words import SEE_LOG, Said, english

LOOK_S: Final = 5.0
EXPIRE_S: Final = 600.0
BETWEEN_S: Final = 0.01
BETWEEN_SHARE: Final = 0.25
"""Between two steps of a pass: a share of what the last one took, so that on a slow disk the others
have their part of it; a second would make a day of 64 cameras last three minutes."""
DAYS_S: Final = 300.0
DAYS_FIRST_S: Final = 10.0
PROVE_S: Final = 86_400.0
PROVE_BETWEEN_S: Final = 1.0
"""Between two cameras: reading 90 days of 64 of them in one go would slow down the start."""
REQUESTS_S: Final = 0.5
AGAIN_S: Final = 5.0
FAILED_S: Final = 60.0
UNKNOWN_S: Final = 60.0
REBUILT_S: Final = 86_400.0
"""How long it is told that an index was damaged."""
DAY_NS: Final = 86_400_000_000_000
PROCESS: Final = "video"

log = structlog.get_logger()
Handler = Callable[[Request], Awaitable[Answer]]


class Rounds:
    """See the module.

    handlers  what may be asked for by a command, by its word; others may add theirs
    progress  counts looks at the disks, for a watchdog
    """

    def __init__(
        self, config: Config, store: VideoStore, streams: Streams, reporter: Reporter
    ) -> None:
        self._config = config
        self._store = store
        self._streams = streams
        self._reporter = reporter
        self._clock = store.clock
        self._began_ns = self._clock.mono_ns()
        self._days_of = {each.recorder.camera: each.retention_days for each in streams.all}
        self._retention = Retention(store, config.store.retention_days, self._days_of)
        self._room = Room(store, self._retention, reporter)
        self._refused: Refused | None = None
        self._ahead: Forecast | None = None
        self._failing: dict[str, tuple[str, int]] = {}
        self._wrong: dict[str, str] = {}
        self._unknown_ns: int | None = None
        self._requests = Workers("video-requests")
        self.handlers: dict[str, Handler] = {"adopt": self._adopt}
        self.progress = 0

    @property
    def all(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Each by its name, to be run for ever."""
        return {
            "repair": self._repair,
            "disks": self._look,
            "retention": self._expire,
            "days": self._days,
            "proof": self._prove,
            "requests": self._take,
        }

    def close(self) -> None:
        """End the threads."""
        self._requests.stop()

    def guarded(
        self, name: str, part: Callable[[], Awaitable[None]]
    ) -> Callable[[], Awaitable[None]]:
        """Keep 1: StoreError, which ends the alarm process, is a finding here."""

        async def run() -> None:
            while True:
                try:
                    await part()
                except StoreError as error:
                    self._failing[name] = (str(error)[:300], self._clock.mono_ns())
                    log.error("a round failed", part=name, why=str(error), again_in_s=AGAIN_S)
                    self.progress += 1
                    self._reporter.changed()
                    await self._clock.sleep(AGAIN_S)
                else:
                    return

        return run

    def _failure(self) -> str | None:
        """Why a part failed of late; one that is not run into the wall again is forgotten."""
        since = self._clock.mono_ns() - int(FAILED_S * 1e9)
        self._failing = {name: told for name, told in self._failing.items() if told[1] > since}
        return next((why for why, _ in self._failing.values()), None)

    def streams_changed(self) -> None:
        """Other cameras are recorded now; what is there of former ones is kept as before."""
        days = {each.recorder.camera: each.retention_days for each in self._streams.all}
        self._days_of.update(days)

    def findings(self) -> Iterator[Finding]:
        """What is wrong with disks, index and days, worst first."""
        store, config = self._store, self._config
        yield from disks.of_volumes(store.volumes, config.folder)
        yield from self._room.findings()
        failure = store.connection.failure or self._failure()
        now = self._clock.mono_ns()
        told = store.told if now - self._began_ns < REBUILT_S * 1e9 else ()
        yield from disks.of_index(told, failure)
        if self._unknown_ns is not None and now - self._unknown_ns > UNKNOWN_S * 1e9:
            yield from disks.of_retention(Refused.HOLDS_UNKNOWN)
        if self._ahead is not None:
            days = config.store.retention_days
            yield from disks.of_forecast(self._ahead, config.video.warn_days, days)
        if self._refused is not Refused.HOLDS_UNKNOWN:
            yield from disks.of_retention(self._refused)
        for camera, wrong in self._wrong.items():
            called = self._streams.called(camera)
            yield Finding(
                f"video-proof.{camera}",
                Said(
                    f"{called.zh} 的旧录像抽查不符，请安装人员逐个核对",
                    f"an old recording of {called.en} is not as it was sealed; run verify:"
                    f" {english(wrong) or SEE_LOG}",
                ),
                {"camera": camera, "wrong": wrong},
            )

    # The rounds.

    async def _repair(self) -> None:
        found = await recover(self._store)
        log.info("what was left open is in order", **dataclasses.asdict(found))
        await asyncio.Event().wait()  # once is enough; a volume that comes back is looked at there

    async def _look(self) -> None:
        await self._room.begin()
        states = {volume: volume.state for volume in self._store.volumes.all}
        while True:
            await self._store.look()
            for volume in self._store.volumes.all:
                if volume.state is not states[volume]:
                    await self._changed(volume)
                states[volume] = volume.state
            self._streams.sample()
            await self._look_at_holds()
            await self._room.look()
            self.progress += 1
            await self._clock.sleep(LOOK_S)

    async def _look_at_holds(self) -> None:
        """Not known is told once it lasts: a new index is so until the alarms were asked."""
        if not await self._store.holds_are_unknown():
            self._unknown_ns = None
        elif self._unknown_ns is None:
            self._unknown_ns = self._clock.mono_ns()

    async def _changed(self, volume: Volume) -> None:
        log.warning("volume", path=str(volume.path), state=str(volume.state), why=volume.why)
        self._reporter.changed()
        if volume.is_usable:
            await recover(self._store)

    async def _expire(self) -> None:
        segments = size_bytes = 0
        while True:
            began_ns = self._clock.mono_ns()
            done = await self._retention.expire()
            self._refused = done.refused
            segments, size_bytes = segments + done.segments, size_bytes + done.size_bytes
            if done.more:
                took_s = (self._clock.mono_ns() - began_ns) / 1e9
                await self._clock.sleep(max(BETWEEN_S, BETWEEN_SHARE * took_s))
                continue
            if segments:
                log.info("video whose days are over", segments=segments, bytes=size_bytes)
            segments = size_bytes = 0
            await self._clock.sleep(EXPIRE_S)

    async def _days(self) -> None:
        """How far back video goes, what is missing of the last day, when the disks will be full."""
        pause_s = DAYS_FIRST_S
        while True:
            now = self._clock.utc_ns()
            for stream in self._streams.all:
                name = stream.recorder.camera
                stream.oldest_ns = await self._store.read(_oldest, name)
                from_ns = max(stream.oldest_ns or now, now - DAY_NS)
                told = await self._store.read(timeline, name, from_ns, now)
                whys: Counter[str] = Counter()
                for gap in told.gaps:
                    if gap.reason != NOTHING_YET:
                        whys[gap.reason] += gap.to_ns - gap.from_ns
                stream.missing_s = whys.total() // 1_000_000_000
                stream.missing_why = whys.most_common(1)[0][0] if whys else ""
            site_days = self._config.store.retention_days
            self._ahead = await forecast(self._store, site_days, self._days_of)
            await self._clock.sleep(pause_s)
            pause_s = DAYS_S

    async def _prove(self) -> None:
        """Once a day for every camera there is video of, also one that is no longer configured."""
        dice = random.Random()  # noqa: S311 which old file is read again
        site_days = self._config.store.retention_days
        days = self._days_of
        while True:
            known = await self._store.run(_cameras)
            for camera in sorted({*known, *days}):
                proof = await prove(self._store, camera, dice, days.get(camera, site_days))
                self._wrong.pop(camera, None)
                if proof.wrong is not None:
                    self._wrong[camera] = f"{proof.read}: {proof.wrong}"
                    self._reporter.changed()
                log.info(
                    "video of a camera",
                    camera=proof.camera,
                    oldest_ns=proof.oldest_ns,
                    missing_s=proof.missing_ns // 1_000_000_000,
                    gaps=len(proof.gaps),
                    wrong=proof.wrong,
                )
                await self._clock.sleep(PROVE_BETWEEN_S)
            await self._clock.sleep(PROVE_S)

    async def _take(self) -> None:
        """What commands ask for."""
        folder = self._config.store.path
        await self._requests.run(requests.prepare, folder, PROCESS)
        while True:
            for request in await self._requests.run(requests.take, folder, PROCESS, self._clock):
                handler = self.handlers.get(request.what)
                if handler is None:
                    said = Answer(ok=False, text=f"不认识 unknown request: {request.what}")
                else:
                    try:
                        said = await handler(request)
                    except GatewayError as error:
                        said = Answer(ok=False, text=str(error))
                log.warning("asked by a command", what=request.what, ok=said.ok, told=said.text)
                await self._requests.run(_answer, folder, request, said)
            await self._clock.sleep(REQUESTS_S)

    async def _adopt(self, request: Request) -> Answer:
        """Use the disk at a path from now on, if it is still the one that the person was shown."""
        path, shown = Path(str(request.values.get("path"))), request.values.get("uuid")
        volume = self._store.volumes.at(path)
        try:
            marker = await volume.workers.run(read_marker, path)
            device = (await volume.workers.run(path.stat)).st_dev
        except OSError as error:
            return Answer(ok=False, text=f"{error}; 什么也没有改 nothing was changed")
        found = None if marker is None else marker.uuid
        if found != shown or device != request.values.get("device"):
            text = "磁盘与刚才显示的不同，什么也没有改 not the disk shown; nothing was changed"
            return Answer(ok=False, text=text)
        await self._store.adopt(path)
        await recover(self._store)
        self._reporter.changed()
        state = f"{volume.state}" if volume.is_usable else f"{volume.state}: {volume.why}"
        return Answer(ok=volume.is_usable, text=f"{path}: {volume.uuid}, {state}")


def _oldest(db: sqlite3.Connection, camera: str) -> int | None:
    number = index.known_camera(db, camera)
    return None if number is None else index.oldest(db, number)


def _cameras(db: sqlite3.Connection) -> list[str]:
    return [name for _, name in index.cameras(db)]


def _answer(folder: Path, request: Request, said: Answer) -> None:
    requests.answer(folder, PROCESS, request, ok=said.ok, text=said.text)
