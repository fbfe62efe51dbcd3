"""The house of one life: every part, how they are wired, in which order they start and stop.

Keeps   1. Order of start: store, intake, receivers, console, then the links: what arrives has
           somewhere to go before it is asked for.
        2. Order of stop: links first, then what waits in the intake is committed, then the rest.
"""

import asyncio
import contextlib
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from gateway.clock import SystemClock
from gateway.commanding import Commanding
from gateway.commands import Commands
from gateway.config import Config
from gateway.custody import Custody
from gateway.delivery import Worker
from gateway.desk import FrontDesk
from gateway.driver import Driver
from gateway.events import Device
from gateway.handling import Handling
from gateway.housekeeping import Housekeeping
from gateway.installing import Installing
from gateway.intake import Intake
from gateway.judge import Recorded
from gateway.linkage import Linkage
from gateway.metrics import Metrics
from gateway.reception import Reception
from gateway.recordings import Recordings
from gateway.reload import Reload, tell_video
from gateway.rules.routing import Router
from gateway.sources import Sources
from gateway.store import Journal, Store
from gateway.store.video import VideoReader
from gateway.supervise import keep_running, notify
from gateway.uplink import Receipt, UplinkSettings, find_uplink
from gateway.vitals import Vitals
from gateway.words import Said

ANEW_S: Final = 0.5
LINKS_S: Final = 15.0
STOP_S: Final = 10.0

log = structlog.get_logger()


@dataclass(slots=True)
class Running:
    """What a watcher (demo, tests) may look at."""

    intake: Intake
    desk: FrontDesk
    workers: list[Worker]
    clock: SystemClock
    port: int = 0


Watcher = Callable[[Running], None]


class House:
    """The parts of one life and how they are wired."""

    def __init__(self, config: Config, store: Store, start: Any, clock: SystemClock) -> None:  # noqa: ANN401
        self.config = config
        self.store = store
        self.start = start
        self.clock = clock
        self.metrics = Metrics()
        self.later: list[tuple[str, str, Receipt]] = []
        self.later_wake = asyncio.Event()
        site = config.site
        self.journal = Journal(
            source=f"/campus/{site.id}/{site.gateway}",
            site={"id": site.id, "name": site.name},
            seq=start.seq,
            head=start.head,
        )
        self.gateway = Device(
            id=site.gateway,
            name="校园安防网关",
            place=site.name,
            profile_id="",
            family="gateway",
            link="gateway",
            address={},
            points={},
        )
        numbers = {entry.name: start.receivers[entry.name] for entry in config.uplinks}
        router = Router(numbers, [(route.uplink, route.kinds) for route in config.routes])
        self.intake = Intake(
            store=store,
            start=start,
            journal=self.journal,
            router=router,
            devices=config.devices,
            gateway=self.gateway,
            escalation=config.escalation,
            clock=clock,
            metrics=self.metrics,
            recorded=_recorded(config),
        )
        self.workers = [self._worker(entry, numbers[entry.name]) for entry in config.uplinks]
        self.recordings = Recordings(
            config.cameras if config.volumes else (),
            VideoReader(config.store.path),
            self.intake,
            clock,
            config.store.path,
        )
        self.keeper = Housekeeping(
            store, self.intake, clock, retention_days=config.store.retention_days
        )
        self.vitals = Vitals(self.intake, store, self.workers, clock)
        self.vitals.watch("housekeeping", lambda: self.keeper.progress)
        drivers: dict[str, Driver] = {}
        commanding = Commanding(config.devices, config.shelf, drivers, self.intake.judge)
        self.linkage = Linkage(
            config.interlocks, commanding, self.intake, store, clock, self.gateway.id
        )
        self.vitals.watch("linkage", lambda: self.linkage.progress)
        self.handling = Handling(
            self.intake,
            config.plans,
            [entry.name for entry in config.uplinks],
            is_required=config.console.steps_required,
        )
        self.desk = FrontDesk(
            store=store,
            intake=self.intake,
            workers=self.workers,
            kinds={entry.name: entry.kind for entry in config.uplinks},
            devices=config.devices,
            clock=clock,
            loops=self.vitals.loops,
            orders=Commands(commanding, self.linkage, self.intake, clock, self.gateway.id),
            owed=self.handling.owed,
        )
        for link in config.links:
            self.desk.reasons[f"link.{link.name}"] = f"链路 {link.name} 连接中 link connecting"
        self.sources = Sources(
            config, self.intake, clock, drivers, keep=self._keep, reasons=self.desk.reasons
        )
        self.again = asyncio.Event()
        self.reload = Reload(
            config,
            self.intake,
            self.sources,
            commanding,
            self.desk,
            anew=self._begin_anew,
            beside=self._beside,
            video=lambda: tell_video(config.store.path, clock),
        )
        self.installing = Installing(self.reload, drivers, self.intake, clock)
        self.reception = Reception(
            config,
            store=store,
            intake=self.intake,
            desk=self.desk,
            handling=self.handling,
            installing=self.installing,
            commanding=commanding,
            recordings=self.recordings,
            metrics=self.metrics,
            clock=clock,
        )
        self.sources.count(self.metrics)
        self.vitals.gauges(self.metrics)
        self.recordings.gauges(self.metrics)

    def _worker(self, entry: Any, number: int) -> Worker:  # noqa: ANN401
        module = find_uplink(entry.kind)
        site = self.config.site
        settings = UplinkSettings(
            name=entry.name,
            site_id=site.id,
            site_name=site.name,
            gateway=site.gateway,
            folder=self.config.folder,
            options=entry.options,
        )

        def later(record_id: str, receipt: Receipt) -> None:
            self.later.append((entry.name, record_id, receipt))
            self.later_wake.set()

        worker = Worker(
            name=entry.name,
            number=number,
            uplink=module.Uplink(settings, self.clock, later),
            store=self.store,
            clock=self.clock,
            metrics=self.metrics,
            receipts=self.intake.receipts,
            written=lambda: self.intake.command(lambda _ledger: None),
            fault=self.intake.fault,
        )
        self.intake.listen(worker.committed)
        return worker

    # One life.

    async def live(self, stop: asyncio.Event, watch: Watcher) -> None:
        """Start in order, wait for stop, stop in order."""
        running = Running(self.intake, self.desk, self.workers, self.clock)
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(self.intake.run())
            await self.intake.command(lambda _ledger: None)
            self._complain()
            others = [
                group.create_task(self._keep(f"delivery.{worker.name}", worker.run))
                for worker in self.workers
            ]
            for name, part in (
                ("linkage", lambda: self.linkage.run(self._part_failed)),
                ("guardroom", self.reception.guardroom.run),
                ("housekeeping", self.keeper.run),
                ("recordings", self.recordings.run),
                ("custody", Custody(self.store, self.intake, self.clock).run),
                (
                    "heartbeat",
                    lambda: self.vitals.heartbeats(self.gateway.id, self.config.heartbeat_seconds),
                ),
                ("receipts", self._take_later),
                ("reload", self.reload.run),
                ("installing", self.installing.run),
                ("watchdog", self.vitals.watchdog),
            ):
                others.append(group.create_task(self._keep(name, part)))
            others.append(group.create_task(self._reception(running)))
            sources = [group.create_task(self.sources.run_all())]
            del self.desk.reasons["starting"]
            await self._links_answered(stop)
            watch(running)
            gc.collect()
            gc.freeze()
            notify("READY=1")
            ends = [group.create_task(event.wait()) for event in (stop, self.again)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            await _end(ends)
            if stop.is_set():
                notify("STOPPING=1")
            log.info("stopping: links first, then what is in line", again=not stop.is_set())
            await _end(sources)
            self.intake.stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await asyncio.shield(writer)
            await _end([*others, writer])
            await self.recordings.close()
            await self.reception.end()

    async def _links_answered(self, stop: asyncio.Event) -> None:
        """Ready means that every link listens or has reported its failure; at most LINKS_S."""
        began = self.clock.mono_ns()
        while self.desk.reasons and not stop.is_set():
            if self.clock.mono_ns() - began > LINKS_S * 1e9:
                self.desk.reasons.clear()
            await self.clock.sleep(0.02)

    async def _keep(self, name: str, part: Callable[[], Any]) -> None:
        await keep_running(name, part, self.clock, lambda why: self._part_failed(name, why))

    def _begin_anew(self, _config: Config) -> None:
        """Begin anew with another configuration, once whoever asked for it has his answer."""
        asyncio.get_running_loop().call_later(ANEW_S, self.again.set)

    def _beside(self, config: Config) -> None:
        self.reception.change(config)

    def _part_failed(self, name: str, why: str) -> None:
        self.metrics.counters["restarts_of_parts"] += 1
        self.intake.fault(
            f"part.{name}",
            Said(
                "网关一个部件出错，已自动重启",
                f"a part of the gateway failed and was restarted: {name}",
            ),
            active=True,
            attributes={"part": name, "why": why},
        )

    def _complain(self) -> None:
        """What was found at opening is a fault a person must see."""
        for complaint in self.start.complaints:
            log.error("store", complaint=complaint)
        if self.start.complaints:
            self.intake.fault(
                "store",
                Said(
                    "事件库曾损坏，已启用新库并恢复可读内容",
                    "the store was damaged; a new one is in use, what can be read comes into it",
                ),
                active=True,
                attributes={
                    f"complaint_{i}": text[:256]
                    for i, text in enumerate(self.start.complaints[:8], start=1)
                },
            )

    # Smaller loops.

    async def _reception(self, running: Running) -> None:
        def started(port: int) -> None:
            running.port = port

        await self.reception.run(self._keep, started)

    async def _take_later(self) -> None:
        """Receipts that come after the delivery: accepted, dispatched, on scene, closed."""
        while True:
            await self.later_wake.wait()
            self.later_wake.clear()
            taken, self.later = self.later, []
            for receiver, record_id, receipt in taken:
                if not await self.desk.receipt(
                    receiver, record_id, receipt.state, receipt.reference
                ):
                    log.warning("receipt for a record it never had", receiver=receiver)


def _recorded(config: Config) -> Recorded:
    cameras = frozenset(camera.id for camera in config.cameras) if config.volumes else frozenset()
    seconds = config.video
    return Recorded(cameras, seconds.hold_before_s * 10**9, seconds.hold_after_s * 10**9)


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
