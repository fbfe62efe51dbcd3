"""What replies mean for devices, as arrivals: the way from registers to the outbox.

Owns    taking replies apart for the devices that share them, and what is told of silence, of
        refusals and of hearts that stopped.
Needs   station.py, outbox.py, the devices' images.
Keeps   1. What one reply says of one device becomes one arrival: judged and stored together.
        2. What was told before a device fell silent, stuck or troubled is told anew afterwards.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog

from drivers.modbus.outbox import Outbox
from drivers.modbus.schedule import Job
from drivers.modbus.station import HEARD_MOST_NS, Station
from gateway.clock import Clock
from gateway.events import Arrival
from gateway.profile import Taken

MOST_TROUBLED: Final = 512
"""Devices of one refused read that are told of it; beyond, one panel would fill the outbox."""

log = structlog.get_logger()


class News:
    """See the module. One for each bus."""

    def __init__(
        self, link: str, stations: Sequence[Station], clock: Clock, outbox: Outbox
    ) -> None:
        self._link = link
        self._stations = stations
        self._clock = clock
        self._outbox = outbox

    def took(self, job: Job, data: bytes, now: int) -> None:
        """Take the reply to a job, for every device in it."""
        received = self._clock.utc_ns()
        function = job.read.function
        heard: list[str] = []
        for owner, parts in job.pieces:
            station = self._stations[owner]
            if job.whole:
                taken = station.image.take(parts[0][0], data, received, now)
            else:
                mine = [(part, _cut(data, at, count, function)) for part, at, count in parts]
                taken = station.image.take_all(mine, received, now)
            if station.plan.layout.heartbeats and self._is_stuck(station, received, now):
                continue
            if taken.readings or taken.problem:
                self._tell(station, taken, data, received, now)
            elif now - station.heard_ns > HEARD_MOST_NS:
                if station.is_quiet and station.image.problem is None:
                    station.heard_ns = now
                    heard.append(station.device.id)
                else:
                    self._tell(station, taken, data, received, now)
        if heard:
            self._outbox.put(Arrival(link=self._link, readings=[], devices=tuple(heard)))

    def _tell(self, station: Station, taken: Taken, data: bytes, received: int, now: int) -> None:
        arrival = station.arrival(self._link, taken.readings, data, received, now)
        if arrival is not None:
            earns = _earns(station, taken.acks) if taken.acks else None
            self._outbox.put(arrival, earns)
        if taken.readings:
            station.changed.set()

    def _is_stuck(self, station: Station, received: int, now: int) -> bool:
        """Watch its heartbeat: a device that answers with yesterday's values is not there."""
        name = station.image.stuck(now)
        if name is not None and station.stuck is None:
            station.stuck = name
            why = f"心跳 {name} 不再变化，数值不可信 heartbeat {name} has stopped: not believed"
            log.warning("device is stuck", link=self._link, device=station.device.id, why=why)
            self._outbox.put(Arrival(link=self._link, readings=[station.gone(why, received)]))
        elif name is None and station.stuck is not None:
            station.stuck = None
            station.forget()  # so that everything is said anew
        return station.stuck is not None

    def offline(self, unit: int, why: str) -> None:
        """Tell that nothing more is known of the devices of a unit."""
        log.warning("unit is silent", link=self._link, unit=unit, why=why)
        received = self._clock.utc_ns()
        gone = [each for each in self._stations if each.plan.unit == unit]
        for station in gone:
            station.forget()
        readings = [station.gone(why, received) for station in gone]
        self._outbox.put(Arrival(link=self._link, readings=readings))

    def trouble(self, job: Job, why: str, raw: bytes) -> None:
        """Keep what a unit sent wrong, for every device that waits for it."""
        received, now = self._clock.utc_ns(), self._clock.mono_ns()
        for owner, parts in job.pieces[:MOST_TROUBLED]:
            station = self._stations[owner]
            names = {f"part.{part}" for part, _, _ in parts}
            if not names <= station.troubles.keys():
                station.forget()  # what was read there once is not known any more
            station.troubles.update(dict.fromkeys(names, why))
            arrival = station.arrival(self._link, [], raw, received, now)
            if arrival is not None:
                self._outbox.put(arrival)

    def well(self, job: Job) -> None:
        """What was troubled about a job is so no more; its next arrival says it."""
        for owner, parts in job.pieces:
            for part, _, _ in parts:
                self._stations[owner].troubles.pop(f"part.{part}", None)

    def took_aside(self, station: Station, part: int, data: bytes) -> None:
        """Take what an errand read of a part."""
        received, now = self._clock.utc_ns(), self._clock.mono_ns()
        taken = station.image.take(part, data, received, now)
        if taken.readings or taken.problem:
            self._tell(station, taken, data, received, now)


def _earns(station: Station, names: Iterable[str]) -> Callable[[], None]:
    def earn() -> None:
        for name in names:
            station.earned.put_nowait(name)

    return earn


def _cut(data: bytes, at: int, count: int, function: int) -> bytes:
    """Take the registers or bits of one part out of a reply."""
    if function > 2:
        return data[at * 2 : (at + count) * 2]
    bits = int.from_bytes(data, "little") >> at & (1 << count) - 1
    return bits.to_bytes((count + 7) // 8, "little")
