"""Be some cameras until the time is over.

  python -m simulators.cameras --cameras 3 --port 8554
  python -m simulators.cameras --cameras 2 --codec h265 --sound aac --auth digest_sha256
  python -m simulators.cameras --cameras 128 --label load --auth none
  python -m simulators.cameras --conduct die_after=100 --conduct lost_rate=0.01
  python -m simulators.cameras --camera gate=h264 --camera yard=h265,aac --control 127.0.0.1:8600

Each camera has a port of its own, a main stream (/main) and a sub stream (/sub); the addresses are
printed, and can be opened with ffplay -rtsp_transport tcp. The picture shows the camera's name, a
clock that goes round with the clip, and, as black and white blocks in the uppermost 16 rows, the
frame number, which goes on for ever. Clips are encoded the first time, which takes seconds, and
kept in the folder for temporary files. While it runs, type `help` for what else a camera can do,
or send the same lines to the control port.
"""

import argparse
import asyncio
import sys
import threading
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

from simulators.cameras import MAIN, SUB, Camera, Cameras, Scheme, Shape, Sound
from simulators.cameras.conduct import Conduct
from simulators.cameras.console import HELP, obey, set_field
from simulators.cameras.control import control

TYPED_LINES = 100


def _cameras(options: argparse.Namespace) -> list[Camera]:
    sound = [options.sound] if options.sound else []
    wanted = options.camera or [
        (f"cam-{number}", [options.codec, *sound]) for number in range(1, options.cameras + 1)
    ]
    return [_camera(options, at, name, words) for at, (name, words) in enumerate(wanted)]


def _camera(options: argparse.Namespace, at: int, name: str, words: list[str]) -> Camera:
    codec, sound = words[0], words[1:]
    width, height = map(int, options.size.lower().split("x"))
    main: Shape = replace(
        MAIN,
        codec="h265" if codec == "h265" else "h264",
        width=width,
        height=height,
        fps=options.fps,
        group=round(options.group_s * options.fps),
        kbit_per_s=options.kbit_per_s,
    )
    return Camera(
        name=name,
        label=options.label,
        main=main,
        sub=None if options.no_sub else replace(SUB, codec=main.codec),
        sound=Sound(sound[0]) if sound else None,
        scheme=Scheme(options.auth),
        user=options.user,
        password=options.password,
        port=options.port + at if options.port else 0,
        speed=options.speed,
        seed=options.seed,
    )


def _named(text: str) -> tuple[str, list[str]]:
    """NAME=CODEC[,SOUND]."""
    name, _, rest = text.partition("=")
    words = rest.split(",")
    sounds = {str(one) for one in Sound}
    if words[0] not in {"h264", "h265"} or len(words) > 2 or not sounds.issuperset(words[1:]):
        raise argparse.ArgumentTypeError(f"{text}: NAME=h264|h265[,{'|'.join(sorted(sounds))}]")
    return name, words


def _host_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


def _typed(loop: asyncio.AbstractEventLoop) -> asyncio.Queue[str]:
    """Lines of stdin, read by a thread that may be left behind; at most TYPED_LINES wait."""
    queue: asyncio.Queue[str] = asyncio.Queue()

    def put(line: str) -> None:
        if queue.qsize() < TYPED_LINES:
            queue.put_nowait(line)

    def read() -> None:
        with suppress(RuntimeError, ValueError):  # the loop has closed, or stdin has
            for line in sys.stdin:
                loop.call_soon_threadsafe(put, line)

    threading.Thread(target=read, daemon=True).start()
    return queue


async def _run(options: argparse.Namespace) -> None:
    print("准备画面 / making the pictures …", file=sys.stderr, flush=True)
    async with AsyncExitStack() as stack:
        cameras = await stack.enter_async_context(Cameras(_cameras(options)))
        if options.control:
            await stack.enter_async_context(control(cameras, *options.control))
        for camera in cameras:
            for text in options.conduct:
                set_field(camera.conduct, text)
            print(camera.url, *([] if options.no_sub else [camera.sub_url]), flush=True)
        typed = _typed(asyncio.get_running_loop())
        with suppress(TimeoutError):
            async with asyncio.timeout(options.for_s):
                while True:
                    print(await obey(cameras, await typed.get()), flush=True)


def main() -> None:
    """Parse the command line and be the cameras."""
    parser = argparse.ArgumentParser(
        prog="simulators.cameras",
        description=__doc__,
        epilog=f"可键入 / what can be typed:\n{HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say = parser.add_argument
    say("--cameras", type=int, default=1, help="台数 / how many")
    say(
        "--camera",
        type=_named,
        action="append",
        metavar="NAME=CODEC[,SOUND]",
        help="逐台指定，代替 --cameras / one by one, instead of --cameras",
    )
    say("--port", type=int, default=0, help="第一台的端口 / port of the first; 0: any")
    say("--control", type=_host_port, metavar="HOST:PORT", help="控制口 / takes typed lines")
    say("--codec", choices=["h264", "h265"], default="h264")
    say("--size", default="1920x1080", help="主码流 / main stream")
    say("--fps", type=int, default=25, help="每秒帧数 / pictures a second")
    say("--group-s", type=float, default=2.0, help="关键帧间隔秒数 / seconds between key frames")
    say("--kbit-per-s", type=int, default=3000)
    say("--no-sub", action="store_true", help="无子码流 / no sub stream")
    say("--sound", choices=[str(one) for one in Sound], help="声音 / sound")
    say("--auth", choices=[str(one) for one in Scheme], default="digest")
    say("--user", default=Camera().user)
    say("--password", default=Camera().password)
    say(
        "--label",
        default="",
        help="画面上的名字；相同则共用画面 / name in the picture; the same for all saves encoding",
    )
    say(
        "--conduct",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help=f"不良行为 / what is wrong: {', '.join(Conduct.__dataclass_fields__)}",
    )
    say("--speed", type=float, default=1.0, help="倍速 / how much faster its time runs")
    say("--seed", type=int, default=0)
    say("--for-s", type=float, default=3600.0, help="运行秒数 / seconds to run")
    options = parser.parse_args()
    try:
        for text in options.conduct:
            set_field(Conduct(), text)
        with suppress(KeyboardInterrupt):
            asyncio.run(_run(options))
    except (ValueError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
