"""Names and pieces of XML, as the specifications print them.

Source  ONVIF Core, Device, Media, Media2 and Event service specifications; WS-Addressing;
        WS-BaseNotification; WSS UsernameToken Profile.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from xml.sax.saxutils import escape, quoteattr

NAMESPACES: Final = {
    "env": "http://www.w3.org/2003/05/soap-envelope",
    "wsa": "http://www.w3.org/2005/08/addressing",
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "tns1": "http://www.onvif.org/ver10/topics",
    "tnsmaker": "http://www.maker.example/topics",
    "ter": "http://www.onvif.org/ver10/error",
}
CONCRETE: Final = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
_DECLARED: Final = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())


def message(body: str) -> bytes:
    """Return a whole answer."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<env:Envelope{_DECLARED}>'
        f"<env:Header/><env:Body>{body}</env:Body></env:Envelope>"
    ).encode()


def fault(code: str, subcodes: Iterable[str], reason: str) -> bytes:
    """Return a SOAP 1.2 fault with nested subcodes."""
    inner = ""
    for subcode in reversed(list(subcodes)):
        inner = f"<env:Subcode><env:Value>{subcode}</env:Value>{inner}</env:Subcode>"
    return message(
        f"<env:Fault><env:Code><env:Value>env:{code}</env:Value>{inner}</env:Code>"
        f'<env:Reason><env:Text xml:lang="en">{escape(reason)}</env:Text></env:Reason></env:Fault>'
    )


def stamp(moment: datetime) -> str:
    """Return an xs:dateTime in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def date_and_time(moment: datetime) -> str:
    """Return GetSystemDateAndTimeResponse."""
    return (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime>"
        "<tt:DateTimeType>NTP</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings>"
        "<tt:TimeZone><tt:TZ>CST-8</tt:TZ></tt:TimeZone><tt:UTCDateTime>"
        f"<tt:Time><tt:Hour>{moment.hour}</tt:Hour><tt:Minute>{moment.minute}</tt:Minute>"
        f"<tt:Second>{moment.second}</tt:Second></tt:Time>"
        f"<tt:Date><tt:Year>{moment.year}</tt:Year><tt:Month>{moment.month}</tt:Month>"
        f"<tt:Day>{moment.day}</tt:Day></tt:Date></tt:UTCDateTime>"
        "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )


def notification(
    topic: str,
    source: Mapping[str, str],
    data: Mapping[str, str],
    operation: str,
    moment: datetime,
) -> str:
    """Return one NotificationMessage; without an operation it is an event that has no state."""
    said = f' PropertyOperation="{operation}"' if operation else ""
    return (
        f'<wsnt:NotificationMessage><wsnt:Topic Dialect="{CONCRETE}">{escape(topic)}</wsnt:Topic>'
        f'<wsnt:Message><tt:Message UtcTime="{stamp(moment)}"{said}>'
        f"<tt:Source>{_items(source)}</tt:Source><tt:Data>{_items(data)}</tt:Data>"
        "</tt:Message></wsnt:Message></wsnt:NotificationMessage>"
    )


def _items(items: Mapping[str, str]) -> str:
    return "".join(
        f"<tt:SimpleItem Name={quoteattr(name)} Value={quoteattr(value)}/>"
        for name, value in items.items()
    )
