"""Evidence over HTTP, put together: the stores, the key, the audit trail.

Needs   gateway.evidence, the alarm store for reading, the intake for the audit trail.
Keeps   A package is made from what is on the disk, beside the gateway: nothing of it is in memory.
"""

import threading
from collections.abc import Sequence

from gateway.audit import Entry
from gateway.clock import Clock
from gateway.config import Config
from gateway.console.evidence import MOST_BYTES, SEAL_WAIT_S
from gateway.evidence import Builder, Limits, SigningKey, Wanted, open_key
from gateway.intake import Intake
from gateway.store import Store


class HouseExports:
    """Implements gateway.console.evidence.Exports."""

    def __init__(self, config: Config, store: Store, intake: Intake, clock: Clock) -> None:
        self._config = config
        self._store = store
        self._intake = intake
        self._clock = clock
        self.folder = config.store.path / "exports"
        # Alarms must find room whatever is exported: their reserve, and as much again.
        spare = 2 * config.store.reserve_mib * 1024 * 1024
        self.limits = Limits(bytes_most=MOST_BYTES, seal_wait_s=SEAL_WAIT_S, spare_bytes=spare)

    def builder(self, wanted: Wanted, stop: threading.Event) -> Builder:
        """See Exports."""
        return Builder(
            config=self._config,
            wanted=wanted,
            key=self.key(),
            clock=self._clock,
            limits=self.limits,
            stop=stop,
        )

    def key(self) -> SigningKey:
        """See Exports."""
        return open_key(self._config.store.path)

    async def audit(self, entry: Entry) -> int:
        """See Exports."""
        return await self._intake.audit(entry)

    async def listed(self, limit: int) -> Sequence[bytes]:
        """See Exports."""
        rows = await self._store.read(
            "SELECT body FROM audit WHERE action = 'evidence.export' ORDER BY seq DESC LIMIT ?",
            limit,
        )
        return [bytes(body) for (body,) in rows]
