"""Profiles held against what a unit answers."""

from pathlib import Path

import pytest

from gateway.commission.fit import MAX_FITS, Fit, fits, seeds
from gateway.profile import Shelf
from gateway.profile.samples_modbus import Registers
from simulators.modbus.model import Model
from tests.commission.conftest import PROFILES, model

FUNCTIONS = {"coils": 1, "discrete": 2, "holding": 3, "input": 4}


def held(device: Model) -> Registers:
    """Everything a simulated device has."""
    return {
        (function, address): table[address]
        for name, function in FUNCTIONS.items()
        for table in [device.unit.tables[name]]
        for address in range(0x10000)
        if address in table
    }


def best(found: list[Fit]) -> Fit:
    return found[0]


MAKERS = [
    ("gas/honeywell_midas", "tcp", {"unit": 1}),
    ("power/kstar_ups", "serial", {"unit": 3}),
    ("gas/draeger_regard3900", "serial", {"unit": 9, "channel": 3}),
    ("gas/draeger_regard3900", "rtu-over-tcp", {"unit": 9, "channel": 1}),
]


@pytest.mark.parametrize(("profile", "scheme", "address"), MAKERS)
def test_a_device_is_known_by_its_registers(
    shelf: Shelf, profile: str, scheme: str, address: dict[str, int]
) -> None:
    found = fits(shelf, address["unit"], scheme, held(model(profile, **address)))
    assert (best(found).profile_id, best(found).sure) == (profile, "likely")
    assert best(found).answered == best(found).wanted


def test_a_profile_that_does_not_travel_that_way_is_left_out(shelf: Shelf) -> None:
    found = fits(shelf, 1, "serial", held(model("gas/honeywell_midas", unit=1)))
    assert "gas/honeywell_midas" not in [fit.profile_id for fit in found]


def test_a_unit_that_answers_everything_with_zeros_proves_nothing(shelf: Shelf) -> None:
    everything = {(function, at): 0 for function in (1, 2, 3, 4) for at in range(2000)}
    found = fits(shelf, 1, "serial", everything)
    assert found
    assert not [fit for fit in found if fit.sure == "likely"]
    assert all(fit.explained < 0.5 for fit in found)


def test_words_that_do_not_decode_speak_against_a_profile(shelf: Shelf) -> None:
    device = model("gas/honeywell_midas", unit=1)
    good = best(fits(shelf, 1, "tcp", held(device)))
    words = held(device)
    words[3, 0] |= 0x000F  # no such state
    words[3, 4] = 0xFFFF
    worse = {fit.profile_id: fit for fit in fits(shelf, 1, "tcp", words)}
    assert good.sure == "likely"
    after = worse.get("gas/honeywell_midas")
    assert after is None or after.proofs < good.proofs or after.sure == "unlikely"


def test_nothing_is_proposed_for_a_unit_that_has_nothing(shelf: Shelf) -> None:
    assert fits(shelf, 1, "tcp", {}) == []


def test_a_profile_that_reads_one_register_is_called_weak(shelf: Shelf) -> None:
    found = fits(shelf, 1, "serial", {(3, 0): 1})
    assert found
    assert all(fit.weak for fit in found)
    assert len(found) <= MAX_FITS


def test_the_places_to_look_are_where_profiles_begin_and_always_the_first(shelf: Shelf) -> None:
    wanted = seeds(shelf, "serial")
    assert all(0 in wanted[function] for function in (1, 2, 3, 4))
    assert 100 in wanted[3]  # the UPS
    assert Path(PROFILES / "power/kstar_ups.toml").is_file()
