"""Ninety days, proved: what is there of each camera, and on which day the disk will be full.

Needs   .store; reads the index, and one old file of each camera.
Keeps   1. A forecast is made of what was really written, by day, not of what a camera promised.
        2. A day that could not be measured yet is no forecast: None, not a guess.
Bound   RATE_DAYS days are looked at, AHEAD_DAYS ahead; GAPS_MOST gaps of a camera are told one by
        one, the rest by their sum.
"""

import random
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.store.video import index, names
from gateway.store.video.retention import DAYS
from gateway.store.video.store import VideoStore
from gateway.store.video.timeline import COLUMNS, NOTHING_YET, Gap, Located, located, timeline
from gateway.store.video.verify import check_file

RATE_DAYS: Final = 7
LEAST_NS: Final = 3600 * names.SECOND_NS
AHEAD_DAYS: Final = 400
GAPS_MOST: Final = 500
DRAWS: Final = 3
"""How often a file is drawn anew because retention took it meanwhile."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Room, and when it ends.

    rate_bytes_per_day  of all cameras, over up to RATE_DAYS days; None before LEAST_NS of video
    free_bytes          on all sound volumes, down to what is left spare
    full_in_days        whole days until there is no room although retention runs; None: never
                        within AHEAD_DAYS, or not known (no rate)
    full_on_ns          the same as a time
    """

    rate_bytes_per_day: int | None
    free_bytes: int
    full_in_days: int | None
    full_on_ns: int | None


@dataclass(slots=True)
class Proof:
    """What one camera has, today.

    oldest_ns   from when on something can be played; None when there is nothing
    missing_ns  how much of the time since max(oldest, now - days) is not there
    gaps        why, at most GAPS_MOST, oldest first; more_gaps says that there are others
    read        the old file that was read to its end, None when there is none
    wrong       what is wrong with it; None when it is as it was sealed
    """

    camera: str
    days: int
    oldest_ns: int | None = None
    missing_ns: int = 0
    gaps: list[Gap] = field(default_factory=list)
    more_gaps: bool = False
    read: Path | None = None
    wrong: str | None = None


@dataclass(slots=True)
class _Flow:
    """What comes and goes, in bytes.

    rates    written in a day, by camera; None before LEAST_NS of video
    leaving  what is there now, by the number of days after which it goes
    """

    rates: dict[str, float] | None
    leaving: dict[int, int]


async def forecast(
    store: VideoStore, days: int = DAYS, days_of: Mapping[str, int] | None = None
) -> Forecast:
    """When the volumes will be full if cameras go on as they did in the last days.

    days_of  of those that are kept for other days: a small stream gives back soon what it took
    """
    sound = [volume for volume in store.volumes.all if volume.is_usable]
    free = sum(max(0, volume.free_bytes - volume.spare_bytes) for volume in sound)
    now_ns = store.clock.utc_ns()
    kept = dict(days_of or {})
    flow = await store.read(_flow, now_ns, days, kept)
    if flow.rates is None:
        return Forecast(None, free, None, None)
    rate = max(1, round(sum(flow.rates.values())))
    longest = max([days, *kept.values()])
    room = float(free)
    for ahead in range(AHEAD_DAYS):
        # What is written from now on goes again, too, once its own days are over.
        again = sum(each for name, each in flow.rates.items() if ahead >= kept.get(name, days))
        room += flow.leaving.get(ahead, 0) + again - rate
        if room < 0:
            on_ns = now_ns + ahead * names.DAY_NS + int((room + rate) / rate * names.DAY_NS)
            return Forecast(rate, free, ahead, on_ns)
        if ahead >= longest:  # from here on as much leaves as comes
            break
    return Forecast(rate, free, None, None)


def _flow(db: sqlite3.Connection, now_ns: int, days: int, days_of: Mapping[str, int]) -> _Flow:
    rows: list[tuple[str, str, int]] = db.execute(
        "SELECT c.name, f.day, sum(f.bytes) FROM folder f JOIN camera c ON c.id = f.camera"
        " WHERE f.segments > 0 GROUP BY c.name, f.day ORDER BY f.day"
    ).fetchall()
    today_ns = now_ns // names.DAY_NS * names.DAY_NS
    leaving: dict[int, int] = {}
    for name, day, size in rows:
        begin_ns = names.start_of_day(day)
        in_days = (begin_ns - today_ns) // names.DAY_NS + days_of.get(name, days) + 1
        if in_days > 0:  # what is older and still there is held, and does not leave
            leaving[in_days] = leaving.get(in_days, 0) + size
    recent = range(today_ns - RATE_DAYS * names.DAY_NS, today_ns, names.DAY_NS)
    there = {day for _, day, _ in rows}
    whole = [day for day in map(names.day_of, filter(lambda ns: ns >= 0, recent)) if day in there]
    if len(whole) > 1:  # the first day began in the middle
        return _Flow(_by_camera(rows, set(whole[1:]), 1 / (len(whole) - 1)), leaving)
    known = [camera for camera, _ in index.cameras(db)]
    ends_ns = [end for camera in known if (end := index.newest_end(db, camera)) is not None]
    begins_ns = [begin for camera in known if (begin := index.oldest(db, camera)) is not None]
    there_ns = max(ends_ns) - min(begins_ns) if ends_ns and begins_ns else 0
    if there_ns < LEAST_NS:
        return _Flow(None, leaving)
    return _Flow(_by_camera(rows, there, names.DAY_NS / there_ns), leaving)


def _by_camera(
    rows: Sequence[tuple[str, str, int]], days: set[str], factor: float
) -> dict[str, float]:
    rates: dict[str, float] = {}
    for name, day, size in rows:
        if day in days:
            rates[name] = rates.get(name, 0.0) + size * factor
    return rates


async def prove(store: VideoStore, camera: str, dice: random.Random, days: int = DAYS) -> Proof:
    """What a camera has of its days, with one old file read to its end. Once a day for each.

    dice  draws the file, from the older half; a test's own or random.SystemRandom()
    """
    proof = await store.read(_look, camera, store.clock.utc_ns(), days)
    for _ in range(DRAWS):
        place = await store.read(_draw, camera, dice.random())
        if place is None:
            return proof
        volume = store.volumes.by_uuid(place.segment.volume)
        if volume is None or not volume.is_readable:
            proof.read, proof.wrong = place.path, "卷不可用 its volume cannot be read"
            return proof
        proof.read = volume.path / place.segment.path
        proof.wrong = await volume.workers.run(check_file, Located(place.segment, proof.read))
        if proof.wrong is None or await store.run(_is_there, place):
            return proof
    return proof


def _look(db: sqlite3.Connection, camera: str, now_ns: int, days: int) -> Proof:
    proof = Proof(camera, days)
    number = index.known_camera(db, camera)
    oldest_ns = None if number is None else index.oldest(db, number)
    if oldest_ns is None:
        return proof
    proof.oldest_ns = oldest_ns
    at_ns = max(oldest_ns, now_ns - days * names.DAY_NS)
    while at_ns < now_ns:
        told = timeline(db, camera, at_ns, now_ns)
        missing = [gap for gap in told.gaps if gap.reason != NOTHING_YET]
        proof.missing_ns += sum(gap.to_ns - gap.from_ns for gap in missing)
        proof.more_gaps = proof.more_gaps or len(proof.gaps) + len(missing) > GAPS_MOST
        proof.gaps += missing[: GAPS_MOST - len(proof.gaps)]
        at_ns = now_ns if told.next_ns is None else told.next_ns
    return proof


def _draw(db: sqlite3.Connection, camera: str, at: float) -> Located | None:
    """A segment of the older half of a camera's time, at is 0.0 to 1.0."""
    number = index.known_camera(db, camera)
    ends = [
        db.execute(
            f"SELECT start_ns FROM segment WHERE camera = ? ORDER BY start_ns {way} LIMIT 1",  # noqa: S608
            (number,),
        ).fetchone()
        for way in ("ASC", "DESC")
    ]
    if ends[0] is None or ends[1] is None:
        return None
    from_ns = ends[0][0] + int((ends[1][0] - ends[0][0]) * at / 2)
    row = db.execute(
        COLUMNS + "WHERE s.camera = ? AND s.start_ns >= ? ORDER BY s.start_ns LIMIT 1",
        (number, from_ns),
    ).fetchone()
    return None if row is None else located(row)


def _is_there(db: sqlite3.Connection, place: Located) -> bool:
    facts = place.segment.facts
    return (
        db.execute(
            "SELECT 1 FROM segment s JOIN camera c ON c.id = s.camera JOIN volume v"
            " ON v.id = s.volume WHERE c.name = ? AND s.start_ns = ? AND v.uuid = ?",
            (facts.camera, facts.started_ns, place.segment.volume),
        ).fetchone()
        is not None
    )
