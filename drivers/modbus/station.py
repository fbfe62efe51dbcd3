"""One device on a bus: its image, and what is wrong with it at the moment.

Owns    what has to be told of one device, and when it was last heard of.
Needs   gateway.profile for its plan and image.
Keeps   1. A trouble that lasts (a register refused, words that do not decode, a log that cannot be
           read) stays told: no arrival in between says that all is well. It is told again every
           TROUBLE_AGAIN_NS, and at most every TROUBLE_LEAST_NS when it is another.
        2. A device is named as heard of at most once in HEARD_LEAST_NS, and at least once in
           HEARD_MOST_NS: it does not talk, it is asked, so it cannot flood.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from gateway.events import ONLINE_POINT, Arrival, Device, Garbled, Reading
from gateway.profile import Image, ModbusPlan

HEARD_MOST_NS: Final = 10_000_000_000
HEARD_LEAST_NS: Final = 500_000_000
TROUBLE_LEAST_NS: Final = 10_000_000_000
TROUBLE_AGAIN_NS: Final = 60_000_000_000
_LONG_AGO_NS: Final = -(1 << 62)


@dataclass(slots=True, eq=False)
class Station:
    """See the module.

    heard_ns  when it was last told as heard of, monotonic
    stuck     the heartbeat value that stopped, None when all is well
    troubles  what is wrong, by what it is wrong with
    changed   set when something new was read
    turn      held by whoever commands it: steps of two commands must not mix
    mailbox   held by whoever asks a mailbox of its unit; devices of one unit share it
    earned    commands that stored readings have earned
    """

    device: Device
    plan: ModbusPlan
    image: Image
    heard_ns: int = _LONG_AGO_NS
    stuck: str | None = None
    troubles: dict[str, str] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    mailbox: asyncio.Lock = field(default_factory=asyncio.Lock)
    earned: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _told: str = ""
    _told_ns: int = _LONG_AGO_NS

    def forget(self) -> None:
        """Nothing of it is known; whatever is read next is told."""
        self.image.forget()
        self.heard_ns = self._told_ns = _LONG_AGO_NS

    def gone(self, why: str, received_ns: int) -> Reading:
        """Say that it is not there any more."""
        return Reading(
            device_id=self.device.id,
            point=ONLINE_POINT,
            received_ns=received_ns,
            value=False,
            attributes={"why": why[:256]},
        )

    @property
    def problem(self) -> str | None:
        """What is wrong with it now, in one sentence."""
        if self.troubles:
            return next(iter(self.troubles.values()))
        return self.image.problem

    def arrival(
        self,
        link: str,
        readings: list[Reading],
        raw: bytes,
        received_ns: int,
        now_ns: int,
        *,
        alive: bool = True,
    ) -> Arrival | None:
        """Put together what there is to tell; None when it is nothing.

        raw    what was read, evidence if something is wrong with it
        alive  whether this comes of an answer of the device
        """
        garbled = None
        problem = self.problem
        heard = now_ns - self.heard_ns >= HEARD_LEAST_NS
        if problem is not None:
            age_ns = now_ns - self._told_ns
            again = age_ns >= TROUBLE_AGAIN_NS or (alive and self.heard_ns == _LONG_AGO_NS)
            heard = again or (problem != self._told and age_ns >= TROUBLE_LEAST_NS)
            if heard:
                self._told, self._told_ns = problem, now_ns
                garbled = Garbled(
                    device_id=self.device.id,
                    why=problem,
                    raw=raw,
                    size_bytes=len(raw),
                    received_ns=received_ns,
                )
        elif self._told:
            self._told, self._told_ns = "", _LONG_AGO_NS
            heard = True
        if not readings and not heard:
            return None
        devices: tuple[str, ...] = ()
        if heard and alive:
            self.heard_ns = now_ns
            devices = (self.device.id,)
        return Arrival(link=link, readings=readings, devices=devices, garbled=garbled)

    @property
    def is_quiet(self) -> bool:
        """Nothing is wrong and nothing was: only its being there can be news."""
        return not self._told and not self.troubles
