"""One camera, or one recorder with its cameras: asked for its events for as long as we live.

Owns    the conversation: who is asked what, in which order, and how long to wait after a failure.
Needs   gateway.links.onvif for the bytes, reading.py for their meaning.
Keeps   1. One answer is on the disk before the next is asked for (promise 1 as far as ONVIF goes:
           an answer that has left the camera is gone there; decision 0017 says what that loses).
        2. After anything that may have cost an event the camera is asked for every state it knows:
           nothing is normal before it says so (promise 5).
        3. A subscription is kept across a restart, so that what happens meanwhile waits in the
           camera. It is therefore not given back when we stop, but when its successor is there.
        4. Bounds: one question at a time, an answer of 1 MiB, 100 events, and a pause that grows
           from PAUSE_FIRST_S to PAUSE_MOST_S; RARELY_S after a refusal.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from pydantic import BaseModel, ConfigDict, Field

from drivers.onvif.reading import Meaning
from gateway import crash
from gateway.clock import Clock
from gateway.driver import Emit, LinkSettings, Notice, Recall, nothing_kept
from gateway.errors import LinkDown
from gateway.events import Arrival, Device
from gateway.links.onvif import names
from gateway.links.onvif.connection import Connection
from gateway.links.onvif.device import services
from gateway.links.onvif.errors import Fault, Refused
from gateway.links.onvif.events import Pulled
from gateway.links.onvif.pullpoint import MAX_MESSAGES, Lost, PullPoint
from gateway.links.onvif.settings import OnvifSettings, device_url
from gateway.profile import Profile

SCHEMES: Final = {"http": 80, "https": 443}
PAUSE_FIRST_S: Final = 0.5
PAUSE_MOST_S: Final = 30.0
RARELY_S: Final = 60.0
STABLE_S: Final = 30.0
STATES_S: Final = 30.0
"""After asking for all states, how long the camera has to say them."""
CLOCK_S: Final = 3600.0
CLOCK_OFF_S: Final = 10.0
"""A camera whose clock is further away than this is told: its times are evidence, too."""
ALIVE_S: Final = 10.0
BATCH: Final = 100
"""Events handed over at once; a camera may send more than it was asked for."""
IDLE_S: Final = 0.5
"""The least time between two answers without news: some cameras do not wait."""
SETTLED_S: Final = 10.0
"""A subscription that lives shorter than this is not replaced at once again."""
DRAIN_ROUNDS: Final = 100
MARK: Final = "subscription"
LOST: Final = "订阅丢失，其间的事件可能有遗漏 / subscription lost, events may be missing"

log = structlog.get_logger()


class Options(BaseModel):
    """Keys of a [[link]] of kind onvif beside the common ones.

    pull_seconds    the camera answers after so long without news; also how soon a dead one is seen
    initial_states  the camera says every state when asked. false for one that never does: a device
                    whose states stay unknown is then no fault
    """

    model_config = ConfigDict(extra="forbid")

    pull_seconds: float = Field(default=20.0, ge=1.0, le=60.0)
    initial_states: bool = True


class Driver:
    """See the module and gateway.driver.Driver."""

    def __init__(
        self,
        link: LinkSettings,
        devices: Sequence[Device],
        profiles: Mapping[str, Profile],
        clock: Clock,
    ) -> None:
        self._link = link
        self._clock = clock
        self._options = Options.model_validate(dict(link.options))
        self._meaning = Meaning(link.name, devices, profiles)
        self._first = devices[0].id if devices else None
        self._kept = ""
        self._clock_ns = self._alive_ns = self._asked_ns = self._made_ns = 0
        self._said: dict[str, str] = {}

    async def run(self, emit: Emit, notice: Notice, recall: Recall = nothing_kept) -> None:
        """Ask, for ever; the camera need not be there yet."""
        if self._first is not None:
            self._kept = recall(self._first, MARK) or ""
        pause = PAUSE_FIRST_S
        while True:
            began, rest = self._clock.mono_ns(), pause
            try:
                await self._session(emit, notice)
            except (LinkDown, Refused) as error:
                rest = RARELY_S if isinstance(error, Refused) else pause
                log.warning(
                    "camera's events lost; trying again",
                    link=self._link.name,
                    why=str(error),
                    again_in_s=round(rest, 1),
                )
                await self._say(notice, "link", str(error))
            if (self._clock.mono_ns() - began) / 1e9 > STABLE_S:
                pause, rest = PAUSE_FIRST_S, min(rest, PAUSE_FIRST_S)
            await self._clock.sleep(rest * random.uniform(0.5, 1.0))  # noqa: S311 jitter
            pause = min(pause * 2, PAUSE_MOST_S)

    def _settings(self) -> OnvifSettings:
        link = self._link
        return OnvifSettings(
            url=device_url(link.url),
            username=link.username,
            password=link.password,
            ca=link.ca,
        )

    async def _session(self, emit: Emit, notice: Notice) -> None:
        """Subscribe or resume, and pull until something breaks."""
        async with Connection(self._settings(), self._clock) as connection:
            await self._look_at_clock(connection, notice)
            where = (await services(connection)).urls.get(names.EVENTS)
            if where is None:
                raise LinkDown(
                    f"{connection.settings.where}: 没有事件服务，请在摄像机上打开 ONVIF 事件 / no "
                    "event service; switch ONVIF events on in the camera"
                )
            point = await self._begin(connection, where, emit, notice)
            await self._say(notice, "link")
            log.info("listening", link=self._link.name, kind="onvif")
            while True:
                await self._turn(point, emit, notice)
                await self._look_at_clock(connection, notice)

    async def _begin(
        self, connection: Connection, where: str, emit: Emit, notice: Notice
    ) -> PullPoint:
        """Take what waits in a subscription that was kept, then make a new one.

        The old one is never simply used again: a camera that was started anew counts from the
        beginning, and what was our address may be somebody else's by now. What happens between the
        first look and the new subscription is in the second look; what comes twice is a state that
        is said twice, or an occurrence too many rather than one too few.
        """
        pull_s = self._options.pull_seconds
        old = PullPoint(connection, where, self._clock, self._kept, pull_s=pull_s)
        point = PullPoint(connection, where, self._clock, pull_s=pull_s)
        resumed = await self._drain(old, emit, notice)
        if self._kept and not resumed:
            await self._say(notice, "subscription", LOST)
        try:
            await self._create(point, emit)
        except Fault:
            if not resumed:
                raise
            await old.unsubscribe()  # it may have had the last slot
            await self._create(point, emit)
        if old.is_there:
            await self._drain(old, emit, notice)
            await old.unsubscribe()
        await self._synchronize(point)
        await self._say(notice, "subscription")
        return point

    async def _drain(self, point: PullPoint, emit: Emit, notice: Notice) -> bool:
        """Take everything that waits; whether the subscription was still there."""
        if not point.is_there:
            return False
        try:
            for _ in range(DRAIN_ROUNDS):
                pulled = await point.pull(1.0)
                await self._hand_over(pulled, emit, notice)
                if len(pulled.notices) < MAX_MESSAGES:
                    break
        except Lost as lost:
            log.warning("subscription not resumed", link=self._link.name, why=str(lost))
            point.forget()
        return point.is_there

    async def _create(self, point: PullPoint, emit: Emit) -> None:
        """Subscribe, and remember it on the disk."""
        await point.create()
        self._made_ns = self._clock.mono_ns()
        self._kept = point.kept
        if self._first is not None:
            mark = (self._first, MARK, self._kept)
            await emit([Arrival(link=self._link.name, readings=[], marks=(mark,))])

    async def _synchronize(self, point: PullPoint) -> None:
        self._meaning.forget()
        self._asked_ns = self._clock.mono_ns()
        try:
            await point.synchronize()
        except (
            Lost
        ) as no:  # some cameras do not know the question: they say all states by themselves
            log.warning("camera does not say its states", link=self._link.name, why=str(no))

    async def _turn(self, point: PullPoint, emit: Emit, notice: Notice) -> None:
        """Pull once; a subscription that is gone is replaced at once, the second time later."""
        began = self._clock.mono_ns()
        try:
            pulled = await point.pull()
        except Lost as lost:
            log.warning("subscription lost", link=self._link.name, why=str(lost))
            if (began - self._made_ns) / 1e9 < SETTLED_S:
                raise LinkDown(str(lost)) from lost
            await self._say(notice, "subscription", LOST)
            await self._create(point, emit)
            await self._synchronize(point)
            try:
                pulled = await point.pull(1.0)
            except Lost as again:
                raise LinkDown(str(again)) from again
            await self._say(notice, "subscription")
        await self._hand_over(pulled, emit, notice)
        rest_s = IDLE_S - (self._clock.mono_ns() - began) / 1e9
        if not pulled.notices and rest_s > 0:
            await self._clock.sleep(rest_s)
        await point.renew()
        await self._look_at_states(notice)

    async def _hand_over(self, pulled: Pulled, emit: Emit, notice: Notice) -> None:
        now = self._clock.utc_ns()
        arrivals: list[Arrival] = []
        if self._is_due("_alive_ns", ALIVE_S):
            arrivals.append(self._meaning.alive(now))
        for each in pulled.notices:
            arrival = self._meaning.arrival(each, now)
            if arrival is not None:
                arrivals.append(arrival)
        crash.here("pull.before")
        for at in range(0, len(arrivals), BATCH):
            await emit(arrivals[at : at + BATCH])
        if pulled.notices or pulled.unread:
            count = pulled.unread
            text = f"{count} 条事件无法识别 / {count} events of the camera cannot be read"
            await self._say(notice, "events", text if pulled.unread else "")

    def _is_due(self, name: str, every_s: float) -> bool:
        now: int = self._clock.mono_ns()
        last: int = getattr(self, name)
        if last and now - last < every_s * 1e9:
            return False
        setattr(self, name, now)
        return True

    async def _say(self, notice: Notice, what: str, why: str = "") -> None:
        """Tell how something is when that changes, and once after each start; "" is well."""
        why = why[:200]
        before = self._said.get(what)
        if before is None or bool(before) is not bool(why):
            self._said[what] = why
            await notice(what, not why, why)

    async def _look_at_clock(self, connection: Connection, notice: Notice) -> None:
        """Measure the camera's clock at every session and once an hour; a wrong one is a fault."""
        first = connection.offset_ns is None
        if not self._is_due("_clock_ns", CLOCK_S) and not first:
            return
        offset_ns = await connection.measure()
        if offset_ns is None:
            return
        off_s = offset_ns / 1e9
        text = f"摄像机时钟偏差 {off_s:+.0f} 秒 / the camera's clock is off by {off_s:+.0f} s"
        await self._say(notice, "clock", "" if abs(off_s) <= CLOCK_OFF_S else text)

    async def _look_at_states(self, notice: Notice) -> None:
        """Tell of devices whose state the camera never says: a misspelt input would stay silent."""
        if not self._options.initial_states:
            await self._say(notice, "states")  # it may have been a fault before
            return
        silent = self._meaning.silent
        waited_s = (self._clock.mono_ns() - self._asked_ns) / 1e9
        if silent and waited_s > STATES_S:
            some = ", ".join(silent[:5]) + (" …" if len(silent) > 5 else "")
            text = (
                f"摄像机没有报告状态，请检查地址：{some}"
                f" / the camera says no state of {some}: check their addresses"
            )
            await self._say(notice, "states", text)
        elif not silent:
            await self._say(notice, "states")
