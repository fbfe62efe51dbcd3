"""Shapes: what goes into and comes out of the API, as OpenAPI shows it.

Needs   gateway.uplink for the words of a receipt.
Keeps   What comes in is strict: no unknown member, bounded strings, no control characters.
"""

import unicodedata
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_NOTE_CHARS: Final = 500
MAX_REFERENCE_CHARS: Final = 128
MAX_REASON_CHARS: Final = 200


def clean(text: str) -> str:
    """Refuse control, format (text direction), private and unpaired surrogate characters."""
    for char in text:
        if unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}:
            raise ValueError("control characters are not allowed")
    return text


class In(BaseModel):
    """What every body has in common."""

    model_config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, str_strip_whitespace=True
    )


class CloseIn(In):
    """How an alarm ended."""

    disposition: Literal["real", "accidental", "fault", "test", "malicious"]
    note: Annotated[str, Field(max_length=MAX_NOTE_CHARS), AfterValidator(clean)] = ""


class SecondIn(In):
    """The second of two persons, at the console of the first one."""

    name: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(clean)]
    secret: Annotated[str, Field(min_length=1, max_length=128)]


class CommandBody(In):
    """Why a person wants a device told something; it goes into the record.

    second  for what takes two: who confirms it here and now, else he asks at another console
    """

    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON_CHARS), AfterValidator(clean)]
    second: SecondIn | None = None


class ReceiptIn(In):
    """What a receiver says of a record, later than its answer to the delivery."""

    id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
    state: Literal["received", "accepted", "rejected", "dispatched", "on_scene", "closed"]
    receipt: Annotated[str, Field(max_length=MAX_REFERENCE_CHARS), AfterValidator(clean)] = ""


class Health(BaseModel):
    """Which loops are alive."""

    alive: bool
    loops: dict[str, bool]


class Readiness(BaseModel):
    """Whether alarms are accepted, and why not."""

    ready: bool
    reasons: list[str]


class EventList(BaseModel):
    """Frozen records, byte for byte; ask again with after=next."""

    events: list[dict[str, Any]]
    next: int


class AuditList(BaseModel):
    """Frozen entries of the audit trail, byte for byte; ask again with after=next."""

    entries: list[dict[str, Any]]
    next: int


class DeviceRef(BaseModel):
    """The device of an alarm."""

    id: str
    name: str
    place: str
    family: str


class Words(BaseModel):
    """One thing in both languages, without place and name: a screen shows one of them."""

    zh: str
    en: str


class Lamp(BaseModel):
    """How far an alarm has got on its way to one receiver."""

    receiver: str
    state: str
    reference: str | None = None
    reason: str | None = None
    words: Words | None = None
    attempts: int
    at: str | None = None


class Held(BaseModel):
    """What an alarm's cameras keep of it at least; it grows while the alarm is open."""

    from_: Annotated[str, Field(alias="from")]
    to: str


class StepMark(BaseModel):
    """What became of one step of the response plan; text is what was on the screen."""

    step: int
    text: str
    state: Literal["done", "skipped"]
    reason: str
    by: str
    at: str


class NoteMark(BaseModel):
    """What a person had to say."""

    text: str
    by: str
    at: str


class CallMark(BaseModel):
    """A receiver that somebody told by telephone; its lamp stays as it is."""

    receiver: str
    note: str
    by: str
    at: str


class Alarm(BaseModel):
    """One occurrence with its life; a fault has the same members."""

    alarm_id: str
    kind: str
    priority: int
    mode: str
    state: str
    latched: bool
    device: DeviceRef
    point: str
    text: str
    words: Words | None = None
    value: bool | int | float | str | None = None
    unit: str | None = None
    count: int
    raised_at: str
    last_at: str
    acknowledged_at: str | None = None
    acknowledged_by: str | None = None
    restored_at: str | None = None
    closed_at: str | None = None
    closed_by: str | None = None
    disposition: str | None = None
    note: str | None = None
    cameras: list[str]
    video: Held | None = None
    deliveries: list[Lamp]
    steps: list[StepMark] = []
    notes: list[NoteMark] = []
    telephoned: list[CallMark] = []


class AlarmList(BaseModel):
    """Alarms."""

    alarms: list[Alarm]


class FaultList(BaseModel):
    """Faults."""

    faults: list[Alarm]


class PointState(BaseModel):
    """The newest reading of one point; quality other than good means: do not rely on it.

    nature  momentary: an alarm of it stays active until it is closed, so active says nothing about
            the place
    """

    name: str
    kind: str
    nature: Literal["momentary", "state", "measurement", "record"] | None = None
    active: bool | None = None
    value: bool | int | float | str | None = None
    unit: str | None = None
    quality: Literal["good", "unknown", "stale"]
    at: str | None = None


class CommandState(BaseModel):
    """A command the device's profile knows; `allowed` is what the installer says."""

    name: str
    text: str
    text_en: str
    effect: str
    permission: Literal["guard", "leader", "installer"]
    allowed: bool


class Commanded(BaseModel):
    """What became of a command."""

    state: Literal["done", "sent", "waiting", "running", "failed", "refused"]
    why: str


class DeviceState(BaseModel):
    """One configured device."""

    id: str
    name: str
    place: str
    profile: str
    family: str
    link: str
    state: Literal["online", "offline", "unknown"]
    last_seen: str | None = None
    points: list[PointState]
    commands: list[CommandState] = []


class DeviceList(BaseModel):
    """Devices."""

    devices: list[DeviceState]


class Delivery(BaseModel):
    """One record on its way to one receiver."""

    id: str
    seq: int
    type: str
    kind: str = ""
    receiver: str
    state: str
    attempts: int
    reference: str | None = None
    reason: str | None = None
    stored_at: str
    answered_at: str | None = None


class DeliveryList(BaseModel):
    """Deliveries, newest first."""

    deliveries: list[Delivery]


class ReceiverState(BaseModel):
    """One receiver and what waits for it."""

    name: str
    kind: str
    state: Literal["ok", "failing", "down"]
    queue_depth: int
    oldest_age_s: float | None = None
    last_receipt_at: str | None = None


class ReceiverList(BaseModel):
    """Receivers."""

    receivers: list[ReceiverState]


class Me(BaseModel):
    """Who is signed on; csrf goes into X-CSRF-Token of whatever changes something.

    until: when the session ends; has_pin: whether commands may ask for a PIN again.
    """

    name: str
    role: str
    csrf: str
    rights: list[str]
    until: str | None
    has_pin: bool


class OnDuty(BaseModel):
    """A guard or leader who is signed on somewhere."""

    name: str
    role: str
    until: str


class DoorPlate(BaseModel):
    """What a sign-on screen shows. People and who is on duty are told to known browsers only."""

    people: list[str]
    on_duty: list[OnDuty]
    is_first: bool
    fingerprint: str


class PersonRow(BaseModel):
    """Somebody who may sign on; nothing of his secrets."""

    id: str
    name: str
    role: str
    created_at: str


class PeopleList(BaseModel):
    """Everybody who may sign on."""

    people: list[PersonRow]


class Stored(BaseModel):
    """The receipt is on disk."""

    stored: bool


class ErrorBody(BaseModel):
    """What is the matter, in two languages, and what to do."""

    code: str
    message_zh: str
    message: str
    next: str


class Error(BaseModel):
    """Every answer of 400 and above."""

    error: ErrorBody
    detail: str


Text = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(clean)]


class AddressWanted(In):
    """Which medium an address is wanted for, and why; times as in the medium's own query."""

    media: Literal["video.mp4", "live.mp4", "live.mjpeg", "snapshot.jpg"]
    from_: Annotated[Text | None, Field(alias="from")] = None
    to: Text | None = None
    at: Text | None = None
    width: Annotated[int | None, Field(ge=16, le=7680)] = None
    stream: Literal["main", "sub"] = "main"
    sound: Literal["yes", "no"] = "yes"
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON_CHARS), AfterValidator(clean)]


class MediaAddress(BaseModel):
    """An address that opens one medium without a token."""

    url: str
    expires_at: str


class VideoStream(BaseModel):
    """One stream of a camera: its oldest and newest sealed picture."""

    name: Literal["main", "sub"]
    oldest: str | None
    newest: str | None


class Camera(BaseModel):
    """A camera that is recorded. state: what the recorder says of it, null when it says nothing."""

    id: str
    name: str
    place: str
    streams: list[VideoStream]
    oldest: str | None
    newest: str | None
    state: dict[str, Any] | None


class CameraList(BaseModel):
    """Every camera that is recorded."""

    cameras: list[Camera]


class VideoTimeline(BaseModel):
    """What was recorded, what was not and why. `next`: where to ask on when a list is full.

    spans, gaps  without `bins` in the question
    bins         with it: [{from, to, missing_ms, reason}] that meet; none of `missing_ms` 0 and
                 more is joined with another
    """

    camera: str
    stream: str
    spans: list[dict[str, Any]] | None = None
    gaps: list[dict[str, str]] | None = None
    bins: list[dict[str, Any]] | None = None
    alarms: list[dict[str, Any]]
    holds: list[dict[str, str]]
    forms: list[dict[str, Any]]
    next: str | None
