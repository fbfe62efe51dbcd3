"""The far end: takes records and notes when, as cheaply as Python can.

A process of its own: `python -m bench.receiver MODE --port P`. Modes:

  subscribe  a client of the receiver's broker at P, QoS 1, PUBACKs in batches
  serve      is itself the MQTT server at P (CONNECT, SUBSCRIBE, PUBLISH at QoS 1, PING): the one
             whose pace or absence the sender feels, which a broker in between would hide
  http       an HTTP/1.1 server at P that answers every POST with 204

It prints "ready" and then obeys lines on its standard input, each answered by one line of JSON:
`count`, `report`, `clear`, `rate R` (records a second, 0 for as fast as it can), `end`.

Keeps   1. With a rate it takes no more than that, and leaves the rest in the sender's socket beyond
           HELD_BYTES of each connection.
        2. A number is noted before its acknowledgement is written.
"""

import argparse
import json
import re
import selectors
import socket
import sys
import time
from typing import Final

from bench import wire
from bench.generator import open_session
from bench.tally import Tally

READ_BYTES: Final = 256 * 1024
HELD_BYTES: Final = 64 * 1024
TICK_S: Final = 0.002
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_NO_CONTENT: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


class Talk:
    """One connection: bytes in, acknowledgements out. take() is what differs between protocols."""

    def __init__(self, sock: socket.socket, tally: Tally) -> None:
        sock.setblocking(False)  # noqa: FBT003 the name says it
        self.sock = sock
        self.tally = tally
        self.data = bytearray()
        self.out = bytearray()

    def take(self, most: int) -> int:
        """Consume whole messages from data, at most `most` records; returns how many there were."""
        raise NotImplementedError

    def flush(self) -> bool:
        """Write what waits; True when all of it went."""
        while self.out:
            try:
                sent = self.sock.send(self.out)
            except BlockingIOError:
                return False
            del self.out[:sent]
        return True


class MqttTalk(Talk):
    """MQTT 3.1.1, from either side of the connection."""

    def take(self, most: int) -> int:
        """See Talk."""
        data, at, end = bytes(self.data), 0, len(self.data)
        now, taken = time.monotonic_ns(), 0
        add = self.tally.add
        acks = bytearray()
        while at < end and taken < most:
            packet = wire.next_packet(data, at, end)
            if packet is None:
                break
            first, body, stop = packet
            kind = first & 0xF0
            if kind == wire.PUBLISH:
                topic_end = body + 2 + (data[body] << 8 | data[body + 1])
                taken += add(data[topic_end + 2 : stop], now)
                if first & 6:
                    acks += b"\x40\x02" + data[topic_end : topic_end + 2]
            elif kind == wire.CONNECT:
                acks += wire.CONNACK
            elif kind == wire.SUBSCRIBE:
                acks += wire.suback(data[body] << 8 | data[body + 1], _filters(data, body, stop))
            elif kind == wire.PINGREQ:
                acks += wire.PINGRESP
            at = stop
        del self.data[:at]
        self.out += acks
        return taken


class HttpTalk(Talk):
    """HTTP/1.1 POST with Content-Length."""

    def take(self, most: int) -> int:
        """See Talk."""
        data, taken = self.data, 0
        while taken < most:
            head = data.find(b"\r\n\r\n")
            if head < 0:
                break
            found = _LENGTH.search(data, 0, head)
            stop = head + 4 + (int(found[1]) if found else 0)
            if stop > len(data):
                break
            taken += self.tally.add(bytes(data[head + 4 : stop]), time.monotonic_ns())
            del data[:stop]
            self.out += _NO_CONTENT
        return taken


def _filters(data: bytes, body: int, stop: int) -> int:
    """Count the filters of a SUBSCRIBE."""
    at, count = body + 2, 0
    while at < stop:
        at += 2 + (data[at] << 8 | data[at + 1]) + 1
        count += 1
    return count


class Receiver:
    """The loop."""

    def __init__(self, kind: type[Talk], tally: Tally) -> None:
        self._kind = kind
        self._tally = tally
        self._selector = selectors.DefaultSelector()
        self._talks: dict[int, Talk] = {}
        self._rate = 0.0
        self._tokens = 0.0
        self._told_ns = 0
        self._ended = False
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._command)

    def listen(self, port: int) -> None:
        """Take connections at a port of this machine."""
        server = socket.create_server(("127.0.0.1", port), backlog=128)
        server.setblocking(False)  # noqa: FBT003 the name says it
        self._selector.register(server, selectors.EVENT_READ, lambda: self._accept(server))

    def adopt(self, sock: socket.socket) -> None:
        """Serve a connection that is open already."""
        talk = self._kind(sock, self._tally)
        self._talks[sock.fileno()] = talk
        self._selector.register(sock, selectors.EVENT_READ, lambda: self._readable(talk))

    def run(self) -> None:
        """Until told `end`, or the one who started us is gone."""
        while not self._ended:
            for key, _ in self._selector.select(TICK_S if self._rate else None):
                key.data()
            if self._rate:
                self._paced()

    def _accept(self, server: socket.socket) -> None:
        sock, _ = server.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.adopt(sock)

    def _readable(self, talk: Talk) -> None:
        try:
            data = talk.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._selector.unregister(talk.sock)
            self._talks.pop(talk.sock.fileno(), None)
            talk.sock.close()
            return
        talk.data += data
        if not self._rate:
            talk.take(sys.maxsize)
            self._write(talk)
        elif len(talk.data) > HELD_BYTES:
            self._listen_for(talk, reading=False)

    def _paced(self) -> None:
        now = time.monotonic_ns()
        gained = (now - self._told_ns) / 1e9 * self._rate
        self._tokens = min(self._tokens + gained, self._rate * 0.02 + 1)
        self._told_ns = now
        for talk in list(self._talks.values()):
            if self._tokens >= 1:
                # Packets that are no records (CONNECT, PING) are free.
                self._tokens -= talk.take(int(self._tokens))
                self._write(talk)
            if len(talk.data) <= HELD_BYTES:
                self._listen_for(talk, reading=True)

    def _listen_for(self, talk: Talk, *, reading: bool) -> None:
        key = self._selector.get_map().get(talk.sock.fileno())
        if reading and key is None:
            self._selector.register(talk.sock, selectors.EVENT_READ, lambda: self._readable(talk))
        elif not reading and key is not None:
            self._selector.unregister(talk.sock)

    def _write(self, talk: Talk) -> None:
        """Acknowledgements are few bytes: where the socket is full, wait, for the sender is."""
        try:
            while not talk.flush():
                time.sleep(0.0002)
        except ConnectionError:
            talk.out.clear()

    def _command(self) -> None:
        line = sys.stdin.readline()
        word, _, value = line.strip().partition(" ")
        answer: dict[str, object] = {}
        if word == "count":
            answer = {"unique": len(self._tally.seen), "probes": self._tally.probes}
        elif word == "report":
            answer = self._tally.report()
        elif word == "clear":
            self._tally.clear()
        elif word == "rate":
            self._rate, self._tokens, self._told_ns = float(value), 0.0, time.monotonic_ns()
            if not self._rate:
                for talk in list(self._talks.values()):
                    self._listen_for(talk, reading=True)
                    talk.take(sys.maxsize)
                    self._write(talk)
        else:
            self._ended = True
        print(json.dumps(answer), flush=True)


def main() -> None:
    """Be the receiver until told to end; see the module."""
    parser = argparse.ArgumentParser(prog="bench.receiver", description=__doc__)
    parser.add_argument("mode", choices=["subscribe", "serve", "http"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--devices", type=int, default=100)
    options = parser.parse_args()
    receiver = Receiver(HttpTalk if options.mode == "http" else MqttTalk, Tally(options.devices))
    if options.mode == "subscribe":
        sock = open_session(options.port, "bench-receiver")
        sock.sendall(wire.subscribe("#"))
        receiver.adopt(sock)
    else:
        receiver.listen(options.port)
    print("ready", flush=True)
    receiver.run()


if __name__ == "__main__":
    main()
