"""The guard room: whether an urgent alarm can be heard there, and what is done when it cannot.

Owns    which alarms call, the siren's orders, the fault `console.none`, entries that somebody's
        console shows an alarm.
Needs   rules/calls.py (which alarms call, pure), console/presence.py (who is there), siren.py (what
        sounds), the intake to listen to and to write with.
Keeps   1. A live urgent alarm that no console sounds within 3 s of its commit sounds here, whatever
           the browser, its loudspeaker or its network does (calls.py has the rules).
        2. Duress never sounds, and no answer, fault or number tells of it.
        3. After a restart every open alarm calls again until a console says that it sounds it.
        4. What a console said counts before it is on disk: a slow disk starts no siren.
        5. No console for NONE_S is a fault, where there are people or the site says that somebody
           watches; it ends when one is back.
Bound   a look each LOOK_S while an alarm is open, else each IDLE_S; SAID_MOST entries for an alarm.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final

from gateway.audit import Entry
from gateway.clock import Clock
from gateway.console.presence import Presence
from gateway.console.tokens import Identity
from gateway.events import Category, Kind, Mode
from gateway.intake import Intake
from gateway.metrics import Metrics
from gateway.rules.alarm import Alarm
from gateway.rules.calls import Calls
from gateway.rules.ledger import Ledger
from gateway.siren import Sounder
from gateway.store import Sealed
from gateway.words import Said

LOOK_S: Final = 0.5
IDLE_S: Final = 5.0
NONE_S: Final = 60.0
SAID_MOST: Final = 200
NONE: Final = "console.none"
URGENT: Final = 1


class GuardRoom:
    """See the module. Made before the intake runs.

    is_watched  whether somebody should be at a console: asked at each look, and quick
    """

    def __init__(
        self,
        intake: Intake,
        sounder: Sounder,
        presence: Presence,
        clock: Clock,
        is_watched: Callable[[], bool],
    ) -> None:
        self._intake = intake
        self._sounder = sounder
        self.presence = presence
        self._clock = clock
        self._is_watched = is_watched
        self._calls = Calls()
        self._touched: set[str] = set()
        self._said: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._gone_ns = 0
        self._is_none: bool | None = None
        presence.changed = self._wake.set
        intake.listen(self._committed)

    def _committed(self, records: Sequence[Sealed]) -> None:
        for record in records:
            if record.priority == URGENT and record.alarm_id and record.type[:6] == "alarm.":
                self._touched.add(record.alarm_id)
                self._wake.set()

    # What consoles say.

    async def shown(
        self, who: Identity, console: str, alarms: Iterable[str], *, sounding: bool, counts: bool
    ) -> None:
        """A console shows these alarms; returns when that is in the audit trail.

        console  a name for it that nobody else can have
        counts   whether it stands in the guard room, so that its sound is enough
        """
        self._refresh()
        named = [alarm_id for alarm_id in dict.fromkeys(alarms) if self._may_be_shown(alarm_id)]
        if counts:
            self.presence.said(console, sounding=sounding)
            self._wake.set()
        news = [
            alarm_id
            for alarm_id in named
            if self._calls.shown(
                alarm_id, console if counts else f"~{console}", sounding=counts and sounding
            )
        ]
        entries = [self._entry(who, console, each, sounding=sounding) for each in news]
        entries = [entry for entry in entries if self._count(entry.subject)]
        if entries:
            await self._intake.command(lambda ledger: _write(ledger, entries))

    def _may_be_shown(self, alarm_id: str) -> bool:
        return alarm_id in self._calls

    def _count(self, alarm_id: str) -> bool:
        self._said[alarm_id] = self._said.get(alarm_id, 0) + 1
        return self._said[alarm_id] <= SAID_MOST

    @staticmethod
    def _entry(who: Identity, console: str, alarm_id: str, *, sounding: bool) -> Entry:
        return Entry(
            who=who.name,
            role=str(who.role),
            from_address=who.address,
            action="alarm.shown",
            subject=alarm_id,
            # Its name lets somebody in: enough of it to tell two consoles apart.
            details={"sounding": sounding, "console": sha256(console.encode()).hexdigest()[:8]},
        )

    # The loop.

    async def run(self) -> None:
        """Look after the guard room, for ever."""
        self._begin()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sounder.run())
            while True:
                self._wake.clear()
                self.look()
                rest_s = self._rest_s()
                try:
                    async with asyncio.timeout(rest_s):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    def _begin(self) -> None:
        now = self._clock.mono_ns()
        self._gone_ns = now
        for alarm in self._intake.judge.book.all_open():
            if _is_urgent(alarm):
                self._calls.live(alarm.alarm_id, now, is_acknowledged=_is_seen(alarm))

    def look(self) -> None:
        """See what calls now, and who is there."""
        self._refresh()
        now = self._clock.mono_ns()
        consoles = self.presence.reading_now()
        is_heard = self.presence.has_sound()
        there = self.presence.is_there
        self._sounder.sound(self._calls.calling(now, there, consoles, is_heard=is_heard))
        self._look_for_consoles(now)

    def _refresh(self) -> None:
        """Take over what was committed of alarms since the last look."""
        now = self._clock.mono_ns()
        while self._touched:
            alarm_id = self._touched.pop()
            alarm = self._intake.judge.book.get(alarm_id)
            if alarm is None:
                self._calls.over(alarm_id)
                self._said.pop(alarm_id, None)
            elif _is_urgent(alarm):
                self._calls.live(alarm_id, now, is_acknowledged=_is_seen(alarm))

    def _rest_s(self) -> float:
        if not len(self._calls):
            return IDLE_S
        now = self._clock.mono_ns()
        due_ns = self._calls.next_ns(now)
        return LOOK_S if due_ns is None else min(LOOK_S, (due_ns - now) / 1e9)

    def _look_for_consoles(self, now: int) -> None:
        if self.presence.heard():
            self._gone_ns = now
        is_none = self._is_watched() and now - self._gone_ns >= NONE_S * 1e9
        if is_none is self._is_none:
            return
        self._is_none = is_none
        self._intake.fault(
            NONE,
            Said(
                "没有值班屏，报警只能靠警号和电话：打开控制台并登录，检查声音",
                "no console that can be heard: open the console, sign on, check its sound",
            ),
            active=is_none,
            attributes={"silent_s": int((now - self._gone_ns) / 1e9)} if is_none else {},
        )

    # Numbers.

    def gauges(self, metrics: Metrics) -> None:
        """Have the consoles among the numbers of this process."""
        metrics.gauge(
            "campus_consoles",
            "consoles that look on, by whether they can be heard",
            "sound",
            self.presence.counts,
        )


def _is_urgent(alarm: Alarm) -> bool:
    """Whether an alarm must be heard in the guard room; duress never (console.md section 4)."""
    return (
        alarm.priority == URGENT
        and alarm.mode == Mode.LIVE
        and alarm.category == Category.ALARM
        and alarm.kind != Kind.DURESS
    )


def _is_seen(alarm: Alarm) -> bool:
    return alarm.acknowledged_ns is not None


def _write(ledger: Ledger, entries: Sequence[Entry]) -> None:
    for entry in entries:
        ledger.audit(entry)
