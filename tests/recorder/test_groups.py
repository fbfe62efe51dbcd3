"""When a camera's clock has left ours, and when pictures are only late."""

import random

import pytest

from gateway.links.rtsp.unit import AccessUnit
from gateway.media import Track
from gateway.recorder.groups import JUMP_S, LATE_MOST_S, Gatherer

FPS = 25
RATE = 90_000
SECOND_NS = 1_000_000_000
TRACKS = (Track(kind="video", codec="h264", clock_rate=RATE),)


def picture(ticks_s: float, arrival_s: float, *, is_key: bool = False) -> AccessUnit:
    return AccessUnit(
        0, b"\0\0\0\1x", round(ticks_s * RATE), is_key, None, 0, False,
        round(arrival_s * SECOND_NS), False,
    )  # fmt: skip


def begun(late_s: float = 0.0) -> Gatherer:
    """A segment whose first picture, of second 0, came so late."""
    return Gatherer(TRACKS, picture(0, late_s, is_key=True), 0, round(late_s * SECOND_NS))


def jumps(gatherer: Gatherer, times: list[tuple[float, float]]) -> list[float]:
    """Of pictures (taken, arrived): when those were taken that are called a jump."""
    return [taken for taken, arrived in times if gatherer.has_jumped(picture(taken, arrived))]


def test_pictures_that_waited_while_the_machine_was_busy_are_no_jump() -> None:
    taken = [number / FPS for number in range(1, 500)]
    held_up = [(at, max(at, 9.0) if at > 4 else at) for at in taken]
    assert jumps(begun(), held_up) == []


def test_a_segment_that_began_with_a_late_picture_is_not_cut_when_the_rest_catches_up() -> None:
    assert jumps(begun(late_s=6.0), [(n / FPS, max(n / FPS, 6.0)) for n in range(1, 500)]) == []


@pytest.mark.parametrize("leap_s", [3600.0, -3600.0, JUMP_S + 1, -JUMP_S - 1])
def test_a_leap_of_the_cameras_clock_is_a_jump_at_once(leap_s: float) -> None:
    gatherer = begun()
    steady = [(n / FPS, n / FPS) for n in range(1, 100)]
    assert jumps(gatherer, steady) == []
    assert gatherer.has_jumped(picture(4 + leap_s, 4.0))


def test_pictures_that_stay_late_are_no_jump_but_want_a_new_time_at_a_key_picture() -> None:
    gatherer = begun()
    pause_s = 5.0
    behind = [
        taken
        for taken in (n / FPS for n in range(1, 1000))
        if not gatherer.has_jumped(picture(taken, taken + pause_s)) and gatherer.is_behind
    ]
    assert LATE_MOST_S < behind[0] < LATE_MOST_S + 1
    assert len(behind) > 700, "none of them was called a jump, so none is left out"
    assert not gatherer.has_jumped(picture(40.0, 40.0))
    assert not gatherer.is_behind, "it has caught up"


def test_a_clock_that_stands_is_cut_at_the_next_key_picture() -> None:
    gatherer = begun()
    assert not gatherer.has_jumped(picture(0, 2.5))
    assert gatherer.has_jumped(picture(0, 3.0, is_key=True))


def test_a_clock_that_runs_twice_as_fast_is_cut_in_the_end() -> None:
    [first, *_] = jumps(begun(), [(2 * n / FPS, n / FPS) for n in range(1, 1000)])
    assert first < 4 * (LATE_MOST_S + JUMP_S)


@pytest.mark.parametrize("drift_ppm", [-300, -50, 0, 50, 300])
def test_a_camera_whose_crystal_is_off_is_led_back_and_never_leaps(drift_ppm: int) -> None:
    """Six hours of it; pictures come up to 0.4 s late, as a network has it."""
    jitter = random.Random(7)
    began_ns, off_s, worst_s = 0, 0.0, 0.0
    gatherer: Gatherer | None = None
    for key in range(6 * 1800):
        arrival_s = 2.0 * key + jitter.random() * 0.4
        unit = picture(2.0 * key * (1 + drift_ppm / 1e6), arrival_s, is_key=True)
        if gatherer is not None:
            assert not gatherer.has_jumped(unit)
            end_ns = gatherer.take(unit).end_ns
            if gatherer.seconds_at(unit) < 60:
                gatherer.put(unit)
                continue
            began_ns, off_s = end_ns, gatherer.off_s
            worst_s = max(worst_s, abs(began_ns / SECOND_NS - 2.0 * key))
        late_s = arrival_s - began_ns / SECOND_NS
        at_ns = round(arrival_s * SECOND_NS)
        gatherer = Gatherer(TRACKS, unit, began_ns, at_ns, late_s=late_s, off_s=off_s)
    assert worst_s < 0.3


def test_a_stretched_segment_says_so_in_its_pictures_and_in_its_end_alike() -> None:
    first = picture(0, 0, is_key=True)
    plain, slewed = (Gatherer(TRACKS, first, 0, 0, off_s=off_s) for off_s in (0.0, 0.3))
    after = picture(2.0, 2.0, is_key=True)
    assert plain.take(after).end_ns == 2 * SECOND_NS
    assert slewed.take(after).end_ns == 2 * SECOND_NS + 1_000_000
    assert slewed.seconds_at(after) == pytest.approx(2.001)
