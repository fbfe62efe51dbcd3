"""The connection: any bytes in any pieces, and what a camera hears from us while it plays."""

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.links.rtsp import RtspSession, RtspSettings, session, wire
from gateway.links.rtsp.messages import Message
from gateway.links.rtsp.unit import Counters
from tests.links.rtsp.camera import (
    BASE_TICKS,
    SSRC,
    Caller,
    Camera,
    interleaved,
    packets,
    running,
    sdp_of,
    sender_report,
)
from tests.media.clips import clip

PACKETS = st.binary(max_size=300).map(lambda data: interleaved(0, b"\x80" + data))
ANSWERS = st.binary(max_size=60).map(
    lambda data: b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: %d\r\n\r\n" % len(data) + data
)


class Ear:
    """A wire without a socket, and what it heard."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.packets: list[bytes] = []
        self.endings: list[str] = []
        self.wire = wire.RtspWire(
            SystemClock(), Counters(), self.messages.append, lambda _, why: self.endings.append(why)
        )
        self.wire.channels[0] = (
            lambda buffer, start, stop: self.packets.append(bytes(buffer[start:stop])),
            None,
        )

    def hear(self, data: bytes, pieces: list[int]) -> None:
        at, turn = 0, 0
        while at < len(data) and not self.endings:
            room = self.wire.get_buffer(-1)
            size = min(pieces[turn % len(pieces)], len(room), len(data) - at)
            assert size > 0, "there is always room"
            room[:size] = data[at : at + size]
            self.wire.buffer_updated(size)
            at, turn = at + size, turn + 1


SIZES = st.lists(st.integers(1, 700), min_size=1, max_size=20)


@given(st.lists(PACKETS | ANSWERS, max_size=20), SIZES)
def test_packets_and_answers_come_out_whole_however_they_arrive(stream, pieces):
    ear = Ear()
    ear.hear(b"".join(stream), pieces)

    sent = [one[4:] for one in stream if one.startswith(b"$")]
    said = [one.partition(b"\r\n\r\n")[2] for one in stream if one.startswith(b"R")]
    assert ear.packets == sent
    assert [message.body for message in ear.messages] == said
    assert ear.endings == []


@given(st.lists(PACKETS | ANSWERS | st.binary(max_size=200), max_size=30), SIZES)
def test_any_bytes_are_heard_or_end_it_once(stream, pieces):
    ear = Ear()
    ear.hear(b"".join(stream), pieces)

    assert len(ear.endings) <= 1


def test_the_largest_packet_fits_wherever_it_begins():
    largest = interleaved(0, b"\x80" + bytes(65534))
    ear = Ear()
    ear.hear(b"RTSP/1.0 200 OK\r\n\r\n" + largest * 5, [60_000, 9_999, 131_072])

    assert [len(data) for data in ear.packets] == [65535] * 5


# What a camera hears while it plays.


async def playing(caller: Caller) -> None:
    part = clip("h264", frames=10)
    sent = packets(part)
    gone = sent[3].pop()
    assert gone
    for unit in sent:
        caller.say_rtp(*unit)
    caller.say_rtp(sender_report(SSRC, 0xABCD_1234_5678_0000, BASE_TICKS), channel=1)


async def test_a_camera_hears_how_much_was_received_and_lost(monkeypatch):
    monkeypatch.setattr(session, "REPORT_NS", 1)
    camera = Camera(sdp=sdp_of(clip("h264")), play=playing)
    async with (
        running(camera),
        await RtspSession.open(RtspSettings(url=camera.url), SystemClock()),
    ):
        last = 0
        while last != 0x1234_5678:
            channel, data = await camera.callers[0].reports.get()
            source, loss, highest, _, last, _ = struct.unpack_from(">6I", data, 8)

    sent = [one for unit in packets(clip("h264", frames=10)) for one in unit]
    assert (channel, source, loss & 0xFFFFFF) == (1, SSRC, 1)
    assert highest == 65530 + len(sent) - 1


@pytest.mark.parametrize("public", ["OPTIONS, GET_PARAMETER", "OPTIONS"])
async def test_a_session_is_kept_alive_and_told_a_new_nonce_on_the_way(public):
    camera = Camera(sdp=sdp_of(clip("h264")), digest=("admin", "x", "", "auth"))
    camera.session = "abc;timeout=4"
    method = public.split(", ")[-1]

    def known(asked):
        if "authorization" not in asked.headers:
            return None
        return (
            f"RTSP/1.0 200 OK\r\nPublic: {public}\r\n\r\n"
            if "session" not in asked.headers
            else None
        )

    camera.answers["OPTIONS"] = known
    settings = {"username": "admin", "password": "x"}
    async with (
        running(camera),
        await RtspSession.open(RtspSettings(url=camera.url, **settings), SystemClock()),
    ):
        camera.nonce = "nonce-2"
        while not camera.heard.empty():
            camera.heard.get_nowait()
        refused = await camera.heard.get()
        repeated = await camera.heard.get()

    assert [refused.method, repeated.method] == [method, method]
    assert refused.headers["session"] == repeated.headers["session"] == "abc"
    assert camera.believes(repeated)
    assert not camera.believes(refused)


async def test_a_slow_camera_is_read_at_once_and_a_fast_one_is_not_kept_waiting():
    part = clip("h264", frames=50)
    more = asyncio.Event()

    async def play(caller: Caller) -> None:
        sent = packets(part)
        for unit in sent[:49]:
            caller.say_rtp(*unit)
            await asyncio.sleep(0.02)
        await more.wait()
        caller.say_rtp(*sent[49])

    camera = Camera(sdp=sdp_of(part), play=play)
    async with (
        running(camera),
        await RtspSession.open(RtspSettings(url=camera.url, gather_s=1.0), SystemClock()) as opened,
    ):
        for _ in range(49):
            await anext(opened)
        more.set()
        async with asyncio.timeout(opened.settings.silence_s):
            last = await anext(opened)

    assert last.ticks == BASE_TICKS + part.presented[49]
