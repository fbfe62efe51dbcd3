"""`campus-gateway video`: records when nothing else is said; commands that look after video.

Owns    the group: the recorder itself is its callback, so that `video --config DIR` stays what it
        is; one command below it for each thing a person decides about recordings.
Needs   cli_parts; gateway.recorder is imported inside the commands (see cli.py).
Keeps   A command changes nothing behind the back of the video process: it asks it.
"""

import asyncio
import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import cli_text as text
from gateway.cli_parts import EXIT_CONFIG, EXIT_FAILED, ConfigFolder, advise, load, say
from gateway.clock import SystemClock

video_app = typer.Typer(invoke_without_command=True, help=text.VIDEO)


@video_app.callback()
def video(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="DIR",
            help="配置目录，内有 gateway.toml / the folder with gateway.toml",
        ),
    ] = None,
) -> None:
    """Run the recorder: cameras in, segments out."""
    if context.invoked_subcommand is not None:
        return  # its own --config counts
    if config is None:
        raise typer.BadParameter("缺少 / missing", param_hint="--config")
    checked = load(config)
    if not checked.cameras or not checked.volumes:
        advise(
            "没有可录的摄像机或录像盘：在 gateway.toml 写 [[camera]]（带 url）和 [[video.volume]]",
            "nothing to record: gateway.toml needs a [[camera]] with a url and a [[video.volume]]",
        )
        raise typer.Exit(EXIT_CONFIG)
    service: Any = importlib.import_module("gateway.recorder.service")
    if code := asyncio.run(service.run(checked)):
        raise typer.Exit(code)


@video_app.command("adopt", help=text.VIDEO_ADOPT)
def adopt(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="录像盘的挂载点 / where the disk is mounted")
    ],
    config: ConfigFolder,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="不再询问 / do not ask")] = False,
) -> None:
    """Have the recorder use the disk that is mounted at a volume's path from now on."""
    checked = load(config)
    adopting: Any = importlib.import_module("gateway.recorder.adopting")
    if path.absolute() not in checked.volumes:
        known = ", ".join(str(volume) for volume in checked.volumes)
        advise(
            "配置中没有这个卷：{path}；有：{known}",
            "no volume of the configuration is at {path}; there are: {known}",
            path=path,
            known=known or "–",
        )
        raise typer.Exit(EXIT_FAILED)
    found = adopting.look(path.absolute())
    for line in found.lines:
        typer.echo(line)
    if not yes:
        question = "从现在起用这块盘录像? Record onto this disk from now on?"
        typer.confirm(question, abort=True, err=True)
    answer = asyncio.run(adopting.adopt(checked.store.path, found, SystemClock()))
    say(answer.text)
    if not answer.ok:
        raise typer.Exit(EXIT_FAILED)
