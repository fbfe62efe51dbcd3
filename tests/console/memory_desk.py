"""A Desk that keeps its promises in memory: a journal, alarms with a life, deliveries."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gateway.audit import Entry
from gateway.console.desk import NoSuchAlarm, Ordered, Row, WrongState
from gateway.console.tokens import Identity
from gateway.store import Line, Trail
from gateway.words import Said

START_NS = 1_795_305_600_000_000_000  # 2026-11-22T00:00:00Z


class FakeClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.ns = 0
        self.quality = "trusted"

    def utc_ns(self) -> int:
        return START_NS + self.ns

    def mono_ns(self) -> int:
        return self.ns

    async def sleep(self, seconds: float) -> None:
        self.forward(seconds)

    def forward(self, seconds: float) -> None:
        self.ns += int(seconds * 1e9)


class MemoryDesk:
    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.bodies: list[bytes] = []
        self.news = asyncio.Condition()
        self.changes = 0
        self.rows: list[Row] = []
        self.fault_rows: list[Row] = []
        self.device_rows: list[Row] = []
        self.receiver_rows: list[Row] = []
        self.discreet_receiver_rows: list[Row] | None = None
        self.delivery_rows: list[Row] = []
        self.receipts: list[tuple[str | None, str, str, str]] = []
        self.reasons: list[str] = []
        self.orders: list[tuple[str, str, str, str]] = []
        self.ordered = Ordered(state="done", code="done", why="position = closed")
        self.audited = Trail()
        self.forced: list[str] = []
        self.own_faults: dict[str, bool] = {}
        self.lines: list[Line] = []
        self.loops: dict[str, Any] = {"intake": True}
        self.waiting = 0

    async def record(self, *, text: str = "按下", size: int = 0) -> bytes:
        """Commit one record; its bytes are spaced as no re-serialising would leave them."""
        seq = len(self.bodies) + 1
        data = orjson.dumps({"text": text, "pad": "x" * size})
        first = b'{"specversion": "1.0",  "seq":%d, "type":"campus.event.recorded.v1",' % seq
        body = first + b'"data":%b }' % data
        async with self.news:
            self.bodies.append(body)
            self.changes += 1
            self.news.notify_all()
        return body

    async def events(self, after: int, limit: int) -> tuple[list[bytes], int]:
        found = self.bodies[after : after + limit]
        return found, after + len(found)

    def head(self) -> int:
        return len(self.bodies)

    async def wait_beyond(self, seq: int) -> int:
        async with self.news:
            self.waiting += 1
            try:
                await self.news.wait_for(lambda: len(self.bodies) > seq)
            finally:
                self.waiting -= 1
            return len(self.bodies)

    async def alarms(self, *, open_only: bool, limit: int) -> list[Row]:
        return [row for row in self.rows if not open_only or row["state"] != "closed"][:limit]

    async def faults(self, *, open_only: bool, limit: int) -> list[Row]:
        rows = self.fault_rows
        return [row for row in rows if not open_only or row["state"] != "closed"][:limit]

    async def alarm(self, alarm_id: str) -> Row | None:
        rows = self.rows + self.fault_rows
        return next((row for row in rows if row["alarm_id"] == alarm_id), None)

    async def wait_change(self, mark: int) -> int:
        async with self.news:
            await self.news.wait_for(lambda: self.changes != mark)
            return self.changes

    async def change(self) -> None:
        """Say that rows were changed by hand, as a commit would."""
        async with self.news:
            self.changes += 1
            self.news.notify_all()

    def _find(self, alarm_id: str) -> Row:
        for row in self.rows + self.fault_rows:
            if row["alarm_id"] == alarm_id:
                return row
        raise NoSuchAlarm(alarm_id)

    async def acknowledge(self, alarm_id: str, who: Identity) -> Row:
        row = self._find(alarm_id)
        if row["state"] not in {"unack_active", "rtn_unack"}:
            raise WrongState(f"it is {row['state']}")
        row.update(state="ack_active", acknowledged_by=who.name)
        return row

    async def close(self, alarm_id: str, who: Identity, disposition: str, note: str) -> Row:
        row = self._find(alarm_id)
        if row["state"] == "closed":
            raise WrongState("it is closed")
        row.update(state="closed", closed_by=who.name, disposition=disposition, note=note)
        return row

    async def audit(self, entry: Entry) -> int:
        self.lines.append(self.audited.seal(entry, self.clock.utc_ns(), "trusted"))
        return len(self.lines)

    async def sign_on(self, entry: Entry, who: Identity, *, is_duress: bool) -> int:
        if is_duress:
            self.forced.append(who.name)
        return await self.audit(entry)

    def fault(
        self, key: str, said: Said | None, *, active: bool, attributes: Mapping[str, Any]
    ) -> None:
        self.own_faults[key] = active

    async def trail(self, after: int, limit: int) -> tuple[list[bytes], int]:
        found = [line.body for line in self.lines[after : after + limit]]
        return found, after + len(found) if after <= len(self.lines) else 0

    def devices(self) -> Sequence[Row]:
        return self.device_rows

    async def command(self, device_id: str, name: str, who: Identity, reason: str) -> Ordered:
        self.orders.append((device_id, name, who.name, reason))
        return self.ordered

    async def deliveries(self, state: str | None, limit: int) -> list[Row]:
        return [row for row in self.delivery_rows if state in {None, row["state"]}][:limit]

    async def receipt(
        self, receiver: str | None, record_id: str, state: str, reference: str
    ) -> bool:
        sent = [
            row
            for row in self.delivery_rows
            if row["id"] == record_id and receiver in {None, row["receiver"]}
        ]
        if len(sent) != 1:
            return False
        self.receipts.append((receiver, record_id, state, reference))
        return True

    def health(self) -> Mapping[str, Any]:
        return self.loops

    def ready(self) -> tuple[bool, list[str]]:
        return not self.reasons, self.reasons

    def receivers(self, *, discreet: bool = False) -> Sequence[Row]:
        rows = self.discreet_receiver_rows
        return rows if discreet and rows is not None else self.receiver_rows

    def clock_utc_ns(self) -> int:
        return self.clock.utc_ns()


def alarm(alarm_id: str = "a-1", **changes: Any) -> Row:
    row: Row = {
        "alarm_id": alarm_id,
        "kind": "panic",
        "priority": 1,
        "mode": "live",
        "state": "unack_active",
        "latched": True,
        "device": {
            "id": "btn-gate-west",
            "name": "1号按钮",
            "place": "西门门卫室",
            "family": "alarm_button",
        },
        "point": "button",
        "text": "按下",
        "value": None,
        "unit": None,
        "count": 1,
        "raised_at": "2026-11-22T00:00:00.000Z",
        "last_at": "2026-11-22T00:00:00.000Z",
        "acknowledged_at": None,
        "acknowledged_by": None,
        "restored_at": None,
        "closed_at": None,
        "closed_by": None,
        "disposition": None,
        "note": None,
        "cameras": [],
        "deliveries": [],
    }
    return row | changes


def delivery(receiver: str, state: str, **changes: Any) -> Row:
    row: Row = {
        "receiver": receiver,
        "state": state,
        "reference": None,
        "reason": None,
        "attempts": 1,
        "at": "2026-11-22T00:00:01.000Z",
    }
    return row | changes


def device(device_id: str, state: str, **changes: Any) -> Row:
    row: Row = {
        "id": device_id,
        "name": device_id,
        "place": "食堂",
        "profile": "gas/x",
        "family": "gas",
        "link": "field",
        "state": state,
        "last_seen": "2026-11-22T00:00:00.000Z",
        "points": [],
    }
    return row | changes
