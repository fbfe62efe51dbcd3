"""The only part of the gateway that touches the disk. FORMAT.md is its specification."""

from gateway.store.batch import (
    PARKED,
    PENDING,
    STATES,
    AlarmRow,
    Batch,
    DeliveryRow,
    QuarantineRow,
)
from gateway.store.fsck import verify
from gateway.store.journal import Draft, Journal, Sealed, Subject, rfc3339, seq_of
from gateway.store.opening import Start
from gateway.store.store import Store
from gateway.store.trail import Line, Trail

__all__ = [
    "PARKED",
    "PENDING",
    "STATES",
    "AlarmRow",
    "Batch",
    "DeliveryRow",
    "Draft",
    "Journal",
    "Line",
    "QuarantineRow",
    "Sealed",
    "Start",
    "Store",
    "Subject",
    "Trail",
    "rfc3339",
    "seq_of",
    "verify",
]
