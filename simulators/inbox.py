"""What a receiver got: first copies in order, repeats counted, everything also in a file.

Owns    one append-only file of JSON lines, when it is given one.
Needs   simulators.contract.
Keeps   1. A record is in the file before the receiver says that it has it, so a receiver that is
           killed and started again knows its ids; with fsync also after a power cut.
        2. A repeat is recognised by id, and compared byte by byte with the first copy.
        3. Bounds: the newest `keep` first copies stay in memory, the file holds all; at most
           1,000 problems are kept, further ones are counted.
"""

import asyncio
import hashlib
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from simulators.contract import check_record

MAX_PROBLEMS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One record as it came in.

    nth         1 for the first copy, 2 for its first repeat …
    at_ns       this receiver's wall clock
    late_s      what the sender said beside the record, None when nothing
    """

    id: str
    body: bytes
    nth: int
    at_ns: int
    late_s: int | None = None
    problems: tuple[str, ...] = ()
    record: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return str(self.record.get("type", ""))

    @property
    def seq(self) -> int:
        """The gateway's sequence number, 0 when it has none."""
        seq = self.record.get("seq")
        return seq if isinstance(seq, int) else 0

    @property
    def data(self) -> dict[str, Any]:
        """The record's data, {} when it has none."""
        data = self.record.get("data")
        return data if isinstance(data, dict) else {}

    @property
    def device(self) -> str:
        """data.device.id, "" when the record is about no device."""
        device = self.data.get("device")
        return str(device.get("id", "")) if isinstance(device, dict) else ""


class Inbox:
    """A receiver's memory; `take` may be called from any one thread at a time or several."""

    def __init__(
        self, path: Path | None = None, *, fsync: bool = False, keep: int = 200_000
    ) -> None:
        self.received: deque[Received] = deque(maxlen=keep)
        self.copies: Counter[str] = Counter()
        self.changed: list[str] = []
        self.problems: deque[str] = deque(maxlen=MAX_PROBLEMS)
        self.problem_count = 0
        self._digests: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._fsync = fsync
        self._file: int | None = None
        if path is not None:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            for earlier in read_inbox(path):
                self._remember(earlier)
            # A line torn by a kill was never answered for; without it the next line would be torn.
            os.ftruncate(self._file, path.read_bytes().rfind(b"\n") + 1)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def take(
        self, body: bytes, *, late_s: int | None = None, extra: tuple[str, ...] = ()
    ) -> Received:
        """Write a record down, then remember it; `extra` are problems its envelope had."""
        record, found = check_record(body)
        problems = (*extra, *found)
        name = str(record.get("id", "")) or hashlib.sha256(body).hexdigest()
        with self._lock:
            received = Received(
                id=name,
                body=body,
                nth=self.copies[name] + 1,
                at_ns=time.time_ns(),
                late_s=late_s,
                problems=problems,
                record=record,
            )
            self._write(received)
            self._remember(received)
            waiters = list(self._waiters)
        for loop, event in waiters:
            loop.call_soon_threadsafe(event.set)
        return received

    def complain(self, problem: str) -> None:
        """Note something that was wrong with a request that brought no record."""
        self.problems.append(problem)
        self.problem_count += 1

    def ids(self) -> list[str]:
        """The ids of all first copies ever, in order of arrival."""
        return list(self.copies)

    def records(self, *types: str) -> list[dict[str, Any]]:
        """The first copies in memory of those types (all without), as parsed JSON."""
        with self._lock:
            return [one.record for one in self.received if not types or one.type in types]

    @property
    def repeat_count(self) -> int:
        """How many repeats came, over all ids."""
        return self.copies.total() - len(self.copies)

    async def until(self, enough: Callable[["Inbox"], bool], timeout_s: float = 30.0) -> None:
        """Return when `enough` says so; looked at after each arrival. Raises TimeoutError."""
        event = asyncio.Event()
        waiter = (asyncio.get_running_loop(), event)
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                while not enough(self):
                    await event.wait()
                    event.clear()
        finally:
            self._waiters.remove(waiter)

    async def wait_for(
        self, count: int = 1, *types: str, timeout_s: float = 30.0
    ) -> list[dict[str, Any]]:
        """Return the first copies of those types once there are `count`; raises TimeoutError."""
        await self.until(lambda inbox: len(inbox.records(*types)) >= count, timeout_s)
        return self.records(*types)

    def _remember(self, received: Received) -> None:
        self.copies[received.id] += 1
        digest = hashlib.sha256(received.body).digest()
        if self._digests.setdefault(received.id, digest) != digest:
            self.changed.append(received.id)
        if received.nth == 1:
            self.received.append(received)
        for problem in received.problems:
            self.complain(f"{received.id}: {problem}")

    def _write(self, received: Received) -> None:
        if self._file is None:
            return
        line = {
            "id": received.id,
            "nth": received.nth,
            "at_ns": received.at_ns,
            "late_s": received.late_s,
            "problems": received.problems,
            "body": received.body.decode("utf-8", "backslashreplace"),
        }
        os.write(self._file, orjson.dumps(line) + b"\n")
        if self._fsync:
            os.fsync(self._file)


def read_inbox(path: Path) -> list[Received]:
    """Return everything a receiver's file holds, repeats too; a torn last line is left out."""
    found = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        item = orjson.loads(line)
        body = item["body"].encode()
        record, _ = check_record(body)
        found.append(
            Received(
                id=item["id"],
                body=body,
                nth=item["nth"],
                at_ns=item["at_ns"],
                late_s=item["late_s"],
                problems=tuple(item["problems"]),
                record=record,
            ),
        )
    return found
