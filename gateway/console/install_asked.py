"""What is asked of the install routes, and what they ask of the house.

Owns    the bodies, their bounds; the Installation protocol, which gateway/installing implements.
Needs   gateway.config.edit, for a change as the editor takes it.
Bound   a table TABLE_CHARS, a text TABLES_MOST tables in lines of LINE_CHARS, UNITS_MOST units.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.audit import Entry
from gateway.config.edit import Change, Proposal
from gateway.config.kept import Kept
from gateway.config.shapes import SHAPES
from gateway.console import shapes
from gateway.errors import GatewayError

UNITS_MOST: Final = 256
TABLE_CHARS: Final = 16_000
LINE_CHARS: Final = 2_000
TABLES_MOST: Final = 5_000
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SPAN: Final = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
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
    """What these routes need of the house (gateway/installing/house.py)."""

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

    async def live(self, device_id: str, after_ms: int) -> dict[str, Any]:
        """Return what a device says now, its numbers since `after_ms`. Raises NotThere."""

    async def trial(self, change: Change) -> tuple[Proposal, dict[str, Any]]:
        """Return what a new device would be: nothing is written."""

    async def search(self, asked: SearchBody) -> dict[str, Any]:
        """Begin to look. Raises Busy."""

    async def progress(self, after: int) -> dict[str, Any]:
        """Return lines behind `after`, waiting some seconds for one. Raises NotThere."""

    async def cancel(self) -> dict[str, Any]:
        """End the search that runs. Raises NotThere."""
