"""What each role may do. Whose each route is stands in test_every_route.py."""

import pytest

from gateway.console.rights import RIGHTS, Right, refuse_undeclared
from gateway.console.tokens import Role
from tests.console.conftest import Console

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
    Right.PLANS: {Role.INSTALLER, Role.ADMIN},
    Right.INSTALL: {Role.INSTALLER, Role.ADMIN},
}


def test_each_role_has_the_rights_of_the_table() -> None:
    assert set(MAY) == set(Right)
    for right, roles in MAY.items():
        assert {role for role in Role if right in RIGHTS[role]} == roles, right


async def test_a_route_that_declares_no_right_stops_the_start(console: Console) -> None:
    refuse_undeclared(console.app)

    async def forgotten() -> None:
        return None

    console.app.add_api_route("/api/v1/forgotten", forgotten)
    with pytest.raises(LookupError, match="forgotten"):
        refuse_undeclared(console.app)
