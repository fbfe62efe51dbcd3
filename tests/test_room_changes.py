"""What the guard room goes by is changed while an alarm calls: siren, numbers, plans, acknowledged.

One gateway process through all of it: no restart, no second ring, and a guard stays signed on.
"""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.console.tokens import Role, TokenBook
from simulators.buttons import JsonButton
from simulators.mqtt import Publisher
from tests.conftest import MosquittoFactory
from tests.harness import Gateway
from tests.sirens import SIREN, Screen, SirenGateway, link_toml, relay
from tests.test_reload import Installer

pytestmark = pytest.mark.timeout(300)
PLAN = 'title = "本校紧急"\ntitle_en = "ours"\n[[step]]\nzh = "看画面"\nen = "look"\n'
WAYS = {"device": "siren-1", "on": "on", "off": "off"}


async def change(installer: Installer, **what: Any) -> Any:
    body = {"change": what, "version": await installer.version(), "reason": "改"}
    status, told = await installer.ask("POST", "/config/apply", body)
    assert status == 200, told
    return told["outcome"]


async def session(gateway: Gateway) -> aiohttp.ClientSession:
    """Somebody signed on, as a browser is: with a cookie."""
    book = TokenBook(gateway.store_folder / "tokens.json", SystemClock())
    token = book.create(Role.GUARD, "张三")
    client = aiohttp.ClientSession(
        f"http://127.0.0.1:{gateway.api_port}", cookie_jar=aiohttp.CookieJar(unsafe=True)
    )
    async with client.post("/api/v1/session", json={"token": token}) as answer:
        assert answer.status == 200, await answer.text()
    return client


async def sirens(gateway: Gateway) -> list[str]:
    """Every command the siren was given, oldest first."""
    return [
        one["data"]["attributes"]["command"]
        for one in await gateway.records()
        if one["data"]["point"] == "command"
    ]


async def test_siren_numbers_and_plans_are_taken_up_amid_an_alarm_and_nothing_rings_twice(
    tmp_path: Path, mosquitto: MosquittoFactory
) -> None:
    broker, hand = await mosquitto(), JsonButton("btn-0")
    async with relay() as module, SirenGateway(
        folder=tmp_path, field_port=broker.port, devices=[hand],
        more=f"{SIREN}{link_toml(module.url)}",
    ) as gateway, Publisher(broker.address, client_id="hand") as publisher:  # fmt: skip
        await gateway.start()
        pid, installer, guard = gateway.pid, Installer(gateway), await session(gateway)
        async with guard:
            for message in hand.pressed():
                await publisher.post(message)
            await module.until(on=True)

            # The siren that sounds is the guard room's no more: it is told off. Then it is again.
            outcome = await change(installer, kind="console", table={})
            assert (outcome["taken"], outcome["anew"], outcome["links"]) == (["siren"], [], [])
            await module.until(on=False)
            await change(installer, kind="console", table={"siren": WAYS})
            await module.until(on=True)

            # Acknowledged, it rings no more, whatever is changed after that.
            alarm = (await gateway.alarms())["btn-0/button"]
            await gateway.post(f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge")
            await module.until(on=False)
            await gateway.until(lambda: _told_off(gateway), "the record of it")
            before = await sirens(gateway)

            contact = {"name": "城关派出所", "number": "110"}
            outcome = await change(
                installer, kind="contact", device=contact["name"], table=contact, new=True
            )
            assert (outcome["taken"], outcome["anew"]) == (["contacts"], [])
            async with guard.get("/api/v1/console/stream") as stream:
                async for line in stream.content:
                    if line.startswith(b"data: "):
                        assert "城关派出所" in line.decode()
                        break
            outcome = await change(installer, file="plans/panic.toml", text=PLAN)
            assert (outcome["taken"], outcome["anew"]) == (["plans"], [])
            plans = (await gateway.get("/api/v1/plans"))["plans"]
            titles = {plan["kind"]: plan["title"]["zh"] for plan in plans}
            assert titles["panic"] == "本校紧急"

            async with Screen(gateway) as screen:
                await screen.joined()
            async with guard.get("/api/v1/session") as answer:
                assert answer.status == 200
            assert await sirens(gateway) == before
            assert not module.is_on
            assert (await gateway.alarms())["btn-0/button"]["acknowledged_by"] == "test"
            assert gateway.pid == pid


async def _told_off(gateway: Gateway) -> bool:
    return (await sirens(gateway))[-1] == "off"
