"""Keeps a part running: the supervisor's edge, the one place that catches everything.

notify() tells systemd, which keeps the whole running; told_to_stop() hears when it ends it.

Keeps   A part that ends or fails is run again after a pause that doubles up to PAUSE_MOST_S, and
        what happened is logged with the part's name and what is done next.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.errors import ConfigError, StoreError

PAUSE_FIRST_S: Final = 0.2
PAUSE_MOST_S: Final = 30.0
STABLE_S: Final = 60.0

log = structlog.get_logger()


async def keep_running(
    name: str,
    part: Callable[[], Awaitable[None]],
    clock: Clock,
    failed: Callable[[str], None] = lambda _why: None,
) -> None:
    """Run part for ever. Cancellation, ConfigError and StoreError pass; they end the gateway.

    failed  told each time, with a sentence, before the pause
    """
    pause = PAUSE_FIRST_S
    while True:
        began = clock.mono_ns()
        try:
            await part()
        except (ConfigError, StoreError):
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[:300]
            log.exception("part failed; run again", part=name, again_in_s=round(pause, 1))
        else:
            why = "it ended by itself"
            log.error("part ended; run again", part=name, again_in_s=round(pause, 1))
        failed(why)
        if (clock.mono_ns() - began) / 1e9 > STABLE_S:
            pause = PAUSE_FIRST_S
        await clock.sleep(pause)
        pause = min(pause * 2, PAUSE_MOST_S)


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); does nothing when it did not start us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address[0] == "@":
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), address)


@contextlib.contextmanager
def told_to_stop() -> Iterator[asyncio.Event]:
    """Give the event that SIGTERM and SIGINT set, instead of ending the process, while inside."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    names = (signal.SIGTERM, signal.SIGINT)
    for name in names:
        loop.add_signal_handler(name, stop.set)
    try:
        yield stop
    finally:
        for name in names:
            loop.remove_signal_handler(name)
