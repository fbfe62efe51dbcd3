"""`campus-gateway check`: is the configuration sound, and what would run with it.

Owns    the summary that an installer compares with his list; faults go up to main().
Needs   parts; gateway.config, and what reckons buses, are imported inside (see root.py).
"""

import importlib
from collections import Counter
from typing import Any

import typer

from gateway.cli import speech
from gateway.cli.parts import ConfigFolder, load
from gateway.events import Kind


def check(config: ConfigFolder) -> None:
    """Check all files, one line per fault; exit code 78 when there is one."""
    from gateway.config import advice  # noqa: PLC0415 pydantic costs 0.2 s that --help need not pay

    checked = load(config)
    times, warnings = _modbus(checked)
    for line in [*_summary(checked), *speech.summary(checked), *times]:
        typer.echo(line)
    for line in [*advice(checked), *warnings]:
        typer.echo(f"警告 / warning: {line}")


def _summary(config: Any) -> list[str]:  # noqa: ANN401 see parts.load
    """Describe a sound configuration: what an installer compares with his list."""
    lines = [
        f"{config.site.id} {config.site.name}, {config.site.gateway}: 没有错误 / no fault",
        f"设备 / devices: {len(config.devices)}",
    ]
    profiles = Counter(device.profile_id for device in config.devices)
    lines += [f"  {count:>5}  {profile}" for profile, count in sorted(profiles.items())]
    lines.append(f"链路 / links: {len(config.links)}")
    on_link = Counter(device.link for device in config.devices)
    for link in config.links:
        embedded = ", embedded broker" if link.name in config.embedded else ""
        lines.append(
            f"  {link.name}: {link.kind} {link.url}{embedded}, {on_link[link.name]} devices"
        )
    lines.append(f"接收方 / receivers: {len(config.uplinks)}")
    for entry in config.uplinks:
        lines.append(f"  {entry.name}: {entry.kind}, {_kinds_of(config, entry.name)}")
    is_tls = config.console.cert or config.console.has_own_certificate
    scheme = "https" if is_tls else "http"
    lines.append(f"控制台 / console: {scheme}://{config.console.host}:{config.console.port}")
    return lines


def _modbus(config: Any) -> tuple[list[str], list[str]]:  # noqa: ANN401 see parts.load
    """Reckon the buses, if there are any: it costs imports that others need not pay."""
    if all(link.kind != "modbus" for link in config.links):
        return [], []
    buses: Any = importlib.import_module("gateway.commission.buses")
    pointlist: Any = importlib.import_module("gateway.pointlist")
    head = "Modbus 总线上新报警最坏多久 / the worst time of a new alarm on each Modbus bus"
    times: list[str] = buses.bus_summary(config)
    warnings: list[str] = buses.bus_advice(config, pointlist.known_devices(config.folder))
    return [head, *times] if times else [], warnings


def _kinds_of(config: Any, uplink: str) -> str:  # noqa: ANN401 see parts.load
    kinds = [kind.value for kind in Kind if uplink in config.receivers_of(kind)]
    if len(kinds) == len(Kind):
        return "全部种类 / all kinds"
    return ", ".join(kinds) or "没有种类 / no kind"
