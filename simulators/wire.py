"""A wire: a TCP proxy that can be bad in every way a wire can, on command or by seed.

Owns    one listening port and the connections through it.
Needs   nothing but the address of the far end.
Keeps   1. While it is whole, every byte goes through in order, and a close at one end is a close at
           the other.
        2. What it does wrong is what it was told, or follows from its seed.
        3. Bounds: 64 KiB is read at once; what a half-open wire swallows is counted, not kept.
"""

import argparse
import asyncio
import random
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from simulators.ports import free_port

CHUNK_BYTES: Final = 64 * 1024


@dataclass(slots=True, kw_only=True)
class Trouble:
    """How bad the wire is now; may be changed while bytes flow, each field by itself.

    delay_s         added to every chunk, each way
    jitter_s        at most that much more, by seed
    bytes_per_s     throttle, each way of each connection; None is as fast as it goes
    garble_rate     chance, by seed, that a byte of a chunk is flipped: 0 to 1 per chunk
    swallow_up      half-open: nothing goes on towards the far end, and nobody is told
    swallow_down    half-open in the other direction
    cut_after_bytes close a connection after that many bytes went up; None never
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float | None = None
    garble_rate: float = 0.0
    swallow_up: bool = False
    swallow_down: bool = False
    cut_after_bytes: int | None = None


class Wire:
    """Listen on `port` (0: any), and carry every connection to host:target_port."""

    def __init__(
        self, target_port: int, *, host: str = "127.0.0.1", port: int = 0, seed: int = 0
    ) -> None:
        self.port = port or free_port()
        self.trouble = Trouble()
        self.connection_count = 0
        self.carried_bytes = 0
        self.swallowed_bytes = 0
        self.garbled_bytes = 0
        self._target = (host, target_port)
        self._dice = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._pairs: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self._over = asyncio.Event()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        await self.up()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything."""
        await self.down()

    async def up(self) -> None:
        """Listen, on the port it had before if it had one."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._carry, "127.0.0.1", self.port, reuse_address=True
            )

    async def down(self) -> None:
        """Refuse new connections and close the ones there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.cut()

    async def cut(self) -> None:
        """Close every connection now, politely (FIN); new ones are carried."""
        for writers in list(self._pairs.values()):
            for writer in writers:
                writer.close()
        self._end_of_these()
        await self._settle()

    async def reset(self) -> None:
        """Break every connection now with RST, as a rebooting switch or firewall does."""
        for writers in list(self._pairs.values()):
            for writer in writers:
                abort_with_reset(writer.transport)
        self._end_of_these()
        await self._settle()

    def half_open(self) -> None:
        """Stop carrying in both directions without a word; connections stay open."""
        self.trouble.swallow_up = self.trouble.swallow_down = True

    def heal(self) -> None:
        """Be a good wire again. What was swallowed stays lost, so old connections are broken."""
        broken = self.trouble.swallow_up or self.trouble.swallow_down
        self.trouble = Trouble()
        self._end_of_these()
        if broken:
            for writers in list(self._pairs.values()):
                for writer in writers:
                    abort_with_reset(writer.transport)

    @property
    def open_count(self) -> int:
        """Connections being carried."""
        return len(self._pairs)

    async def until(self, enough: Callable[["Wire"], bool], timeout_s: float = 20.0) -> None:
        """Return when `enough` says so; looked at after each chunk and connection."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: enough(self))

    def _end_of_these(self) -> None:
        """Wake the pumps that keep a goodbye to themselves: their connection is broken now."""
        self._over.set()
        self._over = asyncio.Event()

    async def _settle(self) -> None:
        if self._pairs:
            await asyncio.wait(list(self._pairs), timeout=5.0)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # pragma: no cover  start_server always runs it in one
            return
        self._pairs[task] = [writer]
        self.connection_count += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            self._pairs[task].append(far_writer)
            await self._tell()
            up = asyncio.ensure_future(self._pump(reader, far_writer, upward=True))
            down = asyncio.ensure_future(self._pump(far_reader, writer, upward=False))
            try:
                first, _ = await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
                if all(one.result() for one in first):
                    await asyncio.wait({up, down})  # one end is done, the other may still speak
            finally:
                await _end(up, down)
        except OSError:
            abort_with_reset(writer.transport)  # the far end refuses: so do we
        except asyncio.CancelledError:
            if self._server is not None and task.cancelling() == 0:
                raise
        finally:
            writers = self._pairs.pop(task)
            for one in writers:
                one.close()
            for one in writers:
                with suppress(OSError):
                    await one.wait_closed()
            await self._tell()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upward: bool
    ) -> bool:
        """Carry one direction; True when its end said goodbye, False when the wire broke."""
        gone_bytes = 0
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                await self._hold_up(len(chunk))
                trouble = self.trouble
                if trouble.swallow_up if upward else trouble.swallow_down:
                    self.swallowed_bytes += len(chunk)
                    await self._tell()
                    continue
                limit = trouble.cut_after_bytes if upward else None
                if limit is not None and gone_bytes + len(chunk) >= limit:
                    writer.write(chunk[: max(0, limit - gone_bytes)])
                    await writer.drain()
                    return False
                writer.write(self._garble(chunk))
                await writer.drain()
                gone_bytes += len(chunk)
                self.carried_bytes += len(chunk)
                await self._tell()
            if self.trouble.swallow_up if upward else self.trouble.swallow_down:
                await self._over.wait()  # a goodbye is swallowed like everything else
                return False
            if writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()
                return True
        return False

    async def _hold_up(self, size_bytes: int) -> None:
        trouble = self.trouble
        wait_s = trouble.delay_s
        if trouble.jitter_s:
            wait_s += self._dice.uniform(0, trouble.jitter_s)
        if trouble.bytes_per_s:
            wait_s += size_bytes / trouble.bytes_per_s
        if wait_s:
            await asyncio.sleep(wait_s)

    def _garble(self, chunk: bytes) -> bytes:
        if not self.trouble.garble_rate or self._dice.random() >= self.trouble.garble_rate:
            return chunk
        spoiled = bytearray(chunk)
        spoiled[self._dice.randrange(len(spoiled))] ^= 1 << self._dice.randrange(8)
        self.garbled_bytes += 1
        return bytes(spoiled)


def abort_with_reset(transport: asyncio.WriteTransport) -> None:
    """Close at once and send RST instead of FIN (socket(7), SO_LINGER with time 0)."""
    plain = transport.get_extra_info("socket")
    if plain is not None:
        with suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _end(*tasks: asyncio.Future[bool]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(options: argparse.Namespace) -> None:
    """Alternate between good and bad stretches until the time is over."""
    dice = random.Random(options.seed)
    async with Wire(options.to, port=options.port, seed=options.seed) as wire:
        print(f"127.0.0.1:{wire.port} -> 127.0.0.1:{options.to}, seed {options.seed}", flush=True)
        end_s = time.monotonic() + options.for_s
        while (left_s := end_s - time.monotonic()) > 0:
            wire.trouble = Trouble(
                delay_s=options.delay_s,
                bytes_per_s=options.bytes_per_s,
                garble_rate=options.garble_rate,
            )
            await asyncio.sleep(min(left_s, dice.uniform(0.5, 1.5) * options.break_every_s))
            what = dice.choice(["cut", "reset", "half-open"])
            print(what, flush=True)
            if what == "cut":
                await wire.cut()
            elif what == "reset":
                await wire.reset()
            else:
                wire.half_open()
                await asyncio.sleep(min(2.0, options.break_every_s))
                wire.heal()


def main() -> None:
    """Run a wire for a while: python -m simulators.wire --port 1884 --to 1883 --break-every-s 5."""
    parser = argparse.ArgumentParser(prog="simulators.wire", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="监听端口 / where to listen")
    parser.add_argument("--to", type=int, required=True, help="目标端口 / port of the far end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--bytes-per-s", type=float)
    parser.add_argument("--garble-rate", type=float, default=0.0)
    parser.add_argument("--break-every-s", type=float, default=3600.0)
    parser.add_argument("--for-s", type=float, default=3600.0, help="运行秒数 / seconds to run")
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
