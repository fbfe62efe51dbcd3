"""What is allowed but probably not meant: one line each, once a check found no fault. Pure."""

from typing import Final

from gateway.config.inspection import both
from gateway.config.settings import Config
from gateway.events import Category, Kind

MAX_NAMED: Final = 5


def advice(config: Config) -> list[str]:
    """Return warnings about a sound configuration, the gravest first; at most a dozen lines."""
    lines = [*_receivers(config), *_devices(config)]
    if config.console.has_own_certificate:
        lines.append(
            both(
                "控制台用自己的证书：浏览器会警告，请核对启动时打印的指纹，或写 cert 和 key",
                "the console makes its own certificate: browsers warn, so compare the fingerprint"
                " that is printed at the start, or give cert and key",
            )
        )
    if config.console.behind_proxy:
        lines.append(
            both(
                "控制台信任前面的代理：不要让它被直接访问",
                "the console trusts the proxy before it: let nobody reach it directly",
            )
        )
    return lines


def alarm_kinds(config: Config) -> set[Kind]:
    """Return the kinds of alarm that the configured devices can raise."""
    return {
        point.kind
        for device in config.devices
        for point in device.points.values()
        if point.category is Category.ALARM
    }


def homeless_kinds(config: Config) -> list[Kind]:
    """Return the kinds that go to no receiver, in the order of the contract."""
    return [kind for kind in Kind if not config.receivers_of(kind)]


def _receivers(config: Config) -> list[str]:
    if not config.uplinks:
        return [
            both(
                "没有 [[uplink]]：报警只在本机，不会发给任何人",
                "no [[uplink]]: alarms stay here and reach nobody",
            )
        ]
    lines = []
    raised = alarm_kinds(config)
    lost = [kind for kind in homeless_kinds(config) if kind in raised]
    if lost:
        names = ", ".join(lost)
        lines.append(
            both(
                f"现有设备会报 {names}，但没有路由发给任何接收方",
                f"configured devices raise {names}, which no route sends to anybody",
            )
        )
    idle = [kind for kind in homeless_kinds(config) if kind not in raised]
    if idle:
        names = ", ".join(idle)
        lines.append(both(f"没有去处的种类：{names}", f"kinds that go nowhere: {names}"))
    routed = {route.uplink for route in config.routes}
    unused = [entry.name for entry in config.uplinks if config.routes and entry.name not in routed]
    if unused:
        names = ", ".join(unused)
        lines.append(
            both(
                f"没有写路由，因此收到全部：{names}",
                f"no route names {names}, so everything goes there",
            )
        )
    return lines


def _devices(config: Config) -> list[str]:
    lines = []
    if not config.devices:
        lines.append(both("没有设备", "there are no devices"))
    used = {device.link for device in config.devices}
    idle = [link.name for link in config.links if link.name not in used]
    if idle:
        names = ", ".join(idle)
        lines.append(both(f"没有设备的链路：{names}", f"links without devices: {names}"))
    nowhere = [device.id for device in config.devices if not device.place]
    if nowhere:
        lines.append(
            both(
                f"没有写 place，警察不知道去哪里：{_some(nowhere)}",
                f"no place, the police would not know where to go: {_some(nowhere)}",
            )
        )
    if config.unverified:
        lines.append(
            both(
                f"型号文件未经实物验证，请按下试一次：{_some(config.unverified)}",
                "profile never tried on a real device, press it once and then set "
                f"accept_unverified = true: {_some(config.unverified)}",
            )
        )
    return lines


def _some(names: list[str] | tuple[str, ...]) -> str:
    rest = f" … ({len(names)})" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + rest
