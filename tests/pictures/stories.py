"""Stories told to a judge: what comes before the lens, for how long, and what it said when."""

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from gateway.pictures.judge import Judge, Kind
from gateway.pictures.scene import Scene
from tests.pictures.world import SECOND_NS, Coder, View, World, during

NOON = 1_795_000_000
"""UTC seconds at which the stories begin."""
DAY = View()
NIGHT = during(DAY, infrared=True, light=0.7, grain=3.0)
LEARN_S = 80


@dataclass(frozen=True)
class Part:
    """So long this view, a key frame every step_s; frozen: the same picture again and again."""

    view: View
    seconds: float
    step_s: float = 5.0
    frozen: bool = False


@dataclass(frozen=True)
class Said:
    """At at_s since the beginning of the first part a fault began or ended."""

    at_s: float
    kind: Kind
    began: bool


@cache
def _learned(seed: int, view: View) -> Scene:
    judge = Judge()
    tell(judge, World(seed), Coder(), [Part(view, LEARN_S)], NOON - 3600)
    assert judge.is_learned, f"the scene of seed {seed} has nothing to be learned"
    return judge.scene


def learned(seed: int, *, night: bool = False) -> Scene:
    """A scene by day, and by night too; always from the same encoder, whatever comes then."""
    scene = copy.deepcopy(_learned(seed, DAY))
    if night:
        scene.lights |= copy.deepcopy(_learned(seed, NIGHT)).lights
    return scene


def tell(
    judge: Judge, world: World, coder: Coder, parts: list[Part], begin_s: float = NOON
) -> list[Said]:
    """Play the parts, really encoded and decoded, and note what the judge says."""
    at_s, said = begin_s, []
    for part in parts:
        end_s, stands_s = at_s + part.seconds, at_s
        while at_s < end_s:
            shown_s = stands_s if part.frozen else at_s
            before = {each.kind for each in judge.verdicts}
            picture = coder.through(world.picture(part.view, shown_s), int(at_s * SECOND_NS))
            now = {each.kind for each in judge.see(picture)}
            said += [Said(at_s - begin_s, kind, True) for kind in sorted(now - before)]
            said += [Said(at_s - begin_s, kind, False) for kind in sorted(before - now)]
            at_s += part.step_s
    return said


def story(
    seed: int, parts: list[Part], codec: str = "h264", quality: int = 28, *, night: bool = False
) -> list[Said]:
    """The same, for a camera that knows its scene."""
    judge = Judge(learned(seed, night=night))
    return tell(judge, World(seed), Coder(codec, quality), parts)


FAULTS: dict[str, tuple[Kind, View, float]] = {
    "a hand": (Kind.COVERED, during(DAY, cover="hand"), 30),
    "a bag": (Kind.COVERED, during(DAY, cover="bag"), 30),
    "paint": (Kind.COVERED, during(DAY, cover="paint"), 30),
    "a sheet of paper": (Kind.COVERED, during(DAY, cover="paper"), 75),
    "tape over most of it": (Kind.COVERED, during(DAY, cover="tape", covered=0.88), 75),
    "a bag at night": (Kind.COVERED, during(NIGHT, cover="bag"), 40),
    "out of focus": (Kind.BLURRED, during(DAY, blur=4.0), 120),
    "far out of focus": (Kind.BLURRED, during(DAY, blur=8.0), 120),
    "out of focus at night": (Kind.BLURRED, during(NIGHT, blur=5.0), 120),
    "nudged by 3 %": (Kind.MOVED, during(DAY, aside=(20, 4)), 80),
    "turned": (Kind.MOVED, during(DAY, aside=(-90, 30)), 80),
    "turned far": (Kind.MOVED, during(DAY, aside=(150, 60)), 80),
    "turned at night": (Kind.MOVED, during(NIGHT, aside=(70, -30)), 80),
    "turned away": (Kind.MOVED, during(DAY, aside=(150, -85), roll=25.0), 360),
    "a cap": (Kind.BLACK, during(DAY, light=0.0), 45),
    "a dead sensor": (Kind.BLACK, during(DAY, signal="black"), 45),
    "a blue screen": (Kind.NO_SIGNAL, during(DAY, signal="blue"), 25),
    "bars": (Kind.NO_SIGNAL, during(DAY, signal="bars"), 25),
}

INNOCENT: dict[str, tuple[View, float]] = {
    "lights off": (during(DAY, light=0.08, grain=2.0), 180),
    "half of the lights off": (during(DAY, light=0.3), 180),
    "night": (NIGHT, 240),
    "sunrise": (during(DAY, sun=0.9, warm=0.9, light=0.7), 240),
    "rain": (during(DAY, rain=1.0, grain=2.5), 240),
    "fog": (during(DAY, fog=0.7), 240),
    "headlights": (during(NIGHT, lamps=True), 20),
    "a crowd of children": (during(DAY, people=160), 400),
    "a truck for 30 s": (during(DAY, truck=0.95), 30),
    "a bird": (during(DAY, bird=True), 60),
    "wind": (during(DAY, shake=2.0), 180),
    "a hand that wipes the dome": (during(DAY, cover="hand"), 6),
}


def day(seed: int, place: str, hours: float, step_s: float) -> Iterator[tuple[float, View]]:
    """An ordinary day from 05:00 on: light, weather, people and vehicles; nothing is wrong."""
    dice = random.Random(seed)
    inside = place in {"corridor", "room"}
    at_h, event_until_h = 5.0, 0.0
    event: dict[str, object] = {}
    weather: dict[str, object] = {}
    while at_h < 5.0 + hours:
        hour = at_h % 24
        if at_h >= event_until_h:
            event = {}
            if dice.random() < step_s / 900:  # four in an hour
                event, seconds = dice.choice(PASSING)
                event_until_h = at_h + seconds / 3600
        if dice.random() < step_s / 5400:
            weather = dice.choice(
                [{}, {"rain": dice.random()}, {"fog": 0.7 * dice.random()}, {}, {"shake": 1.5}]
            )
        dark = hour < 6.3 or hour > 18.5
        people = 160 if 7.4 < hour < 7.75 or 16.4 < hour < 16.8 else int(dice.random() * 8)
        view = during(
            DAY,
            sun=(hour - 6) / 14,
            warm=0.8 if 6 < hour < 7 or 17.5 < hour < 18.5 else 0.1,
            light=min(1.0, max(0.25, (hour - 6) / 2, (18.8 - hour) / 2) if not dark else 0.7),
            infrared=dark and not inside,
            people=people if not dark else int(dice.random() * 2),
            grain=3.0 if dark else 1.5,
            **({} if inside else weather),
        )
        if inside and dark:
            view = during(view, light=0.1, grain=2.0)
        yield at_h * 3600, during(view, **event)
        at_h += step_s / 3600


PASSING: list[tuple[dict[str, object], float]] = [
    ({"truck": 0.95}, 30),
    ({"bird": True}, 60),
    ({"lamps": True}, 15),
    ({"cover": "hand"}, 5),
]
