"""Every Modbus profile that ships, through the gateway's own process to the police.

Found by looking, so a new profile is tested by being there. All devices share one gateway, a few
buses carry them, and each test below looks at one profile of the story that was told once.
"""

import asyncio
import tomllib
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.events import Category, Nature, Point
from gateway.profile import Profile, Shelf, shipped_folder
from simulators.inbox import Inbox
from simulators.modbus import Line, Silent
from simulators.modbus.behaviour import Behaviour
from simulators.modbus.model import Model
from simulators.police import Police
from simulators.ports import free_port
from tests.conftest import POLICE_SECRET
from tests.harness import Gateway, http
from tests.shelves import shipped

BUSES: Final = 6
TOLD_S: Final = 30.0
"""How long is waited for everything of one chapter; only a profile that fails waits as long."""
TOLD = tuple(
    f"campus.{family}.{what}.v1" for family in ("alarm", "fault") for what in ("raised", "restored")
)


@dataclass(kw_only=True)
class Actor:
    """One profile's device: what it shows when all is well, and when it is not.

    alarmed  number of the sample; None: a press, which no sample of registers shows
    points   those that are active in the second sample and were not in the first
    """

    id: str
    profile: Profile
    address: dict[str, Any]
    calm: int
    alarmed: int | None
    points: list[Point]
    behaviour: Behaviour = field(init=False)

    def rest(self) -> None:
        if self.alarmed is not None:
            self.behaviour.model.show(self.calm)

    def alarm(self) -> None:
        if self.alarmed is None:
            self.behaviour.alarm(self.points[0].name)
        else:
            self.behaviour.model.show(self.alarmed)

    def wanted(self, what: str) -> set[str]:
        """What has to be told of its points: a press is never over by itself."""
        return {
            f"{_family(point)}.{what} {point.name}"
            for point in self.points
            if what == "raised" or point.nature is not Nature.MOMENTARY
        }

    @property
    def toml(self) -> str:
        address = ", ".join(f"{key} = {_toml(value)}" for key, value in self.address.items())
        return f"""
[[device]]
id = "{self.id}"
profile = "{self.profile.id}"
name = "设备{self.id}"
place = "机房"
accept_unverified = true
address = {{ {address} }}
"""


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


@cache
def shelf() -> Shelf:
    return shipped()


IDS = [name for name in shelf().ids() if (p := shelf().get(name)) is not None and p.body.modbus]


def path_of(profile: Profile) -> Path:
    return shipped_folder() / f"{profile.id}.toml"


@cache
def script(profile: Profile) -> tuple[dict[str, Any], int, int | None, list[str]]:
    """Choose the two samples that tell a profile's story: address, calm, alarmed, points."""
    table = tomllib.loads(path_of(profile).read_text("utf-8"))
    samples = [each for each in table["sample"] if "log" not in each]
    stories: list[tuple[dict[str, Any], int, int | None, list[str]]] = []
    for at, calm in enumerate(samples):
        own = calm.get("address", {})
        address = {**Model.from_file(path_of(profile), own).sheet.address}
        points = profile.points_for(address)
        if calm["expect"] == "garbled" or _told(calm, points):
            continue
        counters = [name for name, point in points.items() if point.counter_bits is not None]
        if counters:
            return own, at, None, counters
        for other, alarmed in enumerate(samples):
            if alarmed.get("address", {}) != own or alarmed["expect"] == "garbled":
                continue
            active = _told(alarmed, points)
            if any(points[name].category is Category.ALARM for name in active):
                return own, at, other, active
            if active:
                stories.append((own, at, other, active))
    assert stories, f"{profile.id}: no sample shows an alarm or a fault beside one that is calm"
    return stories[0]


def cast(profile: Profile, unit: int) -> Actor:
    own, calm, alarmed, active = script(profile)
    address = {**Model.from_file(path_of(profile), {**own, "unit": unit}).sheet.address}
    points = profile.points_for(address)
    return Actor(
        id=profile.id.replace("/", "-").replace("_", "-"),
        profile=profile,
        address=address,
        calm=calm,
        alarmed=alarmed,
        points=[points[name] for name in active],
    )


def _told(sample: dict[str, Any], points: dict[str, Point]) -> list[str]:
    """Points of a sample that raise an alarm or a fault."""
    active = {each["point"] for each in sample["expect"] if _is_active(each, points)}
    return [name for name in points if name in active]


def _is_active(expected: dict[str, Any], points: dict[str, Point]) -> bool:
    point = points[expected["point"]]
    if point.category not in {Category.ALARM, Category.FAULT}:
        return False
    if point.nature is Nature.MOMENTARY:
        return False
    if point.nature is not Nature.MEASUREMENT:
        return bool(expected.get("active"))
    value = expected.get("value")
    if not isinstance(value, (int, float)):
        return False
    above, below = point.alarm_above, point.alarm_below
    return (above is not None and value >= above) or (below is not None and value <= below)


class Story:
    """What the police were told, chapter by chapter."""

    def __init__(self, inbox: Inbox, actors: list[Actor]) -> None:
        self._inbox = inbox
        self._seen = 0
        self.told: dict[str, list[tuple[str, str]]] = {actor.id: [] for actor in actors}

    def of(self, device: str, chapter: str) -> list[str]:
        return [what for told, what in self.told[device] if told == chapter]

    def _fresh(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {device: [] for device in self.told}
        for one in list(self._inbox.received)[self._seen :]:
            if one.type in TOLD and one.device in found:
                found[one.device].append(f"{one.type[7:-3]} {one.data['point']}")
        return found

    async def chapter(self, name: str, wanted: dict[str, set[str]]) -> None:
        """Wait until everything wanted was told, or long enough, and note what was."""

        def complete(_inbox: Inbox) -> bool:
            fresh = self._fresh()
            return all(want <= set(fresh[device]) for device, want in wanted.items())

        with suppress(TimeoutError):  # each profile's own test says what is missing
            await self._inbox.until(complete, TOLD_S)
        for device, told in self._fresh().items():
            self.told[device] += [(name, what) for what in told]
        self._seen = len(self._inbox.received)


async def live(folder: Path) -> Story:
    """A day of all of them: calm, alarm, restart, restore, silence, back."""
    actors: list[Actor] = []
    async with AsyncExitStack() as stack:
        links, devices = [], []
        for bus, (kind, members) in enumerate(_buses()):
            actors += members
            for actor in members:
                model = Model.from_file(path_of(actor.profile), actor.address)
                actor.behaviour = Behaviour(model)
                actor.rest()
            line = Line([actor.behaviour.model.unit for actor in members])
            served = await stack.enter_async_context(
                line.tcp() if kind == "tcp" else line.rtu_over_tcp()
            )
            more = "?drain_s=0.3&gap_ms=0" if kind != "tcp" else ""
            links.append(
                f'[[link]]\nname = "bus-{bus}"\nkind = "modbus"\nurl = "{served.url}{more}"\n'
                "timeout_seconds = 0.3\nalarm_period_seconds = 0.5\n"
            )
            devices += [f'{actor.toml}link = "bus-{bus}"\n' for actor in members]
        inbox = Inbox()
        police = await stack.enter_async_context(Police(secret=POLICE_SECRET, inbox=inbox))
        hearts = asyncio.create_task(beat(actors))
        stack.push_async_callback(stop, hearts)
        gateway = await stack.enter_async_context(
            Gateway(
                folder=folder,
                field_port=free_port(),
                devices=(),
                uplinks=[http("police", police.port)],
                more="\n".join(links),
            )
        )
        (folder / "config" / "devices.toml").write_text("".join(devices), "utf-8")
        return await tell(gateway, inbox, actors)


async def tell(gateway: Gateway, inbox: Inbox, actors: list[Actor]) -> Story:
    story = Story(inbox, actors)
    chapter = story.chapter
    await gateway.start()
    await online(gateway, actors)
    await chapter("calm", {})
    for actor in actors:
        actor.alarm()
    await chapter("alarm", {actor.id: actor.wanted("raised") for actor in actors})
    await gateway.stop()
    await gateway.start()
    await online(gateway, actors)
    await chapter("restart", {})
    for actor in actors:
        actor.rest()
    await chapter("restore", {actor.id: actor.wanted("restored") for actor in actors})
    for actor in actors:
        actor.behaviour.model.unit.fault = Silent()
    await chapter("silence", {actor.id: {"fault.raised connection"} for actor in actors})
    for actor in actors:
        actor.behaviour.model.unit.fault = None
    await chapter("back", {actor.id: {"fault.restored connection"} for actor in actors})
    return story


async def online(gateway: Gateway, actors: list[Actor]) -> None:
    """Return once every device was heard of."""

    async def all_heard() -> bool:
        found = (await gateway.get("/api/v1/devices"))["devices"]
        states = {one["id"]: one["state"] for one in found}
        return all(states.get(actor.id) == "online" for actor in actors)

    with suppress(AssertionError):  # each profile's own test says so
        await gateway.until(all_heard, "all devices online", TOLD_S)


async def beat(actors: list[Actor]) -> None:
    while True:
        for actor in actors:
            model = actor.behaviour.model
            for spot in model.sheet.spots.values():
                if spot.table.get("heartbeat_s"):
                    actor.behaviour.beat(spot.name)
        await asyncio.sleep(0.3)


async def stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _family(point: Point) -> str:
    return "alarm" if point.category is Category.ALARM else "fault"


def _buses() -> Iterator[tuple[str, list[Actor]]]:
    """Share the profiles out: few units on each bus, so that silence is told of all at once."""
    kinds: dict[str, list[Profile]] = {"tcp": [], "rtu-over-tcp": []}
    for name in IDS:
        profile = shelf().get(name)
        assert profile is not None
        assert profile.body.modbus is not None
        with suppress(AssertionError):  # its own test says so
            script(profile)
            kind = "tcp" if "tcp" in profile.body.modbus.transports else "rtu-over-tcp"
            kinds[kind].append(profile)
    for kind, profiles in kinds.items():
        for first in range(min(BUSES, len(profiles))):
            yield kind, [cast(each, at) for at, each in enumerate(profiles[first::BUSES], 1)]


_STORY: list[Story | BaseException] = []


@pytest.fixture
async def story(tmp_path: Path) -> Story:
    """Lived through once, by the first test that asks."""
    if not _STORY:
        try:
            _STORY.append(await live(tmp_path))
        except BaseException as error:
            _STORY.append(error)
            raise
    if isinstance(_STORY[0], BaseException):
        pytest.fail(f"the story could not be told: {_STORY[0]}")
    return _STORY[0]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("profile_id", IDS)
async def test_a_shipped_profile_reaches_the_police(story: Story, profile_id: str) -> None:
    profile = shelf().get(profile_id)
    assert profile is not None
    actor = cast(profile, 1)
    raised, restored = actor.wanted("raised"), actor.wanted("restored")
    assert story.of(actor.id, "calm") == [], "a device at rest has nothing to say"
    assert set(story.of(actor.id, "alarm")) >= raised
    assert story.of(actor.id, "restart") == [], "a restart in alarm raises nothing again"
    assert set(story.of(actor.id, "restore")) >= restored
    assert story.of(actor.id, "silence") == ["fault.raised connection"]
    assert story.of(actor.id, "back") == ["fault.restored connection"]
    everything = [what for _, what in story.told[actor.id]]
    for what in raised:
        assert everything.count(what) == 1, f"{what} was told more than once"
