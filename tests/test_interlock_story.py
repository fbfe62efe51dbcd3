"""A kitchen, a gateway that is a process, the police: gas, valves that stick, kills, people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.console.people import PeopleBook
from gateway.console.tokens import Role, TokenBook
from simulators.police import Police
from tests.conftest import PoliceFactory
from tests.harness import http
from tests.valves import Kitchen, KitchenGateway, kitchen


@asynccontextmanager
async def house(folder: Path, police: Police) -> AsyncIterator[tuple[Kitchen, KitchenGateway]]:
    async with (
        kitchen() as made,
        KitchenGateway(
            folder=folder, field_port=1, devices=[], uplinks=[http("police", police.port)],
            url=made.url,
        ) as gateway,
    ):  # fmt: skip
        yield made, gateway


async def told(receiver: Police, kind: str, point: str) -> None:
    """Return once the receiver has a record of this type and point."""
    kind = f"campus.{kind}.v1"
    await receiver.inbox.until(
        lambda inbox: any(one["data"]["point"] == point for one in inbox.records(kind)), 60
    )


async def commands(gateway: KitchenGateway) -> list[dict[str, Any]]:
    """Attributes of every record of a command."""
    return [
        one["data"]["attributes"]
        for one in await gateway.records()
        if one["data"]["point"] == "command"
    ]


class Caller:
    """A person with a token of his own."""

    def __init__(self, gateway: KitchenGateway, role: Role, name: str) -> None:
        book = TokenBook(gateway.store_folder / "tokens.json", SystemClock())
        self._headers = {"Authorization": f"Bearer {book.create(role, name)}"}
        self._port = gateway.api_port

    async def asks(self, command: str, device: str = "valve-1") -> tuple[int, str]:
        """POST a command; status and why."""
        url = f"http://127.0.0.1:{self._port}/api/v1/devices/{device}/commands/{command}"
        async with (
            aiohttp.ClientSession(headers=self._headers) as client,
            client.post(url, json={"reason": "检查"}) as answer,
        ):
            body = await answer.json()
            return answer.status, f"{body['state']}: {body['why']}"


async def test_gas_closes_the_valve_its_position_proves_it_and_the_police_hears_both(
    tmp_path: Path, police: PoliceFactory
) -> None:
    receiver = await police()
    async with house(tmp_path, receiver) as (canteen, gateway):
        await gateway.start()
        canteen.level(40)
        await told(receiver, "alarm.raised", "gas")
        await told(receiver, "event.recorded", "command")
        assert not canteen.is_open
        assert canteen.writes() == [0]
        (note,) = await commands(gateway)
        alarm = (await gateway.alarms())["gas-1/gas"]
        assert (note["state"], note["why"]) == ("done", "position = closed")
        assert note["cause"] == alarm["alarm_id"]
        assert "valve-1/interlock" not in await gateway.alarms()


async def test_a_relay_that_moves_nothing_is_an_alarm_until_the_valve_has_moved(
    tmp_path: Path, police: PoliceFactory
) -> None:
    receiver = await police()
    async with house(tmp_path, receiver) as (canteen, gateway):
        canteen.stuck = True
        await gateway.start()
        canteen.level(40)
        await told(receiver, "alarm.raised", "interlock")
        assert canteen.valve.words(1, 0) == [1]  # the relay took it
        assert canteen.is_open
        alarm = (await gateway.alarms())["valve-1/interlock"]
        assert (alarm["kind"], alarm["priority"], alarm["latched"]) == ("gas", 1, True)
        assert (await commands(gateway))[-1]["state"] == "failed"
        canteen.stuck = False
        await told(receiver, "alarm.restored", "interlock")
        assert not canteen.is_open
        assert (await commands(gateway))[-1]["state"] == "done"


@pytest.mark.parametrize(
    ("death", "moved"), [("interlock.close", False), ("interlock.closed", True)]
)
async def test_killed_between_the_alarm_and_its_proof_the_next_start_closes(
    tmp_path: Path, police: PoliceFactory, death: str, moved: bool
) -> None:
    receiver = await police()
    async with house(tmp_path, receiver) as (canteen, gateway):
        gateway.launch(crash_at=death)
        await gateway.until_ready()
        canteen.level(40)
        assert await gateway.ended(30) is not None
        assert canteen.is_open is not moved
        canteen.level(0)  # the gas is gone before anybody looks again
        await gateway.start()
        await told(receiver, "event.recorded", "command")
        assert not canteen.is_open
        assert [note["state"] for note in await commands(gateway)] == ["done"]
        raised = [one for one in await gateway.records() if one["type"] == "campus.alarm.raised.v1"]
        assert len(raised) == 1
        writes = len(canteen.writes())
        await gateway.kill()
        await gateway.start()
        await canteen.valve.asked(function=3, times=3)  # it is polled, and nothing is written
        assert len(canteen.writes()) == writes


async def test_opening_is_refused_to_guards_in_gas_and_after_a_restart_and_all_of_it_is_recorded(
    tmp_path: Path, police: PoliceFactory
) -> None:
    receiver = await police()
    async with house(tmp_path, receiver) as (canteen, gateway):
        await gateway.start()
        zhang = Caller(gateway, Role.LEADER, "张三")
        guard = Caller(gateway, Role.GUARD, "门卫")
        assert (await guard.asks("open"))[0] == 403
        status, why = await zhang.asks("open")
        assert (status, "还须连续正常" in why) == (409, True)
        assert await guard.asks("close") == (200, "done: position = closed")
        canteen.level(40)
        await told(receiver, "alarm.raised", "gas")
        status, why = await zhang.asks("open")
        assert status == 409
        await gateway.kill()
        canteen.level(0)
        await gateway.start()
        assert (await zhang.asks("open"))[0] == 409
        assert (await zhang.asks("explode"))[0] == 404
        assert (await zhang.asks("open", "valve-9"))[0] == 404
        assert (await guard.asks("test"))[0] == 403
        assert 1 not in canteen.writes()  # the coil that opens
        people = [note for note in await commands(gateway) if note["by"] != "gateway"]
        assert [(note["by"], note["command"], note["state"]) for note in people] == [
            ("门卫", "open", "refused"),
            ("张三", "open", "refused"),
            ("门卫", "close", "done"),
            ("张三", "open", "refused"),
            ("张三", "open", "refused"),
            ("张三", "explode", "refused"),
            ("张三", "open", "refused"),
            ("门卫", "test", "refused"),
        ]
        assert {note["reason"] for note in people} == {"检查"}
        device = (await gateway.get("/api/v1/devices"))["devices"][1]
        assert [(one["name"], one["allowed"]) for one in device["commands"]] == [
            ("close", True), ("open", True), ("test", True),
        ]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("how", ["two tokens", "two PINs at one console"])
async def test_two_people_open_the_valve_after_a_minute_of_clear_air(
    tmp_path: Path, police: PoliceFactory, how: str
) -> None:
    receiver = await police()
    async with house(tmp_path, receiver) as (canteen, gateway):
        await gateway.start()
        zhang, li = (Caller(gateway, Role.LEADER, name) for name in ("张三", "李四"))
        assert (await zhang.asks("close"))[0] == 200
        await gateway.until(lambda: _waits(zhang), "a minute of clear air", 150)
        assert not canteen.is_open
        if how == "two tokens":
            assert await li.asks("open") == (200, "done: position = open")
        else:
            assert await _at_one_console(gateway) == [403, 403, 200]
        assert canteen.is_open
        note = (await commands(gateway))[-1]
        assert (note["by"], note["first"], note["state"]) == ("李四", "张三", "done")


async def _at_one_console(gateway: KitchenGateway) -> list[int]:
    """Zhang signs on with his PIN; the second one is he himself, his PIN under Li's name, Li."""
    people = PeopleBook(gateway.store_folder / "people.json", SystemClock())
    people.add("张三", Role.LEADER, "2580")
    people.add("李四", Role.LEADER, "3691")
    base = f"http://127.0.0.1:{gateway.api_port}/api/v1"
    statuses = []
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        async with client.post(
            f"{base}/session", json={"name": "张三", "secret": "2580"}
        ) as answer:
            proof = {"X-CSRF-Token": (await answer.json())["csrf"]}
        for name, pin in (("张三", "2580"), ("李四", "2580"), ("李四", "3691")):
            async with client.post(
                f"{base}/devices/valve-1/commands/open",
                json={"reason": "检查", "second": {"name": name, "secret": pin}},
                headers=proof,
            ) as answer:
                statuses.append(answer.status)
    return statuses


async def _waits(person: Caller) -> bool:
    return (await person.asks("open"))[0] == 202
