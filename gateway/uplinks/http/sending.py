"""Uplink "http": posts records to one HTTP receiver.

Owns    one client session with at most `concurrency` connections, kept alive between records.
Needs   gateway.uplink, gateway.clock. Knows no store, no rule and no other receiver.
Keeps   1. The body goes out byte for byte on every attempt; only headers know the time of sending.
        2. A call of deliver ends within total_timeout_s (14 s at most), whatever the receiver does.
        3. No proxy, cookie, redirect or credential comes from anywhere but the options.
        4. Of an answer at most MAX_ANSWER_BYTES are held in memory.
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Final

import aiohttp
from yarl import URL

from gateway.clock import Clock
from gateway.errors import UplinkUnavailable
from gateway.uplink import MAX_ANSWER_BYTES, LaterReceipt, Outcome, Parcel, UplinkSettings
from gateway.uplinks import plain
from gateway.uplinks.http.answer import Answer, judge
from gateway.uplinks.http.options import Options

MAX_BATCH_BYTES: Final = 512 * 1024
DNS_CACHE_S: Final = 30
KEEPALIVE_S: Final = 60
"""Longer than the pause between two heartbeats, so that a quiet night costs no new handshake."""

GLANCE_S: Final = 1.0

ONE: Final = "application/cloudevents+json"
MANY: Final = "application/cloudevents-batch+json"


class Uplink:
    """One HTTP receiver; see gateway.uplink.Uplink."""

    alarms_in_batches = False

    def __init__(self, settings: UplinkSettings, clock: Clock, later: LaterReceipt) -> None:
        del later  # HTTP has no way back: progress comes with the answer or not at all
        self._options = Options.model_validate(
            settings.options, context={"folder": settings.folder}
        )
        self.batch = self._options.batch
        self.concurrency = self._options.concurrency
        self._clock = clock
        self._url = URL(self._options.url)
        self._where = str(self._url.with_query(None))
        self._key = self._options.signing_key
        self._name_demanded = self._options.receipt == "body"
        self._session: aiohttp.ClientSession | None = None

    async def run(self) -> None:
        """Hold the connections until cancelled, then close them."""
        session = self._opened()
        try:
            await asyncio.Event().wait()
        finally:
            await session.close()

    async def deliver(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Post the parcels in order; see gateway.uplink.Uplink.deliver.

        Alarms go one a request. Once a request found the receiver unavailable, the parcels behind
        it are not tried in this call: that keeps the order of a device's records.
        """
        outcomes: list[Outcome] = []
        try:
            async with asyncio.timeout(self._options.total_timeout_s):
                for group in self._grouped(parcels):
                    outcomes += await self._post(group)
                    if isinstance(outcomes[-1], UplinkUnavailable):
                        break
        except TimeoutError:
            late = f"{self._where}: no answer within {self._options.total_timeout_s:g} s"
            outcomes.append(UplinkUnavailable(f"{late}; will be sent again"))
        missing = len(parcels) - len(outcomes)
        return outcomes + outcomes[-1:] * missing

    def _grouped(self, parcels: Sequence[Parcel]) -> Iterator[Sequence[Parcel]]:
        """Cut into requests: an alarm alone, others up to `batch` and MAX_BATCH_BYTES together."""
        if len(parcels) == 1:
            yield parcels
            return
        group: list[Parcel] = []
        size_bytes = 0
        for parcel in parcels:
            size_bytes += len(parcel.body) + 1
            full = len(group) >= self.batch or size_bytes > MAX_BATCH_BYTES
            if group and (full or parcel.is_alarm or group[-1].is_alarm):
                yield group
                group, size_bytes = [], len(parcel.body) + 1
            group.append(parcel)
        if group:
            yield group

    async def _post(self, group: Sequence[Parcel]) -> list[Outcome]:
        """Send one request, and once more at once when the kept connection turned out to be dead.

        A server may close an idle connection in the moment we use it. Repeating is safe (the
        receiver drops repeats by id) and saves an alarm the delivery's back-off.
        """
        ids = [parcel.id for parcel in group]
        try:
            try:
                answer = await self._ask(group)
            except aiohttp.ClientConnectorError:
                raise
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                answer = await self._ask(group)
        except (aiohttp.ClientError, OSError) as error:
            why = f"{self._where}: {_describe(error)}; will be sent again"
            return [UplinkUnavailable(why)] * len(ids)
        return judge(
            answer,
            ids,
            where=self._where,
            name_demanded=self._name_demanded,
            now_s=self._clock.utc_ns() / 1e9,
        )

    async def _ask(self, group: Sequence[Parcel]) -> Answer:
        body, headers = self._written(group)
        async with self._opened().post(
            self._url,
            data=body,
            headers=headers,
            allow_redirects=False,
            proxy=self._options.proxy,
        ) as answer:
            if 200 <= answer.status <= 299:
                taken, complete = await _read_bounded(answer)
            else:
                taken, complete = await _glance(answer), True
            return Answer(
                status=answer.status,
                body=taken,
                complete=complete,
                retry_after=answer.headers.get("Retry-After"),
                location=answer.headers.get("Location"),
            )

    def _written(self, group: Sequence[Parcel]) -> tuple[bytes, dict[str, str]]:
        """Return body and headers; only the headers differ from attempt to attempt."""
        if len(group) == 1:
            body, name, content_type = group[0].body, group[0].id, ONE
            late_s = group[0].late_s
        else:
            body = b"[" + b",".join(parcel.body for parcel in group) + b"]"
            # The same records together again carry the same id, so that a repeat can be dropped.
            name = "batch_" + hashlib.sha256(body).hexdigest()[:40]
            content_type = MANY
            late_s = max((p.late_s for p in group if p.late_s is not None), default=None)
        now_s = str(self._clock.utc_ns() // 1_000_000_000)
        headers = {
            "Content-Type": content_type,
            "webhook-id": name,
            "webhook-timestamp": now_s,
            "Idempotency-Key": name,
        }
        if self._key is not None:
            signed = f"{name}.{now_s}.".encode() + body
            digest = hmac.digest(self._key, signed, "sha256")
            headers["webhook-signature"] = "v1," + base64.b64encode(digest).decode("ascii")
        if late_s is not None:
            headers["Campus-Late-Seconds"] = str(late_s)
        return body, headers

    def _opened(self) -> aiohttp.ClientSession:
        """Return the session; a session belongs to the running loop, so it is made when used."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self.concurrency,
                    ttl_dns_cache=DNS_CACHE_S,
                    keepalive_timeout=KEEPALIVE_S,
                    ssl=self._options.tls or True,
                ),
                # The total is ours (deliver): aiohttp's would be rounded up to whole seconds.
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self._options.connect_timeout_s
                ),
                headers={
                    "User-Agent": "campus-gateway",
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                },
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


async def _read_bounded(answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """Return at most MAX_ANSWER_BYTES of the body and whether that was all of it."""
    taken = b""
    while len(taken) <= MAX_ANSWER_BYTES:
        part = await answer.content.read(MAX_ANSWER_BYTES + 1 - len(taken))
        if not part:
            return taken, True
        taken += part
    answer.close()  # do not drain the rest to keep the connection
    return taken[:MAX_ANSWER_BYTES], False


async def _glance(answer: aiohttp.ClientResponse) -> bytes:
    """Return what comes of a body within GLANCE_S, only to show it: the status has decided."""
    try:
        async with asyncio.timeout(GLANCE_S):
            return (await _read_bounded(answer))[0]
    except (aiohttp.ClientError, OSError):  # a time-out is an OSError
        return b""


def _describe(error: BaseException) -> str:
    """Say what went wrong without aiohttp's own text where that would show the whole URL."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{type(error).__name__}: {plain(error.message)}"
    return f"{type(error).__name__}: {plain(str(error))}"
