"""Reports between processes: whole or not at all, bounded, and old when their writer is silent."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import reports
from gateway.reports import (
    ATTRIBUTES_MOST,
    CUT_KEY,
    FINDINGS_MOST,
    SIZE_MOST_BYTES,
    STALE_S,
    TEXT_MOST,
    VOLUMES_MOST,
    Finding,
    Report,
    ReportError,
    path_of,
    read_report,
    write_report,
)
from gateway.words import Said
from tests.clocks import FakeClock

FULL = Finding(
    "video.volume.disk", Said("录像盘已满", "volume full"), {"free_bytes": 0, "path": "/srv/v"}
)


def made(clock: FakeClock, *findings: Finding, **cameras: dict[str, Any]) -> Report:
    return Report(clock.utc_ns(), findings, cameras, clock.mono_ns())


def spoil(folder: Path, **members: Any) -> None:
    """Change members of the report `video` by hand."""
    path = path_of(folder, "video")
    path.write_text(json.dumps(json.loads(path.read_bytes()) | members), encoding="utf-8")


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    report = made(
        FakeClock(), FULL, gate={"recording": True, "why": "", "bit_rate": 3.5, "x": None}
    )
    write_report(tmp_path, "video", report)
    found = read_report(tmp_path, "video")
    assert found is not None
    assert (found.at_ns, found.mono_ns) == (report.at_ns, report.mono_ns)
    assert found.findings == report.findings
    assert found.cameras == report.cameras
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["video.json"]


def test_volumes_are_told_and_a_report_from_before_they_were_is_one_too(tmp_path: Path) -> None:
    row = {"path": "/srv/v", "state": "ok", "free_bytes": 1, "size_bytes": None}
    write_report(tmp_path, "video", Report(1, volumes=(row,) * (VOLUMES_MOST + 1)))
    found = read_report(tmp_path, "video")
    assert found is not None
    assert found.volumes == (row,) * VOLUMES_MOST
    path = path_of(tmp_path, "video")
    older = json.loads(path.read_bytes())
    del older["volumes"]
    path.write_text(json.dumps(older), encoding="utf-8")
    found = read_report(tmp_path, "video")
    assert found is not None
    assert found.volumes == ()


def test_no_report_reads_as_none(tmp_path: Path) -> None:
    assert read_report(tmp_path, "video") is None


def test_the_one_after_replaces_the_one_before(tmp_path: Path) -> None:
    clock = FakeClock()
    write_report(tmp_path, "video", made(clock, FULL))
    write_report(tmp_path, "video", made(clock))
    found = read_report(tmp_path, "video")
    assert found is not None
    assert found.findings == ()


@pytest.mark.parametrize("name", ["../video", "", "a/b", "Video", "video\n", "x" * 40])
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name of a report"):
        write_report(tmp_path, name, Report(0))


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_torn_file_is_no_report(tmp_path: Path, part: float) -> None:
    write_report(tmp_path, "video", made(FakeClock(), FULL, gate={"recording": True}))
    path = path_of(tmp_path, "video")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    assert read_report(tmp_path, "video") is None


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    write_report(tmp_path, "video", made(FakeClock()))
    with path_of(tmp_path, "video").open("ab") as file:
        file.write(b" " * SIZE_MOST_BYTES)
    assert read_report(tmp_path, "video") is None


def test_a_pipe_a_folder_and_a_link_are_no_reports(tmp_path: Path) -> None:
    path = path_of(tmp_path, "video")
    path.parent.mkdir()
    os.mkfifo(path)
    assert read_report(tmp_path, "video") is None, "and nobody waits for its writer"
    path.unlink()
    path.mkdir()
    assert read_report(tmp_path, "video") is None
    path.rmdir()
    write_report(tmp_path, "other", made(FakeClock()))
    path.symlink_to(path_of(tmp_path, "other"))
    assert read_report(tmp_path, "video") is None


@pytest.mark.parametrize(
    "members",
    [
        {"version": 2},
        {"version": None},
        {"at_ns": "now"},
        {"at_ns": -1},
        {"at_ns": True},
        {"at_ns": 1 << 70},
        {"mono_ns": 1.5},
        {"boot": None},
        {"boot": "x" * 65},
        {"findings": {}},
        {"volumes": {}},
        {"volumes": [1]},
        {"volumes": [{"path": []}]},
        {"volumes": [{}] * 65},
        {"findings": [{"key": "../x", "text": "", "attributes": {}}]},
        {"findings": [{"key": "x", "text": 1, "attributes": {}}]},
        {"findings": [{"key": "x", "text": ""}]},
        {"findings": [{"key": "x", "text": "", "attributes": {"a": []}}]},
        {"findings": [[]] * (FINDINGS_MOST + 1)},
        {"findings": [None]},
        {"cameras": {"gate": {str(i): i for i in range(ATTRIBUTES_MOST + 1)}}},
        {"cameras": {"": {}}},
        {"cameras": []},
    ],
)
def test_what_is_out_of_form_is_no_report(tmp_path: Path, members: dict[str, Any]) -> None:
    write_report(tmp_path, "video", made(FakeClock(), FULL))
    assert read_report(tmp_path, "video") is not None
    spoil(tmp_path, **members)
    assert read_report(tmp_path, "video") is None


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"version": NaN}', b"\xff\xfe", b"null"])
def test_hostile_json_is_no_report(tmp_path: Path, content: bytes) -> None:
    path = path_of(tmp_path, "video")
    path.parent.mkdir()
    path.write_bytes(content)
    assert read_report(tmp_path, "video") is None


@pytest.mark.parametrize("words", [None, "x", {"zh": 1, "en": "x"}, {"zh": "", "en": ""}])
def test_a_finding_of_before_there_were_words_has_its_text_for_both(
    tmp_path: Path, words: object
) -> None:
    write_report(tmp_path, "video", made(FakeClock(), FULL))
    found = read_report(tmp_path, "video")
    assert found is not None
    assert found.findings[0].said == FULL.said
    path = path_of(tmp_path, "video")
    older = json.loads(path.read_bytes())
    assert older["findings"][0]["text"] == "录像盘已满 volume full", (
        "an older reader finds its text"
    )
    older["findings"][0]["words"] = words
    path.write_text(json.dumps(older), encoding="utf-8")
    found = read_report(tmp_path, "video")
    assert found is not None
    assert found.findings[0].said == Said("录像盘已满 volume full", "录像盘已满 volume full")
    assert found.findings[0].text == "录像盘已满 volume full"


@given(st.binary(max_size=400))
def test_any_bytes_are_a_report_or_none(content: bytes) -> None:
    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
        assert isinstance(reports._decode(content), Report)


@given(
    st.text(max_size=600),
    st.dictionaries(
        st.text(max_size=80),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=600),
        max_size=40,
    ),
)
def test_whatever_a_camera_says_can_be_written_and_read(text: str, values: dict[str, Any]) -> None:
    content = reports._encode(
        Report(1, (Finding("video.gate", Said(text, text[::-1]), values),), {"gate": values})
    )
    found = reports._decode(content)
    said = found.findings[0].said
    assert max(len(said.zh), len(said.en)) <= TEXT_MOST
    assert len(found.cameras["gate"]) <= ATTRIBUTES_MOST
    told = [said.zh, said.en, *(v for v in found.cameras["gate"].values() if type(v) is str)]
    assert all(line.isprintable() or "\u3000" in line or not line.isascii() for line in told)
    assert not any(char in line for line in told for char in "\n\r\x1b\u202e\ud800")


def test_more_findings_than_fit_are_counted(tmp_path: Path) -> None:
    many = [Finding(f"video.{number}", Said("x", "x")) for number in range(FINDINGS_MOST + 5)]
    write_report(tmp_path, "video", made(FakeClock(), *many))
    found = read_report(tmp_path, "video")
    assert found is not None
    assert len(found.findings) == FINDINGS_MOST
    assert found.findings[-1].key == CUT_KEY
    assert found.findings[-1].attributes == {"left_out": 6}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    with pytest.raises(ReportError, match="next report"):
        write_report(tmp_path, "video", made(FakeClock()))


def test_a_writer_that_is_silent_grows_stale(tmp_path: Path) -> None:
    clock = FakeClock()
    write_report(tmp_path, "video", made(clock))
    found = read_report(tmp_path, "video")
    assert found is not None
    assert not found.is_stale(clock)
    clock.advance(STALE_S + 1)
    assert found.is_stale(clock)


@pytest.mark.parametrize("step_s", [-86_400.0, 86_400.0 * 365])
def test_a_step_of_the_wall_clock_makes_no_report_older_or_younger(
    tmp_path: Path, step_s: float
) -> None:
    clock = FakeClock()
    write_report(tmp_path, "video", made(clock))
    found = read_report(tmp_path, "video")
    assert found is not None
    clock.step(step_s)
    clock.advance(10)
    assert found.age_s(clock) == pytest.approx(10)
    clock.advance(STALE_S)
    assert found.is_stale(clock)


@pytest.mark.parametrize("boot", ["another", ""])
def test_a_report_of_another_boot_is_as_old_as_our_time_says(tmp_path: Path, boot: str) -> None:
    clock = FakeClock(mono_ns=10**15)
    write_report(tmp_path, "video", made(clock))
    spoil(tmp_path, boot=boot)
    found = read_report(tmp_path, "video")
    assert found is not None
    rebooted = FakeClock(utc_ns=clock.utc_ns() + 120 * 10**9, mono_ns=10**9)
    assert found.age_s(rebooted) == pytest.approx(120)
