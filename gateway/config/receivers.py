"""The [[uplink]] and [[route]] tables: who gets alarms, and which.

Owns    the check of receivers and of the routes to them.
Needs   inspection, tables, files, gateway.uplink. Finds kinds of receivers by name and lists none:
        an uplink's own `Options` model says what its table must hold; it gets the configuration
        folder in its validation context as {"folder": Path}.
"""

import importlib.util
import pkgutil
from typing import Any, Final

from pydantic import BaseModel

from gateway.config.files import refuse_world_readable
from gateway.config.inspection import Inspection, Spot, both, close_to, one_of
from gateway.config.links import named
from gateway.config.settings import Route, UplinkEntry
from gateway.config.tables import RouteTable, UplinkTable, own_keys
from gateway.events import Kind
from gateway.uplink import find_uplink

MAX_UPLINKS: Final = 64
MAX_ROUTES: Final = 1024


def check_uplinks(
    raw: object, spot: Spot, inspection: Inspection
) -> tuple[list[UplinkEntry], set[str]]:
    """Check every [[uplink]]; returns the sound ones and the names of all, sound or not."""
    entries = inspection.tables(raw, spot)
    _bound(len(entries), MAX_UPLINKS, spot, inspection)
    uplinks: list[UplinkEntry] = []
    names: dict[str, Spot] = {}
    for entry, entry_spot in entries[:MAX_UPLINKS]:
        where = named(entry, entry_spot, spot, names, inspection)
        table = inspection.table(UplinkTable, entry, where)
        if table is None or where is entry_spot:
            continue
        options = _options(table, where, inspection)
        if options is not None:
            uplinks.append(UplinkEntry(name=table.name, kind=table.kind, options=options))
    return uplinks, set(names)


def check_routes(raw: object, spot: Spot, uplinks: set[str], inspection: Inspection) -> list[Route]:
    """Check every [[route]]: its uplink is there, its kinds are kinds, and it adds something."""
    entries = inspection.tables(raw, spot)
    _bound(len(entries), MAX_ROUTES, spot, inspection)
    routes: list[Route] = []
    for entry, entry_spot in entries[:MAX_ROUTES]:
        table = inspection.table(RouteTable, entry, entry_spot)
        if table is None:
            continue
        if table.uplink not in uplinks:
            chinese, english = close_to(table.uplink, uplinks)
            inspection.fault(
                entry_spot.child("uplink"),
                both(
                    f"没有接收方 `{table.uplink}`{chinese}",
                    f"there is no uplink `{table.uplink}`{english}",
                ),
                one_of(uplinks),
            )
        kinds = _kinds(table.kinds, entry_spot.child("kinds"), inspection)
        route = Route(uplink=table.uplink, kinds=kinds)
        if _covered(route, routes):
            inspection.fault(
                entry_spot,
                both(
                    f"前面的路由已把这些都发给 `{route.uplink}`",
                    f"adds nothing: earlier routes send all of it to `{route.uplink}`",
                ),
                both("去掉它，或换种类", "no such route, or other kinds"),
            )
        routes.append(route)
    return routes


def _options(table: UplinkTable, spot: Spot, inspection: Inspection) -> BaseModel | None:
    try:
        model: type[BaseModel] = find_uplink(table.kind).Options
    except (LookupError, ImportError, AttributeError):
        known = _uplink_kinds()
        chinese, english = close_to(table.kind, known)
        inspection.fault(
            spot.child("kind"),
            both(
                f"没有 `{table.kind}` 这种接收方{chinese}",
                f"there is no uplink kind `{table.kind}`{english}",
            ),
            one_of(known),
        )
        return None
    own: dict[str, Any] = own_keys(table)
    before = len(inspection.faults)
    for key, value in own.items():
        if (key.endswith("_file") or key == "key") and isinstance(value, str) and value:
            refuse_world_readable(inspection.path(value), spot.child(key), inspection)
    options = inspection.table(model, own, spot, context={"folder": inspection.folder})
    return options if len(inspection.faults) == before else None


def _uplink_kinds() -> list[str]:
    package = importlib.util.find_spec("gateway.uplinks")
    folders = package.submodule_search_locations if package else None
    return [
        module.name for module in pkgutil.iter_modules(folders or []) if module.name.isidentifier()
    ]


def _kinds(names: list[str] | None, spot: Spot, inspection: Inspection) -> frozenset[Kind] | None:
    if names is None:
        return None
    known = [kind.value for kind in Kind]
    for index, name in enumerate(names):
        if name not in known:
            chinese, english = close_to(name, known)
            inspection.fault(
                spot.item(index),
                both(f"没有种类 `{name}`{chinese}", f"there is no kind `{name}`{english}"),
                "one of: " + ", ".join(known),
            )
    return frozenset(Kind(name) for name in names if name in known)


def _covered(route: Route, earlier: list[Route]) -> bool:
    sent: set[Kind] = set()
    for other in earlier:
        if other.uplink == route.uplink:
            sent |= frozenset(Kind) if other.kinds is None else other.kinds
    wanted = frozenset(Kind) if route.kinds is None else route.kinds
    return bool(wanted) and wanted <= sent


def _bound(count: int, most: int, spot: Spot, inspection: Inspection) -> None:
    if count > most:
        inspection.fault(
            spot,
            both(f"有 {count} 项", f"there are {count} of them"),
            both(f"最多 {most} 项", f"at most {most}"),
        )
