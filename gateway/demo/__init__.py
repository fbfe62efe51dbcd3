"""`campus-gateway demo`: everything on one machine, with the real parts.

Owns    the demo's folder: its configuration (site.py), the peers' inboxes, the video. The gateway
        in it is the one of `run`, the recorder that of `video`, the peers are the simulators.
Needs   gateway.app; the simulators as processes, by name, because nobody here imports them.
Keeps   1. Ctrl-C ends every process it started; the data stay for the next start.
        2. Video begins when the gateway is ready and never holds it up: a demo whose cameras or
           whose recorder do not start shows alarms all the same, and says what is missing.
"""

import asyncio
import os
from pathlib import Path

import typer

from gateway import app
from gateway.config import Config, load_config
from gateway.demo.peers import Peers, peers_of, start_cameras
from gateway.demo.recorder import Recorder
from gateway.demo.site import NotStarted, Ports, make_tokens, write_configuration
from gateway.demo.teller import Teller

__all__ = ["demo"]


async def demo(data: Path, port: int) -> int:
    """Run everything until Ctrl-C; returns the exit code. Uses port and the ten after it."""
    data = Path(os.path.abspath(data))  # noqa: ASYNC240, PTH100 no disk is touched
    ports = Ports.from_page(port)
    folder = data / "config"
    try:
        ports.check()
        write_configuration(folder, ports)
        config = load_config(folder)
        guard = make_tokens(data, config.store.path)
        async with peers_of(data, ports) as peers:
            teller = Teller(data, ports, guard, [camera.id for camera in config.cameras])
            ready = asyncio.Event()

            def begin(running: app.Running) -> None:
                teller.begin(running)
                ready.set()

            video = asyncio.ensure_future(_video(ready, peers, data, config, ports))
            try:
                return await app.run(config, begin)
            finally:
                video.cancel()
                await asyncio.gather(video, return_exceptions=True)
                typer.echo("已停止，数据保留在 stopped; the data stay in " + str(data))
    except NotStarted as error:
        typer.echo(str(error), err=True)
        return 1


async def _video(
    ready: asyncio.Event, peers: Peers, data: Path, config: Config, ports: Ports
) -> None:
    """Start the cameras and the recorder once alarms are taken, then watch over all of them."""
    await ready.wait()
    watching = []
    try:
        if config.cameras:
            await start_cameras(peers, data / "peers", ports)
            recorder = Recorder(data)
            watching.append(asyncio.ensure_future(recorder.keep()))
        watching.append(asyncio.ensure_future(peers.watch()))
        await asyncio.gather(*watching)
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
