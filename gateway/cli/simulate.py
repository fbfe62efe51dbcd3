"""The commands of `campus-gateway simulate`: be a device in the field, for demo and hand-over.

Owns    `simulate press` (MQTT), `simulate modbus` and `simulate camera` (the demo's devices).
Needs   parts; the simulators by name, when a command runs.
"""

import asyncio
import importlib
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli import text
from gateway.cli.parts import EXIT_FAILED, advise, load
from gateway.clock import SystemClock

MAX_PRESSES: Final = 1000
DEMO_DATA: Final = Path("demo-data")
DEMO_CONTROL: Final = "127.0.0.1:8806"
"""Where the demo's Modbus device takes its commands: the page's port and six."""
DEMO_CAMERAS: Final = "127.0.0.1:8810"
"""The same for its cameras: the page's port and ten."""
DEMO_CAMERA: Final = "cam-gate-west"
CONTROL_S: Final = 30.0
"""A camera that shows something new has to encode it first."""

simulate_app = typer.Typer(no_args_is_help=True, help=text.SIMULATE)


@simulate_app.command("press", help=text.SIMULATE_PRESS)
def press(
    device: Annotated[
        str | None, typer.Option(metavar="ID", help="哪个设备 / which device; the first button")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="DIR", help="配置目录 / the configuration")
    ] = None,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="演示的数据目录 / the demo's data")
    ] = DEMO_DATA,
    count: Annotated[int, typer.Option(min=1, max=MAX_PRESSES, help="按几次 / how often")] = 1,
) -> None:
    """Publish presses over MQTT, as the device would."""
    checked = load(config if config is not None else _demo_config(data))
    pressing: Any = importlib.import_module("gateway.press")
    mqtt: Any = importlib.import_module("simulators.mqtt")
    chosen = pressing.choose(checked, device)
    try:
        topic = asyncio.run(pressing.press(checked, chosen, SystemClock(), count, mqtt))
    except (TimeoutError, OSError, mqtt.BrokerRefused) as error:
        advise(
            "代理没有收下：{why}。网关或代理在运行吗？",
            "the broker did not take it: {why}. Is it running?",
            why=error or type(error).__name__,
        )
        raise typer.Exit(EXIT_FAILED) from error
    typer.echo(f"{chosen.id} {chosen.name}: {topic} × {count}")


@simulate_app.command("modbus", help=text.SIMULATE_MODBUS)
def modbus(
    words: Annotated[list[str], typer.Argument(metavar="WORDS", help="alarm, restore, help …")],
    control: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="设备的控制口 / the device's control port")
    ] = DEMO_CONTROL,
) -> None:
    """Tell a simulated Modbus device what to do, as if typed at it."""
    _say(control, " ".join(words))


@simulate_app.command("camera", help=text.SIMULATE_CAMERA)
def camera(
    words: Annotated[
        list[str], typer.Argument(metavar="WORDS", help="cover, uncover, unplug, plug, help …")
    ],
    camera: Annotated[
        str, typer.Option(metavar="ID", help="哪台摄像机 / which camera")
    ] = DEMO_CAMERA,
    control: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="摄像机的控制口 / the cameras' control port")
    ] = DEMO_CAMERAS,
) -> None:
    """Tell a simulated camera what to do, as if typed at it."""
    _say(control, " ".join([camera, *words]))


def _say(control: str, line: str) -> None:
    host, _, port = control.rpartition(":")
    if not host or not port.isdecimal():
        raise typer.BadParameter(f"--control: {control}: 应为 / expected HOST:PORT")
    try:
        answer = asyncio.run(_tell(host, int(port), line))
    except (OSError, TimeoutError) as error:
        advise(
            "{where} 没有应答：{why}。演示在运行吗？",
            "nobody answers at {where}: {why}. Is the demo running?",
            where=control,
            why=error or type(error).__name__,
        )
        raise typer.Exit(EXIT_FAILED) from error
    typer.echo(answer)


async def _tell(host: str, port: int, line: str) -> str:
    async with asyncio.timeout(CONTROL_S):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(line.encode() + b"\n")
        writer.write_eof()
        answer = await reader.read(64 * 1024)
        writer.close()
    return answer.decode("utf-8", "replace").rstrip("\n")


def _demo_config(data: Path) -> Path:
    """Return where the demo keeps its configuration: its data folder, or config/ in it."""
    for folder in (data, data / "config"):
        if (folder / "gateway.toml").is_file():
            return folder
    raise typer.BadParameter(
        f"{data}: 演示没有运行过 / no demo was started there: campus-gateway demo, or give --config"
    )
