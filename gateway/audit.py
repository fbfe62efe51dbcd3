"""Entry: one line of the audit trail, who did what, with what reason; never who was in the right.

Owns    what an entry holds and how much of it. The store gives it its place in the trail
        (store/trail.py), the intake writes it (Intake.audit).
Needs   gateway.events. Knows no store, so that whoever serves video can make one.
Keeps   1. What it holds can be written as JSON in UTF-8, whatever a person or a device had typed.
        2. Making one never fails for what somebody else had typed: what is too long is cut and
           ends in "…"; only an action that is none of the house's words is refused.
Bound   who, role, from_address SHORT_CHARS; subject SUBJECT_CHARS; reason REASON_CHARS; details
        DETAILS_MOST values of DETAIL_CHARS: less than 20 kB in all.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.events import Scalar

SHORT_CHARS: Final = 64
SUBJECT_CHARS: Final = 128
REASON_CHARS: Final = 1000
DETAILS_MOST: Final = 16
DETAIL_CHARS: Final = 256
_ACTION: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){0,3}")
_INT_MOST: Final = 1 << 53
"""Above it a JSON number does not come back the same everywhere; such a number becomes text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What somebody did, or was refused.

    who           name of the person or platform as records say it; "" when nobody signed in
    role          as in gateway.console.tokens, or "local" for who sat at the machine
    from_address  the other end of the socket, "local" at the machine
    action        one of the house's words with dots: "video.view", "evidence.export", "alarm.close"
    subject       what it was done to: an alarm's or camera's id, a device and its command
    reason        why, in the person's words; "" where none is asked for
    details       further facts: times, sizes, hashes
    """

    who: str
    role: str
    from_address: str
    action: str
    subject: str
    reason: str = ""
    details: Mapping[str, Scalar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Cut and clean (keeps 1 and 2). Raises ValueError for an action of another form."""
        if len(self.action) > SHORT_CHARS or not _ACTION.fullmatch(self.action):
            raise ValueError(f"{self.action!r} is no action: words of a-z with dots between them")
        for name, most in (
            ("who", SHORT_CHARS),
            ("role", SHORT_CHARS),
            ("from_address", SHORT_CHARS),
            ("subject", SUBJECT_CHARS),
            ("reason", REASON_CHARS),
        ):
            object.__setattr__(self, name, clean(getattr(self, name), most))
        details = {
            clean(name, SHORT_CHARS): _value(value)
            for name, value in list(self.details.items())[:DETAILS_MOST]
        }
        object.__setattr__(self, "details", details)


def clean(text: object, most: int) -> str:
    """Return text of at most `most` characters that has a form in UTF-8."""
    plain = str(text).encode("utf-8", "replace").decode("utf-8")
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def _value(value: object) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -_INT_MOST <= value <= _INT_MOST else clean(value, DETAIL_CHARS)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return clean(value, DETAIL_CHARS)
