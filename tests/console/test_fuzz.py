"""Requests that nobody thought of, made from the gateway's own description of itself.

Schemathesis makes them, right ones and wrong ones, from /openapi.json of a whole house that runs
here. None may find a fault of ours: no 5xx but one that is a known "not now", every refusal in the
form of the API, and nothing that takes long.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode

from gateway.console.tokens import Role
from tests.console.whole import Whole, whole

PATIENCE_S: Final = 60.0
SLOW_S: Final = 20.0
"""Of an answer on a machine with other work; every one of them takes less than 0.1 s alone."""
NOT_NOW: Final = {"no_stills_now", "stills_busy", "busy", "not_now", "failed", "starting"}
ENDLESS: Final = ("/stream", "/live.mp4", "/live.mjpeg")
LEFT_OUT: Final = {
    "/api/v1/install/search",  # it would ask whatever host is made up
    "/api/v1/install/profiles/{profile_id}",  # nobody can make up a path with slashes in it
}


def told_wrong(answer: Response) -> str:
    """What is wrong with an answer, "" when nothing is."""
    said = f"{answer.request.method} {answer.request.url} {answer.request.body!r}"[:500]
    if answer.elapsed > SLOW_S:
        return f"{said}: took {answer.elapsed} s"
    if answer.status_code < 400 or not answer.content:
        return ""
    kind = answer.headers["content-type"]
    if kind != ["application/json"]:
        is_http = answer.content == b"Invalid HTTP request received."
        return "" if is_http else f"{said}: {answer.status_code} {kind}"
    body = answer.json()
    if not {"code", "message", "message_zh", "next"} <= set(body["error"]):
        return f"{said}: {answer.text[:200]}"
    if answer.status_code >= 500 and body["error"]["code"] not in NOT_NOW:
        return f"{said}: {answer.status_code} {answer.text[:200]}"
    return ""


def operations(description: dict[str, Any]) -> Iterator[Any]:
    for each in schemathesis.openapi.from_dict(description).get_all_operations():
        operation = each.ok()
        if not operation.path.endswith(ENDLESS) and operation.path not in LEFT_OUT:
            yield operation


def fuzz(url: str, description: dict[str, Any], headers: dict[str, str], examples: int) -> set[str]:
    """Send so many right and as many wrong requests to each route, with `headers` and without.

    Returns what was wrong.
    """
    wrong: set[str] = set()
    asked = 0
    with requests.Session() as session:
        for operation in operations(description):
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                @seed(20261122)
                @settings(
                    max_examples=examples,
                    phases=[Phase.generate],
                    database=None,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                )
                @given(case=operation.as_strategy(generation_mode=mode))
                def one(case: Any) -> None:
                    nonlocal asked
                    for known in (headers, {}):
                        answer = case.call(
                            base_url=url, headers=known, session=session, timeout=PATIENCE_S
                        )
                        asked += 1
                        wrong.add(told_wrong(answer))

                try:
                    one()
                except Unsatisfiable:
                    continue  # nothing of it can be wrong
    assert asked > examples
    return wrong - {""}


async def described(house: Whole) -> dict[str, Any]:
    headers = house.bearer(Role.ADMIN)
    return dict((await house.ask("GET", "/openapi.json", headers=headers)).json())


async def attack(house: Whole, examples: int) -> set[str]:
    description = await described(house)
    await house.press()
    admin = house.bearer(Role.ADMIN)
    return await asyncio.to_thread(fuzz, house.url, description, admin, examples)


async def test_no_request_finds_a_fault_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with whole(tmp_path, monkeypatch) as house:
        assert await attack(house, 1) == set()
        # And what the house is for goes on: a press of now is on disk.
        before = house.running.desk.head()
        async with asyncio.timeout(PATIENCE_S):
            for message in house.button.pressed():
                await house.publisher.post(message)
            await house.running.desk.wait_beyond(before)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_no_request_finds_a_fault_of_ours_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with whole(tmp_path, monkeypatch) as house:
        assert await attack(house, 100) == set()
