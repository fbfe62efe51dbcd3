"""One camera's HTTP: accounts, clocks, faults and traps."""

import asyncio
import hashlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.clock import SystemClock
from gateway.errors import LinkDown
from gateway.links.onvif import names
from gateway.links.onvif.connection import Connection
from gateway.links.onvif.device import information, services
from gateway.links.onvif.errors import Fault, Refused, Unreadable
from gateway.links.onvif.media import choose, read_profiles, streams
from gateway.links.onvif.settings import OnvifSettings
from gateway.links.onvif.soap import read_answer, read_time, username_token, written_time
from gateway.links.onvif.xml import parse
from simulators.onvif import Conduct, OnvifCamera, Stream


@asynccontextmanager
async def asking(
    camera: OnvifCamera, password: str | None = None, timeout_s: float = 30.0
) -> AsyncIterator[Connection]:
    settings = OnvifSettings(
        url=camera.url,
        username=camera.account.user,
        password=password or camera.account.password,
        timeout_s=timeout_s,
    )
    async with Connection(settings, SystemClock()) as connection:
        yield connection


def test_the_digest_is_that_of_a_known_token() -> None:
    token = username_token(
        "u", "userpassword", b64decode("LKqI6G/AikKCQrN0zqZFlg=="), "2010-09-16T07:50:45Z"
    )
    assert ">tuOSpGlFlIXsozq4HFNeeGeFLEI=<" in token
    assert b64encode(hashlib.sha1(b"").digest()).decode() not in token


def test_times_are_written_with_a_z_and_read_with_or_without_a_zone() -> None:
    assert written_time(1_795_241_133_123_456_789) == "2026-11-21T06:05:33.123Z"
    assert read_time("2026-11-21T14:05:33+08:00") == 1_795_241_133 * 10**9
    assert read_time("2026-11-21T06:05:33") == 1_795_241_133 * 10**9
    for text in ("", "yesterday", "9999-99-99T00:00:00Z", "0001-01-01T00:00:00+14:00"):
        assert read_time(text) is None or isinstance(read_time(text), int)


@pytest.mark.parametrize("auth", ["token", "digest", "both"])
@pytest.mark.parametrize("ahead_s", [0, 28_800, -86_400])
async def test_an_account_is_believed_whatever_the_way_and_the_clock(
    auth: str, ahead_s: float
) -> None:
    conduct = Conduct(auth=auth, clock_ahead_s=ahead_s)
    async with OnvifCamera(conduct=conduct) as camera, asking(camera) as connection:
        # Nothing is known of its clock: the first refusal has it measured.
        assert (await information(connection)).model == "SIM-1"
        if auth == "token" and ahead_s:
            assert connection.offset_ns is not None
            assert abs(connection.offset_ns / 1e9 - ahead_s) < 5


@pytest.mark.parametrize("auth", ["token", "digest", "both"])
async def test_a_wrong_password_is_tried_as_seldom_as_can_be(auth: str) -> None:
    async with OnvifCamera(conduct=Conduct(auth=auth)) as camera:
        async with asking(camera, "guess") as connection:
            with pytest.raises(Refused, match="用户名或密码"):
                await information(connection)
        assert sum(camera.refused.values()) <= 2


async def test_a_nonce_that_grew_old_without_a_word_is_no_refusal() -> None:
    async with (
        OnvifCamera(conduct=Conduct(auth="digest", nonce_uses=1)) as camera,
        asking(camera) as connection,
    ):
        for _ in range(4):
            assert (await information(connection)).model == "SIM-1"


async def test_a_camera_that_guards_its_clock_gets_a_digest_for_it() -> None:
    conduct = Conduct(auth="digest", guarded_clock=True, clock_ahead_s=500)
    async with OnvifCamera(conduct=conduct) as camera, asking(camera) as connection:
        offset = await connection.measure()
        assert offset is not None
        assert abs(offset / 1e9 - 500) < 5


async def test_a_camera_without_the_new_question_is_asked_the_old_one() -> None:
    conduct = Conduct(get_services=False, said_host="10.9.8.7")
    async with OnvifCamera(conduct=conduct) as camera, asking(camera) as connection:
        found = await services(connection)
        assert found.urls[names.EVENTS] == f"http://127.0.0.1:{camera.port}/onvif/events"
        assert len(found.moved) == 3


@pytest.mark.parametrize("media2", [True, False])
async def test_both_media_services_lead_to_the_same_streams(media2: bool) -> None:
    two = [
        Stream("small", width=640, height=360, uri="rtsp://127.0.0.1/small"),
        Stream("large", width=2560, height=1440, uri="rtsp://10.0.0.1:8554/large"),
    ]
    async with OnvifCamera(streams=two, conduct=Conduct(media2=media2)) as camera:
        async with asking(camera) as connection:
            found = await streams(connection, await services(connection))
        assert (found.main, found.sub) == ("rtsp://127.0.0.1:8554/large", "rtsp://127.0.0.1/small")
        assert found.moved == "rtsp://10.0.0.1:8554/large"


def test_a_recorder_has_many_sources_and_the_narrow_ones_are_no_streams() -> None:
    element = parse(
        b"<r>"
        + b"".join(
            b'<Profiles token="%s"><VideoSourceConfiguration><SourceToken>%s</SourceToken>'
            b"</VideoSourceConfiguration><VideoEncoderConfiguration><Encoding>%s</Encoding>"
            b"<Resolution><Width>%d</Width><Height>%d</Height></Resolution>"
            b"</VideoEncoderConfiguration></Profiles>" % each
            for each in [
                (b"a1", b"v1", b"H264", 1920, 1080),
                (b"a2", b"v1", b"H264", 176, 144),
                (b"b1", b"v2", b"H264", 1280, 720),
                (b"b2", b"v2", b"JPEG", 640, 360),
                (b"b3", b"v2", b"H264", 352, 288),
                (b"", b"v3", b"H264", 352, 288),
            ]
        )
        + b'<Profiles token="odd"/></r>'
    )
    profiles = read_profiles(element)
    main, sub = choose(profiles, 1, "cam")
    assert (main.token, sub) == ("a1", None)
    main, sub = choose(profiles, 2, "cam")
    assert (main.token, sub and sub.token) == ("b1", "b3")


@pytest.mark.parametrize(
    ("garbage", "error"),
    [
        (b"<html/>", Unreadable),
        (b"", Unreadable),
        (b"x" * 5_000_000, Unreadable),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', Unreadable),
        (b"<e:Envelope xmlns:e='x'><e:Body/></e:Envelope>", Unreadable),
    ],
    ids=["html", "nothing", "huge", "document type", "no body"],
)
async def test_garbage_is_an_error_that_says_so(garbage: bytes, error: type[LinkDown]) -> None:
    async with (
        OnvifCamera(conduct=Conduct(garbage=garbage)) as camera,
        asking(camera) as connection,
    ):
        with pytest.raises(error, match="稍后重试"):
            await connection.measure()


async def test_a_camera_that_does_not_answer_is_given_up_in_time() -> None:
    async with (
        OnvifCamera(conduct=Conduct(slow_s=60.0)) as camera,
        asking(camera, timeout_s=0.2) as connection,
    ):
        with pytest.raises(LinkDown, match="没有及时回答"):
            await connection.measure()


async def test_a_camera_that_drips_is_given_up_in_time() -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        except OSError:
            writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        settings = OnvifSettings(url=f"http://127.0.0.1:{port}/onvif/x", timeout_s=0.5)
        async with Connection(settings, SystemClock()) as connection:
            with pytest.raises(LinkDown, match="没有及时回答"):
                await connection.measure()


async def test_a_redirect_is_not_followed_and_a_compressed_answer_not_unpacked() -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        port = writer.get_extra_info("sockname")[1]
        if len(asked) == 1:
            writer.write(
                b"HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:%d/y\r\nContent-Length: 0\r\n\r\n"
                % port
            )
        else:
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"
                b"\x1f\x8b\x08\x00"
            )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        settings = OnvifSettings(url=f"http://127.0.0.1:{port}/onvif/x", timeout_s=30)
        async with Connection(settings, SystemClock()) as connection:
            for _ in range(2):
                with pytest.raises(LinkDown):
                    await connection.measure()
    assert len(asked) == 2


def test_a_fault_of_either_soap_says_what_the_camera_said_and_no_more() -> None:
    old = (
        b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault>'
        b"<faultcode>e:Client</faultcode><faultstring>no\x0a\x09such "
        + b"x" * 1000
        + b"</faultstring></e:Fault></e:Body></e:Envelope>"
    )
    with pytest.raises(Fault) as caught:
        read_answer(old, "cam", 500)
    assert caught.value.codes == ("Client",)
    assert len(str(caught.value)) < 500
    with pytest.raises(Fault):
        read_answer(b"not found", "cam", 404)
