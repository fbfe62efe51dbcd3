"""The load: publishes numbered, time-stamped messages at QoS 1, at a rate or as fast as it may.

A process of its own: `python -m bench.generator --port P …`. It prints "ready" once connected,
begins at the first line on its standard input, and prints one JSON object when every message is
acknowledged.

Keeps   1. Open loop: at a rate, a message is sent when it is due, whoever is slow; how late the
           load itself was is reported beside the latency (late_ms).
        2. At most `window` messages are without PUBACK.
        3. The stamp is taken right before the bytes go to the socket.
"""

import argparse
import json
import select
import socket
import sys
import time
from dataclasses import dataclass

from bench import wire

CHUNK_MESSAGES = 64
"""Messages made between two looks at the socket: one stamp and one system call for all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send; rate 0 means as fast as the window lets go. See topic_of for the topics."""

    port: int
    count: int
    rate: float
    devices: int
    window: int
    first: int


def topic_of(device: int) -> str:
    """Return the topic of one device of the benchmark."""
    return f"bench/{device:05d}"


def open_session(port: int, client_id: str) -> socket.socket:
    """Connect to a broker on this machine; raises OSError without its welcome within 10 s."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(wire.connect(client_id))
    answer = b""
    while len(answer) < 4:
        more = sock.recv(4 - len(answer))
        if not more:
            raise ConnectionError("the broker closed the connection at once")
        answer += more
    if answer != wire.CONNACK:
        raise ConnectionError(f"the broker answered {answer!r} to CONNECT")
    return sock


class Load:
    """One run of a plan."""

    def __init__(self, plan: Plan, sock: socket.socket) -> None:
        self._plan = plan
        self._sock = sock
        self._heads = [
            len(topic_of(number)).to_bytes(2, "big") + topic_of(number).encode()
            for number in range(plan.devices)
        ]
        self._sent = self._acked = 0
        self._partial = 0
        self._late_ns: list[int] = []

    def run(self) -> dict[str, float]:
        """Send everything and wait for every PUBACK; raises TimeoutError after 60 s without one."""
        plan = self._plan
        began = time.monotonic_ns()
        first = began
        while self._acked < plan.count:
            now = time.monotonic_ns()
            due = plan.count
            if plan.rate:
                due = min(plan.count, int((now - began) * plan.rate / 1e9) + 1)
            room = min(due - self._sent, plan.window - self._sent + self._acked, CHUNK_MESSAGES)
            if not plan.rate and room < min(CHUNK_MESSAGES, plan.count - self._sent):
                room = 0  # a burst in whole chunks: single messages would cost a system call each
            if room > 0:
                self._send(room, began)
            self._acknowledged(0.0 if room > 0 else self._rest_s(began, now))
        return {
            "count": plan.count,
            "first_ns": first,
            "acked_ns": time.monotonic_ns(),
            "late_ms_p99": _percentile(self._late_ns, 0.99) / 1e6,
        }

    def _send(self, room: int, began: int) -> None:
        plan, heads, devices = self._plan, self._heads, self._plan.devices
        at = self._sent
        stamp = time.monotonic_ns()
        out = bytearray()
        for n in range(plan.first + at, plan.first + at + room):
            head = heads[n % devices]
            payload = b'{"n":%d,"t":%d}' % (n, stamp)
            mid = n % 65535 + 1
            out += b"\x32%c%b%c%c%b" % (
                len(head) + 2 + len(payload),
                head,
                mid >> 8,
                mid & 255,
                payload,
            )
        self._sock.sendall(out)
        self._sent += room
        if plan.rate:
            self._late_ns += [
                max(stamp - began - int(number * 1e9 / plan.rate), 0)
                for number in range(at, at + room)
            ]

    def _rest_s(self, began: int, now: int) -> float:
        plan = self._plan
        if self._sent >= plan.count or not plan.rate:
            return 60.0
        if self._sent - self._acked >= plan.window:
            return 60.0
        return max(began + self._sent * 1e9 / plan.rate - now, 0) / 1e9

    def _acknowledged(self, wait_s: float) -> None:
        readable, _, _ = select.select([self._sock], [], [], wait_s)
        if not readable:
            if wait_s >= 60.0:
                raise TimeoutError(f"no PUBACK for 60 s after {self._acked} of {self._sent}")
            return
        data = self._sock.recv(65536)
        if not data:
            raise ConnectionError(f"the broker left after {self._acked} acknowledgements")
        # Nothing but PUBACK comes here, four bytes each; a cut one is completed by the next read.
        self._partial += len(data)
        self._acked += self._partial // 4
        self._partial %= 4


def _percentile(values: list[int], part: float) -> float:
    ordered = sorted(values)
    return float(ordered[min(int(len(ordered) * part), len(ordered) - 1)]) if ordered else 0.0


def main() -> None:
    """Run one plan from the command line; see the module."""
    parser = argparse.ArgumentParser(prog="bench.generator", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--window", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    plan = Plan(**vars(options))
    sock = open_session(plan.port, f"bench-generator-{plan.first}")
    print("ready", flush=True)
    sys.stdin.readline()
    result = Load(plan, sock).run()
    sock.sendall(wire.DISCONNECT)
    sock.close()
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
