"""The driver against a simulated camera: what happened there, and what the intake is handed."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from drivers.onvif import Driver
from gateway.clock import SystemClock
from gateway.driver import LinkSettings
from gateway.events import ONLINE_POINT, Arrival, Device, Scalar
from gateway.profile import Profile, Shelf
from simulators.onvif import Conduct, OnvifCamera
from tests.shelves import shipped

PATIENCE_S = 60.0
INPUT = "tns1:Device/Trigger/DigitalInput"
CROSSED = "tns1:RuleEngine/LineDetector/Crossed"
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><x>&j;</x>"
)


@dataclass
class Ear:
    """What the driver hands over, and what it says of its link."""

    arrivals: list[Arrival] = field(default_factory=list)
    moves: list[bool | None] = field(default_factory=list)
    notices: list[tuple[str, bool, str]] = field(default_factory=list)
    marks: dict[tuple[str, str], str] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def emit(self, arrivals: Sequence[Arrival]) -> None:
        assert len(arrivals) <= 512, "the contract of Emit"
        async with self.changed:
            self.arrivals += arrivals
            for arrival in arrivals:
                self.moves += [r.active for r in arrival.readings if r.point != ONLINE_POINT]
                self.marks.update({(d, n): v for d, n, v in arrival.marks})
            self.changed.notify_all()

    async def notice(self, what: str, healthy: bool, text: str) -> None:
        async with self.changed:
            self.notices.append((what, healthy, text))
            self.changed.notify_all()

    def recall(self, device_id: str, name: str) -> str | None:
        return self.marks.get((device_id, name))

    @property
    def health(self) -> dict[str, bool]:
        return {what: healthy for what, healthy, _ in self.notices}

    @property
    def readings(self) -> list[tuple[str, str, bool | None, Any]]:
        """Device, point, active and operation of everything but signs of life."""
        return [
            (r.device_id, r.point, r.active, r.attributes.get("operation"))
            for arrival in self.arrivals
            for r in arrival.readings
            if r.point != ONLINE_POINT
        ]

    @property
    def actives(self) -> list[bool | None]:
        return [active for _, _, active, _ in self.readings]

    async def until(self, test: Any) -> None:
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(test)


@cache
def shelf() -> Shelf:
    return shipped()


def profile(name: str) -> Profile:
    found = shelf().get(name)
    assert found is not None
    return found


def device(device_id: str, profile_id: str, **address: Scalar) -> Device:
    made = profile(profile_id)
    assert made.check_address(address) == []
    return Device(
        id=device_id,
        name=device_id,
        place="",
        profile_id=profile_id,
        family=made.family,
        link="cam",
        address=address,
        points=made.points_for(address),
        silence_s=made.silence_s,
    )


def button(name: str = "button", token: str = "DI_1") -> Device:
    return device(name, "camera/onvif_digital_input", input=token, kind="panic")


@asynccontextmanager
async def driving(
    camera: OnvifCamera,
    *devices: Device,
    ear: Ear | None = None,
    password: str | None = None,
    **options: Any,
) -> AsyncIterator[Ear]:
    """A driver on the camera while the context is open, from the moment it listens."""
    ear = ear or Ear()
    link = LinkSettings(
        name="cam",
        kind="onvif",
        url=f"http://127.0.0.1:{camera.port}",
        client_id="c",
        username=camera.account.user,
        password=password or camera.account.password,
        options={"pull_seconds": 2.0} | options,
    )
    profiles = {each.profile_id: profile(each.profile_id) for each in devices}
    driver = Driver(link, devices, profiles, SystemClock())
    task = asyncio.create_task(driver.run(ear.emit, ear.notice, ear.recall))
    try:
        yield ear
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def is_listening(ear: Ear) -> bool:
    return ear.health.get("link", False)


@pytest.mark.parametrize("auth", ["token", "digest", "both", "none"])
async def test_a_press_and_a_release_arrive_whatever_way_of_saying_who_we_are_the_camera_wants(
    auth: str,
) -> None:
    async with (
        OnvifCamera(inputs=["DI_1", "DI_2"], conduct=Conduct(auth=auth)) as camera,
        driving(camera, button()) as ear,
    ):
        await ear.until(lambda: ear.actives == [False, False] and is_listening(ear))
        camera.set_input("DI_2", True)
        camera.set_input("DI_1", True)
        camera.set_input("DI_1", False)
        await ear.until(lambda: len(ear.readings) == 4)
        assert ear.readings[2:] == [
            ("button", "input", True, "Changed"),
            ("button", "input", False, "Changed"),
        ]


async def test_a_button_that_is_held_while_we_begin_is_raised_and_a_crossing_is_not() -> None:
    line = device("line", "camera/onvif_line_crossing", rule="fence")
    async with OnvifCamera(inputs=["DI_1"]) as camera:
        camera.set_input("DI_1", True)
        camera.set(CROSSED, {"Rule": "fence"}, {"ObjectId": "1"})
        async with driving(camera, button(), line) as ear:
            await ear.until(lambda: ("button", "input", True, "Initialized") in ear.readings)
            camera.happen(CROSSED, {"Rule": "fence"}, {"ObjectId": "2"})
            await ear.until(lambda: any(r[0] == "line" for r in ear.readings))
            crossings = [
                r.attributes["object"]
                for arrival in ear.arrivals
                for r in arrival.readings
                if r.device_id == "line" and r.point == "crossed"
            ]
            assert crossings == ["2"]


async def test_a_rule_that_was_deleted_raises_nothing() -> None:
    field_ = device("field", "camera/onvif_line_crossing", rule="yard")
    topic, source = "tns1:RuleEngine/FieldDetector/ObjectsInside", {"Rule": "yard"}
    async with OnvifCamera() as camera, driving(camera, field_) as ear:
        await ear.until(lambda: is_listening(ear))
        camera.set(topic, source, {"IsInside": "true"})
        camera.delete(topic, source)
        camera.set(topic, source, {"IsInside": "false"})
        await ear.until(lambda: False in ear.actives)
        assert ear.actives == [True, False]


async def test_a_camera_eight_hours_ahead_is_understood_and_its_clock_is_told() -> None:
    async with (
        OnvifCamera(inputs=["DI_1"], conduct=Conduct(clock_ahead_s=8 * 3600)) as camera,
        driving(camera, button()) as ear,
    ):
        await ear.until(lambda: is_listening(ear) and ear.actives)
        told = [text for what, healthy, text in ear.notices if what == "clock" and not healthy]
        assert re.search(r"\+28[78]\d\d s", told[0])


async def test_what_happens_while_the_gateway_is_away_waits_in_the_camera() -> None:
    async with OnvifCamera(inputs=["DI_1"]) as camera:
        async with driving(camera, button()) as ear:
            await ear.until(lambda: is_listening(ear) and ear.marks and ear.actives)
        before = len(ear.readings)
        camera.set_input("DI_1", True)
        camera.set_input("DI_1", False)  # over again before anybody listens
        async with driving(camera, button(), ear=ear):
            await ear.until(
                lambda: (
                    (True, False)
                    in zip(ear.actives[before:], ear.actives[before + 1 :], strict=False)
                )
            )
        assert ("subscription", False) not in [(what, ok) for what, ok, _ in ear.notices]
        assert len(camera.properties.subscriptions) == 1


async def test_a_subscription_that_dies_is_replaced_and_what_is_active_then_is_raised() -> None:
    async with OnvifCamera(inputs=["DI_1"]) as camera, driving(camera, button()) as ear:
        await ear.until(lambda: is_listening(ear) and ear.actives)
        camera.lose_subscriptions()
        camera.set_input("DI_1", True)
        await ear.until(lambda: ("button", "input", True, "Initialized") in ear.readings)
        await ear.until(lambda: ear.health["subscription"])
        told = [healthy for what, healthy, _ in ear.notices if what == "subscription"]
        assert told[-2:] == [False, True]
        assert is_listening(ear)


async def test_a_camera_that_is_started_anew_while_the_button_is_held_says_so_again() -> None:
    async with OnvifCamera(inputs=["DI_1"]) as camera, driving(camera, button()) as ear:
        await ear.until(lambda: is_listening(ear) and ear.actives)
        camera.set_input("DI_1", True)
        await ear.until(lambda: ear.actives[-1] is True)
        await camera.power_off()
        await ear.until(lambda: not is_listening(ear))
        camera.set_input("DI_1", False)
        await camera.power_on()
        await ear.until(lambda: is_listening(ear) and ear.actives[-1] is False)


async def test_a_camera_with_one_slot_only_is_subscribed_to_again() -> None:
    conduct = Conduct(subscriptions=1, references=True)
    async with OnvifCamera(inputs=["DI_1"], conduct=conduct) as camera:
        async with driving(camera, button()) as ear:
            await ear.until(lambda: is_listening(ear) and ear.marks)
        ear.notices.clear()
        async with driving(camera, button(), ear=ear):
            await ear.until(lambda: is_listening(ear))
            camera.set_input("DI_1", True)
            await ear.until(lambda: ear.actives[-1] is True)


async def test_a_hostile_answer_costs_one_fault_and_the_states_are_asked_for_anew() -> None:
    async with OnvifCamera(inputs=["DI_1"]) as camera, driving(camera, button()) as ear:
        await ear.until(lambda: is_listening(ear) and ear.actives)
        camera.conduct.garbage_pulls.append(BOMB)
        camera.set_input("DI_1", True)  # goes away with the garbage
        await ear.until(lambda: not is_listening(ear))
        await ear.until(lambda: is_listening(ear) and ear.actives[-1] is True)
        assert [ok for what, ok, _ in ear.notices if what == "link"].count(False) == 1


async def test_an_answer_that_breaks_off_loses_no_state() -> None:
    async with OnvifCamera(inputs=["DI_1"]) as camera, driving(camera, button()) as ear:
        await ear.until(lambda: is_listening(ear) and ear.actives)
        camera.conduct.cut_pulls = 1
        camera.set_input("DI_1", True)
        await ear.until(lambda: ear.actives[-1] is True)
        assert ear.readings[-1] == ("button", "input", True, "Initialized")


async def test_a_wrong_password_is_told_and_not_repeated_at_once() -> None:
    async with (
        OnvifCamera(inputs=["DI_1"]) as camera,
        driving(camera, button(), password="wrong") as ear,
    ):
        await ear.until(lambda: ear.health.get("link") is False)
        assert "用户名或密码" in ear.notices[-1][2]
        assert sum(camera.refused.values()) == 1
        assert "wrong" not in str(ear.notices)


async def test_an_input_that_the_camera_does_not_have_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("drivers.onvif.driver.STATES_S", 0.5)
    misspelt = button("misspelt", "DI_l")
    async with (
        OnvifCamera(inputs=["DI_1"]) as camera,
        driving(camera, button(), misspelt, pull_seconds=1.0) as ear,
    ):
        await ear.until(lambda: ear.health.get("states") is False)
        text = next(text for what, _, text in ear.notices if what == "states")
        assert "misspelt" in text
        assert "button" not in text


async def test_a_garbled_event_is_kept_as_such_and_its_neighbours_are_read() -> None:
    async with (
        OnvifCamera(inputs=["DI_1", "DI_2"]) as camera,
        driving(camera, button(), button("other", "DI_2")) as ear,
    ):
        await ear.until(lambda: is_listening(ear) and len(ear.actives) == 4)
        camera.set(INPUT, {"InputToken": "DI_1"}, {"LogicalState": "perhaps"})
        camera.set_input("DI_2", True)
        await ear.until(lambda: ear.actives[-1] is True)
        garbled = [a.garbled.device_id for a in ear.arrivals if a.garbled is not None]
        assert garbled == ["button"]


async def storm(events: int) -> None:
    """So many events in one go, and every one of them arrives, in order and once."""
    async with OnvifCamera(inputs=["DI_1"]) as camera, driving(camera, button()) as ear:
        await ear.until(lambda: is_listening(ear) and ear.actives)
        first = done = len(ear.moves)
        while done < first + events:
            some = min(10_000, first + events - done)
            for number in range(some):
                camera.set_input("DI_1", number % 2 == 0)
            done += some
            await ear.until(lambda wanted=done: len(ear.moves) >= wanted)
        assert ear.moves[first:] == [number % 2 == 0 for number in range(events)]
        assert [ok for what, ok, _ in ear.notices if what in {"link", "subscription"}] == [True] * 2


async def test_ten_thousand_events_arrive_in_order_and_none_twice() -> None:
    await storm(10_000)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_hundred_thousand_events_arrive_in_order_and_none_twice() -> None:
    await storm(100_000)


async def test_every_answer_is_a_sign_of_life_of_every_device() -> None:
    async with (
        OnvifCamera(inputs=["DI_1"]) as camera,
        driving(camera, button(), button("other", "DI_2")) as ear,
    ):
        await ear.until(lambda: bool(ear.arrivals))

        def alive() -> set[str]:
            return {
                r.device_id for a in ear.arrivals for r in a.readings if r.point == ONLINE_POINT
            }

        await ear.until(lambda: alive() == {"button", "other"})


async def test_a_camera_that_sends_more_than_was_asked_for_is_taken_in_small_steps() -> None:
    conduct = Conduct(ignores_limit=True)
    async with OnvifCamera(inputs=["DI_1"], conduct=conduct) as camera:
        async with driving(camera, button()) as ear:
            await ear.until(lambda: is_listening(ear) and ear.marks and ear.actives)
        first = len(ear.readings)
        for number in range(2000):
            camera.set_input("DI_1", number % 2 == 0)
        async with driving(camera, button(), ear=ear):
            await ear.until(lambda: len(ear.readings) >= first + 2000)
        assert ear.actives[first : first + 2000] == [number % 2 == 0 for number in range(2000)]


async def test_a_camera_that_does_not_wait_for_news_is_not_asked_without_a_pause() -> None:
    async with (
        OnvifCamera(inputs=["DI_1"], conduct=Conduct(waits=False)) as camera,
        driving(camera, button()) as ear,
    ):
        await ear.until(lambda: is_listening(ear) and ear.actives)
        before = camera.asked["PullMessages"]
        await asyncio.sleep(1.6)  # the time itself is what is measured
        assert camera.asked["PullMessages"] - before <= 4


async def test_how_the_link_is_is_told_when_it_changes_and_not_with_every_answer() -> None:
    async with OnvifCamera(inputs=["DI_1"]) as camera, driving(camera, button()) as ear:
        await ear.until(lambda: is_listening(ear) and ear.actives)
        for number in range(50):
            camera.set_input("DI_1", number % 2 == 0)
            await ear.until(lambda n=number: len(ear.actives) >= n + 2)
        assert len(ear.notices) <= 6
