"""One TCP connection to a camera: RTSP messages and RTP packets between them (RFC 2326, 10.12).

Owns    the receive buffer, the way back to sense after garbage, the end of the connection.
Needs   messages, unit, the Clock.
Keeps   1. One buffer of BUFFER_BYTES for the life of the connection; packets are looked at where
           they lie and never copied by us. What a camera can make us hold is that.
        2. No loop over bytes: what is no packet is skipped by search.
        3. More than FLOOD_BYTES of garbage without one sound packet between ends the connection.
        4. `ended` is called exactly once, with the reason in both languages.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from gateway.clock import Clock
from gateway.links.rtsp.messages import (
    MAX_HEADER_BYTES,
    BadMessage,
    Message,
    parse_header,
)
from gateway.links.rtsp.unit import Counters, Moment
from gateway.links.rtsp.video import TooLarge

BUFFER_BYTES: Final = 128 * 1024
"""More than the largest packet (64 KiB) and than the largest message (16 + 64 KiB)."""
FLOOD_BYTES: Final = 64 * 1024
MAX_UNSENT_BYTES: Final = 64 * 1024
Taker = Callable[[bytearray, int, int], None]
Follower = Callable[[bytearray, memoryview, int, int, int], int]
_DOLLAR: Final = 0x24
_NOBODY: Final = (None, None)
_STARTS: Final = (
    b"RTSP/",
    b"OPTIONS ",
    b"ANNOUNCE ",
    b"REDIRECT ",
    b"SET_PARAMETER ",
    b"GET_PARAMETER ",
    b"TEARDOWN ",
    b"PLAY_NOTIFY ",
)
"""What a camera can say that is no packet: an answer, or a request of its own."""
_LONGEST_START: Final = max(map(len, _STARTS))


class RtspWire(asyncio.BufferedProtocol):
    """See the module. `channels` says who takes the packets of an interleaved channel.

    The first takes one packet; the second, if any, those that plainly continue it
    (Receiver.follow).
    """

    def __init__(
        self,
        clock: Clock,
        counters: Counters,
        message: Callable[[Message], None],
        ended: Callable[[str, str], None],
    ) -> None:
        self.channels: dict[int, tuple[Taker, Follower | None]] = {}
        self.moment = Moment()
        self.gone = asyncio.Event()
        self._clock = clock
        self._counters = counters
        self._message = message
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._garbage = 0
        self._over = False

    # What the transport tells us.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.BaseProtocol."""
        self._transport = transport  # type: ignore[assignment] # TCP is a Transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio.BufferedProtocol: the free part, never empty (keep 1)."""
        del sizehint
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        self._counters.bytes += nbytes
        self.moment.ns = self._clock.mono_ns()
        filled = self._filled + nbytes
        try:
            used = self._parse(filled)
        except BadMessage as error:
            self.end("摄像机的 RTSP 应答无法识别", f"what arrived is no RTSP: {error}")
            return
        except TooLarge:
            self.end("一帧画面超过 8 MiB", "one picture is larger than 8 MiB")
            return
        left = filled - used
        if used and left:
            self._buffer[:left] = self._buffer[used:filled]
        self._filled = left

    def eof_received(self) -> None:
        """See asyncio.BaseProtocol: the camera hung up; the transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.BaseProtocol."""
        self.gone.set()
        said = f": {exc}" if exc is not None else ""
        self.end(f"连接断了{said}", f"the connection ended{said}")

    # What a session does.

    def send(self, data: bytes) -> bool:
        """Write; False when the camera does not read and this must be left out."""
        transport = self._transport
        if self._over or transport is None:
            return False
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            return False
        transport.write(data)
        return True

    def gather(self, size: int) -> None:
        """Be woken when so many bytes have come, or the end."""
        if self._transport is not None and not self._over:
            with contextlib.suppress(OSError):  # a system without it reads at once
                self._transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_RCVLOWAT, size
                )

    def pause(self) -> None:
        """Read no more until resume(); TCP holds the camera back."""
        if self._transport is not None and not self._over:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._over:
            self._transport.resume_reading()

    def end(self, chinese: str, english: str) -> None:
        """Give the connection up at once, with the reason; does nothing the second time."""
        if self._over:
            return
        self._over = True
        if self._transport is None:
            self.gone.set()
        else:
            self._transport.abort()
        self._ended(chinese, english)

    # What lies in the buffer.

    def _parse(self, filled: int) -> int:
        """Take every whole packet and message; returns how far."""
        buffer, channels, at = self._buffer, self.channels, 0
        while filled - at >= 4 and not self._over:
            if buffer[at] == _DOLLAR and (not self._garbage or self._is_sound(at, filled)):
                stop = at + 4 + (buffer[at + 2] << 8 | buffer[at + 3])
                if stop > filled:
                    break
                self._garbage = 0
                self._counters.packets += 1
                channel = buffer[at + 1]
                take, follow = channels.get(channel, _NOBODY)
                if take is not None:
                    take(buffer, at + 4, stop)
                if follow is not None:
                    stop = follow(buffer, self._view, stop, filled, _DOLLAR << 8 | channel)
            else:
                stop = self._take_message(at, filled)
                if stop == at:
                    break
            at = stop
        return at

    def _is_sound(self, at: int, filled: int) -> bool:
        """Behind garbage a dollar sign alone proves nothing: a channel we know, and RTP in it."""
        known = self._buffer[at + 1] in self.channels
        return known and (filled - at < 5 or self._buffer[at + 4] & 0xC0 == 0x80)

    def _take_message(self, at: int, filled: int) -> int:
        """One message, or what is none; returns where it ends, `at` to wait for more."""
        buffer = self._buffer
        head = bytes(self._view[at : min(at + _LONGEST_START, filled)])
        if not head.startswith(_STARTS):
            if len(head) < _LONGEST_START and any(start.startswith(head) for start in _STARTS):
                return at
            return self._skip(at, filled)
        end = buffer.find(b"\r\n\r\n", at, min(filled, at + MAX_HEADER_BYTES))
        if end < 0:
            if filled - at >= MAX_HEADER_BYTES:
                raise BadMessage(f"a header of more than {MAX_HEADER_BYTES} bytes")
            return at
        message, length = parse_header(bytes(self._view[at:end]))
        body = end + 4
        if body + length > filled:
            return at
        self._garbage = 0
        self._message(
            Message(
                message.status,
                message.reason,
                message.headers,
                bytes(self._view[body : body + length]),
            )
        )
        return body + length

    def _skip(self, at: int, filled: int) -> int:
        """Leave out garbage up to the next thing that may be a packet or an answer."""
        marks = (self._buffer.find(mark, at + 1, filled) for mark in (b"$", b"RTSP/"))
        stop = min((mark for mark in marks if mark > 0), default=filled)
        if self._buffer[at:stop].strip(b"\r\n"):  # empty lines between messages are allowed
            self._garbage += stop - at
            self._counters.garbage_bytes += stop - at
            if self._garbage > FLOOD_BYTES:
                self.end(
                    f"收到 {FLOOD_BYTES} 多字节无法识别的数据",
                    f"more than {FLOOD_BYTES} bytes arrived that are neither RTSP nor RTP",
                )
        return stop
