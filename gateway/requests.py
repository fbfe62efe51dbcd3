"""Requests: what a command asks of a process that runs, in files, and what it answers.

Owns    STORE/requests/PROCESS/ID.json and ID.answer.json: their form and their life.
Needs   gateway.reports for values and their bounds, gateway.clock. Blocks for small files only.
Keeps   1. A request is taken once, and only while whoever asked may still be waiting: FRESH_S, in
           the boot it was made in. One that was left behind is thrown away, never done late.
        2. Who asked is told what was done, or that nobody answered; nothing happens after that.
        3. Only who may write into the store's folder can ask: the folder's mode is the lock.
Bound   PENDING_MOST requests are looked at in one go; SIZE_MOST_BYTES each.
"""

import contextlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.reports import Report, Value, boot, is_this_boot, plain

FRESH_S: Final = 20.0
LOOK_S: Final = 0.2
PENDING_MOST: Final = 16
SIZE_MOST_BYTES: Final = 16 << 10
VALUES_MOST: Final = 24
_PROCESS: Final = re.compile(r"[a-z]{1,16}")
_FILE: Final = re.compile(r"([0-9a-f]{16})\.json")


class RequestError(GatewayError):
    """A request was not answered or could not be made; nothing was changed by it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: a word, and what it needs to know."""

    id: str
    what: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether it was done, and a sentence for the person."""

    ok: bool
    text: str


async def ask(
    store: Path, process: str, what: str, values: Mapping[str, Value], clock: Clock
) -> Answer:
    """Ask a process of the gateway for something and wait for its answer, FRESH_S at most.

    raises  RequestError when it does not answer: it does not run, and will not do it later
    """
    folder = _folder(store, process)
    name = secrets.token_hex(8)
    request, answer = folder / f"{name}.json", folder / f"{name}.answer.json"
    members = {
        "what": what,
        "values": dict(values),
        "at_ns": clock.utc_ns(),
        "mono_ns": clock.mono_ns(),
        "boot": boot(),
    }
    until_ns = clock.mono_ns() + int(FRESH_S * 1e9)
    try:
        _put(request, members)
        while clock.mono_ns() < until_ns:
            if (said := _get(answer)) is not None:
                return Answer(said.get("ok") is True, plain(str(said.get("text"))))
            await clock.sleep(LOOK_S)
    except OSError as error:
        raise RequestError(f"{folder}: {error}; nothing was changed") from error
    finally:
        for path in (request, answer):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    raise RequestError(
        "录像进程没有回答，什么也没有做；先启动它再试"
        f" the {process} process does not answer, nothing was done; start it and try again"
    )


def take(store: Path, process: str, clock: Clock) -> list[Request]:
    """The requests that wait for this process; each is given once. Answer every one of them."""
    folder = _folder(store, process)
    taken: list[Request] = []
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return []
    for name in names:
        found = _FILE.fullmatch(name)
        if found is None or len(taken) >= PENDING_MOST:
            continue
        request = _read(folder / name, found[1], clock)
        try:
            (folder / name).unlink()
        except OSError:
            continue  # whoever asked took it back
        if request is not None:
            taken.append(request)
    return taken


def answer(store: Path, process: str, request: Request, *, ok: bool, text: str) -> None:
    """Say what became of a request; whoever asked may be gone, which is no error."""
    folder = _folder(store, process)
    with contextlib.suppress(OSError):
        _put(folder / f"{request.id}.answer.json", {"ok": ok, "text": plain(text)})


def prepare(store: Path, process: str) -> None:
    """Make the folder, which then belongs to the process; answers nobody fetched are removed.

    raises  OSError
    """
    folder = _folder(store, process)
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    for entry in list(os.scandir(folder)):
        with contextlib.suppress(OSError):
            Path(entry.path).unlink()


def _folder(store: Path, process: str) -> Path:
    if _PROCESS.fullmatch(process) is None:
        raise ValueError(f"{process!r} is no process of the gateway")
    return store / "requests" / process


def _put(path: Path, members: Mapping[str, Any]) -> None:
    """Write a file whole or not at all; readable for the process, which may be another user's."""
    content = json.dumps(members, ensure_ascii=False, allow_nan=False).encode()
    temporary = path.with_name(path.name + ".tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o644)
        file.write(content)
    temporary.replace(path)


def _get(path: Path) -> dict[str, Any] | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(SIZE_MOST_BYTES + 1)
        said = json.loads(content[: SIZE_MOST_BYTES + 1]) if len(content) <= SIZE_MOST_BYTES else 0
    except (OSError, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _read(path: Path, name: str, clock: Clock) -> Request | None:
    said = _get(path)
    if said is None:
        return None
    try:
        made = Report(int(said["at_ns"]), mono_ns=int(said["mono_ns"]), boot=str(said["boot"]))
        values = dict(said["values"])
        plain_values = all(value is None or isinstance(value, str | int | float | bool)
                           for value in values.values())  # fmt: skip
        if not plain_values or len(values) > VALUES_MOST or not is_this_boot(made.boot):
            return None
        what = str(said["what"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return None if made.is_stale(clock, FRESH_S) else Request(name, what, values)
