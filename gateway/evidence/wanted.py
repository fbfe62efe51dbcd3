"""What somebody wants exported, and what an export may cost. Values only.

Keeps   A time span is not empty, not longer than SPAN_MOST_NS, and lies between 1970 and 2261.
"""

from dataclasses import dataclass
from typing import Final

from gateway.evidence.package import ExportError
from gateway.store.video.names import DAY_NS, LAST_NS

SPAN_MOST_NS: Final = 31 * DAY_NS
BEFORE_NS: Final = 10_000_000_000
AFTER_NS: Final = 120_000_000_000
"""Around an alarm that holds nothing yet: what the video process would hold for it."""
ALARM_MOST_NS: Final = DAY_NS


class NothingThere(ExportError):
    """There is no such alarm, or no camera of that name was ever recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who exports; role and address as in the audit trail."""

    who: str
    role: str
    from_address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One alarm, or one camera between two times (UTC nanoseconds); and why.

    raises  ExportError when it is neither, or the times are none
    """

    person: Person
    reason: str
    alarm_id: str | None = None
    camera: str | None = None
    from_ns: int = 0
    to_ns: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no request."""
        if (self.alarm_id is None) == (self.camera is None):
            raise ExportError("一个警情或一台摄像机 either an alarm or a camera")
        if not self.reason.strip():
            raise ExportError("请写明事由 a reason is needed")
        if self.camera is not None:
            if not 0 <= self.from_ns < self.to_ns <= LAST_NS:
                raise ExportError("时间段不正确 from must be before to")
            if self.to_ns - self.from_ns > SPAN_MOST_NS:
                raise ExportError("时间段最长 31 天 at most 31 days at once: export it in parts")

    @property
    def subject(self) -> str:
        """What the audit trail calls it."""
        return self.alarm_id or self.camera or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one export may cost.

    bytes_most   of the whole package
    seal_wait_s  how long to wait for a segment that is still being written
    spare_bytes  room that must be left on the disk beside the package
    """

    bytes_most: int = 1 << 50
    seal_wait_s: float = 75.0
    spare_bytes: int = 256 * 1024 * 1024
