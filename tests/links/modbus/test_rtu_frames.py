"""Frames out of any stream of bytes."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.links.modbus import LineQuality, Request
from gateway.links.modbus.crc import crc_fits
from gateway.links.modbus.rtu_frames import MAX_HELD_BYTES, RtuFrames
from tests.links.modbus.ends import registers, rtu

ASKED = Request.read(1, 3, 10, 4)
REPLY = rtu(1, registers(1, 2, 3, 4))
FRAMES = st.sampled_from(
    [
        REPLY,
        rtu(1, b"\x83\x02"),
        rtu(1, b"\x80\x04"),
        rtu(2, registers(5, 6)),
        rtu(3, b"\x06\x00\x01\x00\x02"),
        rtu(4, b"\x10\x00\x01\x00\x02"),
        rtu(9, b"\x84\x0b"),
        rtu(7, b"\x03\x00\x10\x00\x20"),
        rtu(7, b"\x10\x00\x10\x00\x01\x02\x12\x34"),
    ]
)


def split(pieces: list[bytes], *, final: bool = False, heartbeats: tuple[bytes, ...] = ()):
    line = LineQuality()
    frames = RtuFrames(line, heartbeats)
    found = []
    for piece in pieces:
        frames.feed(piece)
        while (frame := frames.take([ASKED], ASKED)) is not None:
            found.append(frame)
    if final:
        while (frame := frames.take([ASKED], ASKED, final=True)) is not None:
            found.append(frame)
        frames.flush()
    return found, line


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 200), max_size=8))
def test_whole_frames_come_out_whole_however_they_are_cut(
    sent: list[bytes], cuts: list[int]
) -> None:
    found, line = split(pieces_of(b"".join(sent), cuts))
    assert [frame.raw for frame in found] == sent
    assert line.garbage_bytes == 0


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
@example(b"\x00\xff" + REPLY, [])
@example(REPLY[:-1] + REPLY, [])
def test_any_bytes_give_only_frames_that_fit_and_every_byte_is_accounted_for(
    data: bytes, cuts: list[int]
) -> None:
    found, line = split(pieces_of(data, cuts), final=True)
    assert all(crc_fits(frame.raw) for frame in found)
    assert sum(len(frame.raw) for frame in found) + line.garbage_bytes == len(data)


@given(
    st.lists(st.one_of(FRAMES, st.binary(min_size=1, max_size=6)), max_size=6),
    st.lists(st.integers(0, 200), max_size=8),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_the_same_bytes_give_the_same_frames_however_they_are_cut(
    sent: list[bytes], cuts: list[int], others: list[int]
) -> None:
    data = b"".join(sent)
    assert (
        split(pieces_of(data, cuts), final=True)[0] == split(pieces_of(data, others), final=True)[0]
    )


@given(st.binary(max_size=30))
def test_row_17_garbage_before_a_reply_costs_nothing_but_itself(garbage: bytes) -> None:
    """Quirk row 17: the client measured throws the whole buffer away."""
    found, line = split([garbage + REPLY], final=True)
    assert found[-1].raw == REPLY
    assert line.garbage_bytes + sum(len(frame.raw) for frame in found) == len(garbage + REPLY)


def test_nothing_is_looked_for_inside_a_reply_that_is_arriving() -> None:
    """Registers may hold what looks like a refusal of the very unit that is asked."""
    inside = rtu(1, b"\x83\x02") + b"\x00\x00\x00"
    reply = rtu(1, b"\x03\x08" + inside)
    for cut in range(len(reply)):
        found, line = split([reply[:cut], reply[cut:]])
        assert [frame.raw for frame in found] == [reply]
        assert line.garbage_bytes == 0


def test_a_damaged_reply_is_noticed_at_once() -> None:
    frames = RtuFrames(LineQuality())
    frames.feed(REPLY[:-1] + b"\x00")
    assert frames.take([ASKED], ASKED) is None
    assert frames.damaged


def test_our_own_request_is_told_from_a_reply_even_when_it_begins_like_one() -> None:
    """Address 0x02xx and one register: the echo's third byte is the reply's length."""
    request = Request.read(1, 3, 0x0210, 1)
    for cut in range(8):
        frames = RtuFrames(LineQuality())
        frames.feed(request.rtu[:cut])
        assert frames.take([request], request) is None
        frames.feed(request.rtu[cut:] + rtu(1, registers(77)))
        first = frames.take([request], request)
        second = frames.take([request], request)
        assert first is not None
        assert second is not None
        assert (first.raw, first.request) == (request.rtu, True)
        assert second.rest == registers(77)[1:]
        assert not frames.damaged


@given(st.lists(st.sampled_from([b"PING", b"P", b"\xfe\xfe"]), max_size=5), st.integers(0, 60))
def test_row_30_heartbeats_between_frames_mean_nothing(beats: list[bytes], cut: int) -> None:
    """Quirk row 30: a DTU puts them anywhere between frames."""
    data = b"".join(beats) + REPLY + b"".join(beats) + REPLY
    found, _ = split(pieces_of(data, [cut]), heartbeats=(b"P", b"PING", b"\xfe\xfe"), final=True)
    assert [frame.raw for frame in found] == [REPLY, REPLY]


def test_row_30_a_heartbeat_cut_in_two_is_a_heartbeat() -> None:
    """Quirk row 30: TCP cuts where it likes."""
    found, line = split([b"PI", b"NG", b"P", b"ING" + REPLY], heartbeats=(b"PING",))
    assert [frame.raw for frame in found] == [REPLY]
    assert (line.heartbeats, line.garbage_bytes) == (2, 0)


def test_a_refusal_that_makes_no_sense_is_believed_only_of_a_unit_that_was_asked() -> None:
    """Five bytes of noise fit by chance once in 65,536; a false conflict would be told."""
    for pdu in (b"\x83\x41", b"\xc1\x02", b"\x80\x02"):
        assert split([rtu(9, pdu)], final=True)[0] == []
    for pdu in (b"\x83\x41", b"\x80\x02"):
        assert len(split([rtu(1, pdu)])[0]) == 1


def test_what_is_held_is_bounded() -> None:
    line = LineQuality()
    frames = RtuFrames(line)
    frames.feed(bytes(100_000))
    assert len(frames.held) <= MAX_HELD_BYTES
    assert line.garbage_bytes == 100_000 - MAX_HELD_BYTES
