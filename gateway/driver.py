"""The contract of a driver: one way of talking to devices. Mirror image of gateway.uplink.

A driver lives in drivers/<name>/, exports one class named Driver, and is found by the folder's
name, which is what a profile's `driver` says; nothing lists drivers. One Driver object serves one
link with all the devices on it, because devices that share a wire share its fate.

Keeps   1. A driver acknowledges to the outside only after `emit` has returned (promise 1).
        2. A driver writes nothing to a device that `Device.commands` does not name.
"""

import importlib
import importlib.util
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from gateway.clock import Clock
from gateway.events import Arrival, Device, Scalar
from gateway.profile import Profile

Emit = Callable[[Sequence[Arrival]], Awaitable[None]]
"""Hand over what arrived, oldest first, at most 512 at once; returns once it is safe on disk.

Raises StoreError only when the gateway is about to stop: then acknowledge nothing.
"""

Notice = Callable[[str, bool, str], Awaitable[None]]
"""Report the health of the link itself: (what, healthy, text); what is "link", "session" …

Unhealthy raises a fault of the gateway's own device once, healthy restores it. The text is for
people, "Chinese / English" (gateway.words), or the words of whoever is at the other end.
"""


Recall = Callable[[str, str], str | None]
"""What was last kept for (device id, name) by an Arrival's marks; None when nothing ever was."""


def nothing_kept(device_id: str, name: str) -> str | None:
    """Be the Recall of a driver that keeps nothing, or of one that starts for the first time."""
    del device_id, name
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command.

    state  done: a value that proves it was read back · sent: the device took it, nothing proves it
           failed: it was tried, `why` says how far · refused: nothing was sent
    """

    state: Literal["done", "sent", "failed", "refused"]
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """One [[link]] of gateway.toml, checked; secrets already read.

    url       scheme://host:port as configured
    password  the secret itself; never logged (repr leaves it out)
    options   the rest of the table, as the driver's `Options` model understands it
    """

    name: str
    kind: str
    url: str
    client_id: str
    username: str | None = None
    password: str | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    options: Mapping[str, Any]

    def __repr__(self) -> str:
        """Without the secret."""
        return f"LinkSettings(name={self.name!r}, url={self.url!r})"


class Driver(Protocol):
    """One link and its devices."""

    def __init__(
        self,
        link: LinkSettings,
        devices: Sequence[Device],
        profiles: Mapping[str, Profile],
        clock: Clock,
    ) -> None: ...

    async def run(self, emit: Emit, notice: Notice, recall: Recall = nothing_kept) -> None:
        """Talk until cancelled; whatever it raises, it is run again after a pause."""


@runtime_checkable
class Commander(Protocol):
    """A driver whose devices can be told something."""

    async def command(self, device_id: str, name: str) -> Outcome:
        """Carry out one of the profile's commands; never raises for a device's sake.

        Bounds: each step has its time-out, the proof its `within_s`; a dead link is "failed" at
        once. Whoever may send it was checked before; whether the installer allowed it is here.
        """


@runtime_checkable
class Changeable(Protocol):
    """A driver that takes other devices while it runs, without letting go of the link."""

    async def change(self, devices: Sequence[Device], profiles: Mapping[str, Profile]) -> None:
        """Serve these from now on; devices that are as they were notice nothing.

        Returns once everything that was decoded before has been through `emit`.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """What came on a topic of no device, for whoever looks for one; hostile like all of it.

    count       how often since it was first heard of
    sample      the newest payload, cut · size_bytes  how long it was
    """

    topic: str
    count: int
    last_ns: int
    sample: bytes
    size_bytes: int
    retained: bool


@runtime_checkable
class Hearing(Protocol):
    """A driver that remembers some of what belongs to none of its devices."""

    def strangers(self) -> Sequence[Stranger]:
        """What was heard of lately, newest first; a bounded number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is known of a device that is asked, at this moment; for looking only.

    parts    (function, address on the wire, words or bits as last read; None when not to be
             believed)
    values   by name, decoded; absent or None is unknown
    problem  what does not decode or answer, one sentence
    """

    parts: Sequence[tuple[int, int, tuple[int, ...] | None]]
    values: Mapping[str, Scalar | None]
    problem: str | None


@runtime_checkable
class Lending(Protocol):
    """A driver through whose bus an installer may read, while it works."""

    async def lend(self, request: Any, timeout_s: float, pause_s: float) -> bytes:  # noqa: ANN401
        """Read once, in turn; raises what the link raises, ValueError for what would write.

        request  in the link's own form
        """


@runtime_checkable
class Showing(Protocol):
    """A driver that can say what it has last read of a device."""

    def look(self, device_id: str) -> Look | None:
        """None for a device that is none of its own."""


@runtime_checkable
class Choosy(Protocol):
    """A driver that acknowledges and drops what belongs to none of its devices, and counts it."""

    unknown_topics: int


def find_driver(name: str) -> type[Driver]:
    """Return the class of drivers/<name>/; raises LookupError when there is no such folder."""
    if not name.isidentifier() or importlib.util.find_spec(f"drivers.{name}") is None:
        raise LookupError(f"no driver named {name!r} under drivers/")
    found: type[Driver] = importlib.import_module(f"drivers.{name}").Driver
    return found
