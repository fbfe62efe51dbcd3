import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.console.tokens import MAX_TOKENS, Role, TokenBook
from gateway.errors import ConfigError
from tests.console.memory_desk import FakeClock

WRITER = """
import sys
from pathlib import Path
from gateway.clock import SystemClock
from gateway.console.tokens import Role, TokenBook
book = TokenBook(Path(sys.argv[1]), SystemClock())
sys.stdin.readline()
for number in range(20):
    print(book.create(Role.GUARD, f"{sys.argv[2]} {number}"), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


@pytest.fixture
def book(path: Path, clock: FakeClock) -> TokenBook:
    return TokenBook(path, clock)


def test_a_token_opens_the_door_and_is_written_nowhere(book: TokenBook, path: Path) -> None:
    token = book.create(Role.GUARD, "张三")
    assert token.startswith("cg_")
    assert len(token) == 3 + 43  # 256 bits
    identity = book.check(token)
    assert identity is not None
    assert (identity.role, identity.name) == (Role.GUARD, "张三")
    for file in path.parent.iterdir():
        assert token.encode() not in file.read_bytes()
        assert token[3:].encode() not in file.read_bytes()
    assert token not in repr(book.list())


def test_the_file_is_for_its_owner_only_even_after_a_crash_left_another(
    book: TokenBook, path: Path
) -> None:
    left = path.with_name("tokens.json.tmp")
    left.write_text("half of")
    left.chmod(0o666)
    book.create(Role.GUARD, "x")
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_what_is_listed_says_who_and_since_when(book: TokenBook, clock: FakeClock) -> None:
    book.create(Role.GUARD, "张三")
    clock.forward(60)
    book.create(Role.PLATFORM, "police")
    rows = [(entry.role, entry.name, entry.created_at) for entry in book.list()]
    assert rows == [
        (Role.GUARD, "张三", "2026-11-22T00:00:00+00:00"),
        (Role.PLATFORM, "police", "2026-11-22T00:01:00+00:00"),
    ]


def test_a_revoked_token_is_refused_at_once_and_the_others_stay(book: TokenBook) -> None:
    gone, stays = book.create(Role.GUARD, "a"), book.create(Role.GUARD, "b")
    assert book.revoke(book.list()[0].id)
    assert book.check(gone) is None
    assert book.check(stays) is not None
    assert not book.revoke("nobody")


def test_what_another_process_changes_holds_without_a_restart(
    book: TokenBook, path: Path, clock: FakeClock
) -> None:
    other = TokenBook(path, clock)
    token = other.create(Role.GUARD, "a")
    identity = book.check(token)
    assert identity is not None
    other.revoke(identity.id)
    assert book.check(token) is None
    assert book.holder(identity.id) is None


def test_writers_in_two_processes_lose_nothing(book: TokenBook, path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    made: list[str] = []
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        out, _ = writer.communicate(timeout=90)
        assert writer.returncode == 0
        made += out.split()
    assert len(set(made)) == 40
    assert all(book.check(token) is not None for token in made)


@pytest.mark.parametrize(
    "wrong", ["", "cg_", "cg_" + "A" * 43, "cg_" + "x" * 10_000, "cg_é", "cg_\ud800"]
)
def test_whatever_is_not_a_token_is_nobody(book: TokenBook, wrong: str) -> None:
    token = book.create(Role.GUARD, "a")
    assert book.check(wrong) is None
    assert book.check(token[:-1]) is None
    assert book.check(token + "A") is None


@pytest.mark.parametrize("name", ["", " a", "x" * 65, "a\nb", "a\u202eb", "\ud800", "a\u2028b"])
def test_a_name_that_cannot_be_shown_is_refused(book: TokenBook, name: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        book.create(Role.GUARD, name)
    assert book.list() == []


def test_the_book_is_bounded(book: TokenBook, path: Path) -> None:
    book.create(Role.GUARD, "a")
    whole = json.loads(path.read_text())
    whole["tokens"] = [
        whole["tokens"][0] | {"id": str(number), "sha256": str(number)}
        for number in range(MAX_TOKENS)
    ]
    path.write_text(json.dumps(whole))
    with pytest.raises(ValueError, match="revoke"):
        book.create(Role.GUARD, "one too many")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"tokens":[{}]}',
        b'{"tokens":[{"id":1,"sha256":"","name":"","created_at":"","role":"guard"}]}',
        b'{"tokens":[{"id":"","sha256":"","name":"","created_at":"","role":"king"}]}',
        b"\xff" * 10,
        b"[" * 100_000,
        b" " * (1024 * 1024 + 1),
    ],
)
def test_a_damaged_file_stops_the_start_and_says_which(
    path: Path, clock: FakeClock, content: bytes
) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"tokens\.json"):
        TokenBook(path, clock)
    assert path.read_bytes() == content


def test_a_file_that_is_damaged_later_does_not_shut_the_guard_out(
    book: TokenBook, path: Path
) -> None:
    token = book.create(Role.GUARD, "a")
    good = path.read_bytes()
    assert book.check(token) is not None
    path.write_bytes(b"{")
    assert book.check(token) is not None
    assert book.fault is not None
    assert "tokens.json" in book.fault
    with pytest.raises(ConfigError):
        book.create(Role.GUARD, "b")
    path.write_bytes(good + b"\n")
    assert book.check(token) is not None
    assert book.fault is None


def test_a_file_that_was_removed_lets_nobody_in(book: TokenBook, path: Path) -> None:
    token = book.create(Role.GUARD, "a")
    path.unlink()
    assert book.check(token) is None


def test_a_file_that_others_may_write_is_not_believed(
    book: TokenBook, path: Path, clock: FakeClock
) -> None:
    token = book.create(Role.GUARD, "a")
    assert book.check(token) is not None
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="others may write"):
        TokenBook(path, clock)
    book.check(token)
    assert book.fault is not None


def test_a_crash_between_writing_and_renaming_leaves_the_old_book(
    book: TokenBook, path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = book.create(Role.GUARD, "a")

    def crash(handle: int) -> None:
        raise OSError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", crash)
        with pytest.raises(OSError, match="power cut"):
            book.create(Role.GUARD, "b")
    again = TokenBook(path, clock)
    assert again.check(old) is not None
    assert [entry.name for entry in again.list()] == ["a"]
    assert again.check(again.create(Role.GUARD, "c")) is not None
