"""What a unit holds, and what it remembers of what was done to it.

Owns    the four tables' addresses and values; the shape of a remembered request and write.
Needs   simulators.modbus.wire for exception codes. Pure.
"""

from collections import UserDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from simulators.modbus.wire import ILLEGAL_ADDRESS, Refused

Gap = Literal["illegal", "zero"]

TABLE_OF_FUNCTION: Final = {
    1: "coils", 2: "discrete", 3: "holding", 4: "input",
    5: "coils", 6: "holding", 15: "coils", 16: "holding", 22: "holding", 23: "holding",
}  # fmt: skip


class Table(UserDict[int, int]):
    """The addresses a device has, and what stands there; an address not set does not exist.

    largest     1 for bits, 0xFFFF for words; a value outside is a mistake of the test: ValueError
    read_only   writing one of these is refused with exception 2
    write_only  reading one of these is treated as a gap
    """

    def __init__(self, largest: int, values: Mapping[int, int] | None = None) -> None:
        self.largest = largest
        self.read_only: set[int] = set()
        self.write_only: set[int] = set()
        super().__init__(values)

    def __setitem__(self, address: int, value: int) -> None:
        if not 0 <= address <= 0xFFFF or not 0 <= value <= self.largest:
            raise ValueError(f"address {address}, value {value}: outside of 0 to {self.largest}")
        self.data[address] = int(value)

    def define(self, address: int, count: int, value: int = 0) -> None:
        """Let `count` addresses exist."""
        for place in range(address, address + count):
            self[place] = value

    def look(self, address: int, count: int, gap: Gap) -> list[int]:
        """Return what stands there; raises Refused(2) at a gap unless gaps read as zero."""
        if address + count > 0x10000:
            raise Refused(ILLEGAL_ADDRESS)
        places = range(address, address + count)
        hidden = self.write_only
        if gap == "zero":
            return [0 if place in hidden else self.data.get(place, 0) for place in places]
        if hidden and not hidden.isdisjoint(places):
            raise Refused(ILLEGAL_ADDRESS)
        try:
            return [self.data[place] for place in places]
        except KeyError:
            raise Refused(ILLEGAL_ADDRESS) from None

    def check_writable(self, address: int, count: int) -> None:
        """Raise Refused(2) unless every one exists and may be written."""
        for place in range(address, address + count):
            if place not in self.data or place in self.read_only:
                raise Refused(ILLEGAL_ADDRESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that reached a unit, answered or not."""

    unit: int
    function: int
    address: int
    count: int
    mono_ns: int

    def covers(self, address: int) -> bool:
        """The request touches that address."""
        return self.address <= address < self.address + self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What one request wrote; for function 5 a maker's own word stands as it was sent."""

    unit: int
    function: int
    table: str
    address: int
    values: tuple[int, ...]
    mono_ns: int


def touches(write: Write, table: str | None, address: int | None) -> bool:
    """The write changes that address of that table; None is any."""
    return table in {None, write.table} and (
        address is None or write.address <= address < write.address + len(write.values)
    )


def periods_of(requests: Iterable[Asked], unit: int) -> list[float]:
    """Seconds between the requests of one unit in a line's log."""
    times_ns = [asked.mono_ns for asked in requests if asked.unit == unit]
    return [(late - soon) / 1e9 for soon, late in pairwise(times_ns)]
