"""What strangers publish, as an installer is shown it: text that can be sent and hides nothing."""

import unicodedata

import orjson
import pytest

from gateway.commission.samples import TEXT_CHARS, sample_row
from gateway.driver import Stranger
from tests.profile.test_mqtt import plan

EVIL = {
    "markup": b'{"battery": "<img src=x onerror=alert(1)>"}',
    "a lone surrogate": rb'{"battery": "\ud800", "\udfff": 1}',
    "nothing at all": b"\0\0\0",
    "a nul in text": b'{"water": true, "battery": "a\\u0000b"}',
    "a thousand digits": b'{"battery": ' + b"9" * 1_000 + b"}",
    "more than 64 bits": b'{"battery": 123456789012345678901, "seq": 123456789012345678901}',
    "no number": b'{"battery": NaN}',
    "endless": b'{"battery": 1e999, "temp_c": -1e999}',
    "turned": '{"battery": "\u202e\u2066钮按", "seq": "\u200f"}'.encode(),
    "a family": '{"battery": "👨\u200d👩\u200d👧\u200d👦"}'.encode(),
    "ten kilobytes": b'{"battery": "' + b"W" * 10_000 + b'"}',
    "half a character": "报".encode()[:2],
    "a deep well": b"[" * 5_000,
    "an escape": b"\x1b[2J\x07{}",
}


@pytest.mark.parametrize("profile", ["generic/json_sensor", "generic/json_button"])
@pytest.mark.parametrize("payload", EVIL.values(), ids=EVIL.keys())
def test_nothing_published_breaks_a_row_or_hides_in_it(profile: str, payload: bytes) -> None:
    topic = "new/\u202eb\x07<img>" + "x" * 1_000
    heard = Stranger(
        topic=topic, count=1, last_ns=1, sample=payload, size_bytes=len(payload), retained=False
    )
    for made in (None, plan(profile, topic="new/b")):
        row = sample_row("field", heard, made, 99)
        sent = orjson.dumps(row).decode()
        assert not [char for char in sent if unicodedata.category(char)[0] == "C"]
        assert all(len(text) <= TEXT_CHARS for text in row.values() if isinstance(text, str))
        assert len(row["topic"]) <= 512
