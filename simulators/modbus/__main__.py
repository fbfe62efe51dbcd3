"""Be a Modbus device made from its profile, until the time is over or somebody types quit.

  python -m simulators.modbus config/profiles/gas/honeywell_midas.toml
  python -m simulators.modbus gas/honeywell_midas --listen 127.0.0.1:5020 --unit 3
  python -m simulators.modbus gas/honeywell_midas --pty --baud 9600 --fault slow=0.3
  python -m simulators.modbus gas/honeywell_midas --dial 127.0.0.1:9000 --registration DTU-07

It prints the url for gateway.toml, then leads a normal life: measurements wander, heartbeats beat.
Type `alarm`, `restore`, `silent`, `well`, `help` …
"""

import argparse
import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from simulators.modbus.behaviour import Behaviour
from simulators.modbus.console import Console, Leave
from simulators.modbus.line import Line
from simulators.modbus.model import Model
from simulators.modbus.named import fault_named
from simulators.modbus.ports import Dtu, TcpServed

_ROOT: Final = Path(__file__).parents[2]
SHELVES: Final = (_ROOT / "config" / "profiles", _ROOT / "gateway" / "profile" / "shipped")
"""Where the profiles are: in a checkout, or beside us in an installed wheel."""
MAX_LINE_BYTES: Final = 1024
TYPED_LINES: Final = 100


def _host_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


def _pair(text: str) -> tuple[str, str | int]:
    key, _, value = text.partition("=")
    return key, int(value) if value.lstrip("-").isdigit() else value


def _profile(text: str) -> Path:
    """A file, or an id on the shelf."""
    for path in (Path(text), *(shelf / f"{text}.toml" for shelf in SHELVES)):
        if path.is_file():
            return path
    raise argparse.ArgumentTypeError(f"没有规格 / no profile: {text}")


@asynccontextmanager
async def _served(line: Line, options: argparse.Namespace) -> AsyncIterator[tuple[str, object]]:
    """Serve as the options say; yields what to write into gateway.toml, and the end served."""
    async with AsyncExitStack() as stack:
        if options.pty:
            end = await stack.enter_async_context(line.pty())
            yield end.url, end
        elif options.dial:
            box = await stack.enter_async_context(
                line.dtu(
                    *options.dial,
                    registration=options.registration.encode(),
                    heartbeat=options.heartbeat.encode(),
                    heartbeat_s=options.heartbeat_s,
                )
            )
            host, port = options.dial
            yield f"（拨入 / dials in to {host}:{port}）", box
        else:
            serve = line.rtu_over_tcp if options.rtu_over_tcp else line.tcp
            listening = await stack.enter_async_context(serve(*options.listen))
            yield listening.url, listening


def _typed() -> asyncio.Queue[str]:
    """Lines of stdin, read by a thread that may be left behind; at most TYPED_LINES wait."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def put(line: str) -> None:
        if queue.qsize() < TYPED_LINES:
            queue.put_nowait(line)

    def read() -> None:
        with suppress(RuntimeError, ValueError):  # the loop has closed, or stdin has
            for line in sys.stdin:
                loop.call_soon_threadsafe(put, line)

    threading.Thread(target=read, daemon=True).start()
    return queue


async def _converse(console: Console) -> None:
    typed = _typed()
    with suppress(Leave):
        while True:
            answer = console.say(await typed.get())
            if answer:
                print(answer, flush=True)


async def _answer(
    console: Console, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One caller of the control port: a line, its answer, until he goes."""
    with suppress(ConnectionError, ValueError, Leave):
        while line := await reader.readline():
            writer.write((console.say(line.decode("utf-8", "replace")) or "").encode() + b"\n")
            await writer.drain()
    writer.close()


def _cutter(end: object, tasks: set[asyncio.Task[None]]) -> None:
    if isinstance(end, Dtu):
        end.drop()
    elif isinstance(end, TcpServed):
        task = asyncio.ensure_future(end.cut())
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def _run(options: argparse.Namespace) -> None:
    address = dict(options.address)
    if options.unit is not None:
        address["unit"] = options.unit
    model = Model.from_file(options.profile, address)
    if options.fault:
        model.unit.fault = fault_named(options.fault)
    life = Behaviour(model, seed=options.seed)
    line = Line([model.unit], baud=options.baud)
    cutting: set[asyncio.Task[None]] = set()
    async with _served(line, options) as (url, end):
        has_connections = isinstance(end, Dtu | TcpServed)
        console = Console(life, cut=(lambda: _cutter(end, cutting)) if has_connections else None)
        header = model.sheet.profile["profile"]
        print(f"{header['title']} / {header['title_en']}", flush=True)
        print(f'[[link]]\nkind = "modbus"\nurl = "{url}"', flush=True)
        print(
            f"address = {{ unit = {model.unit.number} }}   help 看命令 / lists commands", flush=True
        )
        living = asyncio.ensure_future(life.live())
        control = None
        if options.control is not None:
            control = await asyncio.start_server(
                lambda reader, writer: _answer(console, reader, writer),
                *options.control,
                limit=MAX_LINE_BYTES,
            )
        try:
            await asyncio.wait_for(_converse(console), options.for_s)
        except TimeoutError:
            print("时间到 / the time is over", flush=True)
        finally:
            if control is not None:
                control.close()
            living.cancel()
            await asyncio.gather(living, *cutting, return_exceptions=True)


def main() -> None:
    """Parse the command line and be the device."""
    parser = argparse.ArgumentParser(
        prog="simulators.modbus",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say = parser.add_argument
    say("profile", type=_profile, help="规格文件或其 id / a profile's file, or its id")
    say("--listen", type=_host_port, default=("127.0.0.1", 5020), metavar="HOST:PORT")
    say("--rtu-over-tcp", action="store_true", help="透传串口帧 / serial frames through TCP")
    say("--pty", action="store_true", help="伪终端（串口） / a pseudo terminal")
    say(
        "--dial", type=_host_port, metavar="HOST:PORT", help="像 4G DTU 一样拨入 / dial in as a DTU"
    )
    say("--registration", default="DTU-0001", help="注册包 / what a DTU says first")
    say("--heartbeat", default="", help="心跳包 / what it says from time to time")
    say("--heartbeat-s", type=float, default=30.0)
    say("--unit", type=int, help="站号 / unit number, 1 to 247")
    say("--address", type=_pair, action="append", default=[], metavar="KEY=VALUE",
        help="规格要的其他地址 / other keys the profile's address asks for")  # fmt: skip
    say("--baud", type=int, help="按此速率发送 / let bytes take their time")
    say("--fault", metavar="NAME[=ARGUMENT]", help="从一开始就有的故障 / wrong from the beginning")
    say("--control", type=_host_port, metavar="HOST:PORT",
        help="在此接受同样的命令 / take the same commands here, a line each")  # fmt: skip
    say("--seed", type=int, default=0)
    say("--for-s", type=float, default=3600.0, help="运行秒数 / seconds to run")
    options = parser.parse_args()
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_run(options))
    except (LookupError, ValueError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
