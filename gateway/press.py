"""A press of a configured device, as the device itself would publish it: for demo and hand-over.

Owns    finding a sample in the device's profile that its own plan understands as an alarm, and
        making it fresh: counters and clocks in it are renewed, so that no two presses are repeats.
Needs   gateway.config, gateway.profile, a Clock. The MQTT session is the simulators' and handed in.
Keeps   What is published was first decoded with the very plan that the driver uses.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.clock import Clock
from gateway.config import Config
from gateway.driver import LinkSettings
from gateway.errors import BadFrame, GatewayError
from gateway.events import Category, Device, Nature
from gateway.profile import Profile, plan_mqtt
from gateway.profile.tool import sample_payload, sample_topic

_HOLE: Final = re.compile(r"\{([A-Za-z0-9_.]+)(?:\|[^{}]*)?\}")
_DOTTED: Final = re.compile(r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$")
CONNECT_S: Final = 5.0
PUBACK_S: Final = 10.0
COUNTER_MODULUS: Final = 65_536
"""Frame counters of LoRaWAN and of most others fit in 16 bits."""


class CannotPress(GatewayError):
    """There is nothing to press, or no sample says how: the caller tells the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How to reach the broker of a device, as simulators.mqtt.Address wants it."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: LinkSettings | None


def choose(config: Config, device_id: str | None) -> Device:
    """Return the device of that id, or the first one that can raise a momentary alarm.

    raises CannotPress when there is none
    """
    if device_id is not None:
        for device in config.devices:
            if device.id == device_id:
                return device
        raise CannotPress(f"配置里没有设备 {device_id} / no device {device_id} is configured")
    for device in config.devices:
        profile = config.shelf.get(device.profile_id)
        if profile is None or profile.driver != "mqtt":
            continue
        if any(
            point.category is Category.ALARM and point.nature is Nature.MOMENTARY
            for point in device.points.values()
        ):
            return device
    raise CannotPress("配置里没有按钮 / no button is configured; name a device with --device")


def message_of(config: Config, device: Device, clock: Clock, number: int) -> tuple[str, bytes]:
    """Return topic and payload of one press.

    number  of the press in this run, from 0: keeps counters of presses within a second apart
    raises  CannotPress when no sample of the profile is an alarm of this device, nor, where it has
            none (a camera's own tamper), a fault
    """
    profile = config.shelf.get(device.profile_id)
    if profile is None or profile.driver != "mqtt":
        raise CannotPress(f"{device.id}: 不是 MQTT 设备 / it is no MQTT device")
    plan = plan_mqtt(profile, device)
    wanted = {
        name
        for name, point in device.points.items()
        if point.category in {Category.ALARM, Category.RECORD}
    }
    now_ns = clock.utc_ns()
    fault: tuple[str, bytes] | None = None
    for sample in profile.samples:
        topic = sample_topic(profile, sample, device, plan)
        if topic is None or sample.retained or sample.expect == "garbled":
            continue
        payload = _fresh(profile, sample_payload(sample), now_ns, number)
        try:
            readings = plan.decode(topic, payload, retained=False, received_ns=now_ns)
        except BadFrame:
            continue
        if any(r.point in wanted and r.active is not False for r in readings):
            return topic, payload
        if fault is None and any(r.point in device.points and r.active is True for r in readings):
            fault = topic, payload
    if fault is not None:
        return fault
    raise CannotPress(
        f"{device.id}: 型号 {device.profile_id} 没有适合此地址的报警样例 / "
        f"no sample of {device.profile_id} is an alarm at this address"
    )


def way_to(config: Config, device: Device) -> Way:
    """Return how the device reaches its broker; raises CannotPress when TLS has no authority."""
    link = next(link for link in config.links if link.name == device.link)
    parts = urlsplit(link.url)
    username, password = link.username, link.password
    broker = config.embedded.get(link.name)
    if broker is not None:
        username, password = broker.username or username, broker.password or password
    secure = parts.scheme == "mqtts"
    if secure and link.ca is None:
        raise CannotPress(f"{link.name}: 需要写 ca / give the link a ca first")
    return Way(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or (8883 if secure else 1883),
        username=username,
        password=password,
        tls=link if secure else None,
    )


async def press(config: Config, device: Device, clock: Clock, count: int, mqtt: Any) -> str:  # noqa: ANN401
    """Publish presses one after the other; returns the topic once the broker has all of them.

    count  at least 1
    mqtt   the module simulators.mqtt, which knows when a broker has accepted a message
    Waits at most CONNECT_S for the session and PUBACK_S for each press.
    raises CannotPress; TimeoutError or mqtt.BrokerRefused when the broker does not let us in
    """
    way = way_to(config, device)
    tls = way.tls
    address = mqtt.Address(
        host=way.host,
        port=way.port,
        username=way.username,
        password=way.password,
        ca=tls.ca if tls else None,
        cert=tls.cert if tls else None,
        key=tls.key if tls else None,
    )
    topic = ""
    # A client id of its own: with the gateway's the broker would throw the gateway off.
    client_id = f"campus-press-{device.id}-{clock.utc_ns():x}"
    publisher = mqtt.Publisher(address, client_id=client_id)
    await publisher.open(wait=False)
    try:
        await publisher.connected(CONNECT_S)
        for number in range(count):
            topic, payload = message_of(config, device, clock, number)
            async with asyncio.timeout(PUBACK_S):
                await publisher.publish(topic, payload)
    finally:
        await publisher.close()
    return topic


def _fresh(profile: Profile, payload: bytes, now_ns: int, number: int) -> bytes:
    """Renew what tells presses apart (the profile's `duplicate`), and the device's clock."""
    try:
        document = json.loads(payload)
    except ValueError:
        return payload
    if not isinstance(document, dict):
        return payload
    for message in profile.body.message:
        if message.duplicate is not None:
            for path in _HOLE.findall(message.duplicate):
                _renew(document, path, now_ns, number)
        if message.time is not None and _DOTTED.match(message.time.path):
            _set(document, message.time.path, _clock_value(message.time.form, now_ns + number))
    return json.dumps(document, ensure_ascii=False).encode()


def _renew(document: dict[str, Any], path: str, now_ns: int, number: int) -> None:
    old = _get(document, path)
    if isinstance(old, float):
        _set(document, path, now_ns / 1e9 + number / 1e3)
    elif isinstance(old, int) and not isinstance(old, bool):
        _set(document, path, (now_ns // 1_000_000 + number) % COUNTER_MODULUS)


def _clock_value(form: str, now_ns: int) -> float | int | str:
    if form == "unix_s":
        return now_ns / 1e9
    if form == "unix_ms":
        return now_ns // 1_000_000
    moment = datetime.fromtimestamp(now_ns / 1e9, UTC)
    if form == "iso8601":
        return moment.isoformat()
    return moment.astimezone().replace(tzinfo=None).isoformat(timespec="seconds")


def _get(document: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 a JSON value
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _set(document: dict[str, Any], path: str, value: Any) -> None:  # noqa: ANN401 a JSON value
    """Replace a value that is there; nothing is added to a message."""
    *parents, last = path.split(".")
    place: Any = document
    for name in parents:
        place = place.get(name) if isinstance(place, dict) else None
    if isinstance(place, dict) and last in place:
        place[last] = value
