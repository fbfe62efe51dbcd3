"""The police receiver takes what is sound, says what is not, and misbehaves only when told."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from simulators.brokers import free_port
from simulators.inbox import Inbox, read_inbox
from simulators.police import Control, How, Police, ServerTls
from simulators.police.envelope import cut_batch, read_secret
from tests.conftest import Certificates, PoliceFactory
from tests.simulators.records import SECRET, a_record, envelope_of, signed, uuid7


@pytest_asyncio.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield session


async def post(
    client: aiohttp.ClientSession, police: Police, record: dict[str, Any]
) -> tuple[int, Any]:
    body, headers = envelope_of(record)
    async with client.post(police.url, data=body, headers=headers, allow_redirects=False) as answer:
        raw = await answer.read()
        with contextlib.suppress(orjson.JSONDecodeError):
            return answer.status, orjson.loads(raw)
        return answer.status, raw


async def test_a_sound_record_is_kept_and_gets_a_receipt(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    record = a_record()
    status, receipt = await post(client, peer, record)
    assert status == 200
    assert receipt == {"id": record["id"], "receipt": "31-7000", "state": "received"}
    assert peer.inbox.records() == [record]
    assert not peer.inbox.problems


async def test_a_repeat_is_counted_and_keeps_its_number(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    record = a_record()
    first = await post(client, peer, record)
    await post(client, peer, a_record(2))
    assert await post(client, peer, record) == first
    assert peer.inbox.repeat_count == 1
    assert len(peer.inbox.received) == 2
    assert peer.inbox.changed == []


async def test_a_repeat_with_other_bytes_is_noticed(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    record = a_record()
    await post(client, peer, record)
    await post(client, peer, record | {"mode": "drill"})
    assert peer.inbox.changed == [record["id"]]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": "not-a-uuid"}, "id is no UUIDv7"),
        ({"time": "2026-11-21T00:14:05Z"}, "time is not RFC 3339"),
        ({"mode": "maybe"}, "mode is unknown"),
        ({"seq": True}, "seq is no positive number"),
        ({"data_kind": "dragon"}, "kind is unknown"),
        ({"data_hash": "ABC"}, "hash is no SHA-256"),
        ({"data_site": {"id": "other", "name": "x"}}, "is not the one of source"),
        ({"data_attributes": {str(n): n for n in range(17)}}, "17 attributes"),
        ({"data_attributes": {"deep": {}}}, "is no scalar"),
        ({"data_text": "长" * 20_000}, "at most 20000"),
        ({"data": None}, "data is not an object"),
    ],
)
async def test_what_breaks_the_contract_is_named(
    police: PoliceFactory, client: aiohttp.ClientSession, changes: dict[str, Any], problem: str
) -> None:
    peer = await police()
    assert (await post(client, peer, a_record(**changes)))[0] == 200
    assert any(problem in one for one in peer.inbox.problems)


async def test_a_strict_receiver_refuses_what_breaks_the_contract(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police(strict=True)
    status, answer = await post(client, peer, a_record(mode="maybe"))
    assert (status, answer) == (400, {"error": ["mode is unknown"]})
    assert not peer.inbox.copies


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ({"webhook-signature": "v1,AAAA"}, "does not match"),
        ({"webhook-signature": ""}, "missing"),
        ({"webhook-id": uuid7()}, "does not match"),
        ({"webhook-timestamp": "1000000000"}, "away from this clock"),
        ({"webhook-timestamp": "soon"}, "not whole seconds"),
    ],
)
async def test_a_request_that_is_not_from_us_is_refused(
    police: PoliceFactory, client: aiohttp.ClientSession, spoil: dict[str, str], why: str
) -> None:
    peer = await police()
    body, headers = envelope_of(a_record())
    async with client.post(peer.url, data=body, headers=headers | spoil) as answer:
        assert answer.status == 401
        assert why in (await answer.json())["error"]
    assert not peer.inbox.copies


async def test_one_of_several_signatures_is_enough_while_secrets_are_changed(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    body, headers = envelope_of(a_record())
    headers["webhook-signature"] = f"v1,{'A' * 43}= {headers['webhook-signature']}"
    async with client.post(peer.url, data=body, headers=headers) as answer:
        assert answer.status == 200


async def test_an_idempotency_key_that_is_not_the_id_is_a_problem(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    body, headers = envelope_of(a_record())
    headers |= {"Idempotency-Key": "another", "Campus-Late-Seconds": "7"}
    async with client.post(peer.url, data=body, headers=headers) as answer:
        assert answer.status == 200
    assert peer.inbox.problem_count == 2
    assert peer.inbox.received[0].late_s == 7


@pytest.mark.parametrize(
    ("how", "settings", "status", "kept"),
    [
        ("empty", {}, 204, True),
        ("status", {}, 500, False),
        ("status", {"status": 503}, 503, False),
        ("busy", {"retry_after": "3"}, 429, False),
        ("redirect", {}, 302, False),
        ("login_page", {}, 200, False),
        ("not_json", {}, 200, False),
        ("other_id", {}, 200, False),
        ("rejected", {}, 200, True),
        ("poison", {}, 400, False),
        ("dribble", {"interval_s": 0.001}, 200, True),
    ],
)
async def test_each_bad_answer_is_given_once_and_then_a_good_one(
    police: PoliceFactory,
    client: aiohttp.ClientSession,
    how: str,
    settings: dict[str, Any],
    status: int,
    kept: bool,
) -> None:
    peer = await police()
    peer.behave(how, times=1, **settings)
    record = a_record()
    first_status, first = await post(client, peer, record)
    assert first_status == status
    assert bool(peer.inbox.copies) is kept
    assert await post(client, peer, record) == (
        200,
        {"id": record["id"], "receipt": peer._number(record["id"]), "state": "received"},
    )
    good = {"id": record["id"], "receipt": "31-7000", "state": "received"}
    assert (first == good) is (how == "dribble")


async def test_a_conduct_that_is_over_is_forgotten(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    peer.behave("status", for_s=0)
    assert (await post(client, peer, a_record()))[0] == 200
    peer.behave("status", for_s=60)
    assert (await post(client, peer, a_record()))[0] == 500


async def test_busy_says_when_to_come_again(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    peer.behave("busy", retry_after="3")
    body, headers = envelope_of(a_record())
    async with client.post(peer.url, data=body, headers=headers) as answer:
        assert answer.headers["Retry-After"] == "3"


async def test_a_slow_body_takes_its_time(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    peer.behave("dribble", interval_s=5)
    body, headers = envelope_of(a_record())
    async with client.post(peer.url, data=body, headers=headers) as answer:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer.read(), 0.2)
    assert len(peer.inbox.copies) == 1


@pytest.mark.parametrize(("how", "kept"), [("drop", False), ("reset", True)])
async def test_a_broken_connection_is_no_answer(
    police: PoliceFactory, client: aiohttp.ClientSession, how: str, kept: bool
) -> None:
    peer = await police()
    peer.behave(how, times=2)  # aiohttp repeats a request once by itself when it may
    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await post(client, peer, a_record())
    assert bool(peer.inbox.copies) is kept


async def test_silence_answers_nobody_until_it_is_over(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    peer.behave("silence")
    asking = asyncio.ensure_future(post(client, peer, a_record()))
    async with asyncio.timeout(20):
        while not peer.request_count:  # noqa: ASYNC110 it tells nobody, that is the point
            await asyncio.sleep(0.01)
    _, unanswered = await asyncio.wait({asking}, timeout=0.3)
    assert unanswered
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert peer.request_count == 1
    assert not peer.inbox.copies
    peer.behave("good")
    assert (await post(client, peer, a_record()))[0] == 200


async def test_an_endless_body_flows_until_the_reader_has_enough(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    peer.behave("endless", times=1)
    body, headers = envelope_of(a_record())
    read_bytes = 0
    async with client.post(peer.url, data=body, headers=headers) as answer:
        async for chunk in answer.content.iter_any():
            read_bytes += len(chunk)
            if read_bytes > 1_000_000:
                break
        answer.close()
    assert (await post(client, peer, a_record()))[0] == 200


async def test_only_the_chosen_device_is_poison(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    peer.behave(How.POISON, devices=["btn-2"])
    assert (await post(client, peer, a_record(1, "btn-1")))[0] == 200
    assert (await post(client, peer, a_record(2, "btn-2")))[0] == 400
    peer.behave()
    assert (await post(client, peer, a_record(2, "btn-2")))[0] == 200


async def test_it_refuses_connections_while_down_and_comes_back_on_its_port(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    url = peer.url
    await post(client, peer, a_record())
    await peer.down()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", peer.port)
    await peer.up()
    assert peer.url == url
    assert (await post(client, peer, a_record()))[0] == 200


async def test_it_can_show_a_strangers_certificate_and_then_its_own(
    police: PoliceFactory, certificates: Certificates
) -> None:
    right = ServerTls(
        cert=certificates.server_cert, key=certificates.server_key, client_ca=certificates.ca
    )
    wrong = ServerTls(cert=certificates.stranger_cert, key=certificates.stranger_key)
    peer = await police(tls=right)
    connector = aiohttp.TCPConnector(ssl=certificates.client_context())
    async with aiohttp.ClientSession(connector=connector) as client:
        await peer.show(wrong)
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await post(client, peer, a_record())
        await peer.show(None)
        assert (await post(client, peer, a_record()))[0] == 200


async def test_with_mutual_tls_nobody_comes_in_without_a_certificate(
    police: PoliceFactory, certificates: Certificates
) -> None:
    peer = await police(
        tls=ServerTls(
            cert=certificates.server_cert, key=certificates.server_key, client_ca=certificates.ca
        )
    )
    connector = aiohttp.TCPConnector(ssl=certificates.client_context(with_certificate=False))
    async with aiohttp.ClientSession(connector=connector) as client:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await post(client, peer, a_record())
    assert peer.request_count == 0


async def test_a_batch_is_taken_apart_byte_for_byte(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police(batches=True)
    records = [a_record(seq, type="campus.event.recorded.v1") for seq in (1, 2)]
    await post(client, peer, records[0])
    body = b"[" + b",".join(map(orjson.dumps, records)) + b"]"
    headers = signed(body, "batch_1") | {"Content-Type": "application/cloudevents-batch+json"}
    async with client.post(peer.url, data=body, headers=headers) as answer:
        assert [one["id"] for one in await answer.json()] == [one["id"] for one in records]
    assert peer.inbox.records() == records
    assert peer.inbox.changed == []
    assert peer.inbox.repeat_count == 1


async def test_a_receiver_that_takes_no_batches_says_415(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    headers = signed(b"[]", "batch_1") | {"Content-Type": "application/cloudevents-batch+json"}
    async with client.post(peer.url, data=b"[]", headers=headers) as answer:
        assert answer.status == 415


@pytest.mark.parametrize("body", [b"{}", b"[1]", b'[{"a":1} x]', b"[", b'[{"a":'])
def test_what_is_no_batch_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        cut_batch(body)


@pytest.mark.parametrize("text", ["secret", "whsec_%%%", "whsec_c2hvcnQ="])
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"whsec_|base64|bytes"):
        read_secret(text)


async def test_a_killed_receiver_remembers_what_it_had(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    path = tmp_path / "inbox"
    record = a_record()
    async with Police(secret=SECRET, inbox=Inbox(path)) as first:
        await post(client, first, record)
    with path.open("ab") as torn:
        torn.write(b'{"id": "half a li')
    async with Police(secret=SECRET, inbox=Inbox(path)) as second:
        await post(client, second, record)
        assert second.inbox.repeat_count == 1
    assert [one.nth for one in read_inbox(path)] == [1, 2]


async def test_later_states_are_told_to_the_gateway_in_order_until_it_listens(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    answers = iter([503, 200, 200, 200])

    async def hear(request: web.BaseRequest) -> web.Response:
        told.put_nowait((request.headers["Authorization"], orjson.loads(await request.read())))
        return web.Response(status=next(answers))

    runner = web.ServerRunner(web.Server(hear))
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    peer = await police(
        progress=[("accepted", 0.01), ("dispatched", 0.02), ("closed", 0.03)],
        reports_to=f"http://127.0.0.1:{port}",
        token="of-the-police",
    )
    record = a_record()
    await post(client, peer, record)
    await post(client, peer, record)
    heard = [await asyncio.wait_for(told.get(), 20) for _ in range(4)]
    assert {authorization for authorization, _ in heard} == {"Bearer of-the-police"}
    assert [body["state"] for _, body in heard] == ["accepted", "accepted", "dispatched", "closed"]
    assert heard[0][1] == {"id": record["id"], "state": "accepted", "receipt": "31-7000"}
    await runner.cleanup()


async def test_another_process_can_tell_it_to_misbehave(
    police: PoliceFactory, client: aiohttp.ClientSession
) -> None:
    peer = await police()
    control = Control(peer)
    await control.start()
    async with client.post(
        f"{control.url}/behave", json={"how": "status", "status": 503, "times": 1}
    ) as answer:
        assert answer.status == 200
    assert (await post(client, peer, a_record(1)))[0] == 503
    record = a_record(2)
    assert (await post(client, peer, record))[0] == 200
    async with client.post(f"{control.url}/behave", json={"how": "politely"}) as answer:
        assert answer.status == 400
    async with client.post(f"{control.url}/down", json={}) as answer:
        assert not peer.is_up
    async with client.post(f"{control.url}/up", json={}) as answer:
        assert peer.is_up
    async with client.get(f"{control.url}/records") as answer:
        assert await answer.json(content_type=None) == [record]
    async with client.get(f"{control.url}/state") as answer:
        state = await answer.json()
    assert (state["records"], state["requests"], state["repeats"]) == (1, 2, 0)
    await control.stop()


async def test_it_runs_as_a_process_and_ends_by_itself(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    (tmp_path / "secret").write_text(SECRET, "utf-8")
    port, control_port = free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators.police", "--port", str(port)),
        *("--control-port", str(control_port), "--secret-file", str(tmp_path / "secret")),
        *("--inbox", str(tmp_path / "inbox"), "--for-s", "5"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert str(port).encode() in await process.stdout.readline()
    assert str(control_port).encode() in await process.stdout.readline()
    record = a_record()
    body, headers = envelope_of(record)
    async with client.post(f"http://127.0.0.1:{port}/alarms", data=body, headers=headers) as answer:
        assert answer.status == 200
    assert await asyncio.wait_for(process.wait(), 40) == 0
    assert [one.record for one in read_inbox(tmp_path / "inbox")] == [record]
