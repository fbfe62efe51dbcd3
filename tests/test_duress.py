"""A PIN under duress, over the real store: police have the alarm, the guard's screen has nothing.

The alarm and the entry of the trail are one commit: signing on takes no longer than ever.
"""

from pathlib import Path

import orjson

from gateway.audit import Entry
from gateway.console.discreet import DiscreetDesk
from gateway.console.tokens import Identity, Role
from gateway.events import Kind
from tests.clocks import FakeClock
from tests.parts import Core, Receiver, core
from tests.test_desk import desk_of, with_police

WANG = Identity(id="p-1", role=Role.GUARD, name="王老师", address="192.0.2.7")
ENTRY = Entry(
    who=WANG.name,
    role="guard",
    from_address=WANG.address,
    action="sign_in",
    subject="console",
)


async def commits(made: Core) -> int:
    return made.intake._metrics.counters["commits"]


async def test_police_are_told_who_where_and_from_which_console(tmp_path: Path) -> None:
    police = Receiver()
    routes = [("police", [Kind.PANIC, Kind.DURESS]), ("bureau", [Kind.FIRE])]
    async with core(tmp_path, FakeClock(), receivers=["police", "bureau"], routes=routes) as made:
        async with with_police(made, police) as desk:
            await desk.sign_on(ENTRY, WANG, is_duress=True)
            await police.until(lambda: police.taken)
        record = orjson.loads(police.sent[0].body)
        assert (record["type"], record["mode"]) == ("campus.alarm.raised.v1", "live")
        data = record["data"]
        assert (data["kind"], data["priority"]) == ("duress", 1)
        assert data["device"]["family"] == "gateway"
        assert data["device"]["place"].endswith("值班室")
        assert "王老师" in data["text"]
        assert data["attributes"] == {"person": "王老师", "from_address": "192.0.2.7"}
        receivers = await made.rows("SELECT DISTINCT receiver FROM delivery")
        assert receivers == [(made.start.receivers["police"],)]


async def test_it_is_one_commit_and_one_entry_as_signing_on_always_is(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        desk = desk_of(made)
        costs = []
        for is_duress in (False, True):
            before = await commits(made)
            await desk.sign_on(ENTRY, WANG, is_duress=is_duress)
            costs.append(await commits(made) - before)
        assert costs == [1, 1]
        bodies, _ = await desk.trail(0, 10)
        said = [orjson.loads(body)["data"] for body in bodies]
        for one in said:
            one.pop("hash"), one.pop("prev_hash")
        assert said[0] == said[1]


async def test_again_is_a_repeat_and_it_stays_until_a_person_who_may_know_closes_it(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with core(tmp_path, clock) as made:
        desk = desk_of(made)
        await desk.sign_on(ENTRY, WANG, is_duress=True)
        await made.pass_time(6)
        await desk.sign_on(ENTRY, WANG, is_duress=True)
        assert made.told("duress")[:2] == ["alarm.raised", "alarm.repeated"]
        assert await DiscreetDesk(desk).alarms(open_only=False, limit=10) == []
    async with core(tmp_path, clock) as made:
        desk = desk_of(made)
        (row,) = await desk.alarms(open_only=True, limit=10)
        assert (row["kind"], row["count"], row["latched"]) == ("duress", 2, True)
        assert row["device"]["place"].endswith("值班室"), "after a restart, too"
        leader = Identity(id="p-2", role=Role.LEADER, name="李老师")
        closed = await desk.close(row["alarm_id"], leader, "real", "已报警")
        assert closed["state"] == "closed"
        assert orjson.loads(made.records[-1].body)["data"]["device"]["place"].endswith("值班室")


async def test_nothing_of_its_whole_life_is_in_what_a_guard_may_read(tmp_path: Path) -> None:
    police = Receiver()
    async with (
        core(tmp_path, FakeClock(), receivers=["police"], escalation={1: [5, 10]}) as made,
        with_police(made, police) as desk,
    ):
        await made.press()
        await desk.sign_on(ENTRY, WANG, is_duress=True)
        await made.pass_time(12)
        rows = await desk.alarms(open_only=True, limit=10)
        alarm_id = next(row["alarm_id"] for row in rows if row["kind"] == "duress")
        leader = Identity(id="p-2", role=Role.LEADER, name="李老师")
        await desk.acknowledge(alarm_id, leader)
        await desk.close(alarm_id, leader, "real", "")
        await police.until(lambda: len(police.taken) == len(made.records))
        await made.pass_time(1)
        guard = DiscreetDesk(desk)
        shown, _ = await guard.events(0, 1000)
        told = [
            *shown,
            orjson.dumps(await guard.alarms(open_only=False, limit=100)),
            orjson.dumps(await guard.faults(open_only=False, limit=100)),
            orjson.dumps(await guard.deliveries(None, 1000)),
        ]
        text = b"".join(told)
        ids = [orjson.loads(one.body)["id"] for one in made.records if one.kind == "duress"]
        assert len(ids) >= 4, "raised, escalated, acknowledged, closed"
        for word in ("duress", "王老师", "值班室", alarm_id, *ids):
            assert word.encode() not in text, word
        assert b"panic" in text
