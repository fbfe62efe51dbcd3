"""Rows: what consoles and machines see of an alarm, a point, a delivery. Pure.

Owns    the members of each row. The desk reads what they are made of; console/shapes.py says
        the same to the OpenAPI.
Keeps   A time is RFC 3339 or None; a value that is not known is None, never a guess.
"""

from typing import Any, Final

import orjson

from gateway.events import Nature, Point
from gateway.points import PointNow
from gateway.rules.alarm import Alarm
from gateway.store import STATES, rfc3339
from gateway.words import Said, english

STALE_S: Final = 3600.0
"""A measurement that is older is shown as stale, whatever supervision says of its device."""

Row = dict[str, Any]


def time_of(at_ns: int | None) -> str | None:
    """Return a UTC time as people and machines read it."""
    return None if at_ns is None else rfc3339(at_ns)


def point_row(point: Point, now: PointNow | None, state: str, now_ns: int) -> Row:
    """Return a point as last known.

    state   of its device, as supervision has it
    now_ns  our clock, UTC nanoseconds
    """
    heard = now is not None and now.at_ns > 0
    quality = "unknown"
    if heard and now is not None:
        stale = point.nature is Nature.MEASUREMENT and now_ns - now.at_ns > STALE_S * 1e9
        quality = "good" if state == "online" and not stale else "stale"
    return {
        "name": point.name,
        "kind": str(point.kind),
        "nature": str(point.nature),
        "active": now.machine.active if now is not None and quality != "unknown" else None,
        "value": now.value if now is not None else None,
        "unit": point.unit,
        "quality": quality,
        "at": time_of(now.at_ns) if heard and now is not None else None,
    }


def lamp_row(
    receiver: str,
    state: int,
    attempts: int,
    at_ns: int | None,
    reference: str | None,
    reason: str | None,
) -> Row:
    """Return how far an alarm's first record is with one receiver."""
    return {
        "receiver": receiver,
        "state": STATES[state],
        "reference": reference or "",
        "reason": reason or "",
        "words": _why(reason).as_dict() if reason else None,
        "attempts": attempts,
        "at": time_of(at_ns),
    }


def _why(reason: str) -> Said:
    """Why a receiver refused: its own words are English, and no guard's concern in Chinese."""
    en = english(reason)
    return Said("对方不收这条记录", en or "it does not take this record")


def delivery_row(  # noqa: PLR0913, PLR0917 one column each
    seq: int,
    receiver: str,
    state: int,
    attempts: int,
    reference: str | None,
    reason: str | None,
    at_ns: int | None,
    stored_ns: int,
    body: bytes,
) -> Row:
    """Return how far one record is with one receiver."""
    record = orjson.loads(body)
    return {
        "id": record["id"],
        "seq": seq,
        "type": record["type"],
        "kind": record["data"].get("kind") or "",
        "receiver": receiver,
        "state": STATES[state],
        "attempts": attempts,
        "reference": reference or "",
        "reason": reason or "",
        "stored_at": rfc3339(stored_ns),
        "answered_at": time_of(at_ns),
    }


def alarm_row(alarm: Alarm, lamps: list[Row]) -> Row:
    """Return an alarm with its lamps, one for each receiver it went to."""
    return {
        "alarm_id": alarm.alarm_id,
        "kind": alarm.kind,
        "priority": alarm.priority,
        "mode": alarm.mode,
        "state": alarm.state,
        "latched": alarm.latched,
        "device": {
            "id": alarm.device,
            "name": alarm.name,
            "place": alarm.place,
            "family": alarm.family,
        },
        "point": alarm.point,
        "text": alarm.text,
        "words": None if alarm.words is None else alarm.words.as_dict(),
        "value": alarm.value,
        "unit": alarm.unit,
        "count": alarm.count,
        "raised_at": rfc3339(alarm.raised_ns),
        "last_at": rfc3339(alarm.last_ns),
        "acknowledged_at": time_of(alarm.acknowledged_ns),
        "acknowledged_by": alarm.acknowledged_by,
        "restored_at": time_of(alarm.restored_ns),
        "closed_at": time_of(alarm.closed_ns),
        "closed_by": alarm.closed_by,
        "disposition": alarm.disposition,
        "note": alarm.note,
        "escalation_level": alarm.level,
        "cause": alarm.cause,
        "cameras": alarm.cameras,
        "video": alarm.video,
        "attributes": alarm.attributes,
        "deliveries": lamps,
        "steps": alarm.steps,
        "notes": alarm.notes,
        "telephoned": alarm.telephoned,
    }
