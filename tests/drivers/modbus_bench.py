"""A driver at work on simulated devices, and who stands for the intake behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from drivers.modbus import Driver
from gateway.clock import SystemClock
from gateway.driver import LinkSettings
from gateway.events import ONLINE_POINT, Arrival, Device, Reading
from gateway.profile import Profile, Shelf
from simulators.modbus.model import Model

PROFILES = Path(__file__).parent / "profiles"
PATIENCE_S = 45.0
"""How long is waited for what must come; only a test that fails waits as long."""


@cache
def shelf() -> Shelf:
    return Shelf.load(PROFILES)


def profile(name: str) -> Profile:
    found = shelf().get(f"test/{name}")
    assert found is not None
    return found


def model(name: str, unit: int = 1, **more: Any) -> Model:
    """A simulated device of a test profile."""
    return Model.from_file(PROFILES / "test" / f"{name}.toml", {"unit": unit, **more})


def device(name: str, device_id: str = "d-1", *commands: str, **address: Any) -> Device:
    """The same device as an installer configures it; commands are those he allows."""
    where = {"unit": 1, **({"device": 1} if name == "spot" else {}), **address}
    return Device(
        id=device_id,
        name="试验",
        place="机房",
        profile_id=f"test/{name}",
        family="gas",
        link="bus",
        address=where,
        points=profile(name).points_for(where),
        commands=frozenset(commands),
    )


class House:
    """Stands for the intake: keeps what was emitted, and waits when the test says so.

    gate    while clear, emit does not return: the disk is slow
    marks   what drivers had kept, as the store would give it back
    """

    def __init__(self, marks: Mapping[tuple[str, str], str] | None = None) -> None:
        self.arrivals: list[Arrival] = []
        self.notices: list[tuple[str, bool, str]] = []
        self.marks = dict(marks or {})
        self.gate = asyncio.Event()
        self.gate.set()
        self.most_at_once = 0
        self._changed = asyncio.Event()

    async def emit(self, arrivals: Sequence[Arrival]) -> None:
        self.most_at_once = max(self.most_at_once, len(arrivals))
        await self.gate.wait()
        self.arrivals += arrivals
        for arrival in arrivals:
            for device_id, name, value in arrival.marks:
                self.marks[device_id, name] = value
        self._tell()

    async def notice(self, what: str, healthy: bool, text: str) -> None:
        self.notices.append((what, healthy, text))
        self._tell()

    def recall(self, device_id: str, name: str) -> str | None:
        return self.marks.get((device_id, name))

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, ready: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(patience_s):
            while not ready():
                await self._changed.wait()

    # What was told.

    def readings(self, device_id: str = "d-1", point: str | None = None) -> list[Reading]:
        return [
            reading
            for arrival in self.arrivals
            for reading in arrival.readings
            if reading.device_id == device_id and point in {None, reading.point}
        ]

    def actives(self, point: str, device_id: str = "d-1") -> list[bool | None]:
        return [reading.active for reading in self.readings(device_id, point)]

    def last(self, point: str, device_id: str = "d-1") -> Reading | None:
        found = self.readings(device_id, point)
        return found[-1] if found else None

    def gone(self, device_id: str = "d-1") -> list[str]:
        """The reasons for which a device was called offline."""
        return [
            str(reading.attributes["why"])
            for reading in self.readings(device_id, ONLINE_POINT)
            if not reading.value
        ]

    def heard(self, device_id: str = "d-1") -> int:
        return sum(device_id in arrival.devices for arrival in self.arrivals)

    def garbled(self, device_id: str = "d-1") -> list[str]:
        found = [arrival.garbled for arrival in self.arrivals if arrival.garbled is not None]
        return [each.why for each in found if each.device_id == device_id]

    def is_online(self, device_id: str = "d-1") -> bool:
        """What supervision would say: heard of after it was last called offline."""
        online = False
        for arrival in self.arrivals:
            online = online or device_id in arrival.devices
            for reading in arrival.readings:
                if (reading.device_id, reading.point) == (device_id, ONLINE_POINT):
                    online = bool(reading.value)
        return online

    def is_troubled(self, device_id: str = "d-1") -> bool:
        """What the judge would say: a garbled message, and no sound one since."""
        troubled = False
        for arrival in self.arrivals:
            if arrival.garbled is not None:
                troubled = troubled or arrival.garbled.device_id == device_id
            elif device_id in arrival.devices:
                troubled = False
        return troubled

    def mark(self) -> "Since":
        """Look only at what comes from now on."""
        return Since(self)


class Since(House):
    """A house's later part."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._from = len(house.arrivals)
        self._notices_from = len(house.notices)

    @property  # type: ignore[override]
    def arrivals(self) -> list[Arrival]:
        return self._house.arrivals[self._from :]

    @property  # type: ignore[override]
    def notices(self) -> list[tuple[str, bool, str]]:
        return self._house.notices[self._notices_from :]

    async def until(self, ready: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        await self._house.until(ready, patience_s)


def make(url: str, devices: Sequence[Device], **options: Any) -> Driver:
    profiles = {each.profile_id: profile(each.profile_id.removeprefix("test/")) for each in devices}
    link = LinkSettings(name="bus", kind="modbus", url=url, client_id="gw-1", options=options)
    return Driver(link, devices, profiles, SystemClock())


@asynccontextmanager
async def driving(
    url: str, house: House, *devices: Device, **options: Any
) -> AsyncIterator[Driver]:
    """Have a driver run; options are those of the [[link]]."""
    driver = make(url, devices, **options)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(driver.run(house.emit, house.notice, house.recall))
        try:
            yield driver
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
