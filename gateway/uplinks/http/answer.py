"""What an HTTP answer means for the records that were sent: receipt, later, or never. Pure.

    2xx, no body or JSON       receipt, unless it names another record (design section 4)
    408 425 429 5xx            UplinkUnavailable: stays in the outbox, sent again for ever
    anything else              UplinkRejected: parked, a person looks (redirect, login page, 4xx)

Keeps   1. A receipt for another id, a login page and a redirect are never a receipt.
        2. No text of the receiver passes on unbounded or with control characters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson
from yarl import URL

from gateway.errors import UplinkError, UplinkRejected, UplinkUnavailable
from gateway.uplink import RECEIPT_STATES, Outcome, Receipt
from gateway.uplinks import AGAIN, PARKED, plain

MAX_RETRY_AFTER_S: Final = 3600.0
MAX_REFERENCE_CHARS: Final = 128
RETRIED: Final = frozenset({408, 425, 429})
BOM: Final = b"\xef\xbb\xbf"
RECEIVED: Final = Receipt()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer as far as it was read.

    body      at most MAX_ANSWER_BYTES
    complete  False when there was more of it
    """

    status: int
    body: bytes = b""
    complete: bool = True
    retry_after: str | None = None
    location: str | None = None


def judge(
    answer: Answer, ids: Sequence[str], *, where: str, name_demanded: bool, now_s: float
) -> list[Outcome]:
    """Return one outcome for each record of the request, in order.

    where          the receiver as error texts call it, without secrets
    name_demanded  True: only JSON that names a record's id is a receipt for it
    now_s          UTC seconds, to understand a Retry-After that is a date
    """
    if 200 <= answer.status <= 299:
        if not answer.body and answer.complete and not name_demanded:
            return [RECEIVED] * len(ids)
        return _read_receipts(answer, ids, where, name_demanded=name_demanded)
    error: UplinkError
    if answer.status in RETRIED or 500 <= answer.status <= 599:
        error = UplinkUnavailable(
            f"{where}: HTTP {answer.status}{_shown(answer.body)}; {AGAIN}",
            retry_after_s=read_retry_after(answer.retry_after, now_s),
        )
    elif 300 <= answer.status <= 399:
        target = _without_secrets(answer.location)
        error = UplinkRejected(
            f"{where}: HTTP {answer.status} 是跳转，不跟随 / redirects to {target}, "
            f"which is not followed; {PARKED}"
        )
    else:
        error = UplinkRejected(f"{where}: HTTP {answer.status}{_shown(answer.body)}; {PARKED}")
    return [error] * len(ids)


def read_retry_after(text: str | None, now_s: float) -> float | None:
    """Return the seconds a Retry-After header asks for, 0 to 3600; None when it says nothing.

    source  RFC 9110 section 10.2.3: a number of seconds, or a date
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER_S)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max(when.timestamp() - now_s, 0.0), MAX_RETRY_AFTER_S)


def _read_receipts(
    answer: Answer, ids: Sequence[str], where: str, *, name_demanded: bool
) -> list[Outcome]:
    """Judge a 2xx by its body: JSON null, scalars and objects without an id name nobody."""
    head = f"{where}: HTTP {answer.status}"
    if not answer.complete:
        return _rejected(ids, f"{head} 正文没完没了 / with an endless body is no receipt; {PARKED}")
    text = answer.body.removeprefix(BOM).strip()
    try:
        content = orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return _rejected(
            ids,
            f"{head} 正文不是 JSON / with a body that is not JSON is no receipt{_shown(text)}; "
            f"{PARKED}",
        )
    items = content if isinstance(content, list) else [content]
    named: dict[str, Receipt] = {}
    unnamed: Receipt | None = None
    for item in items:
        if not isinstance(item, dict):
            continue
        if item.get("id") is None:
            unnamed = _receipt(item)
        else:
            named[str(item["id"])] = _receipt(item)
    return [
        _one(each, named, unnamed, head, others=named.keys() - ids, name_demanded=name_demanded)
        for each in ids
    ]


def _one(
    each: str,
    named: dict[str, Receipt],
    unnamed: Receipt | None,
    head: str,
    *,
    others: set[str],
    name_demanded: bool,
) -> Outcome:
    if each in named:
        return named[each]
    if others:
        return UplinkRejected(
            f"{head} 回执写的是别的记录 / names another record ({plain(min(others), 64)}), "
            f"not this one; {PARKED}"
        )
    if name_demanded:
        return UplinkRejected(
            f"{head} 没有写明本记录编号 / does not name this record, which is demanded; {PARKED}"
        )
    return unnamed or RECEIVED


def _receipt(item: dict[str, Any]) -> Receipt:
    """Read state and reference; a state we have no word for says no more than the 2xx itself."""
    state = item.get("state")
    reference = item.get("receipt")
    if not isinstance(reference, (str, int)) or isinstance(reference, bool):
        reference = ""
    return Receipt(
        state=state if isinstance(state, str) and state in RECEIPT_STATES else "received",
        reference=plain(str(reference), MAX_REFERENCE_CHARS),
    )


def _rejected(ids: Sequence[str], why: str) -> list[Outcome]:
    return [UplinkRejected(why)] * len(ids)


def _shown(body: bytes) -> str:
    shown = plain(body)
    return f" ({shown})" if shown else ""


def _without_secrets(location: str | None) -> str:
    """Shorten a Location to scheme, host and path: the rest may hold somebody's session."""
    try:
        url = URL(location or "")
        return plain(str(url.with_query(None).with_fragment(None).with_user(None))) or "nowhere"
    except ValueError:
        return "elsewhere"
