"""Pictures of the moment: for each alarm and camera the still at or before the raise, kept.

Owns    which stills are still to come, and why some never will.
Needs   the pictures process (gateway.pictures.client), store/video/stills.py; .keeping tells of
        alarms. Nothing waits for a still: not the hold, not the recording, least of all the alarm.
Keeps   1. What is asked of it after a restart is asked again, and what is there already is not
           made twice: the note of a still is looked for first.
        2. A picture of the moment is the key picture whose group reaches beyond the raise. Until
           that group is on the disk it is asked for again, for WAIT_S in which the pictures
           process answered; then the best there is counts, if it is not EARLY_NS too early.
        3. A still that cannot be had is told, for TOLD_S, and never made up.
        4. Time in which the pictures process is away is no patience spent: it is asked again.
Bound   WANTED_MOST stills to come, FORGET_NS after the raise nobody asks any more; ASKED_MOST
        questions at once; the shelf's own bounds.
"""

import asyncio
import functools
import heapq
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from gateway.clock import Clock
from gateway.errors import StoreError, StoreFull
from gateway.events import Scalar
from gateway.pictures.client import NoPicture, PicturesDown, Still
from gateway.reports import Finding
from gateway.store.video import VideoStore
from gateway.store.video.names import DAY_NS, SECOND_NS
from gateway.store.video.stills import Shelf, note_of
from gateway.store.video.workers import Workers
from gateway.words import SEE_LOG, Said, english

WAIT_S: Final = 30.0
AGAIN_S: Final = 0.5
DOWN_S: Final = 1.0
FULL_S: Final = 30.0
EARLY_NS: Final = 60 * SECOND_NS
FORGET_NS: Final = DAY_NS
WANTED_MOST: Final = 5000
ASKED_MOST: Final = 4
TOLD_S: Final = 3600.0
TIDY_S: Final = 3600.0
TIDY_STEP: Final = 1000

log = structlog.get_logger()
Ask = Callable[[str, int], Awaitable[Still]]
"""(camera, at_ns): raises NoPicture, PicturesDown."""


@dataclass(slots=True)
class _Wanted:
    """One still to come; times monotonic.

    waited_s  patience spent so far, only while the pictures process answered
    best      the newest picture so far, from before the moment's group
    """

    alarm_id: str
    camera: str
    at_ns: int
    due_ns: int = 0
    waited_s: float = 0.0
    best: Still | None = None


@dataclass(frozen=True, slots=True)
class _Missed:
    why: str
    until_ns: int


class MomentKeeper:
    """Told by want(); run() does the rest; close() ends its thread."""

    def __init__(
        self,
        store: VideoStore,
        ask: Ask,
        *,
        keep_days: int,
        wait_s: float = WAIT_S,
        called: Callable[[str], Said] = lambda camera: Said(camera, camera),
    ) -> None:
        """Made by the service.

        called  how people call a camera, by the name it is recorded under
        """
        self._called = called
        self._folder = store.folder
        self._store = store
        self._clock: Clock = store.clock
        self._ask = ask
        self._keep_ns = keep_days * DAY_NS
        self._wait_s = wait_s
        self._wanted: dict[tuple[str, str], _Wanted] = {}
        self._missed: OrderedDict[tuple[str, str], _Missed] = OrderedDict()
        self._left_out = 0
        self._full = ""
        self._wake = asyncio.Event()
        self._workers = Workers("stills")
        self._shelf = Shelf(store.folder, self._held)
        self._tidied_ns: int | None = None

    def want(self, alarm_id: str, camera: str, at_ns: int) -> None:
        """A still of this camera at that time, for this alarm, if it is not there already."""
        key = (alarm_id, camera)
        if key in self._wanted or key in self._missed:
            return
        if self._clock.utc_ns() - at_ns > FORGET_NS:
            return
        if len(self._wanted) >= WANTED_MOST:
            self._left_out += 1  # the keeper's next pass asks again
            return
        self._wanted[key] = _Wanted(alarm_id, camera, at_ns)
        self._wake.set()

    def findings(self) -> list[Finding]:
        """Stills that cannot be had, one finding for each camera."""
        now_ns = self._clock.mono_ns()
        while self._missed and next(iter(self._missed.values())).until_ns <= now_ns:
            self._missed.popitem(last=False)
        found = []
        if self._full:
            full = Said(
                "警情照片存不下：请释放留证或加盘", "stills of alarms find no room: release holds"
            )
            found.append(Finding("video-stills", full, {"why": self._full}))
        if self._left_out:
            late = Said(
                "警情太多，部分照片稍后再存",
                "too many alarms at once: some of their stills come later",
            )
            found.append(Finding("video-stills-late", late, {"left_out": self._left_out}))
        newest: dict[str, tuple[str, str]] = {}
        count: Counter[str] = Counter()
        for (alarm_id, camera), missed in self._missed.items():
            newest[camera] = (alarm_id, missed.why)
            count[camera] += 1
        for camera, (alarm_id, why) in newest.items():
            name = self._called(camera)
            none = Said(
                f"警情当时没有 {name.zh} 的照片",
                f"an alarm has no still of {name.en}: {english(why) or SEE_LOG}",
            )
            said: dict[str, Scalar] = {"camera": camera, "alarm_id": alarm_id}
            said["missed"] = count[camera]
            found.append(Finding(f"video-still.{camera}", none, said))
        return found

    async def run(self) -> None:
        """Ask for what is wanted, for ever; ends by cancellation only."""
        while True:
            self._wake.clear()
            now_ns = self._clock.mono_ns()
            due = [each for each in self._wanted.values() if each.due_ns <= now_ns]
            if due:
                # The newest first: that alarm is what people look at now.
                chosen = heapq.nlargest(ASKED_MOST, due, key=lambda each: each.at_ns)
                await asyncio.gather(*(self._try(each) for each in chosen))
            elif self._wanted:
                await self._clock.sleep(AGAIN_S / 2)
            else:
                self._left_out = 0
                await self._tidy()
                try:
                    async with asyncio.timeout(TIDY_S):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    def close(self) -> None:
        """End the thread."""
        self._workers.stop()

    async def _try(self, wanted: _Wanted) -> None:
        if await self._on_shelf(note_of, self._folder, wanted.alarm_id, wanted.camera):
            self._done(wanted)
            return
        began_ns = self._clock.mono_ns()
        why = ""
        try:
            found = await self._ask(wanted.camera, wanted.at_ns)
        except NoPicture as error:
            why = str(error)
        except PicturesDown as error:
            log.debug("stills wait for the pictures process", why=str(error))
            self._later(wanted, DOWN_S)
            return
        else:
            if found.until_ns > wanted.at_ns:
                await self._keep(wanted, found)
                return
            if wanted.best is None or found.at_ns > wanted.best.at_ns:
                wanted.best = found
        self._later(wanted, AGAIN_S)
        wanted.waited_s += AGAIN_S + (self._clock.mono_ns() - began_ns) / 1e9
        if wanted.waited_s < self._wait_s:
            return
        best = wanted.best
        if best is not None and wanted.at_ns - best.at_ns <= EARLY_NS:
            await self._keep(wanted, best)
        else:
            self._miss(wanted, why or "no video of that moment")

    async def _keep(self, wanted: _Wanted, found: Still) -> None:
        put = functools.partial(
            self._shelf.put,
            wanted.alarm_id,
            wanted.camera,
            found.jpeg,
            wanted_ns=wanted.at_ns,
            at_ns=found.at_ns,
        )
        try:
            await self._on_shelf(put)
        except StoreError as error:
            log.error("a still of an alarm cannot be kept", camera=wanted.camera, why=str(error))
            self._full = str(error) if isinstance(error, StoreFull) else self._full
            wanted.best = found
            self._later(wanted, FULL_S)
            return
        self._full = ""
        self._done(wanted)
        log.info(
            "still of an alarm",
            alarm=wanted.alarm_id,
            camera=wanted.camera,
            early_ms=(wanted.at_ns - found.at_ns) // 1_000_000,
        )

    def _miss(self, wanted: _Wanted, why: str) -> None:
        self._done(wanted)
        log.error(
            "no still of an alarm", alarm=wanted.alarm_id, camera=wanted.camera, why=why[:300]
        )
        until_ns = self._clock.mono_ns() + int(TOLD_S * 1e9)
        self._missed[wanted.alarm_id, wanted.camera] = _Missed(why, until_ns)
        while len(self._missed) > WANTED_MOST:
            self._missed.popitem(last=False)

    def _later(self, wanted: _Wanted, seconds: float) -> None:
        """Ask again then; or no more."""
        wanted.due_ns = self._clock.mono_ns() + int(seconds * 1e9)
        if self._clock.utc_ns() - wanted.at_ns > FORGET_NS:
            self._miss(wanted, "the pictures process was away for a day")

    def _done(self, wanted: _Wanted) -> None:
        self._wanted.pop((wanted.alarm_id, wanted.camera), None)

    def _held(self) -> set[str]:
        """Alarms whose stills must stay; asked in the thread of the shelf."""
        return {alarm_id for alarm_id, _ in self._store.noted.holds}

    async def _tidy(self) -> None:
        """Once an hour: stills of alarms that were released and are old."""
        now_ns = self._clock.mono_ns()
        if self._tidied_ns is not None and (now_ns - self._tidied_ns) / 1e9 < TIDY_S:
            return
        self._tidied_ns = now_ns
        if self._clock.quality != "trusted":
            return
        older_ns = self._clock.utc_ns() - self._keep_ns
        try:
            if await self._store.holds_are_unknown():
                return
            gone = await self._on_shelf(
                functools.partial(self._shelf.remove, TIDY_STEP, older_than_ns=older_ns)
            )
        except (OSError, StoreError) as error:
            log.warning("old stills cannot be removed; tried again in an hour", why=str(error))
        else:
            if gone:
                log.info("stills whose days are over", stills=gone)

    async def _on_shelf(self, work: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401
        return await self._workers.run(work, *args)
