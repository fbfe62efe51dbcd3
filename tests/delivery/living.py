"""What the tests of a worker share: time as it lives it, what the disk owes, bad receivers."""

from collections.abc import Callable

from gateway.delivery import Worker
from gateway.errors import UplinkUnavailable
from gateway.uplink import Outcome, Parcel, Receipt
from tests.parts import Core, device, wake

DEVICES = [device(f"btn-{n}") for n in range(1, 6)]
EVENT = {"type": "event.recorded", "kind": "access", "priority": 3}


async def pending(made: Core) -> int:
    found: int = (await made.rows("SELECT count(*) FROM delivery WHERE state = 0"))[0][0]
    return found


async def go_on(made: Core, worker: Worker, seconds: float, step: float = 0.5) -> None:
    """Let time pass as the worker lives it."""
    while seconds > 0:
        made.clock.advance(step)
        seconds -= step
        await wake(made, worker, 2)


def poisons(*ids: str) -> Callable[[Parcel], Outcome]:
    return lambda one: UplinkUnavailable("500") if one.id in ids else Receipt()


class Broken(Exception):
    """A bug in an uplink."""
