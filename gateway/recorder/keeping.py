"""The keeper: what alarms need of the recordings is held, derived from the alarm store alone.

Owns    which holds there have to be (decision 0013). The store keeps them (store/video/holds.py).
Needs   .alarms for the alarms, the video store for the holds; .moments is told of each alarm.
Keeps   1. A hold is there within LOOK_S and a moment of the alarm's commit, while both stores can
           be read and written; when they cannot, as soon as they can: no message can get lost.
        2. From the newest to the oldest, every alarm in the store has said its hold again after a
           start, after another store of alarms appeared, and every PASS_S; only then are holds that
           were lost with their index confirmed (V6), and not while a damaged store of alarms waits
           to be brought over. New alarms are looked at between two pages of that.
        3. A hold only grows: `before` the raise to `after` it, and on while the alarm is open, to
           `after` its end, `most` behind the raise at the latest. A person releases it.
Bound   one page of alarms in memory, and WATCHED_MOST that are open.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from gateway.clock import Clock
from gateway.config import Camera, VideoSettings
from gateway.errors import StoreError
from gateway.recorder.alarms import AlarmReader, Raised
from gateway.reports import Finding
from gateway.requests import Answer, Request
from gateway.store.recover import waiting_asides
from gateway.store.video import Hold, VideoStore, holds_of
from gateway.store.video.index import known_camera
from gateway.store.video.names import LAST_NS, SECOND_NS
from gateway.store.video.stills import is_alarm
from gateway.words import SEE_LOG, Said, english

LOOK_S: Final = 0.5
PASS_S: Final = 6 * 3600.0
STRIDE_NS: Final = 60 * SECOND_NS
"""A hold of an open alarm is extended once a minute, not at every look."""
PATIENCE_S: Final = 30.0
"""A store that cannot be read or written for longer is told."""
WATCHED_MOST: Final = 20_000

log = structlog.get_logger()


class Moments(Protocol):
    """Who keeps the pictures of the moment (.moments)."""

    def want(self, alarm_id: str, camera: str, at_ns: int) -> None:
        """An alarm was raised then, and that camera may have seen it."""


@dataclass(slots=True)
class _Open:
    """An open alarm whose hold goes on."""

    alarm: Raised
    to_ns: int


class Keeper:
    """Run it beside the recording; findings() says what a person has to know."""

    def __init__(
        self,
        store: VideoStore,
        alarms: AlarmReader,
        cameras: Sequence[Camera],
        settings: VideoSettings,
        moments: Moments,
    ) -> None:
        self._store = store
        self._alarms = alarms
        self._clock: Clock = store.clock
        self._cameras = {camera.id: camera for camera in cameras}
        self._moments = moments
        self._before_ns = settings.hold_before_s * SECOND_NS
        self._after_ns = settings.hold_after_s * SECOND_NS
        self._most_ns = settings.hold_most_h * 3600 * SECOND_NS
        self._open: dict[str, _Open] = {}
        self._generation = -1
        self._newest = self._back = 0
        self._passed_ns: int | None = None
        self._strangers: set[str] = set()
        self._sound_ns = self._clock.mono_ns()
        self._failure = ""
        self._unknown = False
        self.looks = 0

    def change(self, cameras: Sequence[Camera]) -> None:
        """These are recorded from now on; what is held of others stays held."""
        self._cameras = {camera.id: camera for camera in cameras}

    async def run(self) -> None:
        """Look for ever; ends by cancellation only."""
        while True:
            more = False
            try:
                more = await self.look()
            except StoreError as error:
                self._failed(error)
            else:
                self._sound_ns, self._failure = self._clock.mono_ns(), ""
            self.looks += 1
            await self._clock.sleep(0.0 if more else LOOK_S)

    def findings(self) -> list[Finding]:
        """What is wrong now, worst first."""
        found: list[Finding] = []
        if self._failure and (self._clock.mono_ns() - self._sound_ns) / 1e9 > PATIENCE_S:
            said = Said(
                "警情录像无法留证，一直在重试",
                f"video of alarms cannot be held, tried again: {english(self._failure) or SEE_LOG}",
            )
            found.append(Finding("video-keeping", said))
        return found

    async def release(self, request: Request) -> Answer:
        """End an alarm's hold, because a person asked for it (campus-gateway video release).

        Its row, its notes and the stills stay until they are old; whoever asked has noted why.
        raises  StoreError: nothing is released, ask again
        """
        said = {name: str(request.values.get(name) or "") for name in ("alarm_id", "who", "reason")}
        alarm_id = said["alarm_id"]
        if not is_alarm(alarm_id) or not said["reason"].strip():
            return Answer(ok=False, text="缺警情号或原因 an alarm's id and a reason are needed")
        if any(alarm.closed_ns is None for alarm in await self._alarms.those([alarm_id])):
            text = "警情未关闭，先关闭它 the alarm is open: close it first; nothing was released"
            return Answer(ok=False, text=text)
        if not await self._store.run(holds_of, alarm_id):
            return Answer(ok=False, text=f"没有留证 nothing is held for {alarm_id}")
        await self._store.release(alarm_id, who=said["who"], reason=said["reason"])
        self._open.pop(alarm_id, None)
        log.warning("a person released the video of an alarm", **said)
        text = f"已放行，到期后删除 released; it goes when it is old: {alarm_id}"
        return Answer(ok=True, text=text)

    async def look(self) -> bool:
        """Look once at what is new, and at one page of what is old; returns whether more waits.

        raises  StoreError: alarms cannot be read or holds not written; nothing is passed over
        """
        await self._begin_if_another()
        more = await self._look_at_new()
        await self._look_at_open()
        return await self._look_back() or more

    async def _begin_if_another(self) -> None:
        newest = await self._alarms.newest_seq()
        due = (
            self._passed_ns is not None and (self._clock.mono_ns() - self._passed_ns) / 1e9 > PASS_S
        )
        if self._generation == self._alarms.generation and not due:
            return
        self._generation = self._alarms.generation
        self._newest = self._back = newest
        self._passed_ns = None
        self._unknown = await self._store.holds_are_unknown()

    async def _look_at_new(self) -> bool:
        raised, last = await self._alarms.after(self._newest)
        await self._keep(raised)
        self._newest, more = last, last != self._newest
        return more

    async def _look_back(self) -> bool:
        """One page of the pass over all alarms, newest first."""
        if self._passed_ns is not None:
            return False
        raised, self_back = await self._alarms.upto(self._back)
        await self._keep(raised)
        self._back = self_back
        if self._back:
            return True
        if self._unknown and not waiting_asides(self._store.folder):
            await self._store.confirm_holds()
            self._unknown = False
            log.info("every alarm has said its hold again; retention goes on")
        if not self._unknown:
            self._passed_ns = self._clock.mono_ns()
        else:  # what is brought over of a damaged store has not been looked at yet
            self._back = await self._alarms.newest_seq()
        return False

    async def _look_at_open(self) -> None:
        """Extend the holds of what is open, and end those of what was closed."""
        if not self._open:
            return
        still_open = await self._alarms.open_ids()
        closed = [alarm_id for alarm_id in self._open if alarm_id not in still_open]
        await self._keep(await self._alarms.those(closed))
        for alarm_id in closed:
            self._open.pop(alarm_id, None)  # its row is gone when another store was begun
        now_ns = self._clock.utc_ns()
        due = [each for each in self._open.values() if each.to_ns - now_ns < self._after_ns]
        wanted = [(each, self._end_of(each.alarm, now_ns)) for each in due]
        holds = [
            hold
            for each, to_ns in wanted
            for hold in await self._holds(each.alarm, to_ns)
            if to_ns > each.to_ns
        ]
        if holds:
            await self._store.hold_all(holds)
        for each, to_ns in wanted:
            if to_ns >= each.alarm.raised_ns + self._most_ns:
                log.warning(
                    "an alarm is open for very long; its hold is extended no more",
                    alarm=each.alarm.alarm_id,
                )
                self._open.pop(each.alarm.alarm_id, None)
            each.to_ns = max(each.to_ns, to_ns)

    async def _keep(self, alarms: Iterable[Raised]) -> None:
        """Have these alarms' video held, with one write for all of them."""
        now_ns = self._clock.utc_ns()
        kept = [(alarm, self._end_of(alarm, now_ns)) for alarm in alarms if alarm.cameras]
        holds = [hold for alarm, to_ns in kept for hold in await self._holds(alarm, to_ns)]
        if holds:
            grown = await self._store.hold_all(holds)
            if grown:
                log.info("video of alarms is held", alarms=len(kept), holds=grown)
        for alarm, to_ns in kept:
            for name in alarm.cameras:
                if name in self._cameras:
                    self._moments.want(alarm.alarm_id, name, alarm.raised_ns)
            is_watched = alarm.closed_ns is None and to_ns < alarm.raised_ns + self._most_ns
            if is_watched and len(self._open) < WATCHED_MOST:
                self._open[alarm.alarm_id] = _Open(alarm, to_ns)

    def _end_of(self, alarm: Raised, now_ns: int) -> int:
        """Until when an alarm's video is held, as far as is known now."""
        first = alarm.raised_ns + self._after_ns
        last = max(first, alarm.raised_ns + self._most_ns)
        if alarm.closed_ns is not None:
            return min(max(first, alarm.closed_ns + self._after_ns), last)
        if now_ns + self._after_ns <= first + STRIDE_NS // 2:
            return first
        return min(now_ns + self._after_ns + STRIDE_NS, last)

    async def _holds(self, alarm: Raised, to_ns: int) -> list[Hold]:
        from_ns = max(alarm.raised_ns - self._before_ns, 0)
        names: list[str] = []
        for name in alarm.cameras:
            camera = self._cameras.get(name)
            if camera is not None:
                names += [name] if camera.sub is None else [name, camera.sub_id]
            elif await self._is_known(name):
                names.append(name)
        return [Hold(alarm.alarm_id, name, from_ns, min(to_ns, LAST_NS)) for name in names]

    async def _is_known(self, name: str) -> bool:
        """Whether a camera that is not in the configuration was ever recorded; told once if not."""
        if await self._store.run(known_camera, name) is not None:
            return True
        if name not in self._strangers:
            self._strangers.add(name)
            log.warning(
                "an alarm names a camera that is not recorded; nothing is held of it", camera=name
            )
        return False

    def _failed(self, error: StoreError) -> None:
        if str(error) != self._failure:
            log.warning("holds of alarms have to wait; tried again", why=str(error))
        self._failure = str(error)
