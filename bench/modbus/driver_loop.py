"""The Modbus driver alone, as fast as it goes: real buses, plans and images; the end forgets.

A process of its own: `python -m bench.modbus.driver_loop CONFIG`. It polls from the beginning,
prints "ready", and answers each line of its standard input, a number of seconds, with one JSON
object: the readings that were made in those seconds, and the processor time all of it took.

Keeps   What it leaves out is the intake and everything behind it, nothing before it.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from gateway.clock import SystemClock
from gateway.config import load_config
from gateway.driver import find_driver
from gateway.events import Arrival


class Sink:
    """Where arrivals end: counted and forgotten."""

    def __init__(self) -> None:
        self.readings = 0

    async def emit(self, arrivals: Sequence[Arrival]) -> None:
        """See gateway.driver.Emit."""
        self.readings += sum(len(arrival.readings) for arrival in arrivals)


async def notice(what: str, healthy: bool, text: str) -> None:  # noqa: FBT001 Notice is positional
    """See gateway.driver.Notice; what is unhealthy goes to the log."""
    if not healthy:
        print(f"{what}: {text}", file=sys.stderr)


async def main(config_folder: Path) -> None:
    """Poll until the standard input ends."""
    config, clock, sink = load_config(config_folder), SystemClock(), Sink()
    profiles = {}
    for device in config.devices:
        profile = config.shelf.get(device.profile_id)
        if profile is not None:
            profiles[device.profile_id] = profile
    drivers = []
    for link in config.links:
        mine = [device for device in config.devices if device.link == link.name]
        drivers.append(find_driver(link.kind)(link, mine, profiles, clock))
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(driver.run(sink.emit, notice)) for driver in drivers]
        print("ready", flush=True)
        while line := await lines.readline():
            readings, cpu, began = sink.readings, time.process_time(), time.monotonic()
            await asyncio.sleep(float(line))
            done = {
                "readings": sink.readings - readings,
                "cpu_s": time.process_time() - cpu,
                "seconds": time.monotonic() - began,
            }
            print(json.dumps(done), flush=True)
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    asyncio.run(main(Path(sys.argv[1])))
