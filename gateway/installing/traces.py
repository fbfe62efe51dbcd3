"""Traces: the last five minutes of the numbers of devices that an installer looks at.

Owns    a ring for each device that was looked at lately; a sample a second, from what the drivers
        and the judge have anyway, so that looking asks nothing of a device.
Needs   whoever says a device's numbers now; a clock.
Keeps   1. What is not known is None: a line that is drawn from it has a hole there.
        2. Nobody looks, nothing is kept: a ring ends KEEP_S after the last look at its device.
Bound   DEVICES_MOST devices, NAMES_MOST numbers of each, KEEP_S samples of them (about 3 MB).
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.clock import Clock
from gateway.events import Scalar

KEEP_S: Final = 300
EVERY_S: Final = 1.0
DEVICES_MOST: Final = 8
NAMES_MOST: Final = 32
LARGEST: Final = 1e15
"""What a page can write as a number, and more than anybody measures."""

Numbers = Mapping[str, float | None]


def numbers_of(values: Mapping[str, Scalar | None]) -> dict[str, float | None]:
    """Return what of a device's values are numbers, and None for what is not known. Pure.

    A word that switches between yes and no is no number, nor is a text.
    """
    found: dict[str, float | None] = {}
    for name, value in values.items():
        if value is None:
            found[name] = None
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            sane = math.isfinite(value) and abs(value) <= LARGEST
            found[name] = float(value) if sane else None
    return found


@dataclass(slots=True)
class _Ring:
    looked_ns: int
    names: list[str] = field(default_factory=list)
    rows: deque[tuple[int, Numbers]] = field(default_factory=lambda: deque(maxlen=KEEP_S))


class Traces:
    """See the module. read: the numbers of a device now, None for a device that is gone."""

    def __init__(self, read: Callable[[str], Numbers | None], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._rings: dict[str, _Ring] = {}
        self._looked = asyncio.Event()

    def since(self, device_id: str, after_ms: int) -> dict[str, Any]:
        """Return what came behind `after_ms`, and keep sampling: somebody looks.

        now_ms  our clock, which is that of the samples
        at_ms   of each sample · values  by name, as long as at_ms
        """
        now_ns = self._clock.mono_ns()
        ring = self._rings.get(device_id)
        if ring is None:
            if len(self._rings) >= DEVICES_MOST:
                del self._rings[min(self._rings, key=lambda each: self._rings[each].looked_ns)]
            ring = self._rings[device_id] = _Ring(now_ns)
            self._sample(device_id, ring)
            self._looked.set()
        ring.looked_ns = now_ns
        rows = [row for row in ring.rows if row[0] > after_ms]
        return {
            "now_ms": self._clock.utc_ns() // 10**6,
            "at_ms": [at_ms for at_ms, _ in rows],
            "values": {name: [row.get(name) for _, row in rows] for name in ring.names},
        }

    async def run(self) -> None:
        """Take a sample a second of what is looked at, for ever."""
        while True:
            await self._looked.wait()
            await self._clock.sleep(EVERY_S)
            now_ns = self._clock.mono_ns()
            for device_id, ring in list(self._rings.items()):
                is_over = now_ns - ring.looked_ns > KEEP_S * 10**9
                if is_over or not self._sample(device_id, ring):
                    del self._rings[device_id]
            if not self._rings:
                self._looked.clear()

    def _sample(self, device_id: str, ring: _Ring) -> bool:
        found = self._read(device_id)
        if found is None:
            return False
        for name in found:
            if name not in ring.names and len(ring.names) < NAMES_MOST:
                ring.names.append(name)
        row = {name: found.get(name) for name in ring.names}
        ring.rows.append((self._clock.utc_ns() // 10**6, row))
        return True
