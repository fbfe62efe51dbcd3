"""A siren on a relay module, a player that writes down what it plays, and consoles that look on.

Owns    what the tests of the guard room share: a gateway process with a button over MQTT and a
        relay over Modbus.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from simulators.modbus import Line, Unit
from tests.harness import Gateway

SIREN = 'siren = { device = "siren-1", on = "on", off = "off" }\n'
RELAY = """
[[device]]
id = "siren-1"
profile = "io/waveshare_relay"
link = "relays"
name = "值班室警号"
place = "值班室"
address = { unit = 1, relay = 1 }
commands = ["on", "off"]
accept_unverified = true
"""
WAIT_S = 60.0


@dataclass(slots=True)
class Relay:
    """The module, and what was written to its first coil, with the test's own time of each."""

    line: Line
    unit: Unit
    url: str
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_on(self) -> bool:
        return self.unit.words(1, 0) == [1]

    async def until(self, *, on: bool) -> float:
        """Wait until the siren is on or off; returns the loop's time then."""
        async with asyncio.timeout(WAIT_S):
            while self.is_on is not on:
                self.changed.clear()
                if self.is_on is not on:
                    await self.changed.wait()
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def relay() -> AsyncIterator[Relay]:
    """A relay module at rest."""
    unit = Unit(1)
    unit.set_words(1, 0, [0] * 8)
    unit.set_words(3, 0x1000, [0] * 8)
    line = Line([unit])
    async with line.tcp() as served:
        made = Relay(line, unit, served.url)
        unit.on_write(lambda _write: made.changed.set(), table="coils")
        yield made


def link_toml(url: str) -> str:
    return f'[[link]]\nname = "relays"\nkind = "modbus"\nurl = "{url}"\n'


@dataclass(slots=True, kw_only=True)
class SirenGateway(Gateway):
    """A gateway process that has the relay on a link of its own; `more` begins inside [console]."""

    def _prepare(self) -> None:
        Gateway._prepare(self)
        devices = self.folder / "config" / "devices.toml"
        if "relays" in self.more:
            devices.write_text(devices.read_text("utf-8") + RELAY, "utf-8")


def player(folder: Path) -> tuple[list[str], Path]:
    """A program that plays nothing, but writes down what it was given; returns it and its log."""
    program, log = folder / "player.sh", folder / "played"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {log}\nsleep 30\n')
    program.chmod(0o755)
    return [str(program), "--quiet"], log


class Screen:
    """A console that reads the stream with a token, and can say what it shows."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._read: asyncio.Task[None] | None = None
        self.rows: dict[str, dict[str, Any]] = {}
        self._news = asyncio.Condition()

    async def __aenter__(self) -> "Screen":
        self._read = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._read is not None
        self._read.cancel()
        with suppress(asyncio.CancelledError, aiohttp.ClientError):
            await self._read

    async def _follow(self) -> None:
        client = self._gateway._client
        assert client is not None
        timeout = aiohttp.ClientTimeout(total=None)
        async with client.get("/api/v1/console/stream", timeout=timeout) as answer:
            kind = ""
            async for line in answer.content:
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif line.startswith(b"data: "):
                    await self._take(kind, orjson.loads(line[6:]))

    async def _take(self, kind: str, body: Any) -> None:
        rows = body["alarms"] if kind == "snapshot" else [body] if kind == "alarm" else []
        async with self._news:
            self.rows |= {row["alarm_id"]: row for row in rows}
            if kind == "snapshot":
                self.rows.setdefault("", {})
            self._news.notify_all()

    async def joined(self) -> None:
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: "" in self.rows)

    async def alarm(self, after: int = 0) -> str:
        """Return the id of the alarm once it is on the screen."""
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: len(self.rows.keys() - {""}) > after)
        return next(iter(self.rows.keys() - {""}))


async def shown(gateway: Gateway, alarm_id: str, *, sounding: bool) -> tuple[int, Any]:
    body = {"alarms": [alarm_id], "sounding": sounding}
    return await gateway.post("/api/v1/console/shown", body)


def is_running(program: Path) -> bool:
    """Whether any process of this machine runs that program."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(program).encode() in (entry / "cmdline").read_bytes():
                return entry.name != str(os.getpid())
    return False
