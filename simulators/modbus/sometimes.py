"""Faults that are there for some requests only.

    unit.fault = Times(Exceptional(6), 3)      unit.fault = Only(WrongEcho(), function=16)

Owns    when a fault is due. What it does is in faults.py.
Needs   unit of this package.
"""

from abc import ABC, abstractmethod

from simulators.modbus.unit import Exchange, Fault, Piece, Unit


class _Sometimes(Fault, ABC):
    """A fault that is there for some requests; the others are answered honestly."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self.late = fault.late

    def begin(self, unit: Unit) -> None:
        """The inner one begins."""
        self._fault.begin(unit)

    @abstractmethod
    def is_due(self, exchange: Exchange) -> bool:
        """Whether this request suffers."""

    def pieces(self, exchange: Exchange) -> list[Piece]:
        """One or the other."""
        if self.is_due(exchange):
            return self._fault.pieces(exchange)
        return [Piece(exchange.seal(exchange.answer()))]


class Times(_Sometimes):
    """The next `times` requests suffer, then all is well: busy three times, then fine."""

    def __init__(self, fault: Fault, times: int) -> None:
        super().__init__(fault)
        self.left = times

    def is_due(self, _exchange: Exchange) -> bool:
        """Counts down."""
        self.left -= 1
        return self.left >= 0


class Every(_Sometimes):
    """Each nth request suffers."""

    def __init__(self, fault: Fault, nth: int) -> None:
        super().__init__(fault)
        self._nth, self._count = nth, 0

    def is_due(self, _exchange: Exchange) -> bool:
        """Counts round."""
        self._count += 1
        return self._count % self._nth == 0


class Only(_Sometimes):
    """Requests of that function that begin at that address suffer; unsaid is any."""

    def __init__(
        self, fault: Fault, *, function: int | None = None, address: int | None = None
    ) -> None:
        super().__init__(fault)
        self._function, self._address = function, address

    def is_due(self, exchange: Exchange) -> bool:
        """Compares."""
        return self._function in {None, exchange.function} and (
            self._address in {None, exchange.address}
        )
