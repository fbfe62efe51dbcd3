"""People with PINs and passwords: who they are, and what nobody can find out about them."""

import json
from pathlib import Path

import pytest

from gateway.console.people import PEOPLE_MOST, PeopleBook, WeakSecret, check_secret
from gateway.console.tokens import Role
from tests.console.memory_desk import FakeClock


@pytest.fixture
def people(tmp_path: Path, clock: FakeClock) -> PeopleBook:
    return PeopleBook(tmp_path / "people.json", clock)


def test_a_person_signs_on_with_the_pin_and_nothing_else(people: PeopleBook) -> None:
    made = people.add("张三", Role.GUARD, "2580")
    found = people.check("张三", "2580")
    assert found is not None
    assert (found.identity, found.is_duress) == (made, False)
    assert people.check("张三", "2581") is None
    assert people.check("李四", "2580") is None
    assert people.check("张三", "") is None


def test_a_pin_under_duress_signs_on_like_any_other(people: PeopleBook) -> None:
    made = people.add("张三", Role.GUARD, "2580", duress="2769")
    found = people.check("张三", "2769")
    assert found is not None
    assert (found.identity, found.is_duress) == (made, True)


@pytest.mark.parametrize(
    "secret",
    ["", "123", "1234", "0000", "9876", "1234567", "aaaaaaaa", "short", "x" * 129, "25\x0080"],
)
def test_what_anybody_would_try_first_is_refused(secret: str) -> None:
    with pytest.raises(WeakSecret):
        check_secret(secret)


@pytest.mark.parametrize("secret", ["2580", "904127", "correct horse", "长长的中文密码啊啊"])
def test_a_pin_or_a_password_is_taken(secret: str) -> None:
    check_secret(secret)


@pytest.mark.parametrize("duress", ["2580", "2581", "25801", "1234"])
def test_nobody_says_by_a_slip_of_a_finger_that_he_is_threatened(duress: str) -> None:
    with pytest.raises(WeakSecret):
        check_secret("2580", duress)


def test_no_secret_is_in_the_file_and_nobody_else_may_read_it(
    people: PeopleBook, tmp_path: Path
) -> None:
    people.add("张三", Role.GUARD, "904127", duress="318527")
    path = tmp_path / "people.json"
    assert path.stat().st_mode & 0o777 == 0o600
    told = path.read_text()
    assert "904127" not in told
    assert "318527" not in told
    assert all("$argon2id$" in json.loads(told)["people"][0][key] for key in ("secret", "duress"))


def test_names_are_there_once_and_machines_are_no_people(people: PeopleBook) -> None:
    people.add("张三", Role.GUARD, "2580")
    with pytest.raises(ValueError, match="already"):
        people.add("张三", Role.LEADER, "3691")
    with pytest.raises(ValueError, match="machine"):
        people.add("police", Role.PLATFORM, "3691")
    with pytest.raises(ValueError, match="name"):
        people.add("a\u202eb", Role.GUARD, "3691")


def test_a_person_who_was_removed_is_gone_at_once_in_every_process(
    people: PeopleBook, tmp_path: Path, clock: FakeClock
) -> None:
    made = people.add("张三", Role.GUARD, "2580")
    other = PeopleBook(tmp_path / "people.json", clock)
    assert other.holder(made.id) == made
    assert people.remove(made.id)
    assert other.holder(made.id) is None
    assert other.check("张三", "2580") is None


def test_a_new_pin_replaces_the_old_one(people: PeopleBook) -> None:
    people.add("张三", Role.GUARD, "2580", duress="2769")
    assert people.set_secret("张三", "904127")
    assert people.check("张三", "2580") is None
    assert people.check("张三", "2769") is None, "the one under duress went with it"
    assert people.check("张三", "904127") is not None
    assert not people.set_secret("李四", "904127")


def test_there_are_only_so_many(people: PeopleBook, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PEOPLE_MOST == 500
    monkeypatch.setattr("gateway.console.people.PEOPLE_MOST", 1)
    people.add("张三", Role.GUARD, "2580")
    with pytest.raises(ValueError, match="already 1"):
        people.add("李四", Role.GUARD, "3691")
