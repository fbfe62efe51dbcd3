"""The audit trail over HTTP, and that signing in and out is in it."""

import pytest

from gateway.audit import Entry
from gateway.console.tokens import Role
from tests.console.conftest import Console

ENTRY = Entry(who="张三", role="guard", from_address="", action="video.view", subject="cam-1")


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.AUDITOR, 200),
        (Role.LEADER, 200),
        (Role.INSTALLER, 200),
        (Role.GUARD, 403),
        (Role.PLATFORM, 403),
        (None, 401),
    ],
)
async def test_who_may_read_the_trail(console: Console, role: Role | None, status: int) -> None:
    assert (await console.get("/api/v1/audit", role)).status == status


async def test_entries_come_as_they_were_frozen_and_on_from_where_one_was(console: Console) -> None:
    for _ in range(3):
        await console.desk.audit(ENTRY)
    answer = await console.get("/api/v1/audit?after=1&limit=1", Role.AUDITOR)
    assert answer.body == b'{"entries":[' + console.desk.lines[1].body + b'],"next":2}'
    assert (await console.get("/api/v1/audit?after=9", Role.AUDITOR)).json()["next"] == 0


async def test_signing_in_and_being_refused_is_in_the_trail(console: Console) -> None:
    token = console.tokens[Role.GUARD]
    assert (await console.post("/login", None, data={"token": "cg_wrong"})).status == 401
    assert (await console.post("/login", None, data={"token": token})).status == 303
    told = [
        entry["data"]
        for entry in (await console.get("/api/v1/audit", Role.AUDITOR)).json()["entries"]
    ]
    assert [(one["action"], one["role"], one["from"]) for one in told] == [
        ("sign_in.refused", "", "127.0.0.1"),
        ("sign_in", "guard", "127.0.0.1"),
    ]
    assert token not in str(told)
