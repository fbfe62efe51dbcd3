"""The picture of an alarm's moment over HTTP: shown to who may, noted before, and never changed."""

from pathlib import Path

import pytest

from gateway.console.tokens import Role
from gateway.store.video.stills import path_of, write_still
from tests.clocks import NOON, SECOND
from tests.console.memory_desk import alarm
from tests.console.test_video import VIEWERS
from tests.console.video_rig import TINY, Rig, rig
from tests.playback.film import CAMERA

ALARM = "0197a3c0-0000-7000-8000-000000000001"
STILL = f"/api/v1/alarms/{ALARM}/stills/{CAMERA}.jpg"


def keep(it: Rig, root: Path, jpeg: bytes = TINY) -> Path:
    store = root / "store"
    write_still(store, ALARM, CAMERA, jpeg, wanted_ns=NOON, at_ns=NOON - SECOND)
    return path_of(store, ALARM, CAMERA)


async def test_it_is_shown_with_its_time_and_one_view_is_one_entry(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        keep(it, tmp_path)
        for _ in range(2):
            answer = await it.ask(STILL, params={"reason": "处警"})
            assert (answer.status, answer.body) == (200, TINY)
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["Campus-At"] == "2026-11-21T11:59:59.000Z"
        [entry] = it.trail
        assert (entry.who, entry.action, entry.subject) == ("某guard", "video.view", CAMERA)
        assert (entry.reason, entry.details["alarm"]) == ("处警", ALARM)


async def test_who_may_not_see_video_does_not_see_it_either(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        keep(it, tmp_path)
        assert (await it.ask(STILL, None)).status == 401
        for role in Role:
            expected = 200 if role in VIEWERS else 403
            assert (await it.ask(STILL, role)).status == expected, role


async def test_of_a_silent_alarm_it_is_shown_to_those_only_who_know_of_it(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        keep(it, tmp_path)
        it.desk.rows.append(alarm(ALARM, kind="duress"))
        answer = await it.ask(STILL)
        assert (answer.status, answer.json()["error"]["code"]) == (404, "no_still_kept")
        assert it.trail == []
        assert (await it.ask(STILL, Role.LEADER)).status == 200


async def test_without_an_entry_there_is_no_picture(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        keep(it, tmp_path)
        it.refuse_audit = True
        answer = await it.ask(STILL)
        assert (answer.status, answer.json()["error"]["code"]) == (503, "not_noted")
        assert TINY not in answer.body


async def test_a_picture_that_was_changed_is_not_shown_as_what_it_was(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        keep(it, tmp_path, b"\xff\xd8 as it was \xff\xd9").write_bytes(
            b"\xff\xd8 as it IS \xff\xd9"
        )
        answer = await it.ask(STILL)
        assert (answer.status, answer.json()["error"]["code"]) == (500, "still_changed")
        assert it.trail == []


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/alarms/{ALARM}/stills/cam-yard.jpg",
        f"/api/v1/alarms/another/stills/{CAMERA}.jpg",
        "/api/v1/alarms/pictures/stills/good.jpg",
        f"/api/v1/alarms/{ALARM}/stills/..%2F..%2Faddress.key.jpg",
        f"/api/v1/alarms/..%2F{ALARM}/stills/{CAMERA}.jpg",
        f"/api/v1/alarms/{'x' * 500}/stills/{CAMERA}.jpg",
    ],
)
async def test_what_is_no_still_of_an_alarm_cannot_be_had(tmp_path: Path, path: str) -> None:
    async with rig(tmp_path) as it:
        keep(it, tmp_path)
        good = tmp_path / "store" / "stills" / "pictures"
        good.mkdir()
        (good / "good.jpg").write_bytes(TINY)
        assert (await it.ask(path)).status in {404, 422}
        assert it.trail == []
