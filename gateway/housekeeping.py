"""What must be looked after while the gateway runs: disk, clock, retention, head, old stores.

Keeps   1. Every look is short: a step of work between two commits, then it lets go.
        2. Retention runs only while the clock is trusted (store/retention.py).
"""

from typing import Final

import structlog

from gateway.clock import SystemClock
from gateway.errors import StoreError
from gateway.intake import Intake
from gateway.store import Store, recover, retention
from gateway.store.store import checkpoint
from gateway.words import Said

LOOK_S: Final = 2.0
RETENTION_S: Final = 600.0
CHECKPOINT_S: Final = 60.0
HEAD_S: Final = 10.0
LOW_FACTOR: Final = 2
"""Below this many reserves of free space telemetry stops and a person is told."""

log = structlog.get_logger()


class Housekeeping:
    """Run it beside the intake; it raises nothing but StoreDamaged."""

    def __init__(
        self, store: Store, intake: Intake, clock: SystemClock, *, retention_days: int
    ) -> None:
        self._store = store
        self._intake = intake
        self._clock = clock
        self._days = retention_days
        self._quality = "trusted"
        self.progress = 0

    async def run(self) -> None:
        """Look every LOOK_S, and at longer times do the longer things."""
        retention_at = checkpoint_at = head_at = 0
        cursor: recover.Cursor | None = None
        while True:
            self.progress += 1
            now = self._clock.mono_ns()
            self._disk()
            self._time()
            try:
                cursor = await self._salvage(cursor)
                if now >= retention_at:
                    again = await self._retain()
                    retention_at = now + int((1.0 if again else RETENTION_S) * 1e9)
                if now >= checkpoint_at:
                    await self._store.maintain(checkpoint)
                    checkpoint_at = now + int(CHECKPOINT_S * 1e9)
            except StoreError as error:
                log.warning("housekeeping put off", why=str(error), again_in_s=LOOK_S)
            if now >= head_at:
                self._store.write_head(self._intake.journal.seq, self._clock.utc_ns())
                head_at = now + int(HEAD_S * 1e9)
            await self._clock.sleep(LOOK_S if cursor is None else 0.05)

    def _disk(self) -> None:
        reserve = self._store.reserve
        low = reserve.free_bytes < LOW_FACTOR * reserve.size_bytes - reserve.held_bytes
        whole = reserve.fill()
        trouble = low or not whole
        if not trouble and self._intake.disk_full:
            log.info("disk has room again: reserve filled, telemetry resumes")
            self._intake.disk_full = False
        self._intake.judge.keep_readings = not trouble
        if trouble:
            self._intake.fault(
                "disk",
                Said(
                    "磁盘空间不足，遥测已停，警情仍在存储",
                    "disk nearly full: telemetry stopped, alarms are still stored",
                ),
                active=True,
                attributes={"free_bytes": reserve.free_bytes, "reserve_bytes": reserve.held_bytes},
            )
        else:
            self._intake.fault("disk", None, active=False, attributes={})

    def _time(self) -> None:
        self._clock.utc_ns()
        quality = self._clock.quality
        if quality == self._quality:
            return
        self._quality = quality
        if quality == "trusted":
            self._intake.fault("clock", None, active=False, attributes={})
            return
        step_s = self._clock.step_ns / 1e9
        log.error("the machine's clock jumped; ours goes on", quality=quality, step_s=step_s)
        self._intake.fault(
            "clock",
            Said(
                "系统时钟跳变或未对时，网关按自己的时钟继续",
                "the clock jumped or was never set: the gateway goes on by its own",
            ),
            active=True,
            attributes={"quality": quality, "step_seconds": round(step_s)},
        )

    async def _retain(self) -> bool:
        """One step of retention; True when there is more to do."""
        if self._clock.quality != "trusted":
            return False
        now_ns = self._clock.utc_ns()
        removed = await self._store.maintain(retention.expire, now_ns, self._days)
        if removed:
            log.info("retention removed rows", rows=removed, older_than_days=self._days)
        return removed >= retention.ROWS_PER_STEP

    async def _salvage(self, cursor: recover.Cursor | None) -> recover.Cursor | None:
        aside = recover.newest_aside(self._store.folder)
        if aside is None:
            return None
        cursor = await self._store.maintain(recover.salvage_step, aside, cursor)
        if cursor is None:
            log.info(
                "the damaged store was brought over as far as it can be read", store=aside.name
            )
            self._intake.fault("store", None, active=False, attributes={})
        return cursor
