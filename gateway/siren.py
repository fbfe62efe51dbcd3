"""Siren: what the gateway sounds by itself, a device's command and a player of its own.

Owns    whether the siren is on, the player's child process, the faults `siren` and `siren.player`.
Needs   commanding.py for the device, the intake for records, faults and a mark across restarts.
Keeps   1. Both begin as soon as they are wanted, neither waits for the other, nor for a disk.
        2. What does not obey is told again, AGAIN_S apart, for as long as it is wanted; twice in a
           row is a fault until it obeys.
        3. A siren that was on when the process died is told off at the next start unless an alarm
           still calls: the mark says so.
        4. A player is one child at a time, in a session of its own, with no shell, no secret in
           its environment and PLAY_MOST_S to end; it is killed as soon as nothing calls.
        5. Another siren or player is taken up at once, also amid an alarm; the one before is told
           off, at most OFF_TRIES times, and what it did not obey stays a fault.
Bound   TELL_S for one command, a repetition each REFRESH_S (a relay that lost its power), a record
        of an unchanged failure each REPEAT_S.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.commanding import Commanding
from gateway.config import Siren
from gateway.driver import Outcome
from gateway.intake import Intake
from gateway.rules.ledger import Ledger
from gateway.words import Said

TELL_S: Final = 10.0
AGAIN_S: Final = 1.0
AGAIN_MOST_S: Final = 30.0
REFRESH_S: Final = 30.0
REPEAT_S: Final = 60.0
PLAY_MOST_S: Final = 30.0
PAUSE_S: Final = 0.5
SAID_BYTES: Final = 300
FAILED: Final = 2
OFF_TRIES: Final = 3
MARK: Final = "siren"
PASSED_ON: Final = ("PATH", "HOME", "LANG", "XDG_RUNTIME_DIR", "PULSE_SERVER", "PIPEWIRE_REMOTE")
"""What of our environment a player gets: it may hold secrets otherwise."""
OBEYED: Final = frozenset({"done", "sent"})

log = structlog.get_logger()


class Sounder:
    """See the module.

    files  which WAV files to play for these alarms, one after the other; called in a thread
    """

    def __init__(
        self,
        siren: Siren | None,
        player: Sequence[str],
        files: Callable[[Sequence[str]], Sequence[Path]],
        *,
        commanding: Commanding,
        intake: Intake,
        clock: Clock,
    ) -> None:
        self._siren = siren
        self._player = tuple(player)
        self._files = files
        self._commanding = commanding
        self._intake = intake
        self._clock = clock
        self._calling: tuple[str, ...] = ()
        self._changed = asyncio.Event()
        self._told: tuple[str, int] = ("", 0)
        self._other = asyncio.Event()

    @property
    def is_there(self) -> bool:
        """Whether there is anything to sound with."""
        return self._siren is not None or bool(self._player)

    def sound(self, alarms: Sequence[str]) -> None:
        """Sound for these alarms from now on; for none: be silent."""
        if tuple(alarms) == self._calling:
            return
        if bool(alarms) is not bool(self._calling):
            log.warning("the guard room's siren", sounds=bool(alarms), alarms=list(alarms)[:8])
        self._calling = tuple(alarms)
        self._changed.set()
        self._changed = asyncio.Event()

    def change(self, siren: Siren | None, player: Sequence[str]) -> None:
        """Sound with these from now on."""
        if (siren, tuple(player)) != (self._siren, self._player):
            self._siren, self._player = siren, tuple(player)
            self._other.set()

    async def run(self) -> None:
        """Do what is wanted, for ever."""
        while True:
            self._other.clear()
            siren = self._siren
            async with asyncio.TaskGroup() as group:
                tasks = []
                if siren is None:
                    self._fault("siren", None, active=False)
                else:
                    tasks.append(group.create_task(self._tell(siren)))
                if self._player:
                    tasks.append(group.create_task(self._play()))
                else:
                    self._fault("siren.player", None, active=False)
                await self._other.wait()
                for task in tasks:
                    task.cancel()
            if siren is not None and siren != self._siren:
                await self._silence(siren)

    async def _silence(self, siren: Siren) -> None:
        """Tell a siren off that is the guard room's no more; what replaces it waits for that."""
        if self._intake.judge.recall(siren.device, MARK) != "on":
            return
        for attempt in range(OFF_TRIES):
            outcome = await self._command(siren.device, siren.off)
            if outcome.state in OBEYED:
                self._remember(siren, "off")
                return
            if attempt + 1 < OFF_TRIES:
                await self._clock.sleep(AGAIN_S)
        self._note(siren, siren.off, outcome)
        log.error("the siren before did not obey", device=siren.device, why=outcome.why)

    def _fault(self, key: str, said: Said | None, *, active: bool, why: str = "") -> None:
        self._intake.fault(key, said, active=active, attributes={"why": why} if why else {})

    # The device.

    async def _tell(self, siren: Siren) -> None:
        """Bring the siren to what is wanted."""
        judge = self._intake.judge
        is_on = None if judge.recall(siren.device, MARK) == "on" else False
        failures = 0
        while True:
            changed, wanted = self._changed, bool(self._calling)
            if is_on is wanted and not wanted:
                await changed.wait()
                continue
            if is_on is wanted and await _within(changed, REFRESH_S):
                continue
            is_news = is_on is not wanted
            if wanted and is_news:
                self._remember(siren, "on")
            outcome = await self._command(siren.device, siren.on if wanted else siren.off)
            if outcome.state in OBEYED:
                is_on, failures = wanted, 0
                self._fault("siren", None, active=False)
                if not wanted:
                    self._remember(siren, "off")
            else:
                is_on, failures = None, failures + 1
            if failures == FAILED:
                self._fault(
                    "siren",
                    Said(
                        "警号不听命令，报警时可能不响：检查它的模块和接线",
                        "the siren does not obey and may stay silent: look at its module and wires",
                    ),
                    active=True,
                    why=outcome.why,
                )
            if is_news or failures:
                self._note(siren, siren.on if wanted else siren.off, outcome)
            if failures:
                await _within(changed, min(AGAIN_S * 2 ** min(failures - 1, 8), AGAIN_MOST_S))

    async def _command(self, device: str, name: str) -> Outcome:
        if device not in self._commanding.devices:  # taken away while we run
            return Outcome("failed", f"没有设备 {device} / there is no such device any more")
        try:
            async with asyncio.timeout(TELL_S):
                return await self._commanding.tell(device, name)
        except TimeoutError:
            return Outcome("failed", f"{TELL_S:.0f} 秒内没有结果 / no outcome within that time")

    def _remember(self, siren: Siren, state: str) -> None:
        self._intake.post(lambda ledger: self._intake.judge.keep(siren.device, MARK, state, ledger))

    def _note(self, siren: Siren, name: str, outcome: Outcome) -> None:
        """Write the record of a command; of an unchanged failure not each time."""
        said, now = f"{name} {outcome.state}", self._clock.mono_ns()
        if self._told[0] == said and now - self._told[1] < REPEAT_S * 1e9:
            return
        self._told = (said, now)
        cause = self._calling[0] if self._calling else None

        def work(ledger: Ledger) -> None:
            attributes = {"by": "gateway", "reason": "siren", "cause": cause}
            self._commanding.note(
                ledger, siren.device, name, (outcome.state, outcome.why), attributes=attributes
            )

        self._intake.post(work)

    # The player.

    async def _play(self) -> None:
        """Play for as long as anything calls."""
        failures = 0
        while True:
            changed = self._changed
            if not self._calling:
                await changed.wait()
                continue
            why = await self._round()
            failures = 0 if why is None else failures + 1
            if why is None:
                self._fault("siren.player", None, active=False)
            elif failures == FAILED:
                self._fault(
                    "siren.player",
                    Said(
                        "本机喇叭放不出声音：检查音箱和喇叭设置",
                        "this machine cannot play a sound: look at its loudspeaker and at player",
                    ),
                    active=True,
                    why=why,
                )
            if self._calling:
                pause = PAUSE_S if why is None else min(AGAIN_S * failures, AGAIN_MOST_S)
                await _within(self._changed, pause)

    async def _round(self) -> str | None:
        """Play every file once; returns why one could not be played, None when all were."""
        try:
            files = await asyncio.to_thread(self._files, self._calling)
        except OSError as error:
            return f"{error.filename}: {error.strerror}"
        for file in files:
            why = await self._one(file)
            if why is not None or not self._calling:
                return why
        return None

    async def _one(self, file: Path) -> str | None:
        try:
            child = await asyncio.create_subprocess_exec(
                *self._player,
                str(file),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            )
        except OSError as error:
            return f"{self._player[0]}: {error.strerror}"
        said = bytearray()
        try:
            async with asyncio.timeout(PLAY_MOST_S), asyncio.TaskGroup() as group:
                reading = group.create_task(_read(child, said))
                while self._calling and not reading.done():
                    quiet = group.create_task(self._changed.wait())
                    await asyncio.wait({reading, quiet}, return_when=asyncio.FIRST_COMPLETED)
                    quiet.cancel()
                reading.cancel()
        except TimeoutError:
            return f"{PLAY_MOST_S:.0f} 秒没有放完 / it did not end within that time"
        finally:
            _kill(child)
            code = await child.wait()
        if not self._calling or code == 0:
            return None
        return f"{self._player[0]}: {code} {said.decode(errors='replace').strip()}"[:SAID_BYTES]


async def _read(child: asyncio.subprocess.Process, said: bytearray) -> None:
    """Read what a child complains of until it ends; the rest of an essay is read and dropped."""
    assert child.stderr is not None  # noqa: S101 a pipe was asked for
    while piece := await child.stderr.read(4096):
        said += piece[: SAID_BYTES - len(said)]
    await child.wait()


def _kill(child: asyncio.subprocess.Process) -> None:
    """End a child and what it began, if it has not ended by itself."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event; returns whether it came in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
