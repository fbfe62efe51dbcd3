"""The inspection: one walk over all files that gathers every fault, not only the first.

Owns    the list of faults, and how a fault is worded.
Needs   gateway.errors and pydantic. Knows no table by name.
Keeps   1. A table that does not hold costs its own faults only: the walk goes on with the others.
        2. No secret is ever shown: keys that look like one are named, their value is not, and user
           information in a URL is masked.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.errors import ConfigFault

MAX_SHOWN_CHARS: Final = 60
SECRET_KEYS: Final = frozenset({"password", "secret", "token", "device_password", "passphrase"})

_USERINFO: Final = re.compile(r"//[^/@\s]*@")
_BARE_KEY: Final = re.compile(r"^[A-Za-z0-9_-]+$")
_PYDANTIC_LEAD: Final = re.compile(r"^(Value error|Assertion failed), ")

Model = TypeVar("Model", bound=BaseModel)


def both(chinese: str, english: str) -> str:
    """Say one thing in the two languages of this house, Chinese first."""
    return f"{chinese} / {english}"


def shown(value: object) -> str:
    """Return a value as an installer wrote it: one line, at most MAX_SHOWN_CHARS characters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = _USERINFO.sub("//***@", text)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"


def written(value: object) -> str:
    """Return "写成了 5 / is 5": what stands where something else is expected."""
    if isinstance(value, Mapping):
        return both("写成了一个表", "is a table")
    if isinstance(value, list):
        return both(f"写成了 {len(value)} 项的列表", f"is a list of {len(value)}")
    return both(f"写成了 {shown(value)}", f"is {shown(value)}")


def one_of(names: Iterable[str]) -> str:
    """Return "one of: `a`, `b`", at most twelve of them, or say that there is none."""
    ordered = sorted(names)
    if not ordered:
        return both("目前一个也没有", "there is none yet")
    rest = f" … ({len(ordered)})" if len(ordered) > 12 else ""
    return "one of: " + ", ".join(f"`{name}`" for name in ordered[:12]) + rest


def close_to(name: str, names: Iterable[str]) -> tuple[str, str]:
    """Return ("，是不是 `x`", ", did you mean `x`") for a close name, else two empty texts."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    if not near:
        return "", ""
    return f"，是不是 `{near[0]}`", f", did you mean `{near[0]}`"


def readable(name: str) -> bool:
    """Return whether a name can stand in a key path: one line of at most 64 characters."""
    return 0 < len(name) <= 64 and name.isprintable() and '"' not in name


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file: what ConfigFault calls file and key."""

    file: str
    key: str = ""

    def child(self, key: str) -> "Spot":
        """Return the spot of a key below this one; keys that TOML would quote are quoted."""
        name = key if _BARE_KEY.match(key) else f'"{key[:64]}"'
        return Spot(self.file, f"{self.key}.{name}" if self.key else name)

    def item(self, which: int | str) -> "Spot":
        """Return one entry of a list: device[3] (from 0), or device["btn-1"] by its id."""
        inside = str(which) if isinstance(which, int) else f'"{which}"'
        return Spot(self.file, f"{self.key}[{inside}]")

    def below(self, path: Iterable[int | str]) -> "Spot":
        """Return the spot that a path of keys and numbers leads to."""
        spot = self
        for step in path:
            spot = spot.item(step) if isinstance(step, int) else spot.child(step)
        return spot


class Pieces(list[Any]):
    """Entries of one array of tables that stand in several files; spots has where each does."""

    def __init__(self, entries: Iterable[Any], spots: Iterable[Spot]) -> None:
        super().__init__(entries)
        self.spots = list(spots)


class Inspection:
    """Everything wrong that was found so far in one configuration folder.

    folder   the configuration folder; relative paths in the files are relative to it
    instead  what files would hold, by their path: looked at instead of the disk (edit.py)
    """

    def __init__(self, folder: Path, instead: Mapping[Path, bytes] | None = None) -> None:
        self.folder = folder
        self.instead = instead or {}
        self.faults: list[ConfigFault] = []

    def fault(self, spot: Spot, problem: str, expected: str) -> None:
        """Write down one fault."""
        self.faults.append(ConfigFault(spot.file, spot.key, problem, expected))

    def path(self, text: str) -> Path:
        """Return the path a configuration file means: absolute, or relative to the folder."""
        return self.folder / text

    def table(
        self,
        model: type[Model],
        raw: object,
        spot: Spot,
        *,
        context: Mapping[str, Any] | None = None,
    ) -> Model | None:
        """Check one table against its model; None when it does not hold (its faults are noted)."""
        if not isinstance(raw, Mapping):
            self.fault(spot, written(raw), both("一个表", "a table"))
            return None
        try:
            return model.model_validate(raw, context=dict(context) if context else None)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False)
            meant = _meant(model, details)
            for detail in details:
                if detail["type"] != "missing" or detail["loc"][:1] not in meant:
                    self._translate(model, raw, spot, detail)
            return None

    def tables(self, raw: object, spot: Spot) -> list[tuple[Mapping[str, Any], Spot]]:
        """Return the entries of an array of tables with their spots; anything else is a fault."""
        if raw is None:
            return []
        if not isinstance(raw, list):
            self.fault(
                spot,
                written(raw),
                both(f"[[{spot.key}]]，两层方括号", f"[[{spot.key}]] with double brackets"),
            )
            return []
        found = []
        for index, entry in enumerate(raw):
            here = raw.spots[index] if isinstance(raw, Pieces) else spot.item(index)
            if isinstance(entry, Mapping):
                found.append((entry, here))
            else:
                self.fault(here, written(entry), both("一个表", "a table"))
        return found

    def unknown_key(self, spot: Spot, key: str, known: Iterable[str]) -> None:
        """Note a key nobody reads: with the key that was probably meant, or where secrets go."""
        names = sorted(known)
        if key in SECRET_KEYS and not {f"{key}_file", f"{key}_env"}.isdisjoint(names):
            self.fault(
                spot.child(key),
                both("密码不能直接写在配置里", "secrets are never written inline"),
                f"`{key}_file` = a file, or `{key}_env` = the name of an environment variable",
            )
            return
        chinese, english = close_to(key, names)
        shown_key = shown(key)[1:-1]
        self.fault(
            spot.child(key),
            both(f"不认识的键 `{shown_key}`{chinese}", f"unknown key `{shown_key}`{english}"),
            one_of(names),
        )

    def _translate(
        self, model: type[BaseModel], raw: Mapping[str, Any], spot: Spot, detail: ErrorDetails
    ) -> None:
        path = detail["loc"]
        if detail["type"] == "extra_forbidden" and len(path) == 1:
            self.unknown_key(spot, str(path[0]), _keys_of(model))
            return
        described = _expected(model, path, detail["msg"])
        problem = written(detail["input"])
        if detail["type"] == "missing":
            problem = both("没有写", "missing")
        elif detail["type"] in {"value_error", "assertion_error"}:
            # A validator's own sentence; the value may be a secret, so it is not shown.
            problem, _, wanted = _PYDANTIC_LEAD.sub("", detail["msg"]).partition(", expected ")
            described = wanted or described
        if not path:
            key, problem = _culprit(raw, problem)
            path = (key,) if key else ()
        self.fault(spot.below(path), problem, described)


def _culprit(raw: Mapping[str, Any], problem: str) -> tuple[str, str]:
    """Return which key a rule about a whole table speaks of, if one, and what it says.

    It names the key in front ("url: …"), or repeats what is written there.
    """
    lead, colon, rest = problem.partition(": ")
    if colon and lead in raw:
        return lead, rest
    cited = [
        key
        for key, value in raw.items()
        if isinstance(value, str) and len(value) >= 3 and value in problem
    ]
    return (cited[0] if len(cited) == 1 else ""), problem


def _meant(model: type[BaseModel], details: list[ErrorDetails]) -> set[tuple[int | str, ...]]:
    """Return the keys that unknown ones were probably meant for: not missing, but misspelt."""
    keys = _keys_of(model)
    strange = [str(d["loc"][0]) for d in details if d["type"] == "extra_forbidden"]
    return {(near,) for key in strange for near in difflib.get_close_matches(key, keys, n=1)}


def _keys_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _expected(model: type[BaseModel], path: tuple[int | str, ...], message: str) -> str:
    for name, field in model.model_fields.items():
        if path and path[0] in {name, field.alias} and field.description:
            return field.description
    if message == "Field required":
        return both("必须写", "it: the key is required")
    if message.startswith("Input should be "):
        return message.removeprefix("Input should be ")
    return both("见 gateway.example.toml 中的说明", "what gateway.example.toml describes")
