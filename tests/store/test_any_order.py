"""Put, receive, park, crash, damage, expire in any order: the invariants of FORMAT.md hold."""

import asyncio
import json
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from gateway.store import PARKED, PENDING, AlarmRow, Batch, DeliveryRow, Store, recover, verify
from gateway.store.retention import expire
from tests.store.making import DAY_NS, RECEIVERS, START_NS, draft, journal_of, open_alarm
from tests.store.test_damage import salvage_all


class StoreMachine(RuleBasedStateMachine):
    """A store and what we know must be in it.

    bodies    number → bytes of what was committed and may not have been removed
    states    (receiver, number) → the state last committed
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="store-machine-"))
        self.loop = asyncio.Runner()
        self.bodies: dict[int, bytes] = {}
        self.states: dict[tuple[str, int], int] = {}
        self.open_alarms: set[str] = set()
        self.used: set[int] = set()
        self.damages = 0
        self.now_ns = START_NS

    def run(self, work: Any) -> Any:
        return self.loop.run(work)

    @initialize()
    def open(self) -> None:
        self.store, start = self.run(Store.open(self.folder, reserve_mib=0, receivers=RECEIVERS))
        self.journal = journal_of(start)
        self.numbers = start.receivers
        assert start.seq >= max(self.used, default=0), "a number would be given twice"
        assert {doc[13:-2] for doc in start.alarms} == self.open_alarms

    @rule(
        count=st.integers(1, 6),
        receivers=st.sets(st.sampled_from(RECEIVERS)),
        tries=st.integers(1, 3),
    )
    def put(self, count: int, receivers: set[str], tries: int) -> None:
        numbers = tuple(self.numbers[name] for name in sorted(receivers))
        records = [
            self.journal.seal(draft(self.journal.seq + 1, receivers=numbers), self.now_ns)
            for _ in range(count)
        ]
        batch = Batch(records=records, alarms={r.alarm_id: open_alarm(r) for r in records})  # type: ignore[misc]
        for _ in range(tries):  # an unknown outcome: the same again
            self.run(self.store.commit(batch))
        for record in records:
            assert record.seq not in self.used
            self.used.add(record.seq)
            self.bodies[record.seq] = record.body
            self.open_alarms.add(record.alarm_id or "")
            for name in receivers:
                self.states[name, record.seq] = PENDING

    @rule(count=st.integers(1, 4))
    def seal_and_die_before_the_commit(self, count: int) -> None:
        """What was sealed and never committed was never acknowledged: its numbers are free."""
        for _ in range(count):
            self.journal.seal(draft(self.journal.seq + 1), self.now_ns)
        self.store.write_head(self.journal.seq, self.now_ns)
        self.crash()

    @precondition(lambda self: self.states)
    @rule(data=st.data(), state=st.sampled_from([1, 2, 6, PARKED, PENDING]))
    def report(self, data: st.DataObject, state: int) -> None:
        name, seq = data.draw(st.sampled_from(sorted(self.states)))
        row = DeliveryRow(self.numbers[name], seq, state, 1, self.now_ns, "R")
        self.run(self.store.commit(Batch(deliveries=[row])))
        known = self.states[name, seq]
        if known in {PENDING, PARKED} or known < state != PARKED:  # a receipt never goes back
            self.states[name, seq] = state

    @precondition(lambda self: self.open_alarms)
    @rule(data=st.data())
    def close_alarm(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.open_alarms)))
        sql = "SELECT category, raised_seq FROM alarm WHERE alarm_id = ?"
        category, seq = self.run(self.store.read(sql, name))[0]
        closed = AlarmRow(name, category, False, seq, f'{{"alarm_id":"{name}"}}')
        self.run(self.store.commit(Batch(alarms={name: closed})))
        self.open_alarms.discard(name)

    @rule()
    def crash(self) -> None:
        self.run(self.store.abandon())
        self.open()

    @rule()
    def stop_and_start(self) -> None:
        self.run(self.store.close(self.journal.seq, self.now_ns))
        self.open()

    @precondition(lambda self: self.damages < 3)
    @rule()
    def be_damaged(self) -> None:
        """The header is destroyed while nobody looks: everything has to be brought over."""
        self.run(self.store.close(self.journal.seq, self.now_ns))
        with (self.folder / "events.db").open("r+b") as file:
            file.seek(60)
            file.write(b"\x7f\x00\x00\x01")
        self.damages += 1
        self.open()
        self.run(salvage_all(self.store))

    @rule(days=st.integers(1, 60))
    def expire(self, days: int) -> None:
        self.now_ns += days * DAY_NS
        before = set(self.bodies)
        for _ in range(3):
            self.run(self.store.maintain(expire, self.now_ns, 90))
        left = {seq for (seq,) in self.run(self.store.read("SELECT seq FROM record"))}
        for seq in before - left:
            waiting = [state for (_, number), state in self.states.items() if number == seq]
            assert not {PENDING, PARKED} & set(waiting)
            assert f"alarm-{seq:08d}" not in self.open_alarms
            assert self.stored_at(seq) < self.now_ns - 90 * DAY_NS
            del self.bodies[seq]
            for name in RECEIVERS:
                self.states.pop((name, seq), None)

    def stored_at(self, seq: int) -> int:
        at = datetime.fromisoformat(json.loads(self.bodies[seq])["time"])
        return int(at.timestamp() * 1000) * 1_000_000

    @invariant()
    def nothing_lost_nothing_back(self) -> None:
        if not hasattr(self, "store"):
            return
        stored = dict(self.run(self.store.read("SELECT seq, body FROM record")))
        assert stored == self.bodies
        names = {number: name for name, number in self.numbers.items()}
        found = {
            (names[number], seq): state
            for number, seq, state in self.run(
                self.store.read("SELECT receiver, seq, state FROM delivery")
            )
        }
        assert found == self.states

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.run(self.store.close(self.journal.seq, self.now_ns))
            faults = [line for line in verify(self.folder) if "damaged-" not in line]
            assert faults == []
            assert recover.newest_aside(self.folder) is None
        self.loop.close()
        shutil.rmtree(self.folder)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
