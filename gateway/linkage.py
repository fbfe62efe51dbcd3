"""Interlocks at work: a committed gas alarm closes its valve, and the proof is written down.

Owns    one loop for each interlock, the tasks in which valves are moved, and how far closes have
        been proved (a mark in the store, beside the record that proves it).
Needs   interlock.py for every decision, lookout.py for what is known, commanding.py for the driver,
        the intake to listen to and to write with. Nothing waits for it: the intake leaves a note.
Keeps   1. Whatever the process dies of between an alarm and its proof, the next start finds the
           alarm open and unproved and closes the valve again: closing twice harms nobody.
        2. A close stops an opening that is on its way, first.
        3. A close that is not proved is an alarm (kind gas, priority 1, latched) at the valve's
           point "interlock", in the same transaction as its record; proved, it is restored.
        4. Only alarms of mode live move a valve. What a drill, a test or a device's old log would
           have closed is said in a record, and nothing is written to any device.
        5. Bounds: a look each LOOK_S, an attempt each 10 s (0.5 s in the first GRACE_S of a life,
           while links come up), a record of an unchanged failure each REPEAT_S.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

import orjson
import structlog

from gateway import crash
from gateway.clock import Clock
from gateway.commanding import Commanding
from gateway.config import Interlock
from gateway.driver import Outcome
from gateway.events import Kind, Mode, Reading, Scalar
from gateway.intake import Intake
from gateway.interlock import AGAIN_S, Decision, Guard, Person
from gateway.lookout import UNPROVED, Lookout
from gateway.rules.ledger import Ledger
from gateway.store import Sealed, Store
from gateway.supervise import keep_running

LOOK_S: Final = 1.0
GRACE_S: Final = 5.0
GRACE_AGAIN_S: Final = 0.5
REPEAT_S: Final = 60.0
MARK: Final = "interlock"
BEGINS: Final = frozenset({"alarm.raised", "alarm.repeated"})
MATTERS: Final = BEGINS | {"alarm.restored", "fault.raised", "fault.restored"}
T = TypeVar("T")
log = structlog.get_logger()


@dataclass(slots=True)
class _Post:
    """One interlock: its guard, and what its loop works with.

    rehearsed  (alarm id, mode) of alarms that were not live and are still to be told
    told       (state, when) of the newest record of an attempt
    """

    guard: Guard
    lookout: Lookout
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    opening: "asyncio.Task[Outcome] | None" = None
    rehearsed: list[tuple[str, str]] = field(default_factory=list)
    told: tuple[str, int] = ("", 0)

    @property
    def rule(self) -> Interlock:
        return self.guard.rule


class Linkage:
    """See the module. run() keeps every interlock; the rest is for people's commands.

    failed  told when an interlock's loop broke: part name, sentence
    """

    def __init__(
        self,
        interlocks: Sequence[Interlock],
        commanding: Commanding,
        intake: Intake,
        store: Store,
        clock: Clock,
        gateway_id: str,
    ) -> None:
        self._commanding = commanding
        self._intake = intake
        self._store = store
        self._clock = clock
        self._gateway_id = gateway_id
        self._began_ns = clock.mono_ns()
        self._group: asyncio.TaskGroup | None = None
        self._by_valve = {
            rule.valve: _Post(Guard(rule), Lookout(rule, intake.judge, commanding.devices))
            for rule in interlocks
        }
        self._by_device: dict[str, list[_Post]] = {}
        for post in self._by_valve.values():
            for device in dict.fromkeys(device for device, _ in post.rule.watched):
                self._by_device.setdefault(device, []).append(post)
        self.progress = 0
        if interlocks:
            intake.listen(self._committed)

    async def run(self, failed: Callable[[str, str], None] = lambda _part, _why: None) -> None:
        """Stand guard for ever; one interlock that breaks does not stop the others."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for post in self._by_valve.values():
                name = f"interlock.{post.rule.name}"
                group.create_task(
                    keep_running(
                        name, partial(self._stand, post), self._clock, partial(failed, name)
                    )
                )
            try:
                while True:
                    self.progress += 1
                    await self._clock.sleep(LOOK_S)
            finally:
                self._group = None

    @property
    def is_running(self) -> bool:
        """Whether spawn() may be called: not before run(), and not while it begins anew."""
        return self._group is not None

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run what must go on when whoever asked has left; it must not raise."""
        assert self._group is not None  # noqa: S101 see is_running
        return self._group.create_task(work)

    # What was committed.

    def _committed(self, records: Sequence[Sealed]) -> None:
        """See Intake.listen: leave notes for the loops, quickly."""
        for record in records:
            if record.type not in MATTERS:
                continue
            posts = self._by_device.get(record.device, ())
            if posts:
                self._heard(record, posts)
            elif record.device == self._gateway_id and record.type == "fault.raised":
                self._trouble(record)

    def _heard(self, record: Sealed, posts: Sequence[_Post]) -> None:
        body = orjson.loads(record.body)
        key = (record.device, body["data"]["point"])
        now = self._clock.mono_ns()
        for post in posts:
            if record.type in BEGINS and key in post.rule.watched:
                if body["mode"] == Mode.LIVE:
                    post.guard.alarmed(record.seq, record.alarm_id or "", now)
                elif record.type == "alarm.raised":
                    post.rehearsed.append((record.alarm_id or "", body["mode"]))
            if record.type == "fault.raised":
                post.lookout.doubt(record.device)
            mine = [each for each in post.rule.watched if each[0] == record.device]
            post.guard.interrupted(mine)
            post.wake.set()

    def _trouble(self, record: Sealed) -> None:
        """A fault of ours: when it is a link's, what comes over that link was interrupted."""
        link = orjson.loads(record.body)["data"]["attributes"].get("link")
        for device, posts in self._by_device.items():
            if self._commanding.devices[device].link == link:
                for post in posts:
                    post.lookout.doubt(device)
                    post.guard.interrupted(post.rule.watched)

    # The loop of one interlock.

    async def _stand(self, post: _Post) -> None:
        await self._take_up(post)
        while True:
            post.wake.clear()
            self._look(post)
            guard = post.guard
            while post.rehearsed:
                await self._rehearse(post, *post.rehearsed[0])
                del post.rehearsed[0]
            if guard.is_owed and guard.attempts and not post.lookout.is_open():
                log.warning("the gas alarm is over; no more attempts", interlock=post.rule.name)
                guard.let_go()
            due_s = guard.due_in_s(self._clock.mono_ns())
            if due_s == 0.0:
                await self._close(post)
                continue
            try:
                async with asyncio.timeout(min(LOOK_S, LOOK_S if due_s is None else due_s)):
                    await post.wake.wait()
            except TimeoutError:
                continue

    async def _take_up(self, post: _Post) -> None:
        """Begin from what is on disk: every open watched alarm without its proof is owed a close.

        One that is still active is owed it in any case: nobody knows what moved the valve since.
        """
        judge = self._intake.judge
        mark = int(judge.recall(post.rule.valve, MARK) or 0)
        post.guard = Guard(post.rule, proved_seq=mark)
        post.lookout = Lookout(post.rule, judge, self._commanding.devices)
        now = self._clock.mono_ns()
        for key in post.rule.watched:
            alarm = judge.book.open_at(*key)
            if alarm is None or alarm.mode != Mode.LIVE:
                continue
            rows = await self._store.read(
                "SELECT seq, body FROM record WHERE alarm_id = ? AND seq > ? ORDER BY seq",
                alarm.alarm_id,
                mark,
            )
            begun = [seq for seq, body in rows if _type_of(body) in BEGINS]
            if alarm.active:
                begun.append(self._intake.journal.seq)
            if begun:
                log.warning(
                    "an open alarm whose valve was not proved closed: closing",
                    interlock=post.rule.name, device=key[0], point=key[1],
                )  # fmt: skip
                post.guard.alarmed(max(begun), alarm.alarm_id, now)

    def _look(self, post: _Post) -> None:
        now = self._clock.mono_ns()
        post.guard.look(now)
        for key in post.rule.watched:
            post.guard.seen(key, post.lookout.seen(key), now)

    # Closing.

    async def _close(self, post: _Post) -> None:
        rule, guard = post.rule, post.guard
        seq, cause, attempt = guard.begin(), guard.cause, guard.attempts
        await self._stop_opening(post)
        crash.here("interlock.close")
        outcome = await self._commanding.tell(rule.valve, rule.close)
        crash.here("interlock.closed")
        proved = outcome.state == "done"
        now = self._clock.mono_ns()
        if not proved and now - self._began_ns < GRACE_S * 1e9:
            guard.ended(seq, proved=False, now_ns=now, again_s=GRACE_AGAIN_S)
            log.info("links are coming up; the close is tried again", interlock=rule.name,
                     why=outcome.why, again_in_s=GRACE_AGAIN_S)  # fmt: skip
            return
        guard.ended(seq, proved=proved, now_ns=now)
        if not proved:
            log.error("the valve is not proved closed", interlock=rule.name, valve=rule.valve,
                      why=outcome.why, attempt=attempt, again_in_s=AGAIN_S)  # fmt: skip
        attributes: dict[str, Scalar | None] = {
            "by": "gateway",
            "interlock": rule.name,
            "cause": cause,
            "attempt": attempt,
        }
        state = "done" if proved else "failed"  # an echo is no proof
        state_told, told_ns = post.told
        tell = state != state_told or now - told_ns > REPEAT_S * 1e9

        def work(ledger: Ledger) -> None:
            if tell:
                self._commanding.note(
                    ledger, rule.valve, rule.close, (state, outcome.why),
                    kind=Kind.GAS, attributes=attributes,
                )  # fmt: skip
            self._judge_proof(ledger, post, outcome, attributes, proved_seq=guard.proved_seq)

        await self._intake.command(work)
        if tell:
            post.told = ("" if proved else state, now)  # each proof is told

    def _judge_proof(
        self,
        ledger: Ledger,
        post: _Post,
        outcome: Outcome,
        attributes: dict[str, Scalar | None],
        *,
        proved_seq: int,
    ) -> None:
        """Raise the alarm of a valve that is not proved closed, or restore it and keep the mark."""
        judge, rule = self._intake.judge, post.rule
        if outcome.state == "done":
            judge.keep(rule.valve, MARK, str(proved_seq), ledger)
            judge.book.restored(ledger, rule.valve, UNPROVED.name, None)
            return
        standing = judge.book.open_at(rule.valve, UNPROVED.name)
        if standing is not None and standing.active:
            return
        said = {**attributes, "command": rule.close, "why": outcome.why[:256]}
        reading = Reading(
            device_id=rule.valve,
            point=UNPROVED.name,
            received_ns=ledger.now_ns,
            active=True,
            attributes={name: value for name, value in said.items() if value is not None},
        )
        subject = judge.subject(rule.valve, UNPROVED.name)
        link = self._commanding.devices[rule.valve].link
        judge.book.raised(ledger, subject, UNPROVED, reading, group=link)

    async def _rehearse(self, post: _Post, alarm_id: str, mode: str) -> None:
        """Say that a close was left out because the alarm was not live."""
        why = f"{mode}：不向设备写任何命令 / nothing is written to a device"
        rule = post.rule
        attributes = {"by": "gateway", "interlock": rule.name, "cause": alarm_id}
        await self._intake.command(
            lambda ledger: self._commanding.note(
                ledger,
                rule.valve,
                rule.close,
                ("refused", why),
                kind=Kind.GAS,
                mode=mode,
                attributes=attributes,
            )
        )

    # People.

    def rule_of(self, device_id: str) -> Interlock | None:
        """The interlock whose valve this device is."""
        post = self._by_valve.get(device_id)
        return None if post is None else post.rule

    def ask_open(self, valve: str, who: Person) -> Decision:
        """A person wants the valve open; see Guard.ask."""
        post = self._by_valve[valve]
        self._look(post)
        return post.guard.ask(who, self._clock.mono_ns(), post.lookout.obstacles())

    async def open(self, valve: str) -> Outcome:
        """Open it if that is allowed at this very moment; a gas alarm stops it half-way."""
        post = self._by_valve[valve]
        self._look(post)
        why = post.guard.why_not(self._clock.mono_ns(), post.lookout.obstacles())
        busy = post.opening is not None and not post.opening.done()
        if why is not None or post.rule.open is None or busy:
            return Outcome("refused", why or "正在开阀 / it is being opened already")
        opening = post.opening = self.spawn(self._commanding.tell(valve, post.rule.open))
        await asyncio.wait({opening})
        if opening.cancelled():
            return Outcome("failed", "被关阀中止 / stopped by a close")
        return opening.result()

    async def close(self, valve: str) -> Outcome:
        """Close it because a person says so; needs no reason and waits for nobody."""
        post = self._by_valve[valve]
        await self._stop_opening(post)
        return await self._commanding.tell(valve, post.rule.close)

    @staticmethod
    async def _stop_opening(post: _Post) -> None:
        """What it has already written went to the bus before the close, and stays before it."""
        opening = post.opening
        if opening is not None:
            opening.cancel()
            await asyncio.wait({opening})


def _type_of(body: bytes) -> str:
    """The type of a stored record as MATTERS names it."""
    full: str = orjson.loads(body)["type"]
    return full.removeprefix("campus.").removesuffix(".v1")
