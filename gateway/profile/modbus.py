"""The plan of one Modbus device: what to read, how often, what it means, what may be written.

Owns    ModbusPlan and its parts: which registers of a device make which values, and the device's
        logs, queries and commands with every address worked out.
Needs   model.py, formula.py, registers.py, meaning.py.
Keeps   1. A part is one run of neighbouring addresses of one function and one period: what is not
           the profile's is never asked for here. Putting parts together is the planner's work.
        2. What two devices of one model share is compiled once (profile.compiled).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.events import Category, Device, Kind, Point, Scalar
from gateway.profile.entry import LogMeaning, compile_log
from gateway.profile.formula import MAX_WIRE, BadFormula, evaluate, on_the_wire
from gateway.profile.meaning import Layout, compile_layout
from gateway.profile.model import Profile
from gateway.profile.online import as_text
from gateway.profile.registers import words_of
from gateway.profile.rules import Typed, typed
from gateway.profile.schema import ProfileFile
from gateway.profile.schema_modbus import Address, Command, Confirm, Log, Modbus, Step, Value
from gateway.profile.schema_rule import Match

PRESS_PERIOD_S: Final = 0.2
"""How often a panic button is read: a finger presses for 80 to 400 ms."""
ALARM_PERIOD_S: Final = 1.0
BITS: Final = frozenset({1, 2})
"""Functions that read bits."""


@dataclass(frozen=True, slots=True)
class Part:
    """Neighbouring addresses that are read together.

    function  1 to 4 · address  on the wire, from 0 · count  registers or bits
    urgent    an alarm depends on it
    """

    function: int
    address: int
    count: int
    period_s: float
    urgent: bool

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + self.count


@dataclass(frozen=True, slots=True)
class Write:
    """One write: function 5, 6, 15 or 16, then a pause."""

    function: int
    address: int
    values: tuple[int, ...]
    wait_s: float


@dataclass(frozen=True, slots=True)
class Proof:
    """What has to be read within a time for something to count as done."""

    value: str
    accepted: frozenset[Typed]
    within_s: float

    def holds(self, value: Scalar | None) -> bool:
        """Whether this is what was hoped for."""
        return value is not None and typed(value) in self.accepted


@dataclass(frozen=True, slots=True)
class CommandPlan:
    """A [[command]] with its addresses; see schema_modbus.Command."""

    name: str
    text: str
    text_en: str
    effect: str
    permission: str
    writes: tuple[Write, ...]
    confirm: Proof | None
    refresh_s: float | None
    any_echo: bool
    broadcast: bool
    idempotent: bool
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """A [[query]]: writes, the proof that it is done, and what is read then.

    part      index of the part that is read when it is done
    """

    name: str
    writes: tuple[Write, ...]
    done: Proof
    good: tuple[tuple[str, frozenset[Typed]], ...]
    parts: tuple[int, ...]
    every_s: float


@dataclass(frozen=True, slots=True)
class LogPlan:
    """A [[log]] with its addresses.

    kind     ring or queue · counter  the value that counts entries, or says how many wait
    ack      command that takes an entry off, None when reading is enough
    """

    name: str
    kind: str
    counter: str
    function: int
    words: int
    size: int
    wrap: int
    ack: str | None
    meaning: LogMeaning
    entry: int | str
    numbers: Mapping[str, int]
    numbering: str

    def address_of(self, number: int) -> int:
        """Where entry `number` is, on the wire; raises BadFormula outside the address space."""
        at = evaluate(self.entry, {**self.numbers, "n": number})
        _, address = on_the_wire(at, self.numbering, self.function)
        if address + self.words - 1 > MAX_WIRE:
            raise BadFormula(
                f"{at}: 超出 / {self.words} registers from there end beyond {MAX_WIRE}"
            )
        return address


@dataclass(frozen=True, slots=True)
class ModbusPlan:
    """What one device has, as its driver needs it; the image of its registers is image.Image.

    unit     1 to 247, or what the profile's direct TCP device wants
    modbus   the profile's [modbus], for limits, time-outs and codes
    parts    read again and again, except those of `on_demand`, which a query reads
    """

    device_id: str
    unit: int
    modbus: Modbus
    points: Mapping[str, Point]
    parts: tuple[Part, ...]
    on_demand: frozenset[int]
    layout: Layout
    logs: tuple[LogPlan, ...]
    queries: tuple[QueryPlan, ...]
    commands: Mapping[str, CommandPlan]


def plan_modbus(profile: Profile, device: Device) -> ModbusPlan:
    """Make the plan of one device; raises BadFormula when its address leads outside the map."""
    body = profile.body
    modbus = body.modbus
    if modbus is None:  # check.py has made sure
        raise LookupError(f"{profile.id} has no [modbus]")
    address = profile.complete(device.address)
    words = {name: as_text(value) for name, value in address.items()}
    numbers = numbers_of(address)
    placed = [
        (value, *place(value.at, value.function, modbus, numbers, words_of(value)))
        for value in body.value
        if value.at is not None
    ]
    queried = {name for query in body.query for name in query.value}
    periods = _Periods(body, device.points).known
    parts, offsets = _parts(placed, periods, modbus, queried)
    constants = {
        value.name: address[value.key]
        for value in body.value
        if value.key is not None and value.key in address
    }
    key = ("layout", tuple(offsets), tuple((part.function, part.count) for part in parts),
           tuple(words.items()) if _uses_words(profile) else (),
           tuple(constants.items()))  # fmt: skip
    layout = profile.compiled.get(key)
    if layout is None:
        layout = compile_layout(
            body, modbus, device.points, parts, offsets, words=words, constants=constants
        )
        profile.compiled[key] = layout
    on_demand = frozenset(
        part for name, part, _ in offsets if name in queried
    )  # a part holds values of a query or none of them, see _parts
    where = {name: part for name, part, _ in offsets}
    return ModbusPlan(
        device_id=device.id,
        unit=int(numbers.get("unit", 1)),
        modbus=modbus,
        points=device.points,
        parts=parts,
        on_demand=on_demand,
        layout=layout,
        logs=tuple(_log(log, profile, words, numbers) for log in body.log),
        queries=tuple(
            QueryPlan(
                name=query.name,
                writes=_writes(query.step, modbus, numbers),
                done=_proof(query.done),
                good=tuple((name, _accepted(wanted)) for name, wanted in query.good.items()),
                parts=tuple(sorted({where[name] for name in query.value})),
                every_s=query.every_s,
            )
            for query in body.query
        ),
        commands={command.name: _command(command, modbus, numbers) for command in body.command},
    )


def numbers_of(address: Mapping[str, Scalar]) -> dict[str, int]:
    """Return what formulas may use of a device's address: its whole numbers."""
    return {
        name: value
        for name, value in address.items()
        if isinstance(value, int) and not isinstance(value, bool)
    }


def place(
    at: Address, function: int | None, modbus: Modbus, numbers: Mapping[str, int], size: int = 1
) -> tuple[int, int]:
    """Return (function, address on the wire) of so many registers; raises BadFormula."""
    meant, address = on_the_wire(
        evaluate(at, numbers), modbus.numbering, function or modbus.function
    )
    if meant is None:
        raise BadFormula(f"{at}: 没有功能码 / without a function (1 to 4)")
    if address + size - 1 > MAX_WIRE:
        raise BadFormula(f"{at}: 超出 / {size} registers from there end beyond {MAX_WIRE}")
    return meant, address


def _uses_words(profile: Profile) -> bool:
    """Whether address values appear in texts of rules, so that meanings differ by device."""
    found = profile.compiled.get("words")
    if found is None:
        body = profile.body
        rules = repr([(rule.where, rule.true_when, rule.false_when) for rule in body.set])
        rules += repr([value.valid_when for value in body.value])
        found = any(f"{{{name}}}" in rules for name in profile.address)
        profile.compiled["words"] = found
    return bool(found)


# --- periods -----------------------------------------------------------------------------------


class _Periods:
    """How often each value has to be known, worked out from what depends on it."""

    def __init__(self, body: ProfileFile, points: Mapping[str, Point]) -> None:
        self._values = {value.name: value for value in body.value}
        self._slow = (body.modbus.period_s if body.modbus else 5.0, False)
        self.known: dict[str, tuple[float, bool]] = {}
        for rule in body.set:
            period = _period_of(points[rule.point], body.modbus)
            for name in (rule.value, *rule.where, *rule.attributes):
                self._want(name, period)
        for log in body.log:
            self._want(log.newest or log.pending, (ALARM_PERIOD_S, True))
        for name, value in self._values.items():
            self._want(name, self._slow)
            if value.heartbeat_s is not None:
                self._want(name, (max(value.heartbeat_s / 4, 0.2), False))
            if value.period_s is not None:
                self.known[name] = (value.period_s, self.known[name][1])

    def _want(self, name: str | None, period: tuple[float, bool]) -> None:
        """Note that a value, and with it what it is made of, is wanted this often."""
        value = self._values.get(name or "")
        if value is None:
            return
        before = self.known.get(value.name)
        if before is not None:
            if before[0] <= period[0] and before[1] >= period[1]:
                return
            period = (min(before[0], period[0]), before[1] or period[1])
        self.known[value.name] = period
        for other in value.valid_when:
            self._want(other, period)
        for setting in (value.scale_from, value.decimals_from, value.unit_from):
            self._want(setting, self._slow)
        if value.compare is not None:
            self._want(value.compare.value, period)
            self._want(value.compare.at_least or value.compare.at_most, self._slow)


def _period_of(point: Point, modbus: Modbus | None) -> tuple[float, bool]:
    if point.category is not Category.ALARM and point.kind is not Kind.TAMPER:
        return (modbus.period_s if modbus else 5.0), False
    if modbus is not None and modbus.alarm_period_s is not None:
        return modbus.alarm_period_s, True
    return (PRESS_PERIOD_S if point.kind in {Kind.PANIC, Kind.DURESS} else ALARM_PERIOD_S), True


# --- parts -------------------------------------------------------------------------------------

Placed = tuple[Value, int, int]
"""A value, its function, its address on the wire."""


def _parts(
    placed: Iterable[Placed],
    periods: Mapping[str, tuple[float, bool]],
    modbus: Modbus,
    queried: set[str],
) -> tuple[tuple[Part, ...], list[tuple[str, int, int]]]:
    """Put values side by side into parts; returns them and (value, part, offset in it).

    Values of other periods are in other parts, even if they share a register: when one read brings
    both, Image.take_all judges them together.
    """
    runs: list[list[tuple[str, int, int, int, float, bool, bool]]] = []
    order = sorted(
        (
            (
                value.name in queried,
                function,
                periods[value.name],
                address,
                words_of(value),
                value.name,
            )
            for value, function, address in placed
        ),
        key=lambda item: item[:5],
    )
    for asked, function, (period, urgent), address, count, name in order:
        entry = (name, function, address, address + count, period, urgent, asked)
        limit = modbus.max_bits if function in BITS else modbus.max_registers
        run = runs[-1] if runs else None
        if run is not None:
            _, last_function, start, _, last_period, last_urgent, last_asked = run[0]
            end = max(each[3] for each in run)
            same = (function, period, urgent, asked) == (
                last_function, last_period, last_urgent, last_asked,
            )  # fmt: skip
            if same and address <= end and max(end, address + count) - start <= limit:
                run.append(entry)
                continue
        runs.append([entry])
    parts: list[Part] = []
    offsets: list[tuple[str, int, int]] = []
    for index, run in enumerate(runs):
        _, function, start, _, period, urgent, _ = run[0]
        end = max(each[3] for each in run)
        parts.append(Part(function, start, end - start, period, urgent))
        offsets += [(name, index, address - start) for name, _, address, *_ in run]
    return tuple(parts), offsets


# --- writes and logs ---------------------------------------------------------------------------


def _writes(steps: Iterable[Step], modbus: Modbus, numbers: Mapping[str, int]) -> tuple[Write, ...]:
    writes = []
    for step in steps:
        _, address = on_the_wire(evaluate(step.at, numbers), modbus.numbering, step.function)
        if step.values:
            values = tuple(step.values)
        elif isinstance(step.value, str):
            values = (evaluate(step.value, numbers),)
        elif step.function == 5 and isinstance(step.value, bool):
            values = (0xFF00 if step.value else 0,)
        else:
            values = (int(step.value or 0),)
        if not all(0 <= value <= 0xFFFF for value in values):
            raise BadFormula(f"{step.value}: 不是 16 位 / not 16 bits")
        writes.append(Write(step.function, address, values, step.wait_s))
    return tuple(writes)


def _command(command: Command, modbus: Modbus, numbers: Mapping[str, int]) -> CommandPlan:
    return CommandPlan(
        name=command.name,
        text=command.text,
        text_en=command.text_en,
        effect=command.effect,
        permission=command.permission,
        writes=_writes(command.step, modbus, numbers),
        confirm=None if command.confirm is None else _proof(command.confirm),
        refresh_s=command.refresh_s,
        any_echo=command.echo == "any",
        broadcast=command.broadcast,
        idempotent=command.idempotent,
        timeout_s=command.timeout_s,
    )


def _proof(confirm: Confirm) -> Proof:
    return Proof(confirm.value, _accepted(confirm.in_), confirm.within_s)


def _accepted(wanted: object) -> frozenset[Typed]:
    if isinstance(wanted, Match):
        wanted = wanted.in_
    return frozenset(typed(value) for value in (wanted if isinstance(wanted, list) else [wanted]))


def _log(
    log: Log, profile: Profile, words: Mapping[str, str], numbers: Mapping[str, int]
) -> LogPlan:
    body = profile.body
    modbus = body.modbus
    assert modbus is not None  # noqa: S101 plan_modbus has looked
    first, _ = place(evaluate(log.entry, {**numbers, "n": 0}), log.function, modbus, {})
    return LogPlan(
        name=log.name,
        kind=log.kind,
        counter=log.newest or log.pending or "",
        function=first,
        words=log.words,
        size=log.size,
        wrap=log.wrap,
        ack=log.ack,
        meaning=compile_log(log, body, modbus, words),
        entry=log.entry,
        numbers=numbers,
        numbering=modbus.numbering,
    )
