"""Each fault and each innocent story, drawn, encoded by a real encoder and decoded again.

The suite tells each story once, most in H.264, whose encoder costs a seventh; in long it is told
again in the other one.
"""

import pytest

from gateway.pictures.judge import STILL_LOOKS_LEAST, Judge, Kind, Verdict
from gateway.pictures.judge_look import Picture
from tests.pictures.stories import (
    DAY,
    FAULTS,
    INNOCENT,
    NIGHT,
    NOON,
    Part,
    Said,
    learned,
    story,
    tell,
)
from tests.pictures.world import SECOND_NS, Coder, World, during

TURNS = [
    pytest.param(False, id="usual"),
    pytest.param(True, marks=pytest.mark.long, id="other-codec"),
]


def coded(number: int, *, other: bool) -> tuple[str, int]:
    """Every eighth story in H.265, or all but these, and every third at a low bit rate."""
    return ("h264", "h265")[(number % 8 == 1) is not other], (24, 28, 34)[number % 3]


@pytest.mark.parametrize("other", TURNS)
@pytest.mark.parametrize("number", range(len(FAULTS)), ids=list(FAULTS))
def test_a_fault_is_told_once_by_its_name_and_ends_with_good_pictures(
    number: int,
    other: bool,
) -> None:
    kind, view, within_s = list(FAULTS.values())[number]
    codec, quality = coded(number, other=other)
    step_s = 3.0 if within_s < 60 else 8.0 if within_s < 200 else 15.0
    good = NIGHT if view.infrared else DAY
    said = story(
        number % 4,
        [Part(view, within_s, step_s), Part(good, 24, 6.0)],
        codec,
        quality,
        night=view.infrared,
    )
    assert [(each.kind, each.began) for each in said] == [(kind, True), (kind, False)]
    assert said[0].at_s < within_s <= said[1].at_s


@pytest.mark.parametrize("other", TURNS)
@pytest.mark.parametrize("number", range(len(INNOCENT)), ids=list(INNOCENT))
def test_what_passes_is_no_fault(number: int, other: bool) -> None:
    view, seconds = list(INNOCENT.values())[number]
    codec, quality = coded(number, other=other)
    step_s = 3.0 if seconds <= 60 else 10.0 if seconds < 300 else 15.0
    parts = [Part(DAY, 10), Part(view, seconds, step_s), Part(DAY, 10)]
    assert story(number % 4, parts, codec, quality) == []


def test_a_frozen_picture_is_told_and_ends_when_it_moves() -> None:
    said = story(0, [Part(DAY, 20), Part(DAY, 90, frozen=True), Part(DAY, 20)])
    assert [(each.kind, each.began) for each in said] == [
        (Kind.FROZEN, True),
        (Kind.FROZEN, False),
    ]


def test_a_scene_at_rest_is_not_frozen_while_its_clock_goes_on() -> None:
    rest = during(DAY, people=0, grain=0.0)
    judge = Judge(learned(1))
    assert tell(judge, World(1), Coder(), [Part(rest, 150)]) == []


def test_a_scene_that_often_stands_still_gets_more_time() -> None:
    """No noise, no clock: a stock room at night whose camera removes all noise."""
    rest = during(NIGHT, people=0, grain=0.0, clock=False)
    judge = Judge(learned(1, night=True))
    world, coder = World(1), Coder()
    for turn in range(3):  # somebody passes every 40 s: what that teaches is worth 160 s
        begin_s = NOON + turn * 60
        parts = [Part(rest, 40, frozen=True), Part(NIGHT, 20)]
        assert tell(judge, world, coder, parts, begin_s) == []
    assert tell(judge, world, coder, [Part(rest, 140, frozen=True)], NOON + 300) == []
    said = tell(judge, world, coder, [Part(rest, 100, frozen=True)], NOON + 440)
    assert [each.kind for each in said] == [Kind.FROZEN]


def test_one_fault_after_another_is_told_as_what_it_is_now() -> None:
    covered, dark = during(DAY, cover="bag"), during(DAY, light=0.0)
    said = story(2, [Part(covered, 30, 2.0), Part(dark, 50, 5.0), Part(DAY, 30)])
    assert [(each.kind, each.began) for each in said] == [
        (Kind.COVERED, True),
        (Kind.BLACK, True),
        (Kind.COVERED, False),
        (Kind.BLACK, False),
    ]


def test_what_covers_a_lens_is_never_learned() -> None:
    judge = Judge(learned(0))
    covered = during(DAY, cover="paint")
    tell(judge, World(0), Coder(), [Part(covered, 1500, 60.0)])
    assert [each.kind for each in judge.verdicts] == [Kind.COVERED]


def test_a_camera_that_begins_covered_is_told_before_anything_was_learned() -> None:
    judge = Judge()
    said = tell(judge, World(3), Coder(), [Part(during(DAY, cover="bag"), 80)])
    assert [each.kind for each in said] == [Kind.COVERED]
    assert not judge.is_learned


def test_a_room_that_is_dark_every_night_is_told_once_and_then_known() -> None:
    judge, world, coder = Judge(learned(3)), World(3), Coder()
    night = [Part(during(DAY, light=0.0), 3 * 3600, 300.0), Part(DAY, 60)]
    first = tell(judge, world, coder, night, NOON)
    assert [(each.kind, each.began) for each in first] == [
        (Kind.BLACK, True),
        (Kind.BLACK, False),
    ]
    assert tell(judge, world, coder, night, NOON + 24 * 3600) == []
    morning = NOON + 36 * 3600
    capped = tell(judge, world, coder, [Part(during(DAY, light=0.0), 60)], morning)
    assert [each.kind for each in capped] == [Kind.BLACK]


def test_a_lens_covered_for_a_minute_is_told_again_at_the_same_hour_of_the_next_day() -> None:
    judge, world, coder = Judge(learned(1)), World(1), Coder()
    for day in range(2):
        parts = [Part(during(DAY, light=0.0), 60), Part(DAY, 30)]
        said = tell(judge, world, coder, parts, NOON + day * 24 * 3600)
        assert [each.kind for each in said if each.began] == [Kind.BLACK]


def test_a_fault_from_before_a_restart_holds_until_good_pictures_end_it() -> None:
    judge = Judge(learned(0))
    judge.resume(Verdict(Kind.COVERED, NOON * SECOND_NS))
    parts = [Part(during(DAY, cover="bag"), 4, 2.0), Part(DAY, 30)]
    assert tell(judge, World(0), Coder(), parts) == [Said(14.0, Kind.COVERED, False)]


def test_where_the_scene_went_is_said() -> None:
    judge = Judge(learned(2))
    tell(judge, World(2), Coder(), [Part(during(DAY, aside=(64, -36)), 80)])
    (verdict,) = judge.verdicts
    assert verdict.shift is not None
    assert verdict.shift[0] == pytest.approx(-0.1, abs=0.01)
    assert verdict.shift[1] == pytest.approx(0.056, abs=0.01)


def test_a_picture_that_is_not_younger_says_nothing() -> None:
    judge, coder, world = Judge(), Coder(), World(0)
    black = coder.through(world.picture(during(DAY, signal="black"), 0), SECOND_NS)
    for _ in range(100):
        assert judge.see(black) == ()


def test_a_stream_that_was_away_proves_nothing_for_that_time() -> None:
    judge, coder, world = Judge(learned(0)), Coder(), World(0)
    planes = world.picture(during(DAY, cover="bag"), 0)
    for hour in range(2):
        at_ns = (NOON + hour * 3600) * SECOND_NS
        assert judge.see(coder.through(planes, at_ns)) == ()


def test_writing_that_fills_the_picture_does_not_hide_a_cover() -> None:
    """Names and clocks stay sharp whatever is before the lens."""
    judge = Judge(learned(1))
    said = tell(judge, World(1), Coder(quality=20), [Part(during(DAY, cover="tape"), 40, 2.0)])
    assert [each.kind for each in said] == [Kind.COVERED]


@pytest.mark.parametrize("shape", [(32, 32), (288, 352), (576, 704), (1080, 1920), (90, 33)])
def test_any_size_of_picture_is_judged(shape: tuple[int, int]) -> None:
    judge = Judge()
    noise = World(0).dice.integers(0, 255, shape).astype("uint8")
    for second in range(STILL_LOOKS_LEAST):
        judge.see(Picture(second * SECOND_NS, noise))


def test_a_picture_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        Judge().see(Picture(0, World(0).dice.integers(0, 255, (16, 640)).astype("uint8")))
