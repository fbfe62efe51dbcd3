"""The report `video`: gathered from whoever has something to say, written every few seconds.

Owns    STORE/reports/video.json (gateway.reports).
Needs   gateway.reports; a thread of its own, so that a disk that hangs holds up nobody here: the
        report grows old then, which is what the alarm process goes by.
Keeps   1. It is written every EVERY_S, and within moments of changed().
        2. told() says whether what was known at its call has been written: who deletes video asks.
Bound   GATHER_S between two reports, however often something changes.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.reports import Finding, Report, ReportError, Value, write_report
from gateway.store.video.workers import Workers

NAME: Final = "video"
EVERY_S: Final = 5.0
GATHER_S: Final = 0.3

log = structlog.get_logger()
Source = Callable[[], Iterable[Finding]]
Cameras = Mapping[str, Mapping[str, Value]]
Volumes = tuple[Mapping[str, Value], ...]


class Reporter:
    """Add sources, then run() it; close() ends its thread.

    sources   each is asked for what is wrong now, worst first; in the event loop, so they are quick
    progress  counts reports that were built, for a watchdog
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.sources: list[Source] = []
        self.cameras: Callable[[], Cameras] = dict
        self.volumes: Callable[[], Volumes] = tuple
        self.progress = 0
        self._folder = folder
        self._clock = clock
        self._wake = asyncio.Event()
        self._workers = Workers("video-report")
        self._written = 0
        self._failed = False
        self._keys: set[str] = set()

    def changed(self) -> None:
        """Something is worth telling at once."""
        self._wake.set()

    def told(self, number: int) -> bool:
        """Whether report `number` (progress + 1 at the moment of the finding) was written."""
        return self._written >= number

    async def run(self) -> None:
        """Write for ever; a report that cannot be written is logged once and tried again."""
        while True:
            self._wake.clear()
            await self.write()
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue
            await self._clock.sleep(GATHER_S)

    async def write(self) -> None:
        """Write one report now."""
        findings = [finding for source in self.sources for finding in source()]
        self._log(findings)
        self.progress += 1
        number = self.progress
        report = Report(
            self._clock.utc_ns(),
            tuple(findings),
            self.cameras(),
            self._clock.mono_ns(),
            volumes=self.volumes(),
        )
        try:
            await self._workers.run(write_report, self._folder, NAME, report)
        except ReportError as error:
            if not self._failed:
                log.error("the report of the video process cannot be written", why=str(error))
            self._failed = True
        else:
            self._failed = False
            self._written = max(self._written, number)

    def _log(self, findings: Iterable[Finding]) -> None:
        """A finding is a line when it begins and when it ends; a fault is the alarm process's."""
        now = {finding.key: finding for finding in findings}
        for key in now.keys() - self._keys:
            log.error("finding", key=key, text=now[key].text, **_figures(now[key]))
        for key in self._keys - now.keys():
            log.info("no longer so", key=key)
        self._keys = set(now)

    def close(self) -> None:
        """End the thread."""
        self._workers.stop()


def _figures(finding: Finding) -> dict[str, Value]:
    return {f"of_{name}": value for name, value in finding.attributes.items()}
