"""[[uplink]], [[route]], [delivery], [escalation]: who gets what, and who is called next.

Needs   words.py.
"""

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from gateway.config.inspection import both
from gateway.config.tables.words import ID, STEPS, Identifier, Table
from gateway.events import Kind

MAX_ESCALATION_STEPS: Final = 10


class UplinkTable(Table):
    """[[uplink]]: one receiver; the keys of its kind stand beside these."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[Identifier, Field(description=ID)]
    kind: Annotated[
        Identifier,
        Field(
            description=both(
                "gateway/uplinks/ 下的文件名", "the name of a file under gateway/uplinks/"
            )
        ),
    ]


class RouteTable(Table):
    """[[route]]: which kinds go to which receiver; without kinds: all of them."""

    uplink: Annotated[
        Identifier, Field(description=both("某个 [[uplink]] 的 name", "the name of an [[uplink]]"))
    ]
    kinds: Annotated[
        list[str] | None,
        Field(
            min_length=1,
            max_length=len(Kind),
            description=both(
                "报警种类的列表，至少一个；不写表示全部",
                "a list of at least one kind; leave the key out for all kinds",
            ),
        ),
    ] = None


class DeliveryTable(Table):
    """[delivery]: what every receiver gets besides alarms."""

    heartbeat_seconds: Annotated[
        int,
        Field(
            ge=5,
            le=60,
            description=both("心跳间隔的秒数，5 至 60", "seconds between two heartbeats, 5 to 60"),
        ),
    ] = 30


Steps = Annotated[
    list[Annotated[int, Field(ge=5, le=86_400)]],
    Field(max_length=MAX_ESCALATION_STEPS, description=STEPS),
]


class EscalationTable(Table):
    """[escalation]: seconds after which an unacknowledged alarm calls the next person."""

    p1_seconds: Steps = [30, 60, 120]
    p2_seconds: Steps = [120, 300]
    p3_seconds: Steps = []
    p4_seconds: Steps = []
