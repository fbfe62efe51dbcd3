"""AAC and G.711 out of RTP, packets as RFC 3640 draws them."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.links.rtsp.rtp import Agreed
from gateway.links.rtsp.sound import AacReceiver, SoundReceiver
from gateway.links.rtsp.unit import AccessUnit, Counters, Moment
from tests.links.rtsp.camera import rtp


def aac(frames, *, sizes=None):
    sizes = [len(frame) for frame in frames] if sizes is None else sizes
    heads = b"".join((size << 3).to_bytes(2, "big") for size in sizes)
    return (16 * len(sizes)).to_bytes(2, "big") + heads + b"".join(frames)


class Desk:
    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.counters = Counters()
        shared = (Agreed(1, 97, 16000), self.units.append, self.counters, Moment())
        self.aac = AacReceiver(*shared, frame_samples=1024)
        self.g711 = SoundReceiver(*shared)

    def take(self, *stream: bytes) -> list[tuple[bytes, int]]:
        for data in stream:
            self.aac.packet(bytearray(data), 0, len(data))
        return [(unit.data, unit.ticks) for unit in self.units]


def test_each_frame_of_a_packet_has_its_time():
    heard = Desk().take(rtp(aac([b"one", b"two!"]), 0, 500, kind=97, marker=True))

    assert heard == [(b"one", 500), (b"two!", 1524)]


def test_a_frame_in_pieces_is_put_together():
    pieces = [aac([part], sizes=[9]) for part in (b"abcd", b"efgh", b"i")]
    stream = [rtp(part, n, 5, kind=97, marker=n == 2) for n, part in enumerate(pieces)]

    assert Desk().take(*stream) == [(b"abcdefghi", 5)]


def test_a_frame_that_lost_a_piece_is_left_out_and_the_next_is_not():
    pieces = [aac([part], sizes=[9]) for part in (b"abcd", b"efgh", b"i")]
    stream = [rtp(part, n, 5, kind=97) for n, part in enumerate(pieces)]
    desk = Desk()

    assert desk.take(stream[0], stream[2], rtp(aac([b"next"]), 3, 1029, kind=97)) == [
        (b"next", 1029)
    ]
    assert desk.units[0].lost == 1


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_are_heard_or_counted(payloads):
    desk = Desk()
    desk.take(*(rtp(data, n, n // 2, kind=97) for n, data in enumerate(payloads)))
    desk.take(*(rtp(b"\0\x10" + data, n + 50, 7, kind=97) for n, data in enumerate(payloads)))

    assert all(unit.data for unit in desk.units)
