"""Gas detectors and I/O modules over time: what begins ends, and what is not known ends nothing.

The samples say what registers mean once; these tests play them one after another into a device.
"""

import itertools
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.events import Category, Nature, Reading
from gateway.links.modbus.planner import Want, plan_reads
from gateway.profile import Image, PointMachine, Profile, Shelf, plan_modbus
from gateway.profile.modbus import BITS
from gateway.profile.samples_modbus import pack, registers_of
from gateway.profile.schema import Sample
from gateway.profile.tool import sample_device
from tests.shelves import shipped

STEP_NS = 120_000_000_000
"""Between two looks: longer than every delay of these profiles, so each has run out."""
FAMILIES = ("gas/", "io/", "alarm_button/")


@cache
def shelf() -> Shelf:
    return shipped()


def profile_of(profile_id: str) -> Profile:
    found = shelf().get(profile_id)
    assert found is not None
    return found


IDS = [
    name
    for name in shelf().ids()
    if name.startswith(FAMILIES) and profile_of(name).driver == "modbus"
]


class Player:
    """One device whose registers are laid by hand; nothing but them is made up."""

    def __init__(self, profile: Profile, like: Sample) -> None:
        self.profile = profile
        self.device = sample_device(profile, like.address)
        self.plan = plan_modbus(profile, self.device)
        self.image = Image(self.device.id, self.device.points, self.plan.layout)
        self.machines = {name: PointMachine(point) for name, point in self.device.points.items()}
        self.held: dict[tuple[int, int], int] = {}
        self.now_ns = 0

    def lay(self, words: dict[str, list[int]]) -> list[tuple[str, str]]:
        """Let the registers hold this, look twice, and return (point, change) as they came."""
        self.held |= registers_of(self.profile, self.device, words)
        changes: list[tuple[str, str]] = []
        for _ in range(2):
            self.now_ns += STEP_NS
            for reading in self._read():
                change = self.machines[reading.point].feed(reading, self.now_ns)
                if change is not None:
                    changes.append((reading.point, change.what))
            changes += self._tick()
        return changes

    def active(self, point: str) -> bool | None:
        return self.machines[point].active

    def _read(self) -> list[Reading]:
        """Ask as the driver does: in the planner's reads, each judged as a whole."""
        readings: list[Reading] = []
        for read in plan_reads(self._wants()):
            pieces = []
            for piece in read.slices:
                span = [(read.function, read.address + piece.at + k) for k in range(piece.count)]
                if all(place in self.held for place in span):
                    words = [self.held[place] for place in span]
                    pieces.append((piece.part, pack(words, bits=read.function in BITS)))
            if pieces:
                readings += self.image.take_all(pieces, 1, self.now_ns).readings
        return readings

    def _wants(self) -> list[Want]:
        modbus = self.plan.modbus
        return [
            Want(
                unit=self.plan.unit,
                function=part.function,
                address=part.address,
                count=part.count,
                period_s=part.period_s,
                urgent=part.urgent,
                limit=modbus.max_bits if part.function in BITS else modbus.max_registers,
                gaps=modbus.gaps == "zero",
                owner=0,
                part=index,
            )
            for index, part in enumerate(self.plan.parts)
            if index not in self.plan.on_demand
        ]

    def _tick(self) -> list[tuple[str, str]]:
        changes: list[tuple[str, str]] = []
        later = self.now_ns + STEP_NS // 2
        for name, machine in self.machines.items():
            while machine.due_ns is not None and machine.due_ns <= later:
                change = machine.tick(later)
                if change is not None:
                    changes.append((name, change.what))
        return changes


def normal_of(profile: Profile, like: Sample) -> Sample | None:
    """The sample in which all is normal for a device with the same address."""
    for sample in profile.samples:
        if sample.note.startswith("normal") and sample.address == like.address:
            return sample
    return None


def alarms_in(profile: Profile, sample: Sample) -> set[str]:
    points = sample_device(profile, sample.address).points
    assert sample.expect != "garbled"
    return {
        each.point
        for each in sample.expect
        if each.active
        and points[each.point].category is Category.ALARM
        and points[each.point].nature is Nature.STATE
    }


STORIES = [
    (name, index)
    for name in IDS
    for index, sample in enumerate(profile_of(name).samples)
    if sample.expect != "garbled"
    and not sample.note.startswith("normal")
    and normal_of(profile_of(name), sample) is not None
    and alarms_in(profile_of(name), sample)
]


def test_there_is_such_a_story_for_every_profile_with_alarm_states() -> None:
    told = {name for name, _ in STORIES}
    for name in IDS:
        points = sample_device(profile_of(name)).points.values()
        states = [p for p in points if p.category is Category.ALARM and p.nature is Nature.STATE]
        assert name in told or not states


@pytest.mark.parametrize(("profile_id", "index"), STORIES)
def test_an_alarm_is_raised_once_and_over_when_all_is_normal(profile_id: str, index: int) -> None:
    profile = profile_of(profile_id)
    sample = profile.samples[index]
    normal = normal_of(profile, sample)
    assert normal is not None
    player = Player(profile, sample)
    player.lay(normal.words)
    wanted = alarms_in(profile, sample)
    assert not any(player.active(name) for name in wanted)
    raised = [name for name, what in player.lay(sample.words) if what == "raised"]
    assert {name for name in raised if name in wanted} == wanted
    assert len(raised) == len(set(raised))
    restored = {name for name, what in player.lay(normal.words) if what == "restored"}
    assert wanted <= restored


# Device, the sample that raises, the sample in which it can no longer be known, the alarm.
BLIND = [
    ("gas/honeywell_midas", "both alarms", "instrument fault 30, alarms inhibited", "gas"),
    ("gas/honeywell_midas", "both alarms", "warming up", "gas"),
    ("gas/honeywell_midas_m", "50 %LEL", "channel 2 is not enabled", "gas"),
    ("gas/honeywell_midas_m", "50 %LEL", "not a number", "gas"),
    ("gas/honeywell_touchpoint_pro", "all three levels", "no data:", "gas"),
    ("gas/honeywell_touchpoint_pro_animation", "A2:", "a fault says nothing", "gas"),
    ("gas/honeywell_touchpoint_pro_animation", "A2:", "no data", "gas"),
    ("gas/igd_toc635", "all three alarms", "a sensor that does not answer", "gas"),
    ("gas/msa_ultima_x", "45 %LEL", "span fault", "gas"),
    ("gas/pemtech_pt2008", "41 %LEL", "the sensor is lost", "gas"),
    ("gas/crowcon_nimbus", "45.3 %FSD", "under range", "gas"),
    ("gas/oem_rs485_module", "low and high", "the sensor is lost", "gas"),
    ("gas/oem_rs485_module", "low and high", "bit 15 is not set", "gas"),
    ("gas/generic_rs485_transmitter", "the end of the range", "the sensor is lost", "over_range"),
    ("gas/generic_4_20ma", "12 mA", "the wire is cut", "gas"),
    ("alarm_button/wellpro_wp3084_loop", "pressed", "cut", "panic"),
    ("alarm_button/wellpro_wp3082_loop", "pressed", "shorted", "panic"),
    ("alarm_button/advantech_adam4150_no", "pressed", "another module answers", "panic"),
]


@pytest.mark.parametrize(("profile_id", "raising", "blind", "point"), BLIND)
def test_what_can_no_longer_be_known_does_not_end_an_alarm(
    profile_id: str, raising: str, blind: str, point: str
) -> None:
    profile = profile_of(profile_id)
    first, then = (
        next(each for each in profile.samples if each.note.startswith(note))
        for note in (raising, blind)
    )
    player = Player(profile, then)
    player.lay(first.words)
    assert player.active(point) is True
    changes = player.lay(then.words)
    assert player.active(point) is True
    raised = {name for name, what in changes if what == "raised"}
    assert raised, "nobody is told that the device is blind"


def panic_loop(model: str) -> Player:
    profile = profile_of(f"alarm_button/wellpro_{model}_loop")
    return Player(profile, profile.samples[0])


@pytest.mark.parametrize("model", ["wp3082", "wp3084"])
def test_every_number_a_loop_can_read_has_exactly_one_meaning(model: str) -> None:
    for raw in range(0, 4096, 13):
        player = panic_loop(model)
        player.lay({"input - 1": [raw]})
        told = {name for name in ("panic", "tamper", "line_resistance") if player.active(name)}
        idle = player.active("panic") is False
        assert len(told) + idle == 1, f"{raw}: {told}, idle {idle}"


@pytest.mark.parametrize(("model", "edge"), [("wp3084", 2390), ("wp3082", 1700)])
def test_a_loop_that_drifts_at_an_edge_rings_once(model: str, edge: int) -> None:
    profile = profile_of(f"alarm_button/wellpro_{model}_loop")
    player = Player(profile, profile.samples[0])
    player.lay(profile.samples[0].words)
    pressed = next(each for each in profile.samples if each.note == "pressed")
    changes = player.lay(pressed.words)
    for raw in itertools.chain.from_iterable((edge - 20, edge + 20) for _ in range(5)):
        changes += player.lay({"input - 1": [raw]})
    assert [change for change in changes if change[0] == "panic"] == [("panic", "raised")]


@pytest.mark.parametrize("relays", [0b101, 0b110])
def test_the_two_diel_models_swap_alarm_and_pre_alarm(relays: int) -> None:
    told = []
    for model in ("diel_mt200s", "diel_mt200lites"):
        profile = profile_of(f"gas/{model}")
        normal = profile.samples[0]
        player = Player(profile, normal)
        player.lay({**normal.words, "10": [relays]})
        told.append((player.active("gas"), player.active("pre_alarm")))
    assert told[0] == told[1][::-1]
    assert set(told) == {(True, False), (False, True)}


@pytest.mark.parametrize("profile_id", IDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_registers_are_readings_or_one_sentence(profile_id: str, data: st.DataObject) -> None:
    profile = profile_of(profile_id)
    device = sample_device(profile)
    plan = plan_modbus(profile, device)
    image = Image(device.id, device.points, plan.layout)
    for index, part in enumerate(plan.parts):
        size = (part.count + 7) // 8 if part.function in BITS else 2 * part.count
        taken = image.take(index, data.draw(st.binary(min_size=size, max_size=size)), 1, index)
        assert taken.problem is None or len(taken.problem.splitlines()) == 1
        for reading in taken.readings:
            assert reading.point in device.points
            value = reading.value
            assert not isinstance(value, float) or abs(value) < float("inf")
