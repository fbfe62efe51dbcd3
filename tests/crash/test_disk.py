"""A disk that is full, a database that is none any more: alarms go on, and a guard is told."""

import asyncio
import contextlib
import os
import random
import resource
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from simulators.brokers import Mosquitto, MosquittoSettings
from simulators.buttons import Hand, JsonButton, JsonEvent
from simulators.buttons.base import json_message
from simulators.contract import HEARTBEAT
from simulators.inbox import Inbox
from simulators.mqtt import Message, Publisher
from simulators.police import Police
from tests.conftest import POLICE_SECRET
from tests.harness import Gateway, http

RESERVE_MIB = 16
DISK_MIB = 64
LIMIT_BYTES = 3 * 1024 * 1024
LIMITED = (
    "import os, resource, sys; n = int(sys.argv[1]);"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (n, resource.getrlimit(resource.RLIMIT_FSIZE)[1]));"
    "os.execv(sys.argv[2], sys.argv[2:])"
)
"""Start a program that can write no file larger than that; the limit can be lifted from outside."""


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of DISK_MIB; skips where nobody may mount one."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("no right to mount a tmpfs here; the file size limit is tested all the same")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class Site:
    """One gateway, one broker, one police, a door that chatters and a few buttons."""

    def __init__(self, gateway: Gateway, police: Police, door: Hand, buttons: list[Hand]) -> None:
        self.gateway = gateway
        self.police = police
        self.door = door
        self.buttons = buttons
        self._next = iter(buttons)

    async def press(self) -> str:
        """Press a button nobody pressed before; return the mark once the broker has it."""
        button = next(self._next)
        await button.press()
        return f"{button.device.name}#1"

    async def chatter(self, count: int) -> None:
        """So many records, each with some weight."""
        futures = [one for _ in range(count) for one in self.door.press_unheard()]
        await asyncio.gather(*futures)

    def at_police(self, mark: str) -> Callable[[Inbox], bool]:
        return lambda inbox: any(
            one.data.get("attributes", {}).get("mark") == mark for one in inbox.received
        )

    async def arrives(self, mark: str) -> None:
        await self.police.inbox.until(self.at_police(mark), 60)


class HeavyEvent(JsonEvent):
    """A door whose messages fill a disk: 16 members of 250 characters."""

    def pressed(self) -> list[Message]:
        self.press_count += 1
        weight = {f"m{number}": "x" * 250 for number in range(14)}
        return [json_message(self.topic, {"mark": self.mark, "level": 3, **weight})]


@contextlib.asynccontextmanager
async def site(folder: Path, **settings: object) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        no_limits = MosquittoSettings(max_inflight=0, max_queued=0)
        broker = await enter(Mosquitto(folder / "field", no_limits))
        police = await enter(Police(secret=POLICE_SECRET, inbox=Inbox(folder / "police.inbox")))
        devices = [HeavyEvent("door"), *(JsonButton(f"btn-{number}") for number in range(4))]
        gateway = await enter(
            Gateway(
                folder=folder,
                field_port=broker.port,
                devices=devices,
                uplinks=[http("police", police.port)],
                reserve_mib=RESERVE_MIB,
                **settings,  # type: ignore[arg-type]
            )
        )
        await gateway.start()
        door, *buttons = [
            Hand(one, await enter(Publisher(broker.address, client_id=f"hand-{one.name}")))
            for one in devices
        ]
        yield Site(gateway, police, door, buttons)


def fill(disk: Path) -> Path:
    """Leave no room at all but what the gateway has set aside."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 65536):
            pass
    return ballast


@pytest.mark.timeout(300)
async def test_a_full_disk_stops_no_alarm_and_is_a_fault_until_there_is_room(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        async with site(tmp_path, store=disk / "store") as here:
            gateway = here.gateway
            await here.arrives(await here.press())
            ballast = fill(disk)
            fault = await gateway.fault("gw-1/disk")
            assert "disk" in fault["text"]
            await here.chatter(600)  # more than the pages that happen to be free
            await here.arrives(await here.press())
            await gateway.kill()
            behind = await here.press()
            await gateway.start()
            await here.arrives(behind)
            ballast.unlink()
            await gateway.no_fault("gw-1/disk")
            await here.arrives(await here.press())
            await gateway.nothing_waits()
            assert {f"btn-{number}/button" for number in range(4)} == set(await gateway.alarms())
            await gateway.stop()
            assert (await gateway.verify())[0] == "0"


@pytest.mark.timeout(300)
async def test_a_file_that_may_not_grow_takes_nothing_and_acknowledges_nothing_until_it_may(
    tmp_path: Path,
) -> None:
    launcher = (sys.executable, "-c", LIMITED, str(LIMIT_BYTES))
    async with site(tmp_path, launcher=launcher) as here:
        gateway = here.gateway
        await here.chatter(300)
        await here.police.inbox.until(lambda inbox: len(inbox.received) >= 300, 60)
        pressing = asyncio.ensure_future(here.chatter(1500))

        async def full() -> bool:
            return "disk full" in gateway.log_text()

        await gateway.until(full, "the store to be full")
        mark = await here.press()
        await pressing
        resource.prlimit(
            gateway.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )
        await here.arrives(mark)
        await here.police.inbox.until(lambda inbox: len(inbox.received) >= 1801, 60)
        await gateway.no_fault("gw-1/disk")
        await gateway.stop()
        assert (await gateway.verify())[0] == "0"
        marks = [one.data["attributes"].get("mark") for one in here.police.inbox.received]
        doors = [mark for mark in marks if str(mark).startswith("door#")]
        assert doors == [f"door#{number}" for number in range(1, 1801)]


# The file between two starts.


def _header(database: Path, dice: random.Random) -> None:
    with database.open("r+b") as file:
        file.write(dice.randbytes(100))


def _pages(database: Path, dice: random.Random) -> None:
    size = database.stat().st_size
    with database.open("r+b") as file:
        for _ in range(3):
            file.seek(4096 * dice.randrange(1, size // 4096))
            file.write(dice.randbytes(4096))


def _truncated(database: Path, _dice: random.Random) -> None:
    os.truncate(database, database.stat().st_size * 2 // 3 // 4096 * 4096 + 100)


def _foreign(database: Path, _dice: random.Random) -> None:
    for name in ("", "-wal", "-shm"):
        database.with_name(database.name + name).unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE somebody (else_s TEXT)")


def _wal_gone(database: Path, _dice: random.Random) -> None:
    database.with_name(database.name + "-wal").unlink()


def _wal_garbled(database: Path, dice: random.Random) -> None:
    wal = database.with_name(database.name + "-wal")
    with wal.open("r+b") as file:
        file.seek(wal.stat().st_size // 2)
        file.write(dice.randbytes(2000))


DAMAGES = {
    "header": _header,
    "pages": _pages,
    "truncated": _truncated,
    "foreign": _foreign,
    "wal-gone": _wal_gone,
    "wal-garbled": _wal_garbled,
}
READABLE = {"pages", "header"}
"""Damages after which records can still be read: what was undelivered of them must arrive."""
RARE = {"foreign", "wal-garbled"}
"""Only in the long run; tests/store has every kind of damage in small."""
SILENT = {"wal-gone", "wal-garbled"}
"""SQLite drops the end of such a log without a word; only numbers that went backwards show it."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "damage",
    [pytest.param(one, marks=pytest.mark.long if one in RARE else ()) for one in DAMAGES],
)
async def test_a_damaged_database_is_kept_aside_and_alarms_flow_on(
    tmp_path: Path, damage: str
) -> None:
    async with site(tmp_path) as here:
        gateway = here.gateway
        await here.arrives(await here.press())
        await here.police.down()
        await here.chatter(200)
        undelivered = await here.press()
        database = gateway.store_folder / "events.db"

        async def stored() -> bool:
            return len(await gateway.records()) >= 202

        await gateway.until(stored, "everything stored")
        before = await gateway.records()
        if damage in SILENT:
            await gateway.kill()
        else:
            await gateway.stop()
        was = database.read_bytes()
        DAMAGES[damage](database, random.Random(9))
        broken = database.read_bytes()
        await here.police.up()
        await gateway.start()
        alive = await here.press()
        await here.arrives(alive)
        await gateway.nothing_waits()
        if damage not in SILENT:
            aside = sorted(gateway.store_folder.glob("damaged-*/events.db"))
            assert [one.read_bytes() for one in aside] == [broken], "moved aside as it was"
            assert broken != was
            told = await gateway.faults(state="all")
            assert "gw-1/store" in told
            assert "damaged" in told["gw-1/store"]["text"]
        if damage == "wal-gone":
            told = await gateway.faults()
            assert "WAL" in str(told["gw-1/store"]), "what nobody can bring back is told"
        received = here.police.inbox
        assert not received.changed, "nothing came under an old id with other bytes"
        seqs = [one.seq for one in received.received if one.type != HEARTBEAT]
        assert len(seqs) == len(set(seqs)), "no number was given twice"
        if damage in READABLE:
            await gateway.no_fault("gw-1/store")  # everything that can be read was brought over
            await gateway.nothing_waits()
            got = {one.id for one in received.received}
            readable = {one["id"] for one in await gateway.records()} & {
                one["id"] for one in before
            }
            assert readable, "something of the old store was brought over"
            assert readable <= got, "what was undelivered and readable is delivered"
        if damage == "header":
            await here.arrives(undelivered)
