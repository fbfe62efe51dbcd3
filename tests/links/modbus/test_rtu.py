"""RTU without ids: whose answer is this? Time is handed in, so nothing here waits."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.modbus import LineQuality, Refused, Request, Silent, Wrong
from gateway.links.modbus.mbap import Outcome
from gateway.links.modbus.rtu import MAX_DRAIN_S, MEMORY_NS, RtuWire
from tests.links.modbus.ends import registers, rtu, words

MS = 1_000_000
START = 1_000_000_000_000


class Spoken:
    """A wire with a drain of one second, its counters, and a clock in milliseconds."""

    def __init__(self, **given: Any) -> None:
        self.line = LineQuality()
        self.strange: list[tuple[str, int, bytes, float | None]] = []
        self.wire = RtuWire(
            self.line,
            lambda *told: self.strange.append(told),
            **({"drain_s": 1.0, "echo": False} | given),
        )

    @property
    def told(self) -> list[tuple[str, int]]:
        return [(what, unit) for what, unit, _, _ in self.strange]

    def send(self, request: Request, at_ms: float = 0) -> None:
        assert self.quiet_s(request.unit, at_ms) == 0
        self.wire.send(request, START + int(at_ms * MS))

    def hear(self, data: bytes, at_ms: float = 0) -> Outcome | None:
        return self.wire.receive(data, START + int(at_ms * MS))

    def expire(self, at_ms: float) -> Outcome:
        return self.wire.expire(0.5, START + int(at_ms * MS))

    def quiet_s(self, unit: int, at_ms: float) -> float:
        return self.wire.quiet_s(unit, START + int(at_ms * MS))


def read(unit: int, address: int, count: int = 1) -> Request:
    return Request.read(unit, 3, address, count)


# Row 8: late replies.


def test_row_8_after_a_time_out_the_unit_is_left_alone_until_its_late_reply_has_come() -> None:
    """Quirk row 8: register 3's reply must never become register 4's value."""
    spoken = Spoken()
    spoken.send(read(1, 3))
    assert isinstance(spoken.expire(500), Silent)
    assert spoken.quiet_s(1, 500) == pytest.approx(1.0)
    assert spoken.hear(rtu(1, registers(3)), 700) is None
    assert spoken.quiet_s(1, 700) == 0
    assert spoken.line.late == 1
    assert [(what, unit, s) for what, unit, _, s in spoken.strange] == [("late", 1, 0.7)]
    spoken.send(read(1, 4), 700)
    assert spoken.hear(rtu(1, registers(4)), 720) == words(4)


def test_row_8_other_units_are_asked_meanwhile_and_the_late_frame_is_not_theirs() -> None:
    """Quirk row 8: the frame carries the number of the unit that sends it."""
    spoken = Spoken()
    spoken.send(read(1, 3))
    spoken.expire(500)
    spoken.send(read(2, 4), 500)
    assert spoken.hear(rtu(1, registers(3)) + rtu(2, registers(4)), 700) == words(4)
    assert spoken.told == [("late", 1)]
    assert spoken.line.foreign == 0


def test_row_8_a_caller_that_gives_up_leaves_the_unit_in_quarantine() -> None:
    """Quirk row 8: a cancelled call is a time-out of the line."""
    spoken = Spoken()
    spoken.send(read(1, 3))
    spoken.wire.abandon(START + 100 * MS)
    assert spoken.quiet_s(1, 100) == pytest.approx(1.0)
    assert spoken.hear(rtu(1, registers(3)), 300) is None
    assert spoken.quiet_s(1, 300) == 0


def test_a_unit_that_stays_silent_is_free_again_after_the_drain() -> None:
    spoken = Spoken()
    spoken.send(read(1, 3))
    spoken.expire(500)
    assert spoken.quiet_s(1, 1499) > 0
    assert spoken.quiet_s(1, 1500) == 0


def test_two_late_replies_have_to_come_when_two_are_owed() -> None:
    spoken = Spoken()
    spoken.send(read(1, 3))
    spoken.expire(500)
    spoken.send(read(1, 4), 1500)
    spoken.expire(2000)
    assert spoken.hear(rtu(1, registers(3)), 2100) is None
    assert spoken.quiet_s(1, 2100) > 0
    assert spoken.hear(rtu(1, registers(4)), 2600) is None
    assert spoken.quiet_s(1, 2600) == 0
    assert [latency for *_, latency in spoken.strange] == [2.1, pytest.approx(1.1)]


def test_a_reply_later_than_the_drain_teaches_how_slow_the_unit_is() -> None:
    spoken = Spoken()
    spoken.send(read(1, 3))
    spoken.expire(500)
    assert spoken.hear(rtu(1, registers(3)), 4000) is None
    assert spoken.told == [("late", 1)]
    spoken.send(read(1, 4), 4100)
    spoken.expire(4600)
    assert spoken.quiet_s(1, 4600) == pytest.approx(6.0)
    assert MAX_DRAIN_S >= 6.0


def test_a_very_late_reply_of_another_length_is_told_from_the_answer() -> None:
    spoken = Spoken()
    spoken.send(read(1, 3, 5))
    spoken.expire(500)
    spoken.send(read(1, 50, 2), 1600)
    assert spoken.hear(rtu(1, registers(3, 3, 3, 3, 3)), 1650) is None
    assert spoken.hear(rtu(1, registers(50, 51)), 1700) == words(50, 51)
    assert spoken.told == [("late", 1)]


def test_what_is_owed_is_forgotten_in_the_end() -> None:
    spoken = Spoken()
    spoken.send(read(1, 3))
    spoken.expire(500)
    assert spoken.hear(rtu(1, registers(3)), MEMORY_NS / MS + 1) is None
    assert spoken.told == [("unsolicited", 1)]


def test_a_wrong_reply_sends_the_unit_into_quarantine_too() -> None:
    """It may have been an answer to somebody else; then ours is still on its way."""
    spoken = Spoken()
    spoken.send(read(1, 3, 4))
    assert isinstance(spoken.hear(rtu(1, registers(9)), 20), Wrong)
    assert spoken.quiet_s(1, 20) == pytest.approx(1.0)
    assert spoken.hear(rtu(1, registers(3, 4, 5, 6)), 60) is None
    assert spoken.quiet_s(1, 60) == 0


def test_a_refusal_is_an_answer_and_no_quarantine_follows() -> None:
    spoken = Spoken()
    spoken.send(read(1, 3))
    assert isinstance(spoken.hear(rtu(1, b"\x83\x02")), Refused)
    assert spoken.quiet_s(1, 0) == 0


def test_row_12_a_late_0x80_pays_the_debt() -> None:
    """Quirk row 12: an exception of that device, whenever it comes."""
    spoken = Spoken()
    spoken.send(read(1, 3))
    spoken.expire(500)
    assert spoken.hear(rtu(1, b"\x80\x04"), 600) is None
    assert spoken.told == [("late", 1)]


# Rows 15 and 25: who else is there?


def test_row_15_a_frame_of_a_unit_that_was_not_asked_is_foreign() -> None:
    """Quirk row 15: an address given twice; the unit asked may still answer."""
    spoken = Spoken()
    spoken.send(read(1, 3))
    assert spoken.hear(rtu(2, registers(9))) is None
    assert spoken.told == [("foreign", 2)]
    assert spoken.hear(rtu(1, registers(3))) == words(3)


@pytest.mark.parametrize(
    "frame",
    [
        rtu(5, b"\x03\x00\x10\x00\x02"),
        rtu(5, registers(1, 2)),
        rtu(5, b"\x10\x00\x01\x00\x01\x02\x00\x07"),
        rtu(0, b"\x06\x00\x01\x00\x01"),
    ],
)
def test_row_25_frames_while_nothing_is_asked_are_another_masters(frame: bytes) -> None:
    """Quirk row 25: a commissioning laptop left connected, its requests and its replies."""
    spoken = Spoken()
    assert spoken.hear(frame) is None
    assert spoken.told == [("unsolicited", frame[0])]
    assert spoken.strange[0][2] == frame


def test_row_25_another_masters_request_is_told_even_while_we_ask() -> None:
    """Quirk row 25: also when it is to the unit that is being asked."""
    spoken = Spoken()
    spoken.send(read(1, 3))
    assert spoken.hear(rtu(1, b"\x03\x00\x63\x00\x02")) is None
    assert spoken.told == [("unsolicited", 1)]
    assert spoken.hear(rtu(1, registers(3))) == words(3)


# Row 16: our own voice.


def test_row_16_a_line_known_to_echo_needs_a_second_frame_to_confirm_a_write() -> None:
    """Quirk row 16: the echo of a write of one value looks like its confirmation."""
    write = Request.write_register(1, 9, 5)
    spoken = Spoken(echo=True)
    spoken.send(write)
    assert spoken.hear(write.rtu) is None
    assert spoken.hear(write.rtu) == b""
    spoken.send(write)
    assert spoken.hear(write.rtu) is None
    assert isinstance(spoken.expire(500), Silent)
    assert spoken.line.echoes == 2


def test_row_16_an_echo_is_noticed_by_the_first_read() -> None:
    """Quirk row 16, echo = "auto": told once, then stripped."""
    spoken = Spoken(echo="auto")
    for at_ms in (0, 10):
        spoken.send(read(1, 3), at_ms)
        assert spoken.hear(read(1, 3).rtu + rtu(1, registers(3)), at_ms) == words(3)
    assert spoken.told == [("echo", 1)]
    assert spoken.line.echoes == 2
    write = Request.write_coil(1, 9, True)
    spoken.send(write, 20)
    spoken.hear(write.rtu, 20)
    assert isinstance(spoken.expire(520), Silent)


def test_row_16_a_read_without_an_echo_shows_that_there_is_none() -> None:
    """Quirk row 16: from then on one frame confirms a write."""
    spoken = Spoken(echo="auto")
    spoken.send(read(1, 3))
    assert spoken.hear(rtu(1, registers(3))) == words(3)
    write = Request.write_coil(1, 9, True)
    spoken.send(write)
    assert spoken.hear(write.rtu) == b""


def test_row_16_a_read_whose_echo_was_damaged_shows_nothing() -> None:
    """Quirk row 16: garbage before the reply may have been the echo."""
    spoken = Spoken(echo="auto")
    spoken.send(read(1, 3))
    assert spoken.hear(b"\xff" + read(1, 3).rtu[1:] + rtu(1, registers(3))) == words(3)
    write = Request.write_coil(1, 9, True)
    spoken.send(write)
    assert spoken.hear(write.rtu) is None
    assert isinstance(spoken.expire(500), Wrong)


def test_row_16_before_the_first_read_a_write_is_not_confirmed_by_what_may_be_its_echo() -> None:
    """Quirk row 16: a dead valve must not look closed."""
    write = Request.write_register(1, 9, 5)
    spoken = Spoken(echo="auto")
    spoken.send(write)
    assert spoken.hear(write.rtu) is None
    found = spoken.expire(500)
    assert isinstance(found, Wrong)
    assert "回声" in found.why


def test_row_16_before_the_first_read_two_frames_confirm_a_write_and_show_the_echo() -> None:
    """Quirk row 16: one is the echo, the other the answer."""
    write = Request.write_register(1, 9, 5)
    spoken = Spoken(echo="auto")
    spoken.send(write)
    assert spoken.hear(write.rtu) is None
    assert spoken.hear(write.rtu) == b""
    assert spoken.told == [("echo", 1)]


def test_row_16_an_echo_is_stripped_even_where_the_installer_said_there_is_none() -> None:
    """Quirk row 16: what is seen wins over what is configured."""
    spoken = Spoken(echo=False)
    spoken.send(read(1, 3))
    assert spoken.hear(read(1, 3).rtu) is None
    assert spoken.hear(rtu(1, registers(3))) == words(3)
    assert spoken.told == [("echo", 1)]


def test_a_late_confirmation_is_not_taken_for_an_echo() -> None:
    write = Request.write_register(1, 9, 5)
    spoken = Spoken(echo=False)
    spoken.send(write)
    spoken.expire(500)
    assert spoken.hear(write.rtu, 600) is None
    assert spoken.told == [("late", 1)]


def test_row_26_the_echo_of_a_broadcast_is_an_echo() -> None:
    """Quirk row 26: whether it may be sent is the driver's; the link awaits no answer to it."""
    everybody = Request.write_coil(0, 9, True)
    spoken = Spoken(echo=True)
    spoken.send(everybody)
    assert spoken.hear(everybody.rtu) is None
    assert spoken.line.echoes == 1
    assert spoken.told == []


# Row 17: noise.


def test_row_17_the_line_turning_round_costs_nothing() -> None:
    """Quirk row 17: 00 FF before a frame."""
    spoken = Spoken()
    spoken.send(read(1, 3))
    assert spoken.hear(b"\x00\xff" + rtu(1, registers(3)) + b"\x00") == words(3)
    assert spoken.line.garbage_bytes == 2
    spoken.send(read(1, 3))
    assert spoken.hear(rtu(1, registers(3))) == words(3)
    assert spoken.line.garbage_bytes == 3
    assert spoken.told == []


def test_row_17_what_was_left_on_the_line_does_not_damage_the_next_reply() -> None:
    """Quirk row 17: it looks like the beginning of the very reply that is awaited next."""
    spoken = Spoken()
    assert spoken.hear(read(1, 3, 100).head) is None
    spoken.send(read(1, 3, 100), 50)
    values = range(100)
    reply = rtu(1, registers(*values))
    assert spoken.hear(reply[:-3], 60) is None  # with what was left: as long as a whole reply
    assert spoken.hear(reply[-3:], 60) == words(*values)
    assert spoken.line.garbage_bytes == 3


def test_row_17_garbage_that_looks_like_a_late_reply_delays_but_does_not_cost_the_answer() -> None:
    """Quirk row 17: when the time is up, nothing more is waited for."""
    spoken = Spoken()
    spoken.send(read(2, 3, 100))
    spoken.expire(500)
    spoken.send(read(1, 3), 500)
    assert spoken.hear(read(2, 3, 100).head + rtu(1, registers(3)), 600) is None
    assert spoken.expire(1000) == words(3)


def test_row_9_a_short_reply_that_is_late_is_late_and_no_conflict() -> None:
    """Quirk row 9 and 8: while the unit owes an answer, nobody else speaks with its number."""
    spoken = Spoken()
    spoken.send(read(1, 3, 10))
    spoken.expire(500)
    assert spoken.hear(rtu(1, registers(3)), 700) is None
    assert spoken.told == [("late", 1)]


def test_a_damaged_reply_is_wrong_at_once_and_counted() -> None:
    spoken = Spoken()
    spoken.send(read(1, 3, 4))
    frame = bytearray(rtu(1, registers(1, 2, 3, 4)))
    frame[6] ^= 1
    found = spoken.hear(bytes(frame))
    assert isinstance(found, Wrong)
    assert found.raw == bytes(frame)
    assert spoken.line.crc_errors == 1
    assert spoken.quiet_s(1, 0) > 0


def test_a_reply_cut_short_is_wrong_and_not_silence() -> None:
    spoken = Spoken()
    spoken.send(read(1, 3, 4))
    assert spoken.hear(rtu(1, registers(1, 2, 3, 4))[:-3]) is None
    assert isinstance(spoken.expire(500), Wrong)


# Anything.

UNITS = st.integers(1, 3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hear"), st.binary(max_size=40)),
        st.tuples(st.just("reply"), UNITS, st.integers(1, 3)),
        st.tuples(st.just("ask"), UNITS, st.integers(1, 3)),
        st.tuples(st.just("expire")),
        st.tuples(st.just("abandon")),
    ),
    max_size=30,
)


@given(STEPS, st.sampled_from([True, False, "auto"]))
def test_any_story_never_raises_and_never_believes_a_reply_of_the_wrong_shape(
    steps: list[Any], echo: Any
) -> None:
    spoken = Spoken(echo=echo)
    asked: Request | None = None
    for number, (what, *rest) in enumerate(steps):
        at_ms, found = number * 300, None
        if what == "ask":
            request = read(rest[0], number, rest[1])
            if asked is None and not spoken.quiet_s(request.unit, at_ms):
                spoken.send(request, at_ms)
                asked = request
        elif what == "hear":
            found = spoken.hear(rest[0], at_ms)
        elif what == "reply":
            found = spoken.hear(rtu(rest[0], registers(*range(rest[1]))), at_ms)
        elif what == "expire" and asked is not None:
            found = spoken.expire(at_ms)
        elif what == "abandon":
            spoken.wire.abandon(START + at_ms * MS)
            asked = None
        if found is not None:
            assert asked is not None
            if isinstance(found, bytes):
                assert len(found) == 2 * asked.count
            asked = None


@given(st.data())
def test_no_value_ever_belongs_to_another_register_while_replies_come_within_the_drain(
    data: st.DataObject,
) -> None:
    """Quirk row 8, over any order of prompt, late and lost replies."""
    spoken, now = Spoken(), 0.0
    owed: list[tuple[float, Request]] = []
    for number in range(data.draw(st.integers(1, 15))):
        unit = data.draw(UNITS)
        request = read(unit, number)
        while owed and owed[0][0] <= now:
            due, old = owed.pop(0)
            spoken.hear(rtu(old.unit, registers(old.address)), due)
        if spoken.quiet_s(unit, now):
            now += data.draw(st.floats(1, 300))
            continue
        spoken.send(request, now)
        latency = data.draw(st.one_of(st.floats(1, 1400), st.none()))
        if latency is not None:
            owed = sorted([*owed, (now + latency, request)], key=lambda item: item[0])
        until, found = now + 500, None
        while owed and owed[0][0] <= until and found is None:
            due, old = owed.pop(0)
            now = max(now, due)
            found = spoken.hear(rtu(old.unit, registers(old.address)), now)
        if found is None:
            now = until
            found = spoken.expire(now)
        if isinstance(found, bytes):
            assert found == words(request.address)
