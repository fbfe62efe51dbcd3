"""Some records of a chain, with what shows that they stand in it. Plain reading.

Owns    the form of events-chain.jsonl and audit-chain.jsonl (FORMAT.md, "Chains").
Needs   the tables record and audit, which have seq, a hash chain and body in the same form.
Keeps   1. The number before each chosen record is there as a link, or told as absent: the verifier
           can hold every chosen record against the one before it.
        2. A record that was not asked for leaves only its number and hash: what happened elsewhere
           in the school does not travel with somebody's evidence.
Bound   RUN_MOST links between two chosen records; more are left out and told. WINDOW rows at once.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.store.journal import GENESIS, hash_of

RUN_MOST: Final = 10_000
WINDOW: Final = 2000


@dataclass(frozen=True, slots=True)
class Chain:
    """Which of the two chains."""

    bodies: str
    newest: str


JOURNAL: Final = Chain(
    "SELECT seq, body FROM record WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?",
    "SELECT seq, body FROM record ORDER BY seq DESC LIMIT 1",
)
TRAIL: Final = Chain(
    "SELECT seq, body FROM audit WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?",
    "SELECT seq, body FROM audit ORDER BY seq DESC LIMIT 1",
)


def bodies(
    db: sqlite3.Connection, chain: Chain, low: int, high: int
) -> Iterator[tuple[int, bytes]]:
    """The records between two numbers, both included, oldest first."""
    at = low
    while at <= high:
        rows = db.execute(chain.bodies, (at, high, WINDOW)).fetchall()
        for seq, body in rows:
            yield seq, bytes(body)
        if len(rows) < WINDOW:
            return
        at = rows[-1][0] + 1


def chosen(db: sqlite3.Connection, chain: Chain, seqs: Sequence[int]) -> Iterator[bytes]:
    """The lines of the chosen records; seqs rise."""
    for seq in seqs:
        for _, body in bodies(db, chain, seq, seq):
            yield body + b"\n"


def links(db: sqlite3.Connection, chain: Chain, seqs: Sequence[int]) -> Iterator[bytes]:
    """The lines that hold the chosen records together; seqs rise and are there."""
    if not seqs:
        return
    at = seqs[0] - 1
    for seq in seqs:
        if seq - at > RUN_MOST:
            yield _hole(at, seq - 2, "left_out")
            at = seq - 1
        yield from _run(db, chain, at, seq)
        at = seq + 1
    newest = db.execute(chain.newest).fetchone()
    if newest is not None:
        told = {"seq": newest[0], "hash": hash_of(bytes(newest[1])), "newest": True}
        yield _line(told)


def _run(db: sqlite3.Connection, chain: Chain, low: int, high: int) -> Iterator[bytes]:
    """A link for each number that is there, and the holes between them."""
    at = low
    if at == 0:
        yield _line({"seq": 0, "hash": GENESIS})
        at = 1
    for seq, body in bodies(db, chain, at, high):
        if seq > at:
            yield _hole(at, seq - 1, "absent")
        yield _line({"seq": seq, "hash": hash_of(body)})
        at = seq + 1


def _hole(low: int, high: int, why: str) -> bytes:
    return _line({"from": low, "to": high, "why": why})


def _line(said: dict[str, int | str | bool]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"
