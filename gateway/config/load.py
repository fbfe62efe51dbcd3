"""Reads an installation's folder and checks it as a whole.

Owns    the order of the walk: gateway.toml and gateway.d, profiles, devices, then what concerns all
        of them.
Needs   the other files of this package and gateway.profile.
Keeps   1. Nothing is started from a configuration with a fault (promise 11): ConfigError carries
           every fault of every file, sorted by file in the order an installer would open them.
        2. Cost: linear; 10,000 devices in under 3 s.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from gateway.config.cameras import check_camera, check_together, check_video, check_volumes
from gateway.config.devices import DeviceCheck
from gateway.config.files import existing_file, private_file, read_toml
from gateway.config.guardroom import check_contacts, check_player, check_siren
from gateway.config.inspection import Inspection, Spot, both
from gateway.config.interlocks import Known, check_interlocks
from gateway.config.links import check_links, is_loopback, listen_address
from gateway.config.more import with_more
from gateway.config.plans import read_plans
from gateway.config.receivers import check_routes, check_uplinks
from gateway.config.settings import (
    Camera,
    Config,
    ConsoleSettings,
    Contact,
    EmbeddedBroker,
    LogSettings,
    Route,
    Site,
    StoreSettings,
    UplinkEntry,
    VideoSettings,
)
from gateway.config.tables import (
    CameraTable,
    ConsoleTable,
    DeliveryTable,
    EscalationTable,
    GatewayFile,
    LogTable,
    SirenTable,
    SiteTable,
    StoreTable,
    VideoTable,
    VolumeTable,
)
from gateway.driver import LinkSettings
from gateway.errors import ConfigError
from gateway.profile import Shelf, shipped_folder

MAX_DEVICE_FILES: Final = 1000


def load_config(
    folder: Path, *, untried: bool = False, instead: Mapping[Path, bytes] | None = None
) -> Config:
    """Return the checked configuration of a folder.

    folder  holds gateway.toml, devices.toml and/or devices.d/*.toml, and optionally gateway.d/
            (more.py), plans/, and profiles/, whose files override shipped profiles of the same id
    untried  let profiles of doubtful origin pass: only for what looks and never raises an alarm
    instead  what some of its files would hold, by path: judged as if they were written (edit.py)
    raises  ConfigError with every fault that was found in all files
    """
    inspection = Inspection(folder, instead)
    if not folder.is_dir():
        inspection.fault(
            Spot(str(folder)),
            both("没有这个目录", "there is no such folder"),
            both("放有 gateway.toml 的目录", "a folder with gateway.toml"),
        )
        raise ConfigError(inspection.faults)
    gateway = read_toml(folder / "gateway.toml", inspection)
    shelf = _shelf(folder, inspection)
    whole, places = with_more(folder, gateway or {}, inspection)
    head = _Head(whole, Spot(str(folder / "gateway.toml")), inspection, places)
    if gateway is not None:
        head.read()
    links = head.link_kinds if gateway is not None else None
    check = DeviceCheck(shelf, links, head.camera_ids, inspection, untried=untried)
    for file in device_files(folder, inspection):
        tables = read_toml(file, inspection)
        if tables is not None:
            check.read(tables, str(file))
    check.finish()
    known = Known({device.id: device for device in check.devices}, check.ids, check.spots)
    spot = Spot(str(folder / "gateway.toml"))
    interlocks = check_interlocks(
        (gateway or {}).get("interlock"), spot.child("interlock"), known, shelf, inspection
    )
    siren = check_siren(head.siren, places["siren"], known, shelf, interlocks, inspection)
    plans = read_plans(folder, inspection)
    if inspection.faults or head.site is None or head.store is None:
        raise ConfigError(inspection.faults)
    return Config(
        folder=folder,
        site=head.site,
        store=head.store,
        links=tuple(head.links),
        embedded=head.embedded,
        uplinks=tuple(head.uplinks),
        routes=tuple(head.routes),
        console=replace(head.console, siren=siren),
        escalation=head.escalation,
        heartbeat_seconds=head.heartbeat_seconds,
        log=head.log,
        devices=tuple(check.devices),
        shelf=shelf,
        unverified=tuple(check.unverified),
        interlocks=tuple(interlocks),
        volumes=head.volumes,
        cameras=head.cameras,
        video=head.video,
        contacts=head.contacts,
        plans=plans,
    )


class _Head:
    """What gateway.toml says, table by table; a table that does not hold leaves its default."""

    def __init__(
        self,
        raw: Mapping[str, Any],
        spot: Spot,
        inspection: Inspection,
        places: Mapping[str, Spot],
    ) -> None:
        self._raw = raw
        self._spot = spot
        self._places = places
        self._inspection = inspection
        self.site: Site | None = None
        self.store: StoreSettings | None = None
        self.links: list[LinkSettings] = []
        self.embedded: dict[str, EmbeddedBroker] = {}
        self.uplinks: list[UplinkEntry] = []
        self.routes: list[Route] = []
        self.console = ConsoleSettings()
        self.siren: SirenTable | None = None
        self.contacts: tuple[Contact, ...] = ()
        self.escalation: dict[int, tuple[int, ...]] = {}
        self.heartbeat_seconds = 30
        self.log = LogSettings()
        self.volumes: tuple[Path, ...] = ()
        self.video = VideoSettings()
        self.cameras: tuple[Camera, ...] = ()
        self.camera_ids: frozenset[str] | None = None
        self.link_kinds: dict[str, str | None] = {}

    def read(self) -> None:
        """Check every table in the order of the example file."""
        for key in self._raw:
            if key not in GatewayFile.model_fields:
                self._inspection.unknown_key(self._spot, key, GatewayFile.model_fields)
        self._read_site_and_store()
        store = self.store.path if self.store else None
        raw_links = self._raw.get("link")
        self.links, self.embedded = check_links(
            raw_links, self._spot.child("link"), self.site, store, self._inspection
        )
        self.link_kinds = _link_kinds(raw_links)
        self.uplinks, names = check_uplinks(
            self._raw.get("uplink"), self._spot.child("uplink"), self._inspection
        )
        self.routes = check_routes(
            self._raw.get("route"), self._spot.child("route"), names, self._inspection
        )
        self._read_console()
        self.contacts = check_contacts(
            self._raw.get("contact"), self._spot.child("contact"), self._inspection
        )
        self._read_escalation()
        delivery = self._table(DeliveryTable, "delivery")
        self.heartbeat_seconds = delivery.heartbeat_seconds if delivery else 30
        log = self._table(LogTable, "log")
        self.log = LogSettings(format=log.format, level=log.level) if log else LogSettings()
        self._read_video()

    def _table(self, model: Any, key: str) -> Any:  # noqa: ANN401 returns an instance of model
        return self._inspection.table(model, self._raw.get(key, {}), self._spot.child(key))

    def _read_site_and_store(self) -> None:
        for key, model in (("site", SiteTable), ("store", StoreTable)):
            if key not in self._raw:
                self._inspection.fault(
                    self._spot.child(key),
                    both("没有写", "missing"),
                    both(f"一个 [{key}] 表", f"a [{key}] table"),
                )
                continue
            table = self._table(model, key)
            if isinstance(table, SiteTable):
                self.site = Site(
                    id=table.id,
                    name=table.name,
                    gateway=table.gateway,
                    address=table.address or "",
                    phone=table.phone or "",
                )
            elif isinstance(table, StoreTable):
                path = self._inspection.path(table.path)
                self._check_store_path(path)
                self.store = StoreSettings(
                    path=path, retention_days=table.retention_days, reserve_mib=table.reserve_mib
                )

    def _check_store_path(self, path: Path) -> None:
        nearest = next((place for place in (path, *path.parents) if place.exists()), path)
        if not nearest.is_dir():
            self._inspection.fault(
                self._spot.child("store").child("path"),
                both(f"{nearest} 不是目录", f"{nearest} is no folder"),
                both("一个目录，没有时会自动建", "a folder; it is made when it is not there"),
            )

    def _read_console(self) -> None:
        table = self._table(ConsoleTable, "console")
        if table is None:
            return
        spot, inspection = self._spot.child("console"), self._inspection
        address = listen_address(table.listen, spot.child("listen"), inspection)
        cert = existing_file(table.cert, spot.child("cert"), inspection)
        key = private_file(table.key, spot.child("key"), inspection)
        self.siren = table.siren
        player = check_player(table.player, self._places["player"], inspection)
        if (table.cert is None) != (table.key is None):
            inspection.fault(
                spot.child("key" if table.key is None else "cert"),
                both("没有写", "missing"),
                both("cert 和 key 成对出现", "cert and key together"),
            )
        if address is None:
            return
        host, port = address
        self.console = ConsoleSettings(
            host=host,
            port=port,
            cert=cert,
            key=key,
            behind_proxy=table.behind_proxy,
            has_own_certificate=not is_loopback(host) and cert is None and not table.behind_proxy,
            player=player,
            watched=table.watched,
            steps_required=table.steps_required,
        )

    def _read_escalation(self) -> None:
        table = self._table(EscalationTable, "escalation")
        if table is None:
            return
        for priority in range(1, 5):
            name = f"p{priority}_seconds"
            steps: list[int] = getattr(table, name)
            rising = all(early < late for early, late in pairwise(steps))
            if not rising or (priority == 1 and not steps):
                shown_steps = f"[{', '.join(map(str, steps))}]"
                self._inspection.fault(
                    self._spot.child("escalation").child(name),
                    both(f"写成了 {shown_steps}", f"is {shown_steps}"),
                    both("递增的秒数", "times that rise")
                    if not rising
                    else both("至少一步：紧急报警必须有人接", "at least one step for emergencies"),
                )
            self.escalation[priority] = tuple(steps)

    def _read_video(self) -> None:
        video, inspection = self._raw.get("video", {}), self._inspection
        if not isinstance(video, Mapping):
            inspection.table(GatewayFile, video, self._spot.child("video"))
            return
        volumes = inspection.tables(video.get("volume"), self._spot.child("video").child("volume"))
        tables = [inspection.table(VolumeTable, raw, spot) for raw, spot in volumes]
        paths = [table.path for table in tables if table is not None]
        self.volumes = check_volumes(paths, self._spot.child("video").child("volume"), inspection)
        rest = {key: value for key, value in video.items() if key != "volume"}
        told = inspection.table(VideoTable, rest, self._spot.child("video"))
        if told is not None:
            self.video = check_video(told, self._spot.child("video"), inspection)
        self._read_cameras()

    def _read_cameras(self) -> None:
        entries = self._inspection.tables(self._raw.get("camera"), self._spot.child("camera"))
        known: dict[str, Spot] = {}
        kept: list[tuple[Camera, Spot]] = []
        for raw, spot in entries:
            table = self._inspection.table(CameraTable, raw, spot)
            if table is None:
                continue
            if known.setdefault(table.id, spot) is not spot:
                first = known[table.id].key
                self._inspection.fault(
                    spot.child("id"),
                    both(
                        f"`{table.id}` 已被 {first} 用了",
                        f"`{table.id}` is already used by {first}",
                    ),
                    both("不重复的 id", "an id of its own"),
                )
            camera = check_camera(table, spot, self._inspection)
            if camera is not None:
                kept.append((camera, spot))
        check_together(kept, self._inspection)
        self.cameras = tuple(camera for camera, _ in kept)
        if "camera" in self._raw:
            self.camera_ids = frozenset(known)


def _link_kinds(raw: object) -> dict[str, str | None]:
    """Return name and kind of every link, sound or not: a broken link is one fault, not many."""
    kinds: dict[str, str | None] = {}
    for entry in raw if isinstance(raw, list) else ():
        if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
            kind = entry.get("kind")
            kinds.setdefault(entry["name"], kind if isinstance(kind, str) else None)
    return kinds


def _shelf(folder: Path, inspection: Inspection) -> Shelf:
    own, shipped = folder / "profiles", shipped_folder()
    if not own.is_dir():
        return Shelf.load(shipped, trusted=shipped)
    try:
        return Shelf.load(shipped, own, trusted=shipped)
    except ConfigError as error:
        inspection.faults.extend(error.faults)
        return Shelf.load(
            shipped, trusted=shipped
        )  # so that the devices are looked at all the same


def device_files(folder: Path, inspection: Inspection) -> list[Path]:
    """Return the files with devices, in the order in which they are read."""
    single, many = folder / "devices.toml", folder / "devices.d"
    files = [single] if single.exists() or single in inspection.instead else []
    more = set(many.glob("*.toml")) if many.is_dir() else set()
    more |= {path for path in inspection.instead if path.parent == many}
    files += sorted(more)
    if not files:
        inspection.fault(
            Spot(str(single)),
            both(
                "没有这个文件，也没有 devices.d/*.toml",
                "there is no such file, nor devices.d/*.toml",
            ),
            both("至少一个设备文件", "a file with the devices"),
        )
    if len(files) > MAX_DEVICE_FILES:
        inspection.fault(
            Spot(str(many)),
            both(f"有 {len(files)} 个文件", f"there are {len(files)} files"),
            both(f"最多 {MAX_DEVICE_FILES} 个", f"at most {MAX_DEVICE_FILES}"),
        )
    return files[:MAX_DEVICE_FILES]
