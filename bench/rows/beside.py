"""An alarm beside a bad neighbour: how long it takes while another device or receiver misbehaves.

What the misbehaviour tests prove is only that nobody waits for the bad one: their bounds of seconds
are for machines that are busy with something else. How long it does take stands here.

Keeps   1. Every press is the first of its button, so each is an alarm of its own.
        2. Open loop: buttons are pressed when they are due, whatever became of those before.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from bench.generator import topic_of
from bench.machine import until
from bench.rig import Publisher, Receiver, Rig, http_uplink, warm
from bench.rows import Size
from bench.rows.flow import Measure
from bench.table import Row

GROUP: Final = "an alarm beside a bad neighbour"
QUIET: Final = "alarm, nobody misbehaves"
EVERY_S: Final = 0.05
FLOOD_PER_S: Final = 1000
AT_ONCE_MS: Final = 1000.0
"""Of 99 in 100 presses; the bound the misbehaviour tests had while they ran alone."""
WARMED: Final = 10_000
"""More than the probes with which a scene begins: the last of them, presses of one button, are told
up to 5 s later."""
NEVER: Final = 1e-9
"""Requests a second: one in thirty years."""

Bad = Callable[[Rig, int, float], None]
"""Begin to misbehave: the rig, the field broker's port, for how many seconds."""


def _nobody(_rig: Rig, _field_port: int, _seconds: float) -> None:
    """Be good."""


def _stuck(rig: Rig, field_port: int, seconds: float) -> None:
    """One panic button sends FLOOD_PER_S presses a second."""
    rig.load(field_port, int(FLOOD_PER_S * seconds), rate=FLOOD_PER_S, devices=1).go()


def beside(name: str, bad: Bad, *, hangs: bool = False) -> Measure:
    """Presses of so many buttons; hangs: a second receiver takes connections and never answers."""

    def measure(rig: Rig, size: Size) -> list[Row]:
        count = size.presses
        topics = [f"bench/panic/{number}" for number in range(count)]
        with rig.scene():
            field = rig.broker()
            receiver = rig.receiver("http")
            uplink = http_uplink(receiver.port) + (_hanging(rig) if hangs else "")
            # The one that may get stuck is where the generator publishes; it is no device's topic.
            gateway = rig.gateway(field.port, uplink, 0, buttons=[topic_of(0), *topics])
            warm(field.port, receiver)
            bad(rig, field.port, count * EVERY_S + 2.0)
            delays = _press(field.port, topics, receiver)
            said = gateway.complaints()
        at = f"{len(said)} complaints" + (f", first: {said[0][:120]}" if said else "")
        return [
            Row(
                group=GROUP,
                name=f"{name}, {part}",
                value=value,
                unit="ms",
                target=AT_ONCE_MS if part == "p99" else None,
                against=f"{QUIET}, {part}" if name != QUIET else None,
                note=f"{count} presses, worst {delays[-1]:.0f} ms; {at}" if part == "p99" else "",
            )
            for part, value in (
                ("p50", delays[len(delays) // 2]),
                ("p99", delays[len(delays) * 99 // 100]),
            )
        ]

    return measure


def _hanging(rig: Rig) -> str:
    """The lines of a receiver that never answers."""
    silent = rig.receiver("http")
    silent.rate(NEVER)
    return f'\n[[uplink]]\nname = "hangs"\n{http_uplink(silent.port)}'


@contextmanager
def _hand(port: int) -> Iterator[Publisher]:
    hand = Publisher(port, after=WARMED)
    try:
        yield hand
    finally:
        hand.close()


def _press(port: int, topics: list[str], receiver: Receiver) -> list[float]:
    """Press each button once, when it is due; the delays in milliseconds, the shortest first."""
    with _hand(port) as hand:
        began = time.monotonic()
        numbers = []
        for at, topic in enumerate(topics):
            time.sleep(max(began + at * EVERY_S - time.monotonic(), 0))
            numbers.append(str(hand.publish(topic)))

        def all_there() -> bool:
            special = receiver.report()["special"]
            return all(number in special for number in numbers)

        until("every press is at the receiver", all_there, 40, 0.2)
    special = receiver.report()["special"]
    return sorted(special[number] for number in numbers)


ALL: dict[str, Measure] = {
    "beside-nobody": beside(QUIET, _nobody),
    "beside-stuck": beside("alarm, another button is stuck", _stuck),
    "beside-hanging": beside("alarm, another receiver hangs", _nobody, hangs=True),
}
