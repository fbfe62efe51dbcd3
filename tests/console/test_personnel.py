"""An admin's people over the API: who is there, and what nobody reads from it."""

from pathlib import Path

import pytest

from gateway.console.consoles import Consoles
from gateway.console.first_code import DIGITS, FILE, TRIES, FirstCode
from gateway.console.people import LastAdmin, NotFirst, PeopleBook
from gateway.console.tokens import Role
from gateway.errors import ConfigError
from tests.console.conftest import Console
from tests.console.memory_desk import FakeClock
from tests.console.signing import FORCED, PIN, Browser, person

NEW = {"name": "李四", "role": "guard", "secret": "3691", "duress": "4785"}


async def admin(console: Console) -> Browser:
    person(console, "校长", Role.ADMIN)
    browser = Browser(console)
    assert (await browser.sign_on("校长")).status == 200
    return browser


async def test_an_admin_adds_changes_and_removes_people_and_the_trail_says_so(
    console: Console,
) -> None:
    browser = await admin(console)
    made = (await browser.post("/api/v1/people", NEW)).json()
    assert sorted(made) == ["created_at", "id", "name", "role"]
    guard = Browser(console)
    assert (await guard.sign_on("李四", "3691")).status == 200
    path = f"/api/v1/people/{made['id']}"
    assert (await browser.post(f"{path}/secret", {"secret": "904127"})).status == 200
    assert (await guard.get("/api/v1/session")).status == 401
    assert (await guard.sign_on("李四", "904127")).status == 200
    assert (await guard.sign_on("李四", "4785")).status == 401, "the one under duress went, too"
    assert (await browser.ask("DELETE", path)).status == 204
    assert (await guard.get("/api/v1/session")).status == 401
    assert (await browser.ask("DELETE", path)).status == 404
    told = b"".join(line.body for line in console.desk.lines).decode()
    for action in ("person.add", "person.secret", "person.remove"):
        assert f'"action":"{action}"' in told
    assert not any(secret in told for secret in ("3691", "4785", "904127", PIN, FORCED))


async def test_no_list_tells_who_has_a_pin_under_duress(console: Console) -> None:
    browser = await admin(console)
    people = console.app.state.sign_on.people
    people.add("甲", Role.GUARD, "3691", "4785")
    people.add("乙", Role.GUARD, "3691")
    answer = await browser.get("/api/v1/people")
    assert [sorted(row) for row in answer.json()["people"]] == [
        ["created_at", "id", "name", "role"]
    ] * 3
    assert "argon2" not in answer.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": "1234"}, "weak_secret"),
        ({"duress": "3692"}, "weak_secret"),
        ({"name": "校长"}, "not_valid"),
        ({"role": "platform"}, "not_valid"),
        ({"role": "root"}, "not_valid"),
        ({"name": "a\u202eb"}, "not_valid"),
        ({"id": "p-1"}, "not_valid"),
    ],
)
async def test_who_cannot_be_is_refused_without_echo(
    console: Console, changes: dict[str, str], code: str
) -> None:
    browser = await admin(console)
    answer = await browser.post("/api/v1/people", NEW | changes)
    assert (answer.status, answer.json()["error"]["code"]) == (422, code)
    assert len(console.app.state.sign_on.people.list()) == 1


async def test_there_is_always_an_admin(console: Console) -> None:
    browser = await admin(console)
    await browser.post("/api/v1/people", NEW)
    own = console.app.state.sign_on.people.named("校长").id
    refused = await browser.ask("DELETE", f"/api/v1/people/{own}")
    assert (refused.status, refused.json()["error"]["code"]) == (409, "last_admin")


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMIN}))
async def test_nobody_else_touches_people(console: Console, role: Role) -> None:
    assert (await console.post("/api/v1/people", role, json=NEW)).status == 403
    assert (await console.get("/api/v1/people", role)).status == 403
    assert console.app.state.sign_on.people.list() == []


def test_the_book_itself_keeps_one_admin_and_one_first(tmp_path: Path, clock: FakeClock) -> None:
    people = PeopleBook(tmp_path / "people.json", clock)
    first = people.add("校长", Role.ADMIN, "correct horse", is_first=True)
    with pytest.raises(NotFirst):
        people.add("别人", Role.ADMIN, "correct horse", is_first=True)
    guard = people.add("张三", Role.GUARD, PIN)
    with pytest.raises(LastAdmin):
        people.part_with(first.id)
    assert people.part_with(guard.id) is not None
    assert people.part_with(guard.id) is None
    assert people.part_with(first.id) is not None, "the last of all may go: then all begins anew"


# The first code, and the key of known consoles.


def test_a_first_code_is_good_for_so_many_tries_and_kept_as_a_hash(tmp_path: Path) -> None:
    first = FirstCode(tmp_path)
    assert first.is_spent()
    assert not first.check("")
    code = first.fresh()
    assert len(code) == DIGITS
    assert code not in (tmp_path / FILE).read_text()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    for _ in range(TRIES - 1):
        assert not FirstCode(tmp_path).check("0"), "counted across restarts"
    assert first.check(f" {code} ")
    assert first.is_spent()
    assert not first.check(code)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"hash": 1, "left": 9}', '{"left": 9}', "[" * 9999]
)
def test_a_damaged_first_code_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert FirstCode(tmp_path).is_spent()
    assert not FirstCode(tmp_path).check("")
    FirstCode(tmp_path).end()
    FirstCode(tmp_path).end()


def test_a_key_of_consoles_that_others_could_read_is_replaced(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "console.key"
    Consoles(path, clock)
    before = path.read_bytes()
    Consoles(path, clock)
    assert path.read_bytes() == before
    path.chmod(0o644)
    Consoles(path, clock)
    assert path.read_bytes() != before
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"short")
    Consoles(path, clock)
    assert len(path.read_bytes()) == 32
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError):
        Consoles(path, clock)
