"""A session with a camera over a real socket: what is sent comes out, whole and in order."""

import asyncio
import struct

import pytest

from gateway.clock import SystemClock
from gateway.errors import LinkDown
from gateway.links.rtsp import AccessUnit, NotPlayable, RtspSession, RtspSettings
from gateway.media.nal import join_lengths
from tests.links.rtsp.camera import (
    BASE_TICKS,
    SSRC,
    Caller,
    Camera,
    expected,
    interleaved,
    packets,
    rtp,
    running,
    sdp_of,
    sender_report,
)
from tests.media.clips import Clip, clip

CLOCK = SystemClock()
AUDIO = "m=audio 0 RTP/AVP 8\r\na=control:trackID=2\r\n"
METADATA = "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:m\r\n"


def playing(part: Clip, **how: object) -> Camera:
    """A camera that sends a clip and then waits."""

    async def play(caller: Caller) -> None:
        for unit in packets(part, **how):  # type: ignore[arg-type]
            caller.say_rtp(*unit)

    return Camera(sdp=sdp_of(part), play=play)


async def opened(camera: Camera, **settings: object) -> RtspSession:
    return await RtspSession.open(RtspSettings(url=camera.url, **settings), CLOCK)  # type: ignore[arg-type]


async def take(session: RtspSession, count: int) -> list[AccessUnit]:
    return [await anext(session) for _ in range(count)]


@pytest.mark.parametrize("joins", [False, True], ids=["apart", "aggregated"])
@pytest.mark.parametrize("mtu", [1400, 60])
@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_every_picture_comes_out_as_it_was_sent(codec, mtu, joins):
    part = clip(codec, b_frames=2)
    async with (
        running(playing(part, mtu=mtu, joins=joins)) as camera,
        await opened(camera) as session,
    ):
        units = await take(session, len(part.units))

    assert [(unit.data, unit.ticks) for unit in units] == expected(part)
    assert [n for n, unit in enumerate(units) if unit.is_key] == part.keys
    assert all(not unit.lost and not unit.damaged and not unit.restarted for unit in units)
    assert units[-1].ticks > 1 << 32, "the clip runs over the border of 32 bits"


async def test_tracks_say_what_a_file_needs_before_the_first_picture():
    part = clip("h264")
    async with (
        running(Camera(sdp=sdp_of(part, more=METADATA + AUDIO))) as camera,
        await opened(camera) as session,
    ):
        picture, sound = session.tracks

    assert picture == part.track
    assert (sound.kind, sound.codec, sound.clock_rate, sound.channels) == ("audio", "pcma", 8000, 1)
    assert session.skipped == ("m=application#2: neither picture nor sound",)
    assert camera.methods == ["OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY", "TEARDOWN"]
    assert [asked.uri for asked in camera.asked][2:5] == [
        camera.url + "/trackID=1",
        camera.url + "/trackID=2",
        camera.url + "/",
    ]
    assert [asked.headers["transport"] for asked in camera.asked if asked.method == "SETUP"] == [
        "RTP/AVP/TCP;unicast;interleaved=0-1",
        "RTP/AVP/TCP;unicast;interleaved=2-3",
    ]
    assert camera.asked[-1].headers["session"] == "12345678"


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_parameter_sets_that_only_come_with_the_pictures_complete_the_track(codec):
    part = clip(codec)
    camera = playing(part)
    camera.sdp = sdp_of(part, sprop=False)
    async with running(camera), await opened(camera) as session:
        assert not session.tracks[0].complete

        units = await take(session, len(part.units))

        assert session.tracks[0] == part.track
    assert units[0].parameter_sets == part.track.parameter_sets
    assert all(unit.parameter_sets is None for unit in units[1:])


async def test_a_change_of_resolution_comes_with_the_first_picture_that_has_it():
    small, large = clip("h264"), clip("h264", width=320, height=192)

    async def play(caller: Caller) -> None:
        sent = packets(small)
        number = 65530 + sum(map(len, sent))
        for unit in sent + packets(large, first=number, base=BASE_TICKS + 50 * 3600):
            caller.say_rtp(*unit)

    async with (
        running(Camera(sdp=sdp_of(small), play=play)) as camera,
        await opened(camera) as session,
    ):
        await take(session, len(small.units))
        assert (session.tracks[0].width, session.tracks[0].height) == (160, 96)
        first = await anext(session)
        assert first.is_key
        assert first.parameter_sets == large.track.parameter_sets
        assert (session.tracks[0].width, session.tracks[0].height) == (320, 192)


async def test_bytes_may_arrive_in_any_pieces():
    part = clip("h264", frames=12)

    async def play(caller: Caller) -> None:
        stream = b"".join(interleaved(0, one) for unit in packets(part) for one in unit)
        for at in range(0, len(stream), 37):
            caller.say(stream[at : at + 37])
            await caller.writer.drain()

    async with (
        running(Camera(sdp=sdp_of(part), play=play)) as camera,
        await opened(camera) as session,
    ):
        units = await take(session, 12)

    assert [(unit.data, unit.ticks) for unit in units] == expected(part)


async def test_what_was_lost_is_counted_once_and_spoils_one_picture_only():
    part = clip("h264")
    sent = packets(part, mtu=100)
    gone = 3
    middle = next(n for n, unit in enumerate(sent) if n > 12 and len(unit) > 4)

    async def play(caller: Caller) -> None:
        for n, unit in enumerate(sent):
            caller.say_rtp(*(unit if n != middle else [unit[0], *unit[1 + gone :]]))

    async with (
        running(Camera(sdp=sdp_of(part), play=play)) as camera,
        await opened(camera) as session,
    ):
        units: list[AccessUnit] = []
        while not units or units[-1].ticks < expected(part)[-1][1]:
            units.append(await anext(session))
        counted = session.counters.lost_packets

    whole = [row for n, row in enumerate(expected(part)) if n != middle]
    assert [(u.data, u.ticks) for u in units if not u.damaged] == whole[:middle] + whole[
        middle + 1 :
    ]
    assert sum(unit.lost for unit in units) == gone == counted


async def test_a_lost_marker_still_ends_the_picture():
    part = clip("h264", frames=20)
    sent = packets(part, mtu=100)

    async def play(caller: Caller) -> None:
        for n, unit in enumerate(sent):
            caller.say_rtp(*(unit[:-1] if n == 5 else unit))

    async with (
        running(Camera(sdp=sdp_of(part), play=play)) as camera,
        await opened(camera) as session,
    ):
        units = []
        while not units or units[-1].ticks < expected(part)[-1][1]:
            units.append(await anext(session))

    assert [u.ticks for u in units if not u.damaged] == [
        ticks for n, (_, ticks) in enumerate(expected(part)) if n not in {5, 6}
    ]
    assert sum(unit.lost for unit in units) == 1


async def test_a_camera_that_marks_every_packet_is_found_out_by_its_second_slice():
    part = clip("h264", frames=30, extra=":slices=3")

    async def play(caller: Caller) -> None:
        for unit in packets(part):
            caller.say_rtp(*(one[:1] + bytes((one[1] | 0x80,)) + one[2:] for one in unit))

    async with (
        running(Camera(sdp=sdp_of(part), play=play)) as camera,
        await opened(camera) as session,
    ):
        units = await take(session, 29)

    wanted = expected(part)
    split = [unit for unit in units if unit.ticks == wanted[0][1]]
    assert b"".join(unit.data for unit in split) == wanted[0][0]
    later = [(unit.data, unit.ticks) for unit in units[len(split) :]]
    assert later == wanted[1 : 1 + len(later)], "from the second picture on nothing is split"


async def test_a_camera_that_begins_anew_says_so_in_its_next_picture():
    part = clip("h264", frames=10)

    async def play(caller: Caller) -> None:
        for unit in packets(part):
            caller.say_rtp(*unit)
        for unit in packets(part, first=7, base=5):
            caller.say_rtp(*(one[:8] + struct.pack(">I", 77) + one[12:] for one in unit))

    async with (
        running(Camera(sdp=sdp_of(part), play=play)) as camera,
        await opened(camera) as session,
    ):
        units = await take(session, 20)

    assert [n for n, unit in enumerate(units) if unit.restarted] == [10]
    assert [unit.data for unit in units] == [data for data, _ in expected(part)] * 2
    assert sum(unit.lost for unit in units) == 0


async def test_sound_and_pictures_come_side_by_side():
    part = clip("h264", frames=10)

    async def play(caller: Caller) -> None:
        for n, unit in enumerate(packets(part)):
            caller.say_rtp(*unit)
            law = rtp(bytes((n,)) * 320, n, 320 * n, kind=8, ssrc=SSRC + 1)
            caller.say_rtp(law, channel=2)

    async with (
        running(Camera(sdp=sdp_of(part, more=AUDIO), play=play)) as camera,
        await opened(camera) as session,
    ):
        units = await take(session, 20)

    heard = [unit for unit in units if unit.track == 1]
    assert [(unit.ticks, unit.data) for unit in heard] == [
        (320 * n, bytes((n,)) * 320) for n in range(10)
    ]
    assert [unit.data for unit in units if unit.track == 0] == [data for data, _ in expected(part)]


async def test_sound_is_left_out_when_nobody_wants_it_or_the_camera_does_not_give_it():
    def no_sound(asked):
        return "RTSP/1.0 500 Internal Error\r\n\r\n" if asked.uri.endswith("=2") else None

    part = clip("h264", frames=10)
    async with running(Camera(sdp=sdp_of(part, more=AUDIO))) as camera:
        async with await opened(camera, audio=False) as session:
            assert [track.kind for track in session.tracks] == ["video"]
        camera.answers["SETUP"] = no_sound
        async with await opened(camera) as session:
            assert [track.kind for track in session.tracks] == ["video"]
            assert session.skipped == ("m=audio: SETUP was answered with 500",)


# The camera's clock, and ours.


async def test_a_sender_report_tells_how_far_the_cameras_clock_is_off():
    part = clip("h264", frames=10)
    ahead_s = 3600
    clock = SystemClock()

    async def play(caller: Caller) -> None:
        sent = packets(part)
        caller.say_rtp(*sent[0])
        utc_ns = clock.utc_ns() + ahead_s * 1_000_000_000
        ntp = ((utc_ns // 1_000_000_000 + 2_208_988_800) << 32) | (
            utc_ns % 1_000_000_000 << 32
        ) // 10**9
        caller.say_rtp(sender_report(SSRC, ntp, BASE_TICKS + 0x20000), channel=1)
        for unit in sent[1:]:
            caller.say_rtp(*unit)

    async with (
        running(Camera(sdp=sdp_of(part), play=play)) as camera,
        await opened(camera) as session,
    ):
        await take(session, 10)
        report, offset_ns = session.reports[0], session.camera_offset_ns

    assert offset_ns is not None
    assert abs(offset_ns - ahead_s * 1e9) < 5e9  # a busy machine may take its time
    assert report.ticks == BASE_TICKS + 0x20000, "unwrapped, beyond 32 bits"


# How it ends.


async def test_a_camera_that_hangs_up_ends_the_session_behind_its_last_picture():
    part = clip("h264", frames=10)

    async def play(caller: Caller) -> None:
        for unit in packets(part):
            caller.say_rtp(*unit)
        caller.hang_up()

    async with running(Camera(sdp=sdp_of(part), play=play)) as camera:
        session = await opened(camera)
        assert len(await take(session, 10)) == 10
        with pytest.raises(LinkDown, match="the connection ended"):
            await anext(session)
        await session.close()


async def test_a_camera_without_pictures_is_given_up_whatever_else_it_says():
    async def play(caller: Caller) -> None:
        number = 0
        while True:
            caller.say_rtp(rtp(b"\xd5" * 160, number, 160 * number, kind=8), channel=2)
            await caller.writer.drain()
            number += 1
            await asyncio.sleep(0.02)

    camera = Camera(sdp=sdp_of(clip("h264"), more=AUDIO), play=play)
    async with running(camera), await opened(camera, silence_s=1.2) as session:
        with pytest.raises(LinkDown, match=r"no picture for 1\.2 s"):
            await take_all(session)


async def test_closing_ends_the_iteration_without_an_error():
    async with running(Camera(sdp=sdp_of(clip("h264")))) as camera:
        session = await opened(camera)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(take_all(session))
            await asyncio.sleep(0)
            await session.close()
        assert reading.result() == []
        await session.close()
    assert camera.methods[-1] == "TEARDOWN"


async def take_all(session: RtspSession) -> list[AccessUnit]:
    return [unit async for unit in session]


async def test_a_goodbye_of_the_camera_ends_the_session():
    async def play(caller: Caller) -> None:
        caller.say_rtp(struct.pack(">BBHI", 0x81, 203, 1, SSRC), channel=1)

    async with running(Camera(sdp=sdp_of(clip("h264")), play=play)) as camera:
        session = await opened(camera)
        with pytest.raises(LinkDown, match="BYE"):
            await anext(session)
        await session.close()


async def test_a_camera_that_answers_nothing_is_given_up_in_time():
    camera = Camera(sdp=sdp_of(clip("h264")), answers={"DESCRIBE": lambda _: None})
    camera.answers["PLAY"] = "RTSP/1.0 100 Continue\r\n\r\n"
    async with running(camera):
        with pytest.raises(LinkDown, match=r"did not begin to play within 0\.5 s"):
            await opened(camera, open_timeout_s=0.5)
    assert camera.methods[-1] == "TEARDOWN", "a session that was set up is not left behind"


async def test_nobody_listening_is_a_link_that_is_down():
    camera = Camera()
    async with running(camera):
        pass
    with pytest.raises(LinkDown, match="cannot connect"):
        await opened(camera)


# Bounds.


async def test_a_reader_that_is_slow_holds_the_camera_back_and_loses_nothing():
    part = clip("h264", frames=10)
    rounds = 120

    async def play(caller: Caller) -> None:
        caller.writer.transport.set_write_buffer_limits(high=0)
        sent = [one for unit in packets(part) for one in unit]
        for number in range(rounds * len(sent)):
            turn, one = number // len(sent), sent[number % len(sent)]
            ticks = turn * 36000 + int.from_bytes(one[4:8], "big")
            caller.say_rtp(
                one[:2] + struct.pack(">HI", number & 0xFFFF, ticks & 0xFFFFFFFF) + one[8:]
            )
            await caller.writer.drain()

    async with (
        running(Camera(sdp=sdp_of(part), play=play)) as camera,
        await opened(camera) as session,
    ):
        while not session.behind:  # noqa: ASYNC110 nobody but a test waits for this
            await asyncio.sleep(0)
        held = len(session._units)
        assert held < rounds * len(part.units) / 2
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(session._units) == held, "nothing is read while it is behind"
        units = await take(session, rounds * len(part.units))

    assert [unit.data for unit in units] == [data for data, _ in expected(part)] * rounds
    assert sum(unit.lost for unit in units) == 0


async def test_an_endless_picture_ends_the_session_before_the_memory():
    async def play(caller: Caller) -> None:
        caller.say_rtp(rtp(b"\x7c\x85" + bytes(1000), 0, 0))
        for number in range(1, 10_000):
            caller.say_rtp(rtp(b"\x7c\x05" + bytes(1400), number, 0))
            await caller.writer.drain()

    async with running(Camera(sdp=sdp_of(clip("h264")), play=play)) as camera:
        session = await opened(camera)
        with pytest.raises(LinkDown, match="larger than 8 MiB"):
            await anext(session)
        await session.close()


async def test_nothing_but_garbage_ends_the_session():
    async def play(caller: Caller) -> None:
        for _ in range(100):
            caller.say(b"\xff" * 1000)
            await caller.writer.drain()

    async with running(Camera(sdp=sdp_of(clip("h264")), play=play)) as camera:
        session = await opened(camera)
        with pytest.raises(LinkDown, match="neither RTSP nor RTP"):
            await anext(session)
        await session.close()


async def test_a_little_garbage_between_packets_costs_nothing_but_itself():
    part = clip("h264", frames=10)

    async def play(caller: Caller) -> None:
        for unit in packets(part):
            caller.say_rtp(*unit)
            caller.say(b"\x00\xffgarbage$RTSP$$\r\n")

    async with (
        running(Camera(sdp=sdp_of(part), play=play)) as camera,
        await opened(camera) as session,
    ):
        units = await take(session, 10)
        assert session.counters.garbage_bytes > 0

    assert [unit.data for unit in units] == [data for data, _ in expected(part)]


async def test_requests_of_the_camera_are_answered_with_no_and_disturb_nothing():
    part = clip("h264", frames=10)

    async def play(caller: Caller) -> None:
        first, *rest = packets(part)
        caller.say_rtp(*first)
        caller.say(b"OPTIONS rtsp://x/ RTSP/1.0\r\nCSeq: 7\r\n\r\n")
        for unit in rest:
            caller.say_rtp(*unit)

    async with (
        running(Camera(sdp=sdp_of(part), play=play)) as camera,
        await opened(camera) as session,
    ):
        assert len(await take(session, 10)) == 10


async def test_a_track_of_no_known_codec_is_not_playable_and_says_why():
    sdp = sdp_of(None, more="m=video 0 RTP/AVP 26\r\na=rtpmap:26 JPEG/90000\r\n")
    async with running(Camera(sdp=sdp)) as camera:
        with pytest.raises(NotPlayable, match="codec JPEG is not recorded"):
            await opened(camera)


def test_clips_are_large_enough_to_be_cut_into_pieces():
    assert max(len(join_lengths(unit)) for unit in clip("h264").units) > 1400
