"""The console's application: every path of the contract (design, section 4, HTTP).

Owns    the routes for machines, and how all parts of the console are put together.
Needs   a Desk, a TokenBook, a metrics registry. Knows no store, no intake, no driver.
Keeps   1. Every route declares the right it needs or that it is for everybody (rights.py).
        2. A frozen record leaves as the bytes that were stored.
        3. Every list is bounded by MAX_LIST rows.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, Final, Literal, Protocol

import orjson
from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from gateway.clock import Clock
from gateway.console import shapes
from gateway.console.assets import Assets
from gateway.console.commands import CommandRoutes
from gateway.console.desk import Desk, NoSuchAlarm, WrongState
from gateway.console.discreet import Boards, Desks, may_know
from gateway.console.evidence import EvidenceRoutes
from gateway.console.feed import HEARTBEAT_S, Feed, Streams
from gateway.console.gate import BODY_S, Door, Gate, cookie_of, is_page
from gateway.console.guard import GuardRoutes
from gateway.console.guide import Guide
from gateway.console.holders import SignOnBooks
from gateway.console.page import Page, Site
from gateway.console.personnel import PeopleRoutes
from gateway.console.problems import Problem, from_http, from_validation, inside
from gateway.console.proofs import Proofs
from gateway.console.rights import Right, everybody, needs, refuse_undeclared
from gateway.console.session import SessionRoutes
from gateway.console.sign_on import SignOn
from gateway.console.tokens import Identity, TokenBook
from gateway.console.video import VideoRoutes
from gateway.console.watch import Watch

MAX_LIST: Final = 1_000
DEFAULT_EVENTS: Final = 100
MAX_SEQ: Final = 2**63 - 1
MAX_SEQ_DIGITS: Final = 18
CHUNK_BYTES: Final = 64 * 1024

Reader = Annotated[Identity, needs(Right.READ)]
Actor = Annotated[Identity, needs(Right.ACT)]
Decider = Annotated[Identity, needs(Right.ACT, asks_pin=True)]
Auditor = Annotated[Identity, needs(Right.AUDIT)]
Reporter = Annotated[Identity, needs(Right.RECEIPT)]
AlarmId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
After = Annotated[int, Query(ge=0, le=MAX_SEQ, description="newest seq already known")]
Limit = Annotated[int, Query(ge=1, description=f"at most {MAX_LIST} come, whatever is asked")]
Which = Annotated[Literal["open", "all"], Query()]
DeliveryState = Literal[
    "pending", "received", "accepted", "rejected", "dispatched", "on_scene", "closed", "parked"
]


class Part(Protocol):
    """A part of the console that whoever builds it brings along."""

    def join(self, app: FastAPI) -> None:
        """Add its routes."""


def build_app(  # noqa: PLR0913 - each is a part of the console
    desk: Desk,
    tokens: TokenBook,
    metrics: CollectorRegistry,
    *,
    site: Site,
    clock: Clock,
    video: VideoRoutes | None = None,
    evidence: EvidenceRoutes | None = None,
    guard: GuardRoutes | None = None,
    more: Sequence[Part] = (),
    shown: Mapping[str, object] | None = None,
    books: SignOnBooks | None = None,
    discreet_metrics: CollectorRegistry | None = None,
    heartbeat_s: float = HEARTBEAT_S,
    body_s: float = BODY_S,
) -> FastAPI:
    """Return the whole console.

    metrics      read in a thread of its own, one scrape at a time: its collectors must bear that
    discreet_metrics  the same for who may not know of duress, and for whoever asks at this machine
                 without saying who he is; without it `metrics`
    site         what the page's head says
    video        cameras and recordings; without it there are no such paths
    evidence     packages of evidence, likewise
    guard        what consoles and guards say of alarms, likewise
    more         further parts with routes of their own: plans, charts
    shown        what consoles show besides rows: `phones` and `cameras`, lists of objects
    books        what signing on goes by; without it those beside the tokens' file
    heartbeat_s  longest silence of a stream, seconds
    body_s       within which a request's body must have come, seconds
    The open streams are app.state.streams: whoever stops the server closes them first. The board
    is app.state.board, and what signing on does in the background app.state.sign_on: whoever runs
    the server runs them too.
    """
    door = Door(tokens, books or SignOnBooks.in_folder(tokens.folder, clock), clock)
    desks = Desks(desk)
    sign_on = SignOn(door, desk)
    app = FastAPI(
        title="Campus gateway",
        description="校园安防网关 · alarms, devices, deliveries",
        version="1",
        openapi_url=None,  # served below, to those who may read
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={
            **{status: {"model": shapes.Error} for status in (401, 403, 422, 429)},
            "default": {"model": shapes.Error, "description": "any other refusal, with its reason"},
        },
    )
    streams = Streams()
    fixed = {
        "epoch": secrets.token_hex(8),
        "site": {
            "id": site.id,
            "name": site.name,
            "gateway": site.gateway,
            **({"address": site.address} if site.address else {}),
            **({"phone": site.phone} if site.phone else {}),
        },
        "phones": [],
        "cameras": [],
        **(shown or {}),
    }
    boards = Boards(desks, clock, fixed)
    app.state.streams, app.state.board, app.state.sign_on = streams, boards, sign_on
    _Service(desk, metrics, discreet_metrics or metrics).join(app)
    _Alarms(desks).join(app)
    feeds = {
        knows: Feed(seen, streams, heartbeat_s=heartbeat_s)
        for knows, seen in ((True, desks.open), (False, desks.discreet))
    }
    watches = {
        True: Watch(boards.open, desks.open, streams),
        False: Watch(boards.discreet, desks.discreet, streams),
    }
    flow = _Flow(desks, feeds, watches, door)
    flow.join(app)
    if guard is not None:
        guard.join(app, desks)
        flow.reading = guard.reading
    Guide().join(app)  # its paths lie under those of the pages: the first that fits answers
    assets = Assets()
    assets.join(app)
    proofs = Proofs(sign_on, door)
    SessionRoutes(sign_on, proofs, door).join(app)
    PeopleRoutes(sign_on, desk).join(app)
    CommandRoutes(desk, proofs).join(app)
    if video is not None:
        video.join(app, desks)
        door.addresses = video.addresses
    if evidence is not None:
        evidence.join(app)
    for part in more:
        part.join(app)
    page = Page(desks, sign_on, door, site, has_pages=bool(assets), phones=fixed["phones"])
    page.join(app)

    def refuse(request: Request, problem: Problem) -> Response:
        return page.problem(request, problem) if is_page(request.url.path) else problem.as_json()

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 what it is registered for
        return refuse(request, from_http(error))

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 what it is registered for
        return refuse(request, from_validation(error))

    async def on_bug(request: Request, _error: Exception) -> Response:
        return refuse(request, inside())  # the server logs it with its trace

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_bug)
    app.add_middleware(Gate, door=door, refuse=refuse, body_s=body_s)
    refuse_undeclared(app)
    return app


class _Service:
    """Health, readiness, metrics, and the description of it all."""

    def __init__(self, desk: Desk, metrics: CollectorRegistry, discreet: CollectorRegistry) -> None:
        self._desk = desk
        self._metrics = metrics
        self._discreet = discreet
        self._scrape = asyncio.Lock()
        self._describing = asyncio.Lock()
        self._description = b""

    def join(self, app: FastAPI) -> None:
        """Add the routes."""
        _get(app, "/healthz", self.health, shapes.Health)
        _get(app, "/readyz", self.ready, shapes.Readiness)
        for path, endpoint in (("/healthz", self.health), ("/readyz", self.ready)):
            app.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)
        text: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}
        app.add_api_route("/metrics", self.metrics, response_class=Response, responses=text)
        app.add_api_route("/openapi.json", self.openapi, include_in_schema=False)

    @everybody
    async def health(self) -> Response:
        """Alive: every loop runs (200), or one has ended (503)."""
        loops = {name: alive is not False for name, alive in self._desk.health().items()}
        alive = all(loops.values())
        return _json({"alive": alive, "loops": loops}, 200 if alive else 503)

    @everybody
    async def ready(self) -> Response:
        """Accepting alarms (200), or why not (503)."""
        ready, reasons = self._desk.ready()
        return _json({"ready": ready, "reasons": reasons}, 200 if ready else 503)

    @everybody
    async def metrics(self, request: Request) -> Response:
        """Prometheus metrics: open to this machine itself, to others with a token (the gate)."""
        who = getattr(request.state, "identity", None)
        knows = isinstance(who, Identity) and may_know(who)
        async with self._scrape:
            # In a thread: a thousand devices make a long text, and no alarm waits for it.
            numbers = self._metrics if knows else self._discreet
            text = await asyncio.to_thread(generate_latest, numbers)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def openapi(self, request: Request, _who: Reader) -> Response:
        """Return this description."""
        async with self._describing:
            if not self._description:
                # In a thread: it takes a second of the one loop that carries alarms, once.
                self._description = await asyncio.to_thread(_described, request.app)
        return _answer(self._description)


def _described(app: FastAPI) -> bytes:
    schema = app.openapi()
    schema["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    return orjson.dumps({**schema, "security": [{"bearer": []}]})


class _Alarms:
    """Alarms, faults, and what people decide about them."""

    def __init__(self, desks: Desks) -> None:
        self._desks = desks

    def join(self, app: FastAPI) -> None:
        """Add the routes."""
        _get(app, "/api/v1/alarms", self.alarms, shapes.AlarmList)
        _get(app, "/api/v1/faults", self.faults, shapes.FaultList)
        one = "/api/v1/alarms/{alarm_id}"
        _post(app, f"{one}/acknowledge", self.acknowledge, shapes.Alarm)
        _post(app, f"{one}/close", self.close, shapes.Alarm)

    async def alarms(self, who: Reader, state: Which = "open", limit: Limit = MAX_LIST) -> Response:
        """Alarms that are open, or all."""
        rows = await self._desks.of(who).alarms(
            open_only=state == "open", limit=min(limit, MAX_LIST)
        )
        return _json({"alarms": rows})

    async def faults(self, who: Reader, state: Which = "open", limit: Limit = MAX_LIST) -> Response:
        """Faults that are open, or all."""
        rows = await self._desks.of(who).faults(
            open_only=state == "open", limit=min(limit, MAX_LIST)
        )
        return _json({"faults": rows})

    async def acknowledge(self, alarm_id: AlarmId, who: Actor) -> Response:
        """A person has seen it. It stays open until a person closes it."""
        try:
            return _json(await self._desks.of(who).acknowledge(alarm_id, who))
        except (NoSuchAlarm, WrongState) as error:
            raise alarm_problem(error) from error

    async def close(self, alarm_id: AlarmId, body: shapes.CloseIn, who: Decider) -> Response:
        """A person says how it ended."""
        try:
            return _json(
                await self._desks.of(who).close(alarm_id, who, body.disposition, body.note)
            )
        except (NoSuchAlarm, WrongState) as error:
            raise alarm_problem(error) from error


class _Flow:
    """Records, devices, and how records travel."""

    def __init__(
        self, desks: Desks, feeds: Mapping[bool, Feed], watches: Mapping[bool, Watch], door: Door
    ) -> None:
        self._desks = desks
        self._desk = desks.open
        self._feeds = feeds  # by whether the reader may know of duress
        self._watches = watches
        self._door = door
        self.reading: Callable[[Request, Identity], AbstractContextManager[None]] = (
            lambda _request, _who: nullcontext()
        )

    def join(self, app: FastAPI) -> None:
        """Add the routes."""
        _get(app, "/api/v1/events", self.events, shapes.EventList)
        _get(app, "/api/v1/stream", self.stream, None)
        _get(app, "/api/v1/console/stream", self.watch, None)
        _get(app, "/api/v1/audit", self.trail, shapes.AuditList)
        _get(app, "/api/v1/devices", self.devices, shapes.DeviceList)
        _get(app, "/api/v1/deliveries", self.deliveries, shapes.DeliveryList)
        _get(app, "/api/v1/receivers", self.receivers, shapes.ReceiverList)
        _post(app, "/api/v1/receipts", self.receipt, shapes.Stored)

    async def events(
        self, who: Reader, after: After = 0, limit: Limit = DEFAULT_EVENTS
    ) -> Response:
        """Frozen records, oldest first; ask again with after=next.

        An `after` beyond the journal's end comes from a store that was replaced: next is then 0.
        """
        if after > self._desk.head():
            return Response(b'{"events":[],"next":0}', media_type="application/json")
        bodies, next_seq = await self._desks.of(who).events(after, min(limit, MAX_LIST))
        return _frozen(bodies, next_seq)

    async def trail(
        self, _who: Auditor, after: After = 0, limit: Limit = DEFAULT_EVENTS
    ) -> Response:
        """The audit trail: frozen entries, oldest first; ask again with after=next, as events."""
        bodies, next_seq = await self._desk.trail(after, min(limit, MAX_LIST))
        return _frozen(bodies, next_seq, "entries")

    async def stream(
        self,
        request: Request,
        who: Reader,
        after: Annotated[int | None, Query(ge=0, le=MAX_SEQ)] = None,
    ) -> Response:
        """Frozen records as server-sent events, `id:` is the seq; honours Last-Event-ID."""
        resumed = _last_event(request)
        start = after if resumed is None else resumed
        return self._feeds[may_know(who)].open(start, self._allowed(request, who), who.id)

    async def watch(
        self,
        request: Request,
        who: Reader,
        after: Annotated[int | None, Query(ge=0, le=MAX_SEQ)] = None,
    ) -> Response:
        """What consoles show: `snapshot`, then `alarm`, `fault`, `device`, `receivers`, `record`.

        Rows as the lists of this API give them; each replaces what was known of it. `beat` comes
        every two seconds. Last-Event-ID, or `after` where a page begins anew by itself, brings the
        records that were missed behind the snapshot.
        """
        resumed = _last_event(request)
        return self._watches[may_know(who)].open(
            after if resumed is None else resumed,
            self._allowed(request, who),
            who.id,
            lambda: self.reading(request, who),
        )

    def _allowed(self, request: Request, who: Identity) -> Callable[[], bool]:
        """Return what says, again and again, whether the reader of a stream may go on."""
        session = request.state.session
        cookie = cookie_of(request)

        def allowed() -> bool:
            if session is not None:
                return self._door.sessions.find(cookie) is not None
            return self._door.holders.holder(who.id) is not None

        return allowed

    async def devices(self, who: Reader) -> Response:
        """Every configured device, with its points and how far they can be relied on."""
        return _json({"devices": self._desks.of(who).devices()})

    async def deliveries(
        self,
        who: Reader,
        state: Annotated[DeliveryState | None, Query()] = None,
        limit: Limit = MAX_LIST,
    ) -> Response:
        """How far records have got, newest first."""
        rows = await self._desks.of(who).deliveries(state, min(limit, MAX_LIST))
        return _json({"deliveries": rows})

    async def receivers(self, who: Reader) -> Response:
        """Every receiver and what waits for it."""
        return _json({"receivers": self._desks.of(who).receivers()})

    async def receipt(self, body: shapes.ReceiptIn, who: Reporter) -> Response:
        """A receiver reports progress: accepted, dispatched … A token speaks for its namesake."""
        names = {row["name"] for row in self._desk.receivers()}
        receiver = who.name if who.name in names else None
        if not await self._desk.receipt(receiver, body.id, body.state, body.receipt):
            raise Problem(
                404,
                "no_such_delivery",
                "没有向该接收方发送过这条记录",
                "no such record was sent to this receiver",
                "send the id of the record, with the token named after its receiver",
            )
        return _json({"stored": True})


def _last_event(request: Request) -> int | None:
    resumed = request.headers.get("last-event-id", "").strip()
    if not resumed:
        return None
    if not (resumed.isascii() and resumed.isdecimal() and len(resumed) <= MAX_SEQ_DIGITS):
        raise Problem(
            422,
            "not_valid",
            "Last-Event-ID 不正确",
            "Last-Event-ID is not a seq",
            "send the id of the last event you have, or none",
        )
    return int(resumed)


def alarm_problem(error: NoSuchAlarm | WrongState) -> Problem:
    """Say why nothing was changed."""
    if isinstance(error, NoSuchAlarm):
        return Problem(
            404, "no_such_alarm", "没有这条警情", "there is no such alarm", "see /api/v1/alarms"
        )
    return Problem(
        409,
        "wrong_state",
        "警情当前状态不允许此操作",
        f"the alarm's state does not allow it: {error.reason}",
        "read the alarm again and decide anew",
    )


Endpoint = Callable[..., Awaitable[Response]]
Shape = type[BaseModel] | None


def _get(app: FastAPI, path: str, endpoint: Endpoint, shape: Shape) -> None:
    _route(app, path, endpoint, shape, "GET")


def _post(app: FastAPI, path: str, endpoint: Endpoint, shape: Shape) -> None:
    _route(app, path, endpoint, shape, "POST")


def _route(app: FastAPI, path: str, endpoint: Endpoint, shape: Shape, method: str) -> None:
    # The answers are bytes already: the model describes them and is not run over them.
    app.add_api_route(
        path,
        endpoint,
        methods=[method],
        response_model=None,
        responses={200: {"model": shape}} if shape is not None else None,
    )


def _json(body: object, status: int = 200) -> Response:
    return _answer(orjson.dumps(body), status)


def _frozen(bodies: Sequence[bytes], next_seq: int, name: str = "events") -> Response:
    return _answer(b'{"%b":[%b],"next":%d}' % (name.encode(), b",".join(bodies), next_seq))


def _answer(whole: bytes, status: int = 200) -> Response:
    if len(whole) <= CHUNK_BYTES:
        return Response(whole, status, media_type="application/json")
    return StreamingResponse(_pieces(whole), status, media_type="application/json")


async def _pieces(whole: bytes) -> AsyncIterator[bytes]:
    # In pieces, so that the server sees whether a slow reader still takes any (server.py).
    for start in range(0, len(whole), CHUNK_BYTES):
        yield whole[start : start + CHUNK_BYTES]
