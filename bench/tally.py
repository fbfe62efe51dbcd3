"""What a receiver saw: which numbers, how late, and whatever came twice or in the wrong order."""

import re
from array import array
from typing import Any, Final

from bench.wire import STAMP

_ID: Final = re.compile(rb'"id":"([0-9a-f-]{36})"')
_SINGLE: Final = (b'{"specversion"', b'{"n"')
"""How a record of the gateway and a message that was carried on unchanged begin."""


class Tally:
    """Counts records; add() is called with the bytes of one record, or of a batch of them.

    repeats   the same record again, under the same id: allowed (at least once)
    twins     the same message under another id: the gateway made two records of one message
    disorder  first receipts that came after a later one of the same device
    """

    def __init__(self, devices: int) -> None:
        self._devices = devices
        self.clear()

    def clear(self) -> None:
        """Forget everything, before the next measurement."""
        self.seen: dict[int, bytes] = {}
        self.delays_ns = array("q")
        self._newest: dict[int, int] = {}
        self.repeats = self.twins = self.disorder = self.probes = 0
        self.first_ns = self.last_ns = 0
        self.special: dict[int, float] = {}

    def add(self, body: bytes, now_ns: int) -> int:
        """Note the record in `body` and return how many were in it (0: a heartbeat or a status)."""
        found = STAMP.search(body)
        if found is None:
            return 0
        if not body.startswith(_SINGLE):
            return self._batch(body, now_ns)
        number = int(found[1])
        named = _ID.search(body, 0, 120)
        self._note(number, int(found[2]), named[1] if named else b"", now_ns)
        return 1

    def _batch(self, body: bytes, now_ns: int) -> int:
        ids = _ID.findall(body)
        stamps = STAMP.findall(body)
        for index, (number, sent) in enumerate(stamps):
            name = ids[index] if len(ids) == len(stamps) else b""
            self._note(int(number), int(sent), name, now_ns)
        return len(stamps)

    def _note(self, number: int, sent_ns: int, name: bytes, now_ns: int) -> None:
        if number < 0:
            self.probes += 1
            self.special.setdefault(number, (now_ns - sent_ns) / 1e6)
            return
        seen = self.seen
        known = seen.get(number)
        if known is not None:
            if known == name:
                self.repeats += 1
            else:
                self.twins += 1
            return
        seen[number] = name
        if not self.first_ns:
            self.first_ns = now_ns
        self.last_ns = now_ns
        self.delays_ns.append(now_ns - sent_ns)
        device = number % self._devices
        if self._newest.get(device, -1) > number:
            self.disorder += 1
        else:
            self._newest[device] = number

    def report(self) -> dict[str, Any]:
        """Everything as numbers; delays in milliseconds; special: number → delay of probes."""
        ordered = sorted(self.delays_ns)

        def at(part: float) -> float:
            return ordered[min(int(len(ordered) * part), len(ordered) - 1)] / 1e6

        return {
            "unique": len(self.seen),
            "repeats": self.repeats,
            "twins": self.twins,
            "disorder": self.disorder,
            "probes": self.probes,
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "p50_ms": at(0.5) if ordered else None,
            "p99_ms": at(0.99) if ordered else None,
            "worst_ms": ordered[-1] / 1e6 if ordered else None,
            "special": {str(number): delay for number, delay in self.special.items()},
        }
