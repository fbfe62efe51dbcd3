"""Every route for every role: a route that nobody put into this table fails here."""

import re

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from gateway.console.rights import RIGHTS, Right, refuse_undeclared, right_of
from gateway.console.tokens import Role
from tests.console.conftest import Console

EVERYBODY = None
"""Answers without any right."""
READ, ACT, PEOPLE = Right.READ, Right.ACT, Right.PEOPLE

TABLE: dict[tuple[str, str], Right | None] = {
    ("GET", "/"): EVERYBODY,
    ("GET", "/healthz"): EVERYBODY,
    ("HEAD", "/healthz"): EVERYBODY,
    ("GET", "/readyz"): EVERYBODY,
    ("HEAD", "/readyz"): EVERYBODY,
    ("GET", "/metrics"): EVERYBODY,  # the gate asks for a token from other machines
    ("GET", "/openapi.json"): READ,
    ("GET", "/console/{path:path}"): EVERYBODY,
    ("HEAD", "/console/{path:path}"): EVERYBODY,
    ("GET", "/login"): EVERYBODY,
    ("POST", "/login"): EVERYBODY,
    ("GET", "/basic"): Right.SIGN_IN,
    ("GET", "/basic/login"): EVERYBODY,
    ("POST", "/basic/login"): EVERYBODY,
    ("POST", "/basic/logout"): Right.SIGN_IN,
    ("GET", "/basic/alarms/{alarm_id}"): Right.SIGN_IN,
    ("POST", "/basic/alarms/{alarm_id}/acknowledge"): ACT,
    ("POST", "/basic/alarms/{alarm_id}/close"): ACT,
    ("GET", "/static/page.css"): EVERYBODY,
    ("GET", "/static/login.js"): EVERYBODY,
    ("GET", "/api/v1/session"): Right.SIGN_IN,
    ("POST", "/api/v1/session"): EVERYBODY,
    ("DELETE", "/api/v1/session"): Right.SIGN_IN,
    ("GET", "/api/v1/session/people"): EVERYBODY,
    ("POST", "/api/v1/session/first"): EVERYBODY,
    ("GET", "/api/v1/people"): PEOPLE,
    ("POST", "/api/v1/people"): PEOPLE,
    ("DELETE", "/api/v1/people/{person_id}"): PEOPLE,
    ("POST", "/api/v1/people/{person_id}/secret"): PEOPLE,
    ("GET", "/api/v1/alarms"): READ,
    ("GET", "/api/v1/faults"): READ,
    ("POST", "/api/v1/alarms/{alarm_id}/acknowledge"): ACT,
    ("POST", "/api/v1/alarms/{alarm_id}/close"): ACT,
    ("GET", "/api/v1/events"): READ,
    ("GET", "/api/v1/stream"): READ,
    ("GET", "/api/v1/console/stream"): READ,
    ("GET", "/api/v1/audit"): Right.AUDIT,
    ("GET", "/api/v1/devices"): READ,
    ("POST", "/api/v1/devices/{device_id}/commands/{name}"): ACT,
    ("GET", "/api/v1/deliveries"): READ,
    ("GET", "/api/v1/receivers"): READ,
    ("POST", "/api/v1/receipts"): Right.RECEIPT,
}
MAY: dict[Right, set[Role]] = {
    Right.READ: set(Role),
    Right.ACT: {Role.GUARD, Role.LEADER, Role.INSTALLER, Role.ADMIN},
    Right.SIGN_IN: set(Role) - {Role.PLATFORM},
    Right.RECEIPT: {Role.PLATFORM},
    Right.AUDIT: {Role.LEADER, Role.INSTALLER, Role.ADMIN, Role.AUDITOR},
    Right.EXPORT: {Role.LEADER, Role.INSTALLER, Role.ADMIN},
    Right.VIDEO: {Role.GUARD, Role.LEADER, Role.INSTALLER, Role.ADMIN},
    Right.PEOPLE: {Role.ADMIN},
    Right.DURESS: set(Role) - {Role.GUARD, Role.VIEWER},
}
STREAMS = {"/api/v1/stream", "/api/v1/console/stream"}


def routes(app: FastAPI) -> list[tuple[str, str, APIRoute]]:
    return [
        (method, route.path, route)
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ]


def test_each_role_has_the_rights_of_the_table() -> None:
    for right, roles in MAY.items():
        assert {role for role in Role if right in RIGHTS[role]} == roles, right


async def test_every_route_needs_the_right_that_is_written_down_for_it(console: Console) -> None:
    refuse_undeclared(console.app)
    found = {(method, path): right_of(route) for method, path, route in routes(console.app)}
    assert found == TABLE


@pytest.mark.parametrize("role", list(Role))
async def test_every_route_lets_in_whom_it_should_and_nobody_else(
    console: Console, role: Role
) -> None:
    for method, path, route in routes(console.app):
        right = TABLE[method, path]
        if right is EVERYBODY or (path in STREAMS and role in MAY[right]):
            continue  # test_api has the former without any token, test_feed and test_watch these
        # Bodies are left out: whoever may not is told so before anybody looks at what he sent.
        asked = re.sub(r"\{person_id\}", "p-0123456789ab", route.path)
        asked = re.sub(r"\{[\w:]+\}", "a-1", asked)
        answer = await console.ask(method, asked, role)
        if role in MAY[right]:
            assert answer.status not in {401, 403} or path == "/basic/logout" or right is ACT, path
            if path.startswith("/api/"):
                assert answer.status not in {401, 403}, (method, path)
        else:
            assert answer.status == 403, (method, path, answer.status)
