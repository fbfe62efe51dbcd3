"""Delivery in any order: commit, answers of every kind, waiting, crashes; nothing is ever lost."""

from contextlib import AsyncExitStack
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.errors import UplinkRejected, UplinkUnavailable
from gateway.uplink import Outcome, Parcel, Receipt
from tests.parts import Core, Receiver, Story, device, wake, working

ANSWERS = ["receipt", "unavailable", "rejected", "nonsense", "bug"]
DEVICES = ["btn-1", "btn-2", "btn-3"]
EVENT: dict[str, Any] = {"type": "event.recorded", "kind": "access", "priority": 3}


class Dice(Receiver):
    """A receiver that answers as the story says, each answer once, then well."""

    def __init__(self) -> None:
        super().__init__(concurrency=3)
        self.plan: list[str] = []
        self.answer = self._next
        self.again: list[str] = []
        self.refused: set[str] = set()

    def _next(self, parcel: Parcel) -> Outcome:
        if parcel.id in self.taken:
            self.again.append(parcel.id)
        what = self.plan.pop(0) if self.plan else "receipt"
        if what == "unavailable":
            return UplinkUnavailable("503")
        if what == "rejected":
            self.refused.add(parcel.id)
            return UplinkRejected("400")
        if what == "nonsense":
            return None  # type: ignore[return-value]
        if what == "bug":
            raise RuntimeError("a bug in an uplink")
        return Receipt()


class WithWorker(Story):
    uplink: Dice

    async def enter(self, stack: AsyncExitStack, made: Core) -> None:
        self.uplink = Dice()
        self.worker = await stack.enter_async_context(working(made, self.uplink))


class Delivery(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        devices = [device(name) for name in DEVICES]
        self.story = WithWorker(receivers=["police"], devices=devices)
        self.written: dict[str, bool] = {}  # id → whether it is a panic
        self.taken: set[str] = set()
        self.refused: set[str] = set()

    def teardown(self) -> None:
        try:
            self.uplink.plan.clear()
            self.uplink.gate.set()
            self.go_on(120, step=5)  # parked panics are tried again each minute
            self.note(self.uplink)
            panics = {one for one, is_panic in self.written.items() if is_panic}
            assert panics <= self.taken
            assert self.written.keys() <= self.taken | self.refused
            assert self.story.worker.depth() == 0
            rows = self.story.do(
                self.story.made.rows("SELECT count(*) FROM delivery WHERE state = 0")
            )
            assert rows == [(0,)]
        finally:
            self.story.close()

    @property
    def uplink(self) -> Dice:
        return self.story.uplink

    def note(self, uplink: Dice) -> None:
        self.taken |= set(uplink.taken)
        self.refused |= uplink.refused

    def go_on(self, seconds: float, step: float) -> None:
        async def work() -> None:
            left = seconds
            while left > 0:
                self.story.clock.advance(step)
                left -= step
                await wake(self.story.made, self.story.worker, 2)

        self.story.do(work())

    @rule(names=st.lists(st.sampled_from(DEVICES), min_size=1, max_size=4), panic=st.booleans())
    def commit(self, names: list[str], panic: bool) -> None:
        what = {} if panic else EVENT
        for one in self.story.do(self.story.made.write_many(names, **what)):
            self.written[one.id] = panic

    @rule(plan=st.lists(st.sampled_from(ANSWERS), max_size=6))
    def will_answer(self, plan: list[str]) -> None:
        self.uplink.plan += plan

    @rule(seconds=st.sampled_from([0.3, 2, 10, 70]))
    def wait(self, seconds: float) -> None:
        self.go_on(seconds, step=max(seconds / 8, 0.3))

    @rule()
    def hang(self) -> None:
        self.uplink.gate.clear()

    @rule()
    def unhang(self) -> None:
        self.uplink.gate.set()

    @rule()
    def crash(self) -> None:
        before = self.uplink
        self.story.crash()
        self.note(before)

    @invariant()
    def nothing_goes_out_after_its_receipt_in_one_life(self) -> None:
        self.note(self.uplink)
        assert self.uplink.again == []

    @invariant()
    def one_record_has_one_body(self) -> None:
        bodies: dict[str, bytes] = {}
        for one in self.uplink.sent:
            assert bodies.setdefault(one.id, one.body) == one.body


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(
    max_examples=10,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
