import asyncio
import json
import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from gateway.console.problems import Problem
from gateway.console.rights import refuse_undeclared
from gateway.console.tokens import Role
from tests.console.conftest import Console
from tests.console.memory_desk import alarm, delivery, device

OPEN = {
    "/healthz",
    "/readyz",
    "/login",
    "/basic/login",
    "/static/page.css",
    "/static/login.js",
    "/api/v1/session/people",
}
SIGNING_ON = {("POST", "/api/v1/session"), ("POST", "/api/v1/session/first")}


def routes(app: FastAPI) -> list[tuple[str, str]]:
    return [
        (method, re.sub(r"\{[\w:]+\}", "a-1", route.path))
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ]


async def test_every_route_refuses_whoever_brings_no_token(console: Console) -> None:
    asked = routes(console.app)
    assert len(asked) > 20
    for method, path in asked:
        headers = {"X-Forwarded-For": "192.0.2.7"}  # so that /metrics is not asked from here
        answer = await console.ask(method, path, None, headers=headers)
        if path in OPEN:
            assert answer.status in {200, 401}, path
        elif path in {"/", "/console/guide"}:
            assert (answer.status, answer.headers["Location"][0]) == (303, "/")
        elif (method, path) in SIGNING_ON:
            assert answer.status == 422, path
        elif path.startswith("/console/"):  # the pages, which hold no data
            assert answer.status == 404, path
        else:
            assert answer.status == 401, (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_paths_that_do_not_exist_are_not_told_to_strangers(console: Console) -> None:
    assert (await console.get("/api/v1/secret", None)).status == 401
    assert (await console.get("/docs", None)).status == 401
    assert (await console.get("/docs")).status == 404
    assert (await console.get("/redoc")).status == 404


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.GUARD, {"act"}),
        (Role.LEADER, {"act"}),
        (Role.INSTALLER, {"act"}),
        (Role.ADMIN, {"act"}),
        (Role.VIEWER, set()),
        (Role.PLATFORM, {"receipt"}),
        (Role.AUDITOR, set()),
    ],
)
async def test_each_role_may_do_its_own_work_and_read(
    console: Console, role: Role, allowed: set[str]
) -> None:
    console.desk.rows.append(alarm())
    console.desk.delivery_rows.append({"id": "r-1", "receiver": "police", "state": "received"})
    acts = {
        "act": [
            "/api/v1/alarms/a-1/acknowledge",
            "/api/v1/alarms/a-1/close",
            "/api/v1/devices/valve-1/commands/close",
        ],
        "receipt": ["/api/v1/receipts"],
    }
    bodies: dict[str, Any] = {
        "/api/v1/alarms/a-1/close": {"disposition": "real", "note": "x"},
        "/api/v1/receipts": {"id": "r-1", "state": "accepted", "receipt": "7"},
        "/api/v1/devices/valve-1/commands/close": {"reason": "厨房有气味"},
    }
    for right, paths in acts.items():
        for path in paths:
            answer = await console.post(path, role, json=bodies.get(path))
            assert answer.status == (200 if right in allowed else 403), (path, answer.body)
    for path in ("events", "alarms", "faults", "devices", "deliveries", "receivers"):
        assert (await console.get(f"/api/v1/{path}", role)).status == 200
    assert (await console.get("/openapi.json", role)).status == 200


async def test_a_route_without_a_right_stops_the_start(console: Console) -> None:
    async def forgotten() -> None: ...

    console.app.add_api_route("/api/v1/forgotten", forgotten)
    with pytest.raises(LookupError, match="/api/v1/forgotten"):
        refuse_undeclared(console.app)


async def test_health_and_readiness_answer_anybody_with_reasons(console: Console) -> None:
    assert (await console.get("/healthz", None)).json() == {
        "alive": True,
        "loops": {"intake": True},
    }
    assert (await console.get("/readyz", None)).json() == {"ready": True, "reasons": []}
    assert (await console.ask("HEAD", "/readyz", None)).status == 200
    console.desk.reasons.append("store: disk full")
    console.desk.loops["intake"] = False
    refused = await console.get("/readyz", None)
    assert (refused.status, refused.json()["reasons"]) == (503, ["store: disk full"])
    assert (await console.get("/healthz", None)).status == 503


async def test_metrics_are_open_to_this_machine_only(console: Console) -> None:
    local = await console.get("/metrics", None)
    assert local.status == 200
    assert "campus_events_total 7.0" in local.text
    assert local.headers["Content-Type"].startswith("text/plain")
    for headers in (
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Host": "evil.example"},  # a foreign name that was made to point here
    ):
        assert (await console.get("/metrics", None, headers=headers)).status == 401
        assert (await console.get("/metrics", Role.AUDITOR, headers=headers)).status == 200


async def test_events_leave_byte_for_byte_and_say_where_to_go_on(console: Console) -> None:
    bodies = [await console.desk.record(text=f"第{number}次") for number in range(5)]
    first = await console.get("/api/v1/events?limit=2")
    assert first.body == b'{"events":[' + b",".join(bodies[:2]) + b'],"next":2}'
    rest = await console.get(f"/api/v1/events?after={first.json()['next']}")
    assert rest.body == b'{"events":[' + b",".join(bodies[2:]) + b'],"next":5}'
    assert (await console.get("/api/v1/events?after=5")).json() == {"events": [], "next": 5}


async def test_events_of_a_store_that_was_replaced_are_read_from_its_beginning(
    console: Console,
) -> None:
    await console.desk.record()
    assert (await console.get("/api/v1/events?after=900")).json() == {"events": [], "next": 0}


async def test_at_most_a_thousand_events_come_at_once_and_whole(console: Console) -> None:
    bodies = [await console.desk.record(size=900) for _ in range(1_100)]
    answer = await console.get("/api/v1/events?limit=100000")
    assert answer.body == b'{"events":[' + b",".join(bodies[:1000]) + b'],"next":1000}'


@pytest.mark.parametrize(
    "query",
    ["after=-1", "limit=0", "limit=x", "after=1e3", f"after={2**63}", "after=NaN"],
)
async def test_events_refuse_a_query_that_means_nothing(console: Console, query: str) -> None:
    answer = await console.get(f"/api/v1/events?{query}")
    assert answer.status == 422
    assert answer.json()["error"]["code"] == "not_valid"


async def test_alarms_are_listed_open_or_all_and_live_their_life(console: Console) -> None:
    console.desk.rows += [alarm("a-1"), alarm("a-2", state="closed")]
    assert [row["alarm_id"] for row in (await _alarms(console, "open"))] == ["a-1"]
    assert [row["alarm_id"] for row in (await _alarms(console, "all"))] == ["a-1", "a-2"]

    seen = await console.post("/api/v1/alarms/a-1/acknowledge")
    assert (seen.status, seen.json()["state"], seen.json()["acknowledged_by"]) == (
        200,
        "ack_active",
        "某guard",
    )
    again = await console.post("/api/v1/alarms/a-1/acknowledge")
    assert (again.status, again.json()["error"]["code"]) == (409, "wrong_state")
    done = await console.post(
        "/api/v1/alarms/a-1/close", json={"disposition": "accidental", "note": "学生误按"}
    )
    assert (done.status, done.json()["disposition"], done.json()["note"]) == (
        200,
        "accidental",
        "学生误按",
    )
    assert await _alarms(console, "open") == []


async def _alarms(console: Console, state: str) -> Any:
    return (await console.get(f"/api/v1/alarms?state={state}")).json()["alarms"]


async def test_an_unknown_alarm_is_404_in_our_shape(console: Console) -> None:
    for path, body in (("acknowledge", None), ("close", {"disposition": "real"})):
        answer = await console.post(f"/api/v1/alarms/nobody/{path}", json=body)
        assert answer.status == 404
        said = answer.json()
        assert set(said["error"]) == {"code", "message_zh", "message", "next"}
        assert said["error"]["code"] == "no_such_alarm"
        assert isinstance(said["detail"], str)


@pytest.mark.parametrize(
    "body",
    [
        b'{"disposition":"real","note":NaN}',
        b'{"disposition":"real","note":1}',
        b'{"disposition":"real","note":"\\ud800"}',
        b'{"disposition":"real","note":"a\\u0007b"}',
        b'{"disposition":"real","note":"a\\u202eb"}',
        b'{"disposition":"boring"}',
        b'{"disposition":"real","who":"chief"}',
        b'{"disposition":"real","\\ud800":1}',
        b'{"disposition":"real","note":"' + b"x" * 501 + b'"}',
        b'{"disposition":"real"',
        b'"\xff\xfe"',
        b"[" * 100_000,
        b'{"disposition":"real","n":' + b"9" * 5_000 + b"}",
        b"null",
        b"",
    ],
)
async def test_a_body_that_is_not_as_described_is_422_and_never_500(
    console: Console, body: bytes
) -> None:
    console.desk.rows.append(alarm())
    answer = await console.post(
        "/api/v1/alarms/a-1/close", data=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status == 422, answer.body
    assert isinstance(answer.json()["detail"], str)
    assert console.desk.rows[0]["state"] == "unack_active"


async def test_a_refusal_echoes_nothing_that_came_in(console: Console) -> None:
    answer = await console.post(
        "/api/v1/alarms/a-1/close",
        json={"disposition": "hunter2", "<script>hunter3": 1},
    )
    assert b"hunter2" not in answer.body
    assert b"<script>" not in answer.body


async def test_faults_devices_deliveries_and_receivers_are_wrapped(console: Console) -> None:
    console.desk.fault_rows.append(alarm("f-1", kind="offline"))
    console.desk.device_rows.append(device("gas-1", "unknown"))
    console.desk.receiver_rows.append({"name": "police", "queue_depth": 3})
    console.desk.delivery_rows += [
        {"id": "r-1", "receiver": "police", "state": "pending"},
        {"id": "r-2", "receiver": "police", "state": "accepted"},
    ]
    assert (await console.get("/api/v1/faults")).json()["faults"][0]["alarm_id"] == "f-1"
    assert (await console.get("/api/v1/devices")).json()["devices"][0]["state"] == "unknown"
    assert (await console.get("/api/v1/receivers")).json()["receivers"][0]["queue_depth"] == 3
    assert len((await console.get("/api/v1/deliveries")).json()["deliveries"]) == 2
    only = (await console.get("/api/v1/deliveries?state=accepted")).json()["deliveries"]
    assert [row["id"] for row in only] == ["r-2"]
    assert (await console.get("/api/v1/deliveries?state=lost")).status == 422


async def test_a_platform_speaks_only_for_the_receiver_it_is_named_after(console: Console) -> None:
    console.desk.receiver_rows += [{"name": "police"}, {"name": "bureau"}]
    console.desk.delivery_rows += [
        {"id": "r-1", "receiver": "police", "state": "received"},
        {"id": "r-1", "receiver": "bureau", "state": "received"},
        {"id": "r-2", "receiver": "bureau", "state": "received"},
    ]
    police = {"Authorization": f"Bearer {console.book.create(Role.PLATFORM, 'police')}"}
    said = {"id": "r-1", "state": "dispatched", "receipt": "110-7"}
    assert (await console.post("/api/v1/receipts", None, headers=police, json=said)).status == 200
    assert console.desk.receipts == [("police", "r-1", "dispatched", "110-7")]
    foreign = said | {"id": "r-2"}
    answer = await console.post("/api/v1/receipts", None, headers=police, json=foreign)
    assert (answer.status, answer.json()["error"]["code"]) == (404, "no_such_delivery")
    doubtful = await console.post("/api/v1/receipts", Role.PLATFORM, json=said)
    assert doubtful.status == 404
    assert len(console.desk.receipts) == 1


async def test_the_description_names_every_path_of_the_contract(console: Console) -> None:
    schema = (await console.get("/openapi.json")).json()
    assert {
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/events",
        "/api/v1/stream",
        "/api/v1/alarms",
        "/api/v1/alarms/{alarm_id}/acknowledge",
        "/api/v1/alarms/{alarm_id}/close",
        "/api/v1/faults",
        "/api/v1/devices",
        "/api/v1/devices/{device_id}/commands/{name}",
        "/api/v1/deliveries",
        "/api/v1/receivers",
        "/api/v1/receipts",
    } <= set(schema["paths"])
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert "CloseIn" in json.dumps(schema["components"])


async def test_a_bug_of_ours_shows_nothing_of_the_inside(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> list[Any]:
        raise RuntimeError("secret path /var/lib")

    console.desk.devices = broken  # type: ignore[method-assign]
    answer = await console.get("/api/v1/devices")
    assert answer.status == 500
    assert answer.json()["error"]["code"] == "our_fault"
    assert b"secret" not in answer.body
    assert "secret path" in caplog.text


async def test_an_api_token_has_a_rate_and_gets_going_again(console: Console) -> None:
    async def ask(role: Role) -> int:
        return (await console.get("/api/v1/receivers", role)).status

    first = [await ask(Role.AUDITOR) for _ in range(205)]
    assert first == [200] * 200 + [429] * 5
    assert await ask(Role.GUARD) == 200  # another token is not concerned
    refused = await console.get("/api/v1/receivers", Role.AUDITOR)
    assert refused.headers["Retry-After"] == "1"
    console.clock.forward(1)
    later = [await ask(Role.AUDITOR) for _ in range(51)]
    assert later == [200] * 50 + [429]


async def test_wrong_tokens_wait_longer_and_longer_but_right_ones_pass(console: Console) -> None:
    async def guess(number: int) -> tuple[int, str | None]:
        # An address that a header claims is not an address: the count goes on.
        headers = {"Authorization": f"Bearer cg_{number}", "X-Forwarded-For": f"10.0.0.{number}"}
        answer = await console.get("/api/v1/alarms", None, headers=headers)
        return answer.status, answer.headers.get("Retry-After")

    assert [await guess(number) for number in range(5)] == [(401, None)] * 5
    waits = []
    for number in range(8):
        status, wait = await guess(number)
        assert status == 429
        assert wait is not None
        waits.append(int(wait))
        assert (await console.get("/api/v1/alarms")).status == 200
        console.clock.forward(int(wait))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    console.clock.forward(601)
    assert await guess(9) == (401, None)


@pytest.mark.parametrize("value", ["Basic eDp5", "Bearer", "Bearer ", "cg_x", "Bearer cg_\u00e9"])
async def test_other_ways_of_saying_who_one_is_are_refused(console: Console, value: str) -> None:
    answer = await console.get("/api/v1/alarms", None, headers={"Authorization": value})
    assert answer.status == 401


async def test_answers_are_not_kept_and_not_guessed_at(console: Console) -> None:
    for path in ("/healthz", "/api/v1/alarms", "/login"):
        headers = (await console.get(path)).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Server" not in headers


async def test_many_askers_at_once_get_their_own_answers(console: Console) -> None:
    console.desk.rows.append(alarm(deliveries=[delivery("police", "pending")]))
    answers = await asyncio.gather(*(console.get("/api/v1/alarms") for _ in range(50)))
    assert {answer.body for answer in answers} == {answers[0].body}
    assert answers[0].status == 200


def test_a_refusal_always_says_how_long_to_wait() -> None:
    assert Problem.too_often(0.01).headers == {"Retry-After": "1"}


async def test_a_session_works_for_the_api_and_changes_nothing_without_proof(
    console: Console,
) -> None:
    console.desk.rows.append(alarm())
    login = await console.post("/login", None, data={"token": console.tokens[Role.GUARD]})
    cookie = {"Cookie": login.headers["Set-Cookie"].partition(";")[0]}
    assert (await console.get("/api/v1/alarms", None, headers=cookie)).status == 200
    path = "/api/v1/alarms/a-1/acknowledge"
    refused = await console.post(path, None, headers=cookie)
    assert (refused.status, refused.json()["error"]["code"]) == (403, "no_csrf_proof")
    page = await console.get("/basic", None, headers=cookie)
    proof = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert proof is not None
    passed = await console.post(path, None, headers=cookie | {"X-CSRF-Token": proof[1]})
    assert passed.status == 200
