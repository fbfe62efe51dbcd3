"""Rights: what each role may do, and how a route says which right it needs.

Needs   gateway.console.{problems,sessions,tokens}.
Keeps   1. A route that declares no right answers nobody: refuse_undeclared stops the start.
        2. What acts on the world, or is a person's word, asks for his PIN again (decision 0022): a
           route says so with asks_pin, and no handler of it runs before.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, TypeVar

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute

from gateway.console.problems import Problem
from gateway.console.sessions import Session
from gateway.console.tokens import Identity, Role


class Right(StrEnum):
    """One thing a role may or may not do."""

    READ = "read"
    ACT = "act"
    RECEIPT = "receipt"
    SIGN_IN = "sign_in"
    AUDIT = "audit"
    EXPORT = "export"
    VIDEO = "video"
    PEOPLE = "people"
    DURESS = "duress"
    PLANS = "plans"
    INSTALL = "install"


RIGHTS: Final[dict[Role, frozenset[Right]]] = {
    Role.GUARD: frozenset({Right.READ, Right.ACT, Right.SIGN_IN, Right.VIDEO}),
    Role.LEADER: frozenset(set(Right) - {Right.RECEIPT, Right.PEOPLE, Right.PLANS, Right.INSTALL}),
    Role.INSTALLER: frozenset(set(Right) - {Right.RECEIPT, Right.PEOPLE}),
    Role.ADMIN: frozenset(set(Right) - {Right.RECEIPT}),
    Role.VIEWER: frozenset({Right.READ, Right.SIGN_IN}),
    Role.PLATFORM: frozenset({Right.READ, Right.RECEIPT, Right.DURESS}),
    Role.AUDITOR: frozenset({Right.READ, Right.SIGN_IN, Right.AUDIT, Right.DURESS}),
}
"""Closing an alarm is for people who can look at the place; a platform only reports receipts. An
auditor sees who looked at video and who took evidence away, and does neither. A platform is given a
view by somebody here: with a signed address, or as evidence. Who has no Right.DURESS is never told
that somebody is threatened (discreet.py): whoever threatens a guard looks at the guard's screen."""

RANK: Final = {Role.GUARD: 0, Role.LEADER: 1, Role.INSTALLER: 2, Role.ADMIN: 2}
"""Who may send commands, by what a profile calls `permission`; other roles send none."""


def may_send(role: Role, permission: str) -> bool:
    """Whether a role is at least what a command's profile asks for."""
    return role in RANK and RANK[role] >= RANK[Role(permission)]


def require(identity: Identity, right: Right) -> None:
    """Raise Problem 403 unless the role has the right."""
    if right not in RIGHTS[identity.role]:
        raise Problem(
            403,
            "not_allowed",
            "您的角色不能做这件事，请有权限的人来做",
            f"the role {identity.role} may not do this",
            "ask somebody whose role may, or an admin for another role",
        )


def identity_of(request: Request) -> Identity:
    """Return who the gate let in; without anybody it is 401, whatever the path was."""
    identity = getattr(request.state, "identity", None)
    if not isinstance(identity, Identity):
        raise Problem.no_token()
    return identity


class _Needs:
    """The dependency that a route carries; a class, so that refuse_undeclared can find it."""

    def __init__(self, right: Right, *, asks_pin: bool) -> None:
        self.right = right
        self.asks_pin = asks_pin

    def __call__(self, request: Request) -> Identity:
        identity = identity_of(request)
        require(identity, self.right)
        session = session_of(request)
        if self.asks_pin and session is not None and session.asks_pin:
            raise Problem.pin_needed()
        return identity


def session_of(request: Request) -> Session | None:
    """Return the session of a person's browser; None for who brings a token with each request."""
    found = getattr(request.state, "session", None)
    return found if isinstance(found, Session) else None


def needs(right: Right, *, asks_pin: bool = False) -> Any:  # noqa: ANN401 FastAPI's dependency
    """Return the dependency: the identity, once it is known to have the right.

    asks_pin  a person at a console has given his PIN within sessions.PIN_S, else 403 pin_needed
    """
    return Depends(_Needs(right, asks_pin=asks_pin))


_OPEN: Final = "campus_open"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def everybody(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint that answers without any right, on purpose."""
    setattr(endpoint, _OPEN, True)
    return endpoint


def right_of(route: APIRoute) -> Right | None:
    """Return the right that a route needs; None for one that is for everybody."""
    found = _needed(route)
    return None if found is None else found.right


def asks_pin(route: APIRoute) -> bool:
    """Whether a route asks for the PIN again."""
    found = _needed(route)
    return found is not None and found.asks_pin


def _needed(route: APIRoute) -> _Needs | None:
    found = (part.call for part in route.dependant.dependencies)
    return next((call for call in found if isinstance(call, _Needs)), None)


def refuse_undeclared(app: FastAPI) -> None:
    """Raise LookupError (TypeError) when a route neither needs a right nor is for everybody."""
    for route in app.routes:
        if not isinstance(route, APIRoute):
            raise TypeError(f"{route!r} is of a kind that carries no right")
        if right_of(route) is None and not getattr(route.endpoint, _OPEN, False):
            raise LookupError(f"{route.path} declares no right and is not marked for everybody")
