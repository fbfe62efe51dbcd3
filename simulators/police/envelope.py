"""What must hold around a record that comes over HTTP: signature, headers, batch.

Source  Standard Webhooks specification (headers, signed content, secret form); CloudEvents 1.0
        JSON batch format; design.md section 4.
Keeps   1. A signature is compared in constant time, over the bytes that came.
        2. The records of a batch are cut out of it byte for byte, so that they can be compared
           with copies that came alone.
"""

import base64
import hashlib
import hmac
import json
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Final

ONE: Final = "application/cloudevents+json"
MANY: Final = "application/cloudevents-batch+json"
TOLERANCE_S: Final = 300.0
MAX_BATCH: Final = 1000


def read_secret(text: str) -> bytes:
    """Return the key of a whsec_ secret; raises ValueError that says what it must be."""
    prefix, _, encoded = text.strip().partition("_")
    if prefix != "whsec":
        raise ValueError("a Standard Webhooks secret begins with whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except Base64Error as error:
        raise ValueError(f"what follows whsec_ must be base64: {error}") from error
    if not 24 <= len(key) <= 64:
        raise ValueError(f"the secret has {len(key)} bytes, expected 24 to 64")
    return key


def sign(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the v1 signature: HMAC-SHA256 over id, timestamp and body, joined by dots."""
    content = message_id.encode() + b"." + timestamp.encode() + b"." + body
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def check_signature(
    key: bytes, headers: Mapping[str, str], body: bytes, now_s: float, tolerance_s: float
) -> str | None:
    """Return why this request is not from who shares the key, None when it is."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not (message_id and timestamp and given):
        return "webhook-id, webhook-timestamp or webhook-signature is missing"
    if not timestamp.isascii() or not timestamp.isdigit():
        return f"webhook-timestamp is not whole seconds: {timestamp!r}"
    if abs(now_s - int(timestamp)) > tolerance_s:
        return f"webhook-timestamp is {now_s - int(timestamp):+.0f} s away from this clock"
    expected = sign(key, message_id, timestamp, body).encode()
    if not any(hmac.compare_digest(one.encode(), expected) for one in given.split(" ")):
        return "webhook-signature does not match"
    return None


def check_headers(headers: Mapping[str, str], record_id: str | None) -> tuple[str, ...]:
    """Return what is wrong in the other headers; record_id is None for a batch."""
    problems = []
    name = headers.get("webhook-id", "")
    if headers.get("Idempotency-Key") != name:
        problems.append(f"Idempotency-Key is not webhook-id: {headers.get('Idempotency-Key')!r}")
    if record_id is not None and name != record_id:
        problems.append(f"webhook-id is {name!r}, the record's id {record_id!r}")
    late = headers.get("Campus-Late-Seconds")
    if late is not None and not (late.isdigit() and int(late) >= 120):
        problems.append(f"Campus-Late-Seconds is no number from 120 up: {late!r}")
    return tuple(problems)


def late_s(headers: Mapping[str, str]) -> int | None:
    """Return what the sender says of its delay."""
    late = headers.get("Campus-Late-Seconds", "")
    return int(late) if late.isdigit() else None


def cut_batch(body: bytes) -> list[bytes]:
    """Return the records of a batch exactly as they stand in it.

    raises ValueError  it is no JSON array of objects, or has more than MAX_BATCH records
    """
    text = body.decode()
    decoder = json.JSONDecoder()
    place = _skip(text, 0)
    if text[place : place + 1] != "[":
        raise ValueError("a batch is a JSON array")
    place = _skip(text, place + 1)
    records: list[bytes] = []
    while text[place : place + 1] == "{" and len(records) < MAX_BATCH:
        _, end = decoder.raw_decode(text, place)
        records.append(text[place:end].encode())
        place = _skip(text, end)
        if text[place : place + 1] == ",":
            place = _skip(text, place + 1)
    if text[place:].strip() != "]":
        raise ValueError(f"a batch is a JSON array of at most {MAX_BATCH} objects")
    return records


def _skip(text: str, place: int) -> int:
    while text[place : place + 1] in {" ", "\t", "\r", "\n"}:
        place += 1
    return place
