"""The same device as server.c, for a machine without a C compiler: see there for what it answers.

A process of its own: `python -m bench.modbus.fallback PORT UNITS REGISTERS`.

Keeps   Every answer is the same as the C program's; only its cost is another.
"""

import asyncio
import json
import struct
import sys
import time
from typing import Final

LOW: Final = 100
SPAN: Final = 800
_HEAD: Final = struct.Struct(">HHHBB")


class Unit:
    """One unit's registers and what was counted of it."""

    def __init__(self, number: int, registers: int) -> None:
        self.values = [LOW + (number + at) % SPAN for at in range(registers)]
        self.fixed: set[int] = set()
        self.turn = self.registers = 0
        self.clear()

    def clear(self) -> None:
        """Count anew."""
        self.reads = self.first = self.last = self.gap = self.registers = 0

    def count(self, registers: int) -> None:
        """Note a read."""
        now = time.monotonic_ns()
        if self.reads:
            self.gap = max(self.gap, now - self.last)
        else:
            self.first = now
        self.last = now
        self.reads += 1
        self.registers += registers

    def move_on(self, what: str) -> None:
        """Change what a read changes."""
        count = len(self.values)
        moving = {"none": (), "one": (self.turn % count,), "all": range(count)}[what]
        for at in moving:
            if at not in self.fixed:
                self.values[at] = LOW + (self.values[at] - LOW + 1) % SPAN
        self.turn += 1


class Server:
    """All units behind one port, and the person at the standard input."""

    def __init__(self, units: int, registers: int) -> None:
        self.units = [Unit(number, registers) for number in range(units + 1)]
        self.mode, self.dead, self.connections = "all", 0, 0
        self.since = time.monotonic_ns()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        self.connections += 1
        try:
            while True:
                head = await reader.readexactly(6)
                body = await reader.readexactly(int.from_bytes(head[4:], "big"))
                reply = self.answer(int.from_bytes(head[:2], "big"), body)
                if reply:
                    writer.write(reply)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.connections -= 1
            writer.close()

    def answer(self, number: int, body: bytes) -> bytes:
        """Return the reply to one request, nothing for the dead unit's."""
        unit, function = body[0], body[1]
        address, wanted = struct.unpack(">HH", body[2:6]) if len(body) == 6 else (0, 0)
        if self.dead and unit == self.dead:
            return b""
        code = 0
        if not 1 <= unit < len(self.units):
            code = 0x0B
        elif function != 3:
            code = 1
        elif not 1 <= wanted <= 125:
            code = 3
        elif address + wanted > len(self.units[unit].values):
            code = 2
        if code:
            return _HEAD.pack(number, 0, 3, unit, function | 0x80) + bytes((code,))
        one = self.units[unit]
        words = struct.pack(f">{wanted}H", *one.values[address : address + wanted])
        one.count(wanted)
        one.move_on(self.mode)
        return _HEAD.pack(number, 0, 3 + len(words), unit, 3) + bytes((len(words),)) + words

    def obey(self, line: str) -> dict[str, object]:
        """Do what one line says and return the answer to it."""
        word, *more = line.split()
        if word == "mode":
            self.mode = more[0]
        elif word == "dead":
            self.dead = int(more[0])
        elif word == "set":
            unit, register, value = map(int, more)
            self.units[unit].values[register] = value
            self.units[unit].fixed.add(register)
            return {"ns": time.monotonic_ns()}
        elif word == "clear":
            self.since = time.monotonic_ns()
            for each in self.units:
                each.clear()
        elif word == "report":
            return self._report()
        else:
            return {"error": "unknown"}
        return {}

    def _report(self) -> dict[str, object]:
        units = self.units[1:]
        return {
            "now_ns": time.monotonic_ns(),
            "since_ns": self.since,
            "connections": self.connections,
            "units": [[unit.reads, unit.first, unit.last, unit.gap] for unit in units],
            "registers": sum(unit.registers for unit in units),
        }


async def main(port: int, units: int, registers: int) -> None:
    """Serve until the standard input ends."""
    server = Server(units, registers)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", port, backlog=256)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("ready", flush=True)
    while line := await lines.readline():
        print(json.dumps(server.obey(line.decode())), flush=True)
    listener.close()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
