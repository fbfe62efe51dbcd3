"""Where a segment lies and what it is called: the index keeps no path, because it follows.

Owns    the form VOLUME/CAMERA/YYYYMMDD/YYYYMMDDTHHMMSS.nnnnnnnnnZ.mp4, and .open behind it while
        the file is written. Pure.
Keeps   1. A name gives back the time it was made from, to the nanosecond.
        2. Names of one camera sort as their times do.
        3. A camera's name can neither leave its volume nor hide in it.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

DAY_NS: Final = 86_400_000_000_000
SECOND_NS: Final = 1_000_000_000
LAST_NS: Final = 9_214_646_399 * SECOND_NS
"""The end of the year 2261: later times have no name, for the index's 64 bits end in April 2262."""
ENDING: Final = ".mp4"
OPEN_ENDING: Final = ".mp4.open"

_CAMERA: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,79}")
_DAY: Final = re.compile(r"\d{8}", re.ASCII)
_NAME: Final = re.compile(r"(\d{8})T(\d{2})(\d{2})(\d{2})\.(\d{9})Z\.mp4(\.open)?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def is_camera(name: str) -> bool:
    """Whether a camera may be called so: a device's id, with ~sub and the like behind it."""
    return _CAMERA.fullmatch(name) is not None


def is_day(name: str) -> bool:
    """Whether a folder's name is a day of the calendar: strangers' folders may be called so."""
    if _DAY.fullmatch(name) is None:
        return False
    try:
        start_of_day(name)
    except ValueError:
        return False
    return True


def day_of(utc_ns: int) -> str:
    """The UTC day a time lies in, YYYYMMDD. Raises ValueError outside 1970 to 2261."""
    return _day(_bounded(utc_ns) // DAY_NS)


def start_of_day(day: str) -> int:
    """The first nanosecond of a day; raises ValueError when there is no such day."""
    return _bounded(_nanoseconds(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)))


def file_name(start_ns: int) -> str:
    """The name of the sealed segment that begins at start_ns."""
    day = day_of(start_ns)
    seconds, rest = divmod(start_ns % DAY_NS, SECOND_NS)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{day}T{hour:02d}{minute:02d}{second:02d}.{rest:09d}Z{ENDING}"


def start_of_name(name: str) -> int | None:
    """The time in a segment's name, open or sealed; None when it is no segment's."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    day, hour, minute, second, rest, _ = found.groups()
    try:
        at = datetime.strptime(day + hour + minute + second, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return _bounded(_nanoseconds(at) + int(rest))
    except ValueError:
        return None


def relative(camera: str, start_ns: int) -> Path:
    """The sealed segment's path inside its volume."""
    return Path(camera, day_of(start_ns), file_name(start_ns))


def _bounded(utc_ns: int) -> int:
    if not 0 <= utc_ns <= LAST_NS:
        raise ValueError(f"{utc_ns} ns is no time between 1970 and 2261")
    return utc_ns


@lru_cache(maxsize=256)
def _day(days: int) -> str:
    """Formatting costs more than all else about a name, and days are few."""
    return (_EPOCH + timedelta(days=days)).strftime("%Y%m%d")


def _nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(seconds=1) * SECOND_NS
