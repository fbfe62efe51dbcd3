"""The tables of gateway.toml and devices.toml, as an installer writes them.

Owns    which keys there are, their types, bounds and defaults, and the sentence that says so in a
        fault and in the JSON Schema (a field's description is what a fault calls "expected").
        words.py has what they share, files.py puts them together.
Needs   pydantic and the names of kinds. Reads no file; what needs a second look at the disk or at
        another table is checked beside this folder, in links.py, receivers.py and devices.py.
Keeps   Strict: nothing is converted, an unknown key is a fault, every number and text has a bound.
"""

from typing import Any

from gateway.config.tables.field import DeviceTable, InterlockTable, LinkTable
from gateway.config.tables.files import DevicesFile, GatewayFile, LogTable, SiteTable, StoreTable
from gateway.config.tables.receiving import DeliveryTable, EscalationTable, RouteTable, UplinkTable
from gateway.config.tables.room import (
    ConsoleTable,
    ContactTable,
    PlanFile,
    PlanStepTable,
    SirenTable,
)
from gateway.config.tables.video import CameraTable, VideoTable, VolumeTable
from gateway.config.tables.words import MAX_NAME_CHARS, Identifier, Table

__all__ = [
    "MAX_NAME_CHARS",
    "CameraTable",
    "ConsoleTable",
    "ContactTable",
    "DeliveryTable",
    "DeviceTable",
    "DevicesFile",
    "EscalationTable",
    "GatewayFile",
    "Identifier",
    "InterlockTable",
    "LinkTable",
    "LogTable",
    "PlanFile",
    "PlanStepTable",
    "RouteTable",
    "SirenTable",
    "SiteTable",
    "StoreTable",
    "Table",
    "UplinkTable",
    "VideoTable",
    "VolumeTable",
    "own_keys",
]


def own_keys(table: LinkTable | UplinkTable) -> dict[str, Any]:
    """Return the keys that are not ours but the driver's or the uplink's."""
    return dict(table.model_extra or {})
