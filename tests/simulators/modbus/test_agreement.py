"""Two readings of the profile language, the gateway's and the simulator's, mean the same thing."""

from pathlib import Path

import pytest

from gateway.events import Nature
from gateway.profile.samples_modbus import play
from gateway.profile.shelf import load_file
from gateway.profile.tool import sample_device
from simulators.modbus.behaviour import Behaviour
from simulators.modbus.model import Model
from tests.simulators.modbus.test_model import SHIPPED

NUMBER_OF_TABLE = {"coils": 1, "discrete": 2, "holding": 3, "input": 4}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_point_made_active_by_the_simulator_is_active_to_the_gateway(path: Path) -> None:
    profile, faults = load_file(path, f"{path.parent.name}/{path.stem}")
    assert profile is not None, faults
    life = Behaviour(Model.from_file(path))
    device = sample_device(profile, dict(life.model.sheet.address))
    judged = 0
    for name, point in device.points.items():
        if point.nature is not Nature.STATE:
            continue
        for active in (True, False, True):
            try:
                life.make(name, active=active)
            except LookupError:
                continue  # the profile has a rule for one side only
            held = {
                (NUMBER_OF_TABLE[table], address): value
                for table, values in life.model.unit.tables.items()
                for address, value in values.items()
            }
            readings = {reading.point: reading for reading in play(profile, device, held, 1)}
            assert (name, readings[name].active) == (name, active)
            judged += 1
    assert judged or not any(point.nature is Nature.STATE for point in device.points.values())
