"""Point lists: real CSV and XLSX files in, a file of devices.d/ out, and a reason for every row."""

import stat
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from gateway.config.devices import DeviceCheck
from gateway.config.inspection import Inspection
from gateway.errors import ConfigError
from gateway.pointlist import (
    MAX_FILE_BYTES,
    MAX_ROWS,
    PointList,
    PointListJob,
    RowFault,
    known_devices,
    read_points,
    render,
    write_devices,
)
from gateway.profile import Profile, Shelf
from tests.shelves import shipped


@cache
def shelf() -> Shelf:
    return shipped()


def profile(name: str) -> Profile:
    found = shelf().get(name)
    assert found is not None
    return found


HEADER = ["回路", "编号", "类型", "安装位置", "摄像机"]
GOOD = [
    HEADER,
    [1, 1, "烟感", "教学楼101", "cam-1"],
    [1, 2, "手报", "教学楼一层走廊", ""],
    [2, 115, "水流指示器", "宿舍楼地下室", "cam-1、cam-2"],
]


def job(source: Path, **more: Any) -> PointListJob:
    return PointListJob(
        **{"source": source, "profile": profile("fire/jbf_point"), "link": "fire", **more}
    )


def csv_file(folder: Path, rows: Sequence[Sequence[Any]], separator: str = ",") -> Path:
    path = folder / "points.csv"
    text = "\r\n".join(separator.join(str(cell) for cell in row) for row in rows)
    path.write_bytes(text.encode())
    return path


def xlsx_file(
    folder: Path, rows: Sequence[Sequence[Any]], edit: Callable[[Any], None] | None = None
) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    if edit is not None:
        edit(sheet)
    path = folder / "points.xlsx"
    book.save(path)
    return path


def faults_of(points: PointList, row: int) -> list[RowFault]:
    return [fault for fault in points.faults if fault.row == row]


def only(points: PointList) -> RowFault:
    assert len(points.faults) == 1, [str(fault) for fault in points.faults]
    return points.faults[0]


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        work()
    return str(caught.value)


def addresses(points: PointList) -> list[dict[str, object]]:
    return [dict(device.address) for device in points.devices]


WANTED = [
    {"loop": 1, "device": 1, "kind": "fire"},
    {"loop": 1, "device": 2, "kind": "fire"},
    {"loop": 2, "device": 115, "kind": "water"},
]


# --- what comes out ----------------------------------------------------------------------------


def test_a_csv_list_becomes_devices(tmp_path: Path) -> None:
    points = read_points(job(csv_file(tmp_path, GOOD)))
    assert points.faults == ()
    assert addresses(points) == WANTED
    first, second, third = points.devices
    assert (first.id, first.place, first.cameras) == ("fire-1-1-1", "教学楼101", ("cam-1",))
    assert first.name == "教学楼101 烟感 1-1"
    assert second.cameras == ()
    assert third.cameras == ("cam-1", "cam-2")


def test_an_xlsx_list_means_the_same(tmp_path: Path) -> None:
    from_csv = read_points(job(csv_file(tmp_path, GOOD)))
    from_xlsx = read_points(job(xlsx_file(tmp_path, GOOD)))
    assert from_xlsx.devices == from_csv.devices


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_encoding_and_separator_is_found_out(
    tmp_path: Path, encoding: str, separator: str
) -> None:
    path = csv_file(tmp_path, GOOD, separator)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    points = read_points(job(path))
    assert points.complete
    assert addresses(points) == WANTED
    assert points.devices[0].place == "教学楼101"


def test_english_headers_work_and_a_title_may_stand_above_them(tmp_path: Path) -> None:
    rows = [
        ["No. 2 Primary School, fire points", "", "", ""],
        ["Loop No.", "Device", "Type", "Room"],
        [1, 7, "Smoke detector", "Library"],
    ]
    points = read_points(job(csv_file(tmp_path, rows)))
    assert addresses(points) == [{"loop": 1, "device": 7, "kind": "fire"}]
    assert points.devices[0].row == 3


def test_own_headers_and_own_types_are_taken(tmp_path: Path) -> None:
    rows = [["环", "点位", "种类"], ["1", "7", "吸气式"]]
    points = read_points(
        job(
            csv_file(tmp_path, rows),
            columns={"环": "loop", "点位": "device", "种类": "type"},
            kinds={"吸气式": "smoke"},
        )
    )
    assert addresses(points) == [{"loop": 1, "device": 7, "kind": "smoke"}]


def test_what_is_the_same_for_all_rows_needs_no_column(tmp_path: Path) -> None:
    rows = [["编号", "房间"], ["7", "101"]]
    points = read_points(job(csv_file(tmp_path, rows), fixed={"unit": 3, "loop": 2, "kind": "gas"}))
    assert addresses(points) == [{"unit": 3, "loop": 2, "device": 7, "kind": "gas"}]
    assert points.devices[0].id == "fire-3-2-7"


def test_numbers_are_read_as_people_write_them(tmp_path: Path) -> None:
    rows = [HEADER, ["1回路", "001", "烟感", "A", ""], ["１", "２号", "烟感", "B", ""]]
    points = read_points(job(csv_file(tmp_path, rows)))
    assert [(each["loop"], each["device"]) for each in addresses(points)] == [(1, 1), (1, 2)]
    points = read_points(job(xlsx_file(tmp_path, [HEADER, [1.0, "3.0", "烟感", "C", None]])))
    assert addresses(points)[0]["device"] == 3


def test_loop_and_device_may_share_a_cell_when_there_is_no_column_for_the_loop(
    tmp_path: Path,
) -> None:
    rows = [["编号", "类型"], ["1-27", "烟感"], ["002－115", "手报"], ["27", "烟感"], ["", "烟感"]]
    points = read_points(job(csv_file(tmp_path, rows)))
    assert [(each["loop"], each["device"]) for each in addresses(points)] == [(1, 27), (2, 115)]
    assert [(fault.row, fault.column) for fault in points.faults] == [(4, "编号"), (5, "编号")]
    assert "loop-device" in points.faults[0].problem


def test_a_place_may_be_spread_over_columns(tmp_path: Path) -> None:
    rows = [
        ["回路", "编号", "类型", "楼栋", "楼层", "房间"],
        [1, 1, "烟感", "教学楼", "3层", "301"],
    ]
    points = read_points(job(csv_file(tmp_path, rows)))
    assert points.devices[0].place == "教学楼 3层 301"


def test_ids_stay_when_the_list_is_sorted_anew_and_gains_a_row(tmp_path: Path) -> None:
    before = {d.place: d.id for d in read_points(job(csv_file(tmp_path, GOOD))).devices}
    longer = [HEADER, [1, 9, "烟感", "新教室", ""], *reversed(GOOD[1:])]
    after = {d.place: d.id for d in read_points(job(csv_file(tmp_path, longer))).devices}
    assert before.items() <= after.items()
    assert len(set(after.values())) == 4


@settings(max_examples=30, deadline=None)
@given(
    places=st.sets(
        st.tuples(st.integers(1, 247), st.integers(1, 254), st.integers(1, 255)),
        min_size=2,
        max_size=40,
    ),
    link=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
)
def test_two_addresses_never_share_an_id(
    tmp_path_factory: pytest.TempPathFactory,
    places: set[tuple[int, int, int]],
    link: str,
) -> None:
    folder = tmp_path_factory.mktemp("ids")
    rows = [["unit", "loop", "device", "type"], *([*place, "fire"] for place in sorted(places))]
    points = read_points(job(csv_file(folder, rows), link=link))
    assert points.complete
    assert len({device.id for device in points.devices}) == len(places)


# --- the report --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "column", "says"),
    [
        (["1", "", "烟感", "A", ""], "编号", "is empty"),
        (["1", "seven", "烟感", "A", ""], "编号", "does not fit: seven"),
        (["1", "1.5", "烟感", "A", ""], "编号", "does not fit: 1.5"),
        (["1", "256", "烟感", "A", ""], "编号", "out of range: 256"),
        (["0", "7", "烟感", "A", ""], "回路", "out of range: 0"),
        (["1", "7", "咖啡机", "A", ""], "类型", "unknown type 咖啡机"),
        (["1", "7", "", "A", ""], "类型", "is empty"),
        (["1", "7", "烟感", '"=HYPERLINK(""x"")"', ""], "安装位置", "is a formula"),
        (["1", "7", "烟感", "A", "cam 一"], "摄像机", "there is no camera 一"),
        (["1", "1", "温感", "A", ""], "device", "the address of row 2 too"),
        (["1"], "编号", "is empty"),
    ],
)
def test_a_row_that_does_not_fit_is_reported_and_the_others_are_taken(
    tmp_path: Path, row: list[str], column: str, says: str
) -> None:
    rows = [HEADER, [1, 1, "烟感", "甲", ""], row, [1, 3, "烟感", "乙", ""]]
    points = read_points(job(csv_file(tmp_path, rows)))
    assert [device.row for device in points.devices] == [2, 4]
    assert not points.complete
    found = faults_of(points, 3)
    assert any(says in str(fault) for fault in found), [str(fault) for fault in found]
    titled = {"device": "编号"}.get(column, column)
    assert titled in {fault.column for fault in found}
    assert all(fault.lost for fault in found)
    assert "3 rows, 2 devices imported, 1 rows not imported" in points.summary()


def test_every_fault_of_a_row_is_told_at_once(tmp_path: Path) -> None:
    points = read_points(job(csv_file(tmp_path, [HEADER, ["x", "y", "z", "A", ""]])))
    assert {fault.column for fault in points.faults} == {"回路", "编号", "类型"}


def test_an_empty_row_is_told_and_empty_rows_at_the_end_are_not(tmp_path: Path) -> None:
    rows = [*GOOD[:2], ["", "", "", "", ""], [], *GOOD[2:], [], ["", ""], []]
    points = read_points(job(csv_file(tmp_path, rows)))
    assert [fault.row for fault in points.faults] == [3, 4]
    assert points.complete
    assert len(points.devices) == 3


def test_a_formula_a_date_and_an_error_in_a_sheet_are_no_values(tmp_path: Path) -> None:
    rows = [
        HEADER,
        [1, "=A2+1", "烟感", "A", None],
        [1, datetime(2026, 1, 27, tzinfo=UTC).replace(tzinfo=None), "烟感", "B", None],
        [1, 3, "烟感", "#REF!", None],
        [1, True, "烟感", "D", None],
    ]

    def edit(sheet: Any) -> None:
        sheet["D4"].data_type = "e"

    points = read_points(job(xlsx_file(tmp_path, rows, edit)))
    assert points.devices == ()
    assert [fault.problem.split(" / ")[1] for fault in points.faults] == [
        "is a formula",
        "has become a date",
        "is an error value",
        "does not fit: True",
    ]


def test_the_rest_of_a_merged_cell_is_reported_and_its_first_row_is_taken(tmp_path: Path) -> None:
    rows = [
        ["学校点表", None, None, None, None],
        HEADER,
        [1, 1, "烟感", "A", None],
        [None, 2, "烟感", "B", None],
        [None, 3, "烟感", "C", None],
        [2, 4, "烟感", "D", None],
    ]

    def edit(sheet: Any) -> None:
        sheet.merge_cells("A1:E1")
        sheet.merge_cells("A3:A5")

    points = read_points(job(xlsx_file(tmp_path, rows, edit)))
    assert [device.row for device in points.devices] == [3, 6]
    assert [(fault.row, fault.column) for fault in points.faults] == [(4, "回路"), (5, "回路")]
    assert all("merged" in fault.problem for fault in points.faults)


def test_a_merged_cell_beside_the_columns_that_matter_is_no_fault(tmp_path: Path) -> None:
    rows = [[*row, remark] for row, remark in zip(GOOD, ["备注", "x", None, None], strict=True)]
    points = read_points(job(xlsx_file(tmp_path, rows, lambda sheet: sheet.merge_cells("F2:F4"))))
    assert points.complete
    assert len(points.devices) == 3


def test_an_id_of_the_list_is_kept_and_one_that_is_taken_is_refused(tmp_path: Path) -> None:
    rows = [
        ["id", "回路", "编号", "类型"],
        ["smoke-a", 1, 1, "烟感"],
        ["smoke-a", 1, 2, "烟感"],
        ["有空格 的", 1, 3, "烟感"],
        ["btn-office", 1, 4, "烟感"],
    ]
    taken = {"btn-office": "devices.toml"}
    points = read_points(job(csv_file(tmp_path, rows), taken=taken))
    assert [device.id for device in points.devices] == ["smoke-a"]
    second, third, fourth = points.faults
    assert "row 2" in second.problem
    assert "no id" in third.problem
    assert "devices.toml" in fourth.problem


def test_an_address_that_leads_outside_the_map_is_reported(tmp_path: Path) -> None:
    rows = [["防区", "地址", "类型"], [9, 240, "烟感"], [10, 1, "烟感"], [1, 241, "烟感"]]
    points = read_points(job(csv_file(tmp_path, rows), profile=profile("fire/gst_gst5000_point")))
    assert [device.row for device in points.devices] == [2]
    assert [fault.row for fault in points.faults] == [3, 4]


def test_a_camera_the_installation_does_not_have_is_reported(tmp_path: Path) -> None:
    points = read_points(job(csv_file(tmp_path, GOOD), cameras=frozenset({"cam-1"})))
    assert "cam-2" in only(points).problem
    assert len(points.devices) == 2


# --- lists that are refused as a whole -----------------------------------------------------------


def test_a_missing_column_refuses_the_list_and_names_the_headers_that_would_do(
    tmp_path: Path,
) -> None:
    text = refusal(lambda: read_points(job(csv_file(tmp_path, [["回路", "类型"], [1, "烟感"]]))))
    assert "a column is missing: device" in text
    assert "编号" in text


def test_two_columns_of_one_meaning_refuse_the_list(tmp_path: Path) -> None:
    rows = [["回路", "编号", "地址", "类型"], [1, 1, 2, "烟感"]]
    assert "two columns mean device" in refusal(lambda: read_points(job(csv_file(tmp_path, rows))))


def test_a_list_without_a_header_is_refused(tmp_path: Path) -> None:
    rows = [[1, 1, 21], [1, 2, 21]]
    assert "no header" in refusal(lambda: read_points(job(csv_file(tmp_path, rows))))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"columns": {"回路": "ring"}}, "no meaning ring"),
        ({"kinds": {"烟感": "smoky"}}, "no kind smoky"),
        ({"fixed": {"unit": 300}}, "unit: "),
        ({"fixed": {"colour": 1}}, "colour: "),
        ({"link": "消防"}, "no name of a link"),
        ({"sheet": "Sheet9"}, "there is no sheet Sheet9"),
    ],
)
def test_a_job_that_cannot_be_meant_is_refused(
    tmp_path: Path, more: dict[str, Any], says: str
) -> None:
    path = xlsx_file(tmp_path, GOOD)
    assert says in refusal(lambda: read_points(job(path, **more)))


def test_a_list_of_exactly_the_bound_is_read_and_one_row_more_is_refused(tmp_path: Path) -> None:
    rows = [["单元", "回路", "编号", "类型"]]
    places = [(unit, loop, at) for unit in (1, 2) for loop in range(1, 101) for at in range(1, 101)]
    rows += [[str(number) for number in place] + ["fire"] for place in places]
    points = read_points(job(csv_file(tmp_path, rows[:MAX_ROWS])))
    assert len(points.devices) == MAX_ROWS - 1
    assert points.complete
    text = refusal(lambda: read_points(job(csv_file(tmp_path, rows[: MAX_ROWS + 1]))))
    assert f"more than {MAX_ROWS} rows" in text


def test_a_sheet_of_more_rows_than_the_bound_is_refused(tmp_path: Path) -> None:
    rows = [HEADER, *([1, 1, "烟感", "A", None] for _ in range(MAX_ROWS))]
    assert f"more than {MAX_ROWS} rows" in refusal(
        lambda: read_points(job(xlsx_file(tmp_path, rows)))
    )


def test_rows_that_were_not_looked_at_are_told(tmp_path: Path) -> None:
    def edit(sheet: Any) -> None:
        sheet["A70000"] = 1

    points = read_points(job(xlsx_file(tmp_path, GOOD, edit)))
    assert len(points.devices) == 3
    assert only(points).row == 65_537
    assert not points.complete


def test_a_file_that_is_too_big_is_refused_after_the_bound_was_read(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert "too big" in refusal(lambda: read_points(job(path)))


def test_a_workbook_that_unpacks_to_gigabytes_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (129 * 1024 * 1024))
    assert path.stat().st_size < 1024 * 1024
    assert "unpacks to more than" in refusal(lambda: read_points(job(path)))


def test_entities_in_a_workbook_are_never_expanded(tmp_path: Path) -> None:
    good = xlsx_file(tmp_path, GOOD)
    path = tmp_path / "entities.xlsx"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "xl/_rels/workbook.xml.rels":
                bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
                content = bomb + content
            target.writestr(name, content)
    assert "cannot be opened" in refusal(lambda: read_points(job(path)))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "there is no row"),
        (b"PK\x03\x04 not a zip", "cannot be opened"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old .xls"),
        ("回路,编号".encode("utf-16"), "UTF-16"),
        (b"\x00\x01\x02", "no text file"),
        (b"\xff\xff\xff", "neither UTF-8 nor GB 18030"),
        ('回路,编号,类型\r\n1,"2,烟感\r\n1,3,烟感\r\n'.encode(), "quotes or separators"),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    assert says in refusal(lambda: read_points(job(path)))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(lambda: read_points(job(tmp_path / "none.csv")))


# --- hostile texts ------------------------------------------------------------------------------


def test_texts_are_cleaned_and_bounded_and_that_is_told(tmp_path: Path) -> None:
    place = "教\u202e室\x07\t101\u200b"
    rows = [
        ["回路", "编号", "类型", "位置", "名称"],
        [1, 1, "烟感", place, '"引号" \\ 反斜杠'.replace('"', '""').join('""')],
        [1, 2, "烟感", "B", "x" * 10_000],
    ]
    points = read_points(job(csv_file(tmp_path, rows)))
    first, second = points.devices
    assert first.place == "教室 101"
    assert first.name == '"引号" \\ 反斜杠'
    assert second.name is not None
    assert len(second.name) == 64
    note = only(points)
    assert (note.row, note.lost) == (3, False)
    assert points.complete
    written = tomllib.loads(render(points))["device"]
    assert [each["name"] for each in written] == [first.name, second.name]


TEXT = st.text(st.characters(exclude_characters="\0"), max_size=100)  # NUL refuses the file


@settings(max_examples=60, deadline=None)
@given(
    cells=st.lists(
        st.tuples(
            st.one_of(st.integers(-5, 300).map(str), TEXT),
            st.one_of(st.sampled_from(["烟感", "fire", "="]), TEXT),
            TEXT,
            TEXT,
        ),
        max_size=8,
    )
)
def test_whatever_a_list_holds_what_is_written_is_what_the_configuration_takes(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    rows: list[list[str]] = [["编号", "类型", "位置", "id"]]
    rows += [['"' + text.replace('"', '""') + '"' for text in row] for row in cells]
    path = folder / "points.csv"
    path.write_bytes("\n".join(map(",".join, rows)).encode(errors="replace"))
    points = read_points(job(path, fixed={"loop": 1}, accept_unverified=True))
    told = {fault.row for fault in points.faults if fault.lost}
    assert points.rows == len(points.devices) + len(told)
    assert accepted(render(points)) == [device.id for device in points.devices]


@settings(max_examples=80, deadline=None)
@given(raw=st.one_of(st.binary(max_size=400), st.binary(max_size=400).map(b"PK\x03\x04".__add__)))
def test_any_bytes_are_a_list_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "list"
    path.write_bytes(raw)
    with pytest.raises(ConfigError):
        read_points(job(path))


@settings(max_examples=40, deadline=None)
@given(at=st.integers(0, 10_000), what=st.binary(min_size=1, max_size=4))
def test_a_damaged_workbook_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int, what: bytes
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = xlsx_file(folder, GOOD)
    raw = bytearray(path.read_bytes())
    place = at % len(raw)
    raw[place : place + len(what)] = what
    path.write_bytes(raw)
    try:
        points = read_points(job(path))
    except ConfigError:
        return
    assert len(points.devices) <= 3


# --- writing ------------------------------------------------------------------------------------


def accepted(text: str) -> list[str]:
    """The ids of the devices the configuration takes; any fault fails the test."""
    inspection = Inspection(Path())
    check = DeviceCheck(shelf(), {"fire": "modbus"}, None, inspection)
    check.read(tomllib.loads(text), "devices.d/fire.toml")
    check.finish()
    assert inspection.faults == []
    return [device.id for device in check.devices]


def test_the_file_is_one_the_configuration_takes(tmp_path: Path) -> None:
    points = read_points(job(csv_file(tmp_path, GOOD), accept_unverified=True))
    path = write_devices(tmp_path, "fire", points)
    assert path == tmp_path / "devices.d" / "fire.toml"
    assert accepted(path.read_text(encoding="utf-8")) == [device.id for device in points.devices]
    first = tomllib.loads(path.read_text(encoding="utf-8"))["device"][0]
    assert first == {
        "id": "fire-1-1-1",
        "profile": "fire/jbf_point",
        "link": "fire",
        "name": "教学楼101 烟感 1-1",
        "place": "教学楼101",
        "address": {"loop": 1, "device": 1, "kind": "fire"},
        "cameras": ["cam-1"],
        "accept_unverified": True,
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in path.parent.iterdir()] == ["fire.toml"]


def test_a_file_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    points = read_points(job(csv_file(tmp_path, GOOD)))
    path = write_devices(tmp_path, "fire", points)
    path.write_text("# mine\n", encoding="utf-8")
    assert "was not touched" in refusal(lambda: write_devices(tmp_path, "fire", points))
    assert path.read_text(encoding="utf-8") == "# mine\n"
    assert [each.name for each in path.parent.iterdir()] == ["fire.toml"]
    write_devices(tmp_path, "fire", points, replace=True)
    assert len(tomllib.loads(path.read_text(encoding="utf-8"))["device"]) == 3


def test_the_same_list_gives_the_same_bytes(tmp_path: Path) -> None:
    path = csv_file(tmp_path, GOOD)
    assert render(read_points(job(path))) == render(read_points(job(path)))


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "火警", "x" * 65])
def test_a_name_that_would_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    points = read_points(job(csv_file(tmp_path, GOOD)))
    assert "no name for a file" in refusal(lambda: write_devices(tmp_path, name, points))
    assert not (tmp_path / "devices.d").exists()


def test_a_list_of_which_nothing_fits_writes_nothing(tmp_path: Path) -> None:
    points = read_points(job(csv_file(tmp_path, [HEADER, ["x", 1, "烟感", "", ""]])))
    assert "no row could be imported" in refusal(lambda: write_devices(tmp_path, "fire", points))
    assert not (tmp_path / "devices.d").exists()


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    points = read_points(job(csv_file(tmp_path, GOOD)))
    (tmp_path / "devices.d").write_bytes(b"")
    text = refusal(lambda: write_devices(tmp_path, "fire", points))
    assert "cannot be written: Not a directory" in text
    assert (tmp_path / "devices.d").read_bytes() == b""


def test_what_the_installation_has_is_known_except_what_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text('[[device]]\nid = "btn"\n', encoding="utf-8")
    write_devices(tmp_path, "fire", read_points(job(csv_file(tmp_path, GOOD))))
    (tmp_path / "devices.d" / "broken.toml").write_text("= no toml", encoding="utf-8")
    known = known_devices(tmp_path)
    assert known["btn"] == "devices.toml"
    assert known["fire-1-1-1"] == "devices.d/fire.toml"
    assert known_devices(tmp_path, without="fire") == {"btn": "devices.toml"}
    again = read_points(job(csv_file(tmp_path, GOOD), taken=known))
    assert again.devices == ()
    assert all("is taken" in fault.problem for fault in again.faults)
