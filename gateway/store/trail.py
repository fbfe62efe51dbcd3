"""The audit trail's arithmetic: entries become frozen lines, a chain of hashes of their own. Pure.

Needs   gateway.audit for what an entry is; .journal for the form of a line, which is a record's.
Keeps   1. seq rises by one from entry to entry; prev_hash is the hash of the entry before.
        2. hash is the SHA-256 of every byte of the line before `,"hash":`: check(), hash_of() and
           claimed_seq() of .journal hold for it, and so does every tool that reads a record.
        3. The trail's numbers and hashes have nothing to do with the journal's, so that neither
           can be made to fit by leaving something out of the other.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import orjson

from gateway.audit import Entry
from gateway.store.journal import GENESIS, rfc3339

TYPE: Final = "campus.audit.v1"


@dataclass(frozen=True, slots=True)
class Line:
    """A frozen entry and what its row has beside it.

    origin  the name under which another process had left it (.handed_in); None as a rule
    """

    seq: int
    at_ns: int
    action: str
    subject: str
    origin: str | None
    body: bytes


class Trail:
    """The head of the trail, and the only place that makes lines.

    seq   newest number, 0 for an empty trail
    hash  hash of the newest line, GENESIS for an empty trail
    """

    def __init__(self, seq: int = 0, head: str = GENESIS) -> None:
        self.seq = seq
        self.hash = head

    def seal(self, entry: Entry, at_ns: int, quality: str, origin: str | None = None) -> Line:
        """Give the entry its place; the caller commits it or retries it, but never forgets it."""
        seq = self.seq + 1
        head = (
            f'{{"type":"{TYPE}","seq":{seq},"time":"{rfc3339(at_ns)}","at_ns":{at_ns},'
            f'"clock":"{quality}","data":{{'
        ).encode()
        said = {
            "who": entry.who,
            "role": entry.role,
            "from": entry.from_address,
            "action": entry.action,
            "subject": entry.subject,
            "reason": entry.reason,
            "details": dict(entry.details),
            "prev_hash": self.hash,
        }
        head += orjson.dumps(said)[1:-1]
        digest = hashlib.sha256(head).hexdigest()
        self.seq, self.hash = seq, digest
        body = head + b',"hash":"' + digest.encode() + b'"}}'
        return Line(seq, at_ns, entry.action, entry.subject, origin, body)
