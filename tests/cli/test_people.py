"""`campus-gateway person …` as installers and scripts meet it; no PIN stands in an argument."""

import io
import sys
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.clock import SystemClock
from gateway.console.first_code import DIGITS, FirstCode
from gateway.console.people import PeopleBook
from gateway.console.tokens import Role
from tests.cli.test_root import GATEWAY


class Machine:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        (folder / "gateway.toml").write_text(GATEWAY)
        (folder / "devices.toml").write_text("")

    def person(self, *words: str, pins: str = "") -> tuple[int, str, str]:
        """Run a command with PINs from a pipe; returns its exit code and what it said."""
        words = (words[0], "--config", str(self.folder), *words[1:])
        self._monkeypatch.setattr(sys, "argv", ["campus-gateway", "person", *words])
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(pins))
        with pytest.raises(SystemExit) as ended:
            main()
        said = self._capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    @property
    def book(self) -> PeopleBook:
        return PeopleBook(self.folder / "data" / "people.json", SystemClock())


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Machine:
    return Machine(tmp_path, monkeypatch, capsys)


def test_a_person_is_added_listed_given_another_pin_and_removed(machine: Machine) -> None:
    code, out, _ = machine.person("add", "--role", "guard", "张三", pins="2580\n\n")
    assert code == 0
    found = machine.book.check("张三", "2580")
    assert found is not None
    assert (found.identity.id, found.identity.role) == (out.strip(), Role.GUARD)
    assert machine.person("list")[1].split("\t")[1::2] == ["guard", "张三\n"]
    assert machine.person("pin", "张三", pins="904127\n")[0] == 0
    assert machine.book.check("张三", "2580") is None
    assert machine.book.check("张三", "904127") is not None
    code, _, err = machine.person("remove", "张三")
    assert (code, machine.book.list()) == (0, [])
    assert "first code" in err


def test_the_pin_under_duress_is_asked_for_with_the_usual_one(machine: Machine) -> None:
    machine.person("add", "--role", "guard", "张三", pins="2580\n")
    assert machine.person("duress", "张三", pins="1111\n2769\n")[0] == 1
    assert machine.person("duress", "张三", pins="2580\n2769\n")[0] == 0
    found = machine.book.check("张三", "2769")
    assert found is not None
    assert found.is_duress
    assert machine.person("duress", "张三", pins="2769\n3691\n")[0] == 1, "not with itself"
    _, _, err = machine.person("pin", "张三", pins="904127\n")
    assert "duress" in err
    assert machine.book.check("张三", "2769") is None


@pytest.mark.parametrize(
    ("words", "pins", "said"),
    [
        (("add", "--role", "guard", "张三"), "1234\n", "PIN"),
        (("add", "--role", "guard", "张三"), "", "PIN"),
        (("add", "--role", "guard", "张三"), "2580\n2581\n", "two places|2 places"),
        (("add", "--role", "platform", "张三"), "2580\n", "--role"),
        (("add", "--role", "guard", "a\u202eb"), "2580\n", "name"),
    ],
)
def test_what_is_refused_is_said_and_changes_nothing(
    machine: Machine, words: tuple[str, ...], pins: str, said: str
) -> None:
    code, _, err = machine.person(*words, pins=pins)
    assert code == 2
    assert any(part in err.replace("\n", " ") for part in said.split("|"))
    assert machine.book.list() == []


def test_nobody_of_that_name_is_no_success(machine: Machine) -> None:
    for words in (("remove", "李四"), ("pin", "李四"), ("duress", "李四")):
        assert machine.person(*words, pins="2580\n")[0] == 1


def test_a_first_code_is_for_a_gateway_without_people_only(machine: Machine) -> None:
    code, out, _ = machine.person("first-code")
    assert (code, len(out.strip())) == (0, DIGITS)
    assert FirstCode(machine.folder / "data").check(out.strip())
    machine.person("add", "--role", "admin", "校长", pins="correct horse\n")
    assert machine.person("first-code")[0] == 1


def test_what_was_done_is_handed_in_to_the_trail_without_a_secret(machine: Machine) -> None:
    machine.person("add", "--role", "guard", "张三", pins="258039\n")
    machine.person("duress", "张三", pins="258039\n276941\n")
    told = [
        path.read_text()
        for path in (machine.folder / "data").rglob("*")
        if path.is_file() and path.name != "people.json"
    ]
    assert any("person.add" in text for text in told)
    assert not any(pin in text for text in told for pin in ("258039", "276941", "duress"))
