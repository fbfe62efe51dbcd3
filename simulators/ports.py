"""Ports that stay ours while whoever listens on them is away.

Owns    a block of PER_BLOCK ports for the life of the process, marked by a lock that ends with it.
Keeps   1. No other process that asks here is given a port of the block: brokers that are killed,
           receivers that are down and servers that are still starting find their port free.
        2. Ports are below those the kernel gives to outgoing connections, one of which would
           otherwise take the port of a broker that is just being started again, and a client that
           knocks on such a port again and again can, on loopback, be connected to itself.
        3. Bounds: (LAST - FIRST) / PER_BLOCK processes at once; a port comes round again after
           PER_BLOCK others at the latest.
"""

import fcntl
import os
import socket
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

FIRST: Final = 12_000
LAST: Final = 32_000
PER_BLOCK: Final = 250
_KERNELS: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


class NoPortFree(Exception):
    """Every block, or every port of ours, is in use: end what was left running."""


def free_port(in_a_row: int = 1) -> int:
    """Return a port of 127.0.0.1 nobody uses, the first of so many in a row."""
    block = _block_of(os.getpid())  # a forked child shares our lock: it needs a block of its own
    for _ in range(PER_BLOCK):
        first = block.next
        if first + in_a_row > block.end:
            first = block.start
        block.next = first + in_a_row
        if all(map(_is_free, range(first, first + in_a_row))):
            return first
    raise NoPortFree(f"no {in_a_row} ports are free from {block.start} to {block.end}")


class _Block:
    """The ports from start to end, and the lock's descriptor, which is closed by nobody."""

    def __init__(self, start: int, lock: int) -> None:
        self.start = self.next = start
        self.end = start + PER_BLOCK
        self.lock = lock


@cache
def _block_of(process: int) -> _Block:
    folder = Path(tempfile.gettempdir()) / f"campus-simulators-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    last = LAST
    with suppress(OSError, ValueError):  # another system than Linux: nobody knows, LAST is a guess
        last = min(LAST, int(_KERNELS.read_text("ascii").split()[0]))
    blocks = max(1, (last - FIRST) // PER_BLOCK)
    for number in range(blocks):
        # Begin somewhere else each time: a port just left is often still busy with goodbyes.
        start = FIRST + (process + number) % blocks * PER_BLOCK
        lock = os.open(folder / f"ports-{start}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return _Block(start, lock)
    raise NoPortFree(f"{blocks} processes already hold a block of ports each")


def _is_free(port: int) -> bool:
    """Without SO_REUSEADDR: with it, a port that is bound and not listened on would seem free."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
