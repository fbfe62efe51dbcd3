"""Which alarms call: told by a clock that the test owns."""

from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.calls import AGAIN_S, CONSOLES_MOST, ROUND_S, SHOWN_S, Calls

S = 1_000_000_000


class Room:
    """Calls, a clock, and consoles that are there."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.now_s = 0.0
        self.there: set[str] = set()

    def live(self, alarm: str = "a", *, acknowledged: bool = False) -> None:
        self.calls.live(alarm, int(self.now_s * S), is_acknowledged=acknowledged)

    def at(self, seconds: float, consoles: Collection[str] | None = None) -> list[str]:
        self.now_s = seconds
        there = self.there if consoles is None else consoles
        return self.calls.calling(int(seconds * S), self.there.__contains__, there)


def test_an_alarm_that_nobody_shows_calls_after_three_seconds_and_not_before() -> None:
    room = Room()
    room.live()
    assert room.at(SHOWN_S - 0.01) == []
    assert room.at(SHOWN_S) == ["a"]


def test_one_that_a_console_sounds_does_not_call_and_does_at_once_when_that_console_dies() -> None:
    room = Room()
    room.there = {"c"}
    room.live()
    assert room.calls.shown("a", "c", sounding=True)
    for seconds in (3, 100, 200, 379):
        assert room.at(seconds) == []
    room.there = set()
    assert room.at(380) == ["a"]
    assert room.at(379 + ROUND_S - 1) == ["a"]


def test_when_every_console_says_it_is_silent_it_calls_at_once_and_waits_for_each_answer() -> None:
    room = Room()
    room.there = {"c", "d"}
    room.live()
    room.calls.shown("a", "c", sounding=False)
    assert room.at(0.2) == []
    room.calls.shown("a", "d", sounding=False)
    assert room.at(0.3) == ["a"]
    room.calls.shown("a", "d", sounding=True)
    assert room.at(0.4) == []


def test_acknowledged_it_is_silent_and_calls_again_three_minutes_later_unless_it_is_closed() -> (
    None
):
    room = Room()
    room.live("a")
    room.live("b")
    assert room.at(4) == ["a", "b"]
    room.live("a", acknowledged=True)
    room.live("b", acknowledged=True)
    assert room.at(5) == []
    room.calls.over("b")
    assert room.at(4 + AGAIN_S + 1) == ["a"]


def test_what_was_acknowledged_does_not_call_while_any_console_can_be_heard() -> None:
    room = Room()
    room.live("a", acknowledged=True)
    room.live("b")
    late = int((AGAIN_S + 1) * S)
    assert room.calls.calling(late, room.there.__contains__, (), is_heard=True) == ["b"]
    assert room.calls.calling(late, room.there.__contains__, ()) == ["a", "b"]


def test_a_call_ends_after_its_round_and_begins_again_for_as_long_as_the_alarm_is_open() -> None:
    room = Room()
    room.live()
    for round_ in range(4):
        begin = SHOWN_S + round_ * (ROUND_S + AGAIN_S)
        assert room.at(begin) == ["a"]
        assert room.at(begin + ROUND_S - 1) == ["a"]
        assert room.at(begin + ROUND_S) == []
    assert room.at(SHOWN_S + 1000 * (ROUND_S + AGAIN_S)) == ["a"]


def test_a_receipt_for_what_is_no_live_alarm_or_said_before_is_no_news() -> None:
    room = Room()
    assert not room.calls.shown("a", "c", sounding=True)
    room.live()
    assert room.calls.shown("a", "c", sounding=True)
    assert not room.calls.shown("a", "c", sounding=True)
    assert room.calls.shown("a", "c", sounding=False)


def test_a_flood_of_consoles_is_bounded_and_the_newest_counts() -> None:
    room = Room()
    room.live()
    names = [f"c{n}" for n in range(CONSOLES_MOST + 10)]
    for name in names:
        room.calls.shown("a", name, sounding=True)
    room.there = {names[-1]}
    assert room.at(4) == []
    room.there = {names[0]}
    assert room.at(5) == ["a"]


@given(
    st.lists(
        st.tuples(
            st.floats(0.01, 400),
            st.sampled_from(["live", "seen", "over", "loud", "mute", "leave", "come"]),
        ),
        max_size=40,
    )
)
def test_whatever_happens_only_live_alarms_call_and_none_that_a_living_console_sounds(
    story: list[tuple[float, str]],
) -> None:
    room = Room()
    is_live, loud = False, False
    for rest_s, what in story:
        now = room.now_s + rest_s
        room.now_s = now
        match what:
            case "live":
                room.live()
                is_live, loud = True, loud and is_live
            case "seen":
                room.live(acknowledged=True)
                is_live, loud = True, loud and is_live
            case "over":
                room.calls.over("a")
                is_live = loud = False
            case "loud" | "mute":
                room.calls.shown("a", "c", sounding=what == "loud")
                loud = is_live and what == "loud"
            case "leave":
                room.there = set()
            case _:
                room.there = {"c"}
        calling = room.at(now)
        assert calling in ([], ["a"])
        if not is_live or (loud and "c" in room.there):
            assert calling == []
