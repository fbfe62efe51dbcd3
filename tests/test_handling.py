"""Steps, notes and telephone calls over the real store: one commit, a trail, and closing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.console import desk as console
from gateway.console.tokens import Identity, Role
from gateway.desk import FrontDesk
from gateway.events import Kind
from gateway.handling import CALLS_MOST, NOTES_MOST, Handling
from gateway.response_plans import Plan, Step
from tests.clocks import FakeClock
from tests.parts import Core, core, device

WANG = Identity(id="p-1", role=Role.GUARD, name="王老师", address="192.0.2.7")
LI = Identity(id="p-2", role=Role.LEADER, name="李老师", address="192.0.2.8")
PLAN = Plan(
    kind=Kind.PANIC,
    zh="一键报警",
    en="Panic",
    steps=(Step(zh="看画面", en="look", is_mandatory=True), Step(zh="通知", en="tell")),
)


@dataclass
class Desk:
    core: Core
    handling: Handling
    desk: FrontDesk

    async def press(self) -> str:
        await self.core.press()
        alarm = self.core.intake.judge.book.open_at("btn-1", "button")
        assert alarm is not None
        return alarm.alarm_id

    async def row(self, alarm_id: str) -> dict[str, Any]:
        row = await self.desk.alarm(alarm_id)
        assert row is not None
        return row

    async def entries(self) -> list[tuple[str, str, str]]:
        rows = await self.core.rows("SELECT body FROM audit ORDER BY seq")
        data = [orjson.loads(body)["data"] for (body,) in rows]
        return [(one["action"], one["who"], one["reason"]) for one in data]


@asynccontextmanager
async def desk(
    folder: Path, *, is_required: bool = False, crash: bool = False
) -> AsyncIterator[Desk]:
    async with core(folder, FakeClock(), escalation={}, crash=crash) as made:
        handling = Handling(made.intake, {Kind.PANIC: PLAN}, ["police"], is_required=is_required)
        front = FrontDesk(
            store=made.store, intake=made.intake, workers=[], kinds={}, devices=[device()],
            clock=made.clock, loops={}, owed=handling.owed,
        )  # fmt: skip
        yield Desk(made, handling, front)


async def test_what_people_did_is_in_the_row_and_in_the_trail_and_survives_a_crash(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, crash=True) as here:
        alarm_id = await here.press()
        await here.handling.step(alarm_id, 1, WANG, "done", "")
        await here.handling.step(alarm_id, 2, LI, "skipped", "已在场")
        await here.handling.note(alarm_id, WANG, "<img src=x onerror=alert(1)>")
        await here.handling.telephoned(alarm_id, LI, "police", "接警员 12 号")
    async with desk(tmp_path) as here:
        row = await here.row(alarm_id)
        steps = [(one["step"], one["state"], one["by"], one["reason"]) for one in row["steps"]]
        assert steps == [(1, "done", "王老师", ""), (2, "skipped", "李老师", "已在场")]
        assert [one["text"] for one in row["notes"]] == ["<img src=x onerror=alert(1)>"]
        assert [(one["receiver"], one["by"]) for one in row["telephoned"]] == [("police", "李老师")]
        assert row["deliveries"] == []  # a call is no receipt
        assert await here.entries() == [
            ("alarm.step", "王老师", ""),
            ("alarm.step", "李老师", "已在场"),
            ("alarm.note", "王老师", "<img src=x onerror=alert(1)>"),
            ("alarm.telephoned", "李老师", "接警员 12 号"),
        ]
        types = {body["type"] for body in here.core.bodies("event.recorded")}
        assert types == set()  # nothing of it goes to receivers


async def test_who_comes_second_is_told_who_was_first_and_may_correct_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        alarm_id = await here.press()
        await here.handling.step(alarm_id, 1, WANG, "done", "")
        with pytest.raises(console.WrongState, match="王老师"):
            await here.handling.step(alarm_id, 1, LI, "done", "")
        await here.handling.step(alarm_id, 1, LI, "skipped", "看不到画面")
        row = await here.row(alarm_id)
        assert [(one["state"], one["by"]) for one in row["steps"]] == [("skipped", "李老师")]


@pytest.mark.parametrize("required", [False, True])
async def test_closing_waits_for_mandatory_steps_only_where_the_site_says_so(
    tmp_path: Path, *, required: bool
) -> None:
    async with desk(tmp_path, is_required=required) as here:
        alarm_id = await here.press()
        if required:
            with pytest.raises(console.WrongState, match="第 1 步"):
                await here.desk.close(alarm_id, WANG, "real", "")
            assert (await here.row(alarm_id))["state"] == "unack_active"
            await here.handling.step(alarm_id, 1, WANG, "skipped", "误触")
        row = await here.desk.close(alarm_id, WANG, "accidental", "误触")
        assert row["state"] == "closed"


async def test_what_is_not_there_or_over_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        alarm_id = await here.press()
        with pytest.raises(console.WrongState, match="没有这一步"):
            await here.handling.step(alarm_id, 3, WANG, "done", "")
        with pytest.raises(console.WrongState, match="没有这个接收方"):
            await here.handling.telephoned(alarm_id, WANG, "mayor", "")
        with pytest.raises(console.NoSuchAlarm):
            await here.handling.note("0197-nobody", WANG, "x")
        assert await here.entries() == []
        await here.desk.close(alarm_id, WANG, "real", "")
        with pytest.raises(console.NoSuchAlarm):
            await here.handling.note(alarm_id, WANG, "too late")


async def test_notes_and_calls_are_bounded(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        alarm_id = await here.press()
        for number in range(NOTES_MOST):
            await here.handling.note(alarm_id, WANG, f"备注 {number}")
        with pytest.raises(console.WrongState, match=str(NOTES_MOST)):
            await here.handling.note(alarm_id, WANG, "one more")
        for _ in range(CALLS_MOST):
            await here.handling.telephoned(alarm_id, WANG, "police", "")
        with pytest.raises(console.WrongState, match=str(CALLS_MOST)):
            await here.handling.telephoned(alarm_id, WANG, "police", "")
        assert len((await here.row(alarm_id))["notes"]) == NOTES_MOST
