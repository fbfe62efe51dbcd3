"""A decision that is sent twice is carried out once."""

import asyncio

import pytest

from gateway.console.desk import Row
from gateway.console.tokens import Identity, Role
from tests.console.conftest import Console
from tests.console.memory_desk import alarm

ACKNOWLEDGE = "/api/v1/alarms/a-1/acknowledge"
CLOSE = "/api/v1/alarms/a-1/close"


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


async def test_the_same_decision_sent_again_gets_the_same_answer(console: Console) -> None:
    console.desk.rows = [alarm("a-1")]
    first = await console.post(ACKNOWLEDGE, headers=key("k-1"))
    again = await console.post(ACKNOWLEDGE, headers=key("k-1"))
    assert (first.status, again.status, again.body) == (200, 200, first.body)
    assert (await console.post(ACKNOWLEDGE, headers=key("k-2"))).status == 409


async def test_a_second_one_waits_for_the_first_and_does_nothing_itself(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.desk.rows = [alarm("a-1")]
    begun, may_go = asyncio.Event(), asyncio.Event()
    calls = 0
    real = console.desk.acknowledge

    async def slow(alarm_id: str, who: Identity) -> Row:
        nonlocal calls
        calls += 1
        begun.set()
        await may_go.wait()
        return await real(alarm_id, who)

    monkeypatch.setattr(console.desk, "acknowledge", slow)
    asking = [asyncio.create_task(console.post(ACKNOWLEDGE, headers=key("k"))) for _ in range(3)]
    await begun.wait()
    may_go.set()
    answers = await asyncio.gather(*asking)
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert calls == 1


async def test_two_people_may_use_the_same_key(console: Console) -> None:
    console.desk.rows = [alarm("a-1")]
    assert (await console.post(ACKNOWLEDGE, headers=key("k"))).status == 200
    assert (await console.post(ACKNOWLEDGE, Role.LEADER, headers=key("k"))).status == 409


async def test_a_key_for_something_else_is_refused(console: Console) -> None:
    console.desk.rows = [alarm("a-1")]
    body = {"disposition": "real", "note": ""}
    assert (await console.post(CLOSE, headers=key("k"), json=body)).status == 200
    other = await console.post(CLOSE, headers=key("k"), json=body | {"disposition": "fault"})
    assert (other.status, other.json()["error"]["code"]) == (422, "wrong_key")


async def test_what_failed_on_our_side_may_be_tried_again_under_its_key(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.desk.rows = [alarm("a-1")]

    async def broken(*_arguments: object) -> Row:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(console.desk, "acknowledge", broken)
        assert (await console.post(ACKNOWLEDGE, headers=key("k"))).status == 500
    assert (await console.post(ACKNOWLEDGE, headers=key("k"))).status == 200


@pytest.mark.parametrize("bad", ["", "x" * 101])
async def test_a_key_that_is_none_is_refused(console: Console, bad: str) -> None:
    answer = await console.post(ACKNOWLEDGE, headers=key(bad))
    assert (answer.status, answer.json()["error"]["code"]) == (422, "wrong_key")


async def test_old_answers_are_forgotten(console: Console) -> None:
    console.desk.rows = [alarm("a-1")]
    assert (await console.post(ACKNOWLEDGE, headers=key("k"))).status == 200
    console.clock.forward(601)
    assert (await console.post(ACKNOWLEDGE, headers=key("k"))).status == 409
