"""A press that nobody's browser sounds: a gateway process, a relay, a player, consoles, a kill."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.buttons import Hand, JsonButton
from simulators.modbus.faults import Silent
from simulators.mqtt import Publisher
from tests.conftest import MosquittoFactory
from tests.sirens import (
    SIREN,
    Relay,
    Screen,
    SirenGateway,
    is_running,
    link_toml,
    player,
    relay,
    shown,
)


@dataclass(slots=True)
class House:
    gateway: SirenGateway
    relay: Relay
    buttons: list[Hand]
    played: Path
    program: Path

    async def siren_records(self) -> list[tuple[str, str, str]]:
        """Command, state and cause of every record of the siren."""
        notes = [
            one["data"]["attributes"]
            for one in await self.gateway.records()
            if one["data"]["point"] == "command"
        ]
        return [(one["command"], one["state"], one.get("cause", "")) for one in notes]

    async def id_of(self, button: int) -> str:
        alarm = (await self.gateway.alarms())[f"btn-{button}/button"]
        return str(alarm["alarm_id"])

    async def do(self, alarm_id: str, what: str, body: object = None) -> dict[str, Any]:
        status, row = await self.gateway.post(f"/api/v1/alarms/{alarm_id}/{what}", body)
        assert status == 200, row
        return dict(row)


@asynccontextmanager
async def house(folder: Path, mosquitto: MosquittoFactory) -> AsyncIterator[House]:
    broker = await mosquitto()
    devices = [JsonButton("btn-0"), JsonButton("btn-1")]
    argv, played = player(folder)
    async with AsyncExitStack() as stack:
        module = await stack.enter_async_context(relay())
        words = ", ".join(f'"{word}"' for word in argv)
        gateway = await stack.enter_async_context(
            SirenGateway(
                folder=folder,
                field_port=broker.port,
                devices=devices,
                more=f"{SIREN}player = [{words}]\n{link_toml(module.url)}",
            )
        )
        await gateway.start()
        buttons = [
            Hand(
                one,
                await stack.enter_async_context(
                    Publisher(broker.address, client_id=f"hand-{one.name}")
                ),
            )
            for one in devices
        ]
        yield House(gateway, module, buttons, played, Path(argv[0]))


async def test_with_no_console_the_siren_and_the_player_begin_and_an_acknowledgement_ends_both(
    tmp_path: Path, mosquitto: MosquittoFactory
) -> None:
    async with house(tmp_path, mosquitto) as here:
        here.relay.unit.fault = Silent()
        await here.buttons[0].press()
        fault = await here.gateway.fault("gw-1/siren")
        assert "检查" in fault["text"]
        await here.gateway.until(lambda: _exists(here.played), "the player plays")
        assert here.played.read_text().splitlines()[:2] == [
            "--quiet", str(here.gateway.store_folder / "sounds" / "siren.wav"),
        ]  # fmt: skip
        here.relay.unit.fault = None
        await here.relay.until(on=True)
        await here.gateway.no_fault("gw-1/siren")
        assert is_running(here.program)
        alarm_id = await here.id_of(0)
        await here.do(alarm_id, "acknowledge")
        await here.relay.until(on=False)

        async def ended() -> bool:
            done = await here.siren_records()
            return not is_running(here.program) and done[-1][:2] == ("off", "done")

        await here.gateway.until(ended, "the player ended, and the record of it is written")
        told = await here.siren_records()
        assert told[0] == ("on", "failed", alarm_id)
        assert ("on", "done", alarm_id) in told


async def test_a_console_that_sounds_the_alarm_keeps_the_siren_still_and_hands_it_back_when_it_dies(
    tmp_path: Path, mosquitto: MosquittoFactory
) -> None:
    async with house(tmp_path, mosquitto) as here:
        loop = asyncio.get_running_loop()
        async with Screen(here.gateway) as screen:
            await screen.joined()
            await here.buttons[0].press()
            first = await screen.alarm()
            assert await shown(here.gateway, first, sounding=True) == (200, {"stored": True})
            await here.buttons[1].press()
            began = loop.time()
            on_s = await here.relay.until(on=True) - began
            second = await here.id_of(1)
            # The older one would be named, had it called, too.
            await here.gateway.until(here.siren_records, "the record of the siren")
            assert await here.siren_records() == [("on", "done", second)]
            assert 2 < on_s < 20  # three seconds and what a busy machine takes
            print(f"press to siren {on_s:.2f} s")
            await shown(here.gateway, second, sounding=True)
            await here.relay.until(on=False)
            await shown(here.gateway, second, sounding=False)
            await here.relay.until(on=True)  # every console that is there says it is silent
            await shown(here.gateway, second, sounding=True)
            await here.relay.until(on=False)
            assert await here.gateway.metric("campus_consoles", sound="yes") == 1
        await here.relay.until(on=True)
        for each in (first, second):
            await here.do(each, "close", {"disposition": "test", "note": ""})
        await here.relay.until(on=False)


async def test_killed_in_the_middle_of_an_alarm_it_sounds_again_and_is_silent_once_that_is_closed(
    tmp_path: Path, mosquitto: MosquittoFactory
) -> None:
    async with house(tmp_path, mosquitto) as here:
        await here.buttons[0].press()
        await here.relay.until(on=True)
        await here.gateway.until(here.siren_records, "the record of the siren")
        alarm_id = await here.id_of(0)
        await here.do(alarm_id, "notes", {"text": "老师在现场"})
        await here.gateway.kill()
        here.relay.unit.set_words(1, 0, [0])  # the relay's power was cut with the gateway's
        await here.gateway.start()
        await here.relay.until(on=True)
        row = (await here.gateway.alarms())["btn-0/button"]
        assert [note["text"] for note in row["notes"]] == ["老师在现场"]
        await here.do(alarm_id, "close", {"disposition": "test", "note": ""})
        await here.relay.until(on=False)


async def _exists(path: Path) -> bool:
    return path.exists() and len(path.read_text().splitlines()) >= 2
