"""Changes of an installation's files: what is wanted, what it would come to, what can be wrong.

Owns    the values that the editor takes and gives, and how a change becomes a file's new text.
Needs   blocks.py (the text), shapes.py (which tables), guarding.py (what is never taken). Pure.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.config import blocks, shapes
from gateway.config.guarding import PASSWORD, refused
from gateway.config.inspection import Spot, both
from gateway.config.kept import Kept
from gateway.config.settings import Config
from gateway.config.shapes import SHAPES, Shape
from gateway.errors import ConfigFault, GatewayError

DIFF_LINES: Final = 2_000
SECRET_CHARS: Final = 256
_SECRET_OF: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Stale(GatewayError):
    """Somebody changed the files meanwhile; nothing was done, read again and decide anew.

    since  the changes made from here since then, oldest first, each with its difference; none when
           a file was edited by hand
    """

    def __init__(self, why: str, since: tuple[tuple[Kept, str], ...] = ()) -> None:
        super().__init__(why)
        self.since = since


class NothingToDo(GatewayError):
    """The files hold it already; nothing was done."""


class CannotWrite(GatewayError):
    """The disk or its permissions refuse; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is wanted; one of two.

    device  put the table of this name as `table`, or take it out when `table` is None
    text    put this text as the whole file
    file    which file: of a new device, or of the text; None for where it is or belongs
    new     the table must not be there yet
    kind    which shape of table: device, link, camera, contact; console, which has no name
    secret  a password that goes with the table: kept in a file of its own, which the table names
    undo    the text is a kept copy's, so that files are put back that are not given as a whole
    """

    device: str | None = None
    table: dict[str, Any] | None = None
    text: str | None = None
    file: str | None = None
    new: bool = False
    kind: str = "device"
    secret: str | None = field(default=None, repr=False)
    undo: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a change would do, judged; `faults` empty means it may be applied.

    version  of the files it was made from · config  what would run; None when there are faults
    secret   name and content of the file that the table's password would be kept in
    """

    file: str
    before: str | None
    after: str
    version: str
    diff: str
    faults: tuple[ConfigFault, ...]
    config: Config | None
    what: str
    secret: tuple[str, bytes] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Current:
    """The files as they are, by name, and their version."""

    files: Mapping[str, str]
    version: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A change worked out: file, text, a few words, and what is refused whatever check says."""

    file: str
    after: str
    what: str
    faults: tuple[ConfigFault, ...] = ()
    secret: tuple[str, bytes] | None = field(default=None, repr=False)


def place_of(files: Mapping[str, str], shape: Shape, name: str) -> str | None:
    """Return the file in which a table stands. Raises CannotEdit."""
    for file, text in files.items():
        index = blocks.find(text, name, shape) if _may_hold(file, shape) else None
        if index is None:
            continue
        if shape.is_alone and not set(shape.only) & blocks.tables_of(text, shape)[index].keys():
            continue  # [console] is there, but says nothing of what may be changed
        return file
    return None


def drawn(
    change: Change, files: Mapping[str, str], home: Mapping[str, str], fresh: Mapping[str, str]
) -> Drawn:
    """Work out a change. Raises CannotEdit.

    home   where a new table of each shape belongs
    fresh  the name of a file for a secret, by shape
    """
    if change.text is not None and change.file is not None:
        allowed = shapes.KNOWN if change.undo else shapes.WHOLE
        if not allowed.fullmatch(change.file):
            raise blocks.CannotEdit(
                both(
                    "只能改设备文件和预案",
                    "only devices.toml, devices.d/*.toml, plans/*.toml can be given as a whole",
                )
            )
        return Drawn(change.file, change.text, f"put {change.file}")
    shape = SHAPES.get(change.kind)
    if shape is None or (change.device is None and not shape.is_alone):
        raise blocks.CannotEdit(both("没说改什么", "the change says nothing"))
    name = "" if shape.is_alone else str(change.device)
    there = place_of(files, shape, name)
    file = there or change.file or home[shape.table]
    if not _may_hold(file, shape):
        raise blocks.CannotEdit(
            both(f"{shape.table} 不写在 {file[:64]} 里", f"{shape.table} does not go to that file")
        )
    what = f"{shape.table} {name}".strip() if shape.table != "device" else name
    text = files.get(file, "")
    now = blocks.table_of(text, name, shape)
    if shape.is_alone:
        return _alone(change, shape, (file, text, now), what)
    if change.table is None:
        if there is None:
            raise blocks.CannotEdit(both(f"没有 {what[:80]}", f"there is no {what[:80]}"))
        return Drawn(file, blocks.removed(text, name, shape), f"remove {what}")
    if there is not None and change.new:
        raise blocks.CannotEdit(
            both(f"`{name[:64]}` 已在 {there}", f"it is in {there} already; another name")
        )
    table, secret = _with_secret(change, shape, name, fresh)
    judged = {key: value for key, value in table.items() if secret is None or key != PASSWORD}
    spot = Spot(file, f'{shape.table}["{name}"]')
    faults = tuple(refused(shape, now, judged, spot))
    if there is not None:
        return Drawn(
            file, blocks.changed(text, name, table, shape), f"change {what}", faults, secret
        )
    return Drawn(file, blocks.added(text, table, shape), f"add {what}", faults, secret)


def _alone(
    change: Change, shape: Shape, there: tuple[str, str, dict[str, Any] | None], what: str
) -> Drawn:
    """Change the keys of a table that stands alone which may be changed, and none beside them."""
    file, text, now = there
    wanted = {key: value for key, value in (change.table or {}).items() if value is not None}
    strange = sorted(wanted.keys() - set(shape.only))
    if strange:
        raise blocks.CannotEdit(
            both(f"这里不能改 {strange[0][:64]}", f"{strange[0][:64]} cannot be changed here")
        )
    rest = {key: value for key, value in (now or {}).items() if key not in shape.only}
    faults = tuple(refused(shape, now, wanted, Spot(file, shape.table)))
    table = {**rest, **wanted}
    after = (
        blocks.added(text, table, shape) if now is None else blocks.changed(text, "", table, shape)
    )
    return Drawn(file, after, f"change {what}", faults)


def _with_secret(
    change: Change, shape: Shape, name: str, fresh: Mapping[str, str]
) -> tuple[dict[str, Any], tuple[str, bytes] | None]:
    table = dict(change.table or {})
    if change.secret is None:
        return table, None
    ill = not change.secret.isprintable() or not 0 < len(change.secret) <= SECRET_CHARS
    if shape.table not in fresh or ill or not _SECRET_OF.fullmatch(name):
        raise blocks.CannotEdit(
            both(
                f"密码须为 1 至 {SECRET_CHARS} 个可见字符",
                f"a password has 1 to {SECRET_CHARS} printable characters",
            )
        )
    table.pop("password_env", None)
    table[PASSWORD] = fresh[shape.table]
    return table, (fresh[shape.table], change.secret.encode() + b"\n")


def _may_hold(file: str, shape: Shape) -> bool:
    is_device = file == shapes.DEVICES or file.startswith("devices.d/")
    is_main = file == shapes.MAIN or file.startswith(f"{shapes.MORE}/")
    known = shapes.KNOWN.fullmatch(file) is not None
    return known and (is_device if shape.file == shapes.DEVICES else is_main)


def difference(file: str, before: str, after: str) -> str:
    """Return two texts' difference as a person reads it; at most DIFF_LINES of it."""
    lines = list(
        difflib.unified_diff(
            before.splitlines(), after.splitlines(), f"{file} (old)", f"{file} (new)", lineterm=""
        )
    )
    rest = len(lines) - DIFF_LINES
    shown = [*lines[:DIFF_LINES], f"… {rest}"] if rest > 0 else lines
    return "\n".join(shown)


def since(history: list[Kept], seen: str, files: Mapping[str, str]) -> list[tuple[Kept, str]]:
    """Return the changes made since somebody saw a version, oldest first, each with its difference.

    history  newest first · none when that version is no kept change's
    """
    later: list[Kept] = []
    for kept in history:
        later.append(kept)
        if kept.version == seen:
            break
    else:
        return []
    after = dict(files)
    told = []
    for kept in later:
        told.append((kept, difference(kept.file, kept.before or "", after.get(kept.file, ""))))
        after[kept.file] = kept.before or ""
    return list(reversed(told))
