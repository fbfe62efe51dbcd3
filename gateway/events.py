"""The words of the house as types: kinds, modes, readings, and the profile's points.

Owns    the vocabulary. Nothing here reads a clock, a file or a socket.
Needs   gateway.words for a thing said in two languages.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.words import Said


class Kind(StrEnum):
    """What an alarm, a fault or an event is about (design, contract)."""

    PANIC = "panic"
    DURESS = "duress"
    FIRE = "fire"
    SMOKE = "smoke"
    GAS = "gas"
    INTRUSION = "intrusion"
    ACCESS = "access"
    PATROL = "patrol"
    WATER = "water"
    ELECTRICAL = "electrical"
    TEMPERATURE = "temperature"
    POWER = "power"
    EQUIPMENT = "equipment"
    VIDEO = "video"
    TAMPER = "tamper"
    FAULT = "fault"
    OFFLINE = "offline"
    TEST = "test"


class Mode(StrEnum):
    """In which sense a record is meant; part of what is hashed, never changed (promise 6)."""

    LIVE = "live"
    DRILL = "drill"
    SELFTEST = "selftest"
    COMMISSIONING = "commissioning"
    HISTORICAL = "historical"


class Nature(StrEnum):
    """How a point behaves.

    momentary    each reading that matches is an occurrence of its own: a press
    state        true or false lasts until the next reading
    measurement  a number, with or without alarm thresholds
    record       each reading becomes one campus.event.recorded.v1 and nothing else
    """

    MOMENTARY = "momentary"
    STATE = "state"
    MEASUREMENT = "measurement"
    RECORD = "record"


class Category(StrEnum):
    """Which family of records an active point makes: campus.alarm.*, campus.fault.*, or none."""

    ALARM = "alarm"
    FAULT = "fault"
    RECORD = "record"
    READING = "reading"


NEVER_FOLDED: Final = frozenset({Kind.PANIC, Kind.DURESS, Kind.FIRE})
"""Kinds that latch, are never folded, and overtake everything (promises 3 and 4)."""

PRIORITY_OF_KIND: Final[dict[Kind, int]] = {
    Kind.PANIC: 1,
    Kind.DURESS: 1,
    Kind.FIRE: 1,
    Kind.GAS: 1,
    Kind.SMOKE: 2,
    Kind.INTRUSION: 2,
    Kind.WATER: 2,
    Kind.ELECTRICAL: 2,
    Kind.TAMPER: 2,
    Kind.TEMPERATURE: 3,
    Kind.POWER: 3,
    Kind.EQUIPMENT: 3,
    Kind.VIDEO: 3,
    Kind.ACCESS: 3,
    Kind.FAULT: 3,
    Kind.OFFLINE: 3,
    Kind.PATROL: 4,
    Kind.TEST: 4,
}
"""1 emergency, 2 warning, 3 attention, 4 log only; a profile or a device may say otherwise."""

ONLINE_POINT: Final = "@online"
"""Name of the point on which a driver reports a device's own availability (value True/False)."""

MAX_RAW_BYTES: Final = 64 * 1024
"""Bytes kept of one device message as evidence; longer ones are cut, the length is noted."""

MAX_ATTRIBUTES: Final = 16
MAX_ATTRIBUTE_CHARS: Final = 256

Scalar = bool | int | float | str


@dataclass(slots=True, kw_only=True)
class Reading:
    """One value of one point at one time, before anybody judged it.

    Not frozen for speed only (10,000 are made each second); nobody changes one after it is emitted.

    device_id    key of the device in devices.toml
    point        name of the point in the device's profile, or ONLINE_POINT
    active       True/False when the profile could say so (momentary: always True); None when only
                 the value counts
    value        what was measured or read; None when the message carries none
    received_ns  our clock when the message arrived, UTC nanoseconds
    observed_ns  the device's own clock, UTC nanoseconds; None when it has none
    attributes   what the profile captures for data.attributes, already bounded
    duplicate    the device's own key for this message (fCnt, sequence …); None when it has none
    priority     1 to 4 when the message itself says so; None means the point's own
    retained     True when the broker replayed it from its memory: never a new occurrence
    historical   True when the device says it happened earlier and was kept in its own log
    unit         when the device itself says in what it measures; None means the point's own
    """

    device_id: str
    point: str
    received_ns: int
    active: bool | None = None
    value: Scalar | None = None
    observed_ns: int | None = None
    attributes: dict[str, Scalar] = field(default_factory=dict)
    duplicate: str | None = None
    priority: int | None = None
    retained: bool = False
    historical: bool = False
    unit: str | None = None


@dataclass(slots=True, kw_only=True)
class Garbled:
    """A message of a device that does not decode: kept, counted, shown; it may have been a press.

    device_id    the device whose address it arrived on
    why          one line for a person, no bytes of the message in it
    raw          the first MAX_RAW_BYTES bytes
    size_bytes   how long the message really was
    """

    device_id: str
    why: str
    raw: bytes
    size_bytes: int
    received_ns: int


@dataclass(slots=True, kw_only=True)
class Arrival:
    """One message as it came off a link, with everything it meant.

    link         name of the link
    token        what the sender will repeat when it sends the same message again because our
                 acknowledgement got lost (MQTT: packet id and a digest of topic and payload);
                 None when the sender never repeats
    repeated     True when the link says this may be such a repeat (MQTT DUP)
    readings     what it meant; empty when nothing (a heartbeat of an unknown kind)
    devices      ids of the devices that are heard of by this message, for supervision
    marks        (device id, name, value) to keep in the same transaction, for the driver's own use
                 after a restart: how far it has read a device's log. A few dozen characters each
    """

    link: str
    readings: list[Reading]
    devices: tuple[str, ...] = ()
    garbled: Garbled | None = None
    token: tuple[int, int] | None = None
    repeated: bool = False
    marks: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One thing a device reports, as its profile describes it: what the alarm logic needs.

    Times in seconds; 0 means at once, None means never.

    text             what a guard reads when it becomes active, Chinese ("按下"), and English
    latch            open until a person closes the alarm (always so for panic, fire, duress)
    on_delay_s       must stay active this long before it counts
    off_delay_s      must stay inactive this long before it is restored
    debounce_s       a change within this time of the last one is ignored until it settles
    auto_restore_s   goes back to inactive by itself, for devices that never say so
    alarm_above      measurement: active when value >= this …
    restore_below    … and inactive again when value < this (hysteresis; defaults to alarm_above)
    alarm_below      measurement: active when value <= this (oxygen) …
    restore_above    … and inactive again when value > this
    duplicate_window_s  how long a device's own duplicate key is remembered
    accept_retained  a retained message may make it active (default: states of other kinds yes,
                     momentary and panic never)
    counter_bits     momentary: the value is a counter so many bits wide that the device keeps; an
                     occurrence is that it moved, also while we were away
    """

    name: str
    kind: Kind
    nature: Nature
    category: Category
    priority: int
    text: str
    text_en: str
    unit: str | None = None
    latch: bool = False
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    debounce_s: float = 0.0
    auto_restore_s: float | None = None
    alarm_above: float | None = None
    restore_below: float | None = None
    alarm_below: float | None = None
    restore_above: float | None = None
    duplicate_window_s: float = 600.0
    accept_retained: bool = False
    counter_bits: int | None = None

    @property
    def said(self) -> Said:
        """What a guard reads when it becomes active, in both languages."""
        return Said(self.text, self.text_en)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One configured device: what records say of it and what its driver needs.

    address      as devices.toml gives it, checked against the profile's address section
    options      the whole profile-independent rest (priority overrides …), already validated
    silence_s    supervision: silent longer than this is offline; None when it cannot be supervised
    commands     what the installer allows to be written to it; by default nothing
    """

    id: str
    name: str
    place: str
    profile_id: str
    family: str
    link: str
    address: dict[str, Scalar]
    points: dict[str, Point]
    cameras: tuple[str, ...] = ()
    silence_s: float | None = None
    commands: frozenset[str] = frozenset()
