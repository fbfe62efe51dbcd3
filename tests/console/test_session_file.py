"""What is left of sessions when the gateway comes back: after what time, from which file."""

import asyncio
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.sessions import MAX_SESSIONS, SESSION_S, Sessions
from gateway.console.tokens import Identity, Role, TokenBook
from tests.console.memory_desk import FakeClock

DAY_S = 86_400


class Machine:
    """A gateway that is started again and again, and a machine that may be rebooted."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        self.path = folder / "sessions.json"
        self.book = TokenBook(folder / "tokens.json", self.clock)
        found = self.book.check(self.book.create(Role.GUARD, "张三"))
        assert found is not None
        self.guard: Identity = found
        self._set = monkeypatch.setenv
        self.boot("one")

    def boot(self, name: str, *, wall_s: float = 0.0) -> None:
        """Begin another boot: the monotonic clock begins anew, wall_s went by on the wall."""
        self._set("CAMPUS_BOOT_ID", name)
        utc_ns = self.clock.utc_ns() + int(wall_s * 1e9)
        self.clock = Stepped(utc_ns) if name != "one" else self.clock

    def start(self) -> Sessions:
        return Sessions(self.book, self.clock, self.path)


class Stepped(FakeClock):
    """A clock whose wall time is not its monotonic one."""

    def __init__(self, utc_ns: int) -> None:
        super().__init__()
        self.wall_ns = utc_ns

    def utc_ns(self) -> int:
        return self.wall_ns + self.ns


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


async def signed_on(machine: Machine) -> str:
    sessions = machine.start()
    cookie = sessions.open(machine.guard)
    await sessions.keep()
    return cookie


async def test_a_session_outlives_the_gateway_with_its_proof_and_the_rest_of_its_shift(
    machine: Machine,
) -> None:
    before = machine.start()
    cookie = before.open(machine.guard)
    await before.keep()
    first = before.find(cookie)
    machine.clock.forward(3600)
    again = machine.start().find(cookie)
    assert first is not None
    assert again is not None
    assert again[0].csrf == first[0].csrf, "what the page has is still good"
    assert again[0].left_s == pytest.approx(SESSION_S - 3600)
    machine.clock.forward(SESSION_S - 3600)
    assert machine.start().find(cookie) is None


async def test_the_file_holds_no_cookie_and_nobody_else_reads_it(machine: Machine) -> None:
    cookie = await signed_on(machine)
    raw = machine.path.read_text()
    found = machine.start().find(cookie)
    assert found is not None
    assert cookie not in raw
    assert found[0].csrf not in raw
    assert machine.path.stat().st_mode & 0o777 == 0o600


async def test_who_signed_off_was_removed_or_got_another_secret_is_not_back(
    machine: Machine,
) -> None:
    sessions = machine.start()
    one, two = sessions.open(machine.guard), sessions.open(machine.guard)
    await sessions.keep()
    sessions.close(one)
    await sessions.keep()
    later = machine.start()
    assert later.find(one) is None
    assert later.find(two) is not None
    machine.book.revoke(machine.guard.id)
    assert machine.start().find(two) is None


@pytest.mark.parametrize("wall_s", [-20 * 365 * DAY_S, 10 * 365 * DAY_S])
async def test_a_wall_clock_that_jumps_while_we_are_away_ends_no_session_and_lengthens_none(
    machine: Machine, wall_s: float
) -> None:
    cookie = await signed_on(machine)
    mono = machine.clock.ns
    jumped = Stepped(machine.clock.utc_ns() + int(wall_s * 1e9))
    jumped.ns = mono + 60 * 10**9
    machine.clock = jumped
    found = machine.start().find(cookie)
    assert found is not None
    assert found[0].left_s == pytest.approx(SESSION_S - 60)


@pytest.mark.parametrize(
    ("off_s", "left_s"),
    [(600, SESSION_S - 600), (DAY_S, None), (-365 * DAY_S, SESSION_S)],
    ids=["a cut of power", "a night off", "a clock without a battery"],
)
async def test_after_a_reboot_what_the_wall_clock_says_passed_is_taken_off_and_never_added(
    machine: Machine, off_s: float, left_s: float | None
) -> None:
    cookie = await signed_on(machine)
    machine.boot("two", wall_s=off_s)
    found = machine.start().find(cookie)
    assert (None if found is None else found[0].left_s) == (
        None if left_s is None else pytest.approx(left_s)
    )


async def test_without_a_boots_name_the_longer_of_both_times_counts(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.console.session_file.boot", lambda: "")
    cookie = await signed_on(machine)
    machine.clock = Stepped(machine.clock.utc_ns() + 7200 * 10**9)
    machine.clock.ns = 60 * 10**9
    found = machine.start().find(cookie)
    assert found is not None
    assert found[0].left_s == pytest.approx(SESSION_S - 7260)


async def test_lives_with_a_stopped_wall_clock_add_up(machine: Machine) -> None:
    cookie = await signed_on(machine)
    noon = machine.clock.utc_ns()
    for number in range(13):
        machine.boot(f"reboot {number}")
        machine.clock = Stepped(noon)
        sessions = machine.start()
        assert (sessions.find(cookie) is not None) == (number < 12), number
        machine.clock.forward(3600)
        machine.clock.wall_ns -= 3600 * 10**9
        await sessions.keep(again=True)


def body(machine: Machine, **changes: Any) -> bytes:
    whole = json.loads(machine.path.read_bytes())
    first = whole["sessions"][0]
    first |= {name: value for name, value in changes.items() if name in first}
    whole |= {name: value for name, value in changes.items() if name in whole}
    return json.dumps(whole).encode()


DAMAGE: dict[str, Callable[[Machine], bytes]] = {
    "nothing": lambda _: b"",
    "half": lambda machine: machine.path.read_bytes()[:-9],
    "a list": lambda _: b"[]",
    "deep": lambda _: b"[" * 100_000,
    "huge": lambda machine: machine.path.read_bytes() + b" " * (256 * 1024),
    "later version": lambda machine: body(machine, version=2),
    "longer than a shift": lambda machine: body(machine, left_ns=SESSION_S * 10**9 + 1),
    "no number": lambda machine: body(machine, left_ns=1.5),
    "infinite": lambda machine: body(machine, left_ns=float("inf")),
    "true": lambda machine: body(machine, left_ns=True),
    "time below zero": lambda machine: body(machine, utc_ns=-1),
    "no key": lambda machine: body(machine, key=""),
    "too many": lambda machine: body(machine, sessions=[{}] * (MAX_SESSIONS + 1)),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_file_signs_nobody_on_is_put_aside_and_said(
    machine: Machine, damage: str
) -> None:
    cookie = await signed_on(machine)
    machine.path.write_bytes(DAMAGE[damage](machine))
    sessions = machine.start()
    assert sessions.find(cookie) is None
    assert "sessions.json" in sessions.fault
    assert machine.path.with_name("sessions.json.damaged").exists()
    fresh = sessions.open(machine.guard)
    await sessions.keep()
    assert sessions.fault == ""
    assert machine.start().find(fresh) is not None


async def test_a_file_that_others_may_write_signs_nobody_on(machine: Machine) -> None:
    cookie = await signed_on(machine)
    machine.path.chmod(0o666)
    sessions = machine.start()
    assert sessions.find(cookie) is None
    assert "others may write it" in sessions.fault


async def test_a_file_that_cannot_be_replaced_is_removed_so_that_nobody_is_back(
    machine: Machine,
) -> None:
    sessions = machine.start()
    cookie = sessions.open(machine.guard)
    await sessions.keep()
    machine.path.with_name("sessions.json.tmp").mkdir()  # nothing can be written under that name
    sessions.close(cookie)
    await sessions.keep()
    assert "cannot be written" in sessions.fault
    assert machine.start().find(cookie) is None
    machine.path.with_name("sessions.json.tmp").rmdir()
    await sessions.keep(again=True)
    assert sessions.fault == ""


async def test_what_was_hung_up_in_the_middle_is_still_written_in_turn(machine: Machine) -> None:
    sessions = machine.start()
    cookies = [sessions.open(machine.guard) for _ in range(4)]
    tasks = [asyncio.create_task(sessions.keep()) for _ in range(4)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    sessions.close(cookies[0])
    await sessions.keep()
    later = machine.start()
    assert [later.find(cookie) is not None for cookie in cookies] == [False, True, True, True]


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_put_aside(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sessions.json"
        path.write_bytes(raw)
        path.chmod(0o600)
        clock = FakeClock()
        sessions = Sessions(TokenBook(Path(folder) / "tokens.json", clock), clock, path)
        assert (sessions.fault == "") == path.exists()
