"""Presses of configured devices: fresh, understood by their own plan, taken by a real broker."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway import press
from gateway.clock import SystemClock
from gateway.config import Config, load_config
from gateway.events import Reading
from gateway.profile import plan_mqtt
from gateway.profile.tool import sample_device
from simulators import mqtt
from simulators.brokers import Mosquitto
from tests.shelves import shipped

SHELF = shipped()
PROFILES = [name for name in SHELF.ids() if getattr(SHELF.get(name), "driver", "") == "mqtt"]


def configure(
    folder: Path, profile: str = "generic/json_button", port: int = 1883, link: str = ""
) -> Config:
    """A configuration with one device, whose address is the profile's own example."""
    found = shipped().get(profile)
    assert found is not None
    address = sample_device(found).address
    words = ", ".join(f"{key} = {_toml(value)}" for key, value in address.items())
    (folder / "gateway.toml").write_text(
        '[site]\nid = "s"\nname = "校"\n[store]\npath = "data"\n[[link]]\nname = "field"\n'
        f'kind = "mqtt"\nurl = "mqtt://127.0.0.1:{port}"\n{link}',
        encoding="utf-8",
    )
    (folder / "devices.toml").write_text(
        f'[[device]]\nid = "one"\nprofile = "{profile}"\nlink = "field"\naddress = {{ {words} }}\n',
        encoding="utf-8",
    )
    return load_config(folder)


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


@pytest.mark.parametrize("profile", PROFILES)
def test_every_shipped_profile_can_be_pressed_and_no_press_repeats_another(
    tmp_path: Path, profile: str
) -> None:
    config = configure(tmp_path, profile)
    device = press.choose(config, "one")
    keys: list[str] = []
    for number in range(3):
        readings = decode(config, *press.message_of(config, device, SystemClock(), number))
        active = [reading for reading in readings if reading.active is not False]
        assert active
        keys += {reading.duplicate for reading in active if reading.duplicate is not None}
    assert len(keys) == len(set(keys))


def decode(config: Config, topic: str, payload: bytes) -> list[Reading]:
    device = config.devices[0]
    profile = config.shelf.get(device.profile_id)
    assert profile is not None
    return plan_mqtt(profile, device).decode(topic, payload, retained=False, received_ns=1)


async def test_presses_reach_a_real_broker_that_wants_a_password(
    tmp_path: Path, mosquitto: Callable[..., Awaitable[Mosquitto]]
) -> None:
    broker = await mosquitto(passwords={"gateway": "of-the-link"})
    (tmp_path / "mqtt").write_text("of-the-link\n", encoding="utf-8")
    account = 'username = "gateway"\npassword_file = "mqtt"\n'
    config = configure(tmp_path, port=broker.port, link=account)
    device = press.choose(config, None)
    topic = plan_mqtt_topic(config)
    async with mqtt.Listener(broker.address, topic, client_id="watch") as listener:
        told = await press.press(config, device, SystemClock(), 3, mqtt)
        assert {message.topic for message in await listener.take(3)} == {told} == {topic}


def plan_mqtt_topic(config: Config) -> str:
    device = config.devices[0]
    profile = config.shelf.get(device.profile_id)
    assert profile is not None
    return plan_mqtt(profile, device).filters[0]


def test_a_device_nobody_configured_cannot_be_pressed(tmp_path: Path) -> None:
    with pytest.raises(press.CannotPress, match="no device two is configured"):
        press.choose(configure(tmp_path), "two")


def test_without_a_button_there_is_nothing_to_press(tmp_path: Path) -> None:
    with pytest.raises(press.CannotPress, match="no button is configured"):
        press.choose(configure(tmp_path, "generic/json_event"), None)


def test_an_embedded_broker_is_entered_with_the_devices_account(tmp_path: Path) -> None:
    (tmp_path / "device").write_text("of-the-devices", encoding="utf-8")
    config = configure(
        tmp_path,
        link='broker = "embedded"\ndevice_username = "device"\ndevice_password_file = "device"\n',
    )
    way = press.way_to(config, config.devices[0])
    assert (way.username, way.password) == ("device", "of-the-devices")
