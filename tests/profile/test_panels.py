"""Stories that one sample cannot tell: what a panel's registers say one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import count

import pytest

from gateway.events import Device, Scalar
from gateway.profile import Image, PointMachine, Profile, Shelf, plan_modbus
from gateway.profile.samples_modbus import pack, registers_of
from gateway.profile.tool import sample_device
from tests.shelves import shipped

SECOND = 1_000_000_000
Words = Mapping[str, Sequence[int]]


@cache
def shelf() -> Shelf:
    return shipped()


class Story:
    """One device from unknown on: registers in, what the gateway would tell out."""

    def __init__(self, profile_id: str, **address: Scalar) -> None:
        profile = shelf().get(profile_id)
        assert profile is not None
        self.profile: Profile = profile
        self.device: Device = sample_device(profile, address)
        self.plan = plan_modbus(profile, self.device)
        self.image = Image("sample", self.device.points, self.plan.layout)
        self.machines = {name: PointMachine(point) for name, point in self.device.points.items()}
        self._minutes = count(0, 61 * SECOND)

    def read(self, words: Words) -> list[str]:
        """One read after a minute, long enough for every delay; returns "fire raised" and so on."""
        held = registers_of(self.profile, self.device, words)
        told: list[str] = []
        for now in (next(self._minutes), next(self._minutes)):
            for index, part in enumerate(self.plan.parts):
                span = [held.get((part.function, at)) for at in range(part.address, part.end)]
                known = [word for word in span if word is not None]
                if len(known) == len(span):
                    told += self._take(index, pack(known, bits=part.function < 3), now)
            told += self._ticks(now)
        return told

    def _take(self, part: int, data: bytes, now: int) -> Iterator[str]:
        taken = self.image.take(part, data, now, now)
        if taken.problem is not None:
            yield "garbled"
        for reading in taken.readings:
            change = self.machines[reading.point].feed(reading, now)
            if change is not None:
                yield f"{reading.point} {change.what}"

    def _ticks(self, now: int) -> Iterator[str]:
        for name, machine in self.machines.items():
            while machine.due_ns is not None and machine.due_ns <= now:
                change = machine.tick(now)
                if change is not None:
                    yield f"{name} {change.what}"

    def active(self, point: str) -> bool | None:
        return self.machines[point].active


GST = [("fire/gst_gst200_point", "device"), ("fire/gst_gst5000_point", "zone * 240 + device")]


@pytest.mark.parametrize(("profile_id", "at"), GST)
def test_a_fire_stays_a_fire_until_the_panel_is_reset(profile_id: str, at: str) -> None:
    story = Story(profile_id)
    assert story.read({at: [0]}) == []
    assert story.read({at: [1]}) == ["alarm raised"]
    assert story.read({at: [3]}) == ["feedback raised"]
    assert story.active("alarm") is True
    assert "alarm restored" not in story.read({at: [5]}) + story.read({at: [6]})
    assert story.read({at: [2]}) == ["fault raised"]
    assert story.read({at: [4]}) == ["fault restored"]
    assert story.active("alarm") is True
    assert story.read({at: [0]}) == ["alarm restored"]


@pytest.mark.parametrize(("profile_id", "at"), GST)
def test_a_fire_that_comes_back_after_the_reset_is_a_new_one(profile_id: str, at: str) -> None:
    story = Story(profile_id)
    told = [story.read({at: [event]}) for event in (0, 1, 0, 1)]
    assert told == [[], ["alarm raised"], ["alarm restored"], ["alarm raised"]]


@pytest.mark.parametrize(("profile_id", "at"), GST)
def test_a_panel_first_seen_while_it_shows_feedback_is_not_taken_for_normal(
    profile_id: str, at: str
) -> None:
    story = Story(profile_id)
    story.read({at: [3]})
    assert story.active("alarm") is None
    assert story.active("fault") is None


def test_a_flow_switch_acts_with_feedback_and_is_over_when_it_is_withdrawn() -> None:
    story = Story("fire/gst_gst200_input")
    told = [story.read({"device": [event]}) for event in (0, 3, 4, 1, 0)]
    assert told == [[], ["alarm raised"], ["alarm restored"], ["alarm raised"], ["alarm restored"]]


def test_mains_are_restored_by_their_own_event_and_not_by_another() -> None:
    story = Story("fire/gst_gst5000_panel")
    told = [story.read({"4998": [event, 0]}) for event in (0, 2, 7, 9)]
    assert told == [[], ["mains raised"], [], ["mains restored"]]


def test_the_power_registers_of_a_panel_may_be_one_further() -> None:
    story = Story("fire/gst_gst5000_panel", mains=4999)
    assert story.plan.parts[0].address == 4998  # on the wire, from 0
    assert story.plan.parts[0].count == 2


@pytest.mark.parametrize(
    ("profile_id", "address", "function", "wire"),
    [
        ("fire/gst_gst200_point", {"device": 242}, 3, 241),
        ("fire/gst_gst5000_point", {"zone": 0, "device": 1}, 3, 0),
        ("fire/gst_gst5000_point", {"zone": 9, "device": 240}, 3, 2399),
        ("fire/jbf_point", {"loop": 1, "device": 1}, 3, 257),
        ("fire/jbf_point", {"loop": 2, "device": 1}, 3, 513),
        ("fire/notifier_modbus_gw_point", {"loop": 1, "device": 159}, 3, 158),
        ("fire/notifier_modbus_gw_point", {"loop": 1, "module": 1, "device": 1}, 3, 200),
        ("fire/notifier_modbus_gw_point", {"loop": 10, "module": 1, "device": 159}, 3, 3958),
        ("fire/honeywell_cgw_mbb_point", {"loop": 1, "device": 300}, 3, 299),
        ("fire/honeywell_cgw_mbb_point", {"loop": 33, "module": 1, "device": 300}, 3, 19_799),
        ("lift/contact", {"input": 5, "first": 16}, 2, 20),
    ],
)
def test_a_point_is_where_its_document_says(
    profile_id: str, address: dict[str, Scalar], function: int, wire: int
) -> None:
    parts = Story(profile_id, **address).plan.parts
    assert {(part.function, part.address, part.count) for part in parts} == {(function, wire, 1)}


def test_an_active_point_that_is_later_not_fitted_is_not_restored() -> None:
    story = Story("fire/notifier_modbus_gw_point")
    at = "40027"
    assert story.read({at: [0x1400]}) == []
    assert story.read({at: [0x0C71]}) == ["alarm raised"]
    assert story.read({at: [0x00FF]}) == ["not_fitted raised"]
    assert story.active("alarm") is True
    assert sorted(story.read({at: [0x1400]})) == ["alarm restored", "not_fitted restored"]


def cable(arm: int, alarm: int) -> Words:
    return {"10": [60, 1, 0, 0, 0, 1, arm, alarm, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}


def test_disarming_ends_an_intrusion_and_arming_again_brings_it_back() -> None:
    story = Story("perimeter/vibration_cable")
    assert story.read(cable(0, 0)) == []
    assert story.read(cable(0, 3)) == ["intrusion_a raised"]
    assert sorted(story.read(cable(1, 3))) == ["disarmed_a raised", "intrusion_a restored"]
    assert "intrusion_a raised" in story.read(cable(0, 3))


def test_a_cut_cable_is_told_while_disarmed_and_does_not_end_an_intrusion() -> None:
    story = Story("perimeter/vibration_cable")
    story.read(cable(0, 0))
    assert story.read(cable(0, 3)) == ["intrusion_a raised"]
    assert story.read(cable(0, 2)) == ["cut_a raised"]
    assert story.active("intrusion_a") is True
    other = Story("perimeter/vibration_cable")
    other.read(cable(1, 0))
    assert other.read(cable(1, 2)) == ["cut_a raised"]


def test_without_its_validity_bit_a_leak_neither_begins_nor_ends() -> None:
    story = Story("electrical/schneider_vigirex_rhu")
    rest = [1, 0, 1, 0, 1, 1]
    story.read({"0xC8": [1, 0, *rest]})
    assert story.read({"0xC8": [0, 1, *rest]}) == ["not_valid raised"]
    assert story.active("leak") is False
    assert sorted(story.read({"0xC8": [1, 1, *rest]})) == ["leak raised", "not_valid restored"]
    story.read({"0xC8": [0, 0, *rest]})
    assert story.active("leak") is True


def test_fire_equipment_is_observed_and_never_written_to() -> None:
    panels = [name for name in shelf().ids() if name.startswith("fire/")]
    assert len(panels) >= 11
    for name in panels:
        profile = shelf().get(name)
        assert profile is not None
        body = profile.body
        assert body.command == [], name
        assert body.query == [], name
        assert all(log.ack is None for log in body.log), name
        assert all(rule.ack is None for rule in body.set), name
