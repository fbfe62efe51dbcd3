"""What was heard, made fit to be looked at: text where it is text, bytes where it is not.

Owns    the rows of topics and of what a device would make of them.
Needs   gateway.profile for a plan; gateway.driver.Stranger.
Keeps   Hostile text stays text: no control or direction character leaves here, and it is cut.
Bound   TEXT_CHARS of text, HEX_BYTES of bytes, READINGS_MOST readings.
"""

import unicodedata
from typing import Any, Final

from gateway.driver import Stranger
from gateway.errors import BadFrame
from gateway.profile import MqttPlan
from gateway.store import rfc3339

TEXT_CHARS: Final = 2_000
HEX_BYTES: Final = 64
READINGS_MOST: Final = 50


def plain(text: str, most: int) -> str:
    """Return text without characters that control, hide or turn what stands beside them."""
    kept = (char if unicodedata.category(char)[0] != "C" else "·" for char in text[:most])
    return "".join(kept)


def stranger_row(link: str, heard: Stranger) -> dict[str, Any]:
    """Return one topic as a list shows it; text is None for what is no UTF-8."""
    try:
        text: str | None = plain(heard.sample.decode(), TEXT_CHARS)
    except UnicodeDecodeError as error:
        cut_amid = heard.size_bytes > len(heard.sample) and error.start >= len(heard.sample) - 3
        text = plain(heard.sample[: error.start].decode(), TEXT_CHARS) if cut_amid else None
    return {
        "link": link,
        "topic": plain(heard.topic, 512),
        "count": heard.count,
        "last_at": rfc3339(heard.last_ns),
        "text": text,
        "hex": heard.sample[:HEX_BYTES].hex(" "),
        "size_bytes": heard.size_bytes,
        "retained": heard.retained,
    }


def sample_row(link: str, heard: Stranger, plan: MqttPlan | None, now_ns: int) -> dict[str, Any]:
    """Return a topic with what a device makes of its newest message."""
    row = stranger_row(link, heard)
    row["readings"], row["problem"] = [], None
    if plan is None:
        return row
    if heard.size_bytes > len(heard.sample):
        row["problem"] = "报文过长，未保留全文 / too long to be kept whole"
        return row
    try:
        readings = plan.decode(heard.topic, heard.sample, retained=False, received_ns=now_ns)
    except BadFrame as bad:
        row["problem"] = plain(str(bad), 300)
        return row
    row["readings"] = [
        {
            "point": reading.point,
            "active": reading.active,
            "value": plain(reading.value, 200) if isinstance(reading.value, str) else reading.value,
            "unit": reading.unit,
            "attributes": {
                plain(name, 64): plain(str(value), 256)
                for name, value in reading.attributes.items()
            },
        }
        for reading in readings[:READINGS_MOST]
    ]
    return row
