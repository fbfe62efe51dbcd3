"""Signing on: from a name and a PIN, or a token, to a session; and the first admin of all.

Owns    the turn of slow checks, what a browser gets (cookies), what the trail says of it, and the
        fault that says that somebody guesses.
Needs   gate.Door (who is who), a Desk, limits.py, holders.py.
Keeps   1. Who must wait waits before anything slow is computed for him (limits.SignOnLimit).
        2. An entry is in the trail before the answer leaves, also of what was refused; without it
           nobody is signed on.
        3. A PIN under duress differs in nothing that the one who watches could see: the same work,
           the same one commit, the same words in the trail, the same answer.
        4. A session's cookie is always a new one; the one the browser had before is over.
        5. There is no account that nobody made: the first admin has read what the service printed.
Bound   HASHES_MOST checks at once, WAITING_MOST in line, of them STRANGERS_MOST from browsers we do
        not know; beyond it 503. NOTE_S for the trail, then 503.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from starlette.requests import Request
from starlette.responses import Response

from gateway.audit import Entry
from gateway.console.consoles import COOKIE as CONSOLE_COOKIE
from gateway.console.consoles import KNOWN_DAYS
from gateway.console.desk import Desk
from gateway.console.gate import Door, cookie_of, is_local, peer
from gateway.console.limits import Caller
from gateway.console.people import NotFirst, PeopleBook, SignedOn, WeakSecret, check_secret
from gateway.console.problems import Problem
from gateway.console.rights import Right, require
from gateway.console.sessions import COOKIE, SESSION_S, Session
from gateway.console.tokens import Identity, Role, check_name
from gateway.errors import StoreError
from gateway.words import Said

HASHES_MOST: Final = 2
WAITING_MOST: Final = 16
STRANGERS_MOST: Final = 8
NOTE_S: Final = 10.0
LOOK_S: Final = 60.0
KEEP_EACH_S: Final = 300.0
HERE: Final = "here"
FIRST: Final = "\x00first"
"""What the first code is counted under: no person can be called that."""
FAULT: Final = "sign_on"
SESSIONS_FAULT: Final = "sessions"

T = TypeVar("T")
log = structlog.get_logger()


class SignOn:
    """See the module. run() belongs to whoever runs the server."""

    def __init__(self, door: Door, desk: Desk) -> None:
        self._door = door
        self._desk = desk
        self._turn = asyncio.Semaphore(HASHES_MOST)
        self._waiting = 0
        self._is_alarming = False
        self._was_unkept = False

    @property
    def people(self) -> PeopleBook:
        """Who may sign on with a PIN."""
        return self._door.books.people

    def is_first(self) -> bool:
        """Whether nobody was made yet."""
        return not self.people.list() and self.people.fault is None

    def caller(self, request: Request) -> Caller:
        """From where somebody asks: a known console, this machine, or any address."""
        books = self._door.books
        address = peer(request)
        found = books.consoles.caller(
            cookie_of(request, CONSOLE_COOKIE), address, self._door.holders
        )
        if not found.console and not books.is_behind_proxy and is_local(request):
            return Caller(address=address, console=HERE)
        return found

    # Ways in.

    async def with_pin(self, request: Request, name: str, secret: str) -> Identity:
        """Check a PIN or password and note it; dress() then makes the session.

        raises  Problem 401 (wrong), 429 (wait first), 503 (too many at once, or no trail)
        """
        caller = self.caller(request)
        found = await self.attempt(
            caller,
            name,
            lambda: self.people.check(name, secret),
            lambda: self.note(self.refused(caller, name)),
        )
        require(found.identity, Right.SIGN_IN)
        await self.note_proof(caller, found)
        return found.identity

    async def with_token(self, request: Request, token: str) -> Identity:
        """Check a token and note it, as with_pin; a right one never waits: it cannot be guessed."""
        identity = self._door.tokens.check(token.strip())
        if identity is None:
            wait_s = self._door.failures.failed(peer(request))
            if wait_s > 0:
                raise Problem.too_often(wait_s)
            await self.note(self._entry(None, peer(request), "sign_in.refused"))
            raise wrong_token()
        require(identity, Right.SIGN_IN)
        await self.note_proof(self.caller(request), SignedOn(identity=identity, is_duress=False))
        return identity

    async def first(self, request: Request, code: str, name: str, secret: str) -> Identity:
        """Make the first admin and sign him on. Raises Problem, also 409 when there is somebody."""
        if not self.is_first():
            raise _not_first()
        try:
            check_name(name)
            check_secret(secret)
        except ValueError as error:
            raise weak(error) from error  # before the code is used up
        caller = self.caller(request)
        books = self._door.books
        try:
            await self.attempt(
                caller,
                FIRST,
                lambda: books.first.check(code.replace(" ", "")) or None,
                lambda: self.note(self.refused(caller, "")),
            )
        except Problem:
            if self.is_first() and await asyncio.to_thread(books.first.is_spent):
                await self.say_code()
            raise
        try:
            identity = await self.slowly(
                caller, lambda: self.people.add(name, Role.ADMIN, secret, is_first=True)
            )
        except (NotFirst, ValueError) as error:
            # Right code, but no admin came of it: whoever may read what we print gets another.
            await self.say_code()
            raise _not_first() if isinstance(error, NotFirst) else weak(error) from error
        await asyncio.to_thread(books.first.end)
        await self.note(self._entry(identity, caller.address, "person.add", identity.name))
        await self.note_proof(caller, SignedOn(identity=identity, is_duress=False))
        return identity

    async def dress(self, request: Request, answer: Response, identity: Identity) -> Session:
        """Open a session, put its cookie and the console's into the answer, and return it."""
        caller = self.caller(request)
        self._door.sessions.close(cookie_of(request))
        cookie = self._door.sessions.open(identity)
        is_tls = request.url.scheme == "https" or self._door.books.is_behind_proxy
        kept = [(COOKIE, cookie, SESSION_S)]
        if caller.console != HERE:  # this machine is known without a cookie
            signed = self._door.books.consoles.cookie(caller, identity.id)
            kept.append((CONSOLE_COOKIE, signed, KNOWN_DAYS * 86_400))
        for name, value, age_s in kept:
            answer.set_cookie(
                name, value, max_age=age_s, secure=is_tls, httponly=True, samesite="strict"
            )
        await self.keep_sessions()
        found = self._door.sessions.find(cookie)
        if found is None:
            raise Problem.no_token()  # removed in this very moment
        return found[0]

    async def off(self, request: Request, who: Identity, answer: Response) -> None:
        """End the session here, whatever the browser does with its cookie."""
        self._door.sessions.close(cookie_of(request))
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        await self.keep_sessions()
        await self.note(self._entry(who, peer(request), "sign_out"))

    async def keep_sessions(self, *, again: bool = False) -> None:
        """Have the sessions on disk, or say that a restart signs everybody off; never fails."""
        sessions = self._door.sessions
        await sessions.keep(again=again)
        if sessions.fault or self._was_unkept:
            self._desk.fault(
                SESSIONS_FAULT,
                Said(
                    "值班登录保存不了或曾损坏，网关重启后要重新登录",
                    "sessions cannot be kept, or were damaged: a restart signs everybody off",
                ),
                active=bool(sessions.fault),
                attributes={"why": sessions.fault},
            )
        self._was_unkept = bool(sessions.fault)

    # The first code, and whoever guesses.

    async def say_code(self) -> None:
        """Print a fresh first code; the one before it holds no more."""
        code = await asyncio.to_thread(self._door.books.first.fresh)
        self._door.books.say(first_words(code))

    async def run(self) -> None:
        """Print the first code while there is nobody, tell who guesses, keep sessions."""
        if self.is_first():
            await self.say_code()
        self._was_unkept = True  # what a life before this one said of it may still stand
        await self.keep_sessions()
        while True:
            for _ in range(round(KEEP_EACH_S / LOOK_S)):
                await self._door.clock.sleep(LOOK_S)
                if self.is_first() and await asyncio.to_thread(self._door.books.first.is_spent):
                    await self.say_code()
                self._tell()
            await self.keep_sessions(again=True)

    def _tell(self) -> None:
        """Raise or end the fault: intake.fault may be told the same again and again."""
        is_alarming = self._door.sign_on.is_alarming()
        if is_alarming or self._is_alarming:
            self._desk.fault(
                FAULT,
                Said(
                    "多次登录失败，可能有人在猜 PIN",
                    "many refused sign-ons: is somebody guessing PINs?",
                ),
                active=is_alarming,
                attributes={"refused": self._door.sign_on.failures},
            )
        self._is_alarming = is_alarming

    # Inside.

    async def attempt(
        self,
        caller: Caller,
        name: str,
        check: Callable[[], T | None],
        refused: Callable[[], Awaitable[None]],
        wrong: Callable[[], Problem] | None = None,
    ) -> T:
        """Pay for a guess and check it slowly.

        refused  writes down one that was wrong
        raises   Problem 429, 503, or what `wrong` makes (401 without it)
        """
        limit = self._door.sign_on
        wait_s = limit.begin(caller, name)
        if wait_s > 0:
            raise Problem.too_often(wait_s)
        try:
            found = await self.slowly(caller, check)
        except BaseException:
            limit.ended(caller)
            raise
        if found is not None:
            limit.right(caller, name)
            return found
        limit.wrong(caller)
        self._tell()
        await refused()
        raise (wrong or _wrong)()

    async def slowly(self, caller: Caller, work: Callable[[], T]) -> T:
        """Do what takes a core for some 60 ms in a thread, HASHES_MOST at once."""
        if self._waiting >= (WAITING_MOST if caller.console else STRANGERS_MOST):
            raise _busy()
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

    async def note_proof(
        self, caller: Caller, found: SignedOn, action: str = "sign_in", subject: str = "console"
    ) -> None:
        """Write down that somebody proved who he is; one who is made to raises the alarm by it."""
        await self.note_forced(self._entry(found.identity, caller.address, action, subject), found)
        # Not of whom: a log line is read in places where the trail is not.
        log.info(
            "proved who it is", action=action, role=found.identity.role, address=caller.address
        )

    async def note_forced(self, entry: Entry, found: SignedOn) -> None:
        """Have an entry in the trail, and in the same commit the alarm of one who is made to."""
        try:
            async with asyncio.timeout(NOTE_S):
                await self._desk.sign_on(entry, found.identity, is_duress=found.is_duress)
        except (TimeoutError, StoreError) as error:
            raise _no_trail() from error

    async def note(self, entry: Entry) -> None:
        """Have an entry in the trail. Raises Problem 503 when that takes NOTE_S or fails."""
        try:
            async with asyncio.timeout(NOTE_S):
                await self._desk.audit(entry)
        except (TimeoutError, StoreError) as error:
            raise _no_trail() from error

    def refused(self, caller: Caller, name: str, action: str = "sign_in.refused") -> Entry:
        """What the trail says of a wrong PIN.

        Whose name was used, if it is one: what else was typed there may be a PIN.
        """
        known = self.people.named(name)
        details = {} if known is None else {"person": known.name}
        return Entry(
            who="",
            role="",
            from_address=caller.address,
            action=action,
            subject="console",
            details=details,
        )

    @staticmethod
    def _entry(who: Identity | None, address: str, action: str, subject: str = "console") -> Entry:
        return Entry(
            who="" if who is None else who.name,
            role="" if who is None else str(who.role),
            from_address=address,
            action=action,
            subject=subject,
        )


def first_words(code: str) -> str:
    """Say a first code to who may read it."""
    return (
        f"\n  首次设置码 first code  {code[:5]} {code[5:]}\n"
        "  还没有人员：打开值班台，输入此码，建立第一位管理员\n"
        "  nobody is there yet: the console asks for it to make the first admin\n"
    )


def weak(error: ValueError) -> Problem:
    """Say why a person or secret was not taken."""
    zh, _, en = str(error).partition(" / ")
    if isinstance(error, WeakSecret):
        return Problem(422, "weak_secret", zh, en or zh, "choose another")
    return Problem(422, "not_valid", "姓名或 PIN 不符合要求", str(error), "choose another")


def wrong_token() -> Problem:
    """Say that a token is none, as a page says it."""
    return Problem(
        401,
        "wrong_secret",
        "令牌无效",
        "the token is not valid",
        "ask the installer for another",
    )


def _wrong() -> Problem:
    return Problem(
        401,
        "wrong_secret",
        "姓名或 PIN 不对",
        "the name or the PIN is wrong",
        "look at both and try again; after some tries you must wait",
    )


def _not_first() -> Problem:
    return Problem(
        409,
        "not_first",
        "已有人员，不能再次首次设置",
        "somebody is there already",
        "ask an admin to add you",
    )


def _busy() -> Problem:
    return Problem(
        503,
        "busy",
        "登录的人太多，请稍候",
        "too many sign on at once",
        "try again in some seconds",
        headers={"Retry-After": "3"},
    )


def _no_trail() -> Problem:
    return Problem(
        503,
        "not_noted",
        "审计记录写不下，不能登录",
        "the audit trail cannot be written, so nobody is signed on",
        "look at the disk; a token still reads the API",
        headers={"Retry-After": "5"},
    )
