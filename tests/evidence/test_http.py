"""POST /api/v1/evidence: the trail first, then the bytes; nothing is left, whoever hangs up."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from gateway.console.api import build_app
from gateway.console.evidence import EvidenceRoutes
from gateway.console.page import Site
from gateway.console.server import ServerSettings
from gateway.console.tokens import Role, TokenBook
from gateway.errors import StoreError
from gateway.evidence import Builder, Wanted, verifier
from gateway.exports import HouseExports
from tests.console.conftest import running
from tests.evidence.world import GATE, School, contents, living, run_alone, school_of
from tests.parts import Core
from tests.test_desk import desk_of

PATH = "/api/v1/evidence"
DAY = "2026-11-21T"


@dataclass
class House:
    school: School
    made: Core
    exports: HouseExports
    http: aiohttp.ClientSession
    url: str
    tokens: dict[Role, str]

    def bearer(self, role: Role | None) -> dict[str, str]:
        return {} if role is None else {"Authorization": f"Bearer {self.tokens[role]}"}

    async def post(self, body: object, role: Role | None = Role.LEADER) -> tuple[int, bytes, Any]:
        async with self.http.post(self.url + PATH, json=body, headers=self.bearer(role)) as answer:
            return answer.status, await answer.read(), answer.headers

    async def get(self, path: str, role: Role | None = Role.AUDITOR) -> tuple[int, Any]:
        async with self.http.get(self.url + path, headers=self.bearer(role)) as answer:
            return answer.status, json.loads(await answer.read())

    def left(self) -> list[Path]:
        return list(self.exports.folder.glob("*")) if self.exports.folder.exists() else []

    async def exported(self) -> list[dict[str, Any]]:
        _, said = await self.get(PATH)
        return [one["data"] for one in said["evidence"]]


@asynccontextmanager
async def house(school: School) -> AsyncIterator[House]:
    async with living(school) as made, aiohttp.ClientSession() as http:
        exports = HouseExports(school.config, made.store, made.intake, school.clock)
        exports.limits = replace(exports.limits, seal_wait_s=0.0)
        book = TokenBook(school.store / "tokens.json", school.clock)
        tokens = {role: book.create(role, f"某{role}") for role in Role}
        app = build_app(
            desk_of(made),
            book,
            CollectorRegistry(),
            site=Site(id="s", name="校", gateway="gw-1"),
            clock=school.clock,
            evidence=EvidenceRoutes(exports),
        )
        async with running(app, ServerSettings(port=0)) as port:
            yield House(school, made, exports, http, f"http://127.0.0.1:{port}", tokens)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(await school_of(tmp_path)) as made:
        yield made


def about(here: House) -> dict[str, str]:
    return {"alarm_id": here.school.alarm_id, "reason": "警方调取"}


async def test_a_package_comes_whole_and_is_in_the_trail(here: House, tmp_path: Path) -> None:
    status, body, headers = await here.post(about(here))
    assert status == 200
    path = tmp_path / "got.zip"
    path.write_bytes(body)
    found = verifier.check(path, here.school.key.fingerprint)
    assert found.fault is None
    assert run_alone(path).returncode == 0
    assert headers["Content-Type"] == "application/zip"
    assert headers["Campus-Evidence-Id"] == found.manifest["id"]
    [told] = await here.exported()
    assert (told["who"], told["role"], told["from"]) == ("某leader", "leader", "127.0.0.1")
    assert told["subject"] == here.school.alarm_id
    assert told["reason"] == "警方调取"
    assert told["details"]["package"] == found.manifest["id"]
    assert told["details"]["manifest_sha256"] == headers["Campus-Evidence-Manifest"]
    assert here.left() == []


async def test_the_next_package_has_the_export_of_the_first_in_its_trail(
    here: House, tmp_path: Path
) -> None:
    await here.post(about(here))
    _, body, _ = await here.post(about(here))
    (tmp_path / "second.zip").write_bytes(body)
    actions = [
        json.loads(line)["data"]["action"]
        for line in contents(tmp_path / "second.zip")["audit.jsonl"].splitlines()
    ]
    assert actions.count("evidence.export") == 1


async def test_a_camera_and_a_time_with_a_zone(here: House, tmp_path: Path) -> None:
    body = {"camera": GATE, "from": f"{DAY}20:00:00+08:00", "to": f"{DAY}20:00:30+08:00"}
    status, got, _ = await here.post({**body, "reason": "r"}, Role.INSTALLER)
    assert status == 200
    (tmp_path / "got.zip").write_bytes(got)
    names = contents(tmp_path / "got.zip")
    assert sum(name.startswith("video/") for name in names) == 1


async def test_who_may_export_and_who_may_see_what_left(here: House) -> None:
    refused = {Role.GUARD: 403, Role.AUDITOR: 403, Role.PLATFORM: 403, None: 401}
    found = {role: (await here.post(about(here), role))[0] for role in refused}
    assert found == refused
    assert await here.exported() == []
    seeing = {Role.GUARD: 403, Role.PLATFORM: 403, Role.AUDITOR: 200, Role.LEADER: 200}
    for path in (PATH, f"{PATH}/key"):
        assert {role: (await here.get(path, role))[0] for role in seeing} == seeing
    _, key = await here.get(f"{PATH}/key")
    assert key["fingerprint"] == here.school.key.fingerprint
    assert "PRIVATE" not in str(key)


NO_REQUESTS: list[object] = [
    {},
    {"alarm_id": "x"},
    {"alarm_id": "x", "reason": ""},
    {"alarm_id": "x", "reason": "  "},
    {"alarm_id": "x", "reason": "a\x1b[2J"},
    {"alarm_id": "x", "camera": "y", "reason": "r"},
    {"alarm_id": "../../etc/passwd", "reason": "r"},
    {"alarm_id": "x", "from": f"{DAY}20:00:00Z", "reason": "r"},
    {"camera": GATE, "reason": "r"},
    {"camera": GATE, "from": "yesterday", "to": "today", "reason": "r"},
    {"camera": GATE, "from": f"{DAY}20:00:00", "to": f"{DAY}21:00:00", "reason": "r"},
    {"alarm_id": "x", "reason": "r", "out": "/etc/passwd"},
    [],
    "x",
]


async def test_what_is_no_request_is_refused(here: House) -> None:
    for body in NO_REQUESTS:
        assert (await here.post(body))[0] == 422, body
    assert here.left() == []


async def test_what_is_not_there_and_what_cannot_be_is_said(here: House) -> None:
    assert (await here.post({"alarm_id": "nobody", "reason": "r"}))[0] == 404
    times = {"from": f"{DAY}20:01:00Z", "to": f"{DAY}20:00:00Z"}
    assert (await here.post({"camera": GATE, **times, "reason": "r"}))[0] == 409
    assert (await here.post({"camera": "nobody", **times, "reason": "r"}))[0] in {404, 409}
    here.exports.limits = replace(here.exports.limits, bytes_most=1000)
    status, body, _ = await here.post(about(here))
    assert status == 409
    assert "campus-gateway export" in body.decode()
    assert await here.exported() == []
    assert here.left() == []


async def test_without_its_entry_no_byte_leaves(here: House) -> None:
    async def full(_entry: object) -> int:
        raise StoreError("no room")

    here.exports.audit = full  # type: ignore[method-assign, assignment]
    status, body, _ = await here.post(about(here))
    assert status == 503
    assert b"PK" not in body
    assert here.left() == []


class Slow:
    """A builder that waits until it is stopped, or let go on."""

    def __init__(self, here: House) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()
        self._make = here.exports.builder
        here.exports.builder = self.builder  # type: ignore[method-assign]

    def builder(self, wanted: Wanted, stop: threading.Event) -> Builder:
        self.begun.set()
        stop.wait(60)
        self.ended.set()
        return self._make(wanted, stop)


async def test_one_is_made_at_a_time_and_whoever_hangs_up_stops_it(here: House) -> None:
    slow = Slow(here)
    first = asyncio.ensure_future(here.post(about(here)))
    assert await asyncio.to_thread(slow.begun.wait, 60)
    status, _, headers = await here.post(about(here))
    assert status == 503
    assert int(headers["Retry-After"]) > 0
    first.cancel()
    assert await asyncio.to_thread(slow.ended.wait, 60)
    with pytest.raises(asyncio.CancelledError):
        await first
    del here.exports.builder
    async with asyncio.timeout(60):
        while (await here.post(about(here)))[0] == 503:  # noqa: ASYNC110 the server tells nobody
            await asyncio.sleep(0.02)
    assert len(await here.exported()) == 1
    assert here.left() == []


async def test_a_reader_who_leaves_in_the_middle_leaves_no_place_taken(here: House) -> None:
    for _ in range(5):
        async with here.http.post(
            here.url + PATH, json=about(here), headers=here.bearer(Role.LEADER)
        ) as answer:
            assert answer.status in {200, 503}
            await answer.content.read(1000)
            answer.close()
    async with asyncio.timeout(60):
        while (await here.post(about(here)))[0] == 503:  # noqa: ASYNC110 the server tells nobody
            await asyncio.sleep(0.02)
    assert here.left() == []
