"""Custody: what commands did beside the running gateway comes into its audit trail.

Needs   store/handed_in.py for what they left, the intake, the store.
Keeps   1. An entry is in the trail before its file goes, and once: only a kill between the two
           could repeat it, so the trail is asked first.
        2. It waits with everything else for a full disk, and keeps nobody waiting: this is a loop
           of its own, which no watchdog looks at.
"""

import asyncio
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.intake import Intake
from gateway.store import Store, handed_in

LOOK_S: Final = 2.0

log = structlog.get_logger()


class Custody:
    """Run it beside the intake; raises StoreError, OSError: its supervisor begins it again."""

    def __init__(self, store: Store, intake: Intake, clock: Clock) -> None:
        self._store = store
        self._intake = intake
        self._clock = clock

    async def run(self) -> None:
        """Look every LOOK_S."""
        while True:
            await self.look()
            await self._clock.sleep(LOOK_S)

    async def look(self) -> None:
        """Take what waits, at most handed_in.TAKEN_MOST entries."""
        for handed in await asyncio.to_thread(handed_in.waiting, self._store.folder):
            known = await self._store.read(
                "SELECT 1 FROM audit WHERE origin = ? LIMIT 1", handed.origin
            )
            if not known:
                seq = await self._intake.audit(handed.entry, origin=handed.origin)
                log.info("done at this machine", action=handed.entry.action, audit=seq)
            await asyncio.to_thread(handed_in.forget, handed)
