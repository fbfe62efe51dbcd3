"""The report of the video process: soon after a change, bounded, and honest about what was told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.recorder.reporter import Reporter
from gateway.reports import Finding, read_report
from gateway.words import Said
from tests.clocks import FakeClock

PATIENCE = 4000


async def until(enough: Callable[[], bool]) -> None:
    for _ in range(PATIENCE):
        if enough():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


@asynccontextmanager
async def reporting(reporter: Reporter) -> AsyncIterator[None]:
    task = asyncio.create_task(reporter.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        reporter.close()


async def test_a_change_is_reported_at_once_and_many_changes_in_few_reports(
    tmp_path: Path,
) -> None:
    clock, found = FakeClock(), []
    reporter = Reporter(tmp_path, clock)
    reporter.sources.append(lambda: found)
    async with reporting(reporter):
        await until(lambda: reporter.told(1))
        found.append(Finding("video.gate", Said("没有录像", "not recorded")))
        for _ in range(100):
            reporter.changed()
        await until(lambda: bool(clock.slept))
        clock.advance(1)
        await until(lambda: reporter.told(2))
        assert reporter.progress == 2
        report = read_report(tmp_path, "video")
        assert report is not None
        assert [finding.key for finding in report.findings] == ["video.gate"]


async def test_it_is_written_again_without_any_change(tmp_path: Path) -> None:
    clock = FakeClock()
    reporter = Reporter(tmp_path, clock)
    async with reporting(reporter):
        await until(lambda: reporter.told(2))


async def test_what_could_not_be_written_was_not_told(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file where the folder belongs")
    reporter = Reporter(tmp_path, FakeClock())
    try:
        await reporter.write()
        assert reporter.progress == 1
        assert not reporter.told(1)
        (tmp_path / "reports").unlink()
        await reporter.write()
        assert reporter.told(2)
        assert not reporter.told(3)
    finally:
        reporter.close()
