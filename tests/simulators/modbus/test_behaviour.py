"""What a device goes through, read off its values."""

import asyncio

import pytest

from simulators.modbus import Silent
from simulators.modbus.behaviour import Behaviour
from tests.simulators.modbus.made import a_device


def test_an_enumeration_becomes_the_alarms_text_and_goes_back() -> None:
    life = Behaviour(a_device())
    assert life.alarm() == "fire"
    assert life.model.value("last_event") == "fire"
    life.restore("fire")
    assert life.model.value("last_event") == "none"


def test_a_compared_value_crosses_the_limit_that_is_in_a_register() -> None:
    life = Behaviour(a_device())
    life.model.set("status", "warm_up")
    life.alarm("gas")
    assert float(life.model.value("level")) > 50
    assert life.model.value("status") == "monitor"  # the level is valid only then
    life.restore("gas")
    assert float(life.model.value("level")) < 48


def test_a_measurement_goes_beyond_its_threshold_and_well_back() -> None:
    life = Behaviour(a_device())
    life.alarm("hot")
    assert float(life.model.value("temperature")) > 60
    life.restore("hot")
    assert float(life.model.value("temperature")) < 55


def test_a_supervised_loop_is_pressed_and_released_by_its_bands() -> None:
    life = Behaviour(a_device())
    life.alarm("button_2")
    assert (life.model.value("loop_1"), life.model.value("loop_2")) == ("idle", "alarm")
    life.restore("button_2")
    assert life.model.value("loop_2") == "idle"


def test_a_counting_input_counts_a_press_round_its_width() -> None:
    life = Behaviour(a_device())
    assert life.model.value("presses") == 0xFFFF
    life.alarm("press")
    assert life.model.value("presses") == 0


def test_an_inverted_contact_opens_for_its_alarm() -> None:
    life = Behaviour(a_device())
    life.alarm("door")
    assert life.model.value("door") is False
    life.restore("door")
    assert life.model.value("door") is True


def test_a_rule_for_another_loop_is_passed_over() -> None:
    here, there = Behaviour(a_device(loop=1)), Behaviour(a_device(loop=9))
    for life in (here, there):
        life.model.set("mask", False)
        life.alarm("door")
    assert (here.model.value("door"), here.model.value("mask")) == (False, False)
    assert (there.model.value("door"), there.model.value("mask")) == (True, True)


def test_restoring_everything_leaves_no_alarm() -> None:
    life = Behaviour(a_device())
    for point in life.alarm_points:
        life.alarm(point)
    life.restore()
    assert life.model.value("last_event") == "none"
    assert (life.model.value("loop_1"), life.model.value("loop_2")) == ("idle", "idle")


def test_warm_up_is_told_and_a_profile_without_it_says_so() -> None:
    life = Behaviour(a_device())
    assert life.warm_up() == "warm_up"
    assert life.model.value("status") == "warm_up"
    del life.model.sheet.points["warm_up"]
    with pytest.raises(LookupError, match="no warm-up"):
        life.warm_up()


def test_hearts_beat_round_their_width_and_may_stop() -> None:
    life = Behaviour(a_device())
    life.model.set("beat", 0xFFFF)
    life.tick()
    assert life.model.value("beat") == 0
    life.heart_beats = False
    life.tick()
    assert life.model.value("beat") == 0


def test_normal_life_wanders_and_never_crosses_a_threshold() -> None:
    life = Behaviour(a_device(), seed=7)
    life.model.set("temperature", 59.9)
    seen = set()
    for _ in range(300):
        life.tick()
        seen.add(float(life.model.value("temperature")))
    assert len(seen) > 3
    assert 55 < min(seen) <= max(seen) < 60


def test_a_damp_loop_drifts_and_one_at_an_edge_chatters() -> None:
    life = Behaviour(a_device())
    life.drift["loop_1"] = 100
    life.chatter["loop_2"] = (2380, 2400)
    seen = []
    for _ in range(4):
        life.tick()
        seen.append((life.model.number("loop_1"), life.model.value("loop_2")))
    assert seen == [(2148, "alarm"), (2248, "idle"), (2348, "alarm"), (2448, "idle")]


def test_life_goes_on_beside_a_measurement_at_the_end_of_what_its_register_holds() -> None:
    life = Behaviour(a_device())
    life.model.put_words("temperature", [0xFFFF])  # the most that sign and magnitude can say
    for _ in range(20):
        life.tick()
    assert life.model.value("beat") == 7 + 20
    assert -3276.7 <= float(life.model.value("temperature")) < -3243


def test_the_same_seed_lives_the_same_life() -> None:
    lives = [Behaviour(a_device(), seed=3) for _ in range(2)]
    for life in lives:
        for _ in range(20):
            life.tick()
    assert dict(lives[0].model.unit.holding) == dict(lives[1].model.unit.holding)


def test_comms_are_lost_and_come_back() -> None:
    life = Behaviour(a_device())
    life.lose_comms()
    assert isinstance(life.model.unit.fault, Silent)
    life.regain_comms()
    assert life.model.unit.fault is None


def test_a_point_that_nobody_knows_is_answered_with_those_there_are() -> None:
    life = Behaviour(a_device())
    with pytest.raises(LookupError, match="button_1"):
        life.alarm("flood")


async def test_life_goes_on_until_it_is_cancelled() -> None:
    life = Behaviour(a_device())
    beats = []
    task = asyncio.ensure_future(life.live(tick_s=0.001))
    async with asyncio.timeout(30):
        while life.tick_count < 3:
            await asyncio.sleep(0)
            beats.append(life.model.value("beat"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(set(beats)) >= 3
