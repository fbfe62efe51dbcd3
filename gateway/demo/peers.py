"""The demo's other ends: police, bureau, a Modbus device and cameras, each a process of its own.

Owns    the simulators' processes and <data>/peers, where they write.
Needs   the simulators by name, because nobody here imports them.
Keeps   1. All are gone at the end, also what they started themselves.
        2. The gateway waits for the receivers only: nobody needs a camera to see an alarm.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import typer

from gateway.demo.site import CAMERA_PASSWORD, NotStarted, Ports

PEERS_S: Final = 20.0
STOP_S: Final = 5.0


class Peers:
    """The simulators that were started, by name."""

    def __init__(self) -> None:
        self.processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str, folder: Path, *arguments: str) -> None:
        """Start a simulator as a process whose output goes to a file."""
        with (folder / f"{name}.log").open("ab") as output:
            self.processes[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *arguments,
                f"--for-s={10**9}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=folder,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path),
                },
            )

    async def watch(self) -> None:
        """Say so when a peer ends by itself: the demo goes on and shows what a guard would see."""
        ended = {
            asyncio.ensure_future(process.wait()): name for name, process in self.processes.items()
        }
        while ended:
            done, _ = await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                typer.echo(f"模拟对端 {ended.pop(task)} 已退出 a simulated peer ended", err=True)

    async def stop(self) -> None:
        """End all of them."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        for process in self.processes.values():
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # and what it started itself
                await process.wait()


@contextlib.asynccontextmanager
async def peers_of(data: Path, ports: Ports) -> AsyncIterator[Peers]:
    """Start all but the cameras; yields when the receivers listen. Raises NotStarted."""
    folder = data / "peers"
    peers = Peers()
    progress = "accepted=0.5,dispatched=6,closed=30"
    try:
        await peers.start(
            "bureau-broker",
            folder,
            "simulators.brokers",
            "nats",
            f"--port={ports.bureau}",
            f"--folder={folder / 'bureau-broker'}",
        )
        await peers.start(
            "police",
            folder,
            "simulators.police",
            f"--port={ports.police}",
            f"--control-port={ports.police_control}",
            f"--secret-file={data / 'config' / 'secrets' / 'police'}",
            f"--inbox={folder / 'police.jsonl'}",
            f"--progress={progress}",
            f"--reports-to=http://127.0.0.1:{ports.page}",
            f"--token-file={folder / 'police.token'}",
        )
        await peers.start(
            "modbus",
            folder,
            "simulators.modbus",
            "gas/honeywell_midas",
            f"--listen=127.0.0.1:{ports.modbus_device}",
            f"--control=127.0.0.1:{ports.modbus_control}",
        )
        await _listening(ports.bureau, "bureau-broker", peers, folder)
        await _listening(ports.police, "police", peers, folder)
        await peers.start(
            "bureau",
            folder,
            "simulators.bureau",
            f"--port={ports.bureau}",
            "--mqtt3",
            f"--inbox={folder / 'bureau.jsonl'}",
            f"--progress={progress}",
        )
        yield peers
    finally:
        await peers.stop()


async def _listening(port: int, name: str, peers: Peers, folder: Path) -> None:
    try:
        async with asyncio.timeout(PEERS_S):
            while True:
                if peers.processes[name].returncode is not None:
                    break
                try:
                    _reader, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)  # noqa: TID251 no Clock before there is a gateway
                    continue
                writer.close()
                return
    except TimeoutError:
        pass
    raise NotStarted(
        f"模拟对端 {name} 没有启动，请看 {folder / (name + '.log')}\n"
        f"the simulated peer {name} did not start; see that file for why"
    )


async def start_cameras(peers: Peers, folder: Path, ports: Ports) -> None:
    """Three cameras, small so that they cost next to nothing; ready some seconds later."""
    await peers.start(
        "cameras",
        folder,
        "simulators.cameras",
        "--camera=cam-gate-west=h264",
        "--camera=cam-library=h265",
        "--camera=cam-canteen=h264,aac",
        f"--port={ports.gate}",
        f"--control=127.0.0.1:{ports.cameras}",
        f"--password={CAMERA_PASSWORD}",
        "--size=640x360",
        "--fps=5",
        "--group-s=1",
        "--kbit-per-s=300",
        "--no-sub",
    )
