"""The desk: what the console may see and do, over the store and the intake.

Needs   gateway.console.desk for the protocol; store (reading), intake (deciding), delivery (lamps).
Keeps   What is shown was committed; what a person decides is committed when the call returns.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from gateway.audit import Entry
from gateway.clock import Clock
from gateway.console import desk as console
from gateway.console.tokens import Identity
from gateway.delivery import Worker
from gateway.events import Device, Scalar
from gateway.intake import Intake
from gateway.rows import Row, alarm_row, delivery_row, lamp_row, point_row, time_of
from gateway.rules.alarm import Alarm
from gateway.rules.book import NoSuchAlarm, WrongState
from gateway.rules.ledger import Ledger
from gateway.store import STATES, DeliveryRow, Sealed, Store, seq_of
from gateway.words import Said

NO_ROOM_BYTES: Final = 1024 * 1024
"""With less than this and no reserve left, alarms cannot be promised to be stored."""
_NO_RECORD: Final = frozenset({"too_often", "starting"})
"""Commands that were turned away before anybody looked at them: no record, and no entry."""


class Orders(Protocol):
    """Who carries out what people want done to devices (gateway/commands.py)."""

    def rows(self, device_id: str) -> list[Row]:
        """See Desk.devices: its `commands`."""

    async def order(self, device_id: str, name: str, who: Identity, reason: str) -> console.Ordered:
        """See Desk.command."""


class FrontDesk:
    """Implements gateway.console.desk.Desk; without orders no device can be told anything.

    owed  numbers of the steps without which an alarm may not be closed
    """

    def __init__(  # noqa: PLR0913 what people see and decide meets here
        self,
        *,
        store: Store,
        intake: Intake,
        workers: Sequence[Worker],
        kinds: Mapping[str, str],
        devices: Sequence[Device],
        clock: Clock,
        loops: Mapping[str, Any],
        orders: Orders | None = None,
        owed: Callable[[Alarm], list[int]] = lambda _alarm: [],
    ) -> None:
        self._orders = orders
        self._owed = owed
        self._store = store
        self._intake = intake
        self._workers = {worker.number: worker for worker in workers}
        self._numbers = ",".join(str(number) for number in self._workers)
        self._kinds = kinds
        self._devices = devices
        self._clock = clock
        self._loops = loops
        self._head = intake.journal.seq
        self._newer = asyncio.Event()
        self._changes = 0
        self._changed = asyncio.Event()
        self.reasons: dict[str, str] = {"starting": "正在启动 starting"}
        intake.listen(self._committed)
        intake.listen_deliveries(self._count)

    def change(self, devices: Sequence[Device]) -> None:
        """These are the devices from now on; every one of them is known to supervision."""
        self._devices = devices
        self._count()

    def _committed(self, records: Sequence[Sealed]) -> None:
        self._head = records[-1].seq
        self._newer.set()
        self._newer = asyncio.Event()
        self._count()

    def _count(self) -> None:
        self._changes += 1
        self._changed.set()
        self._changed = asyncio.Event()

    # Reading.

    async def events(self, after: int, limit: int) -> tuple[list[bytes], int]:
        """See Desk."""
        rows = await self._store.read(
            "SELECT seq, body FROM record WHERE seq > ? ORDER BY seq LIMIT ?", after, limit
        )
        return [bytes(body) for _, body in rows], rows[-1][0] if rows else after

    def head(self) -> int:
        """See Desk."""
        return self._head

    async def wait_beyond(self, seq: int) -> int:
        """See Desk."""
        while self._head <= seq:
            await self._newer.wait()
        return self._head

    async def wait_change(self, mark: int) -> int:
        """See Desk."""
        while self._changes == mark:
            await self._changed.wait()
        return self._changes

    async def alarm(self, alarm_id: str) -> Row | None:
        """See Desk."""
        rows = await self._store.read("SELECT doc FROM alarm WHERE alarm_id = ?", alarm_id)
        if not rows:
            return None
        alarm = Alarm.from_doc(rows[0][0])
        lamps = await self._lamps([alarm.raised_seq])
        return alarm_row(alarm, lamps.get(alarm.raised_seq, []))

    async def alarms(self, *, open_only: bool, limit: int) -> list[Row]:
        """See Desk."""
        return await self._list("alarm", open_only=open_only, limit=limit)

    async def faults(self, *, open_only: bool, limit: int) -> list[Row]:
        """See Desk."""
        return await self._list("fault", open_only=open_only, limit=limit)

    async def _list(self, category: str, *, open_only: bool, limit: int) -> list[Row]:
        """Open ones, most urgent and then oldest first; then the closed ones, newest first."""
        rows = await self._store.read(
            "SELECT doc FROM alarm WHERE category = ? AND is_open = 1"
            " ORDER BY json_extract(doc, '$.priority'), raised_seq LIMIT ?",
            category,
            limit,
        )
        if not open_only and len(rows) < limit:
            rows += await self._store.read(
                "SELECT doc FROM alarm WHERE category = ? AND is_open = 0"
                " ORDER BY raised_seq DESC LIMIT ?",
                category,
                limit - len(rows),
            )
        found = [Alarm.from_doc(doc) for (doc,) in rows]
        lamps = await self._lamps([alarm.raised_seq for alarm in found])
        return [alarm_row(alarm, lamps.get(alarm.raised_seq, [])) for alarm in found]

    async def _lamps(self, seqs: Sequence[int]) -> dict[int, list[Row]]:
        """Deliveries of some records, by sequence number."""
        lamps: dict[int, list[Row]] = {}
        for at in range(0, len(seqs), 500):
            some = seqs[at : at + 500]
            marks = ",".join("?" * len(some))
            # Receiver first, as the table's key has it: without it this reads every delivery.
            sql = (
                "SELECT seq, receiver, state, attempts, at_ns, reference, reason FROM delivery"
                f" WHERE receiver IN ({self._numbers}) AND seq IN ({marks})"
            )
            rows = await self._store.read(sql, *some)
            for seq, receiver, *lamp in rows:
                worker = self._workers.get(receiver)
                if worker is not None:
                    lamps.setdefault(seq, []).append(lamp_row(worker.name, *lamp))
        return lamps

    async def deliveries(self, state: str | None, limit: int) -> list[Row]:
        """See Desk."""
        where = ""
        if state is not None:
            # Written out, so that SQLite uses the partial indexes of pending and parked.
            where = f"WHERE d.state = {STATES.index(state)}"
        sql = (
            "SELECT d.seq, d.receiver, d.state, d.attempts, d.reference, d.reason, d.at_ns,"
            f" r.stored_ns, r.body FROM delivery d JOIN record r ON r.seq = d.seq {where}"
            " ORDER BY d.seq DESC LIMIT ?"
        )
        rows = await self._store.read(sql, limit)
        return [
            delivery_row(seq, self._name_of(receiver), *delivery)
            for seq, receiver, *delivery in rows
        ]

    def _name_of(self, receiver: int) -> str:
        """A receiver's name; one that is no longer in the configuration has its number left."""
        worker = self._workers.get(receiver)
        return worker.name if worker else f"({receiver})"

    def devices(self) -> list[Row]:
        """See Desk."""
        watches = self._intake.judge.supervision.watches
        now_ns = self._clock.utc_ns()
        return [
            {
                "id": device.id,
                "name": device.name,
                "place": device.place,
                "profile": device.profile_id,
                "family": device.family,
                "link": device.link,
                "state": watches[device.id].state,
                "last_seen": time_of(watches[device.id].utc_ns),
                "points": [
                    point_row(point, now, watches[device.id].state, now_ns)
                    for point, now in self._intake.judge.device_points(device)
                ],
                "commands": [] if self._orders is None else self._orders.rows(device.id),
            }
            for device in self._devices
        ]

    def receivers(self, *, discreet: bool = False) -> list[Row]:
        """See Desk."""
        rows = []
        for worker in self._workers.values():
            row = worker.snapshot(discreet=discreet)
            row["kind"] = self._kinds[worker.name]
            row["last_receipt_at"] = time_of(row.pop("last_receipt_ns"))
            rows.append(row)
        return rows

    def health(self) -> Mapping[str, Any]:
        """See Desk."""
        return {name: bool(alive()) for name, alive in self._loops.items()}

    def ready(self) -> tuple[bool, list[str]]:
        """See Desk."""
        reasons = list(self.reasons.values())
        reserve = self._store.reserve
        no_room = reserve.held_bytes == 0 and reserve.free_bytes < NO_ROOM_BYTES
        if self._intake.disk_full and no_room:
            reasons.append("磁盘已满，备用空间已用完 disk full and reserve used up")
        return not reasons, reasons

    def clock_utc_ns(self) -> int:
        """See Desk."""
        return self._clock.utc_ns()

    # Deciding.

    async def acknowledge(self, alarm_id: str, who: Identity) -> Row:
        """See Desk."""

        def work(ledger: Ledger) -> Alarm:
            alarm = self._intake.judge.book.acknowledge(ledger, alarm_id, who.name)
            ledger.audit(_entry(who, "alarm.acknowledge", alarm_id))
            return alarm

        return await self._decide(alarm_id, work)

    async def close(self, alarm_id: str, who: Identity, disposition: str, note: str) -> Row:
        """See Desk."""

        def work(ledger: Ledger) -> Alarm:
            self._refuse_unfinished(alarm_id)
            alarm = self._intake.judge.book.close(
                ledger, alarm_id, who=who.name, disposition=disposition, note=note
            )
            said = {"disposition": disposition}
            ledger.audit(_entry(who, "alarm.close", alarm_id, reason=note, details=said))
            return alarm

        return await self._decide(alarm_id, work)

    def _refuse_unfinished(self, alarm_id: str) -> None:
        """Raise WrongState while the site wants steps of the response plan that nobody did."""
        alarm = self._intake.judge.book.get(alarm_id)
        owed = [] if alarm is None else self._owed(alarm)
        if owed:
            steps = "、".join(map(str, owed))
            raise WrongState(f"预案第 {steps} 步未做 steps of the plan are not done yet")

    async def command(
        self, device_id: str, name: str, who: Identity, reason: str
    ) -> console.Ordered:
        """See Desk."""
        if self._orders is None:
            why = "本机不发命令 / this gateway sends no commands"
            return console.Ordered(state="refused", code="not_allowed", why=why)
        ordered = await self._orders.order(device_id, name, who, reason)
        if ordered.code not in _NO_RECORD:
            said = {"state": ordered.state, "code": ordered.code}
            subject = f"{device_id}/{name}"
            await self.audit(_entry(who, "device.command", subject, reason=reason, details=said))
        return ordered

    async def audit(self, entry: Entry) -> int:
        """See Desk."""
        return await self._intake.audit(entry)

    async def sign_on(self, entry: Entry, who: Identity, *, is_duress: bool) -> int:
        """See Desk."""

        def work(ledger: Ledger) -> int:
            if is_duress:
                self._intake.judge.duress(ledger, who.name, entry.from_address)
            return ledger.audit(entry).seq

        seq: int = await self._intake.command(work)
        return seq

    def fault(
        self, key: str, said: Said | None, *, active: bool, attributes: dict[str, Scalar]
    ) -> None:
        """See Desk."""
        self._intake.fault(key, said, active=active, attributes=attributes)

    async def trail(self, after: int, limit: int) -> tuple[list[bytes], int]:
        """See Desk."""
        if after > self._intake.trail.seq:
            return [], 0
        rows = await self._store.read(
            "SELECT seq, body FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", after, limit
        )
        return [bytes(body) for _, body in rows], rows[-1][0] if rows else after

    async def _decide(self, alarm_id: str, work: Any) -> Row:  # noqa: ANN401
        try:
            alarm: Alarm = await self._intake.command(work)
        except WrongState as error:
            raise console.WrongState(str(error)) from error
        except NoSuchAlarm as error:
            ended = await self._store.read("SELECT doc FROM alarm WHERE alarm_id = ?", alarm_id)
            if ended:
                raise console.WrongState("已结束 it is closed already") from error
            raise console.NoSuchAlarm(alarm_id) from error
        lamps = await self._lamps([alarm.raised_seq])
        return alarm_row(alarm, lamps.get(alarm.raised_seq, []))

    async def receipt(
        self, receiver: str | None, record_id: str, state: str, reference: str
    ) -> bool:
        """See Desk."""
        seq = seq_of(record_id)
        if seq is None or state not in STATES[1:7]:
            return False
        sql = (
            "SELECT d.receiver, d.state, d.attempts FROM delivery d JOIN record r ON r.seq = d.seq"
            f" WHERE d.receiver IN ({self._numbers}) AND d.seq = ? AND instr(r.body, ?) > 0"
        )
        rows = await self._store.read(
            sql,
            seq,
            f'"id":"{record_id}"'.encode(),
        )
        named = [
            row
            for row in rows
            if row[0] in self._workers
            and (receiver is None or self._workers[row[0]].name == receiver)
        ]
        if len(named) != 1:
            return False
        number, before, attempts = named[0]
        code = STATES.index(state)
        if before in {0, 7} or code > before:
            code = self._workers[number].advance(seq, code)
            row = DeliveryRow(number, seq, code, attempts, self._clock.utc_ns(), reference[:128])
            await self._intake.command(lambda ledger: ledger.batch.deliveries.append(row))
        return True


def _entry(
    who: Identity,
    action: str,
    subject: str,
    *,
    reason: str = "",
    details: Mapping[str, Scalar] | None = None,
) -> Entry:
    return Entry(
        who=who.name,
        role=str(who.role),
        from_address=who.address,
        action=action,
        subject=subject,
        reason=reason,
        details=details or {},
    )
