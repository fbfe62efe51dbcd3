"""What the gateway says of itself: to systemd, to its receivers, to whoever scrapes its numbers.

Owns    the list of loops that must make progress, the heartbeats, the gauges of the alarm path.
Needs   the workers, the intake and the store, which it only reads.
Keeps   1. systemd hears of us only while every loop has made progress within PROGRESS_S
           (reliability-facts 10).
        2. A receiver gets a heartbeat from the start on; while it fails that is the probe, so none
           is queued.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from gateway.clock import Clock
from gateway.delivery import Worker
from gateway.events import Kind
from gateway.intake import Intake
from gateway.metrics import Metrics
from gateway.store import Store
from gateway.supervise import notify

PROGRESS_S: Final = 20
WATCHDOG_S: Final = 5.0
STATES: Final = {"offline": 0.0, "online": 1.0, "unknown": -1.0}


class Vitals:
    """See the module.

    loops  name → whether it has made progress lately
    """

    def __init__(
        self, intake: Intake, store: Store, workers: Sequence[Worker], clock: Clock
    ) -> None:
        self._intake = intake
        self._store = store
        self._workers = workers
        self._clock = clock
        self.loops: dict[str, Callable[[], bool]] = {}
        self.watch("intake", lambda: intake.progress)
        for worker in workers:
            self.watch(f"delivery.{worker.name}", _progress_of(worker))

    def watch(self, name: str, progress: Callable[[], int]) -> None:
        """Have a loop watched by the number it counts up."""
        self.loops[name] = _Progress(self._clock, progress)

    async def watchdog(self) -> None:
        """Tell systemd that we live (keep 1)."""
        while True:
            if all(alive() for alive in self.loops.values()):
                notify("WATCHDOG=1")
            await self._clock.sleep(WATCHDOG_S)

    async def heartbeats(self, gateway_id: str, interval_s: float) -> None:
        """To every receiver: how much waits, how old, which clock."""
        journal = self._intake.journal
        subject = self._intake.judge.subject(gateway_id, "heartbeat")
        while True:
            now = self._clock.utc_ns()
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    fields = {
                        "queue_depth": worker.depth(),
                        "oldest_age_s": round(worker.oldest_age_s(), 1),
                        "last_seq": journal.seq,
                        "open_alarms": len(self._intake.judge.book),
                        "clock": self._clock.quality,
                        "disk_free_bytes": self._store.reserve.free_bytes,
                        "interval_s": interval_s,
                    }
                    body, record_id = journal.heartbeat(subject, now, self._clock.quality, fields)
                    group.create_task(worker.heartbeat(body, record_id))
                group.create_task(self._clock.sleep(interval_s))

    def gauges(self, metrics: Metrics) -> None:
        """Have the state of the alarm path shown when somebody scrapes it."""
        workers, judge, clock = self._workers, self._intake.judge, self._clock
        metrics.gauge(
            "campus_outbox_depth",
            "records a receiver has not acknowledged",
            "receiver",
            lambda: [(worker.name, worker.depth()) for worker in workers],
            discreet=lambda: [(each.name, each.depth(discreet=True)) for each in workers],
        )
        metrics.gauge(
            "campus_outbox_oldest_seconds",
            "age of the oldest of them",
            "receiver",
            lambda: [(worker.name, worker.oldest_age_s()) for worker in workers],
            discreet=lambda: [(each.name, each.oldest_age_s(discreet=True)) for each in workers],
        )
        metrics.gauge(
            "campus_receiver_up",
            "1 while the receiver answers",
            "receiver",
            lambda: [(worker.name, float(worker.state == "ok")) for worker in workers],
            discreet=lambda: [(each.name, float(each.discreet_state == "ok")) for each in workers],
        )
        watches = judge.supervision.watches
        metrics.gauge(
            "campus_device_state",
            "1 online, 0 offline, -1 unknown",
            "device",
            lambda: [(name, STATES[watch.state]) for name, watch in list(watches.items())],
        )
        reserve, journal = self._store.reserve, self._intake.journal

        def single(name: str, text: str, read: Callable[[], float]) -> None:
            metrics.gauge(name, text, "", lambda: [("", float(read()))])

        single("campus_disk_free_bytes", "free space", lambda: reserve.free_bytes)
        single("campus_disk_reserve_bytes", "set aside", lambda: reserve.held_bytes)
        single("campus_clock_trusted", "1 trusted", lambda: clock.quality == "trusted")
        metrics.gauge(
            "campus_open_alarms",
            "alarms and faults",
            "",
            lambda: [("", len(judge.book))],
            discreet=lambda: [
                ("", sum(alarm.kind != Kind.DURESS for alarm in judge.book.all_open()))
            ],
        )
        single("campus_journal_seq", "newest record", lambda: journal.seq)


class _Progress:
    """True while a counter has moved within the last PROGRESS_S."""

    def __init__(self, clock: Clock, read: Callable[[], int]) -> None:
        self._clock = clock
        self._read = read
        self._last = -1
        self._at = clock.mono_ns()

    def __call__(self) -> bool:
        now, value = self._clock.mono_ns(), self._read()
        if value != self._last:
            self._last, self._at = value, now
        return now - self._at < PROGRESS_S * 1_000_000_000


def _progress_of(worker: Worker) -> Callable[[], int]:
    return lambda: worker.progress
