"""Sound records for the receivers to take, and a sender that signs with the public library."""

import hashlib
import os
import time
from datetime import UTC, datetime
from typing import Any

import orjson
from standardwebhooks.webhooks import Webhook

from tests.conftest import POLICE_SECRET

SECRET = POLICE_SECRET


def uuid7() -> str:
    """A UUIDv7 of now (RFC 9562 section 5.7)."""
    raw = bytearray(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def a_record(seq: int = 1, device: str = "btn-1", **changes: Any) -> dict[str, Any]:
    """A raised panic as the contract prints it; `data_x=…` changes data's x."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {
        "alarm_id": uuid7(),
        "kind": "panic",
        "priority": 1,
        "site": {"id": "320612-0001", "name": "示范小学"},
        "device": {"id": device, "name": "按钮", "place": "西门", "family": "alarm_button"},
        "point": "button",
        "text": "按下",
        "value": None,
        "unit": None,
        "observed_at": None,
        "received_at": now,
        "clock": "trusted",
        "cameras": [],
        "attributes": {},
        "prev_hash": "0" * 64,
        "hash": hashlib.sha256(str(seq).encode()).hexdigest(),
    }
    data |= {name[5:]: value for name, value in changes.items() if name.startswith("data_")}
    record = {
        "specversion": "1.0",
        "id": uuid7(),
        "source": "/campus/320612-0001/gw-1",
        "type": "campus.alarm.raised.v1",
        "subject": f"{device}/button",
        "time": now,
        "datacontenttype": "application/json",
        "seq": seq,
        "mode": "live",
        "data": data,
    }
    return record | {n: v for n, v in changes.items() if not n.startswith("data_")}


def signed(body: bytes, message_id: str, secret: str = SECRET) -> dict[str, str]:
    """The headers of one request, signed by the standardwebhooks package."""
    now = datetime.now(UTC)
    return {
        "Content-Type": "application/cloudevents+json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, body.decode()),
        "Idempotency-Key": message_id,
    }


def envelope_of(record: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one record."""
    body = orjson.dumps(record)
    return body, signed(body, str(record["id"]))
