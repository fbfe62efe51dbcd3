"""What is said on a receiver's broker: topics, online and offline, receipts. Pure.

Keeps   1. No value of ours adds a level or a wildcard to a topic.
        2. Whoever subscribes to everything can parse all of it as CloudEvents: so is the status.
        3. Any bytes on the receipts topic are receipts or a ValueError, never another error.
"""

import string
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from gateway.uplink import RECEIPT_STATES, Receipt
from gateway.uplinks import plain, wrong

OF_GATEWAY: Final = frozenset({"site", "gateway"})
OF_RECORD: Final = OF_GATEWAY | {"kind", "event", "device", "priority"}

CONTENT_TYPE: Final = "application/cloudevents+json"
LATE_PROPERTY: Final = "late-seconds"
MAX_TOPIC_CHARS: Final = 512
MAX_LEVEL_CHARS: Final = 128
MAX_RECEIPTS_BYTES: Final = 64 * 1024
MAX_ID_CHARS: Final = 128
MAX_REFERENCE_CHARS: Final = 128


def check_template(text: str, known: frozenset[str]) -> str:
    """Return a topic template that holds; raises ValueError with what was expected."""
    names = " ".join(f"{{{name}}}" for name in sorted(known))
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        raise wrong(
            "花括号不成对", "braces do not match", wanted=(f"只有 {names}", f"only {names}")
        ) from None
    for literal, name, form, conversion in parts:
        if name is not None and (name not in known or form or conversion):
            raise wrong(
                f"这里没有 {{{plain(name)}}}",
                f"{{{plain(name)}}} is not known here",
                wanted=(f"只有 {names}", f"only {names}"),
            )
        if any(char in "+#" or not char.isprintable() for char in literal):
            raise wrong(
                "有通配符或控制字符",
                "a wildcard or a control character",
                wanted=("可以发布的主题", "a topic to publish to"),
            )
    if not text or len(text) > MAX_TOPIC_CHARS or text.startswith(("$", "/")):
        raise wrong(
            "为空、过长，或以 $ 或 / 开头",
            "empty, too long, or with $ or / in front",
            wanted=(
                f"1 到 {MAX_TOPIC_CHARS} 个字符的主题",
                f"a topic of 1 to {MAX_TOPIC_CHARS} characters",
            ),
        )
    return text


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Return a topic: each value one level, without what MQTT gives a meaning to."""
    return template.format_map({name: as_level(value) for name, value in values.items()})


def as_level(text: str) -> str:
    """Return a value of at most 128 characters that is exactly one level of a topic."""
    level = "".join(
        "_" if char in "+#/$" or not char.isprintable() else char for char in text[:MAX_LEVEL_CHARS]
    )
    return level or "_"


def event_of(record_type: str) -> str:
    """Return what happened in a word: "alarm.raised" of campus.alarm.raised.v1."""
    name = record_type.removeprefix("campus.")
    head, _, version = name.rpartition(".")
    return head if head and version[:1] == "v" and version[1:].isdigit() else name


def status_record(
    *, online: bool, record_id: str, source: str, uplink: str, session: str, since_ns: int, why: str
) -> bytes:
    """Return the CloudEvents record of our own presence on this broker.

    session   the same in the birth and the will of one connection, so that an old will is known
    since_ns  when this connection was made, UTC; a will is sent later, nobody knows when
    why       connected, stopped or lost
    """
    since = datetime.fromtimestamp(since_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    since = since.replace("+00:00", "Z")
    record: dict[str, Any] = {
        "specversion": "1.0",
        "id": record_id,
        "source": source,
        "type": f"campus.gateway.{'online' if online else 'offline'}.v1",
        "datacontenttype": "application/json",
        "data": {"uplink": uplink, "session": session, "connected_at": since, "why": why},
    }
    return orjson.dumps(record)


def read_receipts(payload: bytes, size_bytes: int) -> list[tuple[str, Receipt]]:
    """Return (record id, receipt) of one message: an object {"id", "state", "receipt"} or a list.

    raises ValueError, in a sentence for the log, when it is anything else
    """
    if size_bytes > MAX_RECEIPTS_BYTES:
        raise ValueError(f"{size_bytes} bytes, expected at most {MAX_RECEIPTS_BYTES}")
    content = orjson.loads(payload)  # raises a ValueError
    items = content if isinstance(content, list) else [content]
    return [_read_receipt(item) for item in items]


def _read_receipt(item: object) -> tuple[str, Receipt]:
    if not isinstance(item, dict):
        raise ValueError("expected a JSON object with id and state")  # noqa: TRY004 see read_receipts
    record_id, state, reference = item.get("id"), item.get("state"), item.get("receipt", "")
    if not isinstance(record_id, str) or not 0 < len(record_id) <= MAX_ID_CHARS:
        raise ValueError("expected the record's id")
    if state not in RECEIPT_STATES:
        raise ValueError(f"expected a state of {' '.join(RECEIPT_STATES)}")
    if not isinstance(reference, (str, int)) or isinstance(reference, bool):
        reference = ""
    return record_id, Receipt(state=state, reference=plain(str(reference), MAX_REFERENCE_CHARS))
