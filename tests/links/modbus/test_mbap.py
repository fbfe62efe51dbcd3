"""Modbus TCP: a reply belongs to an id."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.links.modbus import LineQuality, Refused, Request, Silent, Wrong
from gateway.links.modbus.mbap import MAX_ABANDONED, MAX_HELD_BYTES, MbapWire
from tests.links.modbus.ends import mbap, registers, words

READ = Request.read(1, 3, 10, 2)
SECOND = 1_000_000_000


class Spoken:
    """A wire, its counters and what it reported."""

    def __init__(self) -> None:
        self.line = LineQuality()
        self.strange: list[tuple[str, int, bytes, float | None]] = []
        self.wire = MbapWire(self.line, lambda *told: self.strange.append(told))

    def send(self, request: Request = READ, now_ns: int = 0) -> int:
        """Begin a transaction; its id."""
        return int.from_bytes(self.wire.send(request, now_ns)[:2], "big")


def test_a_request_has_the_header_of_the_specification() -> None:
    assert Spoken().wire.send(READ, 0) == mbap(1, 1, READ.pdu)


def test_row_8_a_late_reply_is_dropped_by_its_id_and_counted_with_its_latency() -> None:
    """Quirk row 8: the reply to register 10 arrives while register 11 is asked."""
    spoken = Spoken()
    late = spoken.send()
    assert isinstance(spoken.wire.expire(0.5, SECOND), Silent)
    now = spoken.send(Request.read(1, 3, 11, 2), SECOND)
    assert spoken.wire.receive(mbap(late, 1, registers(10, 10)), 2 * SECOND) is None
    assert spoken.wire.receive(mbap(now, 1, registers(11, 11)), 2 * SECOND) == words(11, 11)
    assert spoken.line.late == 1
    assert [(what, unit, s) for what, unit, _, s in spoken.strange] == [("late", 1, 2.0)]


def test_a_reply_to_nothing_is_unsolicited() -> None:
    spoken = Spoken()
    assert spoken.wire.receive(mbap(77, 3, registers(1)), 0) is None
    assert [told[:2] for told in spoken.strange] == [("unsolicited", 3)]


def test_row_15_the_right_id_from_another_unit_is_foreign_and_wrong() -> None:
    """Quirk row 15: counted as a conflict, and nobody waits for the time-out."""
    spoken = Spoken()
    number = spoken.send()
    assert isinstance(spoken.wire.receive(mbap(number, 2, registers(1, 2)), 0), Wrong)
    assert [told[:2] for told in spoken.strange] == [("foreign", 2)]


def test_ids_in_use_are_skipped_when_they_come_round_again() -> None:
    spoken = Spoken()
    first = spoken.send()
    spoken.wire.abandon(0)
    seen = set()
    for _ in range(0x10000):
        number = spoken.send()
        seen.add(number)
        spoken.wire.receive(mbap(number, 1, registers(1, 2)), 0)
    assert first not in seen
    assert len(seen) == 0xFFFF


def test_no_more_than_so_many_ids_are_remembered() -> None:
    spoken = Spoken()
    for _ in range(MAX_ABANDONED * 3):
        spoken.send()
        spoken.wire.abandon(0)
    assert len(spoken.wire._abandoned) == MAX_ABANDONED


def test_row_17_bytes_that_are_no_header_are_skipped_up_to_the_reply() -> None:
    """Quirk row 17, on TCP: the awaited id is what is looked for."""
    spoken = Spoken()
    number = spoken.send()
    data = b"\xff" * 50 + mbap(number, 1, registers(3, 4))
    assert spoken.wire.receive(data, 0) == words(3, 4)
    assert spoken.line.garbage_bytes == 50


def test_another_protocol_is_never_taken_for_modbus() -> None:
    spoken = Spoken()
    number = spoken.send()
    reply = bytearray(mbap(number, 1, registers(3, 4)))
    reply[3] = 7
    assert spoken.wire.receive(bytes(reply), 0) is None
    assert spoken.wire.receive(mbap(number, 1, registers(5, 6)), 0) == words(5, 6)


def test_garbage_that_looks_like_a_header_delays_but_does_not_cost_the_reply() -> None:
    spoken = Spoken()
    number = spoken.send()
    assert spoken.wire.receive(mbap(9, 1, bytes(200))[:7], 0) is None
    assert spoken.wire.receive(mbap(number, 1, registers(3, 4)), 0) is None
    assert spoken.wire.expire(0.5, SECOND) == words(3, 4)


def test_half_a_reply_is_wrong_and_not_silence() -> None:
    spoken = Spoken()
    number = spoken.send()
    spoken.wire.receive(mbap(number, 1, registers(3, 4))[:-1], 0)
    assert isinstance(spoken.wire.expire(0.5, SECOND), Wrong)


def test_an_exception_reply_is_a_refusal() -> None:
    spoken = Spoken()
    number = spoken.send()
    found = spoken.wire.receive(mbap(number, 1, b"\x83\x02"), 0)
    assert isinstance(found, Refused)
    assert found.code == 2


@given(st.binary(max_size=60), st.lists(st.integers(0, 80), max_size=6))
def test_a_reply_is_found_however_it_is_cut(before: bytes, cuts: list[int]) -> None:
    spoken = Spoken()
    number = spoken.send()
    reply = mbap(number, 1, registers(3, 4))
    edges = [0, *sorted(cut % (len(reply) + 1) for cut in cuts), len(reply)]
    pieces = [reply[a:b] for a, b in pairwise(edges)]
    if before[:1] == b"\xff":  # a protocol nobody speaks
        spoken.wire.receive(b"\xff\xff\xff\xff\xff\xff\xff", 0)
    outcomes = [spoken.wire.receive(piece, 0) for piece in pieces]
    assert [found for found in outcomes if found is not None] == [words(3, 4)]


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_any_bytes_never_raise_and_never_make_data_that_was_not_asked_for(
    pieces: list[bytes],
) -> None:
    spoken = Spoken()
    number = spoken.send()
    for piece in pieces:
        found = spoken.wire.receive(piece, 0)
        if isinstance(found, bytes):
            assert mbap(number, 1, b"\x03\x04" + found) in b"".join(pieces)
        assert len(spoken.wire._held) <= MAX_HELD_BYTES
