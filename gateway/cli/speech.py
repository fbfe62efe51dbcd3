"""`campus-gateway speech`: makes the spoken alarm texts of a site.

Needs   parts; gateway.spoken is imported inside (see root.py).
"""

import importlib
from typing import Any, Final

import typer

from gateway.cli.parts import EXIT_FAILED, ConfigFolder, advise, load, say

SPEECH: Final = """\
生成语音：每个报警点一条中文一条英文，说出地点、设备和警情；设备改名或增减后再运行一次。

Make the spoken alarm texts: for each point that raises alarms where it is and what it is, in
Chinese and English. Run it again after devices were added or named anew.

\b
例 / example: campus-gateway speech --config /etc/campus-gateway
"""


def speech(config: ConfigFolder) -> None:
    """Make the spoken alarm texts."""
    checked = load(config)
    spoken: Any = importlib.import_module("gateway.spoken")
    program = spoken.engine()
    if program is None:
        advise(
            "本机没有语音引擎，控制台只有提示音：安装 espeak-ng 后再运行",
            "this machine has no speech engine, consoles have tones only: install espeak-ng, then"
            " run this again",
        )
        raise typer.Exit(EXIT_FAILED)
    done = spoken.build(checked.devices, checked.store.path, program)
    for line in done.failed:
        typer.echo(line)
    say(
        f"语音：新做 {done.made},未变 {done.kept},删除 {done.removed},失败 {len(done.failed)}"
        f" · speech: {done.made} made, {done.kept} kept, {done.removed} removed,"
        f" {len(done.failed)} failed"
    )
    if done.failed:
        raise typer.Exit(EXIT_FAILED)


def summary(config: Any) -> list[str]:  # noqa: ANN401 see parts.load
    """Say in `check` what the guard room hears."""
    siren, player = config.console.siren, config.console.player
    sounds = ([f"{siren.device}/{siren.on}"] if siren else []) + ([player[0]] if player else [])
    made: Any = importlib.import_module("gateway.speech")
    texts = made.count(config.store.path)
    spoken = (
        f"{texts} 条语音 / {texts} spoken texts"
        if texts
        else "只有提示音:campus-gateway speech / tones only: run campus-gateway speech"
    )
    return [
        f"警号 / siren: {', '.join(sounds) or '没有，只靠值班屏 / none, consoles only'}",
        f"语音 / speech: {spoken}",
        f"预案 / response plans: {', '.join(sorted(config.plans))}",
    ]
