"""Readings and bands over HTTP: bounded, honest about holes, and silent about duress."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from gateway.console.api import Site, build_app
from gateway.console.charts import ChartRoutes
from gateway.console.server import ServerSettings
from gateway.console.tokens import Role, TokenBook
from tests.clocks import NOON, SECOND
from tests.console.conftest import Console, running
from tests.console.memory_desk import FakeClock, MemoryDesk
from tests.console.video_rig import TIMELINE, rig
from tests.playback.film import CAMERA
from tests.store.test_readings import S, stored

HISTORY = "/api/v1/devices/gas-1/points/level/history"


def point(name: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "active": None,
        "value": 3,
        "unit": "%LEL",
        "quality": "good",
    }


async def test_readings_come_in_cells_with_their_unit_and_duress_is_told_to_no_guard(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    desk = MemoryDesk(clock)
    desk.device_rows = [
        {"id": "gas-1", "points": [point("level", "gas"), point("button", "duress")]}
    ]
    rows: list[tuple[int, str, str, object]] = [
        (at * 60 * S, "gas-1", "level", at) for at in range(10)
    ]
    folder = stored(tmp_path, [*rows, (S, "gas-1", "button", 1)])
    book = TokenBook(tmp_path / "tokens.json", clock)
    tokens = {role: book.create(role, f"某{role}") for role in Role}
    app = build_app(
        desk, book, CollectorRegistry(), site=Site(id="1", name="校", gateway="g"), clock=clock,
        more=(ChartRoutes(desk, folder),),
    )  # fmt: skip
    async with (
        running(app, ServerSettings(port=0)) as port,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        console = Console(
            app=app, desk=desk, clock=clock, book=book, http=http, port=port, tokens=tokens
        )
        asked = {"from": "0", "to": "600000", "bins": "2"}
        told = (await console.get(HISTORY, params=asked)).json()
        assert told["unit"] == "%LEL"
        assert told["bins"] == [
            [0, 240_000, 0.0, 4.0, 2.0, 5],
            [300_000, 540_000, 5.0, 9.0, 7.0, 5],
        ]
        for path, params, status in (
            (HISTORY, {**asked, "bins": "2001"}, 422),
            (HISTORY, {**asked, "to": "0"}, 422),
            (HISTORY, {"from": "0", "to": "99999999999"}, 422),
            (HISTORY.replace("level", "nothing"), asked, 404),
            (HISTORY.replace("gas-1", "nobody"), asked, 404),
        ):
            assert (await console.get(path, params=params)).status == status, (path, params)
        assert (await console.get(HISTORY, None, params=asked)).status == 401
        button = HISTORY.replace("level", "button")
        assert (await console.get(button, Role.GUARD, params=asked)).json()["bins"] == []
        assert len((await console.get(button, Role.LEADER, params=asked)).json()["bins"]) == 1
        (folder / "events.db").unlink()
        assert (await console.get(HISTORY, params=asked)).status == 503


@pytest.mark.parametrize("bins", [None, "50"])
async def test_a_guard_learns_of_no_duress_from_a_band(tmp_path: Path, bins: str | None) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(2)
        stored(tmp_path / "store", [])
        with closing(sqlite3.connect(tmp_path / "store" / "events.db")) as db:
            for number, kind in enumerate(("panic", "duress"), start=1):
                doc = (
                    f'{{"kind": "{kind}", "raised_ns": {NOON + number * SECOND}, "mode": "live",'
                    f' "text": "", "cameras": ["{CAMERA}"]}}'
                )
                db.execute(
                    "INSERT INTO alarm (alarm_id, raised_seq, category, is_open, doc)"
                    " VALUES (?, ?, 'alarm', 1, ?)",
                    (f"alarm-{number}", number, doc),
                )
            db.commit()
        for number in (1, 2):
            await it.film.store.hold(f"alarm-{number}", [CAMERA], NOON, NOON + 10 * SECOND)
        asked = it.range(NOON, it.film.at_ns) | ({} if bins is None else {"bins": bins})
        seen = {}
        for role in (Role.GUARD, Role.LEADER, Role.VIEWER):
            row = (await it.ask(TIMELINE, role, params=asked)).json()
            seen[role] = [
                {each["alarm_id"] for each in row[member]} for member in ("alarms", "holds")
            ]
            assert ("bins" in row) is (bins is not None)
            assert ("gaps" in row) is (bins is None)
        assert seen[Role.LEADER] == [{"alarm-1", "alarm-2"}] * 2
        assert seen[Role.GUARD] == seen[Role.VIEWER] == [{"alarm-1"}] * 2


async def test_no_more_cells_than_a_screen_has_columns(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(1)
        it.film.pause(5, "camera")
        await it.film.segments(1)
        asked = it.range(NOON, it.film.at_ns)
        told = (await it.ask(TIMELINE, params={**asked, "bins": "2000"})).json()
        assert len(told["bins"]) <= 2000
        assert {cell["reason"] for cell in told["bins"]} == {None, "camera"}
        assert sum(cell["missing_ms"] for cell in told["bins"]) == pytest.approx(5000, abs=20)
        for wrong in ("0", "2001", "x"):
            assert (await it.ask(TIMELINE, params={**asked, "bins": wrong})).status == 422
