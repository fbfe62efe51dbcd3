"""Real requests over loopback: what goes out, what comes back, and who must not be believed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from gateway.errors import UplinkRejected, UplinkUnavailable
from gateway.uplink import MAX_ANSWER_BYTES, Outcome, Receipt, find_uplink
from simulators.ports import free_port
from tests.uplinks.conftest import raw_server, server_tls
from tests.uplinks.http.conftest import SECRET, Make, answering, parcel, receiver

pytestmark = pytest.mark.usefixtures("no_task_left_behind")


def unavailable(outcome: Outcome) -> UplinkUnavailable:
    assert isinstance(outcome, UplinkUnavailable), outcome
    return outcome


def rejected(outcome: Outcome) -> UplinkRejected:
    assert isinstance(outcome, UplinkRejected), outcome
    return outcome


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    return await reader.readexactly(length)


async def test_the_folder_is_found_by_its_name(make: Make) -> None:
    assert find_uplink("http").Uplink is type(make(url="http://127.0.0.1:1/"))


async def test_the_record_arrives_byte_for_byte_and_its_signature_verifies(make: Make) -> None:
    async with receiver() as peer:
        sent = parcel()
        assert await make(url=peer.url).deliver([sent]) == [Receipt(state="received")]
    assert peer.bodies == [sent.body]
    headers = peer.headers[0]
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert headers["webhook-id"] == headers["Idempotency-Key"] == sent.id
    assert "Campus-Late-Seconds" not in headers
    assert Webhook(SECRET).verify(peer.bodies[0], headers) == json.loads(sent.body)


async def test_each_attempt_has_the_same_bytes_and_the_same_id(make: Make) -> None:
    async with receiver(answering(503)) as peer:
        uplink = make(url=peer.url)
        first, second = parcel(), parcel(late_s=130)
        unavailable((await uplink.deliver([first]))[0])
        unavailable((await uplink.deliver([second]))[0])
    assert peer.bodies[0] == peer.bodies[1]
    assert peer.headers[0]["webhook-id"] == peer.headers[1]["webhook-id"]
    assert peer.headers[1]["Campus-Late-Seconds"] == "130"


async def test_what_the_receiver_says_in_json_comes_back_as_the_receipt(make: Make) -> None:
    reply = answering(202, b'{"id": "0197-1", "receipt": "110-42", "state": "accepted"}')
    async with receiver(reply) as peer:
        outcomes = await make(url=peer.url, receipt="body").deliver([parcel()])
    assert outcomes == [Receipt(state="accepted", reference="110-42")]


async def test_retry_after_is_passed_on(make: Make) -> None:
    async with receiver(answering(429, Retry_After="7")) as peer:
        outcomes = await make(url=peer.url).deliver([parcel()])
    assert unavailable(outcomes[0]).retry_after_s == 7.0


async def test_a_login_page_is_no_receipt(make: Make) -> None:
    async with receiver(answering(200, b"<html>Please log in</html>")) as peer:
        outcomes = await make(url=peer.url).deliver([parcel()])
    assert "Please log in" in str(rejected(outcomes[0]))


async def test_a_redirect_is_not_followed(make: Make) -> None:
    async with receiver() as elsewhere:
        async with receiver(answering(307, Location=elsewhere.url)) as peer:
            outcomes = await make(url=peer.url).deliver([parcel()])
        rejected(outcomes[0])
        assert elsewhere.bodies == []


async def test_the_receipt_of_another_record_is_no_receipt(make: Make) -> None:
    async with receiver(answering(200, b'{"id": "0197-9"}')) as peer:
        rejected((await make(url=peer.url).deliver([parcel()]))[0])


async def test_an_endless_answer_is_cut_off_and_no_receipt(make: Make) -> None:
    written_bytes = 0

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written_bytes
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            writer.write(b" " * 65536)
            written_bytes += 65536
            await writer.drain()

    async with raw_server(speak) as port:
        outcomes = await make(url=f"http://127.0.0.1:{port}/").deliver([parcel()])
    assert "endless" in str(rejected(outcomes[0]))
    assert written_bytes < 64 * MAX_ANSWER_BYTES


async def test_an_answer_that_never_comes_ends_in_time_and_is_tried_again(make: Make) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(speak) as port:
        uplink = make(url=f"http://127.0.0.1:{port}/", total_timeout_s=1.0)
        outcomes = await uplink.deliver([parcel(1), parcel(2)])
    assert ["no answer within 1 s" in str(unavailable(one)) for one in outcomes] == [True, True]


async def test_a_receipt_whose_body_trickles_past_the_time_is_tried_again(make: Make) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
        await reader.read()

    async with raw_server(speak) as port:
        uplink = make(url=f"http://127.0.0.1:{port}/", total_timeout_s=0.3)
        unavailable((await uplink.deliver([parcel()]))[0])


async def test_a_refusal_counts_though_its_body_never_ends(make: Make) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\nno such")
        await reader.read()

    async with raw_server(speak) as port:
        rejected((await make(url=f"http://127.0.0.1:{port}/").deliver([parcel()]))[0])


async def test_a_connection_reset_before_the_answer_is_tried_again(make: Make) -> None:
    seen: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.transport.abort()

    async with raw_server(speak) as port:
        unavailable((await make(url=f"http://127.0.0.1:{port}/").deliver([parcel()]))[0])
    assert seen == [parcel().body]


async def test_a_kept_connection_that_died_meanwhile_costs_nothing(make: Make) -> None:
    connections = 0

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await reader.readexactly(1)  # the next request begins to arrive: too late for us

    async with raw_server(speak) as port:
        uplink = make(url=f"http://127.0.0.1:{port}/")
        assert await uplink.deliver([parcel(1)]) == [Receipt()]
        assert await uplink.deliver([parcel(2)]) == [Receipt()]
    assert connections == 2


@pytest.mark.parametrize(
    "answer",
    [b"\x00\xff\x00 rubbish\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: no\r\n\r\n", b""],
)
async def test_what_is_no_http_is_tried_again(make: Make, answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    async with raw_server(speak) as port:
        url = f"http://127.0.0.1:{port}/?token=hunter2"
        outcomes = await make(url=url).deliver([parcel()])
    assert "hunter2" not in str(unavailable(outcomes[0]))


async def test_nobody_listening_is_tried_again(make: Make) -> None:
    outcomes = await make(url=f"http://127.0.0.1:{free_port()}/?token=hunter2").deliver([parcel()])
    assert "hunter2" not in str(unavailable(outcomes[0]))


async def test_a_name_that_does_not_resolve_is_tried_again(make: Make) -> None:
    unavailable((await make(url="https://nowhere.invalid/").deliver([parcel()]))[0])


async def test_tls_is_verified_against_the_given_authority(make: Make, pem: Path) -> None:
    async with receiver(tls=server_tls(pem / "server.pem")) as peer:
        assert await make(url=peer.url, ca="pem/ca.pem").deliver([parcel()]) == [Receipt()]
        other = make(url=peer.url, ca="pem/other-ca.pem")
        unavailable((await other.deliver([parcel()]))[0])
        unavailable((await make(url=peer.url).deliver([parcel()]))[0])
    assert len(peer.bodies) == 1


async def test_a_certificate_for_another_name_gets_no_record(make: Make, pem: Path) -> None:
    async with receiver(tls=server_tls(pem / "client.pem")) as peer:
        unavailable((await make(url=peer.url, ca="pem/ca.pem").deliver([parcel()]))[0])
    assert peer.bodies == []


async def test_our_own_certificate_opens_a_receiver_that_demands_one(make: Make, pem: Path) -> None:
    tls = server_tls(pem / "server.pem", clients_of=pem / "ca.pem")
    async with receiver(tls=tls) as peer:
        unavailable((await make(url=peer.url, ca="pem/ca.pem").deliver([parcel()]))[0])
        known = make(url=peer.url, ca="pem/ca.pem", cert="pem/client.pem")
        assert await known.deliver([parcel()]) == [Receipt()]
    assert len(peer.bodies) == 1


async def test_a_proxy_of_the_environment_is_not_used(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiver() as proxy, receiver() as peer:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert await make(url=peer.url).deliver([parcel()]) == [Receipt()]
        assert (len(proxy.bodies), len(peer.bodies)) == (0, 1)


async def test_a_proxy_of_the_options_is_used(make: Make) -> None:
    async with receiver() as proxy:
        uplink = make(url="http://peer.invalid/alarms", allow_plain_http=True, proxy=proxy.url)
        assert await uplink.deliver([parcel()]) == [Receipt()]
    assert proxy.headers[0]["Host"] == "peer.invalid"


async def test_records_share_kept_connections_and_never_more_than_allowed(make: Make) -> None:
    async with receiver() as peer:
        uplink = make(url=peer.url, concurrency=3)
        every = await asyncio.gather(*(uplink.deliver([parcel(n)]) for n in range(60)))
    assert every == [[Receipt()]] * 60
    assert len(peer.bodies) == 60
    assert len(peer.peers) <= 3


async def test_cookies_of_the_receiver_are_not_kept(make: Make) -> None:
    async with receiver(answering(204, Set_Cookie="session=1; Path=/")) as peer:
        uplink = make(url=peer.url.replace("127.0.0.1", "localhost"))
        await uplink.deliver([parcel(1)])
        await uplink.deliver([parcel(2)])
    assert ["Cookie" in headers for headers in peer.headers] == [False, False]


async def test_a_hanging_receiver_costs_another_nothing(make: Make) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(speak) as port, receiver() as peer:
        dead, alive = make(url=f"http://127.0.0.1:{port}/"), make(url=peer.url)
        async with asyncio.TaskGroup() as group:
            stuck = [group.create_task(dead.deliver([parcel(n)])) for n in range(20)]
            assert await alive.deliver([parcel()]) == [Receipt()]
            assert not any(task.done() for task in stuck)
            for task in stuck:
                task.cancel()


def event(number: int, **changes: Any) -> Any:
    return parcel(number, type="campus.event.recorded.v1", is_alarm=False, **changes)


async def test_records_that_are_no_alarms_go_as_one_cloudevents_batch(make: Make) -> None:
    async with receiver() as peer:
        uplink = make(url=peer.url, batch=100)
        sent = [event(1), event(2, late_s=200), event(3, late_s=300)]
        assert await uplink.deliver(sent) == [Receipt()] * 3
        await uplink.deliver(sent)
    assert peer.headers[0]["Content-Type"] == "application/cloudevents-batch+json"
    assert peer.headers[0]["Campus-Late-Seconds"] == "300"
    assert [one["id"] for one in json.loads(peer.bodies[0])] == ["0197-1", "0197-2", "0197-3"]
    assert all(one.body in peer.bodies[0] for one in sent)
    assert Webhook(SECRET).verify(peer.bodies[0], peer.headers[0])
    assert peer.headers[0]["webhook-id"] == peer.headers[1]["webhook-id"]
    assert peer.bodies[0] == peer.bodies[1]


async def test_alarms_are_never_in_a_batch_and_the_order_stays(make: Make) -> None:
    async with receiver() as peer:
        uplink = make(url=peer.url, batch=2)
        await uplink.deliver([event(1), event(2), event(3), parcel(4), parcel(5), event(6)])
    kinds = [headers["Content-Type"].removeprefix("application/") for headers in peer.headers]
    one, many = "cloudevents+json", "cloudevents-batch+json"
    assert kinds == [many, one, one, one, one]


async def test_a_batch_is_cut_before_it_grows_too_large(make: Make) -> None:
    async with receiver() as peer:
        big = [event(n, body=json.dumps({"id": n, "x": "y" * 20_000}).encode()) for n in range(60)]
        assert await make(url=peer.url, batch=500).deliver(big) == [Receipt()] * 60
    assert len(peer.bodies) == 3
    assert max(map(len, peer.bodies)) <= 512 * 1024 + 1
    assert [one["id"] for body in peer.bodies for one in json.loads(body)] == list(range(60))


async def test_each_record_of_a_batch_has_its_own_outcome(make: Make) -> None:
    reply = answering(200, b'[{"id": "0197-2", "state": "rejected"}, {"id": "0197-1"}]')
    async with receiver(reply) as peer:
        outcomes = await make(url=peer.url, batch=9, receipt="body").deliver(
            [event(1), event(2), event(3)]
        )
    assert outcomes[:2] == [Receipt(), Receipt(state="rejected")]
    rejected(outcomes[2])


async def test_after_a_failure_the_records_behind_it_wait_so_that_the_order_stays(
    make: Make,
) -> None:
    async def reply(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(status=204 if b"0197-1" in body else 503)

    async with receiver(reply) as peer:
        outcomes = await make(url=peer.url).deliver([parcel(1), parcel(2), parcel(3)])
    assert outcomes[0] == Receipt()
    unavailable(outcomes[1])
    unavailable(outcomes[2])
    assert len(peer.bodies) == 2


async def test_one_bad_record_does_not_fail_its_neighbours(make: Make) -> None:
    async def reply(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(status=422 if b"0197-2" in body else 204)

    async with receiver(reply) as peer:
        outcomes = await make(url=peer.url).deliver([parcel(1), parcel(2), parcel(3)])
    assert (outcomes[0], outcomes[2]) == (Receipt(), Receipt())
    rejected(outcomes[1])


async def test_no_error_shows_the_secret(make: Make) -> None:
    async def echo(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(status=400, text=str(dict(request.headers)))

    async with receiver(echo) as peer:
        uplink = make(url=peer.url)
        outcomes = await uplink.deliver([parcel()])
    assert SECRET.removeprefix("whsec_") not in str(outcomes[0]) + repr(uplink)
