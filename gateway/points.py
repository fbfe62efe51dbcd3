"""Points as last known: their machine, their last value, their timer. Pure.

Owns    how a point begins after a restart, and what of a value can be stored.
Needs   profile logic for the machine.
"""

import orjson
import structlog

from gateway.events import MAX_ATTRIBUTE_CHARS, Device, Point, Scalar
from gateway.profile import PointMachine, PointState
from gateway.store.journal import Subject

log = structlog.get_logger()


class PointNow:
    """A point as last known, for the console and for thin telemetry."""

    __slots__ = (
        "armed_ns",
        "at_ns",
        "machine",
        "point",
        "stored_ns",
        "subject",
        "text",
        "value",
        "words",
    )

    def __init__(self, device: Device, point: Point, subject: Subject, saved: str | None) -> None:
        self.point = point
        self.subject = subject
        self.text = f"{device.place} {device.name} {point.text}".strip()
        self.words = point.said
        self.machine = _machine(point, saved)
        self.armed_ns = 0  # when its timer goes off; 0 when none is set
        self.value: Scalar | None = None
        self.at_ns = 0  # UTC of the last reading since start, 0 before
        self.stored_ns = 0  # monotonic time of the last row of telemetry


def _machine(point: Point, saved: str | None) -> PointMachine:
    """As it was; a state that cannot be read begins unknown, and the next reading tells."""
    if saved is not None:
        try:
            return PointMachine(point, PointState.from_dict(orjson.loads(saved)))
        except (ValueError, TypeError, KeyError, AttributeError):
            log.exception("a point's state cannot be read; it begins unknown", point=point.name)
    return PointMachine(point, None)


def storable(value: Scalar | None) -> Scalar | None:
    """Return what SQLite can hold: 64 bits with a sign, and text that is no essay."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        return float(value)
    return value[:MAX_ATTRIBUTE_CHARS] if type(value) is str else value
