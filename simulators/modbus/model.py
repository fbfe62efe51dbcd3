"""A campus device made of its profile: registers that say what a person wants them to say.

    device = Model.from_file(Path("config/profiles/gas/honeywell_midas.toml"))
    device.set("level", 12.5)          a [[value]] by name, through its scale, bits and byte order
    device.show("both alarms")         a [[sample]] by its note
    device.alarm("gas")                a [[point]]: whatever registers make it an alarm
    device.restore()
    async with Line([device.unit]).tcp() as served: …

Owns    the registers of one device, and what its commands, logs and mailboxes do.
Needs   sheet, encode, unit of this package. The gateway's decoder is not asked: what a rule means
        is read from config/profiles/README.md once more.
Keeps   1. What the profile does not name does not exist in the unit, except what was put there.
        2. Registers that no command writes are read-only; those only commands write cannot be read.
        3. Bounds: 1,000 entries of a log are defined beforehand; 20,000 commands are remembered.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

from simulators.modbus import encode
from simulators.modbus.encode import Wish
from simulators.modbus.memory import Log
from simulators.modbus.orders import Orders, limits_of
from simulators.modbus.sheet import Sheet, Spot, Table, read_sheet
from simulators.modbus.tables import TABLE_OF_FUNCTION
from simulators.modbus.unit import Limits, Unit

MAX_LOG_ENTRIES: Final = 1000


class Model:
    """One device; several on one unit (points of a fire panel) share the `unit` handed in.

    commands       names of commands that were received complete and in order
    deaf_commands  commands that are confirmed on the wire and have no effect: the valve is stuck
    stuck_queries  mailboxes that never clear
    step_limit_s   longer between two steps of a command and the first is forgotten, as with boilers
                   whose control bits fall back; None waits for ever
    """

    def __init__(
        self, sheet: Sheet, *, unit: Unit | None = None, limits: Limits | None = None
    ) -> None:
        self.sheet = sheet
        self.unit = unit or Unit(sheet.unit, limits=limits or limits_of(sheet))
        self.commands: Log[str] = Log()
        self.deaf_commands: set[str] = set()
        self.stuck_queries: set[str] = set()
        self.step_limit_s: float | None = None
        self._waiting: dict[str, deque[list[int]]] = {}
        self._held_ns: dict[str, int] = {}
        self._define()
        self.unit.on_write(Orders(sheet, self._obey, lambda: self.step_limit_s).hear)
        samples = [sample for sample in sheet.samples if "log" not in sample]
        if samples:
            self._lay(samples[0])
        self._idle = {
            name: self.value(command["confirm"]["value"])
            for name, command in sheet.commands.items()
            if "refresh_s" in command and "confirm" in command
        }

    @classmethod
    def from_file(
        cls, path: Path, address: Mapping[str, Any] | None = None, *, unit: Unit | None = None
    ) -> Self:
        """Make a device of a profile file and its address table."""
        return cls(read_sheet(path, address), unit=unit)

    def set(self, name: str, wish: Wish) -> None:
        """Let a named value be this; others it shares a register with stay as they are.

        raises LookupError  for a name the profile has not, or a value made of others
        raises ValueError   when the value's form cannot hold it
        """
        spot = self._spot(name)
        words = encode.encode(
            spot.shape, wish, before=self._words(spot), factor=self._factor(spot.table)
        )
        self.unit.set_words(spot.function, spot.address, words)

    def put_words(self, name: str, words: Iterable[int]) -> None:
        """Let a value's registers hold these words: sentinels, rubbish, half a character."""
        spot = self._spot(name)
        self.unit.set_words(spot.function, spot.address, words)

    def words_of(self, name: str) -> list[int]:
        """Return the words a named value has now."""
        return self._words(self._spot(name))

    def cut_text(self, name: str, text: str) -> None:
        """Let a value be a text that is too long, cut amid a character as panels cut it."""
        self.put_words(name, encode.cut_text(self._spot(name).shape, text))

    def value(self, name: str) -> Wish:
        """Say what a named value is now: its name in the enumeration, a truth, a number, a text."""
        if name in self.sheet.given:
            return self._given(name)
        spot = self._spot(name)
        words = self._words(spot)
        if spot.shape.is_text:
            return encode.text_in(spot.shape, words)
        raw = encode.raw_in(spot.shape, words)
        for text, number in spot.shape.names.items():
            if number == raw:
                return text
        if spot.shape.truth:
            return bool(raw)
        scaled = self.number(name)
        for band, (low, high) in spot.shape.bands.items():
            if low <= scaled <= high:
                return band
        return spot.shape.else_band or scaled

    def number(self, name: str) -> float:
        """Say what a value is as a number, whatever it may be called."""
        if name in self.sheet.given:
            return float(self._given(name))
        spot = self._spot(name)
        return encode.number_in(spot.shape, self._words(spot), self._factor(spot.table))

    def show(self, which: int | str) -> None:
        """Let the registers hold a sample: by its place in the file, or a part of its note."""
        samples = [sample for sample in self.sheet.samples if "log" not in sample]
        if isinstance(which, int):
            self._lay(samples[which])
            return
        for sample in samples:
            if which in sample["note"]:
                self._lay(sample)
                return
        notes = "; ".join(sample["note"] for sample in samples)
        raise LookupError(f"{which!r}: 没有这个样例 / no such sample; 有 / there are: {notes}")

    def expire(self, mono_ns: int) -> list[str]:
        """Let go what a command held and nobody refreshed within its refresh_s; returns whose.

        The value that confirms such a command goes back to what the first sample says of it.
        """
        overdue = [
            name
            for name, since_ns in self._held_ns.items()
            if mono_ns - since_ns > float(self.sheet.commands[name]["refresh_s"]) * 1e9
        ]
        for name in overdue:
            del self._held_ns[name]
            self.set(self.sheet.commands[name]["confirm"]["value"], self._idle[name])
        return overdue

    def log_event(self, name: str, **values: Wish) -> int:
        """Write an entry into a [[log]] and count it; values by their names in [[log.value]].

        returns  the entry's number (ring), or how many now wait (queue)
        """
        log = self.sheet.logs[name]
        words = [0] * int(log["words"])
        for part in log["value"]:
            if part["name"] in values:
                shape = encode.shape_of(part, self.sheet.modbus)
                span = slice(part["at"], part["at"] + shape.words)
                words[span] = encode.encode(shape, values[part["name"]], before=words[span])
        if log["kind"] == "queue":
            waiting = self._waiting.setdefault(name, deque(maxlen=MAX_LOG_ENTRIES))
            waiting.append(words)
            self._show_oldest(log)
            return len(waiting)
        newest = (int(self.value(log["newest"])) + 1) % int(log.get("wrap", 65_536))
        self._put_entry(log, newest, words)
        self.set(log["newest"], newest)
        return newest

    def _put_entry(self, log: Table, number: int, words: list[int]) -> None:
        function, address = self.sheet.locate(log["entry"], log.get("function"), n=number)
        self.unit.set_words(function, address, words)

    def _show_oldest(self, log: Table) -> None:
        waiting = self._waiting.get(log["name"], deque())
        self._put_entry(log, 0, waiting[0] if waiting else [0] * int(log["words"]))
        self.set(log["pending"], len(waiting))

    def _given(self, name: str) -> Wish:
        """What the device's address table says and no register holds."""
        value: Wish | None = self.sheet.given[name]
        if value is None:
            raise LookupError(f"{name}: address 里没有 / not in the address table")
        return value

    def _spot(self, name: str) -> Spot:
        if name in self.sheet.derived:
            raise LookupError(f"{name}: 由别的值得出 / made of others: set those")
        if name not in self.sheet.spots:
            names = ", ".join(self.sheet.spots)
            raise LookupError(f"{name!r}: 没有这个值 / no such value; 有 / there are: {names}")
        return self.sheet.spots[name]

    def _words(self, spot: Spot) -> list[int]:
        return self.unit.words(spot.function, spot.address, spot.shape.words)

    def _factor(self, table: Table) -> Fraction:
        factor = Fraction(1)
        if table.get("scale_from"):
            factor *= self._number(table["scale_from"])
        if table.get("decimals_from"):
            factor *= Fraction(10) ** -int(self._number(table["decimals_from"]))
        return factor

    def _number(self, name: str) -> Fraction:
        """A value that another is scaled with; a named number counts by its name if that is one."""
        value = self.value(name)
        if isinstance(value, str):
            with suppress(ValueError):
                return Fraction(value)
            spot = self._spot(name)
            return Fraction(encode.raw_in(spot.shape, self._words(spot)))
        return encode.exact(value)

    def _define(self) -> None:
        written: set[tuple[str, int]] = set()
        for table in (*self.sheet.commands.values(), *self.sheet.queries.values()):
            for step in table["step"]:
                name, address = self.sheet.step_place(step)
                written |= {(name, address + k) for k in range(len(step.get("values", ())) or 1)}
        read: set[tuple[str, int]] = set()
        for function, address in self._read_places():
            name = TABLE_OF_FUNCTION[function]
            self.unit.tables[name].setdefault(address, 0)  # a neighbour on this unit may have it
            read.add((name, address))
        for name, address in written:
            self.unit.tables[name].setdefault(address, 0)
        for name, table in self.unit.tables.items():
            if name in {"coils", "holding"}:
                mine = {address for known, address in read | written if known == name}
                put = {address for known, address in written if known == name}
                seen = {address for known, address in read if known == name}
                table.read_only |= mine - put
                table.read_only -= put
                table.write_only |= put - seen
                table.write_only -= seen

    def _read_places(self) -> frozenset[tuple[int, int]]:
        places = {
            (spot.function, address)
            for spot in self.sheet.spots.values()
            for address in range(spot.address, spot.end)
        }
        for log in self.sheet.logs.values():
            for number in range(min(int(log.get("size", 1)), MAX_LOG_ENTRIES)):
                function, address = self.sheet.locate(log["entry"], log.get("function"), n=number)
                places |= {(function, address + k) for k in range(int(log["words"]))}
        return frozenset(places)

    def _lay(self, sample: Table) -> None:
        """Put a sample's words where this device has those values."""
        theirs = self.sheet.for_sample(sample)
        spots = list(theirs.spots.values())
        for (function, address), word in theirs.sample_words(sample).items():
            mine = address
            for spot in spots:
                if spot.function == function and spot.address <= address < spot.end:
                    mine = self.sheet.spots[spot.name].address + address - spot.address
                    break
            self.unit.set_words(function, mine, [word])

    def _obey(self, kind: str, name: str, mono_ns: int) -> None:
        """A command or query came in whole: do what its device does."""
        if kind == "query":
            if name not in self.stuck_queries:
                query = self.sheet.queries[name]
                self.set(query["done"]["value"], query["done"]["in"][0])
            return
        self.commands.add(name)
        if name in self.deaf_commands:
            return
        confirm = self.sheet.commands[name].get("confirm")
        if confirm is not None:
            self.set(confirm["value"], confirm["in"][0])
            if name in self._idle:
                self._held_ns[name] = mono_ns
        for log in self.sheet.logs.values():
            if log.get("ack") == name and self._waiting.get(log["name"]):
                self._waiting[log["name"]].popleft()
                self._show_oldest(log)


def unit_of(profile: Path, addresses: Iterable[Mapping[str, Any]]) -> list[Model]:
    """Make all devices of one unit: the points of one panel, each with its own address."""
    models: list[Model] = []
    for address in addresses:
        models.append(Model.from_file(profile, address, unit=models[0].unit if models else None))
    for one, other in pairwise(models):
        if one.sheet.unit != other.sheet.unit:
            raise ValueError(f"{one.sheet.unit}, {other.sheet.unit}: one unit only")
    return models
