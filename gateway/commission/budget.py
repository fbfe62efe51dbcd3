"""How long a new alarm on a Modbus bus can take to be read, at the worst. Pure.

Owns    the reckoning of one bus from what its devices want, and what each change would give.
Needs   gateway.links.modbus (planner, settings), gateway.profile's plans. The constants of the
        poller are said again below: drivers may not be imported by name.
Keeps   1. Nothing is measured: what a unit takes to think is taken as THINK_S, and said so.
        2. A budget that is kept means: kept with one unit dead and the slowest one at its
           time-out.

The alarm comes up just after its register was read. It is seen after

    wait    the longest period of what alarms depend on; longer when the bus has less time than is
            wanted (stretch)
  + round   everything else of the bus that may be due at that moment: each alarm read once, and
            after every URGENT_IN_A_ROW of them one of the others
  + dead    one probe of a unit that is known not to answer
  + slow    one time-out, the longest of the bus: a unit that answers at the last moment, or has
            just died

source  modbus-quirks section 4 (budget rule), row 18; Modbus over Serial Line V1.02, 2.5.1
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.events import Device
from gateway.links.modbus import BusSettings
from gateway.links.modbus.planner import Read, Want, plan_reads
from gateway.links.modbus.wants import wants_of
from gateway.profile import ModbusPlan, Profile, plan_modbus

WORST_S: Final = 2.0
"""Beyond this an installer is warned: after the budget rule of the quirk sheet."""
THINK_S: Final = 0.02
"""What a unit, or a converter, takes before it answers; slower ones exist."""
NETWORK_S: Final = 0.005
"""There and back on a school's network."""
REQUEST_BYTES: Final = 8
REPLY_BYTES: Final = 5
URGENT_IN_A_ROW: Final = 8
PROBE_S: Final = 0.15
MAX_BUSES: Final = 8
BUSY_SHARE: Final = 0.85
"""As in drivers/modbus: schedule.py and health.py."""


@dataclass(frozen=True, slots=True)
class Station:
    """One device of the bus: what it wants, and how long it may take.

    leading  parts in which an alarm can show; not those that hold only what hardly changes and
             was given a long period of its own for that reason: a name, a range, a unit
    """

    device: Device
    plan: ModbusPlan
    timeout_s: float
    leading: frozenset[int]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one thing costs the bus in a round."""

    name: str
    seconds: float
    reads: int


@dataclass(frozen=True, slots=True)
class Change:
    """What would help, and the worst time with it."""

    chinese: str
    english: str
    worst_s: float


@dataclass(frozen=True, slots=True)
class Budget:
    """The worst time of one bus and what it is made of; see the module.

    load       share of the bus's time that is wanted; above 1 nothing is in time
    reads, alarm_reads   requests of a full round, and how many of them are for alarms
    costs      units, the dearest first
    """

    wait_s: float
    round_s: float
    dead_s: float
    slow_s: float
    load: float
    reads: int
    alarm_reads: int
    costs: tuple[Cost, ...]
    slowest: str

    @property
    def worst_s(self) -> float:
        """From the alarm at the device to its reply at the gateway."""
        return self.wait_s + self.round_s + self.dead_s + self.slow_s

    @property
    def kept(self) -> bool:
        """Whether an installer need not worry."""
        return self.worst_s <= WORST_S and self.load <= 1.0


def station_of(profile: Profile, device: Device, timeout_s: float | None) -> Station:
    """Return a device as a budget needs it; timeout_s is the link's own, None when it has none."""
    plan = plan_modbus(profile, device)
    shown_by = {rule.value for rule in profile.body.set}
    steady = {
        value.name
        for value in profile.body.value
        if value.period_s is not None and value.name not in shown_by
    }
    leading = frozenset(
        index
        for index, meaning in enumerate(plan.layout.parts)
        if not steady.issuperset(name for name, _ in meaning.readers)
    )
    return Station(device, plan, timeout_s or plan.modbus.timeout_s, leading)


def reckon(
    settings: BusSettings, stations: Sequence[Station], alarm_period_s: float | None
) -> Budget | None:
    """Return the budget of a bus; None when nothing on it can raise an alarm."""
    reads = plan_reads(_wants(stations, alarm_period_s))
    urgent = [read for read in reads if read.urgent]
    if not urgent:
        return None
    costs = {id(read): _cost_s(read, settings, stations) for read in reads}
    others = sorted((costs[id(read)] for read in reads if not read.urgent), reverse=True)
    turns = -(-len(urgent) // URGENT_IN_A_ROW)
    load = sum(costs[id(read)] / read.period_s for read in reads)
    units = {each.plan.unit for each in stations}
    slowest = max(stations, key=lambda each: each.timeout_s)
    waits = [
        read.period_s
        for read in urgent
        if any(piece.part in stations[piece.owner].leading for piece in read.slices)
    ]
    return Budget(
        wait_s=max(waits, default=0.0) * max(1.0, load / BUSY_SHARE),
        round_s=sum(costs[id(read)] for read in urgent) + sum(others[:turns]),
        dead_s=min(PROBE_S, slowest.timeout_s) if len(units) > 1 else 0.0,
        slow_s=slowest.timeout_s,
        load=load,
        reads=len(reads),
        alarm_reads=len(urgent),
        costs=_by_unit(urgent, costs, stations),
        slowest=slowest.device.id,
    )


def changes(
    settings: BusSettings, stations: Sequence[Station], alarm_period_s: float | None
) -> list[Change]:
    """Return what would make the worst time clearly shorter, the best first; at most five."""
    now = reckon(settings, stations, alarm_period_s)
    if now is None:
        return []
    tried = [
        *_faster(settings, stations, alarm_period_s),
        *_apart(settings, stations, alarm_period_s),
        *_split(settings, stations, alarm_period_s),
        *_together(settings, stations, alarm_period_s),
        *_oftener(settings, stations, now),
        *_sooner(settings, stations, alarm_period_s, now),
    ]
    useful = [change for change in tried if change.worst_s < 0.9 * now.worst_s]
    return sorted(useful, key=lambda change: change.worst_s)[:5]


# --- what would help -----------------------------------------------------------------------------


def _faster(
    settings: BusSettings, stations: Sequence[Station], period_s: float | None
) -> Iterable[Change]:
    if not settings.rtu:
        return
    allowed = [set(each.plan.modbus.baud) for each in stations if each.plan.modbus.baud]
    for baud in (19_200, 38_400, 115_200):
        if baud <= settings.baud or not all(baud in bauds for bauds in allowed):
            continue
        gap_s = min(settings.gap_s, max(0.02, 3.5 * settings.char_s * settings.baud / baud))
        tried = reckon(dataclasses.replace(settings, baud=baud, gap_s=gap_s), stations, period_s)
        if tried is not None:
            yield Change(f"波特率 {baud}（设备也要改）", f"{baud} baud (the devices too)",
                         tried.worst_s)  # fmt: skip
            return


def _split(
    settings: BusSettings, stations: Sequence[Station], period_s: float | None
) -> Iterable[Change]:
    """The dearest unit on a bus of its own: the worse of the two counts."""
    units = sorted({each.plan.unit for each in stations})
    best: tuple[float, int] | None = None
    for unit in units if 1 < len(units) <= 64 else ():
        alone = reckon(settings, [each for each in stations if each.plan.unit == unit], period_s)
        rest = reckon(settings, [each for each in stations if each.plan.unit != unit], period_s)
        worst_s = max(part.worst_s for part in (alone, rest) if part is not None)
        if best is None or worst_s < best[0]:
            best = (worst_s, unit)
    if best is not None:
        yield Change(f"{best[1]} 号站单独一条总线", f"unit {best[1]} on a bus of its own", best[0])


def _apart(
    settings: BusSettings, stations: Sequence[Station], period_s: float | None
) -> Iterable[Change]:
    """The units dealt out over the fewest buses that are quick enough."""
    units = sorted({each.plan.unit for each in stations})
    for buses in range(2, min(len(units), MAX_BUSES) + 1):
        dealt = [
            reckon(
                settings,
                [each for each in stations if each.plan.unit in units[at::buses]],
                period_s,
            )
            for at in range(buses)
        ]
        parts = [part for part in dealt if part is not None]
        if all(part.kept for part in parts):
            worst_s = max(part.worst_s for part in parts)
            yield Change(f"分成 {buses} 条总线", f"{buses} buses instead of one", worst_s)
            return


def _together(
    settings: BusSettings, stations: Sequence[Station], period_s: float | None
) -> Iterable[Change]:
    """Fewer and longer reads, where the device lets gaps be read over."""
    if all(each.plan.modbus.gaps == "zero" for each in stations):
        return
    joined = [
        dataclasses.replace(
            each,
            plan=dataclasses.replace(
                each.plan, modbus=each.plan.modbus.model_copy(update={"gaps": "zero"})
            ),
        )
        for each in stations
    ]
    tried = reckon(settings, joined, period_s)
    if tried is not None:
        yield Change(
            '型号里写 gaps = "zero"（设备允许读空洞时）',
            'gaps = "zero" in the profile, if the device lets gaps be read',
            tried.worst_s,
        )


def _oftener(settings: BusSettings, stations: Sequence[Station], now: Budget) -> Iterable[Change]:
    """A shorter period, as long as the bus has the time for it."""
    for period_s in (0.5, 0.2):
        tried = reckon(settings, stations, period_s)
        if tried is not None and tried.load < BUSY_SHARE and period_s < now.wait_s:
            yield Change(
                f"链路里写 alarm_period_seconds = {period_s}",
                f"alarm_period_seconds = {period_s} in the [[link]]",
                tried.worst_s,
            )


def _sooner(
    settings: BusSettings, stations: Sequence[Station], period_s: float | None, now: Budget
) -> Iterable[Change]:
    """A shorter time-out; not below what the longest reply takes with room to spare."""
    for timeout_s in (0.5, 0.3):
        if timeout_s >= now.slow_s:
            continue
        quick = [dataclasses.replace(each, timeout_s=timeout_s) for each in stations]
        tried = reckon(settings, quick, period_s)
        longest = max(
            _cost_s(read, settings, stations) for read in plan_reads(_wants(stations, period_s))
        )
        if tried is not None and timeout_s > 3 * longest:
            yield Change(
                f"链路里写 timeout_seconds = {timeout_s}（设备都够快时）",
                f"timeout_seconds = {timeout_s} in the [[link]], if all devices are quick enough",
                tried.worst_s,
            )


# --- what a read costs ---------------------------------------------------------------------------


def _cost_s(read: Read, settings: BusSettings, stations: Sequence[Station]) -> float:
    """Request, thinking, reply, and the silence after it."""
    pause_s = max(stations[piece.owner].plan.modbus.pause_s for piece in read.slices)
    if not settings.rtu:
        return NETWORK_S + THINK_S + max(settings.gap_s, pause_s)
    on_wire = (REQUEST_BYTES + REPLY_BYTES + read.reply_bytes) * settings.char_s
    network_s = 0.0 if settings.scheme == "serial" else NETWORK_S
    return on_wire + network_s + THINK_S + max(settings.gap_s, pause_s)


def _by_unit(
    urgent: Sequence[Read], costs: dict[int, float], stations: Sequence[Station]
) -> tuple[Cost, ...]:
    spent: dict[int, list[float]] = {}
    for read in urgent:
        spent.setdefault(read.unit, []).append(costs[id(read)])
    found = [Cost(_named(unit, stations), sum(each), len(each)) for unit, each in spent.items()]
    return tuple(sorted(found, key=lambda cost: -cost.seconds))


def _named(unit: int, stations: Sequence[Station]) -> str:
    ids = [each.device.id for each in stations if each.plan.unit == unit]
    more = f" … {len(ids)}" if len(ids) > 3 else ""
    return f"unit {unit} ({', '.join(ids[:3])}{more})"


def _wants(stations: Sequence[Station], alarm_period_s: float | None) -> Iterable[Want]:
    for owner, station in enumerate(stations):
        yield from wants_of(station.plan, owner, alarm_period_s)
