"""Holders: everybody who may come in, machines with tokens and people with PINs, as one.

Owns    which of the two books an id is looked up in: people's begin with "p-".
Needs   people.py, tokens.py, first_code.py, consoles.py.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from gateway.clock import Clock
from gateway.console.consoles import Consoles
from gateway.console.first_code import FirstCode
from gateway.console.people import PERSON_ID, PeopleBook
from gateway.console.tokens import Identity, TokenBook


def print_line(line: str) -> None:
    """Say a line on stdout: for who reads what the service prints, past the log machinery."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(slots=True, kw_only=True)
class SignOnBooks:
    """What signing on goes by.

    fingerprint      of the certificate we made ourselves, set when it is made; "" for none
    is_behind_proxy  a proxy of the installer's stands before us: then nobody is on this machine,
                     whatever the socket says, and the browser's end has TLS
    say              prints a line that only who runs the service may read
    """

    people: PeopleBook
    first: FirstCode
    consoles: Consoles
    fingerprint: str = ""
    is_behind_proxy: bool = False
    say: Callable[[str], None] = field(default=print_line)

    @classmethod
    def in_folder(cls, folder: Path, clock: Clock, *, is_behind_proxy: bool = False) -> Self:
        """Open the books of a store. Raises ConfigError for one that is damaged."""
        return cls(
            people=PeopleBook(folder / "people.json", clock),
            first=FirstCode(folder),
            consoles=Consoles(folder / "console.key", clock),
            is_behind_proxy=is_behind_proxy,
        )


class Everybody:
    """See the module; implements sessions.Holders."""

    def __init__(self, tokens: TokenBook, people: PeopleBook) -> None:
        self._tokens = tokens
        self._people = people

    def holder(self, holder_id: str) -> Identity | None:
        """See Holders."""
        return self._book(holder_id).holder(holder_id)

    def stamp(self, holder_id: str) -> str:
        """See Holders."""
        return self._book(holder_id).stamp(holder_id)

    def _book(self, holder_id: str) -> TokenBook | PeopleBook:
        return self._people if holder_id.startswith(PERSON_ID) else self._tokens
