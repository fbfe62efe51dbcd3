"""Routes: what goes to whom, the same in the router and in what `check` tells the installer."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.settings import Config, Route, UplinkEntry
from gateway.events import Kind
from gateway.rules.routing import ROUTINE, URGENT, WARNING, Router

NUMBERS = {"police": 1, "bureau": 2, "centre": 3}
KINDS = st.none() | st.frozensets(st.sampled_from(Kind), min_size=1)
ROUTES = st.lists(st.tuples(st.sampled_from(sorted(NUMBERS)), KINDS), max_size=6)


def config_with(routes: list[tuple[str, frozenset[Kind] | None]]) -> Config:
    """A configuration of which only receivers and routes matter here."""
    made = object.__new__(Config)
    uplinks = tuple(UplinkEntry(name=name, kind="http", options=None) for name in NUMBERS)
    object.__setattr__(made, "uplinks", uplinks)
    entries = tuple(Route(uplink=name, kinds=kinds) for name, kinds in routes)
    object.__setattr__(made, "routes", entries)
    object.__setattr__(made, "folder", Path())
    return made


def test_without_routes_everything_goes_everywhere() -> None:
    router = Router(NUMBERS, [])
    assert all(router.receivers(kind) == (1, 2, 3) for kind in Kind)


def test_a_receiver_without_a_route_beside_others_that_have_one_gets_everything() -> None:
    router = Router(NUMBERS, [("police", [Kind.PANIC])])
    assert router.receivers("panic") == (1, 2, 3)
    assert router.receivers("access") == (2, 3)


def test_routes_of_one_receiver_add_up() -> None:
    router = Router(NUMBERS, [("police", [Kind.PANIC]), ("police", [Kind.FIRE])])
    assert [kind for kind in Kind if 1 in router.receivers(kind)] == [Kind.PANIC, Kind.FIRE]


@given(ROUTES)
def test_the_router_and_the_configuration_agree_on_every_kind(
    routes: list[tuple[str, frozenset[Kind] | None]],
) -> None:
    router, config = Router(NUMBERS, routes), config_with(routes)
    for kind in Kind:
        told = tuple(sorted(NUMBERS[name] for name in config.receivers_of(kind)))
        assert router.receivers(kind) == told


def test_panic_duress_fire_and_whatever_has_priority_1_travel_in_the_urgent_lane() -> None:
    assert {Router.lane(kind, 4) for kind in ("panic", "duress", "fire")} == {URGENT}
    assert Router.lane("access", 1) == URGENT
    assert Router.lane("smoke", 2) == WARNING
    assert {Router.lane("access", priority) for priority in (3, 4)} == {ROUTINE}
