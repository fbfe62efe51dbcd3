"""Discreet: the house as it is shown where whoever forces a guard may be looking on.

Owns    what is left out for roles without Right.DURESS: guards and viewers.
Needs   a Desk, rights.py, board.py.
Keeps   1. Whatever is of kind duress is not there: no alarm, record, delivery, point, nor what an
           acknowledgement or a closing would say of it.
        2. It is left out in one place: a route asks Desks.of(who) and knows nothing of it.
        3. What is left out here stays in the store, goes to its receivers, and is shown to those
           who can help.
        4. What may be shown of a receiver is worked out where that is known (delivery/telling.py):
           its lamp, numbers and faults are as if there had been no duress, and whatever else fails
           is told as ever (decision 0023).
        5. A list is as long as was asked for: what is left out makes none shorter.
What remains  sequence numbers are the journal's, and commits in /metrics are the store's: whoever
           reads the bytes of the API sees that one is missing, as he may when an old record was
           taken by retention. A device that was offline is online once it says anything.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from gateway.audit import Entry
from gateway.clock import Clock
from gateway.console.board import Board
from gateway.console.desk import Desk, NoSuchAlarm, Ordered, Row
from gateway.console.rights import RIGHTS, Right
from gateway.console.tokens import Identity
from gateway.events import Kind
from gateway.words import Said

SILENT: Final = str(Kind.DURESS)
_MARK: Final = f'"{SILENT}"'.encode()
LOOKED_MOST: Final = 20
"""Pages of records that may be read for one answer: no request reads a whole journal."""
ROWS_MOST: Final = 64_000
"""Rows that may be read for one list."""


def may_know(who: Identity) -> bool:
    """Whether somebody is told that another one is threatened."""
    return Right.DURESS in RIGHTS[who.role]


def is_silent(row: Mapping[str, Any]) -> bool:
    """Whether an alarm, or a row that names its kind, is shown in no guard room."""
    return row.get("kind") == SILENT


class Desks:
    """The house for each role."""

    def __init__(self, desk: Desk) -> None:
        self.open = desk
        self.discreet: Desk = DiscreetDesk(desk)

    def of(self, who: Identity) -> Desk:
        """Return what this role may see of the house."""
        return self.open if may_know(who) else self.discreet


class Boards:
    """What consoles show, for those who may know of duress and for those who may not."""

    def __init__(self, desks: Desks, clock: Clock, fixed: Mapping[str, object]) -> None:
        self.open = Board(desks.open, clock, fixed)
        self.discreet = Board(desks.discreet, clock, fixed)

    def __len__(self) -> int:
        """Return how many consoles read."""
        return len(self.open) + len(self.discreet)

    def begin_anew(self) -> None:
        """See Board."""
        self.open.begin_anew()
        self.discreet.begin_anew()

    async def run(self) -> None:
        """Tell the readers what changes, for ever. A board that nobody reads costs nothing."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.open.run())
            group.create_task(self.discreet.run())


class DiscreetDesk:
    """A Desk over another one; see the module, and Desk for what each method does."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def events(self, after: int, limit: int) -> tuple[list[bytes], int]:
        """See Desk. Fewer than `limit` may come although there are more."""
        shown: list[bytes] = []
        for _ in range(LOOKED_MOST):
            bodies, newest = await self._desk.events(after, limit)
            shown = [body for body in bodies if not _is_silent(body)]
            if shown or newest == after:
                return shown, newest
            after = newest
        return shown, after

    def head(self) -> int:
        """See Desk."""
        return self._desk.head()

    async def wait_beyond(self, seq: int) -> int:
        """See Desk. A stream that is silent says so at its own times, whatever was written."""
        while True:
            head = await self._desk.wait_beyond(seq)
            shown, newest = await self.events(seq, 1)
            if shown or newest == seq:
                return head
            seq = newest

    async def alarms(self, *, open_only: bool, limit: int) -> list[Row]:
        """See Desk."""
        return await _known(lambda most: self._desk.alarms(open_only=open_only, limit=most), limit)

    async def faults(self, *, open_only: bool, limit: int) -> list[Row]:
        """See Desk."""
        return await _known(lambda most: self._desk.faults(open_only=open_only, limit=most), limit)

    async def alarm(self, alarm_id: str) -> Row | None:
        """See Desk."""
        row = await self._desk.alarm(alarm_id)
        return None if row is None or is_silent(row) else row

    async def wait_change(self, mark: int) -> int:
        """See Desk."""
        return await self._desk.wait_change(mark)

    async def acknowledge(self, alarm_id: str, who: Identity) -> Row:
        """See Desk."""
        await self._refuse(alarm_id)
        return await self._desk.acknowledge(alarm_id, who)

    async def close(self, alarm_id: str, who: Identity, disposition: str, note: str) -> Row:
        """See Desk."""
        await self._refuse(alarm_id)
        return await self._desk.close(alarm_id, who, disposition, note)

    def devices(self) -> Sequence[Row]:
        """See Desk. A button for that purpose looks as if nobody had pressed it."""
        return [_at_rest(row) for row in self._desk.devices()]

    async def command(self, device_id: str, name: str, who: Identity, reason: str) -> Ordered:
        """See Desk."""
        return await self._desk.command(device_id, name, who, reason)

    async def deliveries(self, state: str | None, limit: int) -> list[Row]:
        """See Desk."""
        return await _known(lambda most: self._desk.deliveries(state, most), limit)

    async def receipt(
        self, receiver: str | None, record_id: str, state: str, reference: str
    ) -> bool:
        """See Desk."""
        return await self._desk.receipt(receiver, record_id, state, reference)

    async def audit(self, entry: Entry) -> int:
        """See Desk."""
        return await self._desk.audit(entry)

    async def sign_on(self, entry: Entry, who: Identity, *, is_duress: bool) -> int:
        """See Desk."""
        return await self._desk.sign_on(entry, who, is_duress=is_duress)

    def fault(
        self, key: str, said: Said | None, *, active: bool, attributes: dict[str, Any]
    ) -> None:
        """See Desk."""
        self._desk.fault(key, said, active=active, attributes=attributes)

    async def trail(self, after: int, limit: int) -> tuple[list[bytes], int]:
        """See Desk."""
        return await self._desk.trail(after, limit)

    def health(self) -> Mapping[str, Any]:
        """See Desk."""
        return self._desk.health()

    def ready(self) -> tuple[bool, list[str]]:
        """See Desk."""
        return self._desk.ready()

    def receivers(self, *, discreet: bool = True) -> Sequence[Row]:
        """See Desk. Whatever is asked, no more is told here."""
        del discreet
        return self._desk.receivers(discreet=True)

    def clock_utc_ns(self) -> int:
        """See Desk."""
        return self._desk.clock_utc_ns()

    async def _refuse(self, alarm_id: str) -> None:
        row = await self._desk.alarm(alarm_id)
        if row is not None and is_silent(row):
            raise NoSuchAlarm(alarm_id)


async def _known(read: Callable[[int], Awaitable[list[Row]]], limit: int) -> list[Row]:
    """Return the first `limit` rows that may be shown, however many are between them (keep 5)."""
    most = limit
    while True:
        rows = await read(most)
        known = [row for row in rows if not is_silent(row)]
        if len(known) >= limit or len(rows) < most or most >= ROWS_MOST:
            return known[:limit]
        most = min(most + (limit - len(known)) + len(rows), ROWS_MOST)


def _is_silent(body: bytes) -> bool:
    """Whether a frozen record is of the kind; most are told without being read."""
    return _MARK in body and is_silent(orjson.loads(body).get("data", {}))


def _at_rest(row: Row) -> Row:
    """Return a device as if its button for duress had never said anything, and said nothing now.

    That it was heard of late may be the press: of such a device nobody is told when.
    """
    points = row.get("points") or []
    if not any(is_silent(point) for point in points):
        return row
    is_heard = row.get("state") == "online"
    still = {
        "active": False if is_heard else None,
        "value": None,
        "quality": "good" if is_heard else "unknown",
        "at": None,
    }
    shown = [{**point, **still} if is_silent(point) else point for point in points]
    return {**row, "points": shown, "last_seen": None}
