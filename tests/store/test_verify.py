"""`verify` names the first thing that is wrong, whatever was changed and wherever."""

import asyncio
import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.store import Batch, Store, verify
from tests.store.making import (
    RECEIVERS,
    change,
    fill,
    journal_of,
    opened,
    rows,
    seal_some,
)

COUNT = 60


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of a sound store, made once."""
    folder = tmp_path_factory.mktemp("sound")
    asyncio.run(fill(folder, COUNT, receivers=(1,)))
    return {name: (folder / name).read_bytes() for name in ("events.db", "head.json")}


@pytest.fixture
def store_folder(tmp_path: Path, pristine: dict[str, bytes]) -> Path:
    """A sound store of this test's own."""
    for name, content in pristine.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_sound_store_has_no_fault(store_folder: Path) -> None:
    assert verify(store_folder) == []


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seq=st.integers(1, COUNT), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_in_a_record_is_named(
    store_folder: Path, pristine: dict[str, bytes], seq: int, place: float, bit: int
) -> None:
    (store_folder / "events.db").write_bytes(pristine["events.db"])
    body = bytearray(rows(store_folder, "SELECT body FROM record WHERE seq = ?", seq)[0][0])
    body[int(place * len(body))] ^= 1 << bit
    change(store_folder, "UPDATE record SET body = ? WHERE seq = ?", bytes(body), seq)
    assert verify(store_folder)[0].startswith(f"record {seq}: ")


@pytest.mark.parametrize("seq", [1, 2, COUNT // 2, COUNT - 1, COUNT])
def test_a_deleted_record_is_named(store_folder: Path, seq: int) -> None:
    change(store_folder, "DELETE FROM record WHERE seq = ?", seq)
    assert verify(store_folder)[0].startswith(f"record {seq}: 缺失 missing")


def test_two_swapped_records_are_named(store_folder: Path) -> None:
    change(
        store_folder,
        "UPDATE record SET body = (SELECT body FROM record r WHERE r.seq = 31 - record.seq)"
        " WHERE seq IN (14, 17)",
    )
    assert verify(store_folder)[0].startswith("record 14: ")


def test_a_record_made_anew_with_a_right_hash_is_named_by_the_one_after_it(
    store_folder: Path,
) -> None:
    """Whoever rewrites one record has to rewrite all that follow, and receivers have those."""
    body = rows(store_folder, "SELECT body FROM record WHERE seq = 20")[0][0]
    head = body[: body.rfind(b',"hash":"')].replace("按下".encode(), "误报".encode())
    forged = head + b',"hash":"' + hashlib.sha256(head).hexdigest().encode() + b'"}}'
    change(store_folder, "UPDATE record SET body = ? WHERE seq = 20", forged)
    assert verify(store_folder) == ["record 21: it does not continue the record before it"]


def test_a_record_under_another_number_is_named_even_beside_a_gap(store_folder: Path) -> None:
    """Across a gap nothing names the record before: its own number has to hold."""
    change(store_folder, "DELETE FROM record WHERE seq < 60")
    change(store_folder, "INSERT OR REPLACE INTO meta VALUES ('expired_to', '69')")
    change(store_folder, "UPDATE record SET seq = 70")
    assert verify(store_folder)[0] == "record 70: it carries another sequence number"


def test_a_body_that_is_no_bytes_is_named(store_folder: Path) -> None:
    change(store_folder, "UPDATE record SET body = 5 WHERE seq = 9")
    assert verify(store_folder)[0].startswith("record 9: ")


def test_a_delivery_and_an_alarm_without_their_record_are_named(store_folder: Path) -> None:
    change(store_folder, "DELETE FROM record WHERE seq = 60")
    told = verify(store_folder)
    assert "delivery of record 60 to receiver 1: the record is missing" in told
    assert "alarm alarm-00000060: its record 60 is missing" in told


def test_an_index_that_disagrees_is_named(store_folder: Path) -> None:
    change(store_folder, "PRAGMA writable_schema=ON")
    size = (store_folder / "events.db").stat().st_size
    root = rows(store_folder, "SELECT rootpage FROM sqlite_master WHERE name='record_of_alarm'")[0][
        0
    ]
    with (store_folder / "events.db").open("r+b") as file:
        file.seek((root - 1) * 4096 + 3000)
        file.write(b"\xff" * 40)
    assert (store_folder / "events.db").stat().st_size == size
    assert verify(store_folder)


def test_nothing_there_and_something_else_there_are_one_line_each(tmp_path: Path) -> None:
    assert "there is no store here" in verify(tmp_path)[0]
    (tmp_path / "events.db").write_text("no database", "utf-8")
    assert len(verify(tmp_path)) == 1


async def test_it_runs_beside_a_gateway_that_writes(tmp_path: Path) -> None:
    store, start = await Store.open(tmp_path, reserve_mib=1, receivers=RECEIVERS)
    journal = journal_of(start)
    looking = asyncio.ensure_future(asyncio.to_thread(verify, tmp_path))
    told: list[list[str]] = []
    while len(told) < 5:
        await store.commit(Batch(records=seal_some(journal, 50, receivers=(1, 2))))
        store.write_head(journal.seq, 1)
        if looking.done():
            told.append(looking.result())
            looking = asyncio.ensure_future(asyncio.to_thread(verify, tmp_path))
    told.append(await looking)
    await store.abandon()
    assert told == [[]] * 6


async def test_a_hundred_thousand_records_take_seconds(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, journal):
        for _ in range(50):
            await store.commit(Batch(records=seal_some(journal, 2000)))
    seen: list[int] = []
    began_s = time.thread_time()  # of the processor: how busy the machine is does not matter
    assert verify(tmp_path, seen.append) == []
    assert seen == [100_000]
    assert time.thread_time() - began_s < 20


def test_a_receiver_can_check_a_record_with_the_one_liner_of_the_specification(
    store_folder: Path,
) -> None:
    """FORMAT.md's line, run as it is written there."""
    page = (Path(__file__).parents[2] / "gateway/store/FORMAT.md").read_text("utf-8")
    line = next(line for line in page.splitlines() if line.startswith("python3 -c "))
    body = rows(store_folder, "SELECT body FROM record WHERE seq = 7")[0][0]
    for content, answer in ((body, "True"), (body.replace("按下".encode(), b"x"), "False")):
        (store_folder / "record.json").write_bytes(content)
        said = subprocess.run(
            ["sh", "-c", line.replace("python3", sys.executable, 1)],
            cwd=store_folder,
            check=True,
            capture_output=True,
            text=True,
        )
        assert said.stdout.strip() == answer
