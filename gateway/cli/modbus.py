"""The commands that talk to a Modbus bus themselves: scan and probe.

Owns    their options and exit codes; what they do is gateway.commission's.
Needs   parts; gateway.commission is imported inside the commands (see root.py).
Keeps   1. The result goes to stdout, progress and advice to stderr.
        2. Nothing is written to a device by any of them.
"""

import asyncio
import difflib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli import modbus_text as text
from gateway.cli.parts import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    ConfigFolder,
    load,
    say,
    shelf,
)
from gateway.clock import SystemClock
from gateway.errors import LinkDown

DEFAULT_UNITS: Final = "1-32"
OWN_SOCKET_UNIT: Final = 255
"""What Modbus TCP devices with a connection of their own like to be called (quirk row 32)."""
MAX_UNIT: Final = 247
PROBE_RATE_PER_S: Final = 20.0
Anyway = Annotated[
    bool, typer.Option("--anyway", help="即使本机已有连接 / although somebody is connected")
]
_SPAN: Final = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")

scan_app = typer.Typer(no_args_is_help=True, help=text.SCAN)


@scan_app.callback()
def _group() -> None:
    """Keep `scan modbus` a group of one: other buses will come."""


@scan_app.command("modbus", help=text.SCAN_MODBUS)
def scan_modbus(  # noqa: PLR0913 one for each option
    url: Annotated[
        str, typer.Argument(metavar="URL", help="如 gateway.toml 的 url / as in gateway.toml")
    ],
    *,
    units: Annotated[
        str | None, typer.Option(metavar="1-32,40", help="站号 / unit numbers; 1-32")
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.2, max=1000, help="每秒最多几问 / requests a second")
    ] = 5.0,
    timeout: Annotated[
        float, typer.Option(min=0.02, max=10, help="等几秒 / seconds to wait for an answer")
    ] = 0.3,
    serial_guess: Annotated[
        bool,
        typer.Option("--serial-guess", help="试常用波特率和校验 / try the usual baud and parity"),
    ] = False,
    no_ranges: Annotated[
        bool, typer.Option("--no-ranges", help="只看谁应答 / only who answers")
    ] = False,
    anyway: Anyway = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="DIR", help="也用它的 profiles/ / its profiles/ too"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="给程序读 / for programs")] = False,
) -> None:
    """Look at a bus without changing anything."""
    from gateway.commission import scan_text  # noqa: PLC0415 see root.py
    from gateway.commission.scan import Scan  # noqa: PLC0415

    settings = _settings(url)
    if serial_guess and settings.scheme != "serial":
        raise typer.BadParameter("--serial-guess: 只用于串口 / for serial: links only")
    numbers = _units(units, settings)
    if not anyway:
        _refuse_when_used(settings)
    clock = SystemClock()
    if serial_guess:
        settings = _guess(settings, numbers, clock, rate, timeout)
    scan = Scan(
        settings,
        numbers,
        clock,
        rate_per_s=rate,
        timeout_s=timeout,
        ranges=not no_ranges,
        told=say,
    )
    interrupted = False
    try:
        asyncio.run(scan.run(shelf(config)))
    except KeyboardInterrupt:
        interrupted = True
        scan.found.ended = "Ctrl-C：以下是已找到的 / this is what was found so far"
    except LinkDown as down:
        _not_open(settings, down)
    if as_json:
        shown = scan_text.document_of(settings, scan.found)
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        for line in scan_text.lines_of(settings, scan.found):
            typer.echo(line)
    if interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if not scan.found.units:
        raise typer.Exit(EXIT_FAILED)


def _settings(url: str) -> Any:  # noqa: ANN401 BusSettings, whose module is not imported for --help
    from gateway.links.modbus import parse_url  # noqa: PLC0415

    try:
        return parse_url(url)
    except ValueError as error:
        raise typer.BadParameter(f"URL: {error}") from error


def _units(said: str | None, settings: Any) -> list[int]:  # noqa: ANN401 see _settings
    """Read 1-32,40; on Modbus TCP 255 is looked at too unless the installer said what to ask."""
    numbers: list[int] = []
    highest = 255 if settings.scheme == "tcp" else MAX_UNIT
    for piece in (said or DEFAULT_UNITS).split(","):
        span = _SPAN.fullmatch(piece.strip())
        first, last = (int(span[1]), int(span[2] or span[1])) if span else (1, 0)
        if not (0 if settings.scheme == "tcp" else 1) <= first <= last <= highest:
            raise typer.BadParameter(f"--units {piece}: 1–{highest}, 如 / like 1-32 或 / or 3,7")
        numbers += range(first, last + 1)
    if said is None and settings.scheme == "tcp":
        numbers.append(OWN_SOCKET_UNIT)
    return list(dict.fromkeys(numbers))


def _refuse_when_used(settings: Any) -> None:  # noqa: ANN401 see _settings
    from gateway.commission import busy  # noqa: PLC0415

    who = busy.connected_from_here(settings)
    if who is not None:
        for line in busy.refusal(settings, who):
            say(line)
        raise typer.Exit(EXIT_FAILED)


def _not_open(settings: Any, down: LinkDown) -> None:  # noqa: ANN401 see _settings
    from gateway.commission import busy  # noqa: PLC0415

    for line in busy.why_not_open(settings, down):
        say(line)
    raise typer.Exit(EXIT_FAILED)


def _guess(
    settings: Any,  # noqa: ANN401 see _settings
    numbers: list[int],
    clock: SystemClock,
    rate: float,
    timeout: float,
) -> Any:  # noqa: ANN401
    from gateway.commission import guess  # noqa: PLC0415

    try:
        found = asyncio.run(
            guess.guess(settings, numbers, clock, rate_per_s=rate, timeout_s=timeout, told=say)
        )
    except LinkDown as down:
        _not_open(settings, down)
        raise
    if found is None:
        say("没有一种波特率和校验有应答 / no baud and parity was answered")
        return settings
    say(f'应答了，写进 gateway.toml / it answers; for gateway.toml: url = "{guess.url_of(found)}"')
    return found


def probe(
    config: ConfigFolder,
    device: Annotated[str, typer.Option(metavar="ID", help="哪个设备 / which device")],
    *,
    once: Annotated[bool, typer.Option("--once", help="读一次（默认）/ once, the default")] = False,
    every: Annotated[
        float | None, typer.Option(min=0.2, max=3600, help="每几秒再读 / again every so many s")
    ] = None,
    neighbours: Annotated[
        bool, typer.Option("--neighbours", help="也读前后一个地址 / one address before and after")
    ] = False,
    anyway: Anyway = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="给程序读，一次一行 / for programs, one line each")
    ] = False,
) -> None:
    """Read one device and show what the gateway makes of it."""
    if once and every is not None:
        raise typer.BadParameter("--once, --every: 选一个 / give one of them")
    checked = load(config, untried=True)
    link, chosen, profile = _modbus_device(checked, device)
    settings = _settings(link.url)
    if not anyway:
        _refuse_when_used(settings)
    show = _Show(profile, chosen, config, as_json=as_json)
    complete = False
    try:
        complete = asyncio.run(
            _probe(
                settings, show, link.options.get("timeout_seconds"), every, neighbours=neighbours
            )
        )
    except LinkDown as down:
        _not_open(settings, down)
    if not complete:
        raise typer.Exit(EXIT_FAILED)


class _Show:
    """Makes the probe and prints what it has read."""

    def __init__(self, profile: Any, device: Any, folder: Path, *, as_json: bool) -> None:  # noqa: ANN401
        from gateway.commission import probe_text  # noqa: PLC0415
        from gateway.pointlist import known_devices  # noqa: PLC0415

        self.profile = profile
        self.device = device
        self._text = probe_text
        self._files = probe_text.Files(
            profile=probe_text.profile_file(folder, profile.id),
            device=str(folder / known_devices(folder).get(device.id, "devices.toml")),
        )
        self._as_json = as_json

    def __call__(self, made: Any, now_ns: int) -> None:  # noqa: ANN401 a Probe
        if self._as_json:
            shown = self._text.document_of(made, self._files, now_ns)
            typer.echo(json.dumps(shown, ensure_ascii=False))
        else:
            for line in self._text.lines_of(made, self._files, now_ns):
                typer.echo(line)


async def _probe(
    settings: Any,  # noqa: ANN401 see _settings
    show: _Show,
    timeout_s: float | None,
    every_s: float | None,
    *,
    neighbours: bool,
) -> bool:
    from gateway.commission.asking import Asker  # noqa: PLC0415
    from gateway.commission.probe import Probe  # noqa: PLC0415
    from gateway.links.modbus import listening  # noqa: PLC0415

    clock = SystemClock()
    made = Probe(show.profile, show.device, clock, timeout_s=timeout_s)
    asker = Asker(settings, clock, rate_per_s=PROBE_RATE_PER_S)
    async with listening(settings, clock):
        await asker.open()
        try:
            while True:
                await made.once(asker, neighbours=neighbours)
                show(made, clock.mono_ns())
                if every_s is None:
                    return made.complete
                await clock.sleep(every_s)
        finally:
            await asker.close()


def _modbus_device(checked: Any, device_id: str) -> tuple[Any, Any, Any]:  # noqa: ANN401 a Config
    """Return (link, device, profile) of a Modbus device; a usage error for any other."""
    chosen = next((each for each in checked.devices if each.id == device_id), None)
    if chosen is None:
        known = [each.id for each in checked.devices]
        near = ", ".join(difflib.get_close_matches(device_id, known, n=3)) or ", ".join(known[:8])
        raise typer.BadParameter(f"--device {device_id}: 没有这个设备 / no such device: {near}")
    link = next(each for each in checked.links if each.name == chosen.link)
    if link.kind != "modbus":
        raise typer.BadParameter(
            f"--device {device_id}: 在 {link.kind} 链路上，probe 只读 Modbus / is on a link of "
            f"kind {link.kind}, probe reads Modbus only"
        )
    return link, chosen, checked.shelf.get(chosen.profile_id)
