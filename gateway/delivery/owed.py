"""What one receiver is still owed: in memory as far as it fits, the rest on disk.

Owns    the lanes, how far each has been filled from the disk, and how many records are pending.
Needs   lanes (whose turn it is), the store (reading).
Keeps   1. Every pending record is in a lane, under way, aside, or on disk behind its lane's
           `loaded`: once, also when the disk shows it before its commit is told of, or after.
        2. At most LANE_ITEMS parcels of a lane are here (twice that of the urgent one).
        3. begin_anew() forgets everything; the disk knows it all.
"""

from collections.abc import Collection, Sequence
from typing import Final

import orjson
import structlog

from gateway.delivery.lanes import Item, Lane, item_from_row, item_of
from gateway.delivery.telling import SILENT
from gateway.errors import StoreError
from gateway.events import NEVER_FOLDED
from gateway.rules.routing import LANES, URGENT
from gateway.store import Sealed, Store

LANE_ITEMS: Final = 2000
REFILL_ROWS: Final = 1000
PARKED_ITEMS: Final = 1000
"""Parked urgent records tried again from memory, the newest; others when these are fewer."""
_TRIED_AGAIN: Final = orjson.dumps(sorted(NEVER_FOLDED)).decode()

log = structlog.get_logger()


class Owed:
    """See the module.

    pending  records without a receipt that are not parked
    silent   how many of them are about duress: guard rooms are not shown those
    """

    def __init__(self, receiver: str, number: int, store: Store) -> None:
        self._receiver = receiver
        self._number = number
        self._store = store
        self.begin_anew()

    def begin_anew(self) -> None:
        """As at the start of a life: nothing is known before find_backlog()."""
        self.lanes = [Lane() for _ in range(LANES)]
        self.news = self.lanes[URGENT]
        self.pending = self.silent = 0
        self.parked_more = False
        self._starting: list[Sealed] | None = []
        self._counted = 0

    def committed(self, records: Sequence[Sealed], now_ns: int) -> list[Sealed]:
        """Take what concerns this receiver, right after its commit; returns the urgent news."""
        news: list[Sealed] = []
        for record in records:
            if self._number not in record.receivers:
                continue
            if self._starting is not None:
                self._starting.append(record)
                continue
            if record.seq <= self._counted:
                continue  # find_backlog saw it on disk before this call told of it
            self.pending += 1
            self.silent += record.kind == SILENT
            lane = self.lanes[record.lane]
            if record.seq <= lane.loaded:
                continue  # a refill did
            if record.lane == URGENT:
                if self._take_news(lane, record, now_ns):
                    news.append(record)
            elif lane.behind or lane.size >= LANE_ITEMS:
                lane.behind = True
                lane.missed = record.seq
            else:
                lane.push(item_of(record, born_ns=now_ns))
                lane.loaded = record.seq
        return news

    @staticmethod
    def _take_news(lane: Lane, record: Sealed, now_ns: int) -> bool:
        """Urgent news goes before backlog, also while there is more backlog on disk."""
        device = record.device
        if lane.size >= 2 * LANE_ITEMS or device in lane.owed:
            lane.behind = True
            lane.missed = record.seq
            lane.owed[device] = lane.owed.get(device, 0) + 1
            return False
        lane.push(item_of(record, born_ns=now_ns, live=True))
        if lane.behind:
            lane.ahead.add(record.seq)
        else:
            lane.loaded = record.seq
        return True

    async def find_backlog(self) -> None:
        """Count what is on disk, and whose urgent records it holds; does so once in a life.

        Records that are committed meanwhile are on disk too; those the look missed are added by
        hand, so that none is counted twice or not at all.
        """
        if self._starting is None:
            return
        rows = await self._store.read(
            "SELECT count(*), max(seq) FROM delivery WHERE receiver = ? AND state = 0", self._number
        )
        count, newest = rows[0][0], rows[0][1] or 0
        owed = await self._store.read(
            "SELECT json_extract(CAST(r.body AS TEXT), '$.data.device.id'), count(*),"
            " sum(json_extract(CAST(r.body AS TEXT), '$.data.kind') = 'duress')"
            " FROM delivery d JOIN record r ON r.seq = d.seq"
            " WHERE d.receiver = ? AND d.lane = 0 AND d.state = 0 AND d.seq <= ? GROUP BY 1",
            self._number,
            newest,
        )
        self.news.owed = {device: records for device, records, _ in owed}
        since = [record for record in self._starting if record.seq > newest]
        self._starting, self._counted = None, newest
        self.pending += count + len(since)
        # All of duress is urgent (routing.py, keep 3), so no other lane has any.
        self.silent += sum(silent for _, _, silent in owed)
        self.silent += sum(record.kind == SILENT for record in since)
        for record in since:
            lane = self.lanes[record.lane]
            lane.missed = record.seq
            if record.lane == URGENT:
                lane.owed[record.device] = lane.owed.get(record.device, 0) + 1

    async def refill(self) -> None:
        """Fill lanes that are behind and nearly empty; a disk that fails is asked again later."""
        for number, lane in enumerate(self.lanes):
            if not lane.behind or lane.size > LANE_ITEMS // 4:
                continue
            try:
                rows = await self._store.read(
                    "SELECT d.seq, d.lane, r.stored_ns, r.body FROM delivery d"
                    " JOIN record r ON r.seq = d.seq"
                    " WHERE d.receiver = ? AND d.lane = ? AND d.state = 0 AND d.seq > ?"
                    " ORDER BY d.seq LIMIT ?",
                    self._number,
                    number,
                    lane.loaded,
                    REFILL_ROWS,
                )
            except StoreError as error:
                why = str(error)
                log.error("outbox cannot be read, tried again", receiver=self._receiver, why=why)
                continue
            for row in rows:
                lane.loaded = row[0]
                if row[0] in lane.ahead:
                    lane.ahead.discard(row[0])
                    continue
                item = item_from_row(*row)
                lane.push(item)
                left = lane.owed.get(item.device, 0) - 1
                if left > 0:
                    lane.owed[item.device] = left
                else:
                    lane.owed.pop(item.device, None)
            if len(rows) < REFILL_ROWS and lane.loaded >= lane.missed:
                lane.behind = False
                lane.loaded = max(lane.loaded, max(lane.ahead, default=0))
                lane.ahead.clear()
                lane.owed.clear()

    async def parked(self, known: Collection[int]) -> list[Item]:
        """The urgent records that were refused, the newest first, without those in `known`."""
        rows = await self._store.read(
            "SELECT d.seq, d.lane, r.stored_ns, r.body FROM delivery d"
            " JOIN record r ON r.seq = d.seq WHERE d.receiver = ? AND d.state = 7 AND d.lane = 0"
            " AND json_extract(CAST(r.body AS TEXT), '$.data.kind') IN"
            " (SELECT value FROM json_each(?))"
            " ORDER BY d.seq DESC LIMIT ?",
            self._number,
            _TRIED_AGAIN,
            PARKED_ITEMS,
        )
        self.parked_more = len(rows) >= PARKED_ITEMS
        waiting = {item.seq for item in self.news.items()}
        found = [item_from_row(*row) for row in rows]
        fresh = [item for item in found if item.seq not in known and item.seq not in waiting]
        for item in fresh:
            item.parked = True
        return fresh

    def ended(self, item: Item) -> None:
        """A record has its receipt, or is parked from now on; one that was parked was not owed."""
        if not item.parked:
            self.pending -= 1
            self.silent -= item.kind == SILENT

    def put_back(self, item: Item) -> None:
        """Take back what was under way or aside, at its old place in its device's order."""
        self.lanes[item.lane].put_back([item])
