"""What a checked configuration is: frozen values that the rest of the house is built from.

Owns    the words for an installation's settings.
Needs   gateway.driver (LinkSettings), gateway.events (Device, Kind) and gateway.profile (Shelf).
Keeps   No secret shows in a repr.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.driver import LinkSettings
from gateway.events import Device, Kind
from gateway.links.onvif.streams import OnvifSource
from gateway.links.rtsp import RtspSettings
from gateway.profile import Shelf
from gateway.response_plans import Plans


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Who we are: id and name of the school, and which of its gateways this one is.

    address, phone  what somebody who calls for help reads out; "" where nobody wrote them down
    """

    id: str
    name: str
    gateway: str
    address: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where events live.

    path            folder of the store; made by whoever opens it
    retention_days  nothing younger is deleted
    reserve_mib     set aside so that alarms still fit when the disk is full
    """

    path: Path
    retention_days: int = 90
    reserve_mib: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedBroker:
    """The broker we run ourselves for one link.

    listen_host, port  where devices connect
    folder             where it keeps what it acknowledged
    username           what devices present; None: who shows no account is let in, on loopback
                       only, and only while the link has no username of its own
    """

    link: str
    listen_host: str
    port: int
    folder: Path
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkEntry:
    """One receiver: options is a checked instance of its kind's Options, secrets included."""

    name: str
    kind: str
    options: Any = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Alarms of these kinds go to this receiver; None means every kind."""

    uplink: str
    kinds: frozenset[Kind] | None = None


Watched = tuple[str, str]
"""A point that an interlock listens to: device id, name of the point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interlock:
    """An alarm at any of the watched points closes a valve.

    valve                   id of the device whose commands `close` and `open` are
    open                    None: opening over the network does not exist
    clear_for_s             every watched point must have been clear that long before opening
    second_person_within_s  of the first person's request the second one must confirm it
    """

    name: str
    watched: tuple[Watched, ...]
    valve: str
    close: str
    open: str | None = None
    clear_for_s: int = 1800
    second_person_within_s: int = 120


SUB_ENDING: Final = ".sub"
"""Behind a camera's id: the name its sub stream is recorded under."""


PICTURE_CHECKS: Final = frozenset({"black", "no_signal", "covered", "blurred", "moved", "frozen"})
"""What a camera's picture is judged for; the words of the findings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One camera that is recorded.

    stream              the main stream
    retention_days      None: as long as the site's
    sub                 its small stream, None when it has none; recorded as sub_id
    sub_retention_days  of the small stream
    onvif               None when the streams' addresses are written down. Otherwise the camera is
                        asked for them, and stream and sub hold everything but the address
    picture_checks      what its picture is judged for; empty: it is not looked at
    """

    id: str
    name: str
    place: str
    stream: RtspSettings
    retention_days: int | None = None
    sub: RtspSettings | None = None
    sub_retention_days: int = 7
    onvif: OnvifSource | None = None
    picture_checks: frozenset[str] = PICTURE_CHECKS

    @property
    def sub_id(self) -> str:
        """The name the sub stream is recorded under; the check of the names keeps it unique."""
        return self.id + SUB_ENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSettings:
    """What is worth telling a person about recordings.

    warn_days       a fault each, when the disks will be full in fewer days; falling
    gap_minutes     missing within a day: more is a fault of that camera
    camera_clock_s  a camera whose clock is off by more is a fault
    hold_before_s   kept from before an alarm; hold_after_s from behind it and behind its end;
                    hold_most_h at most of an alarm that stays open
    """

    warn_days: tuple[int, ...] = (14, 7, 2)
    gap_minutes: int = 15
    camera_clock_s: int = 10
    hold_before_s: int = 10
    hold_after_s: int = 120
    hold_most_h: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Siren:
    """What sounds in the guard room when no console does: a device and two of its commands."""

    device: str
    on: str
    off: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Whom the guard room telephones; role is "" for nobody in particular."""

    name: str
    number: str
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """Where the API and the page listen; cert and key are both given or both None.

    has_own_certificate  it listens beyond this machine and nobody gave it one, nor a proxy
    siren           sounds where no console does
    player          a program that plays a WAV file, which is put behind its arguments; () for none
    watched         no console alive is a fault even before there are people
    steps_required  an alarm is not closed before its plan's mandatory steps are done or have a
                    reason
    """

    host: str = "127.0.0.1"
    port: int = 8800
    cert: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False
    has_own_certificate: bool = False
    siren: Siren | None = None
    player: tuple[str, ...] = ()
    watched: bool = False
    steps_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """Format "json" or "console", level "debug" to "error"."""

    format: str = "json"
    level: str = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One installation, checked as a whole.

    embedded           the brokers we run ourselves, by the name of their link
    routes             an uplink without any gets everything
    escalation         seconds after the raise, rising, by priority 1 to 4
    unverified         ids of devices whose profile was never tried on a real device, and whose
                       installer did not say that he knows
    interlocks         which alarms close which valve
    volumes            folders for video, in the order of the file
    cameras            those that are recorded
    video              what is told about recordings
    contacts           whom the guard room telephones, in the order of the file
    plans              what people do, by the kind of alarm
    """

    folder: Path
    site: Site
    store: StoreSettings
    links: tuple[LinkSettings, ...]
    embedded: Mapping[str, EmbeddedBroker]
    uplinks: tuple[UplinkEntry, ...]
    routes: tuple[Route, ...]
    console: ConsoleSettings
    escalation: Mapping[int, tuple[int, ...]]
    heartbeat_seconds: int
    log: LogSettings
    devices: tuple[Device, ...]
    shelf: Shelf = field(repr=False)
    unverified: tuple[str, ...] = ()
    interlocks: tuple[Interlock, ...] = ()
    volumes: tuple[Path, ...] = ()
    cameras: tuple[Camera, ...] = ()
    video: VideoSettings = VideoSettings()
    contacts: tuple[Contact, ...] = ()
    plans: Plans = field(default_factory=dict)

    def receivers_of(self, kind: Kind) -> tuple[str, ...]:
        """Return the uplinks that get alarms of a kind, in the order of the file."""
        routed = {route.uplink for route in self.routes}
        chosen = {
            route.uplink for route in self.routes if route.kinds is None or kind in route.kinds
        }
        # Without a route of its own a receiver gets everything: a forgotten route must not
        # silence it (rules/routing.py, which a test keeps the same).
        return tuple(
            uplink.name
            for uplink in self.uplinks
            if uplink.name in chosen or uplink.name not in routed
        )
