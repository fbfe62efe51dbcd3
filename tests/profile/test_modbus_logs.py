"""Entries of a device's own log: what they say, when they were, and by what a repeat is known."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.events import Reading
from gateway.profile import BadFormula, LogPlan, PointMachine, plan_modbus
from gateway.profile.payload import Garble
from gateway.profile.samples_modbus import pack
from gateway.profile.tool import sample_device
from tests.profile.modbus_files import Bench, S, point, profile_of, value

NOW_NS = 1_795_241_133 * S  # 2026-11-21 14:05:33 in China
ZONE = """
[address.zone]
type = "text"
default = "+08:00"
help = "时区"
help_en = "zone"
"""
COUNTERS = value("newest", 0) + value("waiting", 1)
POINTS = (
    point("fire", "momentary", "fire") + point("door", "record", "access")
    + point("line", "state", "fault")
)  # fmt: skip
PARTS = ("year", "month", "day", "hour", "minute", "second")
CLOCK = (
    f'time = {{ {", ".join(f"{each} = {each!r}" for each in PARTS)}, utc_offset = "{{zone}}" }}\n'
)
ENTRY = """
value = [
  { name = "kind", at = 0 }, { name = "card", at = 1, form = "bcd16" },
  { name = "year", at = 2, byte = "high" }, { name = "month", at = 2, byte = "low" },
  { name = "day", at = 3, byte = "high" }, { name = "hour", at = 3, byte = "low" },
  { name = "minute", at = 4, byte = "high" }, { name = "second", at = 4, byte = "low" },
]
set = [
  { point = "fire", where = { kind = [1] }, attributes = ["card"] },
  { point = "door", where = { kind = [2] }, value = "card" },
  { point = "line", where = { kind = [3, 4] }, value = "kind", true_when = [3], false_when = [4] },
]
"""
RING = """
[[log]]
name = "events"
kind = "ring"
newest = "newest"
entry = "1000 + n % 50 * 5"
words = 5
size = 50
"""
QUEUE = """
[[command]]
name = "take"
text = "取走"
text_en = "take it off"
effect = "ack"
step = [{ at = 9, function = 6, value = 1 }]
[[log]]
name = "queue"
kind = "queue"
pending = "waiting"
entry = 2000
words = 5
ack = "take"
"""


def log_of(kind: str = RING, clock: str = CLOCK, **address: str) -> LogPlan:
    profile = profile_of(ZONE + COUNTERS + POINTS + kind + clock + ENTRY)
    return Bench(profile, **address).plan.logs[0]


def entry(kind: int, when: datetime | None = None, card: int = 0x1234) -> bytes:
    year, month, day, hour, minute, second = (
        (0,) * 6 if when is None
        else (when.year - 2000, when.month, when.day, when.hour, when.minute, when.second)
    )  # fmt: skip
    return pack([kind, card, year << 8 | month, day << 8 | hour, minute << 8 | second], bits=False)


def decode(log: LogPlan, data: bytes, number: int = 7) -> list[Reading]:
    return log.meaning.decode("d", number, data, NOW_NS)


CHINA = timezone(timedelta(hours=8))
JUST_NOW = datetime(2026, 11, 21, 14, 5, 30, tzinfo=CHINA)


def test_an_entry_says_what_happened_and_when() -> None:
    (reading,) = decode(log_of(), entry(1, JUST_NOW))
    assert (reading.point, reading.active, reading.attributes) == ("fire", True, {"card": 1234})
    assert reading.observed_ns == NOW_NS - 3 * S
    assert not reading.historical


def test_an_old_entry_is_history() -> None:
    (reading,) = decode(log_of(), entry(1, JUST_NOW - timedelta(minutes=10)))
    assert reading.historical


def test_the_zone_is_the_devices_own() -> None:
    (reading,) = decode(log_of(zone="Z"), entry(1, JUST_NOW.astimezone(UTC)))
    assert reading.observed_ns == NOW_NS - 3 * S


def test_a_zone_that_is_none_is_a_fault_of_that_device() -> None:
    with pytest.raises(BadFormula, match="CST"):
        log_of(zone="CST")


@pytest.mark.parametrize(
    "words", [[0, 0, 0], [0x1A0D, 0x1505, 0], [0xFFFF] * 3, [0x6301, 0x0105, 0x3C00]]
)
def test_a_clock_that_was_never_set_costs_the_time_and_not_the_fire(words: list[int]) -> None:
    (reading,) = decode(log_of(), pack([1, 0x1234, *words], bits=False))
    assert (reading.point, reading.observed_ns, reading.historical) == ("fire", None, False)


def test_a_fire_is_not_lost_to_a_card_number_that_does_not_decode() -> None:
    (reading,) = decode(log_of(), entry(1, JUST_NOW, card=0x12AB))
    assert reading.point == "fire"
    assert "card" in str(reading.attributes["undecoded"])


def test_an_entry_without_an_alarm_that_does_not_decode_is_garbled() -> None:
    with pytest.raises(Garble, match="card"):
        decode(log_of(), entry(2, JUST_NOW, card=0x12AB))


@given(data=st.binary(max_size=14))
def test_any_entry_is_read_or_garbled(data: bytes) -> None:
    log = LOG
    try:
        readings = decode(log, data)
    except Garble:
        return
    assert len(data) == 10
    assert {reading.point for reading in readings} <= {"fire", "door", "line"}


LOG = log_of()


# --- the same entry twice ---


def test_two_presses_of_a_queue_without_a_clock_are_two() -> None:
    log = log_of(QUEUE, "")
    machine = PointMachine(
        Bench(profile_of(ZONE + COUNTERS + POINTS + QUEUE + ENTRY)).device.points["fire"]
    )
    changes = [machine.feed(reading, at) for at in (1, 2) for reading in decode(log, entry(1), 0)]
    assert [change.what for change in changes if change] == ["raised", "raised"]


def test_an_entry_of_a_queue_that_is_read_again_is_known_by_its_time_and_content() -> None:
    log = log_of(QUEUE)
    first, again, other = (
        decode(log, data, 0)[0].duplicate
        for data in (entry(1, JUST_NOW), entry(1, JUST_NOW), entry(1, JUST_NOW, card=1))
    )
    assert first == again != other
    assert first is not None


def test_entries_of_a_ring_are_known_by_number_and_time() -> None:
    keys = {
        decode(LOG, entry(1, when), number)[0].duplicate
        for number in (7, 8)
        for when in (JUST_NOW, JUST_NOW + timedelta(seconds=1))
    }
    assert len(keys) == 4


def test_the_place_of_an_entry_follows_its_number() -> None:
    assert [LOG.address_of(n) for n in (0, 1, 49, 50, 65_535)] == [1000, 1005, 1245, 1000, 1175]


def test_a_state_in_an_entry_of_now_moves_the_state_and_one_of_history_does_not() -> None:
    profile = profile_of(ZONE + COUNTERS + POINTS + RING + CLOCK + ENTRY)
    machine = PointMachine(sample_device(profile).points["line"])
    log = plan_modbus(profile, sample_device(profile)).logs[0]
    old = JUST_NOW - timedelta(days=1)
    changes = [
        machine.feed(decode(log, entry(kind, when), number)[0], number)
        for number, (kind, when) in enumerate([(3, JUST_NOW), (4, old), (4, JUST_NOW)])
    ]
    assert [change.what for change in changes if change] == ["raised", "recorded", "restored"]
