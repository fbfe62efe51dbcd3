"""Evidence over HTTP: POST /api/v1/evidence makes a package and hands it out.

Owns    the routes, who may, and that nobody gets a package before the audit trail says so.
Needs   gateway.evidence for the package; a way to the audit trail; a folder for unfinished files.
Keeps   1. The entry with the package's id and its manifest's hash is on the disk before the first
           byte leaves. A package that was refused or stopped leaves no entry and no file.
        2. The file has no name from its first byte on: whatever ends this process, nothing is left.
        3. Whoever hangs up while it is made stops the making.
Bound   ONE is made at a time, HANDED_OUT files are on their way to somebody, MOST_BYTES each; a
        segment that is being written is waited for SEAL_WAIT_S.
"""

import asyncio
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, Protocol, Self, cast

import orjson
import structlog
from fastapi import FastAPI, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.audit import Entry
from gateway.console import shapes
from gateway.console.problems import Problem
from gateway.console.rights import Right, needs
from gateway.console.tokens import Identity
from gateway.errors import StoreError
from gateway.evidence import (
    Builder,
    Built,
    ExportError,
    NothingThere,
    Person,
    SigningKey,
    Wanted,
)
from gateway.playback import moments

PATH: Final = "/api/v1/evidence"
HANDED_OUT: Final = 2
MOST_BYTES: Final = 4_000_000_000
"""Less than 4 GiB, so that every Python can run the package, and FAT can hold it."""
SEAL_WAIT_S: Final = 75.0
RETRY_S: Final = 30
PIECE_BYTES: Final = 256 * 1024
LISTED_MOST: Final = 1000

Exporter = Annotated[Identity, needs(Right.EXPORT, asks_pin=True)]
Auditor = Annotated[Identity, needs(Right.AUDIT)]
log = structlog.get_logger()


def _clean(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


Id = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9._:~-]+$")]
Moment = Annotated[str, Field(max_length=moments.MOST_CHARS)]


class EvidenceIn(BaseModel):
    """An alarm, or a camera with `from` and `to` (RFC 3339 with a zone); and why."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)

    alarm_id: Id | None = None
    camera: Id | None = None
    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None
    reason: Annotated[
        str, Field(min_length=1, max_length=shapes.MAX_REASON_CHARS), AfterValidator(_clean)
    ]

    @model_validator(mode="after")
    def _either(self) -> Self:
        """One of the two, with what belongs to it."""
        timed = self.from_ is not None and self.to is not None
        none = self.from_ is None and self.to is None
        if (self.alarm_id is None) == (self.camera is None):
            raise ValueError("either alarm_id or camera")
        if not (timed if self.camera is not None else none):
            raise ValueError("a camera needs from and to, an alarm has neither")
        return self


class EvidenceList(BaseModel):
    """Packages that left, newest first: the audit trail's entries."""

    evidence: list[dict[str, Any]]


class EvidenceKey(BaseModel):
    """The key packages are signed with: to be told to whoever receives some, by another way."""

    fingerprint: str
    public_key: str


class Exports(Protocol):
    """What these routes need of the house (gateway/exports.py)."""

    folder: Path

    def builder(self, wanted: Wanted, stop: threading.Event) -> Builder:
        """Return who makes the package; blocks for the key. Raises StoreError."""

    def key(self) -> SigningKey:
        """Return the signing key; blocks. Raises StoreError."""

    async def audit(self, entry: Entry) -> int:
        """See gateway.console.desk.Desk."""

    async def listed(self, limit: int) -> Sequence[bytes]:
        """Return the newest entries about exports, newest first."""


class EvidenceRoutes:
    """See the module."""

    def __init__(self, exports: Exports) -> None:
        self._exports = exports
        self._making = False
        self._out = 0

    def join(self, app: FastAPI) -> None:
        """Add the routes."""
        app.add_api_route(
            PATH,
            self.make,
            methods=["POST"],
            response_model=None,
            responses={
                200: {"content": {"application/zip": {}}, "description": "the package"},
                **{status: {"model": shapes.Error} for status in (404, 409, 422, 503)},
            },
        )
        for path, endpoint, shape in (
            (PATH, self.list, EvidenceList),
            (f"{PATH}/key", self.key, EvidenceKey),
        ):
            app.add_api_route(
                path,
                endpoint,
                methods=["GET"],
                response_model=None,
                responses={200: {"model": shape}},
            )

    async def make(self, request: Request, body: EvidenceIn, who: Exporter) -> Response:
        """Make an evidence package of an alarm or of a camera's time, and return it."""
        wanted = _wanted(body, who)
        if self._making or self._out >= HANDED_OUT:
            raise _busy()
        self._making = True
        try:
            file, built = await self._made(request.receive, wanted)
        finally:
            self._making = False
        try:
            await self._exports.audit(built.entry(wanted))
        except StoreError as error:
            file.close()
            raise _not_now() from error
        except BaseException:
            file.close()
            raise
        log.info("evidence handed out", package=built.id, subject=wanted.subject, who=who.name)
        self._out += 1
        return _Package(file, built, self._ended)

    def _ended(self) -> None:
        self._out -= 1

    async def _made(self, receive: Receive, wanted: Wanted) -> tuple[BinaryIO, Built]:
        stop = threading.Event()
        failed: StoreError | None = None
        made: tuple[BinaryIO, Built] | None = None
        async with asyncio.TaskGroup() as group:
            leaving = group.create_task(_left(receive, stop))
            try:
                made = await asyncio.to_thread(self._build, wanted, stop)
            except StoreError as error:
                failed = error
            finally:
                stop.set()  # cut off by the server's end, the thread must not go on alone
                leaving.cancel()
        if made is None:
            raise _problem(failed) from failed
        return made

    def _build(self, wanted: Wanted, stop: threading.Event) -> tuple[BinaryIO, Built]:
        """In a thread. The file is closed unless it is returned."""
        try:
            self._exports.folder.mkdir(mode=0o700, exist_ok=True)
            # It has no name: closing it is all there is to tidy up, and a kill closes it too.
            unnamed = tempfile.TemporaryFile(dir=self._exports.folder)  # noqa: SIM115
            file = cast("BinaryIO", unnamed)
        except OSError as error:
            raise StoreError(f"{self._exports.folder}: {error.strerror}") from error
        try:
            built = self._exports.builder(wanted, stop).build(file)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file, built

    async def list(
        self, _who: Auditor, limit: Annotated[int, Query(ge=1)] = LISTED_MOST
    ) -> Response:
        """Return which packages left, when, to whom and why, newest first."""
        bodies = await self._exports.listed(min(limit, LISTED_MOST))
        whole = b'{"evidence":[%b]}' % b",".join(bodies)
        return Response(whole, 200, media_type="application/json")

    async def key(self, _who: Auditor) -> Response:
        """Return the public key and its fingerprint."""
        try:
            key = await asyncio.to_thread(self._exports.key)
        except StoreError as error:
            raise _problem(error) from error
        said = {"fingerprint": key.fingerprint, "public_key": key.pem.decode()}
        return Response(orjson.dumps(said), 200, media_type="application/json")


class _Package(Response):
    """A package on its way; its file is gone however that ends."""

    def __init__(self, file: BinaryIO, built: Built, ended: Callable[[], None]) -> None:
        super().__init__(
            None,
            200,
            {
                "Content-Length": str(built.size_bytes),
                "Content-Disposition": f'attachment; filename="evidence-{built.id}.zip"',
                "Campus-Evidence-Id": built.id,
                "Campus-Evidence-Manifest": built.manifest,
                "Campus-Evidence-Key": built.key,
            },
            media_type="application/zip",
        )
        self._file = file
        self._ended = ended

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        gone = threading.Event()
        try:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            async with asyncio.TaskGroup() as group:
                leaving = group.create_task(_left(receive, gone))
                try:
                    await self._send(send, gone)
                finally:
                    leaving.cancel()
        finally:
            self._file.close()
            self._ended()

    async def _send(self, send: Send, gone: threading.Event) -> None:
        more = True
        while more and not gone.is_set():
            piece = await asyncio.to_thread(self._file.read, PIECE_BYTES)
            more = bool(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": more})


async def _left(receive: Receive, gone: threading.Event) -> None:
    """Say so when whoever asked hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


def _wanted(body: EvidenceIn, who: Identity) -> Wanted:
    person = Person(who=who.name, role=str(who.role), from_address=who.address)
    try:
        from_ns = 0 if body.from_ is None else moments.parse(body.from_)
        to_ns = 0 if body.to is None else moments.parse(body.to)
        return Wanted(
            person=person,
            reason=body.reason,
            alarm_id=body.alarm_id,
            camera=body.camera,
            from_ns=from_ns,
            to_ns=to_ns,
        )
    except ValueError as error:
        raise Problem(
            422,
            "not_a_time",
            "时间须为带时区的 RFC 3339",
            "from and to must be RFC 3339 with a zone",
            'for example "2026-11-21T08:00:00+08:00"',
        ) from error
    except ExportError as error:
        raise _problem(error) from error


def _problem(error: StoreError | None) -> Problem:
    """Say why there is no package: our own words for what is known, no path of ours in them."""
    if isinstance(error, NothingThere):
        return Problem(
            404,
            "nothing_there",
            "没有这条警情，或没有这台摄像机的录像",
            "there is no such alarm, or nothing was recorded of this camera",
            "see /api/v1/alarms and /api/v1/cameras",
        )
    if isinstance(error, ExportError):
        zh, en = f"未能导出：{error}", f"no package was made: {error}"
        return Problem(409, "not_exported", zh, en, "do what the message says, then ask again")
    return _not_now()


def _not_now() -> Problem:
    return Problem(
        503,
        "not_now",
        "存储暂不可用，未交出证据包",
        "the store cannot be used now; no package was handed out",
        "ask again; if it stays so, look at the gateway's faults",
        headers={"Retry-After": str(RETRY_S)},
    )


def _busy() -> Problem:
    return Problem(
        503,
        "busy",
        "正在导出另一个证据包，请稍后再试",
        "another package is being made or handed out",
        f"ask again in {RETRY_S} s",
        headers={"Retry-After": str(RETRY_S)},
    )
