"""The command that turns a point list into devices: import.

Owns    its options and exit codes; reading and judging rows is gateway.pointlist's.
Needs   parts; gateway.pointlist and gateway.config are imported inside (see root.py).
Keeps   Every row that is not taken is printed with its number and why, before anything is written.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.parts import EXIT_FAILED, ConfigFolder, say, shelf

MAX_TOLD = 500
"""Rows that are told one by one; then only how many there are."""


def import_list(  # noqa: PLR0913 one for each option
    file: Annotated[Path, typer.Argument(metavar="FILE", help="点表 / the list: .csv .xlsx")],
    config: ConfigFolder,
    profile: Annotated[str, typer.Option(metavar="ID", help="型号 / the model of every row")],
    link: Annotated[str, typer.Option(metavar="NAME", help="链路 / the name of a [[link]]")],
    *,
    out: Annotated[
        str | None, typer.Option(metavar="NAME", help="写成 devices.d/NAME.toml / the file's name")
    ] = None,
    sheet: Annotated[
        str | None, typer.Option(metavar="S", help="XLSX 的工作表 / which sheet; the first")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="loop=回路号", help="哪一列是什么 / meaning=header"),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="unit=1", help="全表相同 / the same for all rows"),
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="吸气式=fire", help="类型 → 报警类别 / type=kind"),
    ] = None,
    accept_unverified: Annotated[
        bool, typer.Option("--accept-unverified", help="写进每台设备 / into every device")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="覆盖同名文件 / over a file of that name")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只报告，不写 / report only, write nothing")
    ] = False,
) -> None:
    """Read a list, report every row that does not fit, write the others."""
    from gateway import pointlist  # noqa: PLC0415 see root.py
    from gateway.pointlist.job import IDENTIFIER  # noqa: PLC0415

    name = out or file.stem
    if not dry_run and not IDENTIFIER.fullmatch(name):
        raise typer.BadParameter(f"--out: {name} 不能作文件名 / no file name: A-Z a-z 0-9 . _ -")
    job = pointlist.PointListJob(
        source=file,
        profile=_profile(config, profile),
        link=_link(config, link),
        sheet=sheet,
        columns={header: meaning for meaning, header in _pairs("--map", columns)},
        fixed={key: _scalar(value) for key, value in _pairs("--set", fixed)},
        kinds=dict(_pairs("--kind", kinds)),
        taken=pointlist.known_devices(config, without=name if replace else None),
        accept_unverified=accept_unverified,
    )
    points = pointlist.read_points(job)
    for fault in points.faults[:MAX_TOLD]:
        typer.echo(str(fault))
    if len(points.faults) > MAX_TOLD:
        typer.echo(f"… {len(points.faults)}")
    typer.echo(points.summary())
    if dry_run:
        typer.echo(pointlist.render(points))
    elif points.devices:
        path = pointlist.write_devices(config, name, points, replace=replace)
        typer.echo(f"{path}")
        say(f"下一步 / next: campus-gateway check --config {config}")
    else:
        say("没有一行能导入，没有写文件 / no row could be imported, no file was written")
    if not points.complete or not points.devices:
        raise typer.Exit(EXIT_FAILED)


def _profile(config: Path, profile_id: str) -> Any:  # noqa: ANN401 a Profile, see parts.load
    profiles = shelf(config)
    found = profiles.get(profile_id)
    if found is None:
        near = ", ".join(profiles.close_matches(profile_id)) or "campus-gateway profile list"
        raise typer.BadParameter(f"--profile {profile_id}: 没有 / there is none; {near}")
    return found


def _link(config: Path, name: str) -> str:
    """Return the link's name; a usage error when gateway.toml can be read and has no such link.

    What else is wrong with the configuration is `check`'s matter: a list may come first.
    """
    import tomllib  # noqa: PLC0415 not for --help

    try:
        tables = tomllib.loads((config / "gateway.toml").read_text("utf-8")).get("link", [])
        known = [str(table["name"]) for table in tables]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return name
    if name not in known:
        raise typer.BadParameter(
            f"--link {name}: {config / 'gateway.toml'} 里没有 / has no such [[link]]: "
            + ", ".join(known)
        )
    return name


def _pairs(option: str, said: list[str] | None) -> list[tuple[str, str]]:
    pairs = []
    for text in said or ():
        key, sign, value = text.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise typer.BadParameter(f"{option} {text}: 写成 / write key=value")
        pairs.append((key.strip(), value.strip()))
    return pairs


def _scalar(text: str) -> bool | int | float | str:
    """Read a value as devices.toml would: true, 3, 0.5, else a text."""
    if text in {"true", "false"}:
        return text == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
