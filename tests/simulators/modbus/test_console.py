"""What a person types, and the command as a process of its own."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from simulators.modbus import GarbageBefore, Slow
from simulators.modbus.behaviour import Behaviour
from simulators.modbus.console import Console, Leave
from tests.simulators.modbus.made import TEXT, a_device

ROOT = Path(__file__).parents[3]


def a_console() -> tuple[Console, Behaviour]:
    life = Behaviour(a_device())
    return Console(life), life


def test_words_do_what_they_say() -> None:
    console, life = a_console()
    assert "fire" in console.say("alarm")
    assert life.model.value("last_event") == "fire"
    console.say("restore")
    assert life.model.value("last_event") == "none"
    assert console.say("set temperature -12.5") == "temperature = -12.5"
    assert "fire" in console.say("show fire on loop 2")
    console.say("heart-stop")
    assert not life.heart_beats


def test_faults_are_words_too() -> None:
    console, life = a_console()
    console.say("slow=0.5")
    assert life.model.unit.fault == Slow(0.5)
    console.say("garbage-before")
    assert life.model.unit.fault == GarbageBefore()
    console.say("well")
    assert life.model.unit.fault is None


@pytest.mark.parametrize("line", ["alarm flood", "set temperature much", "set level 1e99", "fly"])
def test_a_mistake_is_answered_and_changes_nothing(line: str) -> None:
    console, life = a_console()
    before = dict(life.model.unit.holding)
    assert "help" in console.say(line)
    assert dict(life.model.unit.holding) == before


def test_help_names_every_fault_and_quit_leaves() -> None:
    console, _ = a_console()
    assert "ignored-write" in console.say("help")
    assert console.say("") == ""
    with pytest.raises(Leave):
        console.say("quit")


async def test_the_command_is_a_device_that_obeys_what_is_typed(tmp_path: Path) -> None:
    path = tmp_path / "made.toml"
    path.write_text(TEXT, "utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.modbus", str(path), "--listen", "127.0.0.1:0",
        "--unit", "5", "--address", "loop=2", "--address", "device=3", "--for-s", "30",
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(20):
        head = b"".join([await process.stdout.readline() for _ in range(5)]).decode()
        found = re.search(r"tcp://127\.0\.0\.1:(\d+)", head)
        assert found is not None, head
        process.stdin.write(b"alarm fire\n")
        assert b"fire" in await process.stdout.readline()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(found[1]))
        writer.write(bytes.fromhex("00 01 00 00 00 06 05 03 02 03 00 01"))
        assert (await reader.readexactly(11)).hex(" ") == "00 01 00 00 00 05 05 03 02 00 01"
        writer.close()
        await writer.wait_closed()
        process.stdin.write(b"quit\n")
        assert await process.wait() == 0
