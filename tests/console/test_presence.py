"""Which consoles are there, by a clock that the test owns."""

from gateway.console.presence import CONSOLES_MOST, GRACE_S, SAID_S, Presence
from tests.console.memory_desk import FakeClock


def test_a_console_is_there_while_it_reads_and_a_page_that_is_loaded_anew_is_not_gone(
    clock: FakeClock,
) -> None:
    presence = Presence(clock)
    with presence.reading("c", is_person=True):
        clock.forward(1000)
        assert presence.is_there("c")
        assert presence.heard() == 1
    clock.forward(GRACE_S - 0.1)
    assert presence.heard() == 1
    clock.forward(0.2)
    assert not presence.is_there("c")
    assert presence.heard() == 0


def test_one_that_says_it_is_silent_is_there_but_cannot_be_heard(clock: FakeClock) -> None:
    presence = Presence(clock)
    with presence.reading("c", is_person=True):
        presence.said("c", sounding=False)
        assert presence.is_there("c")
        assert presence.heard() == 0
        assert dict(presence.counts()) == {"yes": 0, "no": 1, "unknown": 0}


def test_who_only_asks_is_believed_for_a_minute_and_is_no_person(clock: FakeClock) -> None:
    presence = Presence(clock)
    presence.said("token t", sounding=True)
    assert presence.is_there("token t")
    assert presence.heard() == 0
    clock.forward(SAID_S + 0.1)
    assert not presence.is_there("token t")


def test_a_stream_that_ends_takes_what_was_said_with_it(clock: FakeClock) -> None:
    presence = Presence(clock)
    with presence.reading("c", is_person=True):
        presence.said("c", sounding=True)
    clock.forward(GRACE_S + 0.1)
    assert not presence.is_there("c")


def test_however_many_say_something_those_that_read_are_kept(clock: FakeClock) -> None:
    presence = Presence(clock)
    with presence.reading("mine", is_person=True):
        for number in range(3 * CONSOLES_MOST):
            presence.said(f"token {number}", sounding=True)
        assert presence.heard() == 1
        assert len(presence._consoles) <= CONSOLES_MOST
