"""Payloads that mean nothing, each bad in one way a real network has shown.

Whether one is garbled depends on the profile that reads it: to generic/json_button any JSON object
is a press, "wrong-type" too; to a Zigbee button it is not.

Keeps   Every one is bounded: the hugest is 1 MiB, the deepest 100,000 levels.
"""

import random
from typing import Final

HUGE_BYTES: Final = 1024 * 1024
DEEP_LEVELS: Final = 100_000

GARBAGE: Final[dict[str, bytes]] = {
    "empty": b"",
    "not-utf8": b'{"action": "\xff\xfe\xc3\x28"}',
    "not-json": b"SOS!!",
    "half": b'{"action": "emerg',
    "nan": b'{"action": NaN, "sos": NaN, "battery": Infinity}',
    "number": b"12345678901234567890",
    "huge-number": b'{"action": 1e999999, "sos": ' + b"9" * 5000 + b"}",
    "array": b'["emergency"]',
    "null": b"null",
    "wrong-type": b'{"action": {"emergency": true}, "sos": "yes", "mark": [1]}',
    "surrogate": b'{"action": "\\ud800", "mark": "\\udfff"}',
    "nul": b'{"action": "emer\\u0000gency"}\x00\x00',
    "twice": b'{"action": "", "action": "emergency", "sos": false, "sos": true}',
    "deep": b"[" * DEEP_LEVELS,
    "deep-object": b'{"a":' * DEEP_LEVELS + b"1" + b"}" * DEEP_LEVELS,
    "huge": b'{"action": "' + b"A" * HUGE_BYTES + b'"}',
    "bom": b'\xef\xbb\xbf{"action": "emergency"',
}


def random_garbage(seed: int) -> bytes:
    """Return bytes no device sends, at most 4 KiB, the same for the same seed."""
    dice = random.Random(seed)
    return b"\xff" + dice.randbytes(dice.randrange(4096))
