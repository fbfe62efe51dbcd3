"""A point list as a file of devices.d/, written whole or not at all.

Owns    the text of the file, and putting it in its place.
Needs   job.py.
Keeps   1. The file appears under its name only when every byte of it is on the disk.
        2. A file that is there is never touched unless the caller says replace; two imports at
           once cannot overwrite each other.
        3. The same list gives the same bytes: no date, no order of chance.
"""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.config.inspection import both
from gateway.errors import ConfigError, ConfigFault
from gateway.events import Scalar
from gateway.pointlist.cells import clean
from gateway.pointlist.job import IDENTIFIER, ListedDevice, PointList

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_MODE: Final = 0o644
"""Devices are no secret, and the gateway's user must read what root has imported."""


def render(points: PointList) -> str:
    """Return the TOML of a list's devices, in the order of its rows."""
    job = points.job
    head = [
        f"# {clean(job.source.name)[:100]}: {points.summary()}",
        "# 由点表导入；改这里，或改点表后重新导入",
        "# made from a point list: change it here, or change the list and import it again",
    ]
    tables = [_table(device, points) for device in points.devices]
    return "\n".join(head) + "\n\n" + "\n".join(tables)


def write_devices(folder: Path, name: str, points: PointList, *, replace: bool = False) -> Path:
    """Write devices.d/<name>.toml of a configuration folder; returns its path.

    replace  True puts it over a file of that name
    raises   ConfigError: the name is none, the file is there, nothing fitted, or the disk refused.
             Then nothing has changed.
    """
    target = folder / "devices.d" / f"{name}.toml"
    if not IDENTIFIER.fullmatch(name):
        problem = both(f"不能作文件名：{name[:40]}", f"no name for a file: {name[:40]}")
        expected = both("字母、数字或 . _ -", "letters, digits or . _ -")
        raise _refused(target.parent, problem, expected)
    if not points.devices:
        problem = both("没有一行能导入", "no row could be imported")
        raise _refused(points.job.source, problem, both("至少一行合适", "a row that fits"))
    try:
        _make_folder(target.parent)
        _put(target, render(points).encode(), replace=replace)
    except FileExistsError as error:
        problem = both("文件已存在，没有改动", "the file is there and was not touched")
        expected = both("另一个名字，或要求覆盖", "another name, or replace")
        raise _refused(target, problem, expected) from error
    except OSError as error:
        problem = both(f"写不了：{error.strerror}", f"cannot be written: {error.strerror}")
        expected = both("可写的文件夹", "a folder that can be written")
        raise _refused(target, problem, expected) from error
    return target


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(error.errno, "Not a directory", str(folder)) from error


def _put(target: Path, content: bytes, *, replace: bool) -> None:
    """Write beside, sync, then give it its name in one step, then sync the folder."""
    handle, beside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), _MODE)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(beside).replace(target)
        else:
            os.link(beside, target)  # fails when the name is taken, which a look before cannot
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(beside).unlink()
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _table(device: ListedDevice, points: PointList) -> str:
    job = points.job
    lines = ["[[device]]", f"id = {_text(device.id)}", f"profile = {_text(job.profile.id)}",
             f"link = {_text(job.link)}"]  # fmt: skip
    if device.name:
        lines.append(f"name = {_text(device.name)}")
    if device.place:
        lines.append(f"place = {_text(device.place)}")
    lines.append(f"address = {_inline(device.address)}")
    if device.cameras:
        lines.append(f"cameras = [{', '.join(map(_text, device.cameras))}]")
    if job.accept_unverified:
        lines.append("accept_unverified = true")
    return "\n".join(lines) + "\n"


def _inline(address: Mapping[str, Scalar]) -> str:
    pairs = (
        f"{key if _BARE.fullmatch(key) else _text(key)} = {_scalar(value)}"
        for key, value in address.items()
    )
    return "{ " + ", ".join(pairs) + " }" if address else "{}"


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, all but U+007F, which TOML wants escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _refused(path: Path, problem: str, expected: str) -> ConfigError:
    return ConfigError([ConfigFault(str(path), "", problem, expected)])
