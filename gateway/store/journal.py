"""The journal's arithmetic: drafts become frozen records, one chain of hashes. Pure.

Keeps   1. A record's bytes never change after seal(): the same for every attempt and receiver.
        2. seq rises by one from record to record; prev_hash is the hash of the record before.
        3. hash is the SHA-256 of every byte of the record before `,"hash":`; it is the last member,
           so whoever has the bytes can check it with any tool.
        4. At most MAX_BODY_BYTES: attributes are shortened, then left out, before anything else.
"""

import hashlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

MAX_BODY_BYTES: Final = 20_000
GENESIS: Final = "0" * 64
_HASH_MARK: Final = b',"hash":"'
_SEQ_BITS: Final = 38


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The parts of a record that are the same for every record of one point, already JSON."""

    device_id: str
    point: str
    subject: str
    device: str
    point_json: str
    cameras: str
    place: str
    name: str
    family: str
    camera_ids: tuple[str, ...]

    @classmethod
    def of(
        cls,
        *,
        device_id: str,
        name: str,
        place: str,
        family: str,
        point: str,
        cameras: tuple[str, ...] = (),
    ) -> "Subject":
        """Build once, use for every record."""
        device = {"id": device_id, "name": name, "place": place, "family": family}
        return cls(
            device_id=device_id,
            point=point,
            subject=_json(f"{device_id}/{point}"),
            device=_json(device),
            point_json=_json(point),
            cameras=_json(list(cameras)),
            place=place,
            name=name,
            family=family,
            camera_ids=cameras,
        )


@dataclass(slots=True, kw_only=True)
class Draft:
    """A record before it has its place in the chain.

    type         without "campus." and ".v1": "alarm.raised"
    received_ns  UTC nanoseconds; observed_ns the device's own clock or None
    quality      Clock.quality at the time
    attributes   what the device said, bounded by whoever captured it
    extra        further members of data: count, by, disposition, note, cause, level
    """

    type: str
    subject: Subject
    kind: str
    priority: int
    received_ns: int
    quality: str
    text: str
    mode: str = "live"
    alarm_id: str | None = None
    value: Any = None
    unit: str | None = None
    observed_ns: int | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    receivers: tuple[int, ...] = ()
    lane: int = 2


@dataclass(slots=True)
class Sealed:
    """A frozen record and what the store and the deliveries need beside its bytes."""

    seq: int
    id: str
    type: str
    kind: str
    priority: int
    device: str
    alarm_id: str | None
    stored_ns: int
    body: bytes
    lane: int
    receivers: tuple[int, ...]


class Journal:
    """The head of the chain, and the only place that makes records.

    seq   newest sequence number, 0 for an empty journal
    hash  hash of the newest record, GENESIS for an empty journal
    """

    def __init__(self, *, source: str, site: dict[str, str], seq: int, head: str) -> None:
        self._source = _json(source)
        self._site = _json(site)
        self.seq = seq
        self.hash = head

    def seal(self, draft: Draft, stored_ns: int) -> Sealed:
        """Give the draft its place; the caller commits it or retries it, but never forgets it."""
        seq = self.seq + 1
        record_id = uuid7(stored_ns, seq)
        attributes = orjson.dumps(draft.attributes).decode() if draft.attributes else "{}"
        head = self._head(draft, seq, record_id, stored_ns, attributes)
        if len(head) > MAX_BODY_BYTES - 80:
            head = self._head(draft, seq, record_id, stored_ns, _shortened(draft.attributes))
        if len(head) > MAX_BODY_BYTES - 80:
            head = self._head(draft, seq, record_id, stored_ns, "{}")
        digest = hashlib.sha256(head).hexdigest()
        self.seq, self.hash = seq, digest
        return Sealed(
            seq,
            record_id,
            draft.type,
            draft.kind,
            draft.priority,
            draft.subject.device_id,
            draft.alarm_id,
            stored_ns,
            head + _HASH_MARK + digest.encode() + b'"}}',
            draft.lane,
            draft.receivers,
        )

    def _head(
        self, draft: Draft, seq: int, record_id: str, stored_ns: int, attributes: str
    ) -> bytes:
        subject = draft.subject
        alarm_id = "null" if draft.alarm_id is None else f'"{draft.alarm_id}"'
        value = "null" if draft.value is None else _json(draft.value)
        unit = "null" if draft.unit is None else _json(draft.unit)
        observed = "null" if draft.observed_ns is None else f'"{rfc3339(draft.observed_ns)}"'
        extra = _json(draft.extra)[1:-1] + "," if draft.extra else ""
        return (
            f'{{"specversion":"1.0","id":"{record_id}","source":{self._source},'
            f'"type":"campus.{draft.type}.v1","subject":{subject.subject},'
            f'"time":"{rfc3339(stored_ns)}","datacontenttype":"application/json",'
            f'"seq":{seq},"mode":"{draft.mode}","data":{{"alarm_id":{alarm_id},'
            f'"kind":"{draft.kind}","priority":{draft.priority},"site":{self._site},'
            f'"device":{subject.device},"point":{subject.point_json},"text":{_json(draft.text)},'
            f'"value":{value},"unit":{unit},"observed_at":{observed},'
            f'"received_at":"{rfc3339(draft.received_ns)}","clock":"{draft.quality}",'
            f'"cameras":{subject.cameras},"attributes":{attributes},{extra}'
            f'"prev_hash":"{self.hash}"'
        ).encode()

    def heartbeat(
        self, subject: Subject, now_ns: int, quality: str, fields: dict[str, Any]
    ) -> tuple[bytes, str]:
        """A record of the same form outside the chain, and its id; its seq is the newest one's."""
        draft = Draft(
            type="gateway.heartbeat",
            subject=subject,
            kind="equipment",
            priority=4,
            received_ns=now_ns,
            quality=quality,
            text="网关心跳 heartbeat",
        )
        record_id = uuid7(now_ns, 0)
        head = self._head(draft, self.seq, record_id, now_ns, _json(fields))
        digest = hashlib.sha256(head).hexdigest()
        return head + _HASH_MARK + digest.encode() + b'"}}', record_id


def check(body: bytes, previous: str | None) -> str | None:
    """Verify one record's bytes; returns what is wrong, None when it is sound.

    previous  hash the record must name; None when unknown (the first one that retention left)
    """
    at = body.rfind(_HASH_MARK)
    if at < 0:
        return "no hash in it"
    claimed = body[at + len(_HASH_MARK) : at + len(_HASH_MARK) + 64].decode("ascii", "replace")
    if hashlib.sha256(body[:at]).hexdigest() != claimed or body[at + 73 :] != b'"}}':
        return "its content does not match its hash"
    if previous is not None and body[at - 65 : at - 1].decode("ascii", "replace") != previous:
        return "it does not continue the record before it"
    return None


def hash_of(body: bytes) -> str:
    """The hash a record carries."""
    at = body.rfind(_HASH_MARK)
    return body[at + len(_HASH_MARK) : at + len(_HASH_MARK) + 64].decode("ascii", "replace")


def uuid7(now_ns: int, seq: int) -> str:
    """UUID version 7 (RFC 9562 5.7) whose last 38 bits are the sequence number.

    So the number can be had back from an id without an index; the other 36 free bits are random.
    """
    random = int.from_bytes(os.urandom(5), "big")
    value = (now_ns // 1_000_000 & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76 | (random >> 28 & 0xFFF) << 64
    value |= 0b10 << 62 | (random & 0xFFFFFF) << _SEQ_BITS | (seq & (1 << _SEQ_BITS) - 1)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def seq_of(record_id: str) -> int | None:
    """The sequence number inside an id made by uuid7; None when it is no such id."""
    digits = record_id.replace("-", "")
    if len(digits) != 32:
        return None
    try:
        return int(digits, 16) & (1 << _SEQ_BITS) - 1
    except ValueError:
        return None


def rfc3339(at_ns: int) -> str:
    """UTC with milliseconds, "2026-11-21T00:14:05.120Z"."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return f"{_second(seconds)}{rest // 1_000_000:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
    except (ValueError, OverflowError, OSError):  # a device's clock can say anything
        return "1970-01-01T00:00:00."


def _json(value: Any) -> str:  # noqa: ANN401 any JSON value
    return orjson.dumps(value).decode()


def _shortened(attributes: dict[str, Any]) -> str:
    return _json(
        {
            k: v[:64] + "…" if isinstance(v, str) and len(v) > 64 else v
            for k, v in attributes.items()
        }
    )
