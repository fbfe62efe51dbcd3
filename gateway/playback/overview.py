"""What there is of a camera: its oldest and newest picture, its timeline as the console shows it.

Needs   the index, read in its reader's thread; the alarm store's file, read only, for alarms.
Keeps   1. Nothing that is missing is left out; an answer that is full says where to go on.
        2. The alarm store is read through a connection of our own: nobody who delivers waits.
Bound   .timeline's SPANS_MOST, HOLDS_MOST holds, ALARMS_MOST of the newest ALARMS_LOOKED alarms,
        FORMS_MOST forms; above EXACT_NS forms are looked up at as many places only.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.playback.moments import said
from gateway.playback.plan import Missing
from gateway.store.opening import read_only
from gateway.store.video import Timeline, names
from gateway.store.video.index import known_camera
from gateway.store.video.timeline import timeline

EXACT_NS: Final = 2 * names.DAY_NS
HOLDS_MOST: Final = 1000
ALARMS_MOST: Final = 500
ALARMS_LOOKED: Final = 20_000
FORMS_MOST: Final = 200
WAIT_S: Final = 1.0
SEGMENT_MOST_NS: Final = 600 * names.SECOND_NS

Row = dict[str, Any]


def edges(db: sqlite3.Connection, camera: str) -> tuple[int, int] | None:
    """When the oldest sealed picture of a camera begins and the newest ends; None without any."""
    number = known_camera(db, camera)
    if number is None:
        return None
    oldest = db.execute(
        "SELECT start_ns FROM segment WHERE camera = ? ORDER BY start_ns LIMIT 1", (number,)
    ).fetchone()
    newest = db.execute(
        "SELECT start_ns + length_ns FROM segment WHERE camera = ?"
        " ORDER BY start_ns DESC, volume DESC LIMIT 1",
        (number,),
    ).fetchone()
    return None if oldest is None else (int(oldest[0]), int(newest[0]))


def recorded(
    db: sqlite3.Connection, camera: str, from_ns: int, to_ns: int
) -> tuple[Timeline, list[Row], list[Row]]:
    """The timeline of a camera, its holds and its forms, as of one moment."""
    found = timeline(db, camera, from_ns, to_ns)
    number = known_camera(db, camera)
    if number is None:
        return found, [], []
    held = db.execute(
        "SELECT alarm_id, from_ns, to_ns FROM hold WHERE camera = ? AND from_ns < ? AND to_ns > ?"
        " ORDER BY from_ns LIMIT ?",
        (number, to_ns, from_ns, HOLDS_MOST),
    ).fetchall()
    holds = [
        {"alarm_id": alarm_id, "from": said(begin), "to": said(end)}
        for alarm_id, begin, end in held
    ]
    return found, holds, _forms(db, number, found)


def _forms(db: sqlite3.Connection, number: int, found: Timeline) -> list[Row]:
    """From when on which codec and size; a change of the parameter sets alone is not known here."""
    sql = (
        "SELECT s.start_ns, t.codec, t.width, t.height FROM segment s"
        " JOIN stream t ON t.id = s.stream WHERE s.camera = ?"
    )
    if found.to_ns - found.from_ns <= EXACT_NS:
        rows = db.execute(
            sql + " AND s.start_ns > ? AND s.start_ns < ? AND s.start_ns + s.length_ns > ?"
            " ORDER BY s.start_ns",
            (number, found.from_ns - SEGMENT_MOST_NS, found.to_ns, found.from_ns),
        )
    else:
        sql += " AND s.start_ns <= ? ORDER BY s.start_ns DESC LIMIT 1"
        rows = (db.execute(sql, (number, at_ns)).fetchone() for at_ns in _spread(found))  # type: ignore[assignment]
    forms: list[Row] = []
    for start_ns, codec, width, height in rows:
        form = {"codec": codec, "width": width, "height": height}
        if not forms or forms[-1] != {"from": forms[-1]["from"], **form}:
            forms.append({"from": said(max(start_ns, found.from_ns)), **form})
        if len(forms) >= FORMS_MOST:
            break
    return forms


def _spread(found: Timeline) -> Iterator[int]:
    """Beginnings of spans, at least a FORMS_MOST-th of the whole apart."""
    step_ns, next_ns = (found.to_ns - found.from_ns) // FORMS_MOST, found.from_ns
    for span in found.spans:
        if span.start_ns >= next_ns:
            next_ns = span.start_ns + step_ns
            yield span.start_ns


def alarms(store: Path, camera: str, from_ns: int, to_ns: int) -> list[Row]:
    """Alarms at this camera that were raised between two times, newest first; blocks.

    Empty when the store cannot be read now: what is on video does not depend on it.
    """
    sql = (
        "SELECT alarm_id, json_extract(doc, '$.raised_ns'), json_extract(doc, '$.kind'),"
        " json_extract(doc, '$.mode'), json_extract(doc, '$.text') FROM"
        " (SELECT alarm_id, raised_seq, doc FROM alarm WHERE category = 'alarm'"
        " ORDER BY raised_seq DESC LIMIT ?)"
        " WHERE json_extract(doc, '$.raised_ns') >= ? AND json_extract(doc, '$.raised_ns') < ?"
        " AND EXISTS (SELECT 1 FROM json_each(doc, '$.cameras') WHERE value = ?)"
        " ORDER BY raised_seq DESC LIMIT ?"
    )
    try:
        with contextlib.closing(
            sqlite3.connect(read_only(store), uri=True, isolation_level=None, timeout=WAIT_S)
        ) as db:
            rows = db.execute(sql, (ALARMS_LOOKED, from_ns, to_ns, camera, ALARMS_MOST)).fetchall()
    except sqlite3.Error:
        return []
    return [
        {"alarm_id": alarm_id, "at": said(raised), "kind": kind, "mode": mode, "text": text}
        for alarm_id, raised, kind, mode, text in rows
    ]


def silent(store: Path, kind: str) -> frozenset[str]:
    """Ids of the alarms of one kind among the newest; blocks. Raises sqlite3.Error."""
    sql = (
        "SELECT alarm_id FROM (SELECT alarm_id, doc FROM alarm WHERE category = 'alarm'"
        " ORDER BY raised_seq DESC LIMIT ?) WHERE json_extract(doc, '$.kind') = ?"
    )
    if not store.exists():
        return frozenset()  # there never was an alarm here
    with contextlib.closing(
        sqlite3.connect(read_only(store), uri=True, isolation_level=None, timeout=WAIT_S)
    ) as db:
        return frozenset(row[0] for row in db.execute(sql, (ALARMS_LOOKED, kind)))


def as_row(found: Timeline, gaps: Sequence[Missing], open_spans: Sequence[tuple[int, int]]) -> Row:
    """A timeline as the API shows it."""
    spans = [
        {"from": said(span.start_ns), "to": said(span.end_ns), "sealed": True}
        for span in found.spans
    ]
    spans += [{"from": said(begin), "to": said(end), "sealed": False} for begin, end in open_spans]
    return {
        "from": said(found.from_ns),
        "to": said(found.to_ns),
        "spans": spans,
        "gaps": [
            {"from": said(gap.from_ns), "to": said(gap.to_ns), "reason": gap.reason} for gap in gaps
        ],
        "next": None if found.next_ns is None else said(found.next_ns),
    }
