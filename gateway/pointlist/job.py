"""What an installer says about a point list, and what comes of it.

Owns    PointListJob, PointList, ListedDevice, RowFault, and whether the columns are enough.
Needs   columns.py, gateway.profile.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.config.inspection import both, one_of
from gateway.errors import ConfigError, ConfigFault
from gateway.events import Kind, Scalar
from gateway.pointlist.cells import Table
from gateway.pointlist.columns import MEANINGS, Columns, find_columns
from gateway.profile import Profile

IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What devices, links and files may be called; gateway.config.tables.Identifier says the same."""
Problem = tuple[str, str]
"""What is wrong, what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointListJob:
    """What an installer says about a list.

    source     the file · sheet: which one of an XLSX, None for the first
    profile    the model of every device of the list · link: the link they are on
    columns    header → meaning, where the common words do not say it: { "点位": "device" }.
               Meanings are those of columns.MEANINGS and the keys of the profile's address
    fixed      address values that are the same for all rows and have no column: { "unit": 1 }
    kinds      type → kind, where the common words do not say it: { "吸气式": "fire" }
    cameras    ids of the configured cameras; None does not look
    taken      what the installation already has, see known.py
    accept_unverified   written into every device
    """

    source: Path
    profile: Profile
    link: str
    sheet: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Scalar] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    cameras: frozenset[str] | None = None
    taken: Mapping[str, str] = field(default_factory=dict)
    accept_unverified: bool = False


@dataclass(frozen=True, slots=True)
class RowFault:
    """Something about one row that does not fit.

    row     its number in the file; 0 for the list as a whole · column: its header, "" for the row
    lost    True when the row did not become a device because of it
    """

    row: int
    column: str
    problem: str
    expected: str
    lost: bool = True

    def __str__(self) -> str:
        """One line for a person."""
        place = both(f"第 {self.row} 行", f"row {self.row}") if self.row else both("全表", "list")
        where = f"{place}, {self.column}" if self.column else place
        end = f" ({both('此行没有导入', 'this row was not imported')})" if self.lost else ""
        return f"{where}: {self.problem}; {self.expected}{end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDevice:
    """One row that fits. row: its number in the file; the rest as in devices.toml."""

    row: int
    id: str
    name: str | None
    place: str | None
    address: Mapping[str, Scalar]
    cameras: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PointList:
    """What came of a list. rows: how many rows below the header hold something."""

    job: PointListJob
    rows: int
    devices: tuple[ListedDevice, ...]
    faults: tuple[RowFault, ...]

    @property
    def complete(self) -> bool:
        """Whether every row became a device."""
        return not any(fault.lost for fault in self.faults)

    def summary(self) -> str:
        """One line for a person."""
        left = self.rows - len(self.devices)
        return both(
            f"{self.rows} 行，导入 {len(self.devices)} 个设备，{left} 行没有导入",
            f"{self.rows} rows, {len(self.devices)} devices imported, {left} rows not imported",
        )


def columns_of(job: PointListJob, table: Table) -> Columns:
    """Return what the list's columns mean; raises ConfigError with everything that is amiss."""
    faults = [*_amiss(job)]
    columns, doubled = find_columns(table.rows, job.columns, list(job.profile.address))
    once = both("一种含义一列", "one column for each meaning")
    faults += [(problem, once) for problem in doubled]
    if columns is None:
        expected = both(
            "前 20 行内有一行表头，如 回路、编号、位置",
            "a header within the first 20 rows, such as loop, device, place",
        )
        faults.append((both("找不到表头", "no header was found"), expected))
    else:
        faults += _missing(job, columns)
    if faults or columns is None:
        source = str(job.source)
        raise ConfigError([ConfigFault(source, "", problem, text) for problem, text in faults])
    return columns


def _amiss(job: PointListJob) -> Iterator[Problem]:
    """What the installer says that cannot be."""
    meanings = {*MEANINGS, *job.profile.address}
    for header, meaning in job.columns.items():
        if meaning not in meanings:
            problem = both(f"{header} 的含义不认识：{meaning}", f"{header}: no meaning {meaning}")
            yield problem, one_of(meanings)
    for word, kind in job.kinds.items():
        if kind not in set(Kind):
            yield both(f"{word} 的类别不认识：{kind}", f"{word}: no kind {kind}"), one_of(Kind)
    for key, problem, expected in job.profile.check_address(job.fixed):
        if key in job.fixed:
            yield f"{key}: {problem}", expected
    if not IDENTIFIER.fullmatch(job.link):
        yield both(f"链路名不对：{job.link}", f"no name of a link: {job.link}"), "[[link]] name"


def joined_key(job: PointListJob, columns: Columns) -> str | None:
    """Return loop or zone when the list writes it in front of the device: 1-27; else None.

    That is so when the profile needs it, nothing else says it, and there is a device column.
    """
    if "device" not in job.profile.address or "device" not in columns.single:
        return None
    for name in ("loop", "zone"):
        key = job.profile.address.get(name)
        said = name in columns.single or name in job.fixed
        if key is not None and key.required and key.default is None and not said:
            return name
    return None


def _missing(job: PointListJob, columns: Columns) -> Iterator[Problem]:
    for key in job.profile.address.values():
        if key.type == "kind" and "type" in columns.single:
            continue
        if key.name == joined_key(job, columns):
            continue
        given = key.name in columns.single or key.name in job.fixed or key.default is not None
        if key.required and not given:
            titles = one_of(MEANINGS.get(key.name, (key.name,)))
            yield (
                both(f"缺少一列：{key.name}（{key.help}）",
                     f"a column is missing: {key.name} ({key.help_en})"),
                both(f"表头 {titles}，或给出固定值", f"a header, {titles}, or a fixed value"),
            )  # fmt: skip
