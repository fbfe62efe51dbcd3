"""/api/v1/install/…: what installers do. Everything here needs Right.INSTALL.

Owns    the routes, their bodies, and which answer goes with what became of it.
Needs   an Installation, which does it; gateway.config.edit for what may be wrong with a change.
Keeps   1. Every change, reload, search and trial is in the audit trail, with who and why.
        2. A change names the version it was made from; 409 says that the files are others now.
        3. What is refused for its content has every fault, with file and key, as `check` has.
Bound   a body MAX_BODY_BYTES (the gate); a table TABLE_CHARS, a text TABLES_MOST tables in lines of
        LINE_CHARS; one change judged at a time, one search; FAULTS_MOST faults in an answer.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, Protocol, Self

import orjson
from fastapi import FastAPI, Query, Request
from fastapi import Path as PathParameter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from gateway.audit import Entry
from gateway.config.blocks import CannotEdit
from gateway.config.edit import CannotWrite, Change, NothingToDo, Proposal, Stale
from gateway.config.kept import CannotKeep, Kept
from gateway.config.shapes import SHAPES
from gateway.console import shapes
from gateway.console.gate import peer
from gateway.console.problems import Problem
from gateway.console.rights import Right, needs
from gateway.console.tokens import Identity
from gateway.errors import ConfigError, ConfigFault, GatewayError
from gateway.store import rfc3339

ROOT: Final = "/api/v1/install"
FAULTS_MOST: Final = 200
SINCE_MOST: Final = 20
SINCE_CHARS: Final = 20_000
UNITS_MOST: Final = 256
TABLE_CHARS: Final = 16_000
LINE_CHARS: Final = 2_000
TABLES_MOST: Final = 5_000
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SPAN: Final = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
Installer = Annotated[Identity, needs(Right.INSTALL)]
Changer = Annotated[Identity, needs(Right.INSTALL, asks_pin=True)]
DeviceId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ProfileId = Annotated[str, PathParameter(pattern=r"^[a-z0-9_]{1,64}(/[a-z0-9_.-]{1,64}){1,3}$")]
Kind = Annotated[Literal["device", "link", "camera", "contact", "console"], Query()]
TableKind = Annotated[Literal["link", "camera", "contact", "console"], PathParameter()]
Reason = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(shapes.clean)]
Version = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Busy(GatewayError):
    """A search is under way; wait for it or cancel it."""


class NotThere(GatewayError):
    """What was asked for does not exist."""


class Strict(BaseModel):
    """A body: nothing is converted, nothing beside what is named."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ChangeBody(Strict):
    """What is wanted: a table, one that goes (`table` null), or a whole file.

    kind    which table: `device`, `link`, `camera`, `contact`, or `console`, which has no name and
            of which `siren` and `player` can be changed
    device  its id or name
    secret  a password for a link or camera: kept in a file, never shown again
    """

    kind: Literal["device", "link", "camera", "contact", "console"] = "device"
    device: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    table: dict[str, Any] | None = None
    new: bool = False
    file: Annotated[str, Field(max_length=128)] | None = None
    text: Annotated[str, Field(max_length=900_000)] | None = None
    secret: Annotated[str | None, Field(min_length=1, max_length=256, repr=False)] = None

    @model_validator(mode="after")
    def _name(self) -> Self:
        plain = self.kind == "contact" or self.device is None or _ID.fullmatch(self.device)
        if not plain or (self.device is not None and not self.device.isprintable()):
            raise ValueError("device: 1 to 64 letters, digits or . _ - , a letter or digit first")
        return self

    @model_validator(mode="after")
    def _small(self) -> Self:
        """Refuse what no file of a school holds, and what would take minutes to be judged."""
        try:
            size_chars = len(repr(self.table))
        except RecursionError as error:
            raise ValueError("table: too deep") from error
        if size_chars > TABLE_CHARS:
            raise ValueError(f"table: at most {TABLE_CHARS} characters")
        lines = (self.text or "").splitlines()
        if any(len(line) > LINE_CHARS for line in lines):
            raise ValueError(f"text: lines of at most {LINE_CHARS} characters")
        if sum(line.lstrip().startswith("[[") for line in lines) > TABLES_MOST:
            raise ValueError(f"text: at most {TABLES_MOST} tables")
        return self

    def change(self) -> Change:
        """Return it as the editor takes it."""
        key = SHAPES[self.kind].key
        table = self.table
        if table is not None and key:
            table = {**table, key: self.device}
        return Change(self.device, table, self.text, self.file, self.new, self.kind, self.secret)


class ApplyBody(Strict):
    """A change that was looked at, to be made."""

    change: ChangeBody
    version: Version
    reason: Reason


class UndoBody(Strict):
    """Which kept copy is to be put back."""

    number: Annotated[int, Field(ge=1, le=999_999)]
    version: Version
    reason: Reason


class ReasonBody(Strict):
    """Why."""

    reason: Reason


class SearchBody(Strict):
    """What to look for.

    modbus   `link` or `url`, `unit_numbers` like "1-32,40", `ranges` also which registers answer
    cameras  `address` asks one only
    topics   `link`, or `device` for its own topics; `seconds` to listen
    """

    what: Literal["modbus", "cameras", "topics"]
    link: Annotated[str, Field(max_length=64)] | None = None
    url: Annotated[str, Field(min_length=3, max_length=256)] | None = None
    unit_numbers: Annotated[str, Field(max_length=200)] = "1-32"
    rate_per_s: Annotated[float, Field(ge=0.2, le=20, strict=False)] | None = None
    ranges: bool = False
    address: Annotated[str, Field(max_length=256)] | None = None
    device: Annotated[str, Field(max_length=64)] | None = None
    seconds: Annotated[float, Field(ge=1, le=120, strict=False)] = 20.0

    def units(self) -> list[int]:
        """Return the unit numbers; ValueError for what are none."""
        numbers: dict[int, None] = {}
        for piece in self.unit_numbers.split(","):
            span = _SPAN.fullmatch(piece.strip())
            first, last = (int(span[1]), int(span[2] or span[1])) if span else (1, 0)
            if not 0 <= first <= last <= 255:
                raise ValueError(f"站号 unit numbers: {piece[:20]}; 1-32,40")
            numbers |= dict.fromkeys(range(first, last + 1))
        return list(numbers)[:UNITS_MOST]


class InstallAnswer(BaseModel):
    """An object; the page's own files say what is in it."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True, slots=True)
class Moment:
    """The files as they are, and what they may refer to.

    writable  whether a new device can be saved; kinds: tables of which a new one can be
    console   what sounds in the guard room · plans  titles by kind, the site's and the shipped ones
    """

    version: str
    files: Mapping[str, str]
    writable: bool
    links: Sequence[Mapping[str, str]]
    cameras: Sequence[str]
    contacts: Sequence[str]
    console: Mapping[str, Any]
    plans: Mapping[str, str]
    kinds: Sequence[str]
    plans_writable: bool


class Installation(Protocol):
    """What these routes need of the house (gateway/installing.py)."""

    async def audit(self, entry: Entry) -> int:
        """See gateway.console.desk.Desk."""

    async def moment(self) -> Moment:
        """Return the files. Raises CannotWrite."""

    async def history(self) -> Sequence[Kept]:
        """Return the copies that are kept, newest first."""

    async def table(self, kind: str, name: str) -> tuple[str, dict[str, Any]]:
        """Return the file and a table as they are written. Raises NotThere."""

    async def propose(self, change: Change) -> Proposal:
        """See Editor.propose."""

    async def undoing(self, number: int) -> Change:
        """See Editor.undoing."""

    async def apply(
        self, change: Change, *, version: str, who: str, why: str
    ) -> tuple[Proposal, Kept]:
        """See Editor.apply."""

    async def reload(self) -> Any:  # noqa: ANN401 a dataclass: gateway.reload.Outcome
        """Have the house take up the files; returns what came of it."""

    async def profiles(self, words: str, driver: str | None) -> list[dict[str, Any]]:
        """Return models to choose from."""

    async def form(self, profile_id: str) -> dict[str, Any]:
        """Return a model with the fields to ask for. Raises NotThere."""

    async def form_of(self, kind: str) -> dict[str, Any]:
        """Return the fields to ask for of a link, a camera, a contact, or of what sounds."""

    async def topics(self) -> list[dict[str, Any]]:
        """Return topics of no device that were heard of lately."""

    async def live(self, device_id: str) -> dict[str, Any]:
        """Return what a device says now. Raises NotThere."""

    async def trial(self, change: Change) -> tuple[Proposal, dict[str, Any]]:
        """Return what a new device would be: nothing is written."""

    async def search(self, asked: SearchBody) -> dict[str, Any]:
        """Begin to look. Raises Busy."""

    async def progress(self, after: int) -> dict[str, Any]:
        """Return lines behind `after`, waiting some seconds for one. Raises NotThere."""

    async def cancel(self) -> dict[str, Any]:
        """End the search that runs. Raises NotThere."""


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
        with _refusing():
            moment = await self._house.moment()
            kept = await self._house.history()
        changes = [
            {
                "number": one.number, "file": one.file, "at": rfc3339(one.at_ns),
                "who": one.who, "reason": one.why, "what": one.what,
            }
            for one in kept
        ]  # fmt: skip
        return _json({**asdict(moment), "changes": changes})

    async def check(self, body: ChangeBody, _who: Installer) -> Response:
        """What a change would do: the difference, and every fault `check` would find."""
        with _refusing():
            return _json(await self._judged(body.change()))

    async def apply(self, body: ApplyBody, request: Request, who: Changer) -> Response:
        """Make a change: on disk first, then taken up by what runs."""
        return await self._make(body.change.change(), body, request, who)

    async def undoing(
        self, number: Annotated[int, PathParameter(ge=1, le=999_999)], _who: Installer
    ) -> Response:
        """What putting a kept copy back would do."""
        with _refusing():
            return _json(await self._judged(await self._house.undoing(number)))

    async def undo(self, body: UndoBody, request: Request, who: Changer) -> Response:
        """Put a file back to what it held before a change."""
        with _refusing():
            change = await self._house.undoing(body.number)
        return await self._make(change, body, request, who, undone=body.number)

    async def _judged(self, change: Change) -> dict[str, Any]:
        async with self._judging:
            return _proposal(await self._house.propose(change))

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
        with _refusing():
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
        row = _proposal(proposal)
        return _json({**row, "number": kept.number, "outcome": asdict(outcome)})

    async def reload(self, body: ReasonBody, request: Request, who: Changer) -> Response:
        """Take up what somebody changed in the files by hand."""
        with _refusing():
            await self._note(request, who, "config.reload", "config", body.reason)
            return _json({"outcome": asdict(await self._house.reload())})

    async def device(self, device_id: DeviceId, _who: Installer) -> Response:
        """A device's table as it is written, and in which file."""
        with _refusing():
            file, table = await self._house.table("device", device_id)
        return _json({"file": file, "table": table})

    async def table(
        self, kind: Kind, _who: Installer, name: Annotated[str, Query(max_length=64)] = ""
    ) -> Response:
        """A link's, a camera's or a contact's table as it is written, and in which file."""
        with _refusing():
            file, table = await self._house.table(kind, name)
        return _json({"file": file, "table": table})

    # Models, and what devices say.

    async def profiles(
        self,
        _who: Installer,
        words: Annotated[str, Query(max_length=100)] = "",
        driver: Annotated[Literal["mqtt", "modbus", "onvif"] | None, Query()] = None,
    ) -> Response:
        """Models whose name holds every word."""
        return _json({"profiles": await self._house.profiles(words, driver)})

    async def form(self, profile_id: ProfileId, _who: Installer) -> Response:
        """A model, and the fields its address section asks for."""
        with _refusing():
            return _json(await self._house.form(profile_id))

    async def form_of(self, kind: TableKind, _who: Installer) -> Response:
        """The fields to ask for of a table of gateway.toml; `secret`: a password goes with it."""
        return _json(await self._house.form_of(kind))

    async def topics(self, _who: Installer) -> Response:
        """Topics of no device that were heard of lately; a search hears of all of them."""
        return _json({"topics": await self._house.topics()})

    async def live(self, device_id: DeviceId, _who: Installer) -> Response:
        """Registers as they came and what is made of them; for MQTT the device's topics."""
        with _refusing():
            return _json(await self._house.live(device_id))

    async def trial(self, body: ChangeBody, request: Request, who: Installer) -> Response:
        """What a device would be if it were saved: its last message decoded, or its registers."""
        with _refusing():
            await self._note(request, who, "install.try", body.device or "", "")
            async with self._judging:
                proposal, found = await self._house.trial(body.change())
        return _json({**_proposal(proposal), "found": found})

    async def search(self, body: SearchBody, request: Request, who: Installer) -> Response:
        """Begin to look for devices. Reads only, at a pace; one at a time."""
        with _refusing():
            where = body.link or body.url or body.address or ""
            subject = f"{body.what} {body.device or where}"
            await self._note(request, who, "install.search", subject, "")
            return _json(await self._house.search(body), 202)

    async def progress(
        self, _who: Installer, after: Annotated[int, Query(ge=0, le=10_000)] = 0
    ) -> Response:
        """What the search has said behind line `after`; waits up to 5 s for more."""
        with _refusing():
            return _json(await self._house.progress(after))

    async def cancel(self, request: Request, who: Installer) -> Response:
        """End the search that runs."""
        with _refusing():
            found = await self._house.cancel()
            await self._note(request, who, "install.cancel", "search", "")
            return _json(found)

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


def _proposal(proposal: Proposal) -> dict[str, Any]:
    return {
        "file": proposal.file,
        "version": proposal.version,
        "diff": proposal.diff,
        "what": proposal.what,
        "faults": _faults(proposal.faults),
    }


def _faults(faults: Sequence[ConfigFault]) -> list[dict[str, str]]:
    return [
        {
            "file": PurePath(fault.file).name,
            "key": fault.key,
            "problem": fault.problem,
            "expected": fault.expected,
        }
        for fault in faults[:FAULTS_MOST]
    ]


class _Invalid(Problem):
    """The configuration would not hold; the answer has every fault beside the error."""

    def __init__(self, faults: Sequence[ConfigFault]) -> None:
        first = str(faults[0]) if faults else ""
        super().__init__(
            422,
            "config_faults",
            f"配置有 {len(faults)} 处错误,什么也没有改",
            f"the configuration has {len(faults)} faults, nothing was changed: {first[:300]}",
            "correct them and check again",
        )
        self._faults = _faults(faults)

    def as_json(self) -> Response:
        """See Problem."""
        answer = super().as_json()
        body = {**orjson.loads(bytes(answer.body)), "faults": self._faults}
        return _json(body, self.status_code)


class _Outrun(Problem):
    """Somebody else was first; the answer says who, and has the difference of each change."""

    def __init__(self, error: Stale) -> None:
        zh, _, en = str(error)[:400].partition(" / ")
        if isinstance(error, NotThere):
            zh, en = "没有这一项", "there is no such thing"
        super().__init__(409, "stale", zh, en or zh, "look at `since`, read the files again")
        self._since = [
            {
                "who": kept.who, "at": rfc3339(kept.at_ns), "what": kept.what, "reason": kept.why,
                "diff": diff[:SINCE_CHARS],
            }
            for kept, diff in error.since[-SINCE_MOST:]
        ]  # fmt: skip

    def as_json(self) -> Response:
        """See Problem."""
        body = {**orjson.loads(bytes(super().as_json().body)), "since": self._since}
        return _json(body, self.status_code)


class _refusing:  # noqa: N801 reads as what it does: with _refusing()
    """Turn what may be wrong with a change into the answer for it."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Problem) or not isinstance(error, (GatewayError, ValueError)):
            return
        if isinstance(error, ConfigError):
            raise _Invalid(error.faults) from error
        if isinstance(error, Stale):
            raise _Outrun(error) from error
        status, code, next_step = next(
            (row[1:] for row in _ANSWERS if isinstance(error, row[0])),
            (503, "not_taken", "try again; the files hold what was written"),
        )
        zh, _, en = str(error)[:400].partition(" / ")
        if isinstance(error, NotThere):
            zh, en = "没有这一项", "there is no such thing"
        raise Problem(status, code, zh, en or zh, next_step) from error


_ANSWERS: Final[tuple[tuple[type[Exception], int, str, str], ...]] = (
    (NothingToDo, 409, "nothing_to_do", "nothing"),
    (CannotEdit, 422, "cannot_edit", "change the file with an editor, then POST …/reload"),
    (CannotWrite, 403, "cannot_write", "let the gateway's user write there; see the guide"),
    (CannotKeep, 507, "cannot_keep", "look at the disk of the store"),
    (Busy, 409, "search_runs", "wait for the search, or DELETE it"),
    (NotThere, 404, "not_there", "see /api/v1/devices and …/install/profiles"),
    (ValueError, 422, "not_valid", "send what /openapi.json describes"),
)


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
