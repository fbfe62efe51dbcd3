"""A campus day as a list of steps, drawn from one seed.

Keeps   1. The same seed, devices, length and troubles give the same day, on any machine.
        2. What breaks is mended before the day's last fifth, in which nothing breaks any more.
        3. Bounds: at most 100,000 steps; a stuck button is stuck for at most a tenth of the day.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_STEPS: Final = 100_000
LAST_TROUBLE: Final = 0.8


class What(StrEnum):
    """What happens in a step; target is a device, or a way ("field", "police", "bureau")."""

    PRESS = "press"
    DOUBLE = "double"
    DUPLICATE = "duplicate"
    RETAINED = "retained"
    RELEASE = "release"
    STUCK = "stuck"
    GARBAGE = "garbage"
    WIRE_CUT = "wire_cut"
    WIRE_RESET = "wire_reset"
    WIRE_HALF_OPEN = "wire_half_open"
    WIRE_SLOW = "wire_slow"
    BROKER_RESTART = "broker_restart"
    BROKER_KILL = "broker_kill"
    POLICE_DOWN = "police_down"
    POLICE_MISBEHAVES = "police_misbehaves"
    BUREAU_AWAY = "bureau_away"
    GATEWAY_KILL = "gateway_kill"
    CLOCK_STEP = "clock_step"


TROUBLES: Final = (
    What.WIRE_CUT,
    What.WIRE_RESET,
    What.WIRE_HALF_OPEN,
    What.WIRE_SLOW,
    What.BROKER_RESTART,
    What.POLICE_DOWN,
    What.POLICE_MISBEHAVES,
    What.BUREAU_AWAY,
    What.GATEWAY_KILL,
    What.CLOCK_STEP,
)
"""Everything but BROKER_KILL, which only a broker survives whose PUBACK means on disk."""

BAD_MANNERS: Final = ("silence", "status", "busy", "dribble", "reset", "drop")
"""Only those after which a gateway must try again: what it parks for a person would be missing."""

UNREADABLE: Final = ("empty", "not-utf8", "not-json", "half", "deep", "bom")
"""Garbage no profile can take for a press."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens.

    at_s     seconds after the day began
    for_s    how long it lasts; 0 is a moment
    detail   the garbage's name, the receiver's manners, the clock's step in seconds
    """

    at_s: float
    what: What
    target: str
    for_s: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A device of the day; per_s is how often it is pressed on average."""

    name: str
    family: str = "json-event"
    per_s: float = 1.0


@dataclass(slots=True)
class _Day:
    dice: random.Random
    duration_s: float
    steps: list[Step] = field(default_factory=list)

    def add(
        self, at_s: float, what: What, target: str, *, for_s: float = 0, detail: str = ""
    ) -> None:
        step = Step(at_s=round(at_s, 4), what=what, target=target, for_s=for_s, detail=detail)
        self.steps.append(step)

    def moment(self) -> float:
        """A time at which something may still break and be mended."""
        return self.dice.uniform(0.02, LAST_TROUBLE - 0.15) * self.duration_s

    def while_s(self, most: float) -> float:
        """How long a trouble lasts; it ends before LAST_TROUBLE of the day."""
        return round(self.dice.uniform(0.02, 0.15) * min(self.duration_s, most), 4)


def plan_day(
    seed: int,
    devices: Sequence[Planned],
    duration_s: float,
    troubles: Sequence[What] = TROUBLES,
) -> list[Step]:
    """Return the day's steps in order of time.

    raises ValueError  the day would have more than MAX_STEPS steps
    """
    if sum(one.per_s for one in devices) * duration_s * 2 > MAX_STEPS:
        raise ValueError(f"more than {MAX_STEPS} steps: fewer devices, presses or seconds")
    day = _Day(random.Random(seed), duration_s)
    for device in devices:
        _people(day, device)
    pressed = [one for one in devices if one.family == "json-button"]
    if pressed:
        stuck = day.dice.choice(pressed)
        day.add(
            day.moment(), What.STUCK, stuck.name, for_s=min(1.0, duration_s * 0.1), detail="100"
        )
        day.add(day.moment(), What.RETAINED, day.dice.choice(pressed).name)
    for what in troubles:
        for _ in range(day.dice.randint(1, 3)):
            _trouble(day, what)
    return sorted(day.steps, key=lambda step: step.at_s)


def _people(day: _Day, device: Planned) -> None:
    """Presses at random times, now and then a frightened or an unlucky one."""
    at_s = 0.0
    while (at_s := at_s + day.dice.expovariate(device.per_s)) < day.duration_s * 0.9:
        if device.family == "zigbee-gas":
            day.add(at_s, What.PRESS, device.name)
            at_s += day.dice.uniform(0.05, 0.1) * day.duration_s
            day.add(at_s, What.RELEASE, device.name)
            continue
        chance = day.dice.random()
        if chance < 0.04:
            day.add(at_s, What.DOUBLE, device.name)
        elif chance < 0.06:
            day.add(at_s, What.DUPLICATE, device.name)
        elif chance < 0.10:
            day.add(at_s, What.GARBAGE, device.name, detail=day.dice.choice(UNREADABLE))
        else:
            day.add(at_s, What.PRESS, device.name)


def _trouble(day: _Day, what: What) -> None:
    at_s = day.moment()
    if what in {What.WIRE_CUT, What.WIRE_RESET}:
        day.add(at_s, what, day.dice.choice(("field", "police", "bureau")))
    elif what in {What.WIRE_HALF_OPEN, What.WIRE_SLOW}:
        way = day.dice.choice(("field", "police", "bureau"))
        day.add(at_s, what, way, for_s=day.while_s(10.0))
    elif what in {What.BROKER_RESTART, What.BROKER_KILL}:
        day.add(at_s, what, "field", for_s=day.while_s(10.0))
    elif what is What.POLICE_MISBEHAVES:
        manners = day.dice.choice(BAD_MANNERS)
        day.add(at_s, what, "police", for_s=day.while_s(30.0), detail=manners)
    elif what is What.CLOCK_STEP:
        day.add(at_s, what, "gateway", detail=str(day.dice.choice((-3600, 3600, 86_400))))
    else:
        day.add(at_s, what, "gateway", for_s=day.while_s(30.0))
