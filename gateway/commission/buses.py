"""What an installer should know of his Modbus buses before anything is switched on. Pure.

Owns    the advice of `campus-gateway check` about Modbus links: time, line settings, transports.
Needs   budget.py, a checked gateway.config.Config.
Keeps   1. Advice, never a fault: a bus that is slow still carries alarms.
        2. Each line names the file, the key and what to write.
        3. Bounds: MAX_LINES for each bus.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

from gateway.commission.budget import WORST_S, Budget, Change, Station, changes, reckon, station_of
from gateway.commission.fit import travels
from gateway.config import Config
from gateway.config.inspection import both
from gateway.driver import LinkSettings
from gateway.events import Device
from gateway.links.modbus import BusSettings, parse_url
from gateway.profile import Profile

MAX_LINES: Final = 40
MAX_NAMED: Final = 5


def bus_advice(config: Config, files: Mapping[str, str] | None = None) -> list[str]:
    """Return warnings about every Modbus bus of a sound configuration, the gravest first.

    files  device id → the file it is in; "devices.toml" for those that are not named
    """
    lines: list[str] = []
    seen: dict[str, str] = {}
    for link in config.links:
        if link.kind == "modbus":
            here = _Bus(config, link, files or {})
            lines += list(here.advice())[:MAX_LINES]
            other = seen.setdefault(here.settings.where, link.name)
            if other != link.name:
                lines.append(_shared(link, other, here))
    return lines


def bus_summary(config: Config) -> list[str]:
    """Return one line for each bus: what the worst time is made of."""
    lines = []
    for link in config.links:
        if link.kind != "modbus":
            continue
        budget = _Bus(config, link, {}).budget
        if budget is not None:
            lines.append(f"  {link.name}: " + _made_of(budget))
    return lines


class _Bus:
    """One link with its devices; see the module."""

    def __init__(self, config: Config, link: LinkSettings, files: Mapping[str, str]) -> None:
        self.link = link
        self.settings: BusSettings = parse_url(link.url)
        self.pairs: list[tuple[Device, Profile]] = []
        for device in config.devices:
            profile = config.shelf.get(device.profile_id)
            if device.link == link.name and profile is not None:
                self.pairs.append((device, profile))
        self._files = files
        self._spot = f'gateway.toml: link["{link.name}"]'
        timeout_s: float | None = link.options.get("timeout_seconds")
        self._period_s: float | None = link.options.get("alarm_period_seconds")
        self.stations: Sequence[Station] = [
            station_of(profile, device, timeout_s) for device, profile in self.pairs
        ]
        self.budget: Budget | None = (
            reckon(self.settings, self.stations, self._period_s) if self.stations else None
        )

    def advice(self) -> Iterator[str]:
        """Yield everything worth saying."""
        yield from self._transports()
        yield from self._line()
        yield from self._time()
        yield from self._single()
        yield from self._not_expressible()

    # --- time -----------------------------------------------------------------------------------

    def _time(self) -> Iterator[str]:
        budget = self.budget
        if budget is None or budget.kept:
            return
        if budget.load > 1.0:
            yield f"{self._spot}: " + both(
                f"总线忙不过来：想要的时间是现有的 {budget.load:.1f} 倍，周期会按比例拉长",
                f"the bus cannot keep up: {budget.load:.1f} times the time there is is wanted, "
                "all periods are stretched",
            )
        yield (
            f"{self._spot}: "
            + both(
                f"新报警最坏要 {budget.worst_s:.1f} 秒才读到（应在 {WORST_S:g} 秒内）",
                f"a new alarm can take {budget.worst_s:.1f} s to be read (should be {WORST_S:g} s)",
            )
            + ": "
            + _made_of(budget)
        )
        dear = "; ".join(
            f"{cost.name} {cost.seconds:.2f} s, {cost.reads} reads" for cost in budget.costs[:3]
        )
        yield f"{self._spot}: " + both(
            f"每轮最费时的：{dear}；超时最长的：{budget.slowest}",
            f"dearest in a round: {dear}; longest time-out: {budget.slowest}",
        )
        helping = changes(self.settings, self.stations, self._period_s)
        if helping:
            yield (
                f"{self._spot}: "
                + both("改进办法", "what would help")
                + ": "
                + "; ".join(map(_change, helping))
            )

    # --- line and transport ---------------------------------------------------------------------

    def _transports(self) -> Iterator[str]:
        wrong: dict[str, list[str]] = {}
        scheme = travels(self.settings.scheme)
        for device, profile in self.pairs:
            modbus = profile.body.modbus
            if modbus is not None and scheme not in modbus.transports:
                wrong.setdefault(profile.id, []).append(device.id)
        for profile_id, devices in wrong.items():
            profile = next(each for _, each in self.pairs if each.id == profile_id)
            known = ", ".join(profile.body.modbus.transports) if profile.body.modbus else ""
            yield f"{self._device(devices[0])}.profile: " + both(
                f"{profile_id} 走 {known}，链路 {self.link.name} 是 {scheme}：改 profile、改 link，"
                f"或确认转换器确实转成 {known}（{_some(devices)}）",
                f"{profile_id} travels by {known}, link {self.link.name} is {scheme}: another "
                f"profile, another link, or a converter that really makes it {known} "
                f"({_some(devices)})",
            )

    def _line(self) -> Iterator[str]:
        """Compare what the URL says of the line with what the profiles say; only what it says."""
        said = self._said()
        settings = self.settings
        for key, ours, theirs in (
            ("baud", settings.baud, "baud"),
            ("parity", settings.parity, "parity"),
            ("stop", settings.stop_bits, "stop_bits"),
        ):
            if key not in said:
                continue
            for profile_id, allowed, devices in self._allowed(theirs):
                if ours in allowed:
                    continue
                shown = " | ".join(f"{key}={each}" for each in allowed)
                now = f"{key}={ours:g}" if isinstance(ours, (int, float)) else f"{key}={ours}"
                yield f"{self._spot}.url: " + both(
                    f"{now}，而 {profile_id} 的资料写 {shown}（{_some(devices)}）：改 url，"
                    "或把设备设成这样；同一总线上必须都一样",
                    f"{now}, the document of {profile_id} says {shown} ({_some(devices)}): change "
                    "the url, or set the device so; all on a bus must be alike",
                )

    def _said(self) -> set[str]:
        """What the URL is worth comparing for: a converter's line only where it is written."""
        if self.settings.scheme == "serial":
            return {"baud", "parity", "stop"}
        return set(parse_qs(urlsplit(self.link.url).query)) & {"baud"}

    def _allowed(self, key: str) -> Iterator[tuple[str, list[object], list[str]]]:
        by_profile: dict[str, tuple[list[object], list[str]]] = {}
        for device, profile in self.pairs:
            known = getattr(profile.body.modbus, key)
            allowed = known if isinstance(known, list) else [known]
            if known:
                by_profile.setdefault(profile.id, (allowed, []))[1].append(device.id)
        for profile_id, (allowed, devices) in by_profile.items():
            yield profile_id, allowed, devices

    # --- what the devices are like --------------------------------------------------------------

    def _single(self) -> Iterator[str]:
        single = [
            device.id
            for device, profile in self.pairs
            if profile.body.modbus is not None and profile.body.modbus.single_client
        ]
        if single:
            yield f"{self._spot}: " + both(
                f"{_some(single)} 只接受一个主站：别的系统和调试电脑都要断开",
                f"{_some(single)} takes one master only: disconnect other systems and laptops",
            )

    def _not_expressible(self) -> Iterator[str]:
        told: dict[str, list[str]] = {}
        notes: dict[str, Sequence[str]] = {}
        for device, profile in self.pairs:
            if profile.body.profile.not_expressible:
                told.setdefault(profile.id, []).append(device.id)
                notes[profile.id] = profile.body.profile.not_expressible
        for profile_id, devices in told.items():
            for note in notes[profile_id]:
                yield (
                    f"{self._device(devices[0])}.profile: "
                    + both(
                        f"{profile_id} 有本网关表达不了的（{_some(devices)}）",
                        f"{profile_id} has something the gateway cannot say ({_some(devices)})",
                    )
                    + f": {note}"
                )

    def _device(self, device_id: str) -> str:
        return f'{self._files.get(device_id, "devices.toml")}: device["{device_id}"]'


def _shared(link: LinkSettings, other: str, bus: _Bus) -> str:
    return f'gateway.toml: link["{link.name}"].url: ' + both(
        f"与链路 {other} 是同一条总线 {bus.settings.where}：合成一条，否则互相抢线、互踢连接",
        f"is the bus of link {other}, {bus.settings.where}: make it one link, or they fight for it",
    )


def _made_of(budget: Budget) -> str:
    return both(
        f"最坏 {budget.worst_s:.2f} 秒 = 周期 {budget.wait_s:.2f} + 一轮 {budget.round_s:.2f}"
        f"（{budget.alarm_reads} 次报警读）+ 离线站 {budget.dead_s:.2f} + 最长超时 "
        f"{budget.slow_s:.2f}",
        f"worst {budget.worst_s:.2f} s = period {budget.wait_s:.2f} + round {budget.round_s:.2f} "
        f"({budget.alarm_reads} alarm reads) + dead unit {budget.dead_s:.2f} + longest time-out "
        f"{budget.slow_s:.2f}",
    )


def _change(change: Change) -> str:
    return both(change.chinese, change.english) + f" → {change.worst_s:.1f} s"


def _some(names: Sequence[str]) -> str:
    more = f" … ({len(names)})" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
