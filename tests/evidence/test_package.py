"""A package: whole, in order, readable by everybody, and what is in it."""

import ast
import json
import os
import subprocess
import sys
import threading
import zipfile
import zlib
from pathlib import Path

import pytest

from gateway.evidence import (
    ExportError,
    Limits,
    NothingThere,
    Stopped,
    open_key,
    segment_copy,
    verifier,
)
from gateway.evidence.package import PackageWriter
from gateway.store.video.boxes import read_seal
from tests.evidence.world import (
    GATE,
    MINUTE,
    NOON,
    SECOND,
    YARD,
    School,
    contents,
    run_alone,
    school_of,
)


def records(found: dict[str, bytes], name: str) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(line) for line in found[name].splitlines()]


def test_it_is_good_for_our_verifier_and_runs_alone(school: School, package: Path) -> None:
    found = verifier.check(package)
    assert found.fault is None
    assert found.key == school.key.fingerprint
    assert found.counts["segments"] == 6
    alone = run_alone(package)
    assert (alone.returncode, alone.stderr) == (0, "")
    assert "完好 GOOD" in alone.stdout
    assert school.key.fingerprint in alone.stdout
    assert run_alone(package, "--key", school.key.fingerprint).returncode == 0


def test_the_verifier_alone_checks_a_package_too(package: Path, tmp_path: Path) -> None:
    taken = tmp_path / "verifier.py"
    taken.write_bytes(contents(package)["__main__.py"])
    assert taken.read_bytes() == Path(verifier.__file__).read_bytes(), "one code"
    options = [sys.executable, "-I", "-S", str(taken)]
    good = subprocess.run([*options, str(package)], capture_output=True, text=True, check=False)
    assert good.returncode == 0
    assert subprocess.run(options, capture_output=True, check=False).returncode == 2


def test_the_verifier_is_written_for_python_3_8_and_imports_the_standard_library_only() -> None:
    tree = ast.parse(Path(verifier.__file__).read_text("utf-8"), feature_version=(3, 8))
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert names <= set(sys.stdlib_module_names)


def test_segments_travel_whole_and_unchanged(school: School, package: Path) -> None:
    found = contents(package)
    for name, content in found.items():
        if name.startswith("video/"):
            _, camera, file = name.split("/")
            assert (school.folder / "disk" / camera / file[:8] / file).read_bytes() == content
    assert sum(name.startswith(f"video/{GATE}/") for name in found) == 4
    assert found[f"stills/{GATE}.jpg"].startswith(b"\xff\xd8")


def test_only_what_concerns_the_alarm_is_in_it_and_the_chain_holds_it(
    school: School, package: Path
) -> None:
    found = contents(package)
    told = records(found, "events.jsonl")
    assert {one["data"]["device"]["id"] for one in told} == {"btn-1", "gw-1"}
    assert [one["type"] for one in told if one["data"]["alarm_id"] == school.alarm_id] == [
        "campus.alarm.raised.v1",
        "campus.alarm.escalated.v1",
        "campus.alarm.closed.v1",
    ]
    links = records(found, "events-chain.jsonl")
    numbers = [link["seq"] for link in links]
    assert numbers[:-1] == list(range(numbers[0], numbers[-2] + 1)), "others leave their hash only"
    assert len(told) < len(links) - 2
    deliveries = json.loads(found["deliveries.json"])["deliveries"]
    assert {one["receiver"] for one in deliveries} == {"police"}
    assert {one["seq"] for one in deliveries} == {one["seq"] for one in told}


def test_the_trail_in_it_says_who_looked_and_nothing_of_others(package: Path) -> None:
    found = contents(package)
    assert [one["data"]["action"] for one in records(found, "audit.jsonl")] == ["video.view"] * 2
    assert [one["seq"] for one in records(found, "audit-chain.jsonl")] == [0, 1, 2, 3, 3]


def test_the_timeline_tells_the_hole_and_what_is_not_sealed(package: Path) -> None:
    timeline = json.loads(contents(package)["timeline.json"])
    gate, yard = timeline["cameras"]
    assert gate["gaps"] == [
        {"from_ns": NOON + MINUTE, "to_ns": NOON + 2 * MINUTE, "reason": "unknown"}
    ]
    assert yard["camera"] == YARD
    assert yard["gaps"][-1]["to_ns"] == yard["to_ns"]
    assert {one["camera_offset_ms"] for one in gate["segments"]} == {-40}


def test_the_manifest_says_who_when_and_why(school: School, package: Path) -> None:
    manifest = json.loads(contents(package)["manifest.json"])
    assert manifest["by"] == {"who": "李四", "role": "leader", "from": "192.0.2.8"}
    assert manifest["reason"].startswith("警方调取")
    assert manifest["asked"]["alarm_id"] == school.alarm_id
    with zipfile.ZipFile(package) as opened:
        assert [one["name"] for one in manifest["members"]] == opened.namelist()[:-2]


def test_a_camera_can_be_exported_for_a_time(school: School) -> None:
    path = school.export("camera.zip", camera=GATE, from_ns=NOON, to_ns=NOON + 30 * SECOND)
    found = contents(path)
    assert sum(name.startswith("video/") for name in found) == 1
    assert verifier.check(path).fault is None
    told = {one["data"]["device"]["id"] for one in records(found, "events.jsonl")}
    assert told == {"btn-1", "gw-1"}, "the devices that name this camera"


def test_two_exports_differ_by_nothing_but_their_manifest(school: School, package: Path) -> None:
    first, second = contents(package), contents(school.export("again.zip"))
    different = {name for name in first if first[name] != second[name]}
    assert list(first) == list(second)
    assert different <= {"manifest.json", "manifest.sig"}


@pytest.mark.parametrize(
    "what",
    [
        {"alarm_id": "0197-nobody"},
        {"camera": "nobody", "from_ns": NOON, "to_ns": NOON + 1},
        {"camera": "../../etc", "from_ns": NOON, "to_ns": NOON + 1},
    ],
)
def test_what_is_not_there_is_said(school: School, what: dict[str, object]) -> None:
    with pytest.raises(NothingThere):
        school.export("none.zip", **what)


@pytest.mark.parametrize(
    "what",
    [
        {"alarm_id": "x", "camera": "y"},
        {"camera": GATE, "from_ns": 2, "to_ns": 2},
        {"camera": GATE, "from_ns": 0, "to_ns": 40 * 86_400 * SECOND},
        {"camera": GATE, "from_ns": NOON + 99 * MINUTE, "to_ns": NOON + 100 * MINUTE},
    ],
)
def test_what_cannot_be_asked_is_refused(school: School, what: dict[str, object]) -> None:
    with pytest.raises(ExportError):
        school.export("none.zip", **what)


def test_it_stops_when_told_and_refuses_what_is_too_large_or_has_no_room(school: School) -> None:
    builder = school.builder()
    builder.stop = threading.Event()
    builder.progress = lambda _done, _total: builder.stop.set()
    with pytest.raises(Stopped):
        school.export_to("stopped.zip", builder)
    small = school.builder()
    small.limits = Limits(bytes_most=1000, seal_wait_s=0.0)
    with pytest.raises(ExportError, match="too large"):
        school.export_to("large.zip", small)
    full = school.builder()
    full.limits = Limits(spare_bytes=1 << 60, seal_wait_s=0.0)
    with pytest.raises(ExportError, match="room"):
        school.export_to("full.zip", full)


async def test_a_damaged_or_missing_segment_is_told_and_the_rest_is_good(tmp_path: Path) -> None:
    school = await school_of(tmp_path)
    first, second, third, _ = sorted((tmp_path / "disk" / GATE).rglob("*.mp4"))
    content = bytearray(first.read_bytes())
    content[700] ^= 1
    first.write_bytes(content)
    second.unlink()
    third.unlink()
    third.mkdir()  # it opens, and cannot be read
    path = school.export()
    found = verifier.check(path)
    assert found.fault is None
    assert [note for note in found.notes if first.name in note]
    missing = json.loads(contents(path)["manifest.json"])["missing"]
    assert [one["what"].rpartition("/")[2] for one in missing] == [second.name, third.name]
    gaps = json.loads(contents(path)["timeline.json"])["cameras"][0]["gaps"]
    assert sum(gap["reason"] == "unreadable" for gap in gaps) == 2
    assert contents(path)[f"video/{GATE}/{first.name}"] == bytes(content), "as it is on the disk"


async def test_a_file_that_ends_while_it_is_read_is_taken_back_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = await school_of(tmp_path)
    monkeypatch.setattr(segment_copy, "PIECE_BYTES", 256)
    _, second, *_ = sorted((tmp_path / "disk" / GATE).rglob("*.mp4"))
    builder = school.builder()
    cut: list[Path] = []

    class Stop(threading.Event):
        def is_set(self) -> bool:
            """Asked after each piece; by the first of the second segment its file is cut."""
            opened = list(Path("/proc/self/fd").iterdir())
            if not cut and any(fd.is_symlink() and fd.readlink() == second for fd in opened):
                os.truncate(second, 700)
                cut.append(second)
            return False

    builder.stop = Stop()
    path, built = school.export_to("cut.zip", builder)
    assert cut
    assert built.missing == 1
    assert verifier.check(path).fault is None
    assert f"video/{GATE}/{second.name}" not in contents(path)


async def test_what_is_being_written_is_waited_for_and_then_told(tmp_path: Path) -> None:
    school = await school_of(tmp_path)
    newest = max((tmp_path / "disk" / GATE).rglob("*.mp4"))
    start = NOON + 4 * MINUTE
    opened = newest.with_name("20261121T120400.000000000Z.mp4.open")
    opened.write_bytes(b"x")
    school.clock.advance(10 * 60)
    looks: list[float] = []
    builder = school.builder(camera=GATE, from_ns=NOON, to_ns=start + MINUTE)
    builder.limits = Limits(seal_wait_s=600.0)

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            looks.append(timeout or 0.0)
            opened.write_bytes(b"x" * min(len(looks), 5))  # it grows for a while, and then no more
            return False

    builder.stop = Stop()
    path, built = school.export_to("open.zip", builder)
    assert 20 < len(looks) < 60, "an open segment that no longer grows is given up"
    assert built.missing == 1
    gaps = json.loads(contents(path)["timeline.json"])["cameras"][0]["gaps"]
    assert gaps[-1]["reason"] == "not_sealed"
    assert verifier.check(path).fault is None


def test_the_key_is_made_once_and_kept_from_others(school: School, tmp_path: Path) -> None:
    key = open_key(tmp_path)
    file = tmp_path / "evidence-key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert open_key(tmp_path).fingerprint == key.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["evidence-key"]
    secret = file.read_text().splitlines()[1]
    assert secret not in repr(key) + str(vars(key))
    file.chmod(0o640)
    with pytest.raises(Exception, match="0600"):
        open_key(tmp_path)
    file.chmod(0o600)
    file.write_text("rubbish")
    with pytest.raises(Exception, match="密钥") as told:
        open_key(tmp_path)
    assert "rubbish" not in str(told.value)
    assert file.read_text() == "rubbish", "a key is never replaced"


def test_seals_are_read_as_the_store_reads_them(package: Path, tmp_path: Path) -> None:
    for name, content in contents(package).items():
        if name.startswith("video/"):
            path = tmp_path / name.rpartition("/")[2]
            path.write_bytes(content)
            with path.open("rb") as file:
                facts, _ = read_seal(file)
            assert facts["started_ns"] == verifier._ns_of(path.name)


LARGE = 5 * 1024**3


def large(path: Path, crc: int) -> None:
    """A member of 5 GiB that takes no room, one behind it, and a directory beyond 4 GiB."""
    rows = [(b"large.bin", LARGE, crc), (b"small.txt", 5, zlib.crc32(b"small"))]
    with path.open("wb") as file:
        directory, at = b"", 0
        for name, size, check in rows:
            header = verifier.local_header(name, size, check)
            file.seek(at)
            file.write(header)
            directory += verifier.central_header(name, size, check, at)
            at += len(header) + size
        file.seek(at - 5)
        file.write(b"small" + directory + verifier.end_records(2, len(directory), at))


def test_beyond_4_gib_other_programs_find_the_same(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    large(path, 0)
    assert path.stat().st_blocks * 512 < 1024**2
    with zipfile.ZipFile(path) as opened:
        first, second = opened.infolist()
        assert (first.file_size, second.file_size) == (LARGE, 5)
        assert second.header_offset > LARGE
        assert opened.read("small.txt") == b"small"


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_beyond_4_gib_every_byte_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    crc, piece = 0, bytes(1024**2)
    for _ in range(LARGE // len(piece)):
        crc = zlib.crc32(piece, crc)
    large(path, crc)
    assert "manifest.json" in (verifier.check(path).fault or ""), "as a container it is sound"
    with path.open("r+b") as file:
        file.seek(LARGE - 7)
        file.write(b"x")
    assert (verifier.check(path).fault or "").startswith("large.bin")


def test_a_source_that_is_not_as_long_as_was_said_makes_no_member(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w+b") as file:
        writer = PackageWriter(file)
        with pytest.raises(ExportError, match="expected 5"):
            writer.add("a", [b"1234"], 5)
