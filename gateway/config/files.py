"""The files of an installation: TOML read with a bound, certificates and secrets.

Owns    reading from the configuration folder.
Needs   inspection.
Keeps   1. A file is read once, at most MAX_TOML_BYTES or MAX_SECRET_BYTES of it.
        2. A secret that every user of the machine could read is refused, with the command that
           repairs it (promise 12).
"""

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any, Final

from gateway.config.inspection import Inspection, Spot, both, shown

MAX_TOML_BYTES: Final = 32 * 1024 * 1024
MAX_SECRET_BYTES: Final = 4096

_TOML_PLACE: Final = re.compile(r"^(?P<what>.*?) \(at (?P<where>.*)\)$", re.DOTALL)
_LINE_COLUMN: Final = re.compile(r"line (\d+), column (\d+)")


def read_toml(path: Path, inspection: Inspection) -> dict[str, Any] | None:
    """Return the tables of one file; None when it cannot be read, and the fault is noted."""
    spot = Spot(str(path))
    raw = _read(path, spot, MAX_TOML_BYTES, inspection)
    if raw is None:
        return None
    try:
        text = raw.decode("utf-8-sig")  # Windows editors put a mark in front
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        inspection.fault(
            spot,
            both(f"第 {line} 行不是 UTF-8 文字", f"line {line} is no UTF-8 text"),
            both("用 UTF-8 编码保存的文件", "a file saved as UTF-8"),
        )
        return None
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        inspection.fault(spot, _syntax(str(error), text), both("TOML 语法", "TOML syntax"))
        return None


def existing_file(text: str | None, spot: Spot, inspection: Inspection) -> Path | None:
    """Return the path of a file that can be read (a certificate); else note why not."""
    if text is None:
        return None
    path = inspection.path(text)
    return None if _read(path, spot, MAX_TOML_BYTES, inspection) is None else path


def private_file(text: str | None, spot: Spot, inspection: Inspection) -> Path | None:
    """Return the path of a readable file that others cannot read (a private key)."""
    path = existing_file(text, spot, inspection)
    if path is not None and not refuse_world_readable(path, spot, inspection):
        return None
    return path


def secret(
    file_text: str | None, env_name: str | None, spot: Spot, name: str, inspection: Inspection
) -> str | None:
    """Return a secret from `<name>_file` or `<name>_env` of the table at spot.

    None when neither is given, or when it does not hold and the fault is noted. A line end after
    the secret is taken off, because every editor adds one.
    """
    if file_text is not None and env_name is not None:
        inspection.fault(
            spot.child(f"{name}_env"),
            both("密码给了两个来源", "the secret has two sources"),
            both(f"`{name}_file` 和 `{name}_env` 只写一个", f"`{name}_file` or `{name}_env`"),
        )
        return None
    if env_name is not None:
        return _from_environment(env_name, spot.child(f"{name}_env"), inspection)
    if file_text is None:
        return None
    return _from_file(inspection.path(file_text), spot.child(f"{name}_file"), inspection)


def refuse_world_readable(path: Path, spot: Spot, inspection: Inspection) -> bool:
    """Return whether only its owner and group can read a file; note a fault when others can.

    A folder above it that others may not enter protects it as well, so those count.
    """
    try:
        open_to_all = bool(path.stat().st_mode & stat.S_IROTH) and all(
            parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents
        )
    except OSError:
        return True  # it vanished or cannot be looked at: reading it says so with its own fault
    if open_to_all:
        inspection.fault(
            spot,
            both(f"本机所有用户都能读 {path}", f"every user of this machine can read {path}"),
            both(f"先运行 chmod 640 {path}", f"a private file: run chmod 640 {path}"),
        )
    return not open_to_all


def _from_environment(name: str, spot: Spot, inspection: Inspection) -> str | None:
    value = os.environ.get(name, "").strip("\r\n")
    if not value:
        inspection.fault(
            spot,
            both(f"环境变量 {name} 没有设置或是空的", f"the variable {name} is not set or empty"),
            both("启动网关的环境里有它", "it in the gateway's environment"),
        )
        return None
    return value


def _from_file(path: Path, spot: Spot, inspection: Inspection) -> str | None:
    raw = _read(path, spot, MAX_SECRET_BYTES, inspection)
    if raw is None or not refuse_world_readable(path, spot, inspection):
        return None
    try:
        value = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        value = ""
        problem = both(f"{path} 不是 UTF-8 文字", f"{path} is no UTF-8 text")
    else:
        problem = both(f"{path} 是空的", f"{path} is empty")
    if not value.strip():
        inspection.fault(spot, problem, both("一行密码", "one line with the secret"))
        return None
    return value


def _read(path: Path, spot: Spot, most_bytes: int, inspection: Inspection) -> bytes | None:
    expected = both("网关用户可读的文件", "a file that the gateway's user can read")
    if path in inspection.instead:
        return inspection.instead[path]
    try:
        if stat.S_ISREG(path.stat().st_mode):
            with path.open("rb") as file:
                raw = file.read(most_bytes + 1)
            if len(raw) <= most_bytes:
                return raw
            problem = both(f"{path} 太大", f"{path} is too big")
            expected = both(f"最大 {most_bytes} 字节", f"at most {most_bytes} bytes")
        else:  # reading from a pipe or a device could hold us for ever
            problem = both(f"{path} 不是普通文件", f"{path} is no regular file")
    except FileNotFoundError:
        problem = both(f"没有文件 {path}", f"there is no file {path}")
    except OSError as error:
        problem = both(f"读不了 {path}：{error.strerror}", f"cannot read {path}: {error.strerror}")
    inspection.fault(spot, problem, expected)
    return None


def _syntax(message: str, text: str) -> str:
    """Put the line first: that is what an installer looks for."""
    found = _TOML_PLACE.match(message)
    if found is None:
        return both(f"语法错误：{shown(message)[1:-1]}", shown(message)[1:-1])
    what, where = found["what"], found["where"]
    place = _LINE_COLUMN.search(where)
    if place is None:  # "end of document"
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    else:
        line, column = int(place[1]), int(place[2])
    return both(f"第 {line} 行第 {column} 列语法错误", f"line {line}, column {column}: {what}")
