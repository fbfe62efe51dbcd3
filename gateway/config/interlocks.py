"""The [[interlock]] tables: which alarms close which valve, and what may open it.

Owns    the check of interlocks against devices and their profiles, and the rule that nothing opens
        a valve outside of one.
Needs   inspection, tables, links (how tables are named), gateway.profile.
Keeps   1. A valve has one interlock at most, so that nobody has to guess which one decides.
        2. A command that opens is allowed only as the `open` of its device's interlock, and not
           where the gateway would send it by itself (an `ack`, a refreshed command): that would go
           past the two people.
        3. A valve allows no command whose effect is unsaid (`output`, `other`): it might open it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.config.inspection import Inspection, Spot, both, close_to, one_of
from gateway.config.links import named
from gateway.config.settings import Interlock, Watched
from gateway.config.tables import InterlockTable
from gateway.events import Category, Device, Nature
from gateway.profile import Profile, Shelf
from gateway.profile.schema_modbus import Command

MAX_INTERLOCKS: Final = 256
MAX_POINTS: Final = 256
OWN_POINTS: Final = ("command", "interlock")
"""Points of a valve that are the gateway's: what it was told, and that it did not close."""
UNSAID: Final = ("output", "other")


@dataclass(frozen=True, slots=True)
class Known:
    """The devices that hold, those that are written at all, and where each is written.

    written  ids of all, sound or not: a broken device is one fault, not many
    """

    devices: Mapping[str, Device]
    written: Collection[str]
    spots: Mapping[str, Spot]


def check_interlocks(
    raw: object, spot: Spot, known: Known, shelf: Shelf, inspection: Inspection
) -> list[Interlock]:
    """Check every [[interlock]], and every device for commands that open; at most 256."""
    entries = inspection.tables(raw, spot)
    if len(entries) > MAX_INTERLOCKS:
        inspection.fault(
            spot,
            both(f"有 {len(entries)} 项", f"there are {len(entries)} of them"),
            both(f"最多 {MAX_INTERLOCKS} 项", f"at most {MAX_INTERLOCKS}"),
        )
    check = _Check(known, shelf, inspection)
    names: dict[str, Spot] = {}
    before = len(inspection.faults)
    for entry, entry_spot in entries[:MAX_INTERLOCKS]:
        where = named(entry, entry_spot, spot, names, inspection)
        table = inspection.table(InterlockTable, entry, where)
        if table is not None and where is not entry_spot:
            check.read(table, where)
    if len(inspection.faults) == before:  # else one mistake would be told as two
        check.no_way_around()
    return check.interlocks


class _Check:
    def __init__(self, known: Known, shelf: Shelf, inspection: Inspection) -> None:
        self._known = known
        self._shelf = shelf
        self._inspection = inspection
        self._valves: dict[str, str] = {}
        self._opens: set[tuple[str, str]] = set()
        self.interlocks: list[Interlock] = []

    def read(self, table: InterlockTable, spot: Spot) -> None:
        """Check one table."""
        if table.open is not None:
            self._opens.add((table.valve, table.open))
        before = len(self._inspection.faults)
        watched = self._watched(table, spot)
        close = self._valve(table, spot)
        if len(self._inspection.faults) > before or close is None:
            return
        self.interlocks.append(
            Interlock(
                name=table.name,
                watched=watched,
                valve=table.valve,
                close=close,
                open=table.open,
                clear_for_s=table.clear_for_seconds,
                second_person_within_s=table.second_person_within_seconds,
            )
        )

    def no_way_around(self) -> None:
        """Say where a valve could be opened past the interlock."""
        valves = {device for device, _ in self._opens} | self._valves.keys()
        for device in self._known.devices.values():
            if not device.commands:
                continue
            profile = self._shelf.get(device.profile_id)
            for command in () if profile is None else profile.body.command:
                if command.name not in device.commands:
                    continue
                spot = self._known.spots[device.id].child("commands")
                if command.effect == "open" and (device.id, command.name) not in self._opens:
                    self._inspection.fault(
                        spot,
                        both(
                            f"`{command.name}` 会开阀，而没有联动管它",
                            f"`{command.name}` opens a valve outside of any interlock",
                        ),
                        both(
                            "[[interlock]] 的 open，或不允许它",
                            "an [[interlock]] with it as `open`, or not in `commands`",
                        ),
                    )
                elif command.effect in UNSAID and device.id in valves:
                    self._inspection.fault(
                        spot,
                        both(
                            f"`{command.name}` 的作用是 {command.effect}，可能绕过联动开阀",
                            f"`{command.name}` is of effect {command.effect} and might open it",
                        ),
                        both("阀门只允许作用明确的命令", "a valve's commands whose effect is said"),
                    )

    # What is watched.

    def _watched(self, table: InterlockTable, spot: Spot) -> tuple[Watched, ...]:
        found: dict[Watched, None] = {}
        for index, text in enumerate(table.when):
            where = spot.child("when").item(index)
            name, _, point = text.partition("/")
            device = self._device(name, where)
            if device is None:
                continue
            for key in self._points(device, point, where):
                if table.open is not None and device.points[key[1]].nature is Nature.MOMENTARY:
                    self._inspection.fault(
                        where,
                        both(
                            f"`{key[1]}` 不会说已恢复，无法证明没有燃气",
                            f"`{key[1]}` never says that it is over, so it cannot be clear",
                        ),
                        both("能恢复的测点，或不写 open", "points that restore, or no `open`"),
                    )
                found[key] = None
        if len(found) > MAX_POINTS:
            self._inspection.fault(
                spot.child("when"),
                both(f"共 {len(found)} 个测点", f"{len(found)} points in all"),
                both(f"最多 {MAX_POINTS} 个", f"at most {MAX_POINTS}"),
            )
        return tuple(found)

    def _points(self, device: Device, point: str, spot: Spot) -> Sequence[Watched]:
        alarms = [name for name, each in device.points.items() if each.category is Category.ALARM]
        if point in alarms:
            return [(device.id, point)]
        if not point and alarms:
            return [(device.id, name) for name in alarms]
        if point in device.points:
            problem = both(f"`{point}` 不是报警", f"`{point}` is no alarm")
        elif point:
            chinese, english = close_to(point, alarms)
            problem = both(
                f"`{device.id}` 没有测点 `{point}`{chinese}",
                f"`{device.id}` has no point `{point}`{english}",
            )
        else:
            problem = both(f"`{device.id}` 不会报警", f"`{device.id}` raises no alarms")
        self._inspection.fault(spot, problem, one_of(alarms))
        return []

    def _device(self, name: str, spot: Spot) -> Device | None:
        if name not in self._known.written:
            chinese, english = close_to(name, self._known.written)
            self._inspection.fault(
                spot,
                both(f"没有设备 `{name}`{chinese}", f"there is no device `{name}`{english}"),
                one_of(self._known.written),
            )
        return self._known.devices.get(name)

    # The valve.

    def _valve(self, table: InterlockTable, spot: Spot) -> str | None:
        """Return the command that closes; None (and a fault) when it does not hold."""
        device = self._device(table.valve, spot.child("valve"))
        first = self._valves.setdefault(table.valve, table.name)
        if first != table.name:
            self._inspection.fault(
                spot.child("valve"),
                both(f"`{table.valve}` 已属于 {first}", f"`{table.valve}` is already {first}'s"),
                both("一个阀门一个联动", "one interlock for one valve; add to its `when`"),
            )
        profile = None if device is None else self._shelf.get(device.profile_id)
        if device is None or profile is None:
            return None
        for name in OWN_POINTS:
            if name in device.points:
                self._inspection.fault(
                    spot.child("valve"),
                    both(f"型号的测点 `{name}` 与联动重名", f"its point `{name}` is our own"),
                    both("没有这个测点的型号文件", "a profile without a point of that name"),
                )
        close = table.close
        if close is None:
            closing = [each.name for each in profile.body.command if each.effect == "close"]
            if len(closing) != 1:
                self._inspection.fault(
                    spot.child("close"),
                    both(
                        f"没有写，型号有 {len(closing)} 个关阀命令",
                        f"missing, and the profile has {len(closing)} commands that close",
                    ),
                    one_of(closing),
                )
                return None
            close = closing[0]
        sound = self._command(close, "close", device, profile, spot) is not None
        if table.open is not None:
            opening = self._command(table.open, "open", device, profile, spot)
            if opening is not None:
                self._only_by_people(opening, profile, spot.child("open"))
        return close if sound else None

    def _command(
        self, name: str, effect: str, device: Device, profile: Profile, spot: Spot
    ) -> Command | None:
        fitting = [each for each in profile.body.command if each.effect == effect]
        command = next((each for each in fitting if each.name == name), None)
        names = [each.name for each in fitting]
        where = spot.child(effect)
        if command is None:
            chinese, english = close_to(name, names)
            self._inspection.fault(
                where,
                both(
                    f"型号没有作用为 {effect} 的命令 `{name}`{chinese}",
                    f"the profile has no command `{name}` of effect {effect}{english}",
                ),
                one_of(names),
            )
        elif name not in device.commands:
            self._inspection.fault(
                where,
                both(
                    f"设备 `{device.id}` 不允许 `{name}`",
                    f"`{name}` is not allowed for device `{device.id}`",
                ),
                both(
                    f'在 devices.toml 写 commands = ["{name}"]',
                    f'commands = ["{name}"] in devices.toml',
                ),
            )
        elif command.confirm is None:
            self._inspection.fault(
                where,
                both(f"`{name}` 没有位置反馈", f"`{name}` is proved by no position"),
                both("有 confirm 的命令", "a command with `confirm`"),
            )
        return command

    def _only_by_people(self, command: Command, profile: Profile, spot: Spot) -> None:
        """Refuse an opening that the driver would send again, or for an acknowledgement."""
        acks = {rule.ack for rule in profile.body.set} | {log.ack for log in profile.body.log}
        if command.refresh_s is None and command.name not in acks:
            return
        self._inspection.fault(
            spot,
            both(
                f"`{command.name}` 会被驱动自动重发，报警时可能又把阀打开",
                f"`{command.name}` is sent again by itself and could undo a close",
            ),
            both("没有 refresh_s、不作 ack 的命令", "a command without refresh_s that is no `ack`"),
        )
