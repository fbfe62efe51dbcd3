"""What others make of the same device: bare pymodbus, libmodbus, and ThingsBoard IoT Gateway.

Needs   bench.modbus. libmodbus where its headers are installed, ThingsBoard where it can be had.
Keeps   A peer that cannot be measured has a row that says why; it never fails the run.
"""

import sys
from typing import Final

from bench.machine import BenchError, Process
from bench.modbus import thingsboard
from bench.modbus.device import Device, build
from bench.modbus.site import answer_of
from bench.rig import ROOT, Rig
from bench.rows import Size
from bench.rows.flow import Measure
from bench.rows.modbus import PERIOD_S, REGISTERS, watch
from bench.table import Row

FAST: Final = "as fast as it goes"
LONG_S: Final = 10.0
LIBMODBUS: Final = "libmodbus, nothing decoded"


def pymodbus(rig: Rig, size: Size) -> list[Row]:
    """One loop over all units, one connection, as fast as it goes."""
    command = [sys.executable, "-m", "bench.modbus.pymodbus_loop"]
    return _loop(rig, size, "pymodbus, nothing decoded", command, ["0", "1", "3"])


def libmodbus(rig: Rig, size: Size) -> list[Row]:
    """The same loop in C."""
    try:
        program = build(rig, "libmodbus_loop.c", ["-lmodbus"])
    except BenchError as error:
        note = f"{error} (Debian: apt-get install gcc libmodbus-dev)"
        return [Row(group=FAST, name=LIBMODBUS, value=None, unit="/s", note=note)]
    return _loop(rig, size, LIBMODBUS, [str(program)], [])


def _loop(rig: Rig, size: Size, name: str, command: list[str], more: list[str]) -> list[Row]:
    with rig.scene():
        device = Device(rig, size.units, REGISTERS)
        shape = [str(device.port), str(size.units), str(REGISTERS), str(size.fast_s)]
        log = rig.place("loop") / "loop.log"
        loop = rig.start(Process([*command, *shape, *more], log, cwd=ROOT, talk=True))
        loop.line()
        done = answer_of(loop)
        polls = device.counted().polls
    if abs(polls - done["polls"]) > 1:
        raise BenchError(f"{name}: it says {done['polls']} polls, the device counted {polls}")
    cpu = done["cpu_s"] * 10_000 / max(polls, 1)
    return [
        Row(group=FAST, name=name, value=polls / done["seconds"], unit="/s", sense=">="),
        Row(group=FAST, name=f"{name}, CPU per 10,000 polls", value=cpu, unit="s"),
    ]


def pymodbus_dead(rig: Rig, size: Size) -> list[Row]:
    """The same loop, once a second, while one of ten units never answers."""
    rows = []
    attempts = ((0, "no retries"), (3, "3 retries, its default"))
    for retries, words in attempts if size.dead_s > LONG_S else attempts[:1]:
        with rig.scene():
            device = Device(rig, 10, REGISTERS)
            device.dead(10)
            command = [sys.executable, "-m", "bench.modbus.pymodbus_loop", str(device.port), "10"]
            command += [str(REGISTERS), str(size.dead_s), "1.0", "1.0", str(retries)]
            log = rig.place("loop") / "loop.log"
            loop = rig.start(Process(command, log, cwd=ROOT, talk=True))
            loop.line()
            done = answer_of(loop)
        rows.append(
            Row(
                group="one of 10 units on the connection is dead, 9 polls/s wanted",
                name=f"pymodbus, one of 10 dead, {words}",
                value=done["polls"] / done["seconds"],
                unit="/s",
                sense=">=",
                note="nothing decoded, time-out 1 s",
            )
        )
    return rows


def peer_thingsboard(*, tags: bool) -> Measure:
    """ThingsBoard IoT Gateway wants what the gateway wants; its cloud is a broker nobody reads.

    tags  each register is a tag of its own, as the gateway decodes it; otherwise one range
    """
    name = f"ThingsBoard IoT Gateway, {'100 tags' if tags else 'one range'} a unit"
    group = f"50 units x {REGISTERS} registers every {PERIOD_S * 1e3:.0f} ms"

    def measure(rig: Rig, size: Size) -> list[Row]:
        try:
            with rig.scene():
                device = Device(rig, size.units, REGISTERS)
                process = thingsboard.start(rig, device, tags=tags, period_s=PERIOD_S)
                window = watch(device, process, max(size.polled_s, 10.0), whole=not tags)
        except BenchError as error:
            note = " ".join(str(error).split())[:300]
            return [Row(group=group, name=name, value=None, unit="/s", note=note)]
        polls = window.counted.registers / REGISTERS
        return [
            Row(
                group=group,
                name=f"{name}, polls/s",
                value=polls / window.counted.seconds,
                unit="/s",
                sense=">=",
                note=f"{window.polls_per_s():.0f} requests/s; its cloud answers nothing",
            ),
            Row(
                group=group,
                name=f"{name}, CPU per 10,000 polls",
                value=window.cpu_s * 10_000 / max(polls, 1),
                unit="s",
            ),
        ]

    return measure


INSTALLED: Final[dict[str, Measure]] = {
    "peer-modbus-thingsboard-range": peer_thingsboard(tags=False),
    "peer-modbus-thingsboard-tags": peer_thingsboard(tags=True),
}
ALL: dict[str, Measure] = {
    "modbus-pymodbus": pymodbus,
    "modbus-pymodbus-dead": pymodbus_dead,
    "modbus-libmodbus": libmodbus,
    **INSTALLED,
}
