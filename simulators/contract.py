"""What a receiver may expect of a record, checked member by member.

Source  design.md section 4 "What a receiver gets"; CloudEvents 1.0 (specification, JSON format);
        RFC 3339; RFC 9562 for UUID version 7.
Keeps   A record that breaks the contract is described, never changed, and checking never raises.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson

MAX_RECORD_BYTES: Final = 20_000
TYPES: Final = frozenset(
    {
        "campus.alarm.raised.v1",
        "campus.alarm.repeated.v1",
        "campus.alarm.acknowledged.v1",
        "campus.alarm.restored.v1",
        "campus.alarm.closed.v1",
        "campus.alarm.escalated.v1",
        "campus.fault.raised.v1",
        "campus.fault.restored.v1",
        "campus.event.recorded.v1",
        "campus.gateway.heartbeat.v1",
    },
)
HEARTBEAT: Final = "campus.gateway.heartbeat.v1"
MODES: Final = frozenset({"live", "drill", "selftest", "commissioning", "historical"})
KINDS: Final = frozenset(
    {
        *("panic", "duress", "fire", "smoke", "gas", "intrusion", "access", "patrol", "water"),
        *("electrical", "temperature", "power", "equipment", "video", "tamper", "fault"),
        *("offline", "test"),
    },
)
DATA_MEMBERS: Final = frozenset(
    {
        *("alarm_id", "kind", "priority", "site", "device", "point", "text", "value", "unit"),
        *("observed_at", "received_at", "clock", "cameras", "attributes", "prev_hash", "hash"),
    },
)
STATES: Final = ("received", "accepted", "rejected", "dispatched", "on_scene", "closed")

_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\.\d{3}Z")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SOURCE = re.compile(r"/campus/([^/]+)/([^/]+)")


def check_record(body: bytes) -> tuple[dict[str, Any], list[str]]:
    """Parse one record and say what is wrong with it.

    returns  the record ({} when it is no JSON object) and one line per broken rule, [] when sound
    """
    try:
        record = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return {}, [f"not JSON: {error}"]
    if not isinstance(record, dict):
        return {}, ["not a JSON object"]
    problems = list(_broken(_EVERY, record))
    if len(body) > MAX_RECORD_BYTES:
        problems.append(f"{len(body)} bytes, at most {MAX_RECORD_BYTES}")
    if record.get("type") != HEARTBEAT:
        problems += _broken(_NO_HEARTBEAT, record)
        data = record.get("data")
        if isinstance(data, dict):
            problems += _data(data, str(record.get("source", "")))
    return record, problems


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _names(value: object, *members: str) -> bool:
    """Whether value is an object with an id and these members."""
    return (
        isinstance(value, dict)
        and _text(value.get("id"))
        and all(isinstance(value.get(member), str) for member in members)
    )


Rule = tuple[str, Callable[[dict[str, Any]], bool]]

_EVERY: Final[tuple[Rule, ...]] = (
    ("specversion is not 1.0", lambda r: r.get("specversion") == "1.0"),
    ("id is no UUIDv7", lambda r: _matches(_UUID7, r.get("id"))),
    ("source is not /campus/SITE/GATEWAY", lambda r: _matches(_SOURCE, r.get("source"))),
    ("type is unknown", lambda r: r.get("type") in TYPES),
    ("time is not RFC 3339 UTC with milliseconds", lambda r: _matches(_TIME, r.get("time"))),
    (
        "datacontenttype is not application/json",
        lambda r: r.get("datacontenttype") == "application/json",
    ),
    ("mode is unknown", lambda r: r.get("mode") in MODES),
    ("data is not an object", lambda r: isinstance(r.get("data"), dict)),
)
_NO_HEARTBEAT: Final[tuple[Rule, ...]] = (
    ("subject is missing", lambda r: _text(r.get("subject"))),
    ("seq is no positive number", lambda r: type(r.get("seq")) is int and r["seq"] >= 1),
)
_DATA: Final[tuple[Rule, ...]] = (
    ("kind is unknown", lambda d: d.get("kind") in KINDS),
    ("priority is not 1 to 4", lambda d: type(d.get("priority")) is int and 0 < d["priority"] < 5),
    ("site lacks id or name", lambda d: _names(d.get("site"), "name")),
    (
        "device lacks id, name, place or family",
        lambda d: _names(d.get("device"), "name", "place", "family"),
    ),
    ("text is empty: nobody knows what happened", lambda d: _text(d.get("text"))),
    (
        "received_at is not RFC 3339 UTC with milliseconds",
        lambda d: _matches(_TIME, d.get("received_at")),
    ),
    (
        "observed_at is not RFC 3339 UTC with milliseconds",
        lambda d: d.get("observed_at") is None or _matches(_TIME, d["observed_at"]),
    ),
    ("clock quality is missing", lambda d: _text(d.get("clock"))),
    (
        "cameras is no list of names",
        lambda d: isinstance(d.get("cameras"), list) and all(map(_text, d["cameras"])),
    ),
    ("video is no span of time", lambda d: "video" not in d or _span(d["video"])),
    ("hash is no SHA-256", lambda d: _matches(_SHA256, d.get("hash"))),
    ("attributes is no object", lambda d: isinstance(d.get("attributes"), dict)),
)


def _span(video: object) -> bool:
    """Whether it is {"from": time, "to": a later one}; nobody need name what was recorded."""
    if not isinstance(video, dict) or video.keys() != {"from", "to"}:
        return False
    return all(_matches(_TIME, video[end]) for end in video) and video["from"] < video["to"]


def _broken(rules: tuple[Rule, ...], subject: dict[str, Any]) -> Iterator[str]:
    return (problem for problem, holds in rules if not holds(subject))


def _data(data: dict[str, Any], source: str) -> Iterator[str]:
    """What is wrong in the data of a record that is no heartbeat."""
    if missing := sorted(DATA_MEMBERS - data.keys()):
        yield f"data lacks {', '.join(missing)}"
    yield from _broken(_DATA, data)
    site = data.get("site")
    if isinstance(site, dict) and not source.startswith(f"/campus/{site.get('id')}/"):
        yield f"site {site.get('id')!r} is not the one of source {source!r}"
    attributes = data.get("attributes")
    if isinstance(attributes, dict):
        yield from _attributes(attributes)


def _attributes(attributes: dict[str, Any]) -> Iterator[str]:
    if len(attributes) > 16:
        yield f"{len(attributes)} attributes, at most 16"
    for name, value in attributes.items():
        if value is not None and not isinstance(value, bool | int | float | str):
            yield f"attribute {name!r} is no scalar"
        if isinstance(value, str) and len(value) > 256:
            yield f"attribute {name!r} has {len(value)} characters, at most 256"
