"""What a device is told: writes that together are a command or a mailbox query.

Owns    recognising them, step by step and in order.
Needs   sheet, tables, unit of this package.
Keeps   A step that does not fit begins anew: half a command is no command.
"""

from collections.abc import Callable

from simulators.modbus.sheet import Sheet, Table
from simulators.modbus.tables import Write
from simulators.modbus.unit import Limits


class Orders:
    """Hears writes and says when the steps of a command or query have come, in order.

    tell      told ("command" or "query", its name, when)
    limit_s   asked how long the next step may take; None is for ever
    """

    def __init__(
        self,
        sheet: Sheet,
        tell: Callable[[str, str, int], None],
        limit_s: Callable[[], float | None],
    ) -> None:
        self._sheet = sheet
        self._tell = tell
        self._limit_s = limit_s
        self._all = {
            (kind, name): table["step"]
            for kind, tables in (("command", sheet.commands), ("query", sheet.queries))
            for name, table in tables.items()
        }
        self._reached = dict.fromkeys(self._all, 0)
        self._last_ns = 0

    def hear(self, write: Write) -> None:
        """Take one write."""
        limit_s = self._limit_s()
        if limit_s is not None and write.mono_ns - self._last_ns > limit_s * 1e9:
            self._reached = dict.fromkeys(self._all, 0)
        self._last_ns = write.mono_ns
        for key, steps in self._all.items():
            at = self._reached[key]
            if not self._fits(steps[at], write):
                at = 0
                if not self._fits(steps[0], write):
                    self._reached[key] = 0
                    continue
            self._reached[key] = (at + 1) % len(steps)
            if at + 1 == len(steps):
                self._tell(*key, write.mono_ns)

    def _fits(self, step: Table, write: Write) -> bool:
        if (write.table, write.address) != self._sheet.step_place(step):
            return False
        if step.get("values"):
            return list(write.values) == list(step["values"])
        wanted = step.get("value")
        if isinstance(wanted, str):
            return True  # a parameter: any value
        if write.table == "coils" and wanted in {0, 1}:  # a truth or its number
            return (write.values[0] != 0) == bool(wanted)
        return write.values[0] == int(wanted or 0)


def limits_of(sheet: Sheet) -> Limits:
    """Return what the profile says a device puts up with."""
    modbus = sheet.modbus
    odd = {
        sheet.step_place(step)[1]
        for command in sheet.commands.values()
        for step in command["step"]
        if step["function"] == 5 and type(step.get("value")) is int and step["value"] > 1
    }
    return Limits(
        max_registers=modbus.get("max_registers", 125),
        max_bits=modbus.get("max_bits", 2000),
        gap=modbus.get("gaps", "illegal"),
        odd_coils=frozenset(odd),
    )
