"""Uplink "http": posts records to one HTTP receiver.

Owns    what is said in a request, and one Wire with at most `concurrency` connections.
Needs   gateway.uplink, gateway.clock. Knows no store, no rule and no other receiver.
Keeps   1. The body goes out byte for byte on every attempt; only headers know the time of sending.
        2. A call of deliver ends within total_timeout_s (14 s at most), whatever the receiver does.
        3. Where an answer leaves a doubt, the record is sent again or parked, never taken for done.
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Final

from yarl import URL

from gateway.clock import Clock
from gateway.errors import UplinkRejected, UplinkUnavailable
from gateway.uplink import LaterReceipt, Outcome, Parcel, UplinkSettings
from gateway.uplinks import AGAIN, PARKED, plain
from gateway.uplinks.http.answer import judge
from gateway.uplinks.http.options import Options
from gateway.uplinks.http.wire import Wire, WireError

MAX_BATCH_BYTES: Final = 512 * 1024

ONE: Final = "application/cloudevents+json"
MANY: Final = "application/cloudevents-batch+json"


class Uplink:
    """One HTTP receiver; see gateway.uplink.Uplink."""

    alarms_in_batches = False
    ordered = False

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
        proxy = self._options.proxy
        self._wire = Wire(
            self._url,
            tls=self._options.tls,
            proxy=None if proxy is None else URL(proxy),
            limit=self.concurrency,
            connect_timeout_s=self._options.connect_timeout_s,
            clock=clock,
        )

    async def run(self) -> None:
        """Hold the connections until cancelled, then close them."""
        try:
            await asyncio.Event().wait()
        finally:
            self._wire.close()

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
            within = f"{self._options.total_timeout_s:g} s"
            why = f"{self._where}: {within} 内没有答复 / no answer within {within}; {AGAIN}"
            outcomes.append(UplinkUnavailable(why))
        missing = len(parcels) - len(outcomes)
        return (outcomes + outcomes[-1:] * missing)[: len(parcels)]

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
        body, name, content_type, late_s = _wrapped(group)
        if not (name.isascii() and name.isprintable()):
            why = f"编号不能放进报头 / the id {plain(name, 64)} cannot stand in a header; {PARKED}"
            return [UplinkRejected(why)] * len(ids)
        try:
            try:
                answer = await self._wire.post(
                    self._headers(body, name, content_type, late_s), body
                )
            except WireError as error:
                if not error.stale:
                    raise
                answer = await self._wire.post(
                    self._headers(body, name, content_type, late_s), body
                )
        except WireError as error:
            why = f"{self._where}: {plain(str(error))}; {AGAIN}"
            return [UplinkUnavailable(why)] * len(ids)
        return judge(
            answer,
            ids,
            where=self._where,
            name_demanded=self._name_demanded,
            now_s=self._clock.utc_ns() / 1e9,
        )

    def _headers(self, body: bytes, name: str, content_type: str, late_s: int | None) -> str:
        """Return what is only known at sending: the signature covers id, time and body."""
        now_s = self._clock.utc_ns() // 1_000_000_000
        headers = (
            f"Content-Type: {content_type}\r\nwebhook-id: {name}\r\n"
            f"webhook-timestamp: {now_s}\r\nIdempotency-Key: {name}\r\n"
        )
        if self._key is not None:
            signed = b"%b.%d.%b" % (name.encode(), now_s, body)
            digest = hmac.digest(self._key, signed, "sha256")
            headers += f"webhook-signature: v1,{base64.b64encode(digest).decode()}\r\n"
        if late_s is not None:
            headers += f"Campus-Late-Seconds: {late_s}\r\n"
        return headers


def _wrapped(group: Sequence[Parcel]) -> tuple[bytes, str, str, int | None]:
    """Return body, id, content type and lateness (of a batch: that of its oldest record)."""
    if len(group) == 1:
        parcel = group[0]
        return parcel.body, parcel.id, ONE, parcel.late_s
    body = b"[" + b",".join(parcel.body for parcel in group) + b"]"
    # The same records together again carry the same id, so that a repeat can be dropped.
    name = "batch_" + hashlib.sha256(body).hexdigest()[:40]
    late_s = max((p.late_s for p in group if p.late_s is not None), default=None)
    return body, name, MANY, late_s
