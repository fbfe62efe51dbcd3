"""The alarm's life in any order: press, repeat, restore, see, close, wait, crash, set the clock."""

from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.events import Kind, Nature
from gateway.rules.alarm import Alarm
from gateway.rules.book import REPEAT_S
from tests.parts import Story, device, point

HEAT = point("heat", kind=Kind.TEMPERATURE, nature=Nature.STATE, priority=2)
NAMES = ("button", "heat")
STEPS = {1: (30, 60), 2: (20,)}


@dataclass
class Known:
    """One open alarm as the test believes it to be."""

    alarm_id: str
    count: int = 1
    active: bool = True
    seen: bool = False
    levels_when_seen: int = 0
    since_press_s: float = 0.0


class AlarmLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.story = Story(devices=[device("btn-1", point(), HEAT)], escalation=STEPS)
        self.known: dict[str, Known] = {}
        self.level: dict[str, bool] = {"heat": False}
        self.escalated: dict[str, list[int]] = {}
        self.read = 0

    def teardown(self) -> None:
        self.story.close()

    def alarm(self, name: str) -> Alarm | None:
        return self.story.made.intake.judge.book.open_at("btn-1", name)

    def signalled(self, name: str) -> None:
        found = self.known.get(name)
        if found is None:
            alarm = self.alarm(name)
            assert alarm is not None
            self.known[name] = Known(alarm.alarm_id)
        else:
            found.count += 1
            found.active, found.since_press_s = True, 0.0

    @rule()
    def press(self) -> None:
        self.story.do(self.story.made.press())
        self.signalled("button")

    @rule(active=st.booleans())
    def heat(self, active: bool) -> None:
        self.story.do(self.story.made.press(name="heat", active=active))
        was, self.level["heat"] = self.level["heat"], active
        if active and not was:
            self.signalled("heat")
        elif was and not active and "heat" in self.known:
            self.known["heat"].active = False
            if self.known["heat"].seen:
                del self.known["heat"]

    @rule(seconds=st.sampled_from([1, 3, 5, 21, 40]))
    def wait(self, seconds: int) -> None:
        self.story.do(self.story.made.pass_time(seconds))
        for one in self.known.values():
            one.since_press_s += seconds

    @rule(name=st.sampled_from(NAMES))
    def see(self, name: str) -> None:
        found = self.known.get(name)
        if found is None or found.seen:
            return
        made = self.story.made
        alarm = self.story.do(
            made.intake.command(
                lambda ledger: made.intake.judge.book.acknowledge(ledger, found.alarm_id, "w")
            )
        )
        found.seen, found.levels_when_seen = True, alarm.level
        if name == "heat" and not found.active:
            del self.known[name]

    @precondition(lambda self: self.known)
    @rule(name=st.sampled_from(NAMES))
    def close(self, name: str) -> None:
        found = self.known.pop(name, None)
        if found is not None:
            made = self.story.made
            self.story.do(
                made.intake.command(
                    lambda ledger: made.intake.judge.book.close(
                        ledger, found.alarm_id, who="w", disposition="test"
                    )
                )
            )

    @rule()
    def crash(self) -> None:
        self._look()
        self.story.crash()
        self.read = 0
        for one in self.known.values():
            one.since_press_s = 0.0

    @rule(seconds=st.sampled_from([3600, -3600, -1_700_000_000]))
    def set_the_clock(self, seconds: int) -> None:
        if self.story.clock.utc_ns() + seconds * 10**9 > 0:
            self.story.clock.step(seconds)

    def _look(self) -> None:
        """Read the records that are new."""
        records = self.story.made.records
        for one in records[self.read :]:
            if one.type == "alarm.escalated":
                assert one.alarm_id is not None
                level = int(one.body.split(b'"level":')[1].split(b",")[0])
                self.escalated.setdefault(one.alarm_id, []).append(level)
        self.read = len(records)

    @invariant()
    def the_book_holds_what_happened(self) -> None:
        for name in NAMES:
            alarm, found = self.alarm(name), self.known.get(name)
            assert (alarm is None) == (found is None), name
            if alarm is None or found is None:
                continue
            assert alarm.alarm_id == found.alarm_id
            assert (alarm.count, alarm.active) == (found.count, found.active)
            assert (alarm.acknowledged_ns is not None) == found.seen
            if found.since_press_s > REPEAT_S:
                assert alarm.told == alarm.count
            if found.seen:
                assert alarm.level == found.levels_when_seen

    @invariant()
    def the_store_holds_what_the_book_holds(self) -> None:
        self.story.do(self._nothing_due())
        rows = self.story.do(self.story.made.rows("SELECT doc FROM alarm WHERE is_open = 1"))
        stored = {alarm.alarm_id: alarm for alarm in (Alarm.from_doc(doc) for (doc,) in rows)}
        assert len({(one.device, one.point) for one in stored.values()}) == len(stored)
        book = [alarm for name in NAMES if (alarm := self.alarm(name)) is not None]
        assert stored == {alarm.alarm_id: alarm for alarm in book}

    async def _nothing_due(self) -> None:
        """A timer's step may ask for the next at once, as escalation does after a clock step."""
        intake = self.story.made.intake
        await intake.command(lambda _ledger: None)
        while intake._timer_is_due(self.story.clock.mono_ns()):
            await intake.command(lambda _ledger: None)

    @invariant()
    def each_step_was_taken_once_and_in_order(self) -> None:
        self._look()
        for levels in self.escalated.values():
            assert levels == list(range(1, len(levels) + 1))
            assert len(levels) <= 2


TestAlarmLife = AlarmLife.TestCase
TestAlarmLife.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
