"""SOAP 1.2 as cameras speak it: envelopes written and read, and saying who we are. Pure.

Owns    the envelope, WS-Addressing headers, the UsernameToken, and reading faults.
Needs   xml.py, names.py. Nonce and time are handed in.
Keeps   Everything that goes into an envelope is escaped.

Source  SOAP 1.2 part 1, 5.4 (faults); WS-Addressing 1.0; WSS UsernameToken Profile 1.0, 3.1; ONVIF
        Core, "Authentication".
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from xml.sax.saxutils import escape

from gateway.links.onvif import names
from gateway.links.onvif.errors import Fault, Unreadable
from gateway.links.onvif.xml import BadXml, Element, parse

ANONYMOUS: Final = f"{names.ADDRESSING}/anonymous"
MAX_SUBCODES: Final = 6
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def username_token(username: str, password: str, nonce: bytes, created: str) -> str:
    """Return the security header: the digest of nonce, time and password.

    created  the camera's own time, as it thinks it is, with a Z
    """
    said = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False)
    digest = base64.b64encode(said.digest()).decode()
    return (
        f'<wsse:Security xmlns:wsse="{names.SECURITY}" xmlns:wsu="{names.UTILITY}"'
        ' s:mustUnderstand="true"><wsse:UsernameToken>'
        f"<wsse:Username>{escape(username)}</wsse:Username>"
        f'<wsse:Password Type="{names.DIGEST_TYPE}">{digest}</wsse:Password>'
        f'<wsse:Nonce EncodingType="{names.BASE64_TYPE}">'
        f"{base64.b64encode(nonce).decode()}</wsse:Nonce>"
        f"<wsu:Created>{escape(created)}</wsu:Created>"
        "</wsse:UsernameToken></wsse:Security>"
    )


def addressing(action: str, to: str, message_id: str, references: Sequence[str] = ()) -> str:
    """Return the headers that say what is asked of whom; `references` are said back as they are."""
    return (
        f'<a:Action xmlns:a="{names.ADDRESSING}" s:mustUnderstand="true">{action}</a:Action>'
        f'<a:MessageID xmlns:a="{names.ADDRESSING}">urn:uuid:{message_id}</a:MessageID>'
        f'<a:ReplyTo xmlns:a="{names.ADDRESSING}"><a:Address>{ANONYMOUS}</a:Address></a:ReplyTo>'
        f'<a:To xmlns:a="{names.ADDRESSING}" s:mustUnderstand="true">{escape(to)}</a:To>'
        + "".join(references)
    )


def envelope(body: str, header: str = "") -> bytes:
    """Return a whole message."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{names.SOAP}">'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def read_answer(data: bytes, where: str, status: int) -> Element:
    """Return the first element of the body.

    raises Fault       when it is one, or when HTTP says an error
    raises Unreadable  when it is no SOAP
    """
    try:
        root = parse(data)
    except BadXml as error:
        if status >= 400:
            raise Fault(where, (), "", status) from error
        raise _strange(where, str(error)) from error
    body = root.find("Body")
    if root.name != "Envelope" or body is None or not body.children:
        if status >= 400:
            raise Fault(where, (), "", status)
        raise _strange(where, "不是 SOAP / no SOAP")
    first = body.children[0]
    if first.name == "Fault":
        raise _fault(first, where, status)
    if status >= 400:
        raise Fault(where, (), "", status)
    return first


def _strange(where: str, why: str) -> Unreadable:
    return Unreadable(where, f"回答无法识别（{why}）", f"the answer cannot be read ({why})")


def _fault(fault: Element, where: str, status: int) -> Fault:
    codes: list[str] = []
    code = fault.find("Code")
    while code is not None and len(codes) < MAX_SUBCODES:
        codes.append(code.said("Value").rpartition(":")[2])
        code = code.find("Subcode")
    old = fault.said("faultcode")
    if old:
        codes.append(old.rpartition(":")[2])
    reason = fault.said("Reason", "Text") or fault.said("faultstring")
    return Fault(where, tuple(codes), reason, status)


# --- times -------------------------------------------------------------------------------------


def written_time(utc_ns: int) -> str:
    """Write a time the way every camera takes it: whole milliseconds and a Z."""
    moment = _EPOCH + timedelta(microseconds=utc_ns // 1000)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def read_time(text: str) -> int | None:
    """Read an xs:dateTime into UTC nanoseconds; without a zone it is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text.strip()[:40])
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return ((moment - _EPOCH) // timedelta(microseconds=1)) * 1000
    except OverflowError:
        return None
