"""HTTP/1.1 against peers that bend it: no bytes of theirs become a receipt that was not given."""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UplinkRejected, UplinkUnavailable
from gateway.uplink import MAX_ANSWER_BYTES, Receipt
from gateway.uplinks.http import wire
from gateway.uplinks.http.answer import Answer
from gateway.uplinks.http.reading import UNREADABLE, Reader, read_answer
from tests.uplinks.conftest import raw_server, server_tls
from tests.uplinks.http.conftest import Make, parcel, receiver
from tests.uplinks.http.test_sending import read_request

pytestmark = pytest.mark.usefixtures("no_task_left_behind")


async def read(data: bytes, *, piece_bytes: int = 1 << 20) -> tuple[Answer, bool]:
    reader = Reader()
    for at in range(0, len(data), piece_bytes):
        reader.feed_data(data[at : at + piece_bytes])
    reader.feed_eof()
    answer, keep = await read_answer(reader)
    return answer, keep and reader.is_empty


ENDED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "body", "keep"),
    [
        (ENDED, b"{}", True),
        (b"HTTP/1.1 204\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", b"{}", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", b"", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", b"", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + ENDED, b"{}", True),
        (CHUNKED + b"1\r\n{\r\n1;x=y\r\n}\r\n0\r\nTrailer: 1\r\n\r\n", b"{}", True),
        (ENDED + b"HTTP/1.1", b"{}", False),
    ],
)
async def test_an_answer_ends_where_it_says(data: bytes, body: bytes, keep: bool) -> None:
    for piece_bytes in (1 << 20, 1, 7):
        answer, kept = await read(data, piece_bytes=piece_bytes)
        assert (answer.body, answer.complete, kept) == (body, True, keep)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        CHUNKED + b"2\r\n{}",
        CHUNKED + b"2\r\n{}xx",
        CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"zz\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    ],
)
async def test_what_ends_early_or_is_no_http_is_an_error(data: bytes) -> None:
    with pytest.raises(UNREADABLE):
        await read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 200_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b" " * 200_000,
        CHUNKED + b"10000\r\n" + b" " * 65536 + b"\r\n10000\r\n" + b" " * 65536,
        CHUNKED + b"ffffffff\r\n" + b" " * 200_000,
    ],
)
async def test_a_body_beyond_the_bound_is_cut_and_said_to_be(data: bytes) -> None:
    answer, keep = await read(data)
    assert not answer.complete
    assert not keep
    assert len(answer.body) <= MAX_ANSWER_BYTES


async def test_both_framings_at_once_end_the_connection() -> None:
    data = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n") + b"0\r\n\r\n"
    answer, keep = await read(data)
    assert (answer.body, keep) == (b"", False)


answers = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from(
            [
                b"HTTP/1.1 200 OK\r\n",
                b"HTTP/1.1 503 x\r\n",
                b"Content-Length: 2\r\n",
                b"\r\n",
                b"{}",
                b"Transfer-Encoding: chunked\r\n",
                b"2\r\n{}\r\n",
                b"0\r\n",
                b"Connection: close\r\n",
            ]
        ),
        max_size=9,
    ).map(b"".join),
)


@given(answers, st.integers(1, 20))
def test_any_bytes_are_an_answer_or_an_expected_error_however_they_are_cut(
    data: bytes, piece_bytes: int
) -> None:
    async def outcome(piece_bytes: int) -> Any:
        with suppress(*UNREADABLE):
            return await read(data, piece_bytes=piece_bytes)
        return None

    assert asyncio.run(outcome(1 << 20)) == asyncio.run(outcome(piece_bytes))


async def test_an_answer_too_many_is_not_the_receipt_of_the_next_record(make: Make) -> None:
    got: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await read_request(reader))
        if b"0197-1" in got[-1]:
            writer.write(ENDED + ENDED)
        else:
            writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with raw_server(speak) as port:
        uplink = make(url=f"http://127.0.0.1:{port}/")
        assert await uplink.deliver([parcel(1)]) == [Receipt()]
        [second] = await uplink.deliver([parcel(2)])
    assert isinstance(second, UplinkUnavailable)
    assert got == [parcel(1).body, parcel(2).body]


async def test_an_answer_nobody_asked_for_is_not_the_receipt_of_the_next_record(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, heard = asyncio.Event(), asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"0197-2" in await read_request(reader):
            writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(ENDED)
            await go_on.wait()
            writer.write(ENDED)
        await reader.read()

    async with raw_server(speak) as port:
        uplink = make(url=f"http://127.0.0.1:{port}/")
        assert await uplink.deliver([parcel(1)]) == [Receipt()]
        idle = uplink._wire._idle[0].reader

        def feed(data: bytes) -> None:
            Reader.feed_data(idle, data)
            heard.set()

        monkeypatch.setattr(idle, "feed_data", feed)
        go_on.set()
        await heard.wait()
        [second] = await uplink.deliver([parcel(2)])
    assert isinstance(second, UplinkUnavailable)


async def test_a_receiver_that_never_reads_costs_only_its_own_time(make: Make) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    big = [parcel(n, is_alarm=False, body=b'"' + b"x" * 19_000 + b'"') for n in range(26)]
    async with raw_server(speak) as port:
        uplink = make(url=f"http://127.0.0.1:{port}/", batch=500, total_timeout_s=0.3)
        outcomes = await uplink.deliver(big)
    assert {type(one) for one in outcomes} == {UplinkUnavailable}


async def test_a_refusal_before_the_body_was_taken_is_heard(make: Make) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with raw_server(speak) as port:
        [outcome] = await make(url=f"http://127.0.0.1:{port}/").deliver([parcel()])
    assert isinstance(outcome, UplinkRejected)


async def test_https_goes_through_a_proxy_as_a_tunnel(make: Make, pem: Path) -> None:
    asked: list[bytes] = []

    async with receiver(tls=server_tls(pem / "server.pem")) as peer:
        peer_port = int(peer.url.split(":")[2].split("/")[0])

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", peer_port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

            async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                while data := await source.read(65536):
                    sink.write(data)

            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(pump(reader, far_writer))
                    group.create_task(pump(far_reader, writer))
            finally:
                far_writer.transport.abort()

        async with raw_server(tunnel) as port:
            uplink = make(
                url=peer.url.replace("127.0.0.1", "localhost"),
                ca="pem/ca.pem",
                proxy=f"http://127.0.0.1:{port}",
            )
            assert await uplink.deliver([parcel(1)]) == [Receipt()]
            assert await uplink.deliver([parcel(2)]) == [Receipt()]
    assert asked == [f"CONNECT localhost:{peer_port} HTTP/1.1".encode()]
    assert len(peer.bodies) == 2


async def test_a_proxy_that_refuses_is_tried_again(make: Make) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        await reader.read()

    async with raw_server(refuse) as port:
        uplink = make(url="https://peer.invalid/", proxy=f"http://127.0.0.1:{port}")
        [outcome] = await uplink.deliver([parcel()])
    assert isinstance(outcome, UplinkUnavailable)
    assert "407" in str(outcome)


def names(monkeypatch: pytest.MonkeyPatch, answers: list[list[str] | OSError]) -> list[str]:
    """Let the name server answer these, one look-up after the other; returns who was asked for."""
    asked: list[str] = []

    def look_up(host: str, port: int) -> list[str]:
        asked.append(host)
        answer = answers[min(len(asked), len(answers)) - 1]
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(wire, "_look_up", look_up)
    return asked


async def test_a_dead_first_address_is_survived_and_then_tried_last(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = names(monkeypatch, [["127.0.0.2", "127.0.0.1"]])  # the receiver listens on the second
    async with receiver() as peer:
        uplink = make(url=peer.url.replace("127.0.0.1", "localhost"))
        assert await uplink.deliver([parcel()]) == [Receipt()]
        assert uplink._wire._addresses == ["127.0.0.1", "127.0.0.2"]
    assert asked == ["localhost"]


async def test_when_the_name_server_is_gone_the_last_address_still_gets_alarms(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = names(monkeypatch, [["127.0.0.1"], socket.gaierror("no name server")])
    monkeypatch.setattr(wire, "ADDRESSES_KEPT_S", 0.0)
    monkeypatch.setattr(wire, "IDLE_S", 0.0)  # each record connects anew
    async with receiver() as peer:
        uplink = make(url=peer.url.replace("127.0.0.1", "localhost"))
        assert await uplink.deliver([parcel(1)]) == [Receipt()]
        assert await uplink.deliver([parcel(2)]) == [Receipt()]
    assert len(asked) == 2
    assert len(peer.peers) == 2


async def test_a_name_is_asked_for_once_however_many_records_wait(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = names(monkeypatch, [["127.0.0.1"]])
    async with receiver() as peer:
        uplink = make(url=peer.url.replace("127.0.0.1", "localhost"))
        await asyncio.gather(*(uplink.deliver([parcel(n)]) for n in range(20)))
    assert len(asked) == 1
    assert len(peer.bodies) == 20
