"""What an installer does from the console, put together over the running house.

Owns    nothing: the files are the editor's, searches and trials are their own parts'.
Needs   gateway.config.edit, reload, commission. Implements Installation (console.install_asked).
Keeps   1. Nothing here writes to a device: searches and trials read.
        2. What is written is what Editor.apply() judged; whoever asks.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.audit import Entry
from gateway.clock import Clock
from gateway.commission import forms
from gateway.config import Config
from gateway.config.edit import Change, Editor, Proposal
from gateway.config.kept import Kept
from gateway.config.shapes import DEVICE, MAIN, SHAPES
from gateway.console.install_asked import Moment, NotThere, SearchBody
from gateway.driver import Driver
from gateway.installing.looking import Looking
from gateway.installing.searching import Searching
from gateway.intake import Intake
from gateway.reload import Outcome, Reload


class Installing:
    """See the module."""

    def __init__(
        self, reload: Reload, drivers: Mapping[str, Driver], intake: Intake, clock: Clock
    ) -> None:
        self._reload = reload
        self._intake = intake
        config = reload.config
        self._editor = Editor(config.folder, config.store.path, clock)
        self._looking = Looking(self._now, self._editor, drivers, intake, clock)
        self._searching = Searching(self._now, self._looking, drivers, clock)

    def _now(self) -> Config:
        return self._reload.config

    async def audit(self, entry: Entry) -> int:
        """See Installation."""
        return await self._intake.audit(entry)

    # The files.

    async def moment(self) -> Moment:
        """See Installation."""
        return await asyncio.to_thread(self._moment)

    def _moment(self) -> Moment:
        config, current = self._now(), self._editor.current()
        console = self._editor.table("console", "")
        return Moment(
            version=current.version,
            # gateway.toml is changed table by table: its text is for those who have an account.
            files={name: text for name, text in current.files.items() if name != MAIN},
            writable=self._editor.writable(),
            links=[{"name": link.name, "kind": link.kind} for link in config.links],
            cameras=[camera.id for camera in config.cameras],
            contacts=[contact.name for contact in config.contacts],
            console={} if console is None else console[1],
            plans={str(kind): plan.zh for kind, plan in config.plans.items()},
            kinds=[kind for kind in SHAPES if self._editor.writable(kind)],
            plans_writable=self._editor.writable("plan"),
        )

    async def history(self) -> Sequence[Kept]:
        """See Installation."""
        return await asyncio.to_thread(self._editor.history)

    async def table(self, kind: str, name: str) -> tuple[str, dict[str, Any]]:
        """See Installation."""
        found = await asyncio.to_thread(self._editor.table, kind, name)
        if found is None:
            raise NotThere(name)
        return found

    async def propose(self, change: Change) -> Proposal:
        """See Installation."""
        return await asyncio.to_thread(self._editor.propose, change)

    async def undoing(self, number: int) -> Change:
        """See Installation."""
        return await asyncio.to_thread(self._editor.undoing, number)

    async def apply(
        self, change: Change, *, version: str, who: str, why: str
    ) -> tuple[Proposal, Kept]:
        """See Installation."""
        return await asyncio.to_thread(
            self._editor.apply, change, version=version, who=who, why=why
        )

    async def reload(self) -> Outcome:
        """See Installation."""
        return await self._reload.ask()

    # Models.

    async def profiles(self, words: str, driver: str | None) -> list[dict[str, Any]]:
        """See Installation."""
        return await asyncio.to_thread(forms.found, self._now().shelf, words, driver)

    async def form(self, profile_id: str) -> dict[str, Any]:
        """See Installation."""
        profile = await asyncio.to_thread(self._now().shelf.get, profile_id)
        if profile is None:
            raise NotThere(profile_id)
        return forms.form_of(profile)

    async def form_of(self, kind: str) -> dict[str, Any]:
        """See Installation."""
        return forms.table_form(SHAPES.get(kind, DEVICE))

    # What devices say.

    async def topics(self) -> list[dict[str, Any]]:
        """See Installation."""
        return self._looking.topics()

    async def live(self, device_id: str, after_ms: int) -> dict[str, Any]:
        """See Installation."""
        return self._looking.live(device_id, after_ms)

    async def trial(self, change: Change) -> tuple[Proposal, dict[str, Any]]:
        """See Installation."""
        return await self._looking.trial(change)

    # Searches.

    async def search(self, asked: SearchBody) -> dict[str, Any]:
        """See Installation."""
        return self._searching.begin(asked)

    async def progress(self, after: int) -> dict[str, Any]:
        """See Installation."""
        return await self._searching.progress(after)

    async def cancel(self) -> dict[str, Any]:
        """See Installation."""
        return await self._searching.cancel()

    async def run(self) -> None:
        """Carry out searches, one after another, and follow what is looked at, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._searching.run())
            group.create_task(self._looking.traces.run())
