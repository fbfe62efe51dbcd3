"""An installer's first hour at a running gateway: finding, trying, looking; nothing is written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from simulators.buttons import JsonButton
from simulators.mqtt import Publisher
from tests.conftest import MosquittoFactory
from tests.harness import Gateway
from tests.test_reload import Installer, button
from tests.valves import DETECTOR, Kitchen, kitchen, link_toml

pytestmark = pytest.mark.timeout(300)
HOSTILE = "<img src=x onerror=alert(1)>\u202egnp.exe\x07"
GAS = """
[[device]]
id = "gas-1"
profile = "own/detector"
link = "kitchen"
address = { unit = 1 }
"""


@asynccontextmanager
async def school(folder: Path, port: int) -> AsyncIterator[tuple[Kitchen, Gateway]]:
    """A broker with a button, and a Modbus line with a gas detector."""
    async with kitchen() as made, Gateway(
        folder=folder, field_port=port, devices=[JsonButton("btn-1")], more=link_toml(made.url)
    ) as gateway:  # fmt: skip
        own = folder / "config" / "profiles" / "own"
        own.mkdir(parents=True)
        (own / "detector.toml").write_text(DETECTOR, "utf-8")
        with (folder / "config" / "devices.toml").open("a", encoding="utf-8") as file:
            file.write(GAS)
        await gateway.start()
        yield made, gateway


async def done(installer: Installer) -> dict[str, Any]:
    """Follow the search to its end."""
    async with asyncio.timeout(120):
        while True:
            status, told = await installer.ask("GET", "/search?after=999")
            assert status == 200
            if told["state"] != "running":
                return dict(told)


async def test_the_first_hour(tmp_path: Path, mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    async with (
        school(tmp_path, broker.port) as (made, gateway),
        Publisher(broker.address, client_id="new") as publisher,
    ):
        installer = Installer(gateway)
        before = (tmp_path / "config" / "devices.toml").read_text("utf-8")

        # I1: what is on the broker that no device is; hostile names stay text.
        asked = {"what": "topics", "link": "field", "seconds": 3}
        assert (await installer.ask("POST", "/search", asked))[0] == 202
        status, told = await installer.ask("POST", "/search", asked)
        assert (status, told["error"]["code"]) == (409, "search_runs")
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(done(installer))
            while not ending.done():
                await publisher.publish("new/btn-7", HOSTILE.encode())
                await publisher.publish("new/btn-8", b'{"battery": 80}')
                await asyncio.wait({ending}, timeout=0.2)
        heard = {one["topic"]: one for one in ending.result()["result"]["topics"]}
        assert heard["new/btn-7"]["text"] == "<img src=x onerror=alert(1)>·gnp.exe·"
        assert heard["new/btn-7"]["known"] is False

        # I2: a model, its form, and what the device would have said.
        _, told = await installer.ask("GET", "/profiles?words=json%20button")
        assert "generic/json_button" in [row["id"] for row in told["profiles"]]
        _, form = await installer.ask("GET", "/profiles/generic/json_button")
        assert form["fields"][0]["name"] == "topic"
        change = {"device": "btn-8", "table": button(8), "new": True}
        _, tried = await installer.ask("POST", "/try", change)
        assert tried["faults"] == []
        (row,) = tried["found"]["decoded"]
        assert (row["readings"][0]["point"], row["problem"]) == ("button", None)
        assert row["readings"][0]["attributes"] == {"battery": "80"}

        # I1 on a bus at work: through its driver, whose one connection stays.
        asked = {"what": "modbus", "link": "kitchen", "unit_numbers": "1-3", "rate_per_s": 20}
        assert (await installer.ask("POST", "/search", asked))[0] == 202
        found = (await done(installer))["result"]["bus"]
        assert {unit["unit"] for unit in found["units"]} == {1, 2}
        assert found["next"]

        # I3: registers as they came; and the trial of a device on the same bus.
        made.level(7)

        async def seven() -> Any:
            _, now = await installer.ask("GET", "/devices/gas-1/live")
            values = {value["name"]: value for value in now["values"]}
            came = now["trace"]["values"].get("level", [])
            return values if values["level"]["words"] == [7] and 7 in came else None

        values = await gateway.until(seven, "the level as it is")
        assert (values["level"]["hex"], values["level"]["value"]) == (["0007"], 7)
        assert values["level"]["bits"] == ["0000000000000111"]
        # Only what came behind a moment is told again; yes and no is no number.
        _, now = await installer.ask("GET", "/devices/gas-1/live")
        last_ms = now["trace"]["at_ms"][-1]
        _, later = await installer.ask("GET", f"/devices/gas-1/live?after={last_ms}")
        assert all(at_ms > last_ms for at_ms in later["trace"]["at_ms"])
        assert set(now["trace"]["values"]) == {"level"}
        table = {"profile": "own/detector", "link": "kitchen", "address": {"unit": 2}}
        _, tried = await installer.ask("POST", "/try", {"device": "gas-2", "table": table})
        assert tried["found"]["probe"]["unit"] == 2
        assert tried["found"]["probe"]["complete"] is False  # register 1 is not there

        # What is asked wrongly is refused; a search can be stopped.
        assert (await installer.ask("GET", "/devices/none/live"))[0] == 404
        wrong = {"what": "modbus", "link": "kitchen", "unit_numbers": "1-999"}
        await installer.ask("POST", "/search", wrong)
        assert (await done(installer))["state"] == "failed"
        asked = {"what": "topics", "link": "field", "seconds": 100}
        await installer.ask("POST", "/search", asked)
        _, told = await installer.ask("DELETE", "/search")
        assert told["state"] == "cancelled"

        # Nothing was written, and all of it is in the trail.
        assert (tmp_path / "config" / "devices.toml").read_text("utf-8") == before
        assert made.writes() == []
        _, trail = await installer.ask("GET", "/../audit?limit=100")
        actions = [entry["data"]["action"] for entry in trail["entries"]]
        assert actions.count("install.search") == 5  # and the one that was refused is there, too
        assert actions.count("install.try") == 2
        assert await gateway.faults() == {}
