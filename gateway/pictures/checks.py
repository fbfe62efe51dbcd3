"""The part of the pictures process that judges pictures, or says why it cannot.

Needs   .watch, which needs OpenCV, which needs libraries of the system: imported when it runs.
Keeps   Without OpenCV stills are served all the same, and a person is told what to install.
"""

import importlib
from typing import Any, Final

import structlog

from gateway.pictures.service import Tools
from gateway.pictures.words import NO_OPENCV
from gateway.reports import Finding, Report, write_report
from gateway.store.video.workers import Workers

REPORT: Final = "pictures"
REPORT_S: Final = 5.0

log = structlog.get_logger()


async def checks(tools: Tools) -> None:
    """Judge the pictures of all cameras, for ever."""
    try:
        watch: Any = importlib.import_module("gateway.pictures.watch")
    except ImportError as error:
        log.error("pictures are not judged: OpenCV cannot be loaded", why=str(error))
        await _cannot(tools, str(error))
    else:
        await watch.Watch(tools).run()


async def _cannot(tools: Tools, why: str) -> None:
    workers = Workers("pictures-report")
    try:
        while True:
            finding = Finding("picture.checks", NO_OPENCV, {"why": why})
            clock = tools.clock
            report = Report(clock.utc_ns(), (finding,), mono_ns=clock.mono_ns())
            await workers.run(write_report, tools.config.store.path, REPORT, report)
            await clock.sleep(REPORT_S)
    finally:
        workers.stop()
