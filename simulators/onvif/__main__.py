"""Be one ONVIF camera until told to stop.

  python -m simulators.onvif --port 8000 --inputs DI_1,DI_2 --rtsp --discovery

Prints where it is. Then type: DI_1 on · DI_1 off · reboot · lose · quit
"""

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from urllib.parse import urlsplit

from simulators.cameras import Camera, Cameras
from simulators.onvif import Account, DiscoveryResponder, OnvifCamera, Stream

GROUP = "239.255.255.250"
PORT = 3702


def _plain(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


async def _obey(camera: OnvifCamera, line: str) -> bool:
    """Do what was typed; whether to go on."""
    words = line.split()
    if words == ["quit"]:
        return False
    if words == ["reboot"]:
        await camera.power_off()
        await asyncio.sleep(1.0)
        await camera.power_on()
    elif words == ["lose"]:
        camera.lose_subscriptions()
    elif len(words) == 2 and words[1] in {"on", "off"}:
        camera.set_input(words[0], words[1] == "on")
    else:
        print("DI_1 on · DI_1 off · reboot · lose · quit", flush=True)
    return True


async def _run(options: argparse.Namespace) -> None:
    account = Account(options.user, options.password)
    async with AsyncExitStack() as stack:
        streams: list[Stream] = []
        if options.rtsp:
            made = [Camera(name="camera", user=account.user, password=account.password)]
            live = (await stack.enter_async_context(Cameras(made)))["camera"]
            streams = [
                Stream("main", uri=_plain(live.url)),
                Stream("sub", width=640, height=360, uri=_plain(live.sub_url)),
            ]
        camera = await stack.enter_async_context(
            OnvifCamera(
                streams=streams,
                account=account,
                inputs=[name for name in options.inputs.split(",") if name],
                port=options.port or None,
            )
        )
        if options.discovery:
            await stack.enter_async_context(
                DiscoveryResponder([camera.url], port=PORT, group=GROUP)
            )
        print(camera.url, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            if not await _obey(camera, line):
                break


def main() -> None:
    """Parse the command line and be the camera."""
    parser = argparse.ArgumentParser(
        prog="simulators.onvif",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say = parser.add_argument
    say("--port", type=int, default=0, help="端口 / 0: any")
    say("--inputs", default="DI_1", help="报警输入 / its contacts, commas between them")
    say("--user", default=Account().user)
    say("--password", default=Account().password)
    say("--rtsp", action="store_true", help="也有画面 / pictures, too")
    say("--discovery", action="store_true", help="应答搜索 / answer WS-Discovery")
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
