"""What the groups of commands share: exit codes, loading a configuration, advice for a person.

Owns    the exit codes of the contract and how advice looks.
Needs   typer; gateway.config is imported when a command needs it, not for --help.
"""

import gc
import importlib
from pathlib import Path
from typing import Annotated, Any, Final

import typer

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_CONFIG: Final = 78
EXIT_INTERRUPTED: Final = 130

ConfigFolder = Annotated[
    Path,
    typer.Option(
        "--config",
        metavar="DIR",
        help="配置目录，内有 gateway.toml / the folder with gateway.toml",
    ),
]


def heavy(name: str) -> Any:  # noqa: ANN401 a module that is not imported for --help
    """Import a module that costs a start its time, with the collector of garbage at rest.

    What importing makes stays for ever, and looking through it again and again is a sixth of the
    start; on the box at a school a start after a crash is time in which nobody takes alarms.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        if was_on:
            gc.enable()


def load(folder: Path, *, untried: bool = False) -> Any:  # noqa: ANN401 a Config, whose module is not imported for --help
    """Return the checked configuration; ConfigError goes up to main()."""
    return heavy("gateway.config").load_config(folder, untried=untried)


def shelf(folder: Path | None) -> Any:  # noqa: ANN401 see load
    """Return the shipped profiles and, when a folder is given, its own beside them."""
    from gateway.profile import Shelf, shipped_folder  # noqa: PLC0415 see load

    own = folder / "profiles" if folder is not None else None
    return Shelf.load(shipped_folder(), *([own] if own is not None and own.is_dir() else []))


def advise(chinese: str, english: str, **facts: object) -> None:
    """Say to a person, on stderr, what happened and what to do."""
    typer.echo(f"{chinese.format(**facts)}\n{english.format(**facts)}", err=True)


def say(line: str) -> None:
    """Say one line that is in both languages already, on stderr."""
    typer.echo(line, err=True)
