"""Reports: what one process of the gateway tells the others of itself, in a small file.

Owns    STORE/reports/NAME.json: its form, how it is replaced and how it is read. Nobody keeps a
        report for good; it says what is so now, and its writer's death shows by its age.
Needs   gateway.clock for how old one is; gateway.words for what is said in it. Blocks for one small
        file: call it in a thread.
Keeps   1. A reader finds the report before or the one after, never half of either; what a power
           cut, a full disk or a stranger left there reads as no report.
        2. Age is told by the clock that nobody can set while both lived through the same boot, and
           by our UTC only where that cannot be.
        3. Text in it may come from a camera: it is one line without control characters, cut.
Bound   FINDINGS_MOST findings, CAMERAS_MOST cameras, VOLUMES_MOST volumes, ATTRIBUTES_MOST values
        for each, texts of TEXT_MOST characters in each language, a file of SIZE_MOST_BYTES; a
        writer that has more is cut and says so.

The file is not synced: it is worth nothing after a restart, and a disk that is slow to sync must
not keep anybody from saying so.
"""

import json
import math
import os
import re
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.events import Scalar
from gateway.words import Said

VERSION: Final = 1
STALE_S: Final = 30.0
FINDINGS_MOST: Final = 200
CAMERAS_MOST: Final = 600
VOLUMES_MOST: Final = 64
ATTRIBUTES_MOST: Final = 24
TEXT_MOST: Final = 400
SIZE_MOST_BYTES: Final = 2 << 20
CUT_KEY: Final = "report.cut"
"""The finding that stands for those which had no room."""

Value = Scalar | None

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_MOST_INT: Final = 1 << 63


class ReportError(GatewayError):
    """A report could not be written; it is tried again with the next one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person has to know of while it is so.

    key         names it among all findings, and the fault it becomes: "video.volume.srv-video-1"
    said        what is so, and what to do, in both languages
    attributes  figures for the record
    """

    key: str
    said: Said
    attributes: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """As one line, for logs and for whoever reads one text only."""
        return str(self.said)


@dataclass(frozen=True, slots=True)
class Report:
    """What a process knows at one moment.

    at_ns     UTC
    mono_ns   Clock.mono_ns() at the same moment, None when the writer did not say: it is as good
              in another process of the same boot
    findings  what is wrong now, worst first: what does not fit is cut from the end
    cameras   by the id of the camera: its state, for the API
    volumes   the disks that video lies on: path, state, free_bytes, size_bytes
    boot      which boot of the machine it was written in; filled in by write_report
    """

    at_ns: int
    findings: tuple[Finding, ...] = ()
    cameras: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    mono_ns: int | None = None
    boot: str = ""
    volumes: tuple[Mapping[str, Value], ...] = ()

    def age_s(self, clock: Clock) -> float:
        """How long ago it was written; 0 when the wall clock says it is still to come."""
        if self.mono_ns is not None and is_this_boot(self.boot):
            passed_ns = clock.mono_ns() - self.mono_ns
            if passed_ns >= 0:  # else another boot whose name could not be read
                return passed_ns / 1e9
        return max(0.0, (clock.utc_ns() - self.at_ns) / 1e9)

    def is_stale(self, clock: Clock, after_s: float = STALE_S) -> bool:
        """Whether its writer has been silent for too long to be believed."""
        return self.age_s(clock) > after_s


def path_of(folder: Path, name: str) -> Path:
    """Where a report lies in the store's folder; raises ValueError for what is no report's name."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a report")
    return folder / "reports" / f"{name}.json"


def write_report(folder: Path, name: str, report: Report) -> None:
    """Replace the report `name` in the store's folder.

    raises  ReportError: the old one stays, grows stale and is noticed
    """
    path = path_of(folder, name)
    content = _encode(report)
    temporary = path.with_name(path.name + ".tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        descriptor = os.open(temporary, flags, 0o640)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) or 0 :]
        temporary.replace(path)
    except OSError as error:
        raise ReportError(f"{path}: {error}; the next report is tried in a moment") from error


def read_report(folder: Path, name: str) -> Report | None:
    """Return the report `name`; None when there is none, or none that can be believed."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path_of(folder, name), flags)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode) or about.st_size > SIZE_MOST_BYTES:
                return None
            content = file.read(SIZE_MOST_BYTES + 1)
    except OSError:
        return None
    try:
        return _decode(content)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def boot() -> str:
    """The name of this boot; empty where nobody tells a hardened service, who may not look."""
    told = os.environ.get("CAMPUS_BOOT_ID", "")
    try:
        return (told or _BOOT.read_text("ascii")).strip().replace("-", "")[:64]
    except (OSError, ValueError):
        return ""


def is_this_boot(name: str) -> bool:
    """Whether that was this boot, as far as one can know: a service may not see its name."""
    here = boot()
    return not name or not here or name == here


def plain(text: str, most: int = TEXT_MOST) -> str:
    """One line of at most so many characters, without what could disturb a screen or a log."""
    cut = text[: most * 2]
    shown = "".join(char if unicodedata.category(char)[0] != "C" else " " for char in cut)
    line = " ".join(shown.split())
    return line if len(line) <= most else line[: most - 1] + "…"


# Writing.


def _encode(report: Report) -> bytes:
    findings = [_finding(each) for each in report.findings if _KEY.fullmatch(each.key)]
    if left := len(findings) - (FINDINGS_MOST - 1) if len(findings) > FINDINGS_MOST else 0:
        text = Said(f"另有 {left} 项未列出", f"{left} more findings are not shown; see the log")
        del findings[FINDINGS_MOST - 1 :]
        findings.append(_finding(Finding(CUT_KEY, text, {"left_out": left})))
    names = [name for name in report.cameras if _KEY.fullmatch(name)][:CAMERAS_MOST]
    members = {
        "version": VERSION,
        "at_ns": report.at_ns,
        "mono_ns": report.mono_ns,
        "boot": boot(),
        "findings": findings,
        "cameras": {name: _values(report.cameras[name]) for name in names},
        "volumes": [_values(each) for each in report.volumes[:VOLUMES_MOST]],
    }
    content = json.dumps(members, ensure_ascii=False, allow_nan=False).encode()
    if len(content) > SIZE_MOST_BYTES:
        raise ReportError(f"a report of {len(content)} bytes; it is not written")
    return content


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "key": finding.key,
        "text": plain(finding.text),
        "words": _words(finding.said).as_dict(),
        "attributes": _values(finding.attributes),
    }


def _words(said: Said) -> Said:
    return Said(plain(said.zh), plain(said.en))


def _values(values: Mapping[str, Value]) -> dict[str, Value]:
    chosen = list(values.items())[:ATTRIBUTES_MOST]
    return {plain(name, 64): _value(value) for name, value in chosen}


def _value(value: Value) -> Value:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-_MOST_INT, min(value, _MOST_INT - 1))
    return value


# Reading: every member is looked at, because whatever writes into the store's folder may be wrong.


def _decode(content: bytes) -> Report:
    """Raises ValueError, KeyError, TypeError or RecursionError for what is no report."""
    found = json.loads(content.decode("utf-8"), parse_constant=_refuse)
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise ValueError("no report of this version")
    findings, cameras = found["findings"], found["cameras"]
    mono_ns, boot = found["mono_ns"], found["boot"]
    volumes = found.get("volumes", [])  # a recorder from before they were told has none
    if not isinstance(volumes, list) or len(volumes) > VOLUMES_MOST:
        raise ValueError("no volumes")
    if not isinstance(findings, list) or not isinstance(cameras, dict):
        raise TypeError("no report")
    if len(findings) > FINDINGS_MOST or len(cameras) > CAMERAS_MOST or len(boot) > 64:
        raise ValueError("too much")
    return Report(
        at_ns=_moment(found["at_ns"]),
        mono_ns=None if mono_ns is None else _moment(mono_ns),
        boot=str(boot),
        findings=tuple(
            Finding(_key(each["key"]), _both(each), _figures(each["attributes"]))
            for each in findings
        ),
        cameras={_key(name): _read_values(values) for name, values in cameras.items()},
        volumes=tuple(_read_values(values) for values in volumes),
    )


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _moment(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST_INT:
        raise ValueError("no moment")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _key(value: object) -> str:
    if not isinstance(value, str) or _KEY.fullmatch(value) is None:
        raise ValueError("no key")
    return value


def _both(finding: Mapping[str, object]) -> Said:
    """What is said; a writer from before there were words has one text for both."""
    text = plain(_text(finding["text"]))
    said = Said.read(finding.get("words"))
    return Said(text, text) if said is None else _words(said)


def _figures(values: object) -> dict[str, Scalar]:
    """A finding's figures: what is unknown is left out."""
    return {name: value for name, value in _read_values(values).items() if value is not None}


def _read_values(values: object) -> dict[str, Value]:
    if not isinstance(values, dict) or len(values) > ATTRIBUTES_MOST:
        raise ValueError("no values")
    for value in values.values():
        if value is not None and not isinstance(value, str | int | float | bool):
            raise TypeError("no scalar")
    return {plain(str(name), 64): _value(value) for name, value in values.items()}
