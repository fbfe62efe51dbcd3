"""People: who may sign on with a PIN or a password, kept as argon2id hashes.

Owns    people.json (book.py says how it is kept). Nobody else writes it.
Needs   argon2-cffi, gateway.clock, gateway.console.book.
Keeps   1. A secret is kept as its argon2id hash only, and looks the same in a log: not at all.
        2. A check costs the same time whether the person exists or not, and whether the secret is
           the usual one, the one under duress, or none.
        3. There is no person whom nobody made: the first one needs the code that the service
           prints (sign_on.py).
Bound   PEOPLE_MOST. A check takes some 30 ms of one core and 19 MiB: callers are counted and wait.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.clock import Clock
from gateway.console.book import Book
from gateway.console.tokens import Identity, Role, check_name, today

PERSON_ID: Final = "p-"
PEOPLE_MOST: Final = 500
PIN_LENGTHS: Final = range(4, 7)
PASSWORD_CHARS: Final = range(8, 129)
KEYS_APART: Final = 2
"""A PIN under duress differs from the usual one in as many places: nobody says by a slip of a
finger that he is threatened."""
WEAK: Final = frozenset(["0123456789", "9876543210", "01234567890", "5201314", "1314520"])

HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""What OWASP names as the least for argon2id; more would make the guard wait on a small machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One line of the file. duress is "" for somebody without a PIN for that."""

    id: str
    name: str
    role: Role
    secret: str
    duress: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOn:
    """Who it is, and whether somebody makes them do it."""

    identity: Identity
    is_duress: bool


class WeakSecret(ValueError):
    """A PIN or password that anybody would try first: nothing was changed, choose another."""


class NotFirst(Exception):
    """Somebody is there already: whoever comes now is made by an admin."""


class LastAdmin(Exception):
    """Without this one nobody could add people any more: nothing was changed."""


class PeopleBook(Book[Person]):
    """The people of one gateway."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._nobody = HASHER.hash(secrets.token_hex(8))
        super().__init__(path, "people", _person)

    def add(
        self, name: str, role: Role, secret: str, duress: str = "", *, is_first: bool = False
    ) -> Identity:
        """Make a person; returns who it is. Slow on purpose: call it in a thread.

        is_first  only while there is nobody else
        raises    NotFirst, WeakSecret, ValueError (the name is taken or no name, a role for
                  machines, too many)
        """
        check_name(name)
        if role is Role.PLATFORM:
            raise ValueError("a platform is a machine: it gets a token")
        check_secret(secret, duress)
        person = Person(
            id=f"{PERSON_ID}{secrets.token_hex(6)}",
            name=name,
            role=role,
            secret=HASHER.hash(secret),
            duress=HASHER.hash(duress) if duress else "",
            created_at=today(self._clock),
        )

        def added(people: Sequence[Person]) -> list[Person]:
            if is_first and people:
                raise NotFirst
            if any(each.name == name for each in people):
                raise ValueError(f"{name} is there already")
            if len(people) >= PEOPLE_MOST:
                raise ValueError(f"there are already {PEOPLE_MOST} people: remove some first")
            return [*people, person]

        self.change(added)
        return _identity(person)

    def set_secret(self, name: str, secret: str, duress: str = "") -> bool:
        """Give a person another secret; False when there is nobody of that name. Slow, as add()."""
        check_secret(secret, duress)
        fresh = HASHER.hash(secret), HASHER.hash(duress) if duress else ""
        found = False

        def changed(people: Sequence[Person]) -> list[Person]:
            nonlocal found
            found = any(each.name == name for each in people)
            return [
                replace(each, secret=fresh[0], duress=fresh[1]) if each.name == name else each
                for each in people
            ]

        self.change(changed)
        return found

    def part_with(self, person_id: str) -> Person | None:
        """Remove a person and return who it was, None when there was none. Raises LastAdmin."""
        gone: Person | None = None

        def without(people: Sequence[Person]) -> list[Person]:
            nonlocal gone
            gone = next((each for each in people if each.id == person_id), None)
            rest = [each for each in people if each.id != person_id]
            had_admin = gone is not None and gone.role is Role.ADMIN
            if had_admin and rest and all(each.role is not Role.ADMIN for each in rest):
                raise LastAdmin
            return rest

        self.change(without)
        return gone

    def named(self, name: str) -> Person | None:
        """Return the person of that name."""
        return next((each for each in self.list() if each.name == name), None)

    def check(self, name: str, secret: str) -> SignedOn | None:
        """Return who signs on with this secret, or None. Slow on purpose: call it in a thread."""
        person = self.named(name)
        usual = is_secret(person.secret if person else self._nobody, secret)
        forced = is_secret(person.duress if person and person.duress else self._nobody, secret)
        if person is None or not (usual or forced):
            return None
        return SignedOn(identity=_identity(person), is_duress=forced)

    def holder(self, person_id: str) -> Identity | None:
        """Return who has this id, None once the person is removed."""
        person = self.entry(person_id)
        return None if person is None else _identity(person)

    def stamp(self, person_id: str) -> str:
        """See sessions.Holders: every new PIN brings another one, which ends the old sessions."""
        person = self.entry(person_id)
        if person is None:
            return ""
        return hashlib.sha256(f"{person.secret} {person.duress}".encode()).hexdigest()


def check_secret(secret: str, duress: str = "") -> None:
    """Raise WeakSecret unless it is a PIN of 4 to 6 digits or a password of 8 to 128 characters."""
    for text in (secret, duress):
        if text and _is_weak(text):
            raise WeakSecret(
                "PIN 为 4 至 6 位数字，不能是同一数字、顺子、年份或前后重复；密码至少 8 个字符"
                " / a PIN is 4 to 6 digits, not all the same, in a row, a year or the same twice; a"
                " password has at least 8 characters"
            )
    if not secret:
        raise WeakSecret("没有 PIN / there is no PIN")
    if duress and (len(duress) != len(secret) or _keys_apart(secret, duress) < KEYS_APART):
        raise WeakSecret(
            f"胁迫 PIN 须与平时的同样长，至少 {KEYS_APART} 位不同 / the PIN under duress is as long"
            f" as the usual one and differs in at least {KEYS_APART} places"
        )


def _is_weak(text: str) -> bool:
    if not text.isprintable() or text != text.strip():
        return True
    if text.isascii() and text.isdecimal() and len(text) < PASSWORD_CHARS.start:
        is_row = any(text in row for row in WEAK)
        is_year = len(text) == 4 and text[:2] in {"19", "20"}
        half = len(text) // 2
        is_twice = text[:half] * 2 == text
        return len(text) not in PIN_LENGTHS or len(set(text)) == 1 or is_row or is_year or is_twice
    return len(text) not in PASSWORD_CHARS or len(set(text)) < 4


def _keys_apart(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def is_secret(hashed: str, secret: str) -> bool:
    """Whether this is what was hashed; as slow for a wrong one as for a right one."""
    try:
        return HASHER.verify(hashed, secret)
    except (VerificationError, InvalidHashError):
        return False


def _identity(person: Person) -> Identity:
    return Identity(id=person.id, role=person.role, name=person.name)


def _person(item: Any) -> Person:  # noqa: ANN401 whatever JSON gave
    fields = {key: item[key] for key in ("id", "name", "secret", "duress", "created_at")}
    if not all(isinstance(value, str) for value in fields.values()):
        raise TypeError("a person's members are strings")
    return Person(role=Role(item["role"]), **fields)
