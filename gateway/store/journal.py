"""The journal's arithmetic: drafts become frozen records, one chain of hashes. Pure.

Keeps   1. A record's bytes never change after seal(): the same for every attempt and receiver.
        2. seq rises by one from record to record; prev_hash is the hash of the record before.
        3. hash is the SHA-256 of every byte of the record before `,"hash":`; it is the last member,
           so whoever has the bytes can check it with any tool.
        4. At most MAX_BODY_BYTES: attributes are shortened, then left out, then value, notes, text
           and words are cut. Names and places come from the configuration, which bounds them.
"""

import hashlib
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from gateway.words import Said

MAX_BODY_BYTES: Final = 20_000
GENESIS: Final = "0" * 64
_HASH_MARK: Final = b',"hash":"'
_SEQ_BITS: Final = 38
_SEQ_MASK: Final = (1 << _SEQ_BITS) - 1
_DICE: Final = random.Random()  # noqa: S311 ids must differ, they need not be secret
_MAX_HEAD_BYTES: Final = MAX_BODY_BYTES - 80  # the hash member and the closing braces
_SEQ_MARK: Final = b',"seq":'
_HEX: Final = frozenset(b"0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The parts of a record that are the same for every record of one point, already JSON.

    kept_ns  how much video its cameras keep from before and behind an alarm; None when none of
             them is recorded
    """

    device_id: str
    point: str
    before_text: str
    cameras: str
    subject_json: str
    place: str
    name: str
    family: str
    camera_ids: tuple[str, ...]
    kept_ns: tuple[int, int] | None = None

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
        kept_ns: tuple[int, int] | None = None,
    ) -> "Subject":
        """Build once, use for every record."""
        device = {"id": device_id, "name": name, "place": place, "family": family}
        return cls(
            device_id=device_id,
            point=point,
            subject_json=_json(f"{device_id}/{point}"),
            before_text=f'"device":{_json(device)},"point":{_json(point)},"text":',
            cameras=f'"cameras":{_json(list(cameras))},"attributes":',
            place=place,
            name=name,
            family=family,
            camera_ids=cameras,
            kept_ns=kept_ns,
        )


@dataclass(slots=True, kw_only=True)
class Draft:
    """A record before it has its place in the chain.

    type         without "campus." and ".v1": "alarm.raised"
    received_ns  UTC nanoseconds; observed_ns the device's own clock or None
    quality      Clock.quality at the time
    words        what happened in both languages, without place and name; None: not told
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
    words: Said | None = None
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
        self._source = f'"source":{_json(source)},"type":"campus.'
        self._site = f'"site":{_json(site)},'
        self.seq = seq
        self.hash = head

    def seal(self, draft: Draft, stored_ns: int) -> Sealed:
        """Give the draft its place; the caller commits it or retries it, but never forgets it."""
        seq = self.seq + 1
        record_id = uuid7(stored_ns, seq)
        attributes = _json(draft.attributes) if draft.attributes else "{}"
        head = self._head(draft, seq, record_id, stored_ns, attributes)
        if len(head) > _MAX_HEAD_BYTES:
            head = self._fitted(draft, seq, record_id, stored_ns)
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

    def _fitted(self, draft: Draft, seq: int, record_id: str, stored_ns: int) -> bytes:
        """The same record made shorter until it fits: attributes first, its text last."""
        shorter = replace(draft)
        for chars in (64, 0):
            attributes = _shortened(draft.attributes, chars) if chars else "{}"
            head = self._head(shorter, seq, record_id, stored_ns, attributes)
            if len(head) <= _MAX_HEAD_BYTES:
                return head
        shorter.value, shorter.unit = _cut(draft.value, 256), _cut(draft.unit, 64)
        shorter.extra = {name: _cut(value, 512) for name, value in draft.extra.items()}
        shorter.text = _cut(draft.text, 512)
        shorter.words = None if draft.words is None else draft.words.cut(256)
        return self._head(shorter, seq, record_id, stored_ns, "{}")

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
            f'{{"specversion":"1.0","id":"{record_id}",{self._source}{draft.type}.v1",'
            f'"subject":{subject.subject_json},"time":"{rfc3339(stored_ns)}",'
            f'"datacontenttype":"application/json","seq":{seq},"mode":"{draft.mode}",'
            f'"data":{{"alarm_id":{alarm_id},"kind":"{draft.kind}","priority":{draft.priority},'
            f"{self._site}{subject.before_text}{_text_json(draft.text)},{_words_json(draft.words)}"
            f'"value":{value},"unit":{unit},"observed_at":{observed},'
            f'"received_at":"{rfc3339(draft.received_ns)}","clock":"{draft.quality}",'
            f'{subject.cameras}{attributes},{extra}"prev_hash":"{self.hash}"'
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
    """The hash a record carries; of one that carries none any more, the hash of all its bytes.

    So what follows a damaged record still has something well-formed to name.
    """
    at = body.rfind(_HASH_MARK)
    claimed = body[at + len(_HASH_MARK) : at + len(_HASH_MARK) + 64] if at >= 0 else b""
    if len(claimed) == 64 and _HEX.issuperset(claimed):
        return claimed.decode("ascii")
    return hashlib.sha256(body).hexdigest()


def claimed_seq(body: bytes) -> int | None:
    """The sequence number a record carries; None when there is none to be read.

    The first `,"seq":` is the member itself: before it there are only strings, and a quotation mark
    inside a string is written with a backslash.
    """
    at = body.find(_SEQ_MARK)
    if at < 0:
        return None
    start = at + len(_SEQ_MARK)
    digits = body[start : body.find(b",", start)]
    return int(digits) if digits.isdigit() and len(digits) < 19 else None


def uuid7(now_ns: int, seq: int) -> str:
    """UUID version 7 (RFC 9562 5.7) whose last 38 bits are the sequence number.

    So the number can be had back from an id without an index; the other 36 free bits are random.
    """
    bits = _DICE.getrandbits(36)
    stamp = f"{now_ns // 1_000_000 & 0xFFFFFFFFFFFF:012x}"
    tail = f"{(0x2 << 24 | bits & 0xFFFFFF) << _SEQ_BITS | seq & _SEQ_MASK:016x}"
    return f"{stamp[:8]}-{stamp[8:]}-7{bits >> 24:03x}-{tail[:4]}-{tail[4:]}"


def seq_of(record_id: str) -> int | None:
    """The sequence number inside an id made by uuid7; None when it is no such id."""
    digits = record_id.replace("-", "")
    if len(digits) != 32:
        return None
    try:
        return int(digits, 16) & _SEQ_MASK
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


@lru_cache(maxsize=8192)
def _text_json(text: str) -> str:
    """Texts repeat: a point's own, thousands of times."""
    return orjson.dumps(text).decode()


@lru_cache(maxsize=8192)
def _words_json(words: Said | None) -> str:
    """A member for the record, with the comma behind it; they repeat as texts do."""
    return "" if words is None else f'"words":{_json(words.as_dict())},'


def _shortened(attributes: dict[str, Any], chars: int) -> str:
    return _json({name: _cut(value, chars) for name, value in attributes.items()})


def _cut(value: Any, chars: int) -> Any:  # noqa: ANN401 any JSON value
    return value[:chars] + "…" if isinstance(value, str) and len(value) > chars else value
