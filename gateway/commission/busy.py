"""Whether somebody on this machine is using a bus already, as far as that can be told.

Owns    the look into the kernel's tables, and the words for a bus that does not open.
Needs   gateway.links.modbus.settings. Linux only; elsewhere it says nothing, which is no promise.
Keeps   It only looks: no process is asked and none is touched.
"""

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.commission.words import shown
from gateway.config.inspection import both
from gateway.errors import LinkDown
from gateway.links.modbus import BusSettings

ESTABLISHED: Final = "01"
"""State of a connection in /proc/net/tcp (proc(5), include/net/tcp_states.h)."""
TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
MAX_LINES: Final = 20_000

Endpoint = tuple[str, int]


def connected_from_here(settings: BusSettings) -> str | None:
    """Say who on this machine holds a connection to the bus's TCP port; None when nobody is seen.

    Blocks while a host name is looked up: call it outside the event loop. A serial line is not
    looked at: opening it says by itself that it is taken.
    """
    if settings.scheme not in {"tcp", "rtu-over-tcp"}:
        return None
    try:
        infos = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except OSError:
        return None  # opening says so, with the right words
    wanted = {(_plain(str(info[4][0])), settings.port) for info in infos}
    for remote, inode in _connections():
        if remote in wanted:
            return _owner(inode)
    return None


def refusal(settings: BusSettings, who: str) -> list[str]:
    """Say why nothing was sent, and what to do."""
    return [
        both(
            f"{settings.where} 正被本机的 {who} 使用，没有发送任何请求",
            f"{settings.where} is in use by {who} on this machine; nothing was sent",
        ),
        both(
            "许多转换器只接受一个连接，第二个会踢掉第一个：先停网关 systemctl stop campus-gateway；"
            "确知设备接受多个连接时可加 --anyway",
            "many converters take one connection only and a second throws the first off: stop the "
            "gateway first (systemctl stop campus-gateway); --anyway if the device takes several",
        ),
    ]


def why_not_open(settings: BusSettings, down: LinkDown) -> list[str]:
    """Say what to do about a bus that did not open; the first line repeats what happened."""
    lines = [str(down)]
    code = getattr(down.__cause__, "errno", None)
    text = str(down)
    if settings.scheme == "serial":
        lines += _serial(code, locked="exclusively" in text)
    elif settings.scheme == "dial-in":
        lines.append(
            both(
                "这个端口由正在运行的网关监听时要先停网关；否则检查 DTU 的目标地址、端口和注册包",
                "when a running gateway listens there, stop it first; else check the DTU's target "
                "address, port and registration text",
            )
        )
    else:
        lines.append(
            both(
                f"先 ping {settings.host}；再核对端口：Modbus TCP 多为 502，透传转换器见其网页；"
                "单连接的转换器要先断开别的主站",
                f"ping {settings.host} first; then the port: 502 for most Modbus TCP, a transparent"
                " converter shows it on its page; disconnect other masters of a one-slot converter",
            )
        )
    return lines


def _serial(code: object, *, locked: bool) -> list[str]:
    if locked or code in {errno.EAGAIN, errno.EBUSY}:
        return [
            both(
                "串口已被另一程序独占，多半是正在运行的网关：先 systemctl stop campus-gateway",
                "another program holds the port, most likely the running gateway: stop it first, "
                "systemctl stop campus-gateway",
            )
        ]
    if code in {errno.EACCES, errno.EPERM}:
        return [
            both(
                "没有权限：sudo usermod -aG dialout $USER，重新登录",
                "no permission: sudo usermod -aG dialout $USER, then log in again",
            )
        ]
    there = [str(path) for path in _serial_ports()]
    listed = ", ".join(map(shown, there)) or both("一个也没有", "none")
    return [
        both(
            f"本机的串口：{listed}。USB 转换器用 /dev/serial/by-id/ 下的名字，重启后不变",
            f"serial ports here: {listed}. For USB adapters use the name under /dev/serial/by-id/, "
            "which stays the same after a restart",
        )
    ]


def _serial_ports() -> list[Path]:
    places = ("/dev/serial/by-id/*", "/dev/ttyUSB*", "/dev/ttyACM*", "/dev/ttyS[0-3]")
    found = [path for place in places for path in sorted(Path("/").glob(place[1:]))]
    return found[:12]


def _connections() -> Iterator[tuple[Endpoint, int]]:
    """Yield (remote end, inode) of every established TCP connection of this machine."""
    for table in TABLES:
        try:
            lines = table.read_text("ascii", "replace").splitlines()[1:MAX_LINES]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 9 and fields[3] == ESTABLISHED:
                yield _endpoint(fields[2]), int(fields[9])


def _endpoint(text: str) -> Endpoint:
    """0100007F:1F90 → ("127.0.0.1", 8080): 32-bit groups in the machine's own byte order."""
    host, _, port = text.partition(":")
    groups = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    packed = struct.pack(f"={len(groups)}I", *groups)
    return _plain(str(ipaddress.ip_address(packed))), int(port, 16)


def _plain(host: str) -> str:
    """127.0.0.1 for ::ffff:127.0.0.1; without a zone."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _owner(inode: int) -> str:
    """Return "python3 (process 123)", or that it is a program of another user's."""
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for handle in (process / "fd").iterdir():
                if str(handle.readlink()) == wanted:
                    name = shown((process / "comm").read_text("utf-8", "replace").strip())
                    return both(f"{name}（进程 {process.name}）", f"{name}, process {process.name}")
        except OSError:  # it ended, or is somebody else's
            continue
    return both("另一用户的程序", "a program of another user")
