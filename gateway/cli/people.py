"""`campus-gateway person …`: who may sign on, from the machine itself.

Owns    the words of these commands.
Needs   gateway.console.people and .first_code, imported when a command needs them.
Keeps   1. A PIN comes from the keyboard, unseen and twice, or from a pipe; never from an argument,
           which every process of the machine can read.
        2. The running gateway goes by it at once; what was done is handed in to the audit trail.
"""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli import evidence
from gateway.cli.parts import EXIT_FAILED, ConfigFolder, advise, load
from gateway.clock import SystemClock

ROLES: Final = ("guard", "leader", "installer", "admin", "viewer", "auditor")
LINE_CHARS: Final = 1024

PEOPLE: Final = """\
谁可以登录：添加、列出、删除，换 PIN。

Who may sign on: add, list, remove, change PINs. Takes effect at once, without restart.

\b
guard 值班员 · leader 值班长 · installer 安装维护 · admin 管理员
viewer 只读 · auditor 审计
例 / example: campus-gateway person add --config DIR --role guard 张三
              printf '%s\\n' "$PIN" | campus-gateway person add --config DIR --role guard 张三
"""
ADD: Final = """\
添加一个人；PIN 为 4 至 6 位数字，密码至少 8 个字符。

Add somebody. A PIN has 4 to 6 digits, a password at least 8 characters; it is asked for, or read
from a pipe: one line, and a second one for the PIN under duress.
"""
LIST: Final = """\
列出可登录的人。

List who may sign on: id, role, since when, name; tabs between them.
"""
REMOVE: Final = """\
删除一个人；他的登录立即失效。

Remove somebody; his sessions end at once.
"""
PIN: Final = """\
给一个人换 PIN 或密码；胁迫 PIN 随之取消，须重设。

Give somebody another PIN or password. The PIN under duress goes with the old one: set it anew.
"""
DURESS: Final = """\
设胁迫 PIN：用它登录看起来完全一样，同时悄悄报警（duress）。

Set the PIN under duress: signing on with it looks the same, and silently raises an alarm of kind
duress. It is as long as the usual one and differs in at least two places. Empty: none.
"""
FIRST: Final = """\
打印一个新的首次设置码：用它在控制台建立第一位管理员。

Print a fresh first code, with which the console makes the first admin; an earlier one ends.
"""

people_app = typer.Typer(no_args_is_help=True, help=PEOPLE)
Name = Annotated[str, typer.Argument(metavar="NAME", help="姓名 / the name")]


@people_app.command(help=ADD)
def add(
    config: ConfigFolder,
    name: Name,
    role: Annotated[str, typer.Option(metavar="|".join(ROLES), help="角色 / what he may do")],
) -> None:
    """Add somebody."""
    if role not in ROLES:
        raise typer.BadParameter(f"--role: {' | '.join(ROLES)}")
    store, book = _book(config)
    tokens: Any = importlib.import_module("gateway.console.tokens")
    if book.named(name) is not None:
        raise typer.BadParameter(f"{name}: 已有此人 / is there already")
    asked = _Asked()
    secret = asked.new("PIN 或密码 / PIN or password")
    duress = asked.new("胁迫 PIN，可空 / PIN under duress, may be empty", may_be_empty=True)
    with _refusing():
        made = book.add(name, tokens.Role(role), secret, duress)
    evidence.note(store, "person.add", name, role=role)
    typer.echo(made.id)


@people_app.command("list", help=LIST)
def list_people(config: ConfigFolder) -> None:
    """List who may sign on."""
    for person in _book(config)[1].list():
        typer.echo(f"{person.id}\t{person.role}\t{person.created_at}\t{person.name}")


@people_app.command(help=REMOVE)
def remove(config: ConfigFolder, name: Name) -> None:
    """Remove somebody."""
    store, book = _book(config)
    person = _known(book, name)
    book.remove(person.id)
    evidence.note(store, "person.remove", name)
    if not book.list():
        advise(
            "已没有人员：服务会打印新的首次设置码",
            "nobody is left: the service prints a fresh first code",
        )


@people_app.command(help=PIN)
def pin(config: ConfigFolder, name: Name) -> None:
    """Give somebody another PIN or password."""
    store, book = _book(config)
    person = _known(book, name)
    with _refusing():
        book.set_secret(name, _Asked().new("新 PIN 或密码 / new PIN or password"))
    evidence.note(store, "person.secret", name)
    if person.duress:
        advise("胁迫 PIN 已取消，请重设", "the PIN under duress is gone: set it anew")


@people_app.command(help=DURESS)
def duress(config: ConfigFolder, name: Name) -> None:
    """Set the PIN under duress; asks for the usual one, which it must differ from."""
    store, book = _book(config)
    _known(book, name)
    asked = _Asked()
    usual = asked.known("平时的 PIN / the usual PIN")
    found = book.check(name, usual)
    if found is None or found.is_duress:
        advise("PIN 不对，没有改动", "that is not the usual PIN; nothing was changed")
        raise typer.Exit(EXIT_FAILED)
    fresh = asked.new("胁迫 PIN，可空 / PIN under duress, may be empty", may_be_empty=True)
    with _refusing():
        book.set_secret(name, usual, fresh)
    # The trail says the same for any change of a PIN: who reads it does not learn who has one.
    evidence.note(store, "person.secret", name)


@people_app.command("first-code", help=FIRST)
def first_code(config: ConfigFolder) -> None:
    """Print a fresh first code."""
    store, book = _book(config)
    if book.list():
        advise("已有人员：请管理员添加", "somebody is there already: an admin adds people")
        raise typer.Exit(EXIT_FAILED)
    codes: Any = importlib.import_module("gateway.console.first_code")
    typer.echo(codes.FirstCode(store).fresh())
    evidence.note(store, "person.first_code", "console")


class _Asked:
    """Secrets from the keyboard, or line by line from a pipe."""

    def __init__(self) -> None:
        self._is_person = sys.stdin.isatty()

    def new(self, words: str, *, may_be_empty: bool = False) -> str:
        """Ask for one that is new: twice, since nobody sees what he types."""
        return self._ask(words, twice=True, may_be_empty=may_be_empty)

    def known(self, words: str) -> str:
        """Ask for one that exists."""
        return self._ask(words, twice=False, may_be_empty=False)

    def _ask(self, words: str, *, twice: bool, may_be_empty: bool) -> str:
        if not self._is_person:
            return sys.stdin.readline(LINE_CHARS).strip()
        told: str = typer.prompt(
            words,
            default="" if may_be_empty else None,
            show_default=False,
            hide_input=True,
            confirmation_prompt=twice,
            err=True,
        )
        return told.strip()


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Turn what the book refuses into a sentence for a person."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _book(config: Path) -> tuple[Path, Any]:
    people: Any = importlib.import_module("gateway.console.people")
    store: Path = load(config).store.path
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    return store, people.PeopleBook(store / "people.json", SystemClock())


def _known(book: Any, name: str) -> Any:  # noqa: ANN401 see parts.load
    person = book.named(name)
    if person is None:
        advise("没有此人：用 person list 查看", "there is no such person: see person list")
        raise typer.Exit(EXIT_FAILED)
    return person
