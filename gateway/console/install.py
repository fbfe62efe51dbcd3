"""/api/v1/install/…: what installers do. Everything here needs Right.INSTALL.

Owns    the routes; what is asked is in install_asked.py, what is answered in install_answers.py.
Needs   an Installation, which does it.
Keeps   1. Every change, reload, search and trial is in the audit trail, with who and why.
        2. A change names the version it was made from; 409 says that the files are others now.
Bound   a body MAX_BODY_BYTES (the gate); one change judged at a time, one search.
"""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from fastapi import FastAPI, Query, Request
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from gateway.audit import Entry
from gateway.config.edit import Change
from gateway.console.gate import peer
from gateway.console.install_answers import as_json, proposed, refusing
from gateway.console.install_asked import (
    ApplyBody,
    ChangeBody,
    Installation,
    ReasonBody,
    SearchBody,
    UndoBody,
)
from gateway.console.rights import Right, needs
from gateway.console.tokens import Identity
from gateway.store import rfc3339

ROOT: Final = "/api/v1/install"
Installer = Annotated[Identity, needs(Right.INSTALL)]
Changer = Annotated[Identity, needs(Right.INSTALL, asks_pin=True)]
DeviceId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ProfileId = Annotated[str, PathParameter(pattern=r"^[a-z0-9_]{1,64}(/[a-z0-9_.-]{1,64}){1,3}$")]
Kind = Annotated[Literal["device", "link", "camera", "contact", "console"], Query()]
After = Annotated[int, Query(ge=0, le=2**53, description="ms since 1970, of the gateway's clock")]
TableKind = Annotated[Literal["link", "camera", "contact", "console"], PathParameter()]


class InstallAnswer(BaseModel):
    """An object; the page's own files say what is in it."""

    model_config = ConfigDict(extra="allow")


class InstallRoutes:
    """See the module."""

    def __init__(self, house: Installation) -> None:
        self._house = house
        self._judging = asyncio.Lock()  # so that the threads everybody shares are not all busy

    def join(self, app: FastAPI) -> None:
        """Add the routes."""
        for path, endpoint, method in (
            ("/config", self.config, "GET"),
            ("/config/check", self.check, "POST"),
            ("/config/apply", self.apply, "POST"),
            ("/config/undo", self.undo, "POST"),
            ("/config/undo/{number}", self.undoing, "GET"),
            ("/reload", self.reload, "POST"),
            ("/devices/{device_id}", self.device, "GET"),
            ("/table", self.table, "GET"),
            ("/forms/{kind}", self.form_of, "GET"),
            ("/devices/{device_id}/live", self.live, "GET"),
            ("/profiles", self.profiles, "GET"),
            ("/profiles/{profile_id:path}", self.form, "GET"),
            ("/topics", self.topics, "GET"),
            ("/try", self.trial, "POST"),
            ("/search", self.search, "POST"),
            ("/search", self.progress, "GET"),
            ("/search", self.cancel, "DELETE"),
        ):
            app.add_api_route(
                f"{ROOT}{path}",
                endpoint,
                methods=[method],
                response_model=None,
                responses={200: {"model": InstallAnswer}},
            )

    # The files.

    async def config(self, _who: Installer) -> Response:
        """The device files, their version, and the last changes with who and why."""
        with refusing():
            moment = await self._house.moment()
            kept = await self._house.history()
        changes = [
            {
                "number": one.number, "file": one.file, "at": rfc3339(one.at_ns),
                "who": one.who, "reason": one.why, "what": one.what,
            }
            for one in kept
        ]  # fmt: skip
        return as_json({**asdict(moment), "changes": changes})

    async def check(self, body: ChangeBody, _who: Installer) -> Response:
        """What a change would do: the difference, and every fault `check` would find."""
        with refusing():
            return as_json(await self._judged(body.change()))

    async def apply(self, body: ApplyBody, request: Request, who: Changer) -> Response:
        """Make a change: on disk first, then taken up by what runs."""
        return await self._make(body.change.change(), body, request, who)

    async def undoing(
        self, number: Annotated[int, PathParameter(ge=1, le=999_999)], _who: Installer
    ) -> Response:
        """What putting a kept copy back would do."""
        with refusing():
            return as_json(await self._judged(await self._house.undoing(number)))

    async def undo(self, body: UndoBody, request: Request, who: Changer) -> Response:
        """Put a file back to what it held before a change."""
        with refusing():
            change = await self._house.undoing(body.number)
        return await self._make(change, body, request, who, undone=body.number)

    async def _judged(self, change: Change) -> dict[str, Any]:
        async with self._judging:
            return proposed(await self._house.propose(change))

    async def _make(
        self,
        change: Change,
        asked: ApplyBody | UndoBody,
        request: Request,
        who: Identity,
        *,
        undone: int | None = None,
    ) -> Response:
        reason = asked.reason
        with refusing():
            async with self._judging:
                proposal, kept = await self._house.apply(
                    change, version=asked.version, who=who.name, why=reason
                )
            name = kept.what if undone is None else f"undo {undone}"
            action = "config.apply" if undone is None else "config.undo"
            await self._note(
                request, who, action, name, reason, file=proposal.file, number=kept.number
            )
            outcome = await self._house.reload()
        row = proposed(proposal)
        return as_json({**row, "number": kept.number, "outcome": asdict(outcome)})

    async def reload(self, body: ReasonBody, request: Request, who: Changer) -> Response:
        """Take up what somebody changed in the files by hand."""
        with refusing():
            await self._note(request, who, "config.reload", "config", body.reason)
            return as_json({"outcome": asdict(await self._house.reload())})

    async def device(self, device_id: DeviceId, _who: Installer) -> Response:
        """A device's table as it is written, and in which file."""
        with refusing():
            file, table = await self._house.table("device", device_id)
        return as_json({"file": file, "table": table})

    async def table(
        self, kind: Kind, _who: Installer, name: Annotated[str, Query(max_length=64)] = ""
    ) -> Response:
        """A link's, a camera's or a contact's table as it is written, and in which file."""
        with refusing():
            file, table = await self._house.table(kind, name)
        return as_json({"file": file, "table": table})

    # Models, and what devices say.

    async def profiles(
        self,
        _who: Installer,
        words: Annotated[str, Query(max_length=100)] = "",
        driver: Annotated[Literal["mqtt", "modbus", "onvif"] | None, Query()] = None,
    ) -> Response:
        """Models whose name holds every word."""
        return as_json({"profiles": await self._house.profiles(words, driver)})

    async def form(self, profile_id: ProfileId, _who: Installer) -> Response:
        """A model, and the fields its address section asks for."""
        with refusing():
            return as_json(await self._house.form(profile_id))

    async def form_of(self, kind: TableKind, _who: Installer) -> Response:
        """The fields to ask for of a table of gateway.toml; `secret`: a password goes with it."""
        return as_json(await self._house.form_of(kind))

    async def topics(self, _who: Installer) -> Response:
        """Topics of no device that were heard of lately; a search hears of all of them."""
        return as_json({"topics": await self._house.topics()})

    async def live(self, device_id: DeviceId, _who: Installer, after: After = 0) -> Response:
        """Registers as they came and what is made of them; for MQTT the device's topics.

        `trace` has a sample a second of its numbers, from five minutes ago at most, behind `after`.
        """
        with refusing():
            return as_json(await self._house.live(device_id, after))

    async def trial(self, body: ChangeBody, request: Request, who: Installer) -> Response:
        """What a device would be if it were saved: its last message decoded, or its registers."""
        with refusing():
            await self._note(request, who, "install.try", body.device or "", "")
            async with self._judging:
                proposal, found = await self._house.trial(body.change())
        return as_json({**proposed(proposal), "found": found})

    async def search(self, body: SearchBody, request: Request, who: Installer) -> Response:
        """Begin to look for devices. Reads only, at a pace; one at a time."""
        with refusing():
            where = body.link or body.url or body.address or ""
            subject = f"{body.what} {body.device or where}"
            await self._note(request, who, "install.search", subject, "")
            return as_json(await self._house.search(body), 202)

    async def progress(
        self, _who: Installer, after: Annotated[int, Query(ge=0, le=10_000)] = 0
    ) -> Response:
        """What the search has said behind line `after`; waits up to 5 s for more."""
        with refusing():
            return as_json(await self._house.progress(after))

    async def cancel(self, request: Request, who: Installer) -> Response:
        """End the search that runs."""
        with refusing():
            found = await self._house.cancel()
            await self._note(request, who, "install.cancel", "search", "")
            return as_json(found)

    async def _note(
        self,
        request: Request,
        who: Identity,
        action: str,
        subject: str,
        reason: str,
        **details: str | int,
    ) -> None:
        await self._house.audit(
            Entry(
                who=who.name,
                role=str(who.role),
                from_address=peer(request),
                action=action,
                subject=subject,
                reason=reason,
                details=details,
            )
        )
