"""A whole campus day from one seed: everything a broker accepted is at both receivers."""

import sys
from pathlib import Path

import pytest

from simulators.campus import run_day

COMMAND = [sys.executable, "-m", "gateway.cli"]
DURATION_S = 8.0
ARRIVE_S = 150.0


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)]
)
async def test_nothing_that_was_accepted_in_a_day_is_missing(tmp_path: Path, seed: int) -> None:
    ledger, complaints = await run_day(
        tmp_path, seed=seed, duration_s=DURATION_S, command=COMMAND, per_s=3.0, arrive_s=ARRIVE_S
    )
    print(f"\nseed {seed}: sent {len(ledger.sent)}, accepted {ledger.accepted_count}")
    assert ledger.accepted_count > 100, "a day in which nothing happens proves nothing"
    again = f"python -m simulators.campus --seed {seed} --duration-s {DURATION_S} --per-s 3"
    assert complaints == [], again


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_day_with_a_durable_broker_survives_its_kill(tmp_path: Path) -> None:
    ledger, complaints = await run_day(
        tmp_path, seed=4, duration_s=DURATION_S, command=COMMAND, durable=True
    )
    assert ledger.accepted_count > 50
    assert complaints == [], "python -m simulators.campus --seed 4 --durable"
