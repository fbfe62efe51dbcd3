"""The files as a whole, and the tables that are there once: [site], [store], [log].

Needs   words.py.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from gateway.config.inspection import both
from gateway.config.tables.field import DeviceTable, InterlockTable, LinkTable
from gateway.config.tables.receiving import DeliveryTable, EscalationTable, RouteTable, UplinkTable
from gateway.config.tables.room import ConsoleTable, ContactTable
from gateway.config.tables.video import CameraTable, VideoTable
from gateway.config.tables.words import (
    FILE,
    ID,
    LINE,
    NAME,
    NUMBER,
    Identifier,
    LineText,
    Name,
    PathText,
    PhoneNumber,
    Table,
)

MIN_RETENTION_DAYS: Final = 90


class SiteTable(Table):
    """[site]: who we are in every record; address and phone are for whoever calls for help."""

    id: Annotated[Identifier, Field(description=ID)]
    name: Annotated[Name, Field(description=NAME)]
    gateway: Annotated[Identifier, Field(description=ID)] = "gw-1"
    address: Annotated[LineText | None, Field(description=LINE)] = None
    phone: Annotated[PhoneNumber | None, Field(description=NUMBER)] = None


class StoreTable(Table):
    """[store]: where events live and for how long."""

    path: Annotated[PathText, Field(description=FILE)]
    retention_days: Annotated[
        int,
        Field(
            ge=MIN_RETENTION_DAYS,
            le=36_500,
            description=both(
                "天数，至少 90（规定的最短保存期）",
                "a number of days, at least 90 (the rules demand it)",
            ),
        ),
    ] = MIN_RETENTION_DAYS
    reserve_mib: Annotated[
        int,
        Field(
            ge=16,
            le=65_536,
            description=both(
                "为报警预留的 MiB 数，16 至 65536", "MiB set aside for alarms, 16 to 65536"
            ),
        ),
    ] = 64


class LogTable(Table):
    """[log]: lines for the person at night, or JSON for a collector."""

    format: Annotated[
        Literal["json", "console"],
        Field(description=both("“json” 或 “console”", '"json" or "console"')),
    ] = "json"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description='"debug", "info", "warning" or "error"'),
    ] = "info"


class GatewayFile(Table):
    """gateway.toml as a whole; the loader reads table by table so that one fault hides no other."""

    site: SiteTable
    store: StoreTable
    link: list[LinkTable] = []
    uplink: list[UplinkTable] = []
    route: list[RouteTable] = []
    interlock: list[InterlockTable] = []
    console: ConsoleTable = ConsoleTable()
    contact: list[ContactTable] = []
    escalation: EscalationTable = EscalationTable()
    delivery: DeliveryTable = DeliveryTable()
    log: LogTable = LogTable()
    video: VideoTable = VideoTable()
    camera: list[CameraTable] = []


class DevicesFile(Table):
    """devices.toml, or one file of devices.d."""

    device: list[DeviceTable] = []
