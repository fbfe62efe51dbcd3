"""The reception: all that people and machines meet at the console, put together and served.

Owns    tokens and sign-on books, the guard room, playback, the routes of the API and the page, and
        the gateway's own certificate.
Needs   the desk and the parts behind it, which the house builds.
Keeps   Its parts run under names of their own: one that fails is begun again by itself.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from gateway.clock import SystemClock
from gateway.commanding import Commanding
from gateway.config import Config
from gateway.console.api import build_app
from gateway.console.certificate import Own, OwnCertificate
from gateway.console.charts import ChartRoutes
from gateway.console.discreet import Boards
from gateway.console.evidence import EvidenceRoutes
from gateway.console.guard import GuardRoutes
from gateway.console.holders import SignOnBooks
from gateway.console.install import InstallRoutes
from gateway.console.page import Site as ConsoleSite
from gateway.console.plans import PlanRoutes
from gateway.console.presence import Presence
from gateway.console.server import ServerSettings, serve
from gateway.console.speech import SpeechRoutes
from gateway.console.tokens import TokenBook
from gateway.desk import FrontDesk
from gateway.exports import HouseExports
from gateway.guardroom import GuardRoom
from gateway.handling import Handling
from gateway.installing import Installing
from gateway.intake import Intake
from gateway.metrics import Metrics
from gateway.recordings import Recordings
from gateway.siren import Sounder
from gateway.speech import Sounds
from gateway.store import Store
from gateway.views import open_views

Keep = Callable[[str, Callable[[], Any]], Coroutine[Any, Any, None]]
"""Runs a part under a name until cancelled, again when it fails (gateway/supervise.py)."""

log = structlog.get_logger()


class Reception:
    """See the module.

    commanding  sounds the siren · recordings  what consoles are told about video
    """

    def __init__(  # noqa: PLR0913 what people meet comes from everywhere in the house
        self,
        config: Config,
        *,
        store: Store,
        intake: Intake,
        desk: FrontDesk,
        handling: Handling,
        installing: Installing,
        commanding: Commanding,
        recordings: Recordings,
        metrics: Metrics,
        clock: SystemClock,
    ) -> None:
        self._config = config
        self._store = store
        self._intake = intake
        self._desk = desk
        self._handling = handling
        self._installing = installing
        self._metrics = metrics
        self._clock = clock
        self._tokens = TokenBook(config.store.path / "tokens.json", clock)
        self._books = SignOnBooks.in_folder(
            config.store.path, clock, is_behind_proxy=config.console.behind_proxy
        )
        self._sounder = self._sounds(commanding)
        self.guardroom = self._guardroom()
        self._shown = _shown(config)
        self._taken = config
        self._boards: Boards | None = None
        self._playback, self._views = open_views(config, intake.audit, recordings.report, clock)

    def change(self, config: Config) -> None:
        """Take up the telephone numbers, the plans, the siren and the player; nothing else."""
        is_other = (config.contacts, config.plans) != (self._taken.contacts, self._taken.plans)
        self._handling.change(config.plans)
        self._sounder.change(config.console.siren, config.console.player)
        self._shown["phones"][:] = _shown(config)["phones"]  # the boards hold this very list
        self._taken = config
        if is_other and self._boards is not None:
            self._boards.begin_anew()

    def _sounds(self, commanding: Commanding) -> Sounder:
        console = self._config.console
        sounds = Sounds(self._config.store.path, self._intake.judge.book)
        return Sounder(
            console.siren,
            console.player,
            sounds.files,
            commanding=commanding,
            intake=self._intake,
            clock=self._clock,
        )

    def _guardroom(self) -> GuardRoom:
        console = self._config.console
        room = GuardRoom(
            self._intake,
            self._sounder,
            Presence(self._clock),
            self._clock,
            lambda: console.watched or bool(self._books.people.list()),
        )
        room.gauges(self._metrics)
        return room

    async def run(self, keep: Keep, listens: Callable[[int], None]) -> None:
        """Serve until cancelled; `listens` hears the port, each time it is opened."""
        console = self._config.console
        site = self._config.site
        app = build_app(
            self._desk,
            self._tokens,
            self._metrics.registry,
            discreet_metrics=self._metrics.discreet,
            site=ConsoleSite(
                id=site.id,
                name=site.name,
                gateway=site.gateway,
                address=site.address,
                phone=site.phone,
            ),
            clock=self._clock,
            books=self._books,
            video=self._views,
            evidence=EvidenceRoutes(
                HouseExports(self._config, self._store, self._intake, self._clock)
            ),
            guard=GuardRoutes(self.guardroom, self._handling),
            shown=self._shown,
            more=(
                SpeechRoutes(self._config.store.path),
                PlanRoutes(
                    self._desk,
                    self._config.store.path / "plans",
                    [camera.id for camera in self._config.cameras],
                ),
                ChartRoutes(self._desk, self._config.store.path),
                InstallRoutes(self._installing),
            ),
        )
        self._boards = app.state.board
        certificate = OwnCertificate(self._config.store.path, self._clock, console.host)

        def told(own: Own) -> None:
            self._books.fingerprint = own.fingerprint
            self._books.say(f"  控制台证书指纹 console's certificate, SHA-256\n  {own.fingerprint}")

        def started(port: int) -> None:
            listens(port)
            log.info("console listens", host=console.host, port=port)

        async def part() -> None:
            cert, key = console.cert, console.key
            if console.has_own_certificate:
                own = await asyncio.to_thread(certificate.ready)
                told(own)
                cert, key = own.cert, own.key
            settings = ServerSettings(
                host=console.host,
                port=console.port,
                cert=cert,
                key=key,
                plain_allowed=console.behind_proxy,
            )
            await serve(app, settings, started)

        async def renewing() -> None:
            await certificate.watch(lambda: getattr(app.state, "tls", None), told)

        async with asyncio.TaskGroup() as group:
            if console.has_own_certificate:
                group.create_task(keep("certificate", renewing))
            group.create_task(keep("board", app.state.board.run))
            group.create_task(keep("sign_on", app.state.sign_on.run))
            group.create_task(keep("console", part))

    async def end(self) -> None:
        """Let go of files and threads that showed video."""
        await self._playback.end()


def _shown(config: Config) -> dict[str, list[dict[str, str]]]:
    """What consoles show besides rows."""
    cameras = config.cameras if config.volumes else ()
    return {
        "phones": [
            {"name": each.name, "number": each.number, "role": each.role}
            for each in config.contacts
        ],
        "cameras": [{"id": each.id, "name": each.name, "place": each.place} for each in cameras],
    }
