"""A house that takes up other devices while it runs: nothing is lost, nothing comes twice."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from gateway.clock import SystemClock
from gateway.console.tokens import Role, TokenBook
from simulators.buttons import JsonButton, JsonEvent
from simulators.mqtt import Publisher
from tests.conftest import MosquittoFactory, PoliceFactory
from tests.harness import UNTIL_S, Gateway, http
from tests.valves import KitchenGateway, kitchen

pytestmark = pytest.mark.timeout(300)
RELOADS = 20
PER_SECOND = 100
NUMBERED = 1_000


class Installer:
    """Somebody with an installer's token, at the API."""

    def __init__(self, gateway: Gateway, role: Role = Role.INSTALLER) -> None:
        book = TokenBook(gateway.store_folder / "tokens.json", SystemClock())
        self._headers = {"Authorization": f"Bearer {book.create(role, '李师傅')}"}
        self._base = f"http://127.0.0.1:{gateway.api_port}/api/v1/install"

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        timeout = aiohttp.ClientTimeout(total=UNTIL_S)
        async with (
            aiohttp.ClientSession(headers=self._headers, timeout=timeout) as client,
            client.request(method, self._base + path, json=body) as answer,
        ):
            return answer.status, orjson.loads(await answer.read())

    async def version(self) -> str:
        status, told = await self.ask("GET", "/config")
        assert status == 200, told
        return str(told["version"])

    async def put(self, device: str, table: dict[str, Any] | None) -> Any:
        """Change one device and return what came of it."""
        body = {
            "change": {"device": device, "table": table},
            "version": await self.version(),
            "reason": "试装",
        }
        status, told = await self.ask("POST", "/config/apply", body)
        assert status == 200, told
        return told


def button(number: int, name: str = "按钮") -> dict[str, Any]:
    return {
        "profile": "generic/json_button",
        "link": "field",
        "name": f"{name}{number}",
        "place": "东门",
        "address": {"topic": f"new/btn-{number}"},
    }


async def test_a_stream_of_messages_goes_through_twenty_reloads_each_stored_and_delivered_once(
    tmp_path: Path, mosquitto: MosquittoFactory, police: PoliceFactory
) -> None:
    broker, receiver = await mosquitto(), await police()
    event = JsonEvent("door-1")
    async with Gateway(
        folder=tmp_path, field_port=broker.port, devices=[event, JsonButton("btn-1")],
        uplinks=[http("police", receiver.port)],
    ) as gateway, Publisher(broker.address, client_id="school") as publisher:  # fmt: skip
        await gateway.start()
        installer = Installer(gateway)
        sent, stop = 0, asyncio.Event()
        topic = event.address()["topic"]

        async def stream() -> None:
            nonlocal sent
            while not stop.is_set() or sent < NUMBERED:
                told = [orjson.dumps({"n": sent + more}) for more in range(10)]
                sent += len(told)
                await asyncio.gather(*(publisher.publish(topic, each) for each in told))
                await asyncio.sleep(10 / PER_SECOND)

        async with asyncio.TaskGroup() as group:
            group.create_task(stream())
            for number in range(RELOADS):
                if number % 3 == 2:
                    outcome = (await installer.put(f"btn-n{number - 1}", None))["outcome"]
                    assert outcome["removed"] == [f"btn-n{number - 1}"]
                else:
                    outcome = (await installer.put(f"btn-n{number}", button(number)))["outcome"]
                    assert outcome["added"] == [f"btn-n{number}"]
                assert (outcome["links"], outcome["anew"]) == ([], [])
            # The newest device is heard of without anything having been started again.
            await publisher.publish("new/btn-19", b"{}")
            stop.set()
        await gateway.until(lambda: _has(gateway, "btn-n19/button"), "the new button's alarm")
        await gateway.nothing_waits(120)

        stored = [
            one
            for one in await gateway.records()
            if one["subject"].startswith("door-1/") and one["type"] == "campus.event.recorded.v1"
        ]
        assert Counter(one["data"]["attributes"]["n"] for one in stored) == Counter(range(sent))
        ids = {one["id"] for one in stored}
        delivered = [one for one in receiver.inbox.ids() if one in ids]
        assert sorted(delivered) == sorted(ids)
        assert "restarts_of_parts" not in gateway.log_text()
        assert sent >= NUMBERED


async def _has(gateway: Gateway, alarm: str) -> bool:
    return alarm in await gateway.alarms()


async def test_a_gas_alarm_that_begins_amid_a_reload_of_its_own_bus_is_raised(
    tmp_path: Path, police: PoliceFactory
) -> None:
    receiver = await police()
    async with kitchen() as made, KitchenGateway(
        folder=tmp_path, field_port=1, devices=[], uplinks=[http("police", receiver.port)],
        url=made.url, interlock="",
    ) as gateway:  # fmt: skip
        devices = (
            tmp_path / "config" / "devices.toml"
        )  # a valve that nobody moves needs no interlock
        text = devices.read_text("utf-8").replace('commands = ["close", "open", "test"]', "")
        devices.write_text(text, "utf-8")
        await gateway.start()
        installer = Installer(gateway)
        _, told = await installer.ask("GET", "/devices/gas-1")
        for number in range(3):
            table = {**told["table"], "name": f"探测器{number}"}
            async with asyncio.TaskGroup() as group:
                changing = group.create_task(installer.put("gas-1", table))
                made.level(40)
            outcome = changing.result()["outcome"]
            assert (outcome["changed"], outcome["anew"]) == (["gas-1"], [])
            assert len(outcome["links"]) == 1  # this bus alone was begun anew
            alarm = await gateway.until(lambda: _find(gateway, "gas-1/gas"), "the gas alarm")
            made.level(0)
            # Closed sooner, the clear air between two alarms might never have been read.
            await gateway.until(lambda: _is_restored(gateway, "gas-1/gas"), "clear air")
            status, _ = await gateway.post(
                f"/api/v1/alarms/{alarm['alarm_id']}/close", {"disposition": "test", "note": ""}
            )
            assert status == 200
            await gateway.until(lambda: _gone(gateway, "gas-1/gas"), "its end")


async def _find(gateway: Gateway, alarm: str) -> Any:
    return (await gateway.alarms()).get(alarm)


async def _is_restored(gateway: Gateway, alarm: str) -> bool:
    return (await gateway.alarms())[alarm]["restored_at"] is not None


async def _gone(gateway: Gateway, alarm: str) -> bool:
    return alarm not in await gateway.alarms()


async def test_what_no_part_can_take_up_has_the_house_begin_anew_and_acknowledgements_are_kept(
    tmp_path: Path, mosquitto: MosquittoFactory, police: PoliceFactory
) -> None:
    broker, receiver = await mosquitto(), await police()
    async with Gateway(
        folder=tmp_path, field_port=broker.port, devices=[JsonButton("btn-1"), JsonButton("b-2")],
        uplinks=[http("police", receiver.port)],
    ) as gateway, Publisher(broker.address, client_id="school") as publisher:  # fmt: skip
        await gateway.start()
        installer = Installer(gateway)
        topic = JsonButton("btn-1").address()["topic"]
        await publisher.publish(topic, b'{"first": 1}')
        alarm = await gateway.until(lambda: _find(gateway, "btn-1/button"), "the alarm")
        await gateway.post(f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge")

        # The device goes; its alarm stays, with its name, until a person closes it.
        await installer.put("btn-1", None)
        rows = {one["id"] for one in (await gateway.get("/api/v1/devices"))["devices"]}
        assert rows == {"b-2"}
        alarm = (await gateway.alarms())["btn-1/button"]
        assert alarm["acknowledged_at"] is not None

        config = tmp_path / "config" / "gateway.toml"
        text = config.read_text("utf-8").replace('name = "示范小学"', 'name = "第二小学"')
        config.write_text(text, "utf-8")
        status, told = await installer.ask("POST", "/reload", {"reason": "校名"})
        assert (status, told["outcome"]["anew"]) == (200, ["site"])
        await publisher.publish(JsonButton("b-2").address()["topic"], b'{"amid": 1}')
        pid = gateway.pid

        async def renamed() -> bool:
            found = [one for one in receiver.inbox.records() if one["subject"] == "b-2/button"]
            return any(one["data"]["site"]["name"] == "第二小学" for one in found) or bool(found)

        await gateway.until(renamed, "the press that came meanwhile")
        await gateway.until(_answering(gateway), "the API")
        assert (gateway.pid, gateway.is_running) == (pid, True)
        assert (await gateway.alarms())["btn-1/button"]["acknowledged_by"] == "test"
        status, _ = await gateway.post(
            f"/api/v1/alarms/{alarm['alarm_id']}/close", {"disposition": "test", "note": ""}
        )
        assert status == 200


def _answering(gateway: Gateway) -> Callable[[], Any]:
    async def answers() -> bool:
        try:
            return bool(await gateway.get("/api/v1/devices"))
        except (aiohttp.ClientError, AssertionError, OSError):
            return False

    return answers


async def test_wrong_files_stale_eyes_and_others_change_nothing(
    tmp_path: Path, mosquitto: MosquittoFactory
) -> None:
    broker = await mosquitto()
    async with Gateway(
        folder=tmp_path, field_port=broker.port, devices=[JsonButton("btn-1")]
    ) as gateway:
        await gateway.start()
        installer, guard = Installer(gateway), Installer(gateway, Role.GUARD)
        assert (await guard.ask("GET", "/config"))[0] == 403
        version = await installer.version()
        wrong = {"device": "btn-2", "table": {**button(2), "link": "no-such"}}
        status, told = await installer.ask(
            "POST", "/config/apply", {"change": wrong, "version": version, "reason": "x"}
        )
        assert (status, told["error"]["code"]) == (422, "config_faults")
        assert told["faults"][0]["file"] == "devices.toml"
        assert told["faults"][0]["key"] == 'device["btn-2"].link'
        good = {"device": "btn-2", "table": button(2)}
        status, _ = await installer.ask(
            "POST", "/config/apply", {"change": good, "version": "0" * 32, "reason": "x"}
        )
        assert status == 409
        assert await installer.version() == version
        await installer.put("btn-2", button(2))
        _, told = await installer.ask("GET", "/config")
        (change,) = told["changes"]
        assert (change["who"], change["reason"], change["what"]) == ("李师傅", "试装", "add btn-2")
        status, told = await installer.ask(
            "POST", "/config/undo",
            {"number": change["number"], "version": told["version"], "reason": "错了"},
        )  # fmt: skip
        assert (status, told["outcome"]["removed"]) == (200, ["btn-2"])
        (tmp_path / "config" / "devices.toml").write_text("[[device]\n", "utf-8")
        status, told = await installer.ask("POST", "/reload", {"reason": "手改"})
        assert status == 422
        assert len((await gateway.get("/api/v1/devices"))["devices"]) == 1
