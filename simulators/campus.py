"""A whole campus day squeezed into seconds, from one seed: python -m simulators.campus --seed 7.

Starts a gateway as a process between real brokers, two receivers and breakable wires, plays the
day, and says what of everything that was accepted did not arrive. Exit 0 when nothing is missing.
"""

import argparse
import asyncio
import shlex
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from simulators.day import (
    TROUBLES,
    Handles,
    Ledger,
    Planned,
    Sent,
    Step,
    What,
    compare,
    plan_day,
    play,
)
from simulators.day.site import Site, default_command

__all__ = [
    "TROUBLES",
    "Handles",
    "Ledger",
    "Planned",
    "Sent",
    "Site",
    "Step",
    "What",
    "compare",
    "plan_day",
    "play",
    "run_day",
    "usual_devices",
]


def usual_devices(count: int, per_s: float = 2.0) -> list[Planned]:
    """Return so many devices: one in three a panic button, the others doors."""
    return [
        Planned(
            name=f"{'btn' if number % 3 == 0 else 'door'}-{number}",
            family="json-button" if number % 3 == 0 else "json-event",
            per_s=per_s,
        )
        for number in range(count)
    ]


async def run_day(
    folder: Path,
    *,
    seed: int,
    duration_s: float,
    device_count: int = 9,
    per_s: float = 2.0,
    durable: bool = False,
    command: list[str] | None = None,
    arrive_s: float = 60.0,
) -> tuple[Ledger, list[str]]:
    """Play one day in a folder; return what was sent, and every complaint."""
    devices = usual_devices(device_count, per_s)
    troubles = [*TROUBLES, What.BROKER_KILL] if durable else list(TROUBLES)
    steps = plan_day(seed, devices, duration_s, troubles)
    async with Site(folder, command or default_command(), devices, durable) as site:
        ledger = await play(steps, site.handles)
        complaints = await site.settled(ledger, arrive_s)
    return ledger, complaints


async def _run(options: argparse.Namespace) -> int:
    print(f"seed {options.seed}", flush=True)
    if options.plan:
        for step in plan_day(options.seed, usual_devices(options.devices), options.duration_s):
            print(f"{step.at_s:9.3f} {step.what} {step.target} {step.for_s or ''} {step.detail}")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        ledger, complaints = await run_day(
            options.folder or Path(scratch),
            seed=options.seed,
            duration_s=options.duration_s,
            device_count=options.devices,
            per_s=options.per_s,
            durable=options.durable,
            command=shlex.split(options.gateway) if options.gateway else None,
        )
    for note in ledger.notes:
        print(f"note: {note}")
    print(f"sent {len(ledger.sent)}, accepted {ledger.accepted_count}")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        print(f"这一天没有通过 / this day failed: --seed {options.seed}", file=sys.stderr)
    return 1 if complaints else 0


def main() -> None:
    """Parse the command line and play."""
    parser = argparse.ArgumentParser(prog="simulators.campus", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--duration-s", type=float, default=30.0, help="一天有多长 / its length")
    parser.add_argument("--devices", type=int, default=9)
    parser.add_argument("--per-s", type=float, default=2.0, help="每个设备每秒 / presses a second")
    parser.add_argument("--durable", action="store_true", help="nats-server, killed with SIGKILL")
    parser.add_argument("--gateway", help="启动网关的命令 / the command, without run --config DIR")
    parser.add_argument("--folder", type=Path, help="保留现场 / keep everything there")
    parser.add_argument(
        "--plan", action="store_true", help="只打印计划 / print the day, play nothing"
    )
    with suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(_run(parser.parse_args())))


if __name__ == "__main__":
    main()
