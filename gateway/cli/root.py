"""The command line: `campus-gateway`, which teaches with its --help.

Owns    the words a person types, and the exit codes 0 done, 1 failed, 2 usage, 78 configuration.
Needs   gateway.config; everything heavy (app, store, console, profile tools, simulators) is
        imported inside its command, so that --help and check answer at once.
Keeps   1. What another program reads (faults, a token, a list) goes to stdout; advice for people
           goes to stderr.
        2. Ctrl-C ends a command without a traceback.
"""

import asyncio
import importlib
import importlib.metadata
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import (
    cameras,
    checking,
    evidence,
    modbus,
    modbus_text,
    people,
    point_list,
    profiles,
    simulate,
    speech,
    text,
    tokens,
    video,
)
from gateway.cli.parts import (
    EXIT_CONFIG,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    ConfigFolder,
    advise,
    heavy,
    load,
)
from gateway.errors import ConfigError, GatewayError, StoreNewer

app = typer.Typer(
    name="campus-gateway",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=text.MAIN,
)


@app.command(help=text.RUN)
def run(config: ConfigFolder) -> None:
    """Run the gateway: alarms in, deliveries out, API and page."""
    checked = load(config)
    gateway_app: Any = heavy("gateway.app")
    _finish(asyncio.run(gateway_app.run(checked)))


@app.command(help=text.DEMO)
def demo(
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="数据目录 / where the data live")
    ] = simulate.DEMO_DATA,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="网页端口 / the page's port")] = 8800,
) -> None:
    """Show everything on one machine: broker, buttons, gateway, police and bureau."""
    gateway_demo: Any = heavy("gateway.demo")
    _finish(asyncio.run(gateway_demo.demo(data, port)))


app.command("check", help=text.CHECK)(checking.check)


@app.command(help=text.VERIFY)
def verify(
    config: Annotated[
        Path | None, typer.Option("--config", metavar="DIR", help="配置目录 / the folder")
    ] = None,
    *,
    video: Annotated[
        bool, typer.Option(help="录像也逐段读一遍 / read every segment of video, too")
    ] = True,
    package: Annotated[
        Path | None, typer.Option(metavar="FILE", help="证据包 / an evidence package instead")
    ] = None,
    key: Annotated[
        str, typer.Option(metavar="FINGERPRINT|FILE", help="须由此密钥签署 / that must have signed")
    ] = "",
) -> None:
    """Check the store and its hash chain; names the first thing that does not match."""
    if package is not None:
        evidence.verify_package(package, key)
        return
    if config is None:
        raise typer.BadParameter("缺少 / missing", param_hint="--config")
    checked = load(config)
    store: Any = importlib.import_module("gateway.store")
    faults: list[str] = store.verify(checked.store.path)
    if video:
        recorded: Any = importlib.import_module("gateway.store.video")
        faults += recorded.verify(checked.store.path, _read_so_far)
    for fault in faults:
        typer.echo(fault)
    if faults:
        advise(
            "数据不完整：先备份 {path}，再联系维护人员",
            "the data are not sound: copy {path} away before anything else, then call maintenance",
            path=checked.store.path,
        )
        raise typer.Exit(EXIT_FAILED)
    typer.echo("完好 / sound")


def _read_so_far(segments: int) -> None:
    """Ninety days of video take hours to read: say that it goes on."""
    if segments % 1000 == 0:
        typer.echo(f"已读 {segments} 段录像 segments of video read", err=True)


@app.command(help=text.VERSION)
def version() -> None:
    """Show the version."""
    try:
        typer.echo(importlib.metadata.version("campus-gateway"))
    except importlib.metadata.PackageNotFoundError:
        typer.echo("0+checkout")


# --help lists commands in the order of these lines, groups after them.
app.command("token", help=text.ACCESS)(tokens.token)
app.add_typer(profiles.profile_app, name="profile")
app.add_typer(simulate.simulate_app, name="simulate")
app.add_typer(people.people_app, name="person")
app.add_typer(modbus.scan_app, name="scan")
modbus.scan_app.command("cameras", help=cameras.SCAN_CAMERAS)(cameras.scan_cameras)
app.add_typer(video.video_app, name="video")
app.command("probe", help=modbus_text.PROBE)(modbus.probe)
app.command("export", help=text.EXPORT)(evidence.export)
app.command("import", help=modbus_text.IMPORT)(point_list.import_list)
app.command("speech", help=speech.SPEECH)(speech.speech)


def _finish(code: int) -> None:
    if code:
        raise typer.Exit(code)


def main() -> None:
    """Run the command line; the entry point of `campus-gateway`."""
    try:
        app(prog_name="campus-gateway")
    except ConfigError as error:
        for fault in error.faults:
            typer.echo(str(fault))
        advise(
            "配置有 {count} 处错误，没有启动。改好后用 check 再查",
            "{count} faults in the configuration, nothing was started. Edit, then run check again",
            count=len(error.faults),
        )
        sys.exit(EXIT_CONFIG)
    except StoreNewer as error:
        advise("数据由更新的版本写成：{why}", "the store is from a newer version: {why}", why=error)
        sys.exit(EXIT_CONFIG)
    except GatewayError as error:
        advise("失败：{why}", "failed: {why}", why=error)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
