"""Whoever dies, and wherever: a press a broker answered for is stored and at both receivers."""

import os
import random
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from simulators.brokers import Mosquitto, MosquittoSettings, free_port
from simulators.bureau import Bureau
from simulators.inbox import Inbox
from simulators.mqtt import Address
from simulators.police import Police
from tests.conftest import POLICE_SECRET
from tests.crash.campaign import (
    POINTS,
    Crowd,
    Figures,
    crowd,
    live_and_die,
    open_crowd,
    orders,
    reckon,
)
from tests.harness import Gateway, http, mqtt

NO_LIMITS = MosquittoSettings(max_inflight=0, max_queued=0)


async def far_ends(stack: AsyncExitStack, folder: Path) -> tuple[Police, Bureau, Mosquitto]:
    enter = stack.enter_async_context
    centre = await enter(Mosquitto(folder / "centre", NO_LIMITS))
    police = await enter(Police(secret=POLICE_SECRET, inbox=Inbox(folder / "police.inbox")))
    bureau = await enter(Bureau(centre.address, inbox=Inbox(folder / "bureau.inbox")))
    return police, bureau, centre


async def suffer(
    gateway: Gateway,
    people: Crowd,
    police: Police,
    bureau: Bureau,
    *,
    deaths: list[str],
    presses: int,
    field: Mosquitto | None,
    seed: int,
) -> Figures:
    """Live and die once for each of the deaths; the police is there in every other life."""
    dice = random.Random(seed)
    share = presses // (len(deaths) + 1)
    people.press(presses - share * len(deaths))
    await people.answered()
    for number, death in enumerate(deaths):
        if gateway.is_running:
            await gateway.kill()
        await (police.down() if number % 2 else police.up())
        if field is not None and number % 4 == 1:
            people.press(dice.randint(1, 5))
            await field.restart()
        await live_and_die(gateway, people, death, share, bureau)
    await police.up()
    await gateway.start()
    return await reckon(gateway, people, police, bureau)


async def play(
    folder: Path, *, deaths: list[str], presses: int, doors: int, buttons: int, seed: int
) -> Figures:
    async with AsyncExitStack() as stack:
        police, bureau, centre = await far_ends(stack, folder)
        field = await stack.enter_async_context(Mosquitto(folder / "field", NO_LIMITS))
        devices = crowd(doors, buttons)
        gateway = await stack.enter_async_context(
            Gateway(
                folder=folder,
                field_port=field.port,
                devices=devices,
                uplinks=[http("police", police.port), mqtt("bureau", centre.port)],
            )
        )
        await gateway.start()
        people = await open_crowd(stack, devices, field.address)
        figures = await suffer(
            gateway,
            people,
            police,
            bureau,
            deaths=deaths,
            presses=presses,
            field=field,
            seed=seed,
        )
        figures.broker_starts = field.starts
        return figures


async def play_embedded(folder: Path, *, deaths: list[str], presses: int, seed: int) -> Figures:
    """As play, with the broker inside: it dies with the gateway, and now and then before it."""
    async with AsyncExitStack() as stack:
        police, bureau, centre = await far_ends(stack, folder)
        devices = crowd(9, 3)
        gateway = await stack.enter_async_context(
            Gateway(
                folder=folder,
                field_port=free_port(),
                devices=devices,
                uplinks=[http("police", police.port), mqtt("bureau", centre.port)],
                embedded=True,
            )
        )
        await gateway.start()
        people = await open_crowd(stack, devices, Address(port=gateway.field_port))
        people.press(presses // 4)
        await people.answered()
        os.kill(gateway.child("nats-server"), signal.SIGKILL)
        people.replays = len(deaths) + 1
        people.press(presses // 4)
        await people.answered()
        return await suffer(
            gateway,
            people,
            police,
            bureau,
            deaths=deaths,
            presses=presses // 2,
            field=None,
            seed=seed,
        )


def demand(figures: Figures, *, kills: int, presses: int) -> None:
    print(f"\n{figures}")
    assert figures.kills >= kills
    assert figures.accepted >= presses
    assert figures.lost == 0


@pytest.mark.timeout(300)
async def test_nothing_is_lost_when_the_gateway_is_killed_and_the_police_is_half_of_the_time_away(
    tmp_path: Path,
) -> None:
    figures = await play(
        tmp_path, deaths=orders(5, seed=3), presses=1000, doors=12, buttons=4, seed=3
    )
    demand(figures, kills=5, presses=1000)
    assert figures.broker_starts >= 2


@pytest.mark.timeout(300)
async def test_nothing_is_lost_with_the_embedded_broker_killed_as_well(tmp_path: Path) -> None:
    figures = await play_embedded(tmp_path, deaths=orders(2, seed=5), presses=400, seed=5)
    demand(figures, kills=2, presses=400)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_ten_thousand_presses_survive_twenty_kills_of_gateway_and_embedded_broker(
    tmp_path: Path,
) -> None:
    figures = await play_embedded(tmp_path, deaths=orders(20, seed=13), presses=10_000, seed=13)
    demand(figures, kills=20, presses=10_000)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_ten_thousand_presses_survive_thirty_kills_at_every_named_point_and_anywhere(
    tmp_path: Path,
) -> None:
    deaths = orders(30, seed=11)
    assert {death.partition(":")[0] for death in deaths} >= set(POINTS)
    figures = await play(tmp_path, deaths=deaths, presses=10_000, doors=60, buttons=20, seed=11)
    demand(figures, kills=30, presses=10_000)
