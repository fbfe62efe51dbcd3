"""The police platform's receiver: takes records over HTTP, checks them, answers receipts.

Owns    one listening port, kept even while it refuses; one inbox.
Needs   simulators.inbox, simulators.progress, simulators.police.{envelope, conduct, answers}.
Keeps   1. A good receipt goes out only after the record is in the inbox's file.
        2. What it does wrong is what it was told by `behave`, `down`, `show` or the control port.
        3. Bounds: 1 MiB of body; a request that is not from who shares the secret gets 401.
"""

import socket
import ssl
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import orjson
from aiohttp import web

from simulators.brokers import free_port
from simulators.contract import check_record
from simulators.inbox import Inbox
from simulators.police import envelope
from simulators.police.answers import misbehave
from simulators.police.conduct import KEPT, Behaviour, Conduct, How
from simulators.progress import LaterState, NotTold, Progress

PATH: Final = "/alarms"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """PEM files of the server; with client_ca every client must show a certificate of it."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return the server's context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(self.cert), str(self.key))
        if self.client_ca is not None:
            context.load_verify_locations(str(self.client_ca))
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Police:
    """A receiver of alarms that can be told to behave badly.

    secret      whsec_…; None checks no signature
    batches     whether CloudEvents batches are taken (415 otherwise)
    strict      answer 400 to records that break the contract; without, only note it
    progress    later states of a raised alarm with the seconds after its arrival:
                (("accepted", 1), ("dispatched", 3), ("closed", 30))
    reports_to  base address of the gateway's API for those states, with the bearer token
    """

    def __init__(  # noqa: PLR0913 a receiver has this many settings
        self,
        *,
        secret: str | None,
        inbox: Inbox | None = None,
        port: int | None = None,
        tls: ServerTls | None = None,
        batches: bool = False,
        strict: bool = False,
        tolerance_s: float = envelope.TOLERANCE_S,
        progress: Sequence[tuple[str, float]] = (),
        reports_to: str | None = None,
        token: str | None = None,
    ) -> None:
        self.inbox = inbox or Inbox()
        self.port = port or free_port()
        self.batches = batches
        self.attempts: Counter[str] = Counter()
        self.request_count = 0
        self.behaviour = Behaviour()
        self.progress = Progress(progress, self._tell)
        self.reports_to = reports_to
        self.token = token
        self._client: aiohttp.ClientSession | None = None
        self._key = envelope.read_secret(secret) if secret is not None else None
        self._strict = strict
        self._tolerance_s = tolerance_s
        self._tls = tls
        self._shown = tls
        self._runner: web.ServerRunner | None = None
        self._hold: socket.socket | None = None
        self._numbers: dict[str, str] = {}

    @property
    def url(self) -> str:
        """Where the gateway posts to."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{PATH}"

    @property
    def is_up(self) -> bool:
        """Whether connections are accepted."""
        return self._runner is not None

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        await self.up()
        await self.progress.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; the inbox's file is closed, what is in memory can still be read."""
        await self.progress.stop()
        if self._client is not None:
            await self._client.close()
            self._client = None
        await self._close()
        if self._hold is not None:
            self._hold.close()
            self._hold = None
        self.inbox.close()

    async def up(self) -> None:
        """Accept connections, on the same port as ever."""
        if self._runner is not None:
            return
        listening = _bound(self.port)
        if self._hold is not None:
            self._hold.close()
            self._hold = None
        self._runner = web.ServerRunner(
            # A silence or a dribble ends when its client gives up, not 600 s later.
            web.Server(self._answer, access_log=None, handler_cancellation=True),
            shutdown_timeout=0.1,
        )
        await self._runner.setup()
        context = self._shown.context() if self._shown else None
        await web.SockSite(self._runner, listening, ssl_context=context, backlog=128).start()

    async def down(self) -> None:
        """Refuse connections and break those there are; the port stays ours, so nobody takes it."""
        await self._close()
        if self._hold is None:
            self._hold = _bound(self.port)  # bound but not listening: the kernel answers RST

    async def show(self, tls: ServerTls | None) -> None:
        """Serve with another certificate from now on; None is the right one again."""
        self._shown = tls or self._tls
        if self._runner is not None:
            await self.down()
            await self.up()

    def behave(self, how: How | str = How.GOOD, **settings: Any) -> None:  # noqa: ANN401 see Conduct
        """Behave in that way; settings are Conduct's, for_s instead of until_s. Good ends all.

        Conducts pile up: the newest that concerns a record and is not over decides.
        """
        how = How(how)
        if how is How.GOOD:
            self.behaviour.clear()
            return
        if "for_s" in settings:
            settings["until_s"] = time.monotonic() + settings.pop("for_s")
        for name in ("devices", "ids"):
            if name in settings:
                settings[name] = frozenset(settings[name])
        self.behaviour.add(Conduct(how=how, **settings))

    async def _close(self) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.request_count += 1
        if request.method != "POST" or request.path != PATH:
            self.inbox.complain(f"{request.method} {request.path} instead of POST {PATH}")
            return web.Response(status=404)
        if self._only_silence():
            return await misbehave(request, self.behaviour.next([{}]), b"")
        body = await request.read()
        if self._key is not None:
            why = envelope.check_signature(
                self._key, request.headers, body, time.time(), self._tolerance_s
            )
            if why is not None:
                self.inbox.complain(why)
                return web.json_response({"error": why}, status=401)
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind == envelope.MANY and self.batches:
            return await self._take_batch(request, body)
        if kind != envelope.ONE:
            self.inbox.complain(f"Content-Type {kind!r}")
            return web.json_response({"error": f"Content-Type {kind!r}"}, status=415)
        return await self._take_one(request, body)

    def _only_silence(self) -> bool:
        """Whether the newest conduct is a silence for everybody: then the body is never read."""
        conducts = self.behaviour.conducts
        return bool(
            conducts
            and conducts[0].how is How.SILENCE
            and not (conducts[0].devices or conducts[0].ids)
            and conducts[0].times != 0
            and (conducts[0].until_s is None or time.monotonic() < conducts[0].until_s)
        )

    async def _take_one(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        record, problems = check_record(body)
        record_id = str(record.get("id", ""))
        self.attempts[record_id] += 1
        conduct = self.behaviour.next([record])
        if self._strict and problems:
            return web.json_response({"error": problems}, status=400)
        if conduct.how in KEPT:
            extra = envelope.check_headers(request.headers, record_id)
            self._keep(body, request, extra, record)
        if conduct.how is How.EMPTY:
            return web.Response(status=204)
        receipt = orjson.dumps(self._receipt(record_id, conduct))
        if conduct.how in {How.GOOD, How.REJECTED, How.OTHER_ID}:
            return web.Response(body=receipt, content_type="application/json")
        return await misbehave(request, conduct, receipt)

    async def _take_batch(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        try:
            bodies = envelope.cut_batch(body)
        except (ValueError, UnicodeDecodeError) as error:
            self.inbox.complain(f"batch: {error}")
            return web.json_response({"error": str(error)}, status=400)
        extra = envelope.check_headers(request.headers, None)
        records = [check_record(one)[0] for one in bodies]
        conduct = self.behaviour.next(records)
        for record, one in zip(records, bodies, strict=True):
            self.attempts[str(record.get("id", ""))] += 1
            if conduct.how in KEPT:
                self._keep(one, request, extra, record)
        if conduct.how is How.EMPTY:
            return web.Response(status=204)
        receipts = orjson.dumps([self._receipt(str(one.get("id")), conduct) for one in records])
        if conduct.how in {How.GOOD, How.REJECTED, How.OTHER_ID}:
            return web.Response(body=receipts, content_type="application/json")
        return await misbehave(request, conduct, receipts)

    def _keep(
        self,
        body: bytes,
        request: web.BaseRequest,
        extra: tuple[str, ...],
        record: dict[str, Any],
    ) -> None:
        received = self.inbox.take(body, late_s=envelope.late_s(request.headers), extra=extra)
        if received.nth == 1 and record.get("type") == "campus.alarm.raised.v1":
            source = str(record.get("source", ""))
            self.progress.begin(received.id, self._number(received.id), source)

    async def _tell(self, later: LaterState) -> None:
        """POST one later state to the gateway; without an address it only counts as told."""
        if self.reports_to is None:
            return
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.reports_to}/api/v1/receipts"
        try:
            async with self._client.post(url, json=later.body(), headers=headers) as answer:
                if not answer.ok:
                    raise NotTold(f"HTTP {answer.status}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotTold(repr(error)) from error

    def _receipt(self, record_id: str, conduct: Conduct) -> dict[str, str]:
        if conduct.how is How.OTHER_ID:
            record_id = "0197aaaa-0000-7000-8000-000000000000"
        state = "rejected" if conduct.how is How.REJECTED else "received"
        return {"id": record_id, "receipt": self._number(record_id), "state": state}

    def _number(self, record_id: str) -> str:
        """Return the incident's number at the police: the same for every repeat."""
        return self._numbers.setdefault(record_id, f"31-{7000 + len(self._numbers)}")


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    bound.setblocking(False)  # noqa: FBT003 the socket's own signature
    return bound
