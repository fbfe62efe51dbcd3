"""Each kind of misbehaviour does what it is called, and nothing of it remains afterwards."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise

import pytest
import pytest_asyncio

from simulators.cameras import SMALL, Camera, Cameras, Conduct, LiveCamera, Scheme
from tests.simulators.cameras.viewer import Packet, Viewer, ran, watch


@pytest_asyncio.fixture
async def camera() -> AsyncIterator[LiveCamera]:
    async with Cameras([Camera(name="gate", main=SMALL, sub=None, speed=4.0)]) as cameras:
        yield cameras["gate"]
        for live in cameras:
            live.conduct = Conduct()  # whatever it was: a camera can be good again
            numbers = [picture.number for picture in await watch(live.url, 3)]
            assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]


def sequences(packets: list[Packet]) -> list[int]:
    return [packet.sequence for packet in packets if packet.is_video]


def steps(packets: list[Packet]) -> list[int]:
    """How far timestamps go from picture to picture."""
    times = [packet.timestamp for packet in packets if packet.is_video and packet.ends_picture]
    return [(after - before + 2**31) % 2**32 - 2**31 for before, after in pairwise(times)]


@pytest.mark.parametrize(
    ("method", "status"),
    [("DESCRIBE", 503), ("DESCRIBE", 404), ("SETUP", 453), ("PLAY", 454), ("OPTIONS", 501)],
)
async def test_a_method_is_answered_with_any_status(
    camera: LiveCamera, method: str, status: int
) -> None:
    camera.conduct.answers = {method: status}
    async with Viewer(camera.url) as viewer:
        assert (await viewer.ask(method)).status == status
        assert camera.answers[status] == 1


async def test_a_storm_of_401_refuses_who_knows_the_word(camera: LiveCamera) -> None:
    camera.conduct.storm_401 = True
    async with Viewer(camera.url) as viewer:
        nonces = set()
        for _ in range(5):
            assert (await viewer.ask("DESCRIBE")).status == 401
            nonces.add(viewer.challenge["nonce"])
        assert len(nonces) == 5
        camera.conduct.storm_401 = False
        assert (await viewer.ask("DESCRIBE")).status == 200


async def test_a_nonce_that_wears_out_is_only_a_question_asked_again(camera: LiveCamera) -> None:
    camera.conduct.nonce_requests = 1
    async with Viewer(camera.url) as viewer:
        await viewer.welcome("DESCRIBE")
        refused = await viewer.ask("DESCRIBE")
        assert refused.status == 401
        assert 'stale="TRUE"' in refused.header("www-authenticate")
        assert (await viewer.ask("DESCRIBE")).status == 200


async def test_a_redirect_names_another_place(camera: LiveCamera) -> None:
    camera.conduct.redirect_to = "rtsp://127.0.0.1:9/elsewhere"
    async with Viewer(camera.url) as viewer:
        answer = await viewer.welcome("DESCRIBE")
        assert (answer.status, answer.header("location")) == (302, "rtsp://127.0.0.1:9/elsewhere")


async def test_a_description_can_be_huge_and_still_be_one(camera: LiveCamera) -> None:
    camera.conduct.sdp_padding_bytes = 300_000
    async with Viewer(camera.url) as viewer:
        body = (await viewer.welcome("DESCRIBE")).body
        assert len(body) > 300_000
        assert body.rstrip().endswith(b"a=control:trackID=0")


@pytest.mark.parametrize("wrong", [-10, 500])
async def test_a_content_length_can_be_wrong(camera: LiveCamera, wrong: int) -> None:
    async with Viewer(camera.url) as viewer:
        right = len((await viewer.welcome("DESCRIBE")).body)
        camera.conduct.wrong_length = wrong
        viewer.writer.write(
            f"DESCRIBE {viewer.base} RTSP/1.0\r\nCSeq: 9\r\n"
            f"Authorization: {viewer._authorization('DESCRIBE', viewer.base)}\r\n\r\n".encode()
        )
        head = (await viewer.reader.readuntil(b"\r\n\r\n")).decode()
        assert f"Content-Length: {right + wrong}\r\n" in head
        assert (await viewer.reader.readexactly(right)).startswith(b"v=0")


async def test_an_answer_can_come_byte_by_byte(camera: LiveCamera) -> None:
    camera.conduct.drip_s = 0.001
    async with Viewer(camera.url) as viewer:
        begun_s = asyncio.get_running_loop().time()
        answer = await viewer.welcome("DESCRIBE")
        assert answer.status == 200
        took_s = asyncio.get_running_loop().time() - begun_s
        assert took_s >= 0.001 * len(answer.body)


async def test_a_mute_camera_reads_and_does_not_answer(camera: LiveCamera) -> None:
    camera.conduct.mute = True
    async with Viewer(camera.url) as viewer:
        viewer.writer.write(f"OPTIONS {viewer.base} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        await camera.until(lambda _: camera.requests["OPTIONS"] == 1)
        camera.conduct.mute = False
        viewer.count = 1
        assert (await viewer.ask("OPTIONS")).status == 200  # and not two answers
        assert sum(camera.answers.values()) == 1


async def test_a_stall_accepts_play_and_sends_nothing(camera: LiveCamera) -> None:
    camera.conduct.stall = True
    async with Viewer(camera.url) as viewer:
        assert (await viewer.play()).status == 200
        begin = camera.number_now()
        await camera.until(lambda _: camera.playing_count == 1)
        while camera.number_now() < begin + 2 * SMALL.group:
            assert (await viewer.ask("OPTIONS")).status == 200
        assert viewer.early == []
        assert camera.runs[0].first is None
        camera.conduct.stall = False
        await viewer.pictures(2)
        first = camera.runs[0].first
        assert first is not None
        assert first > begin + 2 * SMALL.group
        assert first % SMALL.group == 0


async def test_a_stall_in_mid_stream_loses_what_it_did_not_send(camera: LiveCamera) -> None:
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        packets = [packet for picture in await viewer.pictures(3) for packet in picture]
        camera.conduct.stall = True
        stalled_at = camera.number_now()
        while camera.number_now() < stalled_at + SMALL.group:
            await viewer.ask("OPTIONS")
        camera.conduct.stall = False
        (run,) = camera.runs
        await camera.until(
            lambda _: bool(run.lost) and run.last is not None and run.last > max(run.lost)
        )
        count = len(run.numbers()) - 3
        packets += [packet for picture in await viewer.pictures(count) for packet in picture]
        numbers = run.numbers()[: 3 + count]
        wanted = [3600 * (after - before) for before, after in pairwise(numbers)]
        assert steps(packets) == wanted
        assert max(wanted) > 3600


async def test_death_in_mid_stream_resets_the_connection(camera: LiveCamera) -> None:
    camera.conduct.die_after = 7
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        await camera.until(ran(camera, "died"))
        assert len(camera.runs[0].numbers()) == 7
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await viewer.until(lambda _: False)


async def test_clients_that_come_again_at_once_make_a_reconnect_storm(camera: LiveCamera) -> None:
    camera.conduct.die_after = 1
    for _ in range(20):
        async with Viewer(camera.url) as viewer:
            await viewer.play()
            await viewer.rest()
    assert [run.ended for run in camera.runs] == ["died"] * 20
    await camera.until(lambda _: camera.open_count == 0)
    assert camera.connection_count == 20


async def test_a_polite_end_says_goodbye_first(camera: LiveCamera) -> None:
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        await viewer.pictures(2)
        await camera.hang_up(polite=True)
        with pytest.raises(asyncio.IncompleteReadError):
            await viewer.until(lambda _: False)
        assert viewer.last.channel == 1
        assert viewer.last.data[9] == 203


async def test_garbage_comes_between_frames_and_good_frames_follow(camera: LiveCamera) -> None:
    camera.conduct.garbage_rate, camera.conduct.garbage_bytes = 1.0, 300
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        with pytest.raises(AssertionError, match="framing is lost"):
            await viewer.pictures(3)
        camera.conduct.garbage_rate = 0.0
    seen = await watch(camera.url, 5)
    assert [picture.number - seen[0].number for picture in seen] == [0, 1, 2, 3, 4]


async def test_a_cut_packet_loses_the_framing(camera: LiveCamera) -> None:
    camera.conduct.truncate_rate = 1.0
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        with pytest.raises(AssertionError, match="framing is lost"):
            await viewer.pictures(20)
        assert camera.runs[0].numbers() == []


async def test_lost_packets_leave_holes_that_are_written_down(camera: LiveCamera) -> None:
    camera.conduct.lost_rate = 0.1
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        (run,) = camera.runs
        await camera.until(lambda _: len(run.lost) >= 5 and len(run.numbers()) >= 5)
        camera.conduct.lost_rate = 0.0
        last = run.last
        await camera.until(
            lambda _: run.last is not None and last is not None and run.last > last + 2
        )
        await viewer.ask("TEARDOWN")
        found = sequences(viewer.early)
        missing = sum((after - before) % 65536 - 1 for before, after in pairwise(found))
        assert missing >= len(run.lost) - 1  # the very first packet may be one of them
        assert len(set(found)) == len(found)


async def test_swapped_packets_all_arrive_in_another_order(camera: LiveCamera) -> None:
    camera.conduct.swapped_rate = 0.5
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        packets = await viewer.until(lambda one: one.sequence % 100 == 99)
        packets += [packet for picture in await viewer.pictures(40) for packet in picture]
        found = sequences(packets)
        turned = [(after - before) % 65536 for before, after in pairwise(found)]
        assert any(step > 32768 for step in turned)
        assert len(set(found)) == len(found)
        assert camera.runs[0].lost == set()


async def test_doubled_packets_come_twice_with_the_same_number(camera: LiveCamera) -> None:
    camera.conduct.doubled_rate = 1.0
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        packets = [packet for picture in await viewer.pictures(4) for packet in picture]
        found = sequences(packets)
        assert found[:-1:2] == found[1::2]


@pytest.mark.parametrize("seconds", [3600.0, -3600.0, 0.5])
async def test_timestamps_jump_once_and_stay_there(camera: LiveCamera, seconds: float) -> None:
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        packets = [packet for picture in await viewer.pictures(3) for packet in picture]
        camera.jump(seconds)
        packets += [packet for picture in await viewer.pictures(10) for packet in picture]
        jumps = [step for step in steps(packets) if step != 3600]
        assert jumps == [3600 + int(seconds * 90_000)]


async def test_absurd_and_frozen_timestamps_are_what_they_are_called(camera: LiveCamera) -> None:
    camera.conduct.absurd_rate = 1.0
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        packets = [packet for picture in await viewer.pictures(20) for packet in picture]
        assert len(set(steps(packets))) == 19
        camera.conduct = Conduct(frozen_timestamps=True)
        packets = [packet for picture in await viewer.pictures(20) for packet in picture]
        assert steps(packets)[-5:] == [0] * 5


async def test_a_drifting_clock_is_told_by_its_reports_and_its_pictures() -> None:
    """300 ppm would take an hour to see; 200,000 take the same way and a second."""
    async with Cameras([Camera(name="fast", main=SMALL, sub=None)]) as cameras:
        camera = cameras["fast"]
        camera.media_s()
        camera.conduct.drift_ppm = 200_000.0
        loop = asyncio.get_running_loop()
        begun_s, begun_media_s = loop.time(), camera.media_s()
        first = camera.number_now()
        await watch(camera.url, 25)
        passed_s = loop.time() - begun_s
        gained_s = camera.media_s() - begun_media_s - passed_s
        assert gained_s == pytest.approx(0.2 * passed_s, rel=0.05)
        assert camera.number_now() - first == pytest.approx(1.2 * passed_s * SMALL.fps, abs=2)


async def test_a_stream_can_begin_in_the_middle_of_a_group(camera: LiveCamera) -> None:
    camera.conduct.start_mid_group = True
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        (first,) = await viewer.pictures(1)
        (run,) = camera.runs
        assert run.first is not None
        assert run.first % SMALL.group != 0
        assert all(packet.data[12] & 0x1F not in {5, 7, 8} for packet in first)


async def test_a_slow_drip_leaves_pictures_out_whole_and_keeps_the_framing() -> None:
    async with Cameras([Camera(name="slow", main=SMALL, sub=None, speed=30.0)]) as cameras:
        camera = cameras["slow"]
        camera.conduct.bytes_per_s = 40_000.0
        async with Viewer(camera.url) as viewer:
            await viewer.play()
            (run,) = camera.runs
            await camera.until(lambda _: len(run.lost) > 5)
            pictures = await viewer.pictures(10)
            assert all(len({one.timestamp for one in picture}) == 1 for picture in pictures)


async def test_a_lost_session_is_answered_454_and_can_be_made_again(camera: LiveCamera) -> None:
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        await viewer.pictures(2)
        camera.lose_sessions()
        assert camera.playing_count == 0
        assert (await viewer.ask("GET_PARAMETER")).status == 454
        assert (await viewer.ask("OPTIONS")).status == 454
        assert (await viewer.ask("TEARDOWN")).status == 454
        viewer.session = ""
        viewer.early.clear()
        await viewer.play()
        assert len(await viewer.pictures(2)) == 2
        assert camera.runs[0].ended == "session lost"


async def test_who_is_silent_for_too_long_is_shut_out_and_who_is_not_stays() -> None:
    settings = Camera(name="gate", main=SMALL, sub=None, session_timeout_s=1.0)
    async with Cameras([settings]) as cameras:
        camera = cameras["gate"]
        async with Viewer(camera.url) as silent, Viewer(camera.url) as alive:
            await silent.play()
            answer = await alive.play()
            assert answer.header("session").endswith(";timeout=1")
            done = asyncio.create_task(camera.until(lambda _: camera.runs[0].ended is not None))
            while not done.done():
                alive.writer.write(b"$\x01\x00\x08" + bytes([0x80, 201, 0, 1, 0, 0, 0, 1]))
                await alive.pictures(2)
            await done
            assert camera.runs[0].ended == "timed out"
            assert camera.runs[1].ended is None
            assert camera.client_report_count > 5
            await silent.rest()
            assert len(await alive.pictures(5)) == 5


async def test_a_client_that_reads_nothing_is_cut_off_at_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("simulators.cameras.playing.BUFFER_BYTES", 64 * 1024)
    async with Cameras([Camera(name="gate", main=SMALL, sub=None, speed=60.0)]) as cameras:
        camera = cameras["gate"]
        async with Viewer(camera.url) as viewer:
            await viewer.play()
            viewer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await camera.until(ran(camera, "too slow"), timeout_s=60)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("DESCRIBE", "/nowhere", {}, 404),
        ("SETUP", "/main/trackID=7", {"Transport": "RTP/AVP/TCP;interleaved=0-1"}, 404),
        ("SETUP", "/main/trackID=1", {"Transport": "RTP/AVP/TCP;interleaved=0-1"}, 404),
        ("SETUP", "/main/trackID=0", {"Transport": "RTP/AVP;unicast;client_port=1-2"}, 461),
        ("PLAY", "/main", {}, 454),
        ("GET_PARAMETER", "/main", {"Session": "DEADBEEF"}, 454),
        ("ANNOUNCE", "/main", {}, 501),
    ],
)
async def test_wrong_requests_are_answered_as_the_rfc_says(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    settings = Camera(name="gate", main=SMALL, sub=None, scheme=Scheme.NONE)
    async with Cameras([settings]) as cameras:
        camera = cameras["gate"]
        async with Viewer(camera.url) as viewer:
            where = f"rtsp://127.0.0.1:{camera.port}{path}"
            assert (await viewer.ask(method, where, **headers)).status == status


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\r\n\r\n", b"x" * 100_000])
async def test_who_speaks_something_else_is_hung_up_on(camera: LiveCamera, said: bytes) -> None:
    async with Viewer(camera.url) as viewer:
        viewer.writer.write(said)
        assert await viewer.rest() == b""


async def test_no_request_however_odd_upsets_the_camera() -> None:
    settings = Camera(name="gate", main=SMALL, sub=None, scheme=Scheme.NONE)
    async with Cameras([settings]) as cameras:
        camera = cameras["gate"]
        upset: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: upset.append(context))
        dice = random.Random(7)
        base = f"127.0.0.1:{camera.port}/main"
        good = (
            f"SETUP rtsp://{base}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 3\r\n"
            "Transport: RTP/AVP/TCP;interleaved=0-1\r\nSession: 1;x\r\n"
            'Authorization: Digest username="a", nonce="b", uri="c", response="d"\r\n\r\nabc'
        ).encode()
        odd = [
            b"SETUP rtsp://[::1/main RTSP/1.0\r\n\r\n",
            b"SETUP * RTSP/1.0\r\nTransport: RTP/AVP/TCP;interleaved=\xb2-3\r\n\r\n",
            "PLAY / RTSP/1.0\r\nContent-Length: ²\r\n\r\n".encode(),
            b"DESCRIBE x RTSP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"OPTIONS \r\n\r\n",
            b"$\x00\xff\xff",
        ]
        for _ in range(150):
            mutant = bytearray(good)
            for _ in range(dice.randrange(1, 6)):
                mutant[dice.randrange(len(mutant))] = dice.randrange(256)
            odd.append(bytes(mutant))
        for said in odd:
            async with Viewer(camera.url) as viewer:
                viewer.writer.write(said)
                viewer.writer.write_eof()
                await viewer.rest()
        await camera.until(lambda _: camera.open_count == 0)
        assert upset == []


async def test_small_units_may_share_a_packet(camera: LiveCamera) -> None:
    camera.conduct.gather = True
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        (key,) = await viewer.pictures(1)
        assert key[0].data[12] & 0x1F == 24
    async with Cameras([Camera(sub=None, main=replace(SMALL, codec="h265"), speed=4.0)]) as others:
        others["camera"].conduct.gather = True
        async with Viewer(others["camera"].url) as viewer:
            await viewer.play()
            (key,) = await viewer.pictures(1)
            assert key[0].data[12] >> 1 & 0x3F == 48
        for url in (camera.url, others["camera"].url):
            seen = await watch(url, 25)
            assert [picture.number - seen[0].number for picture in seen] == list(range(25))


async def test_a_teardown_ends_the_stream_and_not_the_connection(camera: LiveCamera) -> None:
    async with Viewer(camera.url) as viewer:
        await viewer.play()
        await viewer.pictures(1)
        assert (await viewer.ask("TEARDOWN")).status == 200
        assert camera.runs[0].ended == "teardown"
        viewer.session = ""
        assert (await viewer.ask("OPTIONS")).status == 200
