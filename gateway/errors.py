"""Every error the gateway raises on purpose, and what becomes of it.

GatewayError
├── ConfigError            an installer must edit a file        stop, exit 78
├── DeviceError            one device is unwell, others go on
│   ├── LinkDown           the way to many devices broke        back off, connect again
│   └── BadFrame           bytes that do not decode             quarantine, garbled fault, go on
├── StoreError             the disk cannot be trusted
│   ├── StoreFull          no room for this write               reserve, no telemetry, retried
│   ├── StoreDamaged       the file is not a sound store        moved aside, begun anew, fault
│   └── StoreNewer         written by a newer version           stop, exit 78: nothing is touched
└── UplinkError            a receiver did not take a record
    ├── UplinkUnavailable  may work later                       stays in the outbox, tried for ever
    └── UplinkRejected     will never work as it is             parked, fault, shown to a person
"""

from dataclasses import dataclass


class GatewayError(Exception):
    """The root: everything below it is expected and handled somewhere."""


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """One thing wrong in one place of a configuration file.

    file      path as the installer would type it
    key       dotted path inside the file, "" for the whole file: "device[3].link"
    problem   what is wrong
    expected  what would be right
    """

    file: str
    key: str
    problem: str
    expected: str

    def __str__(self) -> str:
        """One line, as `campus-gateway check` prints it."""
        return f"{self.file}: {self.key or '(file)'}: {self.problem}, expected {self.expected}"


class ConfigError(GatewayError):
    """The configuration does not hold; every fault that was found travels with it."""

    def __init__(self, faults: list[ConfigFault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class DeviceError(GatewayError):
    """One device, or the way to it, is unwell."""


class LinkDown(DeviceError):
    """The link to the devices ended; the supervisor runs the driver again after a pause."""


class BadFrame(DeviceError):
    """Bytes arrived that do not decode; they travel with the error as evidence."""

    def __init__(self, why: str, *, raw: bytes) -> None:
        super().__init__(why)
        self.raw = raw


class StoreError(GatewayError):
    """The disk did not do what was asked."""


class StoreFull(StoreError):
    """No room for this write: the disk, a quota or a file size limit."""


class StoreDamaged(StoreError):
    """The file is not a sound store of ours."""


class StoreNewer(StoreError):
    """The store was written by a newer version of the gateway and is left alone."""


class UplinkError(GatewayError):
    """A receiver did not take a record."""


class UplinkUnavailable(UplinkError):
    """Not now: no connection, time-out, 408, 425, 429, 5xx.

    retry_after_s  what the receiver asked for, None when it did not
    """

    def __init__(self, why: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class UplinkRejected(UplinkError):
    """Never as it is: a person has to look."""
