"""Consoles without a screen: `python -m bench.consoles PORT COUNT`, each with a stream of its own.

Reads a token from standard input, opens COUNT streams as browsers do, takes all that comes and
says "looking" once each has its snapshot. On `report` it prints how many bytes and signs of life
came and how often the gateway ended a stream; it ends with its standard input.

Keeps   A stream that the gateway ended is opened again, as browsers do.
"""

import json
import selectors
import socket
import sys
import time

READ_BYTES = 1 << 16
AGAIN_S = 0.1


class Stream:
    """One console."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self.bytes = self.beats = self.snapshots = 0
        self.open()

    def open(self) -> None:
        """Ask for it (again)."""
        self.sock = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        self.sock.sendall(
            b"GET /api/v1/console/stream HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
            b"Accept: text/event-stream\r\nAuthorization: Bearer %b\r\n\r\n"
            % (self._port, self._token.encode())
        )
        self._end = b""

    def take(self) -> bool:
        """Take what came; False when the gateway left."""
        data = self.sock.recv(READ_BYTES)
        self.bytes += len(data)
        # A word may lie across two reads.
        text = self._end + data
        self.beats += text.count(b"event: beat\n") - self._end.count(b"event: beat\n")
        self.snapshots += text.count(b"event: snapshot\n") - self._end.count(b"event: snapshot\n")
        self._end = text[-16:]
        return bool(data)


def main() -> None:
    """See the module."""
    port, count = int(sys.argv[1]), int(sys.argv[2])
    token = sys.stdin.readline().strip()
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
    streams = [Stream(port, token) for _ in range(count)]
    for stream in streams:
        selector.register(stream.sock, selectors.EVENT_READ, stream)
    is_told, ends = False, 0
    while True:
        for key, _ in selector.select():
            if key.data is None:
                if not sys.stdin.readline():
                    return
                said = {
                    "bytes": sum(stream.bytes for stream in streams),
                    "beats": [stream.beats for stream in streams],
                    "ends": ends,
                }
                print(json.dumps(said), flush=True)
            elif not key.data.take():
                ends += 1
                selector.unregister(key.data.sock)
                key.data.sock.close()
                time.sleep(AGAIN_S)
                key.data.open()
                selector.register(key.data.sock, selectors.EVENT_READ, key.data)
        if not is_told and all(stream.snapshots for stream in streams):
            is_told = True
            print("looking", flush=True)


if __name__ == "__main__":
    main()
