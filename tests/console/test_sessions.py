from pathlib import Path

import pytest

from gateway.console.sessions import EACH_MOST, MAX_SESSIONS, SESSION_S, Sessions
from gateway.console.tokens import Identity, Role, TokenBook
from tests.console.memory_desk import FakeClock


@pytest.fixture
def book(tmp_path: Path, clock: FakeClock) -> TokenBook:
    return TokenBook(tmp_path / "tokens.json", clock)


@pytest.fixture
def guard(book: TokenBook) -> Identity:
    found = book.check(book.create(Role.GUARD, "张三"))
    assert found is not None
    return found


def test_a_session_lasts_one_shift_by_the_monotonic_clock(
    book: TokenBook, clock: FakeClock, guard: Identity
) -> None:
    sessions = Sessions(book, clock)
    cookie = sessions.open(guard)
    clock.forward(SESSION_S - 1)
    found = sessions.find(cookie)
    assert found is not None
    assert found[1] == guard
    clock.forward(1)
    assert sessions.find(cookie) is None


def test_signing_out_ends_one_session_and_no_other(
    book: TokenBook, clock: FakeClock, guard: Identity
) -> None:
    sessions = Sessions(book, clock)
    one, two = sessions.open(guard), sessions.open(guard)
    sessions.close(one)
    sessions.close(one)
    assert sessions.find(one) is None
    assert sessions.find(two) is not None


def test_a_revoked_token_ends_its_sessions(
    book: TokenBook, clock: FakeClock, guard: Identity
) -> None:
    sessions = Sessions(book, clock)
    cookie = sessions.open(guard)
    book.revoke(guard.id)
    assert sessions.find(cookie) is None


def test_the_oldest_session_makes_room(book: TokenBook, clock: FakeClock) -> None:
    sessions = Sessions(book, clock)
    guards = [book.check(book.create(Role.GUARD, "张三")) for _ in range(MAX_SESSIONS + 1)]
    cookies = [sessions.open(guard) for guard in guards if guard is not None]
    assert len(cookies) == MAX_SESSIONS + 1
    assert sessions.find(cookies[0]) is None
    assert all(sessions.find(cookie) is not None for cookie in cookies[1:])


def test_nobody_crowds_others_out_with_sessions_of_his_own(
    book: TokenBook, clock: FakeClock, guard: Identity
) -> None:
    sessions = Sessions(book, clock)
    other = book.check(book.create(Role.GUARD, "李四"))
    assert other is not None
    kept = sessions.open(other)
    cookies = [sessions.open(guard) for _ in range(MAX_SESSIONS + 1)]
    assert sessions.find(kept) is not None
    assert [sessions.find(cookie) is not None for cookie in cookies].count(True) == EACH_MOST


def test_each_session_has_a_proof_of_its_own(
    book: TokenBook, clock: FakeClock, guard: Identity
) -> None:
    sessions = Sessions(book, clock)
    first, second = sessions.find(sessions.open(guard)), sessions.find(sessions.open(guard))
    assert first is not None
    assert second is not None
    assert first[0].csrf != second[0].csrf
    assert sessions.find("\ud800") is None
