"""Reload: the house takes up another configuration while it runs; what is as it was goes on.

Owns    the order in which the parts learn of it, and what cannot be had without beginning anew.
Needs   the intake, sources, commanding, desk; gateway.config for reading and comparing.
Keeps   1. A configuration with a fault changes nothing (promise 11).
        2. No alarm is dropped: new devices are known to the judge before anything can come from
           them; gone ones until everything that was read of them has been judged and committed.
        3. A driver that can change takes its new devices without letting go of the link; any other
           is ended and begun again, alone. What was not acknowledged is sent or read again.
        4. What no running part can take up (receivers, routes, interlocks, site …) has the house
           begin anew inside the process: links stop first, what is in line is committed, and
           senders keep what was not acknowledged. Alarms of removed devices stay open until a
           person closes them.
        5. One at a time; the newest files are read when it is its turn.
Bound   ASKED_MOST wait for their turn; DRIVER_S for the drivers to take it, then the house begins
        anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import structlog

from gateway import requests
from gateway.clock import Clock
from gateway.commanding import Commanding
from gateway.config import Config, load_config
from gateway.desk import FrontDesk
from gateway.errors import ConfigError, GatewayError
from gateway.events import Device
from gateway.intake import Intake
from gateway.sources import Sources

DRIVER_S: Final = 60.0
ASKED_MOST: Final = 16
IN_PLACE: Final = frozenset({"folder", "devices", "links", "embedded", "shelf", "unverified"})
"""What running parts take up."""
BESIDE: Final = frozenset({"contacts", "plans", "siren", "player"})
"""What the guard room takes up, and people are told so."""
VIDEO: Final = frozenset({"cameras", "volumes", "video"})
"""What the video process reads for itself."""
BY_HAND: Final = frozenset({"store", "log"})
"""What only a start of the service takes up."""

log = structlog.get_logger()


class NotTaken(GatewayError):
    """A running part did not take the change within its time; the house begins anew with it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    added, removed, changed  ids of devices · links  begun again, alone
    anew     tables of gateway.toml for which the house begins anew, in a moment
    by_hand  tables for which the service must be started again by a person
    video    what the video process was told, or why not; "" when nothing of it changed
    taken    what the guard room took up: contacts, plans, siren, player
    new_links  links that were not there before
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    anew: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    video: str = ""
    taken: tuple[str, ...] = ()
    new_links: tuple[str, ...] = ()


class Reload:
    """See the module.

    anew   has the house begin anew with a configuration, soon after it returns
    beside  gives the guard room what no driver needs: telephone numbers, plans, siren, player
    video  tells the video process to read its configuration; returns a sentence
    """

    def __init__(
        self,
        config: Config,
        intake: Intake,
        sources: Sources,
        commanding: Commanding,
        desk: FrontDesk,
        *,
        anew: Callable[[Config], None],
        beside: Callable[[Config], None],
        video: Callable[[], Awaitable[str]],
    ) -> None:
        self.config = config
        self._intake = intake
        self._sources = sources
        self._commanding = commanding
        self._desk = desk
        self._anew = anew
        self._beside = beside
        self._video = video
        self._asked: list[asyncio.Future[Outcome]] = []
        self._wake = asyncio.Event()

    async def ask(self) -> Outcome:
        """Take up what the files say now. Raises ConfigError: nothing was changed.

        Whoever asks while one is under way waits for the next, which does for all of them. Who
        goes away meanwhile leaves it to be finished: half a change never stays.
        """
        if len(self._asked) >= ASKED_MOST:
            raise NotTaken("too many ask at once; try again")
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self._wake.set()
        return await answer

    async def run(self) -> None:
        """Do what is asked, one after another, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            asked, self._asked = self._asked, []
            try:
                outcome = await self._take(await asyncio.to_thread(_plan, self.config))
            except BaseException as error:
                told = error if isinstance(error, GatewayError) else NotTaken(repr(error))
                for answer in asked:
                    if not answer.done():
                        answer.set_exception(told)
                if not isinstance(error, ConfigError):
                    raise
            else:
                for answer in asked:
                    if not answer.done():
                        answer.set_result(outcome)

    async def _take(self, plan: "_Plan") -> Outcome:
        anew = plan.anew
        links: list[str] = []
        if not anew:
            try:
                links = await self._in_place(plan)
            except NotTaken as error:
                log.error("a part did not take the change; the house begins anew", why=str(error))
                anew = ("device",)
        said = await self._video() if plan.for_video else ""
        self.config = plan.config
        log.info(
            "configuration taken up",
            added=len(plan.added),
            removed=len(plan.removed),
            changed=len(plan.changed),
            links=links,
            anew=anew,
        )
        if anew:
            self._anew(plan.config)
        return Outcome(
            plan.added,
            plan.removed,
            plan.changed,
            tuple(links),
            anew,
            plan.by_hand,
            said,
            plan.taken,
            plan.new_links,
        )

    async def _in_place(self, plan: "_Plan") -> list[str]:
        """Keep 2: widen, hand over, drain, settle."""
        judge, config = self._intake.judge, plan.config
        await self._intake.command(lambda ledger: judge.widen(plan.fresh, ledger))
        self._commanding.change(_union(self.config.devices, config.devices), config.shelf)
        try:
            async with asyncio.timeout(DRIVER_S):
                links = await self._sources.change(config, plan.touched)
                await self._intake.emit([])  # behind everything that was read before
        except TimeoutError as error:
            raise NotTaken(f"{DRIVER_S:.0f} s") from error
        self._desk.change(config.devices)
        self._commanding.change(config.devices, config.shelf)
        await self._intake.command(lambda ledger: judge.settle(plan.fresh, plan.removed, ledger))
        self._beside(config)
        return links


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is another in a configuration than in the one that runs."""

    config: Config
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    fresh: tuple[Device, ...]
    touched: frozenset[str]
    anew: tuple[str, ...]
    taken: tuple[str, ...]
    by_hand: tuple[str, ...]
    new_links: tuple[str, ...]
    for_video: bool


def _plan(before: Config) -> _Plan:
    """Read the files and compare, in a thread. Raises ConfigError."""
    config = load_config(before.folder)
    different = {
        field.name
        for field in fields(Config)
        if field.name != "shelf" and getattr(before, field.name) != getattr(config, field.name)
    }
    was = {device.id: device for device in before.devices}
    now = {device.id: device for device in config.devices}
    profiles = {device.profile_id for device in config.devices}
    rewritten = {name for name in profiles if _body(before, name) != _body(config, name)}
    both = was.keys() & now.keys()
    changed = {name for name in both if was[name] != now[name]}
    changed |= {name for name in both if now[name].profile_id in rewritten}
    added, removed = now.keys() - was.keys(), was.keys() - now.keys()
    taken = different & BESIDE
    if "console" in different:
        # Of [console] what sounds can change while it runs; where it listens cannot.
        taken |= {key for key in ("siren", "player") if _of(before, key) != _of(config, key)}
        quiet = replace(before.console, siren=config.console.siren, player=config.console.player)
        different -= {"console"} if quiet == config.console else set()
    anew = different - IN_PLACE - BESIDE - VIDEO - BY_HAND
    guarded = {device for rule in before.interlocks for device, _ in rule.watched}
    guarded |= {rule.valve for rule in before.interlocks}
    if guarded & (changed | removed):
        anew.add("interlock")
    if different & VIDEO:
        anew.add("camera")  # timelines and playback of this process know the cameras, too
    fresh = tuple(now[name] for name in sorted(changed | added))
    touched = {device.link for device in fresh}
    touched |= {was[name].link for name in changed | removed}
    return _Plan(
        config,
        tuple(sorted(added)),
        tuple(sorted(removed)),
        tuple(sorted(changed)),
        fresh,
        frozenset(touched),
        tuple(sorted(anew)),
        tuple(sorted(taken)),
        tuple(sorted(different & BY_HAND)),
        tuple(sorted({link.name for link in config.links} - {link.name for link in before.links})),
        bool(different & VIDEO),
    )


def _of(config: Config, key: str) -> object:
    return getattr(config.console, key)


def _body(config: Config, profile_id: str) -> object:
    profile = config.shelf.get(profile_id)
    return None if profile is None else profile.body


async def tell_video(store: Path, clock: Clock) -> str:
    """Have the video process read its configuration; returns what came of it, a sentence."""
    try:
        answer = await requests.ask(store, "video", "reload", {}, clock)
    except requests.RequestError as error:
        return str(error)
    return answer.text


def _union(before: Sequence[Device], after: Sequence[Device]) -> list[Device]:
    known = {device.id: device for device in before} | {device.id: device for device in after}
    return list(known.values())
