"""What an interlock sees: watched points, open alarms and faults, as the judge knows them now.

Owns    which readings are too old to be believed: those from before a device was last in doubt.
Needs   the judge's memory, for reading only.
Keeps   Unknown is never normal (promise 5): clear means that the device is online, has spoken of
        this point since it was last in doubt, and nothing about the point is on its way.
"""

from collections.abc import Mapping
from typing import Final

from gateway.config import Interlock
from gateway.events import Category, Device, Kind, Mode, Nature, Point
from gateway.interlock import Seen
from gateway.judge import Judge
from gateway.rules.supervision import OWN_POINTS

UNPROVED: Final = Point(
    name="interlock",
    kind=Kind.GAS,
    nature=Nature.STATE,
    category=Category.ALARM,
    priority=1,
    text="燃气报警后阀门未证实关闭，立即到现场手动关阀",
    text_en="the valve is not proved closed after a gas alarm: close it by hand, now",
    latch=True,
)
"""The point of a valve's own alarm."""


class Lookout:
    """See the module. One for each interlock and life."""

    def __init__(self, rule: Interlock, judge: Judge, devices: Mapping[str, Device]) -> None:
        self._rule = rule
        self._judge = judge
        self._devices = devices
        self._stale: dict[tuple[str, str], int] = {}

    def doubt(self, device: str) -> None:
        """Believe of this device only what it says from now on."""
        for key in self._rule.watched:
            if key[0] == device:
                now = self._judge.points.get(key)
                self._stale[key] = 0 if now is None else now.at_ns

    def seen(self, key: tuple[str, str]) -> Seen:
        """How a watched point looks."""
        now = self._judge.points.get(key)
        at_ns = 0 if now is None else now.at_ns
        if self._judge.supervision.watches[key[0]].state != "online":
            self._stale[key] = at_ns
            return "unknown"
        if now is None or at_ns == self._stale.get(key, 0):
            return "unknown"
        machine = now.machine
        if machine.active is None:
            return "unknown"
        return "active" if machine.active or machine.due_ns is not None else "clear"

    def is_open(self) -> bool:
        """Whether any watched live alarm is open."""
        alarms = (self._judge.book.open_at(*key) for key in self._rule.watched)
        return any(alarm is not None and alarm.mode == Mode.LIVE for alarm in alarms)

    def obstacles(self) -> list[str]:
        """What else speaks against opening: an alarm nobody has dealt with, a sick detector."""
        book, found = self._judge.book, []
        if self.is_open():
            found.append("燃气警情尚未处置 / the gas alarm is still open: acknowledge or close it")
        if book.open_at(self._rule.valve, UNPROVED.name) is not None:
            found.append("阀门故障警情尚未处置 / the valve's own alarm is still open")
        for device in dict.fromkeys(device for device, _ in self._rule.watched):
            points = self._devices[device].points.values()
            faults = [each.name for each in points if each.category is Category.FAULT]
            found += [
                f"探测器有故障 / a fault of the detector is open: {device}/{name}"
                for name in (*faults, *OWN_POINTS)
                if book.open_at(device, name) is not None
            ]
        return found
