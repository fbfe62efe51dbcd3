"""The shelf of profiles: finding the files, loading them, saying everything that is wrong.

Owns    reading TOML, turning every fault into a ConfigFault with file and dotted key.
Needs   schema.py, check.py, model.py. The only part of this package that opens files.
Keeps   A shelf exists only when every file an installer wrote is sound (promise 11); those that
        come with the gateway are told of when they are used.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from gateway.errors import ConfigError, ConfigFault
from gateway.profile.check import check_profile
from gateway.profile.check_rule import Problem
from gateway.profile.model import Profile, make_profile
from gateway.profile.repeat import Origins, check_repeats, expand
from gateway.profile.schema import ProfileFile

MAX_FILE_BYTES: Final = 512 * 1024
MAX_FILES: Final = 2_000

_EXPLAINED: Final[dict[str, tuple[str, str]]] = {
    "missing": ("缺少 / missing", "必填 / it is required"),
    "extra_forbidden": ("不认识的键 / unknown key", "去掉或改正拼写 / leave it out or correct it"),
    "string_type": ("不是文字 / not a text", "文字 / a text"),
    "bool_type": ("不是真假值 / not true or false", "true 或 / or false"),
    "int_type": ("不是整数 / not a whole number", "整数 / a whole number"),
    "float_type": ("不是数字 / not a number", "数字 / a number"),
    "list_type": ("不是列表 / not a list", "[ … ]"),
    "dict_type": ("不是表 / not a table", "{ … }"),
    "model_type": ("不是表 / not a table", "{ … }"),
    "model_attributes_type": ("不是表 / not a table", "{ … }"),
}


def shipped_folder() -> Path:
    """Return the folder of the profiles that come with the gateway, checkout or installed wheel."""
    installed = Path(__file__).parent / "shipped"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "config" / "profiles"


class Shelf:
    """All profiles by id; ids are paths under a folder, without .toml.

    files  those that are read when they are first asked for
    """

    def __init__(self, profiles: Mapping[str, Profile], files: Mapping[str, Path]) -> None:
        self._profiles = dict(profiles)
        self._files = dict(files)
        self._ids = sorted({*profiles, *files})

    @classmethod
    def load(cls, *folders: Path, trusted: Path | None = None) -> "Shelf":
        """Find every *.toml under the folders; a later folder's file replaces an earlier one's.

        trusted  the files of this folder are read only when they are asked for: those that come
                 with the gateway are proved by its tests, and reading all of them takes a second
        raises   ConfigError with every fault of every file; a folder that is not there is one
        """
        files: dict[str, Path] = {}
        faults: list[ConfigFault] = []
        for folder in folders:
            if not folder.is_dir():
                problem = "没有这个文件夹 / no such folder"
                faults.append(
                    ConfigFault(str(folder), "", problem, "文件夹 / a folder of profiles")
                )
                continue
            found_files = sorted(folder.rglob("*.toml"))
            if len(found_files) > MAX_FILES:
                limit = f"最多 {MAX_FILES} 个 / {MAX_FILES} at most"
                faults.append(ConfigFault(str(folder), "", "文件过多 / too many files", limit))
                continue
            for path in found_files:
                files[path.relative_to(folder).with_suffix("").as_posix()] = path
        profiles: dict[str, Profile] = {}
        later: dict[str, Path] = {}
        for profile_id, path in files.items():
            if trusted is not None and path.is_relative_to(trusted):
                later[profile_id] = path
                continue
            profile, found = load_file(path, profile_id)
            faults += found
            if profile is not None:
                profiles[profile_id] = profile
        if faults:
            raise ConfigError(faults)
        return cls(profiles, later)

    def get(self, profile_id: str) -> Profile | None:
        """Return the profile, None when there is no such id; ConfigError if it is not sound."""
        path = self._files.pop(profile_id, None)
        if path is not None:
            profile, faults = load_file(path, profile_id)
            if profile is None:
                raise ConfigError(faults)
            self._profiles[profile_id] = profile
        return self._profiles.get(profile_id)

    def ids(self) -> list[str]:
        """Return all ids, sorted."""
        return list(self._ids)

    def close_matches(self, profile_id: str) -> list[str]:
        """Return up to three ids an installer may have meant, best first."""
        return difflib.get_close_matches(profile_id, self._ids, n=3, cutoff=0.5)


def load_file(path: Path, profile_id: str) -> tuple[Profile | None, list[ConfigFault]]:
    """Read one file; returns the profile, or None and what is wrong with it."""
    name = str(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            limit = f"{MAX_FILE_BYTES} 字节以内 / bytes at most"
            return None, [ConfigFault(name, "", "文件过大 / the file is too long", limit)]
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"打不开 / cannot be read: {error.strerror}"
        return None, [ConfigFault(name, "", problem, "可读的文件 / a readable file")]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = f"不是 TOML / not TOML: {error}"
        return None, [ConfigFault(name, "", problem, "UTF-8 的 TOML 文件 / a TOML file in UTF-8")]
    try:
        body = ProfileFile.model_validate(content)
        problems = list(check_repeats(body))
        body, origins = (body, {}) if problems else expand(body)
    except ValidationError as error:
        return None, _explain(name, error)
    problems = problems or check_profile(body)
    if problems:
        faults = {
            (key, problem): ConfigFault(name, key, problem, expected)
            for key, problem, expected in (_in_the_file(each, origins) for each in problems)
        }
        return None, list(faults.values())
    return make_profile(profile_id, body), []


def _in_the_file(problem: Problem, origins: Origins) -> Problem:
    """Turn the number of a table that was repeated back into that of the table in the file."""
    key, *rest = problem
    found = re.match(r"(point|value|set)\[(\d+)\]", key)
    if found is None or found[1] not in origins:
        return problem
    at = origins[found[1]][int(found[2])]
    return (f"{found[1]}[{at}]{key[found.end() :]}", rest[0], rest[1])


def _explain(name: str, error: ValidationError) -> list[ConfigFault]:
    """Turn pydantic's errors into faults, one for each place of the file."""
    faults: dict[str, ConfigFault] = {}
    for item in error.errors(include_url=False, include_input=False):
        key = _dotted(item["loc"])
        known = _EXPLAINED.get(item["type"])
        if item["type"] == "literal_error" and item["loc"][0] in {"value", "log", "modbus"}:
            known = ("不可表达 / not expressible: the language has no such word", item["msg"])
        problem, expected = known or ("不合适 / does not fit", item["msg"])
        # A union reports each of its branches; the first says enough.
        faults.setdefault(key, ConfigFault(name, key, problem, expected))
    return list(faults.values())


_BRANCHES: Final = ("function-", "literal[", "list[", "dict[", "constrained-")
_BRANCH_NAMES: Final = frozenset({"Match", "bool", "int", "float", "str"})


def _dotted(location: tuple[int | str, ...]) -> str:
    """Write ("point", 0, "kind") as point[0].kind; a union's branch names are left out."""
    key = ""
    for at, part in enumerate(location):
        if isinstance(part, int):
            key += f"[{part}]"
        elif at == 0 or not (part.startswith(_BRANCHES) or part in _BRANCH_NAMES):
            key += f".{part}" if key else part
    return key


def profile_schema() -> dict[str, Any]:
    """Return the JSON Schema of a profile file (draft 2020-12), for editors and config/schema."""
    schema = ProfileFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema
