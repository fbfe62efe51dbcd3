"""The simulated Modbus device: built from server.c when the benchmark runs, and read from outside.

Owns    one device process and the programs compiled for this run.
Needs   a C compiler (cc). Without one the device is fallback.py, and every row says so: it takes
        many times the processor, on the same cores as what is measured.
Keeps   A device never reports reads it has not answered: polls are counted where they arrive.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from bench.machine import BenchError, Process, free_port
from bench.rig import ROOT, Rig

HERE: Final = Path(__file__).resolve().parent
COMPILE_S: Final = 60
Changes = Literal["none", "one", "all"]
SLOW_DEVICE: Final = "no C compiler: the device is Python and slow (Debian: apt-get install gcc)"


def build(rig: Rig, source: str, libraries: Sequence[str] = ()) -> Path:
    """Compile one of our C files into the run's folder, once; raises BenchError saying why not."""
    program = rig.folder / Path(source).stem
    if program.exists():
        return program
    compiler = shutil.which("cc")
    if compiler is None:
        raise BenchError("no C compiler (Debian: apt-get install gcc)")
    command = [compiler, "-O2", "-o", str(program), str(HERE / source), *libraries]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=COMPILE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{source} was not compiled: {error}") from error
    if done.returncode:
        lines = done.stderr.splitlines() or ["(no message)"]
        said = next((line for line in lines if "error" in line or "cannot" in line), lines[-1])
        raise BenchError(f"{source} was not compiled: {said[:200]}")
    return program


@dataclass(frozen=True, slots=True)
class Counted:
    """What the device counted since Device.clear().

    seconds    how long that was · connections open now
    registers  all that were read, so that polls which read less are seen
    units      for each unit (reads, monotonic ns of the first and of the last, longest gap in ns)
    """

    seconds: float
    now_ns: int
    connections: int
    registers: int
    units: list[tuple[int, int, int, int]]

    @property
    def polls(self) -> int:
        """Reads of all units."""
        return sum(unit[0] for unit in self.units)

    def kept(self, period_s: float, *, without: int = 0) -> list[float]:
        """For each unit the part of its polls that came, at most 1.0: its period was kept.

        By the time between its first poll and its last, so that where the window happens to begin
        and end counts for nothing; a unit that fell silent is charged with the time since.

        without  number of a unit that never answers and is left out, 0 for none
        """
        found = []
        for number, (reads, first, last, _) in enumerate(self.units, 1):
            if number == without:
                continue
            quiet_s = (self.now_ns - last) / 1e9
            until_ns = self.now_ns if quiet_s > 2 * period_s else last
            lasted_s = (until_ns - first) / 1e9
            share = (reads - 1) * period_s / lasted_s if reads > 1 and lasted_s > 0 else 0.0
            found.append(min(share, 1.0))
        return found

    def longest_gap_ms(self, *, without: int = 0) -> float:
        """The longest time a unit waited between two polls."""
        gaps = [unit[3] for at, unit in enumerate(self.units, 1) if at != without]
        return max(gaps, default=0) / 1e6


class Device:
    """A running device with `units` units of `registers` registers.

    note  what a row has to say of it: empty, or that it is the slow one
    """

    def __init__(self, rig: Rig, units: int, registers: int = 100, *, slow: bool = False) -> None:
        self.port, self.units, self.registers = free_port(), units, registers
        self.note = ""
        numbers = [str(self.port), str(units), str(registers)]
        if slow or shutil.which("cc") is None:
            self.note = SLOW_DEVICE
            command = [sys.executable, "-m", "bench.modbus.fallback", *numbers]
        else:
            command = [str(build(rig, "server.c")), *numbers]
        log = rig.place("device") / "device.log"
        self.process = rig.start(Process(command, log, cwd=ROOT, talk=True))
        if self.process.line() != "ready":
            raise BenchError("the device did not say that it is ready")

    def _ask(self, text: str) -> dict[str, Any]:
        answer = self.process.ask(text)
        if "error" in answer:
            raise BenchError(f"the device does not know {text!r}")
        return answer

    def change(self, what: Changes) -> None:
        """Say which registers each read changes."""
        self._ask(f"mode {what}")

    def dead(self, unit: int) -> None:
        """Have this unit never answer; 0: all do."""
        self._ask(f"dead {unit}")

    def set(self, unit: int, register: int, value: int) -> int:
        """Fix a register at a value; returns when, monotonic nanoseconds."""
        when: int = self._ask(f"set {unit} {register} {value}")["ns"]
        return when

    def clear(self) -> None:
        """Count from now on."""
        self._ask("clear")

    def counted(self) -> Counted:
        """Return what was counted since."""
        answer = self._ask("report")
        return Counted(
            seconds=(answer["now_ns"] - answer["since_ns"]) / 1e9,
            now_ns=answer["now_ns"],
            connections=answer["connections"],
            registers=answer["registers"],
            units=[(unit[0], unit[1], unit[2], unit[3]) for unit in answer["units"]],
        )
