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
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway import (
    cli_cameras,
    cli_evidence,
    cli_import,
    cli_modbus,
    cli_modbus_text,
    cli_people,
    cli_simulate,
    cli_speech,
    cli_video,
)
from gateway import cli_text as text
from gateway.cli_parts import (
    EXIT_CONFIG,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    ConfigFolder,
    advise,
    load,
    shelf,
)
from gateway.clock import SystemClock
from gateway.errors import ConfigError, GatewayError, StoreNewer
from gateway.events import Kind

ROLES: Final = ("guard", "leader", "installer", "admin", "viewer", "platform", "auditor")
MAX_SAMPLE_BYTES: Final = 1024 * 1024

app = typer.Typer(
    name="campus-gateway",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=text.MAIN,
)
profile_app = typer.Typer(
    no_args_is_help=True,
    help=text.PROFILE,
)
app.add_typer(profile_app, name="profile")
app.add_typer(cli_simulate.simulate_app, name="simulate")

app.add_typer(cli_people.people_app, name="person")
app.add_typer(cli_modbus.scan_app, name="scan")
cli_modbus.scan_app.command("cameras", help=cli_cameras.SCAN_CAMERAS)(cli_cameras.scan_cameras)
app.add_typer(cli_video.video_app, name="video")
app.command("probe", help=cli_modbus_text.PROBE)(cli_modbus.probe)
app.command("export", help=text.EXPORT)(cli_evidence.export)
app.command("import", help=cli_modbus_text.IMPORT)(cli_import.import_list)
app.command("speech", help=cli_speech.SPEECH)(cli_speech.speech)


@app.command(help=text.RUN)
def run(config: ConfigFolder) -> None:
    """Run the gateway: alarms in, deliveries out, API and page."""
    checked = load(config)
    gateway_app: Any = importlib.import_module("gateway.app")
    _finish(asyncio.run(gateway_app.run(checked)))


@app.command(help=text.DEMO)
def demo(
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="数据目录 / where the data live")
    ] = cli_simulate.DEMO_DATA,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="网页端口 / the page's port")] = 8800,
) -> None:
    """Show everything on one machine: broker, buttons, gateway, police and bureau."""
    gateway_demo: Any = importlib.import_module("gateway.demo")
    _finish(asyncio.run(gateway_demo.demo(data, port)))


@app.command(help=text.CHECK)
def check(config: ConfigFolder) -> None:
    """Check all files, one line per fault; exit code 78 when there is one."""
    from gateway.config import advice  # noqa: PLC0415 pydantic costs 0.2 s that --help need not pay

    checked = load(config)
    times, warnings = _modbus(checked)
    for line in [*_summary(checked), *cli_speech.summary(checked), *times]:
        typer.echo(line)
    for line in [*advice(checked), *warnings]:
        typer.echo(f"警告 / warning: {line}")


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
        cli_evidence.verify_package(package, key)
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


@app.command(help=text.ACCESS)
def token(
    config: ConfigFolder,
    role: Annotated[
        str | None, typer.Option(metavar="|".join(ROLES), help="角色 / what it may do")
    ] = None,
    name: Annotated[
        str, typer.Option(help="给谁用 / whose it is, shown in lists and records")
    ] = "",
    list_: Annotated[bool, typer.Option("--list", help="列出令牌 / list tokens")] = False,  # noqa: FBT002 typer's way to say a flag
    revoke: Annotated[
        str | None, typer.Option(metavar="ID", help="作废一个 / revoke one by its id")
    ] = None,
) -> None:
    """Make an API token (shown once), or list or revoke tokens."""
    if (role is not None) + list_ + (revoke is not None) != 1:
        raise typer.BadParameter("--role, --list, --revoke: 选一个 / give exactly one of them")
    if role is not None and role not in ROLES:
        raise typer.BadParameter(f"--role: {' | '.join(ROLES)}")
    checked = load(config)
    console_tokens: Any = importlib.import_module("gateway.console.tokens")
    checked.store.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    book = console_tokens.TokenBook(checked.store.path / "tokens.json", SystemClock())
    if role is not None:
        try:
            made = book.create(console_tokens.Role(role), name or role)
        except ValueError as error:
            raise typer.BadParameter(f"--name: {error}") from error
        cli_evidence.note(checked.store.path, "token.create", name or role, role=role)
        typer.echo(made)
        advise(
            "请现在抄好：不会再显示第二次。丢了就用 --revoke 作废，再发一个",
            "write it down now: it is never shown again. If it is lost, --revoke it and make one",
        )
    elif list_:
        for entry in book.list():
            typer.echo(f"{entry.id}\t{entry.role}\t{entry.created_at}\t{entry.name}")
    elif not book.revoke(revoke):
        advise("没有这个 id：用 --list 查看", "there is no such id: see --list")
        raise typer.Exit(EXIT_FAILED)
    else:
        cli_evidence.note(checked.store.path, "token.revoke", str(revoke))


@app.command(help=text.VERSION)
def version() -> None:
    """Show the version."""
    try:
        typer.echo(importlib.metadata.version("campus-gateway"))
    except importlib.metadata.PackageNotFoundError:
        typer.echo("0+checkout")


@profile_app.command("list", help=text.PROFILE_LIST)
def profile_list(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="DIR",
            help="也算上此目录的 profiles/ / this folder's profiles/ too",
        ),
    ] = None,
    driver: Annotated[
        str | None,
        typer.Option(metavar="mqtt|modbus|onvif", help="只列这种通信 / of this driver only"),
    ] = None,
    family: Annotated[
        str | None, typer.Option(metavar="gas|fire|…", help="只列这一类 / of this family only")
    ] = None,
) -> None:
    """List all profiles: id, titles, proof, family, driver, confidence; tabs between them."""
    profiles = shelf(config)
    chosen = [profiles.get(profile_id) for profile_id in profiles.ids()]
    for option, wanted, known in (
        ("--driver", driver, {profile.driver for profile in chosen}),
        ("--family", family, {profile.family for profile in chosen}),
    ):
        if wanted is not None and wanted not in known:
            raise typer.BadParameter(f"{option}: {' | '.join(sorted(known))}")
    for profile in chosen:
        if driver in {None, profile.driver} and family in {None, profile.family}:
            proof = "verified" if profile.verified else "unverified"
            typer.echo(
                f"{profile.id}\t{profile.title}\t{profile.title_en}\t{proof}\t{profile.family}"
                f"\t{profile.driver}\t{profile.source.confidence}"
            )


@profile_app.command("check", help=text.PROFILE_CHECK)
def profile_check(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Check a profile file and decode all the samples in it."""
    tool: Any = importlib.import_module("gateway.profile.tool")
    faults, notes = tool.judge_file(file)
    for fault in faults:
        typer.echo(str(fault))
    if faults:
        raise typer.Exit(EXIT_CONFIG)
    typer.echo(f"{file}: 没有错误 / no fault")
    for note in notes:
        typer.echo(f"{file}: {note}")


@profile_app.command("decode", help=text.PROFILE_DECODE)
def profile_decode(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="型号文件或其 id / a profile file, or its id")
    ],
    sample: Annotated[
        str,
        typer.Option(
            "--json",
            metavar="SAMPLE",
            help="样例文件、- 表示标准输入、或 JSON 本身 / a file, - for stdin, or the JSON itself",
        ),
    ],
    topic: Annotated[str | None, typer.Option(help="消息的主题 / the topic it came on")] = None,
) -> None:
    """Decode one message with a profile and see what the gateway would make of it."""
    profile = _profile_of(file)
    tool: Any = importlib.import_module("gateway.profile.tool")
    try:
        shown: dict[str, Any] = tool.decode_sample(profile, topic, _sample(sample))
    except tool.BadSample as error:
        raise typer.BadParameter(f"--json: {error}") from error
    typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    if shown["garbled"] is not None:
        advise(
            "解不开：现场收到这样的消息会记为“乱码”故障，并保留原文",
            "it does not decode: in the field it is kept and becomes a garbled fault",
        )
        raise typer.Exit(EXIT_FAILED)


def _finish(code: int) -> None:
    if code:
        raise typer.Exit(code)


def _summary(config: Any) -> list[str]:  # noqa: ANN401 see cli_parts.load
    """Describe a sound configuration: what an installer compares with his list."""
    lines = [
        f"{config.site.id} {config.site.name}, {config.site.gateway}: 没有错误 / no fault",
        f"设备 / devices: {len(config.devices)}",
    ]
    profiles = Counter(device.profile_id for device in config.devices)
    lines += [f"  {count:>5}  {profile}" for profile, count in sorted(profiles.items())]
    lines.append(f"链路 / links: {len(config.links)}")
    on_link = Counter(device.link for device in config.devices)
    for link in config.links:
        embedded = ", embedded broker" if link.name in config.embedded else ""
        lines.append(
            f"  {link.name}: {link.kind} {link.url}{embedded}, {on_link[link.name]} devices"
        )
    lines.append(f"接收方 / receivers: {len(config.uplinks)}")
    for entry in config.uplinks:
        lines.append(f"  {entry.name}: {entry.kind}, {_kinds_of(config, entry.name)}")
    is_tls = config.console.cert or config.console.has_own_certificate
    scheme = "https" if is_tls else "http"
    lines.append(f"控制台 / console: {scheme}://{config.console.host}:{config.console.port}")
    return lines


def _modbus(config: Any) -> tuple[list[str], list[str]]:  # noqa: ANN401 see cli_parts.load
    """Reckon the buses, if there are any: it costs imports that others need not pay."""
    if all(link.kind != "modbus" for link in config.links):
        return [], []
    buses: Any = importlib.import_module("gateway.commission.buses")
    pointlist: Any = importlib.import_module("gateway.pointlist")
    head = "Modbus 总线上新报警最坏多久 / the worst time of a new alarm on each Modbus bus"
    times: list[str] = buses.bus_summary(config)
    warnings: list[str] = buses.bus_advice(config, pointlist.known_devices(config.folder))
    return [head, *times] if times else [], warnings


def _kinds_of(config: Any, uplink: str) -> str:  # noqa: ANN401 see cli_parts.load
    kinds = [kind.value for kind in Kind if uplink in config.receivers_of(kind)]
    if len(kinds) == len(Kind):
        return "全部种类 / all kinds"
    return ", ".join(kinds) or "没有种类 / no kind"


def _profile_of(file: str) -> Any:  # noqa: ANN401 see cli_parts.load
    """Return a profile by its id, or from a file that need not be in any profiles folder."""
    profiles = shelf(None)
    profile = profiles.get(file.removesuffix(".toml"))
    if profile is not None:
        return profile
    path = Path(file)
    if not path.is_file():
        near = ", ".join(profiles.close_matches(file))
        raise typer.BadParameter(f"FILE: 没有 / there is no {file} {near}")
    shelf_module: Any = importlib.import_module("gateway.profile.shelf")
    profile, faults = shelf_module.load_file(path, path.with_suffix("").name)
    if faults:
        raise ConfigError(faults)
    return profile


def _sample(text: str) -> bytes:
    """Return the message to decode: stdin, a file's bytes, or the text itself."""
    if text == "-":
        return sys.stdin.buffer.read(MAX_SAMPLE_BYTES)
    if text.lstrip()[:1] in {"{", "[", '"'}:
        return text.encode()
    try:
        with Path(text).open("rb") as file:
            return file.read(MAX_SAMPLE_BYTES)
    except OSError as error:
        raise typer.BadParameter(f"--json: {text}: {error.strerror}") from error


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


if __name__ == "__main__":
    main()
