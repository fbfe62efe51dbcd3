"""What an interlock decides, alarm by alarm and second by second; and in any order of anything."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.config import Interlock
from gateway.interlock import AGAIN_S, GAP_S, Guard, Person
from tests.examples import examples

SECOND = 1_000_000_000
GAS_1, GAS_2 = ("gas-1", "gas"), ("gas-2", "gas")
RULE = Interlock(
    name="canteen",
    watched=(GAS_1, GAS_2),
    valve="valve-1",
    close="close",
    open="open",
    clear_for_s=60,
    second_person_within_s=20,
)
PATIENT = replace(RULE, second_person_within_s=100)
"""What the first person began could outlive the waiting, if nothing ended it."""
ZHANG, LI = Person("t-1", "张三"), Person("t-2", "李四")
PEOPLE = st.sampled_from([ZHANG, LI, Person("t-3", "张三")])


class Watch:
    """A guard and the second-hand of its clock."""

    def __init__(self, rule: Interlock = RULE, proved_seq: int = 0) -> None:
        self.guard = Guard(rule, proved_seq=proved_seq)
        self.now = 1000 * SECOND

    def pass_time(self, seconds: int, **states: str) -> None:
        """Look each second, as the loop does; points are clear unless said otherwise."""
        for _ in range(seconds):
            self.now += SECOND
            self.look(**states)

    def look(self, **states: str) -> None:
        self.guard.look(self.now)
        for key in self.guard.rule.watched:
            state = states.get(key[0].replace("-", "_"), "clear")
            self.guard.seen(key, state, self.now)  # type: ignore[arg-type]

    def ask(self, who: Person) -> str:
        return self.guard.ask(who, self.now).verdict

    def why_not(self) -> str:
        return self.guard.why_not(self.now) or ""


def test_an_alarm_is_owed_a_close_at_once() -> None:
    watch = Watch()
    assert watch.guard.due_in_s(watch.now) is None
    watch.guard.alarmed(7, "a-7", watch.now)
    assert (watch.guard.due_in_s(watch.now), watch.guard.cause) == (0.0, "a-7")


def test_a_close_that_is_not_proved_is_owed_again_and_a_newer_alarm_does_not_wait() -> None:
    watch = Watch()
    guard = watch.guard
    guard.alarmed(7, "a-7", watch.now)
    guard.ended(guard.begin(), proved=False, now_ns=watch.now)
    assert guard.due_in_s(watch.now) == AGAIN_S
    guard.alarmed(9, "a-9", watch.now)
    assert guard.due_in_s(watch.now) == 0.0


def test_a_proof_covers_what_was_there_when_its_close_began_and_nothing_later() -> None:
    watch = Watch()
    guard = watch.guard
    guard.alarmed(7, "a-7", watch.now)
    began = guard.begin()
    guard.alarmed(9, "a-9", watch.now)
    guard.ended(began, proved=True, now_ns=watch.now)
    assert (guard.proved_seq, guard.is_owed, guard.due_in_s(watch.now)) == (7, True, 0.0)
    guard.ended(guard.begin(), proved=True, now_ns=watch.now)
    assert (guard.proved_seq, guard.is_owed) == (9, False)


def test_an_alarm_whose_proof_was_kept_is_not_owed_again() -> None:
    watch = Watch(proved_seq=9)
    watch.guard.alarmed(9, "a-9", watch.now)
    assert not watch.guard.is_owed


def test_two_different_people_open_it_after_the_air_was_clear_for_long_enough() -> None:
    watch = Watch()
    watch.pass_time(61)
    assert watch.ask(ZHANG) == "waiting"
    watch.pass_time(5)
    decision = watch.guard.ask(LI, watch.now)
    assert (decision.verdict, decision.first) == ("go", "张三")
    assert watch.ask(LI) == "waiting"  # what was asked is used up: a replay is a new request


def test_one_person_cannot_be_two_however_often_and_under_whatever_spelling() -> None:
    watch = Watch()
    watch.pass_time(61)
    assert watch.ask(ZHANG) == "waiting"
    for same in (ZHANG, Person("t-9", "张三"), Person("t-9", " 张三 "), Person("t-1", "王五")):
        assert watch.ask(same) == "waiting"
    assert not Person("t-1", "Ｗang").differs_from(Person("t-2", "wang"))


def test_the_second_person_comes_in_time_or_is_the_first_of_the_next_two() -> None:
    watch = Watch()
    watch.pass_time(61)
    watch.ask(ZHANG)
    watch.pass_time(21)
    assert watch.ask(LI) == "waiting"
    watch.pass_time(20)
    assert watch.ask(ZHANG) == "go"


def test_asking_again_does_not_make_the_first_persons_time_longer() -> None:
    watch = Watch()
    watch.pass_time(61)
    watch.ask(ZHANG)
    watch.pass_time(15)
    watch.ask(ZHANG)
    watch.pass_time(6)
    assert watch.ask(LI) == "waiting"


def test_a_start_knows_nothing_so_the_waiting_begins_with_it() -> None:
    watch = Watch()
    assert "gas-1/gas" in watch.why_not()
    watch.look()
    watch.pass_time(59)
    assert "1 s" in watch.why_not()
    watch.pass_time(1)
    assert watch.why_not() == ""


def test_a_point_that_is_not_known_or_in_alarm_begins_the_waiting_anew() -> None:
    for state in ("unknown", "active"):
        watch = Watch()
        watch.pass_time(100)
        watch.pass_time(1, gas_2=state)
        assert "gas-2/gas" in watch.why_not()
        watch.pass_time(60)
        assert "还须连续正常" in watch.why_not()
        watch.pass_time(1)
        assert watch.why_not() == ""


def test_what_interrupts_also_ends_what_the_first_person_began() -> None:
    watch = Watch(PATIENT)
    watch.pass_time(61)
    watch.ask(ZHANG)
    watch.guard.interrupted([GAS_1])
    watch.pass_time(61)  # his request would be good for 100 s
    assert watch.ask(LI) == "waiting"
    watch.pass_time(1, gas_1="unknown")
    watch.pass_time(61)
    assert watch.ask(ZHANG) == "waiting"


def test_time_in_which_nobody_looked_is_no_clear_time() -> None:
    watch = Watch()
    watch.pass_time(100)
    watch.now += int((GAP_S + 1) * SECOND)
    watch.look()
    assert "还须连续正常" in watch.why_not()


def test_nothing_opens_while_a_close_is_owed_or_something_else_is_in_the_way() -> None:
    watch = Watch()
    watch.guard.alarmed(7, "a-7", watch.now)
    watch.pass_time(100)
    assert "关阀尚未证实" in watch.why_not()
    watch.guard.let_go()
    watch.pass_time(61)
    assert watch.guard.why_not(watch.now, ["警情 / an alarm"]) == "警情 / an alarm"
    assert watch.guard.ask(ZHANG, watch.now, ["警情 / an alarm"]).verdict == "refused"
    assert watch.ask(LI) == "waiting"


def test_without_an_open_command_nobody_opens_anything() -> None:
    local = Interlock(name="canteen", watched=(GAS_1,), valve="valve-1", close="close")
    watch = Watch(local)
    watch.pass_time(4000)
    assert watch.ask(ZHANG) == "refused"
    assert watch.ask(LI) == "refused"


class InAnyOrder(RuleBasedStateMachine):
    """Alarms, proofs, looks, people and restarts in any order, against a plain account of them.

    kept   the proof that a restart finds; the account is written down by what happened, never by
           asking the guard
    """

    def __init__(self) -> None:
        super().__init__()
        self.watch = Watch(PATIENT)
        self.kept = 0
        self.seq = 0
        self.unproved: set[int] = set()
        self.running: int | None = None
        self.covered: set[int] = set()
        self.states = {"gas_1": "clear", "gas_2": "clear"}
        self.clear_since = {"gas_1": 0, "gas_2": 0}  # 0: not clear, as far as anybody looked
        self.asked: list[tuple[int, Person]] = []

    @rule(which=st.sampled_from([GAS_1, GAS_2]))
    def gas(self, which: tuple[str, str]) -> None:
        self.seq += 1
        self.unproved.add(self.seq)
        self.watch.guard.alarmed(self.seq, f"a-{self.seq}", self.watch.now)
        self._doubt("gas_1", "gas_2")

    @rule(
        which=st.sampled_from(["gas_1", "gas_2"]),
        state=st.sampled_from(["clear", "active", "unknown"]),
    )
    def turns(self, which: str, state: str) -> None:
        self.states[which] = state

    @rule(seconds=st.integers(57, 62), who=PEOPLE)
    def the_air_is_clear_and_somebody_asks(self, seconds: int, who: Person) -> None:
        self.states = {"gas_1": "clear", "gas_2": "clear"}
        self.time_passes(seconds)
        self.somebody_asks(who)

    @rule(seconds=st.sampled_from([1, 3, 39, 58, 61, 130]))
    def time_passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.watch.now += SECOND
            self.watch.look(**self.states)
            for name, state in self.states.items():
                if state != "clear":
                    self._doubt(*([name] if self.clear_since[name] else []))
                elif not self.clear_since[name]:
                    self.clear_since[name] = self.watch.now

    @rule(seconds=st.integers(6, 500))
    def nobody_looks(self, seconds: int) -> None:
        self.watch.now += seconds * SECOND
        self.watch.guard.look(self.watch.now)
        self._doubt("gas_1", "gas_2")

    @rule(name=st.sampled_from(["gas_1", "gas_2"]))
    def a_fault(self, name: str) -> None:
        self.watch.guard.interrupted([GAS_1 if name == "gas_1" else GAS_2])
        self._doubt(name)

    @precondition(lambda self: self.running is None and self.watch.guard.is_owed)
    @rule()
    def close_begins(self) -> None:
        self.running = self.watch.guard.begin()
        self.covered = set(self.unproved)

    @precondition(lambda self: self.running is not None)
    @rule(proved=st.booleans())
    def close_ends(self, proved: bool) -> None:
        assert self.running is not None
        self.watch.guard.ended(self.running, proved=proved, now_ns=self.watch.now)
        if proved:
            self.unproved -= self.covered
            self.kept = self.watch.guard.proved_seq
        self.running = None

    @rule()
    def killed_and_started_again(self) -> None:
        self.watch.guard = Guard(PATIENT, proved_seq=self.kept)
        self.running = None
        for seq in sorted(self.unproved):  # what the store says is open
            self.watch.guard.alarmed(seq, f"a-{seq}", self.watch.now)
        self._doubt("gas_1", "gas_2")
        self.asked.clear()

    @rule(who=PEOPLE)
    def somebody_asks(self, who: Person) -> None:
        verdict = self.watch.ask(who)
        now = self.watch.now
        if verdict == "refused":
            assert self.unproved or not self._is_clear_for_long(), "refused without a reason"
            self.asked.clear()
            return
        assert not self.unproved, "a valve may be opened over a close that was never proved"
        assert self._is_clear_for_long(), "the air was not clear for long enough"
        standing = [other for at, other in self.asked if now - at <= 100 * SECOND]
        assert (verdict == "go") == any(other.name != who.name for other in standing)
        if verdict == "go":
            self.asked.clear()
        elif not standing:
            self.asked = [(now, who)]

    def _is_clear_for_long(self) -> bool:
        return all(
            since and self.watch.now - since >= 60 * SECOND for since in self.clear_since.values()
        )

    def _doubt(self, *names: str) -> None:
        for name in names:
            self.clear_since[name] = 0
            self.asked.clear()

    @invariant()
    def an_unproved_alarm_is_owed_its_close(self) -> None:
        assert self.watch.guard.is_owed == bool(self.unproved)


TestInAnyOrder = InAnyOrder.TestCase
TestInAnyOrder.settings = settings(max_examples=examples(150), stateful_step_count=40)
