"""The guard room over the real store and intake: what calls, who is there, what is written."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import orjson

from gateway.commanding import Commanding
from gateway.config import Siren
from gateway.console.presence import Presence
from gateway.console.tokens import Identity, Role
from gateway.driver import Outcome
from gateway.events import Kind
from gateway.guardroom import NONE_S, GuardRoom
from gateway.siren import MARK, Sounder
from tests.clocks import FakeClock
from tests.parts import PATIENCE_S, Core, core, device, point
from tests.shelves import shipped
from tests.valves import Hand

WANG = Identity(id="p-1", role=Role.GUARD, name="王老师", address="192.0.2.7")
BUREAU = Identity(id="p-2", role=Role.VIEWER, name="教育局", address="192.0.2.8")
SHELF = shipped()
SIREN = Siren(device="siren-1", on="on", off="off")
DEVICES = (
    device("btn-1"),
    device("btn-2"),
    device("btn-3", point("button", kind=Kind.DURESS)),
    device(
        "siren-1",
        point("output"),
        profile_id="io/waveshare_relay",
        commands=frozenset({"on", "off"}),
    ),
)


@dataclass
class Room:
    core: Core
    clock: FakeClock
    hand: Hand
    room: GuardRoom
    watched: list[bool] = field(default_factory=lambda: [False])

    async def press(self, device_id: str = "btn-1") -> str:
        await self.core.press(device_id)
        alarm = self.core.intake.judge.book.open_at(device_id, "button")
        assert alarm is not None
        self.room.look()
        return alarm.alarm_id

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.room.look()

    async def told(self, *commands: str) -> None:
        """Wait until the siren was told so much, and no more than that."""
        await self.hand.until(len(commands))
        await self.core.turn()
        assert [name for _, name in self.hand.told] == list(commands)

    async def until(self, look: object, what: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not look():  # type: ignore[operator]
                await self.core.turn()

    def faults(self) -> list[str]:
        return sorted(alarm.point for alarm in self.core.intake.judge.own_open())

    async def entries(self) -> list[tuple[str, str, str, object]]:
        rows = await self.core.rows("SELECT body FROM audit ORDER BY seq")
        data = [orjson.loads(body)["data"] for (body,) in rows]
        return [(one["action"], one["subject"], one["who"], one["details"]) for one in data]


def told(console: str) -> dict[str, object]:
    """What a receipt says: which console it was, without what would let somebody in as it."""
    return {"sounding": True, "console": sha256(console.encode()).hexdigest()[:8]}


@asynccontextmanager
async def room(
    folder: Path, clock: FakeClock, hand: Hand, *, player: Sequence[str] = (), crash: bool = False
) -> AsyncIterator[Room]:
    async with core(folder / "store", clock, devices=DEVICES, escalation={}, crash=crash) as made:
        commanding = Commanding(DEVICES, SHELF, {"field": hand}, made.intake.judge)
        sounder = Sounder(
            SIREN, player, lambda _alarms: [folder / "siren.wav"],
            commanding=commanding, intake=made.intake, clock=clock,
        )  # fmt: skip
        watched = [False]
        guard = GuardRoom(made.intake, sounder, Presence(clock), clock, lambda: watched[0])
        task = asyncio.create_task(guard.run())
        await made.turn()
        try:
            yield Room(made, clock, hand, guard, watched)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_press_that_nobody_shows_sounds_and_a_closing_ends_it_with_records_of_both(
    tmp_path: Path,
) -> None:
    async with room(tmp_path, FakeClock(), Hand()) as here:
        alarm_id = await here.press()
        here.pass_time(2.9)
        await here.core.turn()
        assert here.hand.told == []
        here.pass_time(0.2)
        await here.told("on")
        book = here.core.intake.judge.book
        await here.core.intake.command(
            lambda ledger: book.close(ledger, alarm_id, who="王", disposition="test")
        )
        here.room.look()
        await here.told("on", "off")
        notes = [one["data"]["attributes"] for one in here.core.bodies("event.recorded")]
        assert [(note["command"], note.get("cause")) for note in notes] == [
            ("on", alarm_id),
            ("off", None),
        ]


async def test_duress_never_sounds_is_never_shown_and_leaves_no_entry(tmp_path: Path) -> None:
    async with room(tmp_path, FakeClock(), Hand()) as here:
        alarm_id = await here.press("btn-3")
        await here.room.shown(WANG, "session x", [alarm_id], sounding=True, counts=True)
        here.pass_time(10)
        await here.press("btn-1")
        here.pass_time(4)
        await here.told("on")
        assert await here.entries() == []


async def test_what_a_console_shows_is_in_the_trail_once_however_often_it_is_said(
    tmp_path: Path,
) -> None:
    async with room(tmp_path, FakeClock(), Hand()) as here:
        alarm_id = await here.press()
        for _ in range(3):
            await here.room.shown(
                WANG, "session x", [alarm_id, alarm_id, "0197-gone"], sounding=True, counts=True
            )
        assert await here.entries() == [("alarm.shown", alarm_id, "王老师", told("session x"))]
        here.pass_time(4)
        await here.room.shown(WANG, "session x", [alarm_id], sounding=False, counts=True)
        here.pass_time(0.1)
        await here.told("on")
        assert len(await here.entries()) == 2


async def test_a_bureau_that_looks_on_is_written_down_and_silences_nothing(tmp_path: Path) -> None:
    async with room(tmp_path, FakeClock(), Hand()) as here:
        alarm_id = await here.press()
        await here.room.shown(BUREAU, "session y", [alarm_id], sounding=True, counts=False)
        assert await here.entries() == [("alarm.shown", alarm_id, "教育局", told("session y"))]
        here.pass_time(4)
        await here.told("on")


async def test_a_siren_that_does_not_obey_is_told_again_is_a_fault_and_ends_it_by_obeying(
    tmp_path: Path,
) -> None:
    hand = Hand()
    hand.outcome = Outcome("failed", "没有应答 / no answer")
    async with room(tmp_path, FakeClock(), hand) as here:
        await here.press()
        here.pass_time(4)
        await here.until(lambda: here.faults() == ["siren"], "the fault")
        hand.outcome = Outcome("done", "")
        await here.until(lambda: here.faults() == [], "the end of the fault")


async def test_a_driver_that_breaks_or_hangs_harms_nobody(tmp_path: Path) -> None:
    hand = Hand()
    hand.outcome = RuntimeError("a driver's bug")
    async with room(tmp_path, FakeClock(), hand) as here:
        await here.press()
        here.pass_time(4)
        await here.until(lambda: here.faults() == ["siren"], "the fault")


async def test_a_siren_whose_device_was_taken_away_is_a_fault_and_no_crash(tmp_path: Path) -> None:
    async with room(tmp_path, FakeClock(), Hand()) as here:
        here.room._sounder._commanding.devices.pop("siren-1")
        await here.press()
        here.pass_time(4)
        await here.until(lambda: here.faults() == ["siren"], "the fault")


async def test_killed_before_it_was_told_off_it_is_told_at_the_next_start(tmp_path: Path) -> None:
    clock = FakeClock()
    async with room(tmp_path, clock, Hand()) as here:
        await here.press()
        here.pass_time(4)
        await here.told("on")
        assert here.core.intake.judge.recall("siren-1", MARK) == "on"
        here.hand.gate.clear()
        alarm = here.core.intake.judge.book.open_at("btn-1", "button")
        assert alarm is not None
        await here.core.intake.command(
            lambda ledger: here.core.intake.judge.book.close(
                ledger, alarm.alarm_id, who="王", disposition="test"
            )
        )
        here.room.look()
        await here.hand.until(2)  # off is on its way when the process dies
    async with room(tmp_path, clock, Hand()) as here:
        await here.told("off")
    async with room(tmp_path, clock, Hand()) as here:
        await here.press("btn-2")
        here.pass_time(4)
        await here.told("on")


async def test_after_a_restart_what_is_open_sounds_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with room(tmp_path, clock, Hand(), crash=True) as here:
        alarm_id = await here.press()
        await here.room.shown(WANG, "session x", [alarm_id], sounding=True, counts=True)
    async with room(tmp_path, clock, Hand()) as here:
        here.pass_time(4)
        await here.told("on")


async def test_no_console_for_a_minute_is_a_fault_only_where_somebody_watches(
    tmp_path: Path,
) -> None:
    async with room(tmp_path, FakeClock(), Hand()) as here:
        here.pass_time(1000)
        await here.core.turn()
        assert here.faults() == []
        here.watched[0] = True
        with here.room.presence.reading("session x", is_person=True):
            here.pass_time(NONE_S + 1)
            await here.core.turn()
            assert here.faults() == []
        here.pass_time(NONE_S - 1)
        await here.core.turn()
        assert here.faults() == []
        here.pass_time(10)
        await here.core.turn()
        assert here.faults() == ["console.none"]
        with here.room.presence.reading("session x", is_person=True):
            here.room.look()
            await here.core.turn()
            assert here.faults() == []
            here.room.presence.said("session x", sounding=False)
            here.pass_time(NONE_S + 1)
            await here.core.turn()
            assert here.faults() == ["console.none"]


async def test_a_player_gets_the_file_and_no_secret_and_its_failure_is_a_fault(
    tmp_path: Path, monkeypatch: object
) -> None:
    seen = tmp_path / "seen"
    code = (
        "import os, sys;"
        "secret = os.environ.get('CAMPUS_SECRET', '-');"
        f"open({str(seen)!r}, 'a').write(sys.argv[-1] + ' ' + secret + chr(10));"
        "sys.stderr.write('no such sound card' * 1000); sys.exit(3)"
    )
    monkeypatch.setenv("CAMPUS_SECRET", "s3cret")  # type: ignore[attr-defined]
    async with room(tmp_path, FakeClock(), Hand(), player=(sys.executable, "-c", code)) as here:
        await here.press()
        here.pass_time(4)
        await here.until(lambda: "siren.player" in here.faults(), "the fault")
        assert set(seen.read_text().splitlines()) == {f"{tmp_path / 'siren.wav'} -"}
        alarm = here.core.intake.judge.book.open_at("gw-1", "siren.player")
        assert alarm is not None
        assert "no such sound card" in str(alarm.attributes["why"])
        assert here.hand.told  # the relay did not wait for it
