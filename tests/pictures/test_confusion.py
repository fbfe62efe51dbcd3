"""The confusion table over many scenes, and ordinary days in which nothing may be told."""

import random
from collections import Counter, defaultdict

import pytest

from gateway.pictures.judge import Judge
from tests.pictures.stories import DAY, FAULTS, INNOCENT, NIGHT, NOON, Part, day, learned, story
from tests.pictures.world import SECOND_NS, Coder, World

QUALITIES = (22, 28, 34)


def told_of(seed: int, name: str, dice: random.Random) -> tuple[str, float | None]:
    """What is told of a story first, and after how long; "-" for nothing."""
    if name in FAULTS:
        _, view, seconds = FAULTS[name]
    else:
        view, seconds = INNOCENT[name]
    codec, quality = dice.choice(("h264", "h265")), dice.choice(QUALITIES)
    step_s = 3.0 if seconds <= 60 else 10.0
    good = NIGHT if view.infrared else DAY
    parts = [Part(view, seconds * (1.3 if name in FAULTS else 1.0), step_s), Part(good, 20)]
    said = story(seed, parts, codec, quality, night=view.infrared)
    begun = [each for each in said if each.began]
    return (begun[0].kind, begun[0].at_s) if begun else ("-", None)


def table(seeds: range) -> dict[str, Counter[str]]:
    """Counts by story and by what was told; printed with the time of detection."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    after: dict[str, list[float]] = defaultdict(list)
    for seed in seeds:
        dice = random.Random(seed)
        for name in (*FAULTS, *INNOCENT):
            kind, seconds = told_of(seed, name, dice)
            found[name][str(kind)] += 1
            if seconds is not None:
                after[name].append(seconds)
    for name, counts in found.items():
        times = sorted(after[name])
        middle = f"{times[len(times) // 2]:.0f} s, at most {times[-1]:.0f} s" if times else ""
        print(f"{name:28} {dict(counts)} {middle}")
    return found


def judge_days(seeds: range, hours: float, step_s: float) -> tuple[float, list[str]]:
    """Camera-days that were watched, and all that was told."""
    told, looks = [], 0
    for seed in seeds:
        world, coder = World(seed), Coder(("h264", "h265")[seed % 2], QUALITIES[seed % 3])
        judge = Judge(learned(seed))
        for at_s, view in day(seed, world.place, hours, step_s):
            picture = coder.through(world.picture(view, at_s), int((NOON + at_s) * SECOND_NS))
            before = {each.kind for each in judge.verdicts}
            begun = {each.kind for each in judge.see(picture)} - before
            told += [f"seed {seed} {world.place} {at_s / 3600:.2f} h: {kind}" for kind in begun]
            looks += 1
    return looks * step_s / 86_400, told


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_over_many_scenes_faults_are_told_by_name_and_nothing_else_is() -> None:
    seeds = range(100, 124)
    found = table(seeds)
    right = sum(found[name][FAULTS[name][0]] for name in FAULTS)
    assert right >= 0.95 * len(seeds) * len(FAULTS)
    false = {
        name: counts for name, counts in found.items() if name in INNOCENT and set(counts) - {"-"}
    }
    assert not false


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_in_ordinary_days_nothing_is_told() -> None:
    days, told = judge_days(range(200, 208), 18.0, 10.0)
    print(f"{days:.1f} camera-days, false alarms: {told}")
    assert told == []


def test_in_an_ordinary_morning_and_evening_nothing_is_told() -> None:
    """Each look stands for 15 s; in short what make test-long has for days, in both codecs."""
    _, told = judge_days(range(300, 302), 0.25, 15.0)
    assert told == []
