"""The demo's installation: its two files, its secrets, and the ports it takes.

Owns    <data>/config: written once, then yours to edit. Tokens are made anew at each start.
Keeps   What a person changed is left alone; a configuration without cameras stays without.
"""

import contextlib
import secrets
import socket
from base64 import b64encode
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final, Self

from gateway.clock import SystemClock
from gateway.console.tokens import Role, TokenBook
from gateway.errors import GatewayError
from gateway.store.disk import write_file

CAMERA_PASSWORD: Final = "look-only"  # noqa: S105 the simulated cameras print it themselves
_GATEWAY: Final = """\
# 演示配置，可以修改；删除本文件会重新生成 · the demo's configuration; delete it to get it anew
[site]
id = "320612-0001"
name = "示范小学"
gateway = "gw-1"
address = "示范市实验区学府路 1 号"
phone = "0513-0000000"
[store]
path = "../store"
reserve_mib = 16
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:{field}"
broker = "embedded"
[[link]]
name = "canteen"
kind = "modbus"
url = "tcp://127.0.0.1:{modbus_device}"
[[uplink]]
name = "police"
kind = "http"
url = "http://127.0.0.1:{police}/alarms"
secret_file = "secrets/police"
[[uplink]]
name = "bureau"
kind = "mqtt"
url = "mqtt://127.0.0.1:{bureau}"
[[video.volume]]
path = "../video"
[[camera]]
id = "cam-gate-west"
name = "西门摄像机"
place = "西门门卫室"
url = "rtsp://127.0.0.1:{gate}/main"
username = "viewer"
password_file = "secrets/cameras"
[[camera]]
id = "cam-library"
name = "图书馆摄像机"
place = "图书馆二楼"
url = "rtsp://127.0.0.1:{library}/main"
username = "viewer"
password_file = "secrets/cameras"
[[camera]]
id = "cam-canteen"
name = "食堂摄像机"
place = "食堂后厨"
url = "rtsp://127.0.0.1:{canteen}/main"
username = "viewer"
password_file = "secrets/cameras"
[[route]]
uplink = "police"
kinds = ["panic", "duress", "fire", "gas", "smoke", "intrusion"]
[[route]]
uplink = "bureau"
[[contact]]
name = "派出所（演示）"
number = "110"
role = "police"
[[contact]]
name = "校长（演示）"
number = "000-0000"
role = "leader"
[[contact]]
name = "校医（演示）"
number = "000-0001"
[console]
listen = "127.0.0.1:{page}"
[log]
format = "console"
level = "warning"
"""

_DEVICES: Final = """\
[[device]]
id = "btn-gate-west"
profile = "alarm_button/zigbee2mqtt_sos"
link = "field"
name = "1号一键报警"
place = "西门门卫室"
address = {{ topic = "zigbee2mqtt/btn-gate-west" }}
cameras = ["cam-gate-west"]
[[device]]
id = "btn-library"
profile = "generic/json_button"
link = "field"
name = "图书馆一键报警"
place = "图书馆二楼"
address = {{ topic = "campus/btn-library" }}
cameras = ["cam-library"]
[[device]]
id = "gas-canteen"
profile = "gas/zigbee2mqtt_gas"
link = "field"
name = "后厨燃气探测器"
place = "食堂后厨"
address = {{ topic = "zigbee2mqtt/gas-canteen" }}
cameras = ["cam-canteen"]
[[device]]
id = "gas-boiler"
profile = "gas/honeywell_midas"
link = "canteen"
name = "锅炉房燃气探测器"
place = "锅炉房"
address = {{ unit = 1 }}
[[device]]
id = "door-lab"
profile = "generic/json_event"
link = "field"
name = "化学实验室门禁"
place = "实验楼三楼"
address = {{ topic = "campus/door-lab", kind = "access", priority_member = "level" }}
"""


class NotStarted(GatewayError):
    """A part of the demo did not start; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Ports:
    """So many in a row from the page's on: where who listens. cameras: the control port."""

    page: int
    field: int
    bureau: int
    police: int
    police_control: int
    modbus_device: int
    modbus_control: int
    gate: int
    library: int
    canteen: int
    cameras: int

    @classmethod
    def from_page(cls, port: int) -> Self:
        """The ones that belong to a page's."""
        return cls(*range(port, port + len(cls.__slots__)))

    def check(self) -> None:
        """Raise NotStarted when one of them is taken."""
        for number in astuple(self):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", number))
                except OSError as error:
                    raise NotStarted(
                        f"端口 {number} 被占用，请换一个：make demo ARGS='--port 9800'\n"
                        f"port {number} is taken ({error.strerror}); choose another with --port"
                    ) from error


def write_configuration(folder: Path, ports: Ports) -> None:
    """Write what is not there yet; what a person changed is left alone."""
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    (folder / "secrets").chmod(0o700)
    with contextlib.suppress(OSError):  # the recorder says what is wrong with it
        (folder.parent / "video").mkdir(exist_ok=True)
    if not (folder / "gateway.toml").exists():
        numbers = {name: getattr(ports, name) for name in Ports.__slots__}
        write_file(folder / "gateway.toml", _GATEWAY.format(**numbers).encode())
    if not (folder / "devices.toml").exists():
        write_file(folder / "devices.toml", _DEVICES.format().encode())
    for name, text in (
        ("police", b"whsec_" + b64encode(secrets.token_bytes(32))),
        ("cameras", CAMERA_PASSWORD.encode()),
    ):
        if not (folder / "secrets" / name).exists():
            write_file(folder / "secrets" / name, text + b"\n", mode=0o600)


def make_tokens(data: Path, store: Path) -> str:
    """Make new tokens for this run and forget the last one's; returns the guard's."""
    store.mkdir(parents=True, exist_ok=True)
    (data / "peers").mkdir(exist_ok=True)
    book = TokenBook(store / "tokens.json", SystemClock())
    for entry in book.list():
        if entry.name.startswith("demo-"):
            book.revoke(entry.id)
    platform = book.create(Role.PLATFORM, "demo-police")
    write_file(data / "peers" / "police.token", platform.encode() + b"\n", mode=0o600)
    return book.create(Role.GUARD, "demo-guard")
