"""Proofs: a PIN given once more, by who is signed on, by a second person, or for a new PIN.

Owns    what the trail says of it, and the answers to who gave a wrong one (decision 0022).
Needs   sign_on.SignOn for budgets, slow checks and the trail; a session.
Keeps   1. A guess here is paid for from the same budgets as one at the sign-on.
        2. A PIN under duress differs in nothing that the one who watches could see, and raises the
           same silent alarm, whoever of the two gives it.
        3. Two persons are two: another id, another name, and a PIN that is none of the first one's.
        4. Nobody but the person learns of a PIN that he gives himself, and all his sessions but the
           one he does it at are over.
Bound   as sign_on.py. PAIR_S between the PINs of two persons.
"""

import unicodedata
from dataclasses import replace
from typing import Final

from starlette.requests import Request

from gateway.console.gate import Door, cookie_of
from gateway.console.limits import Caller
from gateway.console.people import PERSON_ID, SignedOn, check_secret
from gateway.console.problems import Problem
from gateway.console.rights import Right, require, session_of
from gateway.console.sign_on import SignOn, weak
from gateway.console.tokens import Identity

PAIR_S: Final = 60.0


class Proofs:
    """See the module."""

    def __init__(self, sign_on: SignOn, door: Door) -> None:
        self._sign_on = sign_on
        self._door = door

    async def again(self, request: Request, who: Identity, secret: str) -> None:
        """Take the PIN of who is signed on here; for sessions.PIN_S nobody asks again.

        raises  Problem 403 (wrong), 409 (who has a token has no PIN), 429, 503
        """
        await self._own(request, who, secret, "pin.given")
        self._door.sessions.proved(cookie_of(request))

    async def second(self, request: Request, first: Identity, name: str, secret: str) -> Identity:
        """Return the second of two persons, who stands at the first one's console.

        raises  Problem 403 (the first one's PIN comes first; a wrong one; no other person), 409,
                429, 503
        """
        session = session_of(request)
        if session is None or not first.id.startswith(PERSON_ID):
            raise _no_pin()  # a page that a token's link left open is nobody's word
        if session.pin_ago_s > PAIR_S:
            raise Problem.pin_needed()
        caller = self._sign_on.caller(request)
        people = self._sign_on.people
        forced = SignedOn(identity=first, is_duress=False)

        def other() -> SignedOn | None:
            """Slow, and as slow whatever it finds."""
            nonlocal forced
            found = people.check(name, secret)
            firsts = people.check(first.name, secret)
            if firsts is not None:  # one PIN for two, or the first one's other PIN
                forced = firsts
                return None
            return found if found is not None and _are_two(first, found.identity) else None

        async def refused() -> None:
            entry = self._sign_on.refused(caller, name, "pin.refused")
            await self._sign_on.note_forced(entry, forced)

        found = await self._sign_on.attempt(caller, name, other, refused, _wrong_second)
        require(found.identity, Right.ACT)
        await self._sign_on.note_proof(caller, found, "pin.second", first.name)
        return replace(found.identity, address=first.address)

    async def change(
        self, request: Request, who: Identity, old: str, fresh: tuple[str, str]
    ) -> None:
        """Give oneself another PIN, and with it another one under duress or none.

        The session of the request is over as well: whoever answers dresses a new one.

        fresh   (PIN, PIN under duress or "")
        raises  Problem 403 (wrong), 409, 422 (weak), 429, 503
        """
        try:
            check_secret(*fresh)
        except ValueError as error:
            raise weak(error) from error
        caller = await self._own(request, who, old, "person.secret")
        await self._sign_on.slowly(
            caller, lambda: self._sign_on.people.set_secret(who.name, *fresh)
        )

    async def _own(self, request: Request, who: Identity, secret: str, action: str) -> Caller:
        if session_of(request) is None or not who.id.startswith(PERSON_ID):
            raise _no_pin()
        caller = self._sign_on.caller(request)
        found = await self._sign_on.attempt(
            caller,
            who.name,
            lambda: self._sign_on.people.check(who.name, secret),
            lambda: self._sign_on.note(self._sign_on.refused(caller, who.name, "pin.refused")),
            _wrong,
        )
        await self._sign_on.note_proof(caller, found, action, who.name)
        return caller


def _are_two(one: Identity, other: Identity) -> bool:
    return one.id != other.id and _folded(one.name) != _folded(other.name)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()


def _wrong() -> Problem:
    return Problem(
        403,
        "wrong_pin",
        "PIN 不对",
        "the PIN is wrong",
        "try again; after some tries you must wait",
    )


def _wrong_second() -> Problem:
    return Problem(
        403,
        "wrong_pin",
        "须由另一人输入自己的姓名和 PIN",
        "it takes another person's name and PIN",
        "have a second person type both; after some tries you must wait",
    )


def _no_pin() -> Problem:
    return Problem(
        409,
        "no_pin",
        "这次登录没有 PIN",
        "nobody signed on here with a PIN",
        "sign on with a name and a PIN",
    )
