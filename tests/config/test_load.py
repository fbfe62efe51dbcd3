"""What a sound configuration becomes: values, defaults, overrides, and what many devices cost."""

import time
from pathlib import Path

import pytest

from gateway.config import advice
from gateway.config.load import load_config
from gateway.events import Category, Kind
from gateway.profile import shipped_folder
from tests.config.conftest import DEVICES, GATEWAY, Installation


def test_what_is_not_written_has_the_defaults_of_the_documents(installation: Installation) -> None:
    config = installation.load()
    assert config.store.path == installation.folder / "data"
    assert config.store.retention_days == 90
    assert config.store.reserve_mib == 64
    assert (config.console.host, config.console.port) == ("127.0.0.1", 8800)
    assert config.escalation == {1: (30, 60, 120), 2: (120, 300), 3: (), 4: ()}
    assert config.heartbeat_seconds == 30
    assert (config.log.format, config.log.level) == ("json", "info")
    assert config.links[0].client_id == "campus-320612-0001-gw-1-field"
    assert config.embedded == {}
    assert config.routes == ()


def test_without_routes_everything_goes_to_everybody(installation: Installation) -> None:
    config = installation.load()
    assert {config.receivers_of(kind) for kind in Kind} == {("police",)}


def test_routes_of_one_receiver_add_up(installation: Installation) -> None:
    installation.add(
        "gateway.toml",
        '[[route]]\nuplink = "police"\nkinds = ["panic"]\n'
        '[[route]]\nuplink = "police"\nkinds = ["panic", "fire"]\n',
    )
    config = installation.load()
    assert [kind for kind in Kind if config.receivers_of(kind)] == [Kind.PANIC, Kind.FIRE]


def test_the_contracts_own_example_of_a_button_is_taken_as_it_stands(
    installation: Installation,
) -> None:
    installation.devices(
        '[[device]]\nid = "btn-gate-west"\nprofile = "alarm_button/zigbee2mqtt_sos"\n'
        'link = "field"\nname = "西门门卫室1号按钮"\nplace = "西门门卫室"\n'
        'address = { topic = "zigbee2mqtt/btn-gate-west" }\ncameras = ["cam-gate-west"]\n'
    )
    (device,) = installation.load().devices
    assert device.cameras == ("cam-gate-west",)
    assert device.family == "alarm_button"
    assert Kind.PANIC in {point.kind for point in device.points.values()}


def test_devices_of_devices_toml_and_of_devices_d_are_one_list(installation: Installation) -> None:
    for name in ("b", "a"):
        installation.write(f"devices.d/{name}.toml", DEVICES.replace("btn-1", f"btn-{name}"))
    ids = [device.id for device in installation.load().devices]
    assert ids == ["btn-1", "btn-a", "btn-b"]


def test_a_file_saved_with_a_byte_order_mark_is_read(installation: Installation) -> None:
    installation.write("devices.toml", "\ufeff" + DEVICES)
    assert len(installation.load().devices) == 1


def test_a_profile_of_the_folder_overrides_the_shipped_one(installation: Installation) -> None:
    text = (shipped_folder() / "generic" / "json_button.toml").read_text(encoding="utf-8")
    assert 'family = "' in text
    before, _, after = text.partition('family = "')
    own = f'{before}family = "of_this_school"{after.partition(chr(34))[2]}'
    installation.write("profiles/generic/json_button.toml", own)
    assert installation.load().devices[0].family == "of_this_school"


def test_a_device_may_have_its_own_priority_and_supervision(installation: Installation) -> None:
    installation.write(
        "profiles/own/leak.toml",
        (shipped_folder() / "generic" / "json_button.toml")
        .read_text(encoding="utf-8")
        .replace('kind = "panic"', 'kind = "water"'),
    )
    installation.devices(
        DEVICES.replace("generic/json_button", "own/leak")
        + "priority = 1\nsilence_seconds = 3600.5\n"
    )
    (device,) = installation.load().devices
    alarms = [point for point in device.points.values() if point.category is Category.ALARM]
    assert {point.priority for point in alarms} == {1}
    assert device.silence_s == 3600.5


def test_an_embedded_broker_keeps_its_folder_in_the_store(installation: Installation) -> None:
    installation.change("gateway.toml", "url = ", 'broker = "embedded"\nurl = ')
    broker = installation.load().embedded["field"]
    assert (broker.listen_host, broker.port) == ("127.0.0.1", 1883)
    assert broker.folder == installation.folder / "data" / "broker" / "field"
    assert broker.username is None


def test_an_embedded_broker_open_to_the_school_has_an_account_for_devices(
    installation: Installation,
) -> None:
    installation.write("devices-password", "of-the-devices").chmod(0o600)
    installation.change(
        "gateway.toml",
        "url = ",
        'broker = "embedded"\nbroker_listen = "0.0.0.0:1883"\ndevice_username = "device"\n'
        'device_password_file = "devices-password"\nurl = ',
    )
    broker = installation.load().embedded["field"]
    assert (broker.listen_host, broker.username) == ("0.0.0.0", "device")
    assert broker.password == "of-the-devices"
    assert "of-the-devices" not in repr(broker)


def test_a_drivers_own_keys_reach_it_with_their_defaults(installation: Installation) -> None:
    installation.change("gateway.toml", "url = ", "keepalive_seconds = 20\nurl = ")
    options = installation.load().links[0].options
    assert options["keepalive_seconds"] == 20
    assert options["protocol"] == "auto"


def test_cameras_and_volumes_are_read_for_the_recorder(installation: Installation) -> None:
    installation.add(
        "gateway.toml",
        '[[video.volume]]\npath = "/srv/video-1"\nkeep_free_gib = 20\n'
        '[[camera]]\nid = "cam-1"\nurl = "rtsp://192.0.2.5/1"\nretention_days = 30\n'
        '[[camera]]\nid = "cam-2"\n',
    )
    config = installation.load()
    assert config.volumes == (Path("/srv/video-1"),)
    [camera] = config.cameras
    assert (camera.id, camera.stream.url) == ("cam-1", "rtsp://192.0.2.5/1")
    assert camera.retention_days == 30


def test_an_account_in_a_cameras_address_is_refused_and_not_repeated(
    installation: Installation,
) -> None:
    installation.add(
        "gateway.toml", '[[camera]]\nid = "cam-1"\nurl = "rtsp://admin:hunter2@192.0.2.5/1"\n'
    )
    [line] = installation.faults()
    assert "camera" in line
    assert "url" in line
    assert "hunter2" not in line


def test_a_sound_installation_that_could_be_meant_otherwise_gets_advice(
    installation: Installation,
) -> None:
    installation.gateway(
        GATEWAY.partition("[[uplink]]")[0]
        + '[[link]]\nname = "spare"\nkind = "mqtt"\nurl = "mqtt://192.0.2.4"\n'
    )
    installation.change("devices.toml", 'place = "西门"\n', "")
    assert advice(installation.load()) == [
        "没有 [[uplink]]：报警只在本机，不会发给任何人 / "
        "no [[uplink]]: alarms stay here and reach nobody",
        "没有设备的链路：spare / links without devices: spare",
        "没有写 place，警察不知道去哪里：btn-1 / "
        "no place, the police would not know where to go: btn-1",
    ]


def test_ten_thousand_devices_are_checked_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(GATEWAY, encoding="utf-8")
    (tmp_path / "devices.toml").write_text(
        "".join(DEVICES.replace("btn-1", f"btn-{number}") for number in range(10_000)),
        encoding="utf-8",
    )
    began = time.process_time()
    config = load_config(tmp_path)
    spent_s = time.process_time() - began
    assert len(config.devices) == 10_000
    # Measured at 2.0 s (0.8 s of it TOML); the bound of 3 s is doubled for a machine that is busy.
    assert spent_s < 6.0


def test_one_clash_among_ten_thousand_devices_is_found(installation: Installation) -> None:
    installation.devices(
        "".join(DEVICES.replace("btn-1", f"btn-{number}") for number in range(2_000))
        + DEVICES.replace("btn-1", "late").replace("site/late", "site/btn-77")
    )
    assert [line.split(": ")[1] for line in installation.faults()] == ['device["late"].address']


@pytest.mark.parametrize("priority", [2, 3, 4])
def test_no_device_can_make_panic_less_urgent(installation: Installation, priority: int) -> None:
    installation.add("devices.toml", f"priority = {priority}\n")
    assert [line.split(": ")[1] for line in installation.faults()] == ['device["btn-1"].priority']


@pytest.mark.parametrize(
    ("console", "has_own"),
    [
        ('listen = "127.0.0.1:8800"', False),
        ('listen = "localhost:8800"', False),
        ('listen = "0.0.0.0:8800"', True),
        ('listen = "[::]:8800"', True),
        ('listen = "0.0.0.0:8800"\nbehind_proxy = true', False),
    ],
)
def test_a_console_that_others_reach_has_a_certificate_whether_one_was_given_or_not(
    installation: Installation, console: str, has_own: bool
) -> None:
    installation.add("gateway.toml", f"[console]\n{console}\n")
    config = installation.load()
    assert config.console.has_own_certificate is has_own
    assert any("fingerprint" in line for line in advice(config)) is has_own
