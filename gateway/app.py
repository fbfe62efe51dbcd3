"""Runs the gateway until it is told to stop: one life after another.

Keeps   1. A store found damaged while running is moved aside and everything is built again.
        2. A configuration that changes what cannot be changed in place begins the next life.
        3. A store that cannot be used at all ends the process: systemd starts it again.
"""

import asyncio
import gc
import sys
from typing import Final

import structlog

from gateway import logs
from gateway.clock import SystemClock
from gateway.config import Config
from gateway.errors import StoreDamaged, StoreError
from gateway.house import House, Running, Watcher
from gateway.store import Store, recover
from gateway.supervise import told_to_stop

SWITCH_INTERVAL_S: Final = 0.0005
"""How long one thread may keep the interpreter from another: the committing thread needs it for
moments, between two waits for the disk, and must not wait Python's usual 5 ms for each."""

log = structlog.get_logger()

__all__ = ["Running", "Watcher", "run"]


async def run(config: Config, watch: Watcher = lambda _running: None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    logs.set_up(config.log.format, config.log.level)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with told_to_stop() as stop:
        while not stop.is_set():
            try:
                config = await _live(config, stop, watch)
            except StoreDamaged as error:
                log.error("store damaged; moved aside, beginning anew", why=str(error))
                recover.mark_suspect(config.store.path, str(error))
            except StoreError as error:
                log.error("the store cannot be used; stopping", why=str(error))
                return 1
    return 0


async def _live(config: Config, stop: asyncio.Event, watch: Watcher) -> Config:
    """One life, from opening the store to closing it; returns the next one's configuration."""
    names = [entry.name for entry in config.uplinks]
    store, start = await Store.open(
        config.store.path, reserve_mib=config.store.reserve_mib, receivers=names
    )
    try:
        clock = SystemClock(start.floor_ns)
        house = House(config, store, start, clock)
        await house.live(stop, watch)
    except BaseExceptionGroup as group:
        await store.abandon()
        damaged, _rest = group.split(StoreDamaged)
        if damaged is not None:
            raise StoreDamaged(str(damaged.exceptions[0])) from group
        failed, rest = group.split(StoreError)
        if failed is not None and rest is None:
            raise StoreError(str(failed.exceptions[0])) from group
        raise
    except BaseException:
        await store.abandon()
        raise
    else:
        await store.close(house.journal.seq, clock.utc_ns())
        gc.unfreeze()  # of this life nothing is needed any more
        return house.reload.config
