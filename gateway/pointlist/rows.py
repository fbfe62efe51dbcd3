"""Rows into devices: every row becomes a device that the configuration will accept, or a fault.

Owns    PointListJob, PointList, ListedDevice, RowFault; ids made of link and address.
Needs   gateway.profile for addresses, gateway.config.tables for what a device may be.
Keeps   1. A row is taken whole or not at all. What was only shortened or cleaned is told as well.
        2. The id of a row depends on its link and address only, so a list that is sorted anew, or
           that gains a row, keeps every id.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from gateway.config.inspection import both, one_of
from gateway.config.tables import MAX_NAME_CHARS, DeviceTable
from gateway.events import Device, Scalar
from gateway.pointlist.cells import Cell, Odd, Row, number, text_of, whole_number
from gateway.pointlist.columns import KINDS, Columns, kind_of
from gateway.pointlist.job import (
    IDENTIFIER,
    ListedDevice,
    PointList,
    PointListJob,
    RowFault,
    columns_of,
    joined_key,
)
from gateway.pointlist.table import Table, read_table
from gateway.profile import BadFormula, plan_modbus

MAX_EMPTY_TOLD: Final = 100
"""Empty rows that are told one by one; then only how many there are."""
_ID_CHARS: Final = 64
_JOINED: Final = re.compile(r"([0-9]{1,5})[-/.:]([0-9]{1,5})")
"""Loop and device in one cell: 1-27, 001/027."""
_SEVERAL: Final = re.compile(r"[\s,;、，；|]+")


def read_points(job: PointListJob) -> PointList:
    """Read a list and judge every row; nothing is written (see writing.py).

    raises  ConfigError when the file or the job as a whole cannot be used: not a list, too long,
            without a header, without a column the profile's address needs
    """
    table = read_table(job.source, job.sheet)
    columns = columns_of(job, table)
    reader = _Reader(job, columns)
    body = [row for row in table.rows if row.number > columns.header]
    for row in body:
        reader.read(row)
    faults = [*reader.faults, *_empty(table, columns.header)]
    if table.stopped is not None:
        problem = both(f"第 {table.stopped} 行起没有读", f"not read from row {table.stopped} on")
        faults.append(RowFault(table.stopped, "", problem, both("删除空行", "delete empty rows")))
    return PointList(
        job=job,
        rows=len(body),
        devices=tuple(reader.devices),
        faults=tuple(sorted(faults, key=lambda fault: fault.row)),
    )


def _empty(table: Table, header: int) -> Iterator[RowFault]:
    numbers = [at for at in table.empty if at > header]
    problem, expected = both("空行", "is empty"), both("删除它", "delete it")
    for at in numbers[:MAX_EMPTY_TOLD]:
        yield RowFault(at, "", problem, expected, lost=False)
    if len(numbers) > MAX_EMPTY_TOLD:
        rest = len(numbers) - MAX_EMPTY_TOLD
        many = both(f"之后还有 {rest} 个空行", f"{rest} more empty rows after it")
        yield RowFault(numbers[MAX_EMPTY_TOLD], "", many, expected, lost=False)


class _Reader:
    """One pass over the rows; the first row with an address or an id has it."""

    def __init__(self, job: PointListJob, columns: Columns) -> None:
        self._job = job
        self._columns = columns
        self._joined = joined_key(job, columns)
        self._addresses: dict[tuple[tuple[str, str], ...], int] = {}
        self._ids: dict[str, int] = {}
        self.devices: list[ListedDevice] = []
        self.faults: list[RowFault] = []

    def read(self, row: Row) -> None:
        """Judge one row."""
        faults = [*self._odd(row)]
        address = {} if faults else self._address(row, faults)
        notes: list[RowFault] = []
        cameras = self._cameras(row, faults)
        name, place = self._texts(row, address, notes)
        if not faults:
            self._check(row, address, faults)
        device_id = self._id(row, address, faults)
        if not faults:
            faults += self._refused(row, device_id, name, place, address, cameras)
        if faults:
            self.faults += faults
            return
        self._ids[device_id] = row.number
        self._addresses[self._place_of(address)] = row.number
        self.faults += notes
        self.devices.append(
            ListedDevice(
                row=row.number, id=device_id, name=name, place=place, address=address,
                cameras=cameras,
            )
        )  # fmt: skip

    def _cell(self, row: Row, meaning: str) -> Cell:
        index = self._columns.single.get(meaning)
        return row.cells[index] if index is not None and index < len(row.cells) else None

    def _part(self, row: Row, meaning: str) -> Cell:
        """A cell of the address; 1-27 is taken apart where the list has no column for the loop."""
        if self._joined is None or meaning not in {self._joined, "device"}:
            return self._cell(row, meaning)
        whole = text_of(self._cell(row, "device"))
        found = _JOINED.fullmatch(whole)
        if found is None:  # told once, by the device
            return whole and f"{whole} ({self._joined}-device)" if meaning == "device" else 0
        return int(found[2 if meaning == "device" else 1])

    def _fault(self, row: Row, meaning: str, problem: str, expected: str) -> RowFault:
        return RowFault(row.number, self._columns.title(meaning), problem, expected)

    def _odd(self, row: Row) -> Iterator[RowFault]:
        for index in self._columns.used:
            cell = row.cells[index] if index < len(row.cells) else None
            if isinstance(cell, Odd):
                title = self._columns.titles[index]
                yield RowFault(row.number, title, cell.problem, cell.expected)

    # --- address --------------------------------------------------------------------------------

    def _address(self, row: Row, faults: list[RowFault]) -> dict[str, Scalar]:
        address: dict[str, Scalar] = {}
        for key in self._job.profile.address.values():
            meaning = key.name
            if key.type == "kind" and meaning not in self._columns.single:
                meaning = "type"
            cell = self._part(row, meaning)
            if text_of(cell) == "":
                if key.name in self._job.fixed:
                    address[key.name] = self._job.fixed[key.name]
                elif key.required and (key.default is None or meaning in self._columns.single):
                    # A column that is there and an empty cell: the default would be a guess.
                    faults.append(
                        self._fault(
                            row, meaning, both("空的", "is empty"), f"{key.help} / {key.help_en}"
                        )
                    )
                continue
            value = self._value(key.type, cell, key.choices)
            if value is None:
                faults.append(self._unfit(row, meaning, key.type, cell))
            else:
                address[key.name] = value
        return address

    def _value(self, type_: str, cell: Cell, choices: tuple[Scalar, ...]) -> Scalar | None:
        text = text_of(cell)
        if type_ == "integer":
            return whole_number(cell)
        if type_ == "number":
            return number(cell)
        if type_ == "boolean":
            return {
                "true": True,
                "是": True,
                "1": True,
                "false": False,
                "否": False,
                "0": False,
            }.get(text.casefold())
        if type_ == "kind":
            return kind_of(text, self._job.kinds)
        if type_ == "choice":
            return next((choice for choice in choices if str(choice) == text), None)
        return text

    def _unfit(self, row: Row, meaning: str, type_: str, cell: Cell) -> RowFault:
        text = text_of(cell)[:40]
        if type_ == "kind":
            known = [word for words in KINDS.values() for word in words]
            return self._fault(
                row,
                meaning,
                both(f"不认识的类型 {text}", f"unknown type {text}"),
                one_of(known),
            )
        return self._fault(
            row,
            meaning,
            both(f"不合适：{text}", f"does not fit: {text}"),
            {"integer": both("整数", "a whole number"), "number": both("数字", "a number")}.get(
                type_, both("是/否，或规定的选项", "yes or no, or one of the choices")
            ),
        )

    def _check(self, row: Row, address: Mapping[str, Scalar], faults: list[RowFault]) -> None:
        """Say what the profile says of this address, and who has it already."""
        profile = self._job.profile
        for key, problem, expected in profile.check_address(address):
            faults.append(self._fault(row, key, problem, expected))
        if faults:
            return
        if profile.driver == "modbus":
            try:
                plan_modbus(profile, self._device(address))
            except BadFormula as error:
                expected = both("型号中有的地址", "an address the profile has")
                faults.append(self._fault(row, "device", str(error), expected))
                return
        first = self._addresses.get(self._place_of(address))
        if first is not None:
            faults.append(
                self._fault(
                    row,
                    "device",
                    both(f"地址与第 {first} 行相同", f"the address of row {first} too"),
                    both("每行一个地址", "an address of its own"),
                )
            )

    def _place_of(self, address: Mapping[str, Scalar]) -> tuple[tuple[str, str], ...]:
        """The address without its kind: two kinds at one address are one point, given twice."""
        keys = self._job.profile.address
        full = self._job.profile.complete(address)
        return tuple((name, repr(v)) for name, v in full.items() if keys[name].type != "kind")

    def _device(self, address: Mapping[str, Scalar]) -> Device:
        profile = self._job.profile
        return Device(
            id="row", name="row", place="", profile_id=profile.id, family=profile.family,
            link=self._job.link, address=dict(address), points=profile.points_for(address),
        )  # fmt: skip

    # --- id, texts, cameras ---------------------------------------------------------------------

    def _id(self, row: Row, address: Mapping[str, Scalar], faults: list[RowFault]) -> str:
        given = text_of(self._cell(row, "id"))
        if given and not IDENTIFIER.fullmatch(given):
            problem = both(f"不能作 id：{given[:40]}", f"no id: {given[:40]}")
            expected = both("1 至 64 个字母、数字或 . _ -", "1 to 64 letters, digits or . _ -")
            faults.append(self._fault(row, "id", problem, expected))
        if faults:
            return ""
        device_id = given or made_id(self._job.link, self._place_of(address))
        other = self._ids.get(device_id)
        where = both(f"第 {other} 行", f"row {other}") if other else self._job.taken.get(device_id)
        if where is not None:
            problem = both(f"id {device_id} 已有：{where}", f"id {device_id} is taken: {where}")
            expected = both("不重复的 id", "an id of its own")
            faults.append(self._fault(row, "id", problem, expected))
        return device_id

    def _texts(
        self, row: Row, address: Mapping[str, Scalar], notes: list[RowFault]
    ) -> tuple[str | None, str | None]:
        cells = [row.cells[at] for at in self._columns.places if at < len(row.cells)]
        parts = [text for cell in cells if (text := text_of(cell))]
        place = self._bounded(row, "place", " ".join(parts), notes)
        type_text = text_of(self._cell(row, "type"))
        own = text_of(self._cell(row, "name"))
        if own:
            return self._bounded(row, "name", own, notes), place or None
        # Named after its place and type, a guard finds it; the numbers tell neighbours apart.
        numbers = "-".join(
            str(value)
            for name, value in address.items()
            if name != "unit" and isinstance(value, int) and not isinstance(value, bool)
        )
        made = " ".join(part for part in (place[:40], type_text[:15], numbers) if part)
        return made[:MAX_NAME_CHARS] or None, place or None

    def _bounded(self, row: Row, meaning: str, text: str, notes: list[RowFault]) -> str:
        if len(text) <= MAX_NAME_CHARS:
            return text
        problem = both(f"长 {len(text)} 字，已截短", f"{len(text)} characters, was cut")
        expected = both(f"最多 {MAX_NAME_CHARS} 字", f"{MAX_NAME_CHARS} characters at most")
        title = self._columns.title(meaning)
        notes.append(RowFault(row.number, title, problem, expected, lost=False))
        return text[: MAX_NAME_CHARS - 1] + "…"

    def _cameras(self, row: Row, faults: list[RowFault]) -> tuple[str, ...]:
        text = text_of(self._cell(row, "cameras"))
        names = tuple(dict.fromkeys(each for each in _SEVERAL.split(text) if each))
        known = self._job.cameras
        for name in names:
            if not IDENTIFIER.fullmatch(name) or (known is not None and name not in known):
                problem = both(f"没有摄像机 {name[:40]}", f"there is no camera {name[:40]}")
                expected = both("摄像机 id，逗号分开", "ids of cameras with commas between them")
                faults.append(self._fault(row, "cameras", problem, expected))
        return names

    def _refused(
        self, row: Row, device_id: str, name: str | None, place: str | None,
        address: Mapping[str, Scalar], cameras: tuple[str, ...],
    ) -> list[RowFault]:  # fmt: skip
        """Ask the configuration itself, so that what is written is what it takes."""
        raw: dict[str, Any] = {
            "id": device_id, "profile": self._job.profile.id, "link": self._job.link,
            "address": dict(address), "cameras": list(cameras),
        }  # fmt: skip
        raw.update({key: text for key, text in (("name", name), ("place", place)) if text})
        try:
            DeviceTable.model_validate(raw)
        except ValidationError as error:
            return [
                self._fault(row, str(each["loc"][0]), each["msg"], "devices.toml")
                for each in error.errors(include_url=False, include_input=False)
            ]
        return []


def made_id(link: str, place: tuple[tuple[str, str], ...]) -> str:
    """Return the id of a device from its link and address: fire-1-2-27; at most 64 characters.

    Where a value does not fit into an id, or the whole gets too long, 48 bits of a digest of the
    full address stand for what was lost, so that two addresses never share an id by shortening.
    """
    plain = [value.strip("'\"") for _, value in place]
    parts = [re.sub(r"[^A-Za-z0-9._-]", "", value) for value in plain]
    whole = "-".join([link, *(part for part in parts if part)])
    if parts == plain and len(whole) <= _ID_CHARS:
        return whole
    mark = hashlib.blake2s(repr((link, place)).encode(), digest_size=6).hexdigest()
    return f"{whole[: _ID_CHARS - 1 - len(mark)].rstrip('-')}-{mark}"
