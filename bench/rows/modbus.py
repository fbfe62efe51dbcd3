"""Registers that are polled: how many, at what cost, how soon an alarm of theirs is stored.

Needs   bench.modbus. The device is a program of its own; the gateway is the real one.
Keeps   1. Polls are counted where they arrive, in the device, never where they are sent.
        2. A poll counts only when all registers of the unit were read.
        3. The figure is that of the unit that fared worst: an average hides the one in the cellar.
"""

import random
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.machine import BenchError, Process, until
from bench.modbus.device import Changes, Counted, Device
from bench.modbus.site import ALARM_ABOVE, Site, write_config
from bench.rig import ROOT, Rig
from bench.rows import Size
from bench.rows.flow import Measure
from bench.table import Row

LINKS: Final = 50
REGISTERS: Final = 100
PERIOD_S: Final = 0.1
SETTLE_S: Final = 1.2
"""A number that wanders is told once a second at most: from then on it costs what it will."""
VARIANTS: Final[dict[Changes, str]] = {
    "none": "values unchanged",
    "one": "1 of 100 changes each poll",
    "all": "all 100 change each poll",
}
FAST_LINKS: Final = 4
FAST_PERIOD_S: Final = 0.05
"""The shortest there is: 240 units want 4,800 polls/s."""
FAST_START_S: Final = 60.0
REBALANCE_S: Final = 4.0
"""While the first readings of all points were stored, polls took long; the bus's idea of what a
poll takes follows every 2 s, and is not what is measured here."""
ALARM_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Window:
    """What the device counted and the gateway's processor spent in the same seconds."""

    counted: Counted
    cpu_s: float

    @property
    def cpu_per_10_000(self) -> float:
        """Processor seconds for ten thousand polls."""
        return self.cpu_s * 10_000 / max(self.counted.polls, 1)

    def polls_per_s(self) -> float:
        """Polls a second, of all units together."""
        return self.counted.polls / self.counted.seconds


def watch(device: Device, process: Process, seconds: float, *, whole: bool = True) -> Window:
    """Count for so long; whole: raises BenchError when a unit was read in pieces."""
    device.clear()
    before = process.cpu_s()
    time.sleep(seconds)
    counted = device.counted()
    window = Window(counted, process.cpu_s() - before)
    if whole and counted.registers != counted.polls * device.registers:
        raise BenchError(
            f"{counted.polls} polls read {counted.registers} registers: not all of each unit"
        )
    return window


def kept(links: int) -> Measure:
    """50 units of 100 registers, each wanted every 100 ms, over so many connections."""
    how = "one connection" if links == 1 else f"{links} connections"

    def measure(rig: Rig, size: Size) -> list[Row]:
        rows: list[Row] = []
        with rig.scene():
            device = Device(rig, size.units, REGISTERS)
            site = Site(rig, device, links=min(links, size.units), period_s=PERIOD_S)
            site.wait()
            for changes, words in VARIANTS.items():
                device.change(changes)
                time.sleep(SETTLE_S)
                window = watch(device, site.process, size.polled_s)
                rows += _kept_rows(f"gateway, {how}, {words}", window, device, site)
            if links > 1 and not size.alarms_on_links:
                return rows
            device.change("one")
            time.sleep(SETTLE_S)
            return rows + _to_alarm(f"gateway, {how}", device, site, size)

    return measure


def _kept_rows(name: str, window: Window, device: Device, site: Site) -> list[Row]:
    worst = min(window.counted.kept(PERIOD_S))
    said = site.complaints()
    notes = [
        f"{window.polls_per_s():.0f} polls/s in {window.counted.seconds:.0f} s",
        f"longest wait of a unit {window.counted.longest_gap_ms():.0f} ms",
        device.note,
        f"gateway said {len(said)} times: {said[0][:160]}" if said else "",
    ]
    group = f"{device.units} units x {device.registers} registers every {PERIOD_S * 1e3:.0f} ms"
    return [
        Row(
            group=group,
            name=f"{name}, kept by the worst unit",
            value=100 * worst,
            unit="%",
            sense=">=",
            target=98,
            note="; ".join(note for note in notes if note),
        ),
        Row(
            group=group,
            name=f"{name}, CPU per 10,000 polls",
            value=window.cpu_per_10_000,
            unit="s",
            target=5,
            against="pymodbus, nothing decoded, CPU per 10,000 polls",
        ),
    ]


def dead(rig: Rig, size: Size) -> list[Row]:
    """One of ten units on a connection never answers; the nine others are wanted once a second."""
    units, silent = 10, 10
    with rig.scene():
        device = Device(rig, units, REGISTERS)
        device.dead(silent)
        site = Site(rig, device, period_s=1.0)
        site.wait(without=silent)
        window = watch(device, site.process, size.dead_s)
    shares = window.counted.kept(1.0, without=silent)
    return [
        Row(
            group="one of 10 units on the connection is dead, 9 polls/s wanted",
            name="gateway, polls/s of the other nine",
            value=sum(shares),
            unit="/s",
            sense=">=",
            target=8.8,
            against="pymodbus, one of 10 dead, no retries",
            note=f"worst unit {100 * min(shares):.0f} %; {window.counted.polls} polls in"
            f" {window.counted.seconds:.0f} s; longest wait"
            f" {window.counted.longest_gap_ms(without=silent):.0f} ms",
        )
    ]


def driver_alone(rig: Rig, size: Size) -> list[Row]:
    """The driver without the gateway: plan, bus and image, as many polls as it can make."""
    rows = []
    with rig.scene():
        device = Device(rig, size.fast_units, REGISTERS)
        folder = rig.place("driver")
        config = write_config(folder, device, links=FAST_LINKS, period_s=FAST_PERIOD_S, console=1)
        command = [sys.executable, "-m", "bench.modbus.driver_loop", str(config)]
        loop = rig.start(Process(command, folder / "driver.log", cwd=ROOT, talk=True))
        loop.line()
        until("every unit was read", partial(_all_read, device), FAST_START_S)
        for changes, words in VARIANTS.items():
            device.change(changes)
            time.sleep(SETTLE_S)
            device.clear()
            done = loop.ask(f"{size.fast_s}")
            counted = device.counted()
            cpu = done["cpu_s"] * 10_000 / max(counted.polls, 1)
            row = _fast_row("driver alone", words, counted, cpu)
            row.note += f"; {done['readings'] / done['seconds']:,.0f} readings/s"
            rows.append(row)
    return rows


def _all_read(device: Device) -> bool:
    return all(unit[0] for unit in device.counted().units)


def chain(rig: Rig, size: Size) -> list[Row]:
    """The whole gateway with more units than it can ever read: what goes through to the disk."""
    rows = []
    with rig.scene():
        device = Device(rig, size.fast_units, REGISTERS)
        device.change("none")
        site = Site(rig, device, links=FAST_LINKS, period_s=FAST_PERIOD_S)
        site.wait()
        time.sleep(REBALANCE_S)
        for changes, words in VARIANTS.items():
            device.change(changes)
            time.sleep(SETTLE_S)
            window = watch(device, site.process, size.fast_s)
            rows.append(_fast_row("gateway", words, window.counted, window.cpu_per_10_000))
    return rows


def _fast_row(who: str, words: str, counted: Counted, cpu: float) -> Row:
    polls_per_s = counted.polls / counted.seconds
    wanted = len(counted.units) / FAST_PERIOD_S
    note = f"{cpu:.2g} s CPU per 10,000"
    if polls_per_s > wanted * 0.97:
        note += f"; all that {len(counted.units)} units can want"
    return Row(
        group="as fast as it goes",
        name=f"{who}, {words}, every register decoded",
        value=polls_per_s,
        unit="/s",
        sense=">=",
        target=4000,
        against="pymodbus, nothing decoded",
        note=note,
    )


def _to_alarm(name: str, device: Device, site: Site, size: Size) -> list[Row]:
    """From a register's change in the device to its alarm in the store, and in the API's stream.

    Changes come at any time of the poll's period, each to a register of its own.
    """
    dice = random.Random(20261122)
    places = [(unit, reg) for unit in range(1, device.units + 1) for reg in range(REGISTERS)]
    changed: dict[str, int] = {}
    stream, shelf = site.stream(), site.shelf()
    for unit, register in dice.sample(places, size.changes):
        stream.read(dice.uniform(0.5, 1.5) * size.change_every_s, shelf.look)
        changed[f"dev-{unit}/p{register}"] = device.set(unit, register, ALARM_ABOVE + 1)
    end = time.monotonic() + ALARM_WITHIN_S
    while min(len(stream.raised), len(shelf.raised)) < len(changed) and time.monotonic() < end:
        stream.read(0.1, shelf.look)
    stream.close()
    shelf.close()
    stored, streamed = _delays_ms(changed, shelf.raised), _delays_ms(changed, stream.raised)
    if not stored:
        raise BenchError("no alarm was stored: " + "; ".join(site.complaints()[:2]))
    group = f"register change to stored alarm, polled every {PERIOD_S * 1e3:.0f} ms"
    name += ", change to"
    return [
        Row(group=group, name=f"{name} stored alarm, p50", value=_at(stored, 0.5), unit="ms"),
        Row(
            group=group,
            name=f"{name} stored alarm, p99",
            value=_at(stored, 0.99),
            unit="ms",
            target=PERIOD_S * 1e3 + 20,
            note=f"{len(changed)} changes, worst {stored[-1]:.0f} ms",
        ),
        Row(
            group=group,
            name=f"{name} the API's stream, p99",
            value=_at(streamed, 0.99) if streamed else None,
            unit="ms",
        ),
        Row(
            group=group,
            name=f"{name} stored alarm, lost",
            value=len(changed) - min(len(stored), len(streamed)),
            unit="",
            target=0,
            worst=True,
        ),
    ]


def _delays_ms(changed: dict[str, int], raised: dict[str, int]) -> list[float]:
    return sorted((raised[name] - at) / 1e6 for name, at in changed.items() if name in raised)


def _at(ordered: list[float], part: float) -> float:
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


ALL: dict[str, Measure] = {
    "modbus-kept": kept(1),
    "modbus-kept-links": kept(LINKS),
    "modbus-dead": dead,
    "modbus-driver": driver_alone,
    "modbus-chain": chain,
}
