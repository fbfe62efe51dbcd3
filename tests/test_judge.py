"""What an alarm's record says of video: only of what is recorded, and only when it is raised."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.events import Category, Kind, Nature
from gateway.intake import Intake
from gateway.judge import NOTHING_RECORDED, Recorded
from gateway.metrics import Metrics
from gateway.rules.routing import Router
from gateway.store import Journal, Store
from simulators.contract import check_record
from tests.clocks import SECOND, FakeClock
from tests.parts import ESCALATION, GATEWAY, Core, arrival, device, point, reading

RECORDED = Recorded(frozenset({"gate"}), before_ns=10 * SECOND, after_ns=120 * SECOND)
TAMPER = point("tamper", kind=Kind.TAMPER, nature=Nature.STATE, category=Category.FAULT)


async def raised(
    folder: Path, cameras: tuple[str, ...], recorded: Recorded
) -> list[dict[str, Any]]:
    """Press, tamper, acknowledge and close; every record's body."""
    clock = FakeClock()
    store, start = await Store.open(folder, reserve_mib=1)
    intake = Intake(
        store=store,
        start=start,
        journal=Journal(
            source="/campus/s/gw-1", site={"id": "s", "name": "校"}, seq=0, head="0" * 64
        ),
        router=Router({}, ()),
        devices=[device("btn-1", point(), TAMPER, cameras=cameras)],
        gateway=GATEWAY,
        escalation=ESCALATION,
        clock=clock,
        metrics=Metrics(),
        recorded=recorded,
    )
    made = Core(store, start, clock, intake)
    async with asyncio.TaskGroup() as group:
        group.create_task(intake.run())
        await intake.emit([arrival(reading(clock), reading(clock, name="tamper"))])
        [alarm_id] = {one.alarm_id for one in made.records if one.type == "alarm.raised"}
        await intake.command(
            lambda ledger: intake.judge.book.close(ledger, alarm_id, who="王", disposition="test")
        )
        intake.stop()
    await store.abandon()
    return [orjson.loads(one.body) for one in made.records]


async def test_the_record_of_an_alarm_says_which_video_is_held(tmp_path: Path) -> None:
    records = await raised(tmp_path, ("gate", "attic"), RECORDED)
    by_type = {record["type"]: record for record in records}
    alarm = by_type["campus.alarm.raised.v1"]
    assert alarm["time"] == "2026-11-21T12:00:00.000Z"
    assert alarm["data"]["video"] == {
        "from": "2026-11-21T11:59:50.000Z",
        "to": "2026-11-21T12:02:00.000Z",
    }
    assert alarm["data"]["cameras"] == ["gate", "attic"]
    for record_type, record in by_type.items():
        assert check_record(orjson.dumps(record))[1] == []
        assert ("video" in record["data"]) == (record_type == "campus.alarm.raised.v1")


@pytest.mark.parametrize(
    ("cameras", "recorded"),
    [((), RECORDED), (("attic",), RECORDED), (("gate",), NOTHING_RECORDED)],
)
async def test_without_a_camera_that_is_recorded_the_record_says_nothing_of_video(
    tmp_path: Path, cameras: tuple[str, ...], recorded: Recorded
) -> None:
    for record in await raised(tmp_path, cameras, recorded):
        assert "video" not in record["data"]
