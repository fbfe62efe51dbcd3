"""The path for commands: which status each outcome has, and what a reason may not be."""

from typing import Any

import pytest

from gateway.console.commands import NEXT, STATUS
from gateway.console.desk import Ordered
from gateway.console.rights import may_send
from gateway.console.tokens import Role
from tests.console.conftest import Console

PATH = "/api/v1/devices/valve-1/commands/open"
REASON = {"reason": "严密性试验合格"}


async def test_an_outcome_is_answered_with_state_and_why(console: Console) -> None:
    answer = await console.post(PATH, Role.LEADER, json=REASON)
    assert (answer.status, answer.json()) == (200, {"state": "done", "why": "position = closed"})
    assert console.desk.orders == [("valve-1", "open", "某leader", "严密性试验合格")]


async def test_the_first_of_two_people_gets_202(console: Console) -> None:
    console.desk.ordered = Ordered(state="waiting", code="waiting", why="等待 / waiting")
    answer = await console.post(PATH, Role.LEADER, json=REASON)
    assert (answer.status, answer.json()["state"]) == (202, "waiting")


@pytest.mark.parametrize(
    ("code", "status"),
    [(code, status) for code, status in STATUS.items() if status >= 400],
)
async def test_a_refusal_says_why_in_both_languages_and_what_to_do(
    console: Console, code: Any, status: int
) -> None:
    console.desk.ordered = Ordered(state="refused", code=code, why="不行 / no", retry_s=1.5)
    answer = await console.post(PATH, Role.LEADER, json=REASON)
    said = answer.json()
    assert (answer.status, said["state"], said["why"]) == (status, "refused", "不行 / no")
    assert said["error"] == {
        "code": code,
        "message_zh": "不行",
        "message": "no",
        "next": NEXT[code],
    }
    assert answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": ""},
        {"reason": "   "},
        {"reason": "x" * 201},
        {"reason": "a\nb"},
        {"reason": "a\u202eb"},
        {"reason": 5},
        {"reason": "ok", "force": True},
    ],
)
async def test_a_reason_is_there_short_and_plain(console: Console, body: dict[str, Any]) -> None:
    assert (await console.post(PATH, Role.LEADER, json=body)).status == 422
    assert console.desk.orders == []


async def test_neither_platforms_nor_auditors_tell_devices_anything(console: Console) -> None:
    for role in (Role.PLATFORM, Role.AUDITOR):
        assert (await console.post(PATH, role, json=REASON)).status == 403
    assert console.desk.orders == []


def test_a_role_may_what_its_level_and_the_levels_below_may() -> None:
    may = {
        role: [level for level in ("guard", "leader", "installer") if may_send(role, level)]
        for role in Role
    }
    assert may == {
        Role.GUARD: ["guard"],
        Role.LEADER: ["guard", "leader"],
        Role.INSTALLER: ["guard", "leader", "installer"],
        Role.ADMIN: ["guard", "leader", "installer"],
        Role.VIEWER: [],
        Role.PLATFORM: [],
        Role.AUDITOR: [],
    }
