"""One alarm or fault: its life as data (design promise 4, ISA-18.2 shaped).

unack_active ──ack──► ack_active ──restore──► closes by itself unless it latches
     │restore                │
     ▼                       └── a person closes it, with a disposition, at any time after raising
 rtn_unack ──ack──► closes by itself unless it latches
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

import orjson

from gateway.events import NEVER_FOLDED, Category, Kind, Scalar
from gateway.store.batch import AlarmRow
from gateway.words import Said

DISPOSITIONS: Final = ("real", "accidental", "fault", "test", "malicious")


@dataclass(slots=True, kw_only=True)
class Alarm:
    """An occurrence with a life. Times are UTC nanoseconds, None when it has not happened.

    words      what happened in both languages, without place and name; None when an older gateway
               raised it: then there is its text
    category   "alarm" or "fault": a fault closes by itself when restored
    active     the condition is there now, as far as the point says
    latched    only a person closes it
    count      how often it was raised or pressed
    told       the count that the newest raised/repeated record carried
    level      how many escalation steps were taken; due_ns when the next is
    cause      alarm_id of the alarm this one was folded under, None when it stands for itself
    video      from, to (RFC 3339) of what its cameras keep of it at least; None when nobody does
    steps, notes, telephoned   what people did about it (gateway/handling.py), oldest first
    """

    alarm_id: str
    category: str
    device: str
    name: str
    place: str
    family: str
    point: str
    kind: str
    priority: int
    mode: str
    text: str
    raised_ns: int
    raised_seq: int = 0
    last_ns: int = 0
    told_ns: int = 0
    value: Scalar | None = None
    unit: str | None = None
    active: bool = True
    latched: bool = False
    count: int = 1
    told: int = 1
    acknowledged_ns: int | None = None
    acknowledged_by: str | None = None
    restored_ns: int | None = None
    closed_ns: int | None = None
    closed_by: str | None = None
    disposition: str | None = None
    note: str | None = None
    level: int = 0
    due_ns: int | None = None
    cause: str | None = None
    cameras: list[str] = field(default_factory=list)
    video: dict[str, str] | None = None
    attributes: dict[str, Scalar] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    telephoned: list[dict[str, Any]] = field(default_factory=list)
    words: Said | None = None

    @property
    def is_open(self) -> bool:
        """False once it is closed."""
        return self.closed_ns is None

    @property
    def state(self) -> str:
        """The word of users.md section 6."""
        if self.closed_ns is not None:
            return "closed"
        if self.active:
            return "unack_active" if self.acknowledged_ns is None else "ack_active"
        return "rtn_unack" if self.acknowledged_ns is None else "rtn_ack"

    @property
    def closes_by_itself(self) -> bool:
        """A fault when restored; an alarm when restored and seen by a person, unless it latches."""
        if self.active or self.latched:
            return False
        return self.category == Category.FAULT or self.acknowledged_ns is not None

    def row(self) -> AlarmRow:
        """As the store keeps it."""
        doc = orjson.dumps(asdict(self)).decode()
        return AlarmRow(self.alarm_id, self.category, self.is_open, self.raised_seq, doc)

    @classmethod
    def from_doc(cls, doc: str) -> "Alarm":
        """Read what row() wrote; members of a later version are passed over."""
        known = {item.name for item in fields(cls)}
        data: dict[str, Any] = orjson.loads(doc)
        data["words"] = Said.read(data.get("words"))
        return cls(**{name: value for name, value in data.items() if name in known})


def latches(kind: Kind, *, profile_says: bool) -> bool:
    """Panic, duress and fire always latch (GB 50394-2007 5.2.3); others as their profile says."""
    return profile_says or kind in NEVER_FOLDED
