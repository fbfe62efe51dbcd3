"""The command that looks for cameras: `campus-gateway scan cameras`.

Owns    its options and exit codes; what it does is gateway.commission.cameras.
Needs   parts; gateway.commission is imported inside the command (see root.py).
Keeps   The result goes to stdout, progress and advice to stderr; nothing is written to a camera.
"""

import asyncio
import ipaddress
import json
from typing import Annotated, Final

import typer

from gateway.cli.parts import EXIT_FAILED, advise, say
from gateway.clock import SystemClock
from gateway.errors import LinkDown

SCAN_CAMERAS: Final = """\
找网络上的 ONVIF 摄像机和录像机，只问不写。

Look for ONVIF cameras and recorders on the network. Nothing is written, no password is tried.

\b
例 / examples:
  campus-gateway scan cameras
  campus-gateway scan cameras --interface 192.0.2.10 --seconds 10
  campus-gateway scan cameras 192.0.2.30:8080
\b
注意 / note:
  搜索不过路由器；别的网段写出地址。摄像机上要先打开 ONVIF，常要单独建 ONVIF 用户。
  A search does not cross routers: name the address instead. Switch ONVIF on in the camera first;
  many want an ONVIF user of its own.
\b
退出码 / exit codes: 0 找到 found, 1 没有找到 nothing found, 2 用法 usage
"""


def scan_cameras(
    address: Annotated[
        str | None,
        typer.Argument(metavar="ADDRESS", help="只问这一台 / ask this one only: 192.0.2.30"),
    ] = None,
    *,
    interface: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="从本机哪个地址问 / the address of ours to ask from"),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="等几秒 / seconds to listen")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="给程序读 / for programs")] = False,
) -> None:
    """Look for cameras without changing anything."""
    from gateway.commission import cameras  # noqa: PLC0415 see root.py

    if interface is not None:
        try:
            ipaddress.IPv4Address(interface)
        except ValueError as error:
            raise typer.BadParameter(f"--interface: {error}") from error
    try:
        found = asyncio.run(
            cameras.scan(
                SystemClock(), seconds=seconds, interface=interface, address=address, told=say
            )
        )
    except ValueError as error:
        raise typer.BadParameter(f"ADDRESS: {error}") from error
    except LinkDown as down:
        say(str(down))
        raise typer.Exit(EXIT_FAILED) from down
    if as_json:
        typer.echo(json.dumps(cameras.document_of(found), ensure_ascii=False, indent=2))
    else:
        for line in cameras.lines_of(found):
            typer.echo(line)
    if not any(not each.why for each in found):
        advise(
            "没有找到能回答的摄像机：打开 ONVIF，同一网段，或写出地址",
            "no camera answered: switch ONVIF on, be on its network, or name its address",
        )
        raise typer.Exit(EXIT_FAILED)
