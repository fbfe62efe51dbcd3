"""Lanes: what waits in memory for one receiver, and whose turn it is.

Owns    the order in which records leave, and nothing else: no clock, no store, no receiver.
Needs   gateway.uplink for the parcel.
Keeps   1. Records of one device leave a lane in order of sequence; a device that is busy or held
           keeps all of its records back, and nobody else's.
        2. Devices take turns, so one with thousands of records delays no other by more than a turn.
        3. Devices with news go before devices that have only backlog; what is older of a device
           with news goes first, because of 1.
Bounds  None here: whoever pushes keeps them (owed.py, LANE_ITEMS). Taking costs the same
        whatever waits.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import orjson

from gateway.store import Sealed
from gateway.uplink import Parcel


@dataclass(slots=True, kw_only=True)
class Item(Parcel):
    """A parcel with its history here. Times are monotonic, 0 when it has not happened.

    born_ns   when it was committed in this life; 0 when it was found on disk
    live      news: it goes before backlog, until it is late
    seen      how many answers the receiver had given, to anything, at this item's last failure
    strikes   failures with an answer to something else since the failure before: signs of poison
    single    sent with others it was refused, so it is sent by itself
    parked    the receiver refused it; only urgent ones are tried again
    """

    stored_ns: int
    lane: int
    born_ns: int = 0
    live: bool = False
    attempts: int = 0
    first_try_ns: int = 0
    seen: int = 0
    strikes: int = 0
    single: bool = False
    parked: bool = False


def item_of(record: Sealed, *, born_ns: int = 0, live: bool = False) -> Item:
    """A committed record as it goes to a receiver."""
    return Item(
        seq=record.seq,
        id=record.id,
        type=f"campus.{record.type}.v1",
        kind=record.kind,
        priority=record.priority,
        device=record.device,
        body=record.body,
        is_alarm=record.type != "event.recorded",
        stored_ns=record.stored_ns,
        lane=record.lane,
        born_ns=born_ns,
        live=live,
    )


def item_from_row(seq: int, lane: int, stored_ns: int, body: bytes) -> Item:
    """The same from the store."""
    record = orjson.loads(body)
    data = record["data"]
    return Item(
        seq=seq,
        id=record["id"],
        type=record["type"],
        kind=data["kind"],
        priority=data["priority"],
        device=data["device"]["id"],
        body=bytes(body),
        is_alarm=record["type"] != "campus.event.recorded.v1",
        stored_ns=stored_ns,
        lane=lane,
    )


class Lane:
    """The records of one lane that are in memory, and where the rest begins on disk.

    behind   there are more on disk than here
    missed   newest sequence number that was left on disk
    loaded   everything up to this number was taken here, or will never have to be
    ahead    numbers above `loaded` that were taken here all the same
    owed     device → how many of its records are on disk and not here
    size     how many wait here
    """

    __slots__ = (
        "_backlog",
        "_busy",
        "_held",
        "_live",
        "_queues",
        "_where",
        "ahead",
        "behind",
        "loaded",
        "missed",
        "owed",
        "size",
    )

    def __init__(self) -> None:
        self._queues: dict[str, deque[Item]] = {}
        self._live: deque[str] = deque()
        self._backlog: deque[str] = deque()
        self._where: dict[str, deque[str]] = {}
        self._busy: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self.behind = True
        self.missed = self.loaded = self.size = 0
        self.ahead: set[int] = set()
        self.owed: dict[str, int] = {}

    def push(self, item: Item) -> None:
        """Take the newest record of its device."""
        device = item.device
        queue = self._queues.get(device)
        if queue is None:
            self._queues[device] = deque((item,))
        else:
            queue.append(item)
        self.size += 1
        where = self._where.get(device)
        turns = self._live if item.live else self._backlog
        # A device that waits among the backlog is called forward by news (keep 3); its place
        # there is then passed over when its turn comes.
        if where is turns or where is self._live or device in self._busy or device in self._held:
            return
        self._where[device] = turns
        turns.append(device)

    def put_back(self, items: Iterable[Item]) -> None:
        """Take back what was taken and not delivered, at its old place in its device's order."""
        for item in sorted(items, key=lambda one: -one.seq):
            queue = self._queues.setdefault(item.device, deque())
            self.size += 1
            if not queue or item.seq < queue[0].seq:
                queue.appendleft(item)
            else:
                self._queues[item.device] = deque(sorted((*queue, item), key=lambda one: one.seq))
            self._call_up(item.device)

    def take(
        self, batch: list[Item], room: int, *, mixed: bool, ordered: bool, born_after_ns: int
    ) -> None:
        """Fill batch up to room.

        mixed          alarms may share a batch; otherwise each goes by itself
        ordered        the receiver's line keeps order by itself, so a device need not wait for the
                       outcome of its last record
        born_after_ns  news born before this is backlog by now
        """
        for turns in (self._live, self._backlog):
            while turns and len(batch) < room:
                device = turns.popleft()
                if self._where.get(device) is not turns:
                    continue  # called forward, held or emptied since
                queue = self._queues[device]
                if turns is self._live and not self._is_news(queue, born_after_ns):
                    self._where[device] = self._backlog
                    self._backlog.append(device)
                    continue
                if batch and not _may_join(batch[0], queue[0], mixed=mixed):
                    turns.appendleft(device)
                    return
                share = max(room // (len(turns) + 1), 1)
                taken = self._take_of(queue, batch, min(share, room - len(batch)), mixed=mixed)
                if not ordered:
                    self._busy[device] = self._busy.get(device, 0) + taken
                if not queue:
                    del self._queues[device]
                if queue and ordered:
                    turns.append(device)
                else:
                    del self._where[device]

    def _take_of(self, queue: deque[Item], batch: list[Item], most: int, *, mixed: bool) -> int:
        taken = 0
        while queue and taken < most:
            if batch and not _may_join(batch[0], queue[0], mixed=mixed):
                break
            batch.append(queue.popleft())
            taken += 1
        self.size -= taken
        return taken

    @staticmethod
    def _is_news(queue: deque[Item], born_after_ns: int) -> bool:
        newest = queue[-1]
        return newest.live and newest.born_ns >= born_after_ns

    def landed(self, device: str) -> None:
        """One record of a device is no longer under way."""
        left = self._busy.get(device, 0) - 1
        if left > 0:
            self._busy[device] = left
        elif left == 0:
            del self._busy[device]
            self._call_up(device)

    def hold(self, device: str, until_ns: int) -> None:
        """Keep a device's records back; a second hold only makes it longer."""
        self._held[device] = max(until_ns, self._held.get(device, 0))
        self._where.pop(device, None)

    def release(self, device: str, now_ns: int) -> None:
        """Let a device go on, unless it is held for longer than now."""
        if device in self._held and self._held[device] <= now_ns:
            del self._held[device]
            self._call_up(device)

    def release_all(self) -> None:
        """Let every device go on."""
        for device in list(self._held):
            del self._held[device]
            self._call_up(device)

    def heads(self, but: str = "") -> Iterator[Item]:
        """The oldest record of each device that is not of the kind `but`."""
        for queue in list(self._queues.values()):
            yield from islice((item for item in list(queue) if item.kind != but), 1)

    def items(self) -> Iterator[Item]:
        """Everything that waits here, device by device."""
        return chain.from_iterable(self._queues.values())

    def _call_up(self, device: str) -> None:
        """Give a device the next turn, if it has something and nothing keeps it."""
        queue = self._queues.get(device)
        if not queue or device in self._busy or device in self._held or device in self._where:
            return
        turns = self._live if queue[-1].live else self._backlog
        self._where[device] = turns
        turns.appendleft(device)


def _may_join(first: Item, item: Item, *, mixed: bool) -> bool:
    if first.single or item.single:
        return False
    return mixed or not (first.is_alarm or item.is_alarm)
