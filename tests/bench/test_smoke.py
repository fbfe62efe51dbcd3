"""The benchmark end to end, small: real broker, real gateway, real load; figures are not judged."""

import re
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.rig import Rig
from bench.rows import Size, flow
from bench.rows.stages import REST, read_stacks, stage_of
from bench.table import Row, merge, render
from bench.tally import Tally

SMALL = Size(burst=300)


def body(number: int, name: str, sent_ns: int = 0) -> bytes:
    """A record of the gateway as far as a receiver looks."""
    return (
        f'{{"specversion":"1.0","id":"{name}","type":"campus.event.recorded.v1",'
        f'"data":{{"attributes":{{"n":{number},"t":{sent_ns}}}}}}}'
    ).encode()


ONE, OTHER = "0197aaaa-0000-7000-8000-000000000001", "0197aaaa-0000-7000-8000-000000000002"


def test_a_small_burst_goes_through_the_real_gateway_and_nothing_is_lost(tmp_path: Path) -> None:
    rows = flow.ALL["burst-mqtt"](Rig(tmp_path), SMALL)
    speed, lost = rows
    assert lost.value == 0, speed.note
    assert speed.value is not None
    assert speed.value > 0
    table: dict[str, Row] = {}
    merge(table, rows)
    assert re.search(r"lost +<= 0 +0 +met", render(table))


def test_a_wrong_name_is_a_usage_error_and_starts_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--only", "nonsense"])
    assert stopped.value.code == 2
    assert "burst-mqtt" in capsys.readouterr().err


def test_a_repeat_is_told_from_one_message_made_two_records() -> None:
    tally = Tally(devices=10)
    for name in (ONE, ONE, OTHER):
        tally.add(body(3, name), 5)
    report = tally.report()
    assert (report["unique"], report["repeats"], report["twins"]) == (1, 1, 1)


def test_order_is_watched_for_each_device_by_itself() -> None:
    tally = Tally(devices=10)
    for number in (5, 4, 15, 3, 14):
        tally.add(body(number, ONE), 5)
    assert tally.report()["disorder"] == 0
    tally.add(body(24, ONE), 5)
    tally.add(body(1, ONE), 5)
    assert tally.report()["disorder"] == 0
    tally.add(body(35, ONE), 5)
    tally.add(body(25, ONE), 5)
    assert tally.report()["disorder"] == 1


def test_every_record_of_a_batch_is_counted_and_timed() -> None:
    tally = Tally(devices=10)
    batch = b"[" + b",".join((body(1, ONE, 1_000_000), body(2, OTHER, 2_000_000))) + b"]"
    assert tally.add(batch, 5_000_000) == 2
    report = tally.report()
    assert report["unique"] == 2
    assert (report["p50_ms"], report["worst_ms"]) == (4.0, 4.0)
    assert tally.add(b'{"specversion":"1.0","type":"campus.gateway.heartbeat.v1"}', 6) == 0


def row(value: float, *, worst: bool = False) -> Row:
    return Row(group="g", name="row", value=value, unit="ms", target=10.0, worst=worst)


@pytest.mark.parametrize(
    ("worst", "kept", "verdict"), [(False, 8.0, "met"), (True, 12.0, "MISSED")]
)
def test_of_several_runs_the_best_is_kept_and_of_losses_the_worst(
    worst: bool, kept: float, verdict: str
) -> None:
    table: dict[str, Row] = {}
    for value in (11.0, 12.0, 8.0, 9.0):
        merge(table, [row(value, worst=worst)])
    assert (table["row"].value, table["row"].verdict) == (kept, verdict)


def test_a_sample_counts_for_the_innermost_stage_and_libraries_for_their_caller() -> None:
    outer = "run (/x/gateway/intake.py:200)"
    inner = "seal (/x/gateway/store/journal.py:117)"
    assert stage_of(["main (/lib/asyncio/events.py:80)", outer, inner]) == "seal"
    assert stage_of([outer, "bisect (/lib/bisect.py:3)"]) == "judge"
    assert stage_of(["main (/lib/asyncio/events.py:80)"]) == REST
    assert list(read_stacks(["a;b 12", "no count"])) == [(["a", "b"], 12)]
