"""The Modbus rows, small: real device, real gateway, real polls; figures are not judged."""

import shutil
import socket
import struct
from pathlib import Path
from typing import Self

import pytest

from bench.machine import BenchError
from bench.modbus.device import SLOW_DEVICE, Counted, Device, build
from bench.modbus.site import profile
from bench.rig import Rig
from bench.rows import Size, modbus, modbus_peers
from bench.table import Row
from gateway.profile.tool import check_file

SMALL = Size(
    units=4, polled_s=0.6, dead_s=3.0, fast_s=0.4, fast_units=8, changes=6, change_every_s=0.1
)
NAMES = [name for name in modbus.ALL | modbus_peers.ALL if name not in modbus_peers.INSTALLED]
"""Every row but those that install something first."""
SECOND = 1_000_000_000


@pytest.mark.parametrize("name", NAMES)
def test_each_row_runs_small_and_says_something_that_can_be_true(name: str, tmp_path: Path) -> None:
    rows = (modbus.ALL | modbus_peers.ALL)[name](Rig(tmp_path), SMALL)
    assert rows
    for row in rows:
        if row.value is None:
            assert "libmodbus" in row.name
            assert "apt-get" in row.note
        else:
            assert_sane(row)


def assert_sane(row: Row) -> None:
    assert row.value is not None
    least, most = {"%": (1, 100), "/s": (1, 1e6), "s": (0, 1e3), "ms": (0.1, 1e4), "": (0, 0)}[
        row.unit
    ]
    assert least <= row.value <= most, f"{row.name}: {row.value} {row.unit}; {row.note}"


class Master:
    """A socket and the frames of Modbus TCP, written from the specification."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def ask(self, unit: int, address: int, count: int) -> None:
        self._number += 1
        self._sock.sendall(struct.pack(">HHHBBHH", self._number, 0, 6, unit, 3, address, count))

    def reply(self) -> bytes:
        """Return unit, function and data of the next reply."""
        head = self._sock.recv(6, socket.MSG_WAITALL)
        number, protocol, length = struct.unpack(">HHH", head)
        assert (number, protocol) == (self._number, 0)
        return self._sock.recv(length, socket.MSG_WAITALL)

    def read(self, unit: int, address: int, count: int) -> list[int]:
        self.ask(unit, address, count)
        body = self.reply()
        assert body[:3] == bytes((unit, 3, 2 * count))
        return list(struct.unpack(f">{count}H", body[3:]))

    def refusal(self, unit: int, address: int, count: int) -> int:
        self.ask(unit, address, count)
        body = self.reply()
        assert body[:2] == bytes((unit, 0x83))
        return body[2]


@pytest.mark.parametrize("slow", [False, True], ids=["c", "python"])
def test_both_devices_move_what_they_should_and_count_what_they_answered(
    slow: bool, tmp_path: Path
) -> None:
    if not slow and shutil.which("cc") is None:
        pytest.skip("no C compiler")
    with Rig(tmp_path).scene() as rig:
        device = Device(rig, 3, 10, slow=slow)
        assert device.note == (SLOW_DEVICE if slow else "")
        with Master(device.port) as master:
            device.change("none")
            assert master.read(2, 0, 10) == master.read(2, 0, 10) == list(range(102, 112))
            device.change("all")
            master.read(2, 0, 10)
            assert master.read(2, 0, 10) == list(range(103, 113))
            device.change("one")
            first, second = master.read(1, 0, 10), master.read(1, 0, 10)
            assert sum(a != b for a, b in zip(first, second, strict=True)) == 1
            device.set(1, 7, 1001)
            assert master.read(1, 0, 10)[7] == master.read(1, 0, 10)[7] == 1001
            assert master.refusal(1, 5, 6) == 2
            assert master.refusal(9, 0, 1) == 0x0B
            device.clear()
            device.dead(3)
            master.ask(3, 0, 10)  # no reply of it comes before the next one's
            master.read(1, 2, 3)
            counted = device.counted()
        assert (counted.polls, counted.registers, counted.connections) == (1, 3, 1)
        assert [unit[0] for unit in counted.units] == [1, 0, 0]


def test_a_unit_that_kept_its_period_has_all_and_one_that_fell_silent_is_charged_for_it() -> None:
    end = 10 * SECOND
    kept = (101, 0, end, SECOND // 10)
    slow = (51, 0, end, SECOND // 5)
    gone = (51, 0, 5 * SECOND, SECOND // 10)
    once = (1, SECOND, SECOND, 0)
    counted = Counted(10.0, end, 1, 20400, [kept, slow, gone, once])
    assert counted.kept(0.1) == [1.0, 0.5, 0.5, 0.0]
    assert counted.kept(0.1, without=4) == [1.0, 0.5, 0.5]


def test_the_profile_of_the_benchmark_means_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "registers.toml"
    path.write_text(profile(100))
    assert check_file(path) == []


def test_a_program_that_does_not_compile_says_why(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    with pytest.raises(BenchError, match=r"server\.c was not compiled: .*no_such_library"):
        build(Rig(tmp_path), "server.c", ["-lno_such_library"])
