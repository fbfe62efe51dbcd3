"""`campus-gateway video`: records when nothing else is said; commands that look after video.

Owns    the group: the recorder itself is its callback, so that `video --config DIR` stays what it
        is; one command below it for each thing a person decides about recordings.
Needs   parts; gateway.recorder is imported inside the commands (see root.py).
Keeps   A command changes nothing behind the back of the video process: it asks it.
"""

import asyncio
import importlib
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import text
from gateway.cli.parts import EXIT_CONFIG, EXIT_FAILED, ConfigFolder, advise, heavy, load, say
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
    service: Any = heavy("gateway.recorder.service")
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
    meant = next((each for each in checked.volumes if _is_same(each, path)), None)
    if meant is None:
        known = ", ".join(str(volume) for volume in checked.volumes)
        advise(
            "配置中没有这个卷：{path}；有：{known}",
            "no volume of the configuration is at {path}; there are: {known}",
            path=path,
            known=known or "–",
        )
        raise typer.Exit(EXIT_FAILED)
    found = adopting.look(meant)
    for line in found.lines:
        typer.echo(line)
    if not yes:
        question = "从现在起用这块盘录像? Record onto this disk from now on?"
        typer.confirm(question, abort=True, err=True)
    answer = asyncio.run(adopting.adopt(checked.store.path, found, SystemClock()))
    say(answer.text)
    if not answer.ok:
        raise typer.Exit(EXIT_FAILED)


def _is_same(volume: Path, path: Path) -> bool:
    """Whether a person means this volume, however the file or he writes its path."""
    return os.path.normpath(volume) == os.path.normpath(path.absolute())


@video_app.command("release", help=text.VIDEO_RELEASE)
def release(
    config: ConfigFolder,
    alarm: Annotated[str, typer.Option("--alarm", metavar="ID", help="警情号 / the alarm's id")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="原因，记入审计 / why; it is recorded")
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="不再询问 / do not ask")] = False,
) -> None:
    """End the hold of an alarm's video, for good."""
    if not reason.strip():
        raise typer.BadParameter("要写原因 / a reason is needed", param_hint="--reason")
    checked = load(config)
    releasing: Any = importlib.import_module("gateway.recorder.releasing")
    found = asyncio.run(releasing.look(checked.store.path, alarm))
    for line in found.lines:
        typer.echo(line)
    if not found.holds:
        advise("没有为它留证：{id}", "nothing is held for {id}", id=found.alarm_id)
        raise typer.Exit(EXIT_FAILED)
    if found.is_open:
        advise("警情未关闭，先关闭它", "the alarm is open: close it first")
        raise typer.Exit(EXIT_FAILED)
    if not yes:
        question = "放行这些录像，到期即删? Release it, to be removed when it is old?"
        typer.confirm(question, abort=True, err=True)
    answer = asyncio.run(releasing.release(checked.store.path, found, reason, SystemClock()))
    say(answer.text)
    if not answer.ok:
        raise typer.Exit(EXIT_FAILED)


@video_app.command("relearn", help=text.VIDEO_RELEARN)
def relearn(
    config: ConfigFolder,
    camera: Annotated[str, typer.Option("--camera", metavar="ID", help="摄像机 / the camera")],
) -> None:
    """Have the pictures process forget a camera's scene: what it shows now is right."""
    checked = load(config)
    if camera not in {each.id for each in checked.cameras if each.picture_checks}:
        advise("没有这台摄像机，或不检查它的画面", "no camera of that id is checked")
        raise typer.Exit(EXIT_FAILED)
    asking: Any = importlib.import_module("gateway.pictures.asking")
    try:
        asking.ask_to_relearn(checked.store.path, camera)
    except OSError as error:
        advise("写不进去：{why}", "it cannot be asked: {why}", why=str(error))
        raise typer.Exit(EXIT_FAILED) from error
    say("已请求：几秒内忘掉旧场景，一分钟后学会新的 asked: it forgets within seconds")
