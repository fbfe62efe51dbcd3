"""The [[device]] tables: every button, detector and panel, with its profile resolved.

Owns    the check of devices: ids, profiles, links, addresses, and that no message could belong to
        two of them.
Needs   inspection, tables, overlap, gateway.profile.
Keeps   Linear in the number of devices: 10,000 in under 3 s on the reference machine.
"""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Final

from gateway.config.inspection import Inspection, Spot, both, close_to, one_of, readable
from gateway.config.overlap import clashes
from gateway.config.tables import DevicesFile, DeviceTable
from gateway.events import NEVER_FOLDED, Category, Device, Point
from gateway.profile import BadFormula, Profile, Shelf, plan_modbus, plan_mqtt

MAX_DEVICES: Final = 20_000


class DeviceCheck:
    """The check of all devices of an installation.

    links    kind of each link by name, None for a kind that does not hold; None altogether when
             gateway.toml could not be read: then links are not looked at
    untried  let profiles pass that rest on doubtful sources and were never tried
    cameras  ids of the configured cameras; None when there is no [[camera]] at all
    """

    def __init__(
        self,
        shelf: Shelf,
        links: Mapping[str, str | None] | None,
        cameras: frozenset[str] | None,
        inspection: Inspection,
        *,
        untried: bool = False,
    ) -> None:
        self._untried = untried
        self._shelf = shelf
        self._links = links
        self._cameras = cameras
        self._inspection = inspection
        self._seen: dict[str, Spot] = {}
        self._spots: dict[str, Spot] = {}
        self._addresses: dict[tuple[str, str, tuple[tuple[str, str], ...]], str] = {}
        self.devices: list[Device] = []
        self.unverified: list[str] = []

    def read(self, tables: Mapping[str, Any], file: str) -> None:
        """Check one file's devices; call finish after the last file."""
        root = Spot(file)
        for key in tables:
            if key not in DevicesFile.model_fields:
                self._inspection.unknown_key(root, key, DevicesFile.model_fields)
        for entry, entry_spot in self._inspection.tables(
            tables.get("device"), root.child("device")
        ):
            if len(self._seen) >= MAX_DEVICES:
                self._inspection.fault(
                    entry_spot,
                    both("设备太多", "there are too many devices"),
                    both(f"最多 {MAX_DEVICES} 个", f"at most {MAX_DEVICES} on one gateway"),
                )
                return
            self._read_one(entry, entry_spot, root.child("device"))

    def finish(self) -> None:
        """Look for messages that would belong to two devices, over all files."""
        by_link: dict[str, list[tuple[str, str]]] = {}
        boards: set[tuple[object, ...]] = set()
        parts: set[tuple[object, ...]] = set()
        for device in self.devices:
            profile = self._shelf.get(device.profile_id)
            if profile is None or profile.driver != "mqtt":
                continue
            filters = plan_mqtt(profile, device).filters
            board = (device.link, profile.id, filters)
            part = (*board, _part_of(profile, device))
            if board in boards and part[-1] and part not in parts:
                parts.add(part)  # another input of a board that is known: the payload tells them
                continue
            boards.add(board)
            parts.add(part)
            own = by_link.setdefault(device.link, [])
            own.extend((device.id, text) for text in filters)
        for link_filters in by_link.values():
            for clash in clashes(link_filters):
                self._inspection.fault(
                    self._spots[clash.later].child("address"),
                    both(
                        f"主题 {clash.later_filter} 与设备 `{clash.earlier}` 的 "
                        f"{clash.earlier_filter} 重叠",
                        f"topic {clash.later_filter} overlaps {clash.earlier_filter} of device "
                        f"`{clash.earlier}`",
                    ),
                    both(
                        "每条消息只属于一个设备", "topics so that a message belongs to one device"
                    ),
                )

    @property
    def ids(self) -> Collection[str]:
        """Every id that was written, of sound devices and others."""
        return self._seen.keys()

    @property
    def spots(self) -> Mapping[str, Spot]:
        """Where each sound device is written."""
        return self._spots

    def _read_one(self, entry: Mapping[str, Any], numbered: Spot, root: Spot) -> None:
        named = entry.get("id")
        fresh, spot = False, numbered
        if isinstance(named, str):
            fresh = self._remember(named, numbered)
            # An id that is not unique would not say which entry is meant: then the number stays.
            spot = root.item(named) if fresh and readable(named) else numbered
        table = self._inspection.table(DeviceTable, entry, spot)
        profile = self._check_references(entry, spot)
        if table is None or profile is None or not fresh:
            return
        if self._address_fits(profile, table, spot):
            self._accept(profile, table, spot)

    def _remember(self, name: str, numbered: Spot) -> bool:
        """Return whether an id is new; note a fault when it is not."""
        first = self._seen.setdefault(name, numbered)
        if first is numbered:
            return True
        where = first.key if first.file == numbered.file else f"{first.file}: {first.key}"
        self._inspection.fault(
            numbered.child("id"),
            both(f"`{name}` 已被 {where} 用了", f"`{name}` is already used by {where}"),
            both("不重复的 id", "an id of its own"),
        )
        return False

    def _check_references(self, entry: Mapping[str, Any], spot: Spot) -> Profile | None:
        """Check what an entry refers to; returns its profile when that and the link fit."""
        profile_id, link = entry.get("profile"), entry.get("link")
        profile = self._profile(profile_id, spot) if isinstance(profile_id, str) else None
        linked = isinstance(link, str) and self._link_fits(link, profile, spot)
        self._check_cameras(entry.get("cameras"), spot)
        return profile if linked else None

    def _profile(self, profile_id: str, spot: Spot) -> Profile | None:
        profile = self._shelf.get(profile_id)
        if profile is None and profile_id:
            near = self._shelf.close_matches(profile_id)
            self._inspection.fault(
                spot.child("profile"),
                both(f"没有型号文件 `{profile_id}`", f"there is no profile `{profile_id}`"),
                one_of(near) if near else "campus-gateway profile list",
            )
        return profile

    def _link_fits(self, link: str, profile: Profile | None, spot: Spot) -> bool:
        if self._links is None:
            return True
        if link not in self._links:
            chinese, english = close_to(link, self._links)
            self._inspection.fault(
                spot.child("link"),
                both(f"没有链路 `{link}`{chinese}", f"there is no link `{link}`{english}"),
                one_of(self._links),
            )
            return False
        kind = self._links[link]
        if profile is None or kind is None or kind == profile.driver:
            return True
        fitting = [name for name, other in self._links.items() if other == profile.driver]
        self._inspection.fault(
            spot.child("link"),
            both(
                f"链路 `{link}` 是 {kind}，型号要 {profile.driver}",
                f"link `{link}` is {kind}, the profile talks {profile.driver}",
            ),
            one_of(fitting),
        )
        return False

    def _check_cameras(self, cameras: object, spot: Spot) -> None:
        if self._cameras is None or not isinstance(cameras, list):
            return
        for index, camera in enumerate(cameras):
            if isinstance(camera, str) and camera not in self._cameras:
                chinese, english = close_to(camera, self._cameras)
                self._inspection.fault(
                    spot.child("cameras").item(index),
                    both(
                        f"没有摄像机 `{camera}`{chinese}", f"there is no camera `{camera}`{english}"
                    ),
                    one_of(self._cameras),
                )

    def _address_fits(self, profile: Profile, table: DeviceTable, spot: Spot) -> bool:
        wrong = profile.check_address(table.address)
        address_spot = spot.child("address")
        for key, problem, expected in wrong:
            self._inspection.fault(
                address_spot.child(key) if key else address_spot, problem, expected
            )
        if not wrong and profile.driver == "modbus":
            wrong = _plan_faults(profile, table)
            for key, problem, expected in wrong:
                self._inspection.fault(address_spot, f"{key}{problem}", expected)
        if wrong:
            return False
        # With defaults filled in, and as text so that true and 1 stay two addresses.
        full = profile.complete(table.address)
        values = tuple((key, repr(value)) for key, value in sorted(full.items()))
        # One camera's motion and its tampering are two devices with one source of pictures.
        way = profile.id if profile.driver == "onvif" else profile.driver
        rival = self._addresses.setdefault((table.link, way, values), table.id)
        if rival == table.id or not values:
            return True
        self._inspection.fault(
            address_spot,
            both(f"与设备 `{rival}` 的地址相同", f"is the address of device `{rival}` too"),
            both(f"链路 `{table.link}` 上不重复的地址", f"one of its own on link `{table.link}`"),
        )
        return False

    def _accept(self, profile: Profile, table: DeviceTable, spot: Spot) -> None:
        points = profile.points_for(table.address)
        self._check_commands(profile, table, spot)
        if not self._may_be_used(profile, table, spot):
            return
        if table.priority is not None:
            points = self._with_priority(points, table.priority, spot)
        if not profile.verified and not table.accept_unverified:
            self.unverified.append(table.id)
        self._spots[table.id] = spot
        self.devices.append(
            Device(
                id=table.id,
                name=table.name or table.id,
                place=table.place or "",
                profile_id=table.profile,
                family=profile.family,
                link=table.link,
                address=dict(table.address),
                points=points,
                cameras=tuple(table.cameras),
                commands=frozenset(table.commands),
                silence_s=profile.silence_s
                if table.silence_seconds is None
                else table.silence_seconds,
            )
        )

    def _check_commands(self, profile: Profile, table: DeviceTable, spot: Spot) -> None:
        known = [command.name for command in profile.body.command]
        known += [query.name for query in profile.body.query]
        for index, name in enumerate(table.commands):
            if name not in known:
                chinese, english = close_to(name, known)
                self._inspection.fault(
                    spot.child("commands").item(index),
                    both(
                        f"型号没有命令 `{name}`{chinese}", f"the profile has no `{name}`{english}"
                    ),
                    one_of(known),
                )

    def _may_be_used(self, profile: Profile, table: DeviceTable, spot: Spot) -> bool:
        """A map of doubtful origin is used only when the installer says that he has tried it."""
        if profile.verified or table.accept_unverified or self._untried:
            return True
        if profile.source.confidence not in {"C", "D"}:
            return True
        self._inspection.fault(
            spot.child("profile"),
            both(
                f"`{profile.id}` 的资料可信度为 {profile.source.confidence}，没有实机试过",
                f"`{profile.id}` rests on a source of confidence {profile.source.confidence} and "
                "was never tried on a real device",
            ),
            both(
                "逐点试过后写 accept_unverified = true",
                "`accept_unverified` = true once every point of it was tried on site",
            ),
        )
        return False

    def _with_priority(
        self, points: Mapping[str, Point], priority: int, spot: Spot
    ) -> dict[str, Point]:
        """Give a device's alarms its own priority; panic, duress and fire are never lowered."""
        changed = dict(points)
        for name, point in points.items():
            if point.category is not Category.ALARM:
                continue
            if point.kind in NEVER_FOLDED and priority > point.priority:
                self._inspection.fault(
                    spot.child("priority"),
                    both(
                        f"测点 `{name}` 是 {point.kind}，不能降级",
                        f"point `{name}` is {point.kind} and never lowered",
                    ),
                    both(f"{point.priority}，或不写", f"{point.priority}, or no such key"),
                )
                return changed
            changed[name] = dataclasses.replace(point, priority=priority)
        return changed


def _plan_faults(profile: Profile, table: DeviceTable) -> list[tuple[str, str, str]]:
    """Say when a device's address leads outside the profile's map."""
    try:
        plan_modbus(
            profile,
            Device(
                id=table.id,
                name=table.id,
                place="",
                profile_id=profile.id,
                family=profile.family,
                link=table.link,
                address=dict(table.address),
                points=profile.points_for(table.address),
            ),
        )
    except BadFormula as error:
        return [("", str(error), both("型号的地址范围之内", "an address inside the profile's map"))]
    return []


def _part_of(profile: Profile, device: Device) -> tuple[str, ...]:
    """Return what tells a device from others on the same topics: the input of a board, say.

    That is the values of the address keys which the profile looks for inside the payload.
    """
    keys = profile.compiled.get("parts")
    if keys is None:
        looked_for = repr(
            [
                (message.where, [(rule.where, rule.each, rule.value) for rule in message.set])
                for message in profile.body.message
            ]
        )
        keys = tuple(key for key in profile.address if f"{{{key}}}" in looked_for)
        profile.compiled["parts"] = keys
    full = profile.complete(device.address)
    return tuple(f"{key}={full.get(key)!r}" for key in keys)
