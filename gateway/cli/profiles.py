"""The commands of `campus-gateway profile`: list what is shipped, check a file, try a message.

Owns    `profile list`, `profile check`, `profile decode`.
Needs   parts; gateway.profile is imported inside the commands (see root.py).
Keeps   A sample is read up to 1 MiB, from wherever it comes.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli import text
from gateway.cli.parts import EXIT_CONFIG, EXIT_FAILED, advise, shelf
from gateway.errors import ConfigError

MAX_SAMPLE_BYTES: Final = 1024 * 1024

profile_app = typer.Typer(no_args_is_help=True, help=text.PROFILE)


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


def _profile_of(file: str) -> Any:  # noqa: ANN401 see parts.load
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
