"""How a connection to a bus is made, for each scheme.

Owns    the socket options and the words an installer reads when it does not work.
Needs   settings, dial_in; pymodbus, whose transport owns the serial port (exclusively: row 25).
"""

import asyncio
import socket
import termios
import traceback
from typing import Final

from pymodbus.transport.serialtransport import SerialTransport

from gateway.clock import Clock
from gateway.errors import LinkDown
from gateway.links.modbus.dial_in import take_call
from gateway.links.modbus.errors import PortRefuses
from gateway.links.modbus.keepalive import keep_alive
from gateway.links.modbus.settings import BusSettings

PORT_TIMEOUT_S: Final = 0.0
"""Of reads from a serial port: the loop says when there is something."""


async def open_transport(settings: BusSettings, clock: Clock, protocol: asyncio.Protocol) -> None:
    """Connect `protocol`; raises LinkDown with a sentence, within connect_timeout_s."""
    try:
        async with asyncio.timeout(settings.connect_timeout_s):
            if settings.scheme == "serial":
                await _open_serial(settings, protocol)
            elif settings.scheme == "dial-in":
                await take_call(settings, clock, protocol)
            else:
                await _open_tcp(settings, protocol)
    except TimeoutError:
        raise _down(settings, *_TIMED_OUT[settings.scheme]) from None
    except ConnectionRefusedError as error:
        raise _down(
            settings,
            "对方拒绝连接：端口不对，或转换器唯一的连接已被占用",
            "refused: the wrong port, or a converter whose only slot is taken",
        ) from error
    except socket.gaierror as error:
        raise _down(settings, "主机名解析不了", "the host's name is unknown") from error
    except termios.error as error:  # which is no OSError
        # The half-made port lives in the frames of the traceback, open and locked.
        traceback.clear_frames(error.__traceback__)
        line = f"{settings.baud} 8{settings.parity}{settings.stop_bits:g}"
        raise PortRefuses(
            f"{settings.where}: 串口或转换器不支持 {line}：换波特率、校验，或换一个转换器"
            f" / the port or adapter cannot do {line}: another baud or parity, or another adapter"
        ) from error
    except (OSError, ValueError) as error:  # pyserial's errors are OSErrors
        raise _down(settings, f"打不开：{error}", f"cannot be opened: {error}") from error


async def _open_tcp(settings: BusSettings, protocol: asyncio.Protocol) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(lambda: protocol, settings.host, settings.port)
    keep_alive(transport)


async def _open_serial(settings: BusSettings, protocol: asyncio.Protocol) -> None:
    """Open the port in a thread: a sick USB adapter can block in the kernel for seconds.

    When that takes too long the thread is left behind; should it succeed after all, the port is
    closed.
    """
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(
        None,
        SerialTransport,
        loop,
        protocol,
        settings.device,
        settings.baud,
        8,
        settings.parity,
        settings.stop_bits,
        PORT_TIMEOUT_S,
    )
    try:
        transport = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_port)
        raise
    ready = loop.create_future()
    transport.setup()
    loop.call_soon(ready.set_result, None)  # behind connection_made, which setup() has put in line
    await ready


def _close_port(opened: asyncio.Future[SerialTransport]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        opened.result().sync_serial.close()


def _down(settings: BusSettings, chinese: str, english: str) -> LinkDown:
    where = settings.where
    return LinkDown(f"{where}: {chinese}，稍后再试 / {where}: {english}; it is tried again later")


_TIMED_OUT: Final = {
    "tcp": ("没有应答，检查网线、地址和电源", "no answer: check cable, address and power"),
    "rtu-over-tcp": ("没有应答，检查网线、地址和电源", "no answer: check cable, address and power"),
    "serial": ("串口打不开，检查转换器", "the port does not open: check the adapter"),
    "dial-in": (
        "DTU 还没有拨入，检查信号、卡和注册包",
        "the DTU has not dialled in: check signal, SIM card and registration text",
    ),
}
