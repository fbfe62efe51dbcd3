"""What stands between paho and its socket, so that it sees only the packets that are its business.

Owns    one socket, from paho's connect to its close.
Needs   gateway.links.mqtt_wire. paho-mqtt makes its socket in `Client._create_socket`, which is not
        public: a test pins that it still asks there (decision 0003).
Keeps   No socket outlives its owner: neither after a failed handshake nor when the caller has gone.
"""

import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import paho.mqtt.client as paho

from gateway.errors import LinkDown
from gateway.links.mqtt_wire import Splitter

CONNECT_TIMEOUT_S: Final = 5.0
_READ_BYTES: Final = 256 * 1024
_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)  # Linux


class Tap:
    """Stands where paho's socket stands: paho sees only the packets that are its business."""

    def __init__(self, sock: socket.socket, protocol: int) -> None:
        self.sock = sock
        self.splitter = Splitter(protocol)
        self.out = bytearray()
        self.heard_bytes = 0
        self.before_close: Callable[[], None] = lambda: None

    def recv(self, size: int) -> bytes:
        """For paho: what is its business; there is nothing else it could want to read."""
        others = self.splitter.others
        if not others:
            raise BlockingIOError(errno.EAGAIN, "nothing for paho")
        taken = bytes(others[:size])
        del others[:size]
        return taken

    def send(self, data: bytes | bytearray) -> int:
        """For paho: always taken whole, and written by flush()."""
        self.out += data
        return len(data)

    def read(self) -> bool:
        """Move bytes from the socket to the splitter; True when there may be more at once."""
        try:
            data = self.sock.recv(_READ_BYTES)
            # A broker with Nagle holds the next PUBACK until this one's TCP ACK, delayed by 40 ms.
            if _QUICKACK is not None:
                self.sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError, InterruptedError):
            return False
        if not data:
            raise LinkDown("the broker closed the connection")
        self.heard_bytes += len(data)
        self.splitter.feed(data)
        return isinstance(self.sock, ssl.SSLSocket) or len(data) == _READ_BYTES

    def flush(self) -> bool:
        """Write what waits; True when all of it went."""
        while self.out:
            try:
                sent = self.sock.send(memoryview(self.out)[:_READ_BYTES])
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError, InterruptedError):
                return False
            del self.out[:sent]
        return True

    def close(self) -> None:
        """Called by paho right after it wrote DISCONNECT, which must still go out: no will then."""
        if self.sock.fileno() < 0:
            return
        with contextlib.suppress(OSError):
            self.flush()
        self.before_close()  # a number that is still watched when it is given out again goes deaf
        self.sock.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 whatever else paho asks of a socket
        return getattr(self.sock, name)


class Session(paho.Client):
    """paho, given our tap instead of the bare socket (a test pins that it asks there)."""

    tap: Tap | None = None
    given_up = False
    """Set by the event loop when nobody waits for the connection any more."""

    def _create_socket(self) -> Any:  # noqa: ANN401 paho's own type is a private protocol
        protocol = 5 if self._protocol == paho.MQTTv5 else 4
        self.tap = Tap(super()._create_socket(), protocol)  # type: ignore[arg-type]
        self.tap.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.given_up:  # looked at after the tap can be seen, so one of the two threads closes
            self.tap.close()
            raise ConnectionAbortedError(errno.ECONNABORTED, "nobody waits for it any more")
        return self.tap

    def _ssl_wrap_socket(self, tcp_sock: Any) -> Any:  # noqa: ANN401 as above
        """As paho does, but a socket whose handshake failed is closed and not left to Python."""
        context = self._ssl_context
        if context is None:
            raise ValueError("TLS without a context")
        wrapped = context.wrap_socket(
            tcp_sock, server_hostname=self._host, do_handshake_on_connect=False
        )
        try:
            wrapped.settimeout(CONNECT_TIMEOUT_S)
            wrapped.do_handshake()
        except BaseException:
            wrapped.close()
            raise
        return wrapped
