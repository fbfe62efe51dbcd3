"""A bus that is at work, asked through its own driver: no second connection, no pause of alarms.

Owns    an Asker that borrows the driver's connection.
Needs   asking.py; gateway.driver.Lending.
Keeps   1. Reads only, at the Asker's pace: each waits its turn between two reads of alarms, so the
           longest an alarm waits for it is one time-out.
        2. The link is neither opened nor closed here.
"""

from dataclasses import dataclass, field
from typing import cast

from gateway.clock import Clock
from gateway.commission.asking import Asker
from gateway.driver import Lending
from gateway.links.modbus import BusSettings, ModbusConnection, Request


@dataclass(slots=True)
class _Line:
    garbage_bytes: int = 0


@dataclass(slots=True)
class _Lent:
    """As much of a ModbusConnection as an Asker uses."""

    driver: Lending
    line: _Line = field(default_factory=_Line)

    async def ask(self, request: Request, timeout_s: float, gap_s: float = 0.0) -> bytes:
        return await self.driver.lend(request, timeout_s, gap_s)

    async def close(self) -> None:
        return


class LentAsker(Asker):
    """See the module."""

    def __init__(
        self, driver: Lending, settings: BusSettings, clock: Clock, *, rate_per_s: float
    ) -> None:
        super().__init__(settings, clock, rate_per_s=rate_per_s)
        self._driver = driver

    async def open(self) -> None:
        """See Asker: there is nothing to open."""
        self._connection = cast("ModbusConnection", _Lent(self._driver))
