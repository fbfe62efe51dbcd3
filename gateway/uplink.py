"""The contract of an uplink: one kind of receiver. Mirror image of gateway.driver.

An uplink lives in gateway/uplinks/<kind>.py (or a folder of that name), exports `Options` (a
pydantic model of its [[uplink]] table) and `Uplink`, and is found by the file's name; nothing lists
uplinks.

Keeps   1. The body of a parcel goes out byte for byte, on every attempt (promise 2: at least once,
           one id minted at the edge, frozen when stored).
        2. A receipt is returned only for an answer that clearly names or acknowledges that parcel.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from gateway.clock import Clock
from gateway.errors import UplinkError

RECEIPT_STATES: Final = (
    "received",
    "accepted",
    "rejected",
    "dispatched",
    "on_scene",
    "closed",
)
"""What a receiver can say, in the order in which it says it (ASAP-to-PSAP's states, users.md)."""

MAX_ANSWER_BYTES: Final = 64 * 1024


@dataclass(slots=True, kw_only=True)
class Parcel:
    """One record on its way to one receiver.

    seq           the record's global sequence number
    id            the CloudEvents id; the same on every attempt
    type          the CloudEvents type
    kind          data.kind
    priority      1 to 4
    device        data.device.id; records of one device arrive in order
    body          the frozen record, UTF-8 JSON, at most 20 kB
    late_s        seconds since it was stored, when over 120, else None: travels outside the body
    is_alarm      False for recorded events and heartbeats: those may go in batches
    """

    seq: int
    id: str
    type: str
    kind: str
    priority: int
    device: str
    body: bytes
    late_s: int | None = None
    is_alarm: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the receiver answered: state is one of RECEIPT_STATES, reference is its own number."""

    state: str = "received"
    reference: str = ""


Outcome = Receipt | UplinkError
LaterReceipt = Callable[[str, Receipt], None]
"""Called with (record id, receipt) when a receiver reports progress after the delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkSettings:
    """What every uplink is told: who we are, its own options, and where answers of later go."""

    name: str
    site_id: str
    site_name: str
    gateway: str
    folder: Path
    options: Any


class Uplink(Protocol):
    """One receiver.

    batch        most parcels one call of deliver takes (for records that are no alarms; alarms
                 come in batches too when alarms_in_batches is true)
    concurrency  most calls of deliver under way at once
    ordered      what is handed over first arrives first, also across calls under way at once, and
                 calls fail together (one connection); otherwise the worker keeps a device's order
    """

    batch: int
    concurrency: int
    alarms_in_batches: bool
    ordered: bool

    def __init__(self, settings: UplinkSettings, clock: Clock, later: LaterReceipt) -> None: ...

    async def run(self) -> None:
        """Keep open what must be kept open, until cancelled; returns at once if nothing must."""

    async def deliver(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Send and return one outcome for each parcel, in order; takes at most 15 s.

        Safe to call again with the same parcels: receivers drop repeats by id. Never raises an
        UplinkError: a failure is an outcome, so that one bad record does not fail its neighbours.
        """


def find_uplink(kind: str) -> Any:  # noqa: ANN401 a module: Options and Uplink
    """Return the module gateway/uplinks/<kind>; raises LookupError when there is none."""
    if not kind.isidentifier() or importlib.util.find_spec(f"gateway.uplinks.{kind}") is None:
        raise LookupError(f"no uplink kind {kind!r} under gateway/uplinks/")
    return importlib.import_module(f"gateway.uplinks.{kind}")
