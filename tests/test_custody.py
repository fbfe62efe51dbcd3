"""What people decide, and what commands did beside the gateway, is in the audit trail."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.audit import Entry
from gateway.console.desk import WrongState
from gateway.console.tokens import Identity, Role
from gateway.custody import Custody
from gateway.errors import StoreError
from gateway.store import handed_in, verify
from tests.clocks import FakeClock
from tests.parts import Core, core
from tests.test_desk import desk_of

LEADER = Identity(id="t-1", role=Role.LEADER, name="张三", address="192.0.2.7")
ENTRY = Entry(
    who="root", role="local", from_address="local", action="token.create", subject="值班室"
)


async def trail(made: Core) -> list[dict[str, Any]]:
    bodies, _ = await desk_of(made).trail(0, 1000)
    return [json.loads(body) for body in bodies]


async def test_what_a_person_decides_is_in_the_trail_with_who_where_and_why(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        desk = desk_of(made)
        await made.press()
        alarm_id = (await desk.alarms(open_only=True, limit=1))[0]["alarm_id"]
        await desk.acknowledge(alarm_id, LEADER)
        await desk.close(alarm_id, LEADER, "real", "学生摔倒")
        with pytest.raises(WrongState):
            await desk.close(alarm_id, LEADER, "real", "")
        told = [entry["data"] for entry in await trail(made)]
    assert [one["action"] for one in told] == ["alarm.acknowledge", "alarm.close"]
    assert {(one["who"], one["role"], one["from"]) for one in told} == {
        ("张三", "leader", "192.0.2.7")
    }
    assert told[1]["reason"] == "学生摔倒"
    assert {one["subject"] for one in told} == {alarm_id}
    assert verify(tmp_path) == []


async def test_many_entries_at_once_share_commits_and_each_gets_its_own_number(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock()) as made:
        before = made.intake._metrics.counters["commits"]
        numbers = await asyncio.gather(*(made.intake.audit(ENTRY) for _ in range(1000)))
        assert sorted(numbers) == list(range(1, 1001))
        assert made.intake._metrics.counters["commits"] - before < 100
        assert await made.rows("SELECT count(*) FROM audit") == [(1000,)]


async def test_an_entry_that_did_not_reach_the_disk_is_an_error_for_who_wrote_it(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock(), crash=True) as made:
        begun = asyncio.Event()

        async def never(_batch: object) -> None:
            begun.set()
            await asyncio.Event().wait()

        made.store.commit = never  # type: ignore[method-assign]
        waiting = asyncio.ensure_future(made.intake.audit(ENTRY))
        await begun.wait()
    with pytest.raises(StoreError):
        await waiting


async def test_what_a_command_left_is_taken_in_once_and_its_file_goes(tmp_path: Path) -> None:
    handed_in.hand_in(tmp_path, ENTRY, 0)  # before the gateway ever ran
    async with core(tmp_path, FakeClock()) as made:
        custody = Custody(made.store, made.intake, made.clock)
        await custody.look()
        handed_in.hand_in(tmp_path, ENTRY, 0)
        [left] = handed_in.waiting(tmp_path)
        await made.intake.audit(left.entry, origin=left.origin)  # and then it was killed
        await custody.look()
        assert handed_in.waiting(tmp_path) == []
        told = await trail(made)
    assert [one["data"]["action"] for one in told] == ["token.create"] * 2


async def test_the_trail_is_read_on_from_where_one_was(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        desk = desk_of(made)
        for _ in range(5):
            await desk.audit(ENTRY)
        first, at = await desk.trail(0, 2)
        rest, end = await desk.trail(at, 100)
        assert (len(first), at, len(rest), end) == (2, 2, 3, 5)
        assert await desk.trail(5, 10) == ([], 5)
        assert await desk.trail(99, 10) == ([], 0), "that was another gateway's trail"
