"""The words a profile file may use that are the same for every way of talking.

Owns    the models of [profile], [source], [address.*], [[point]] and [[sample]].
Needs   gateway.events. A driver's own part is in schema_<driver>.py and is joined in schema.py's
        ProfileFile; what several tables have to agree on is in check.py.
Keeps   Every key is known: an unknown one is a fault, because a misspelt key in a safety device's
        profile must not be taken for a wish for the default.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.events import Category, Nature
from gateway.profile.schema_modbus import (
    Command,
    Log,
    Modbus,
    ModbusSet,
    Query,
    Repeat,
    Value,
    Word,
)
from gateway.profile.schema_mqtt import Availability, Bridge, Message
from gateway.profile.words import Name, PointName, ScalarValue, Seconds, Strict, Text

AddressType = Literal[
    "topic", "segment", "text", "path", "member", "integer", "number", "boolean", "kind", "choice"
]


class Header(Strict):
    """[profile]: what the device is. Its id is the file's path, so it is not written here."""

    title: Text
    title_en: Text
    family: Name
    driver: Literal["mqtt", "modbus", "onvif"]
    power: Literal["mains", "battery"]
    silence_s: Seconds | Literal["never"] | None = Field(
        default=None,
        description="Silent for longer than this is offline. Without it: mains 600, battery 90000 "
        "(25 h). never: the device says nothing regularly and cannot be supervised.",
    )
    verified: bool = Field(description="true when a real device was tried, not only its document")
    firmware: Text | None = None
    notes: list[Text] = Field(default_factory=list, max_length=20)
    not_expressible: list[Text] = Field(
        default_factory=list,
        max_length=20,
        description="what the device has and this language cannot say, and why: it is told to the "
        "installer and never read wrongly",
    )


class Source(Strict):
    """[source]: where the facts come from, so that they can be checked again."""

    document: Annotated[str, Field(min_length=3, max_length=500)]
    confidence: Literal["A+", "A", "B", "C", "D"]
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    note: Text | None = None


class AddressKeyModel(Strict):
    """[address.<key>]: one key of the device's `address` table in devices.toml.

    topic    an MQTT topic, may hold "/"          segment  one level of a topic
    text     any text                             path     a path into a JSON document
    member   the name of one JSON member          kind     one of the kinds of alarms
    choice   one of `choices`                     integer, number, boolean
    """

    type: AddressType
    required: bool = True
    default: ScalarValue | None = None
    choices: list[ScalarValue] = Field(default_factory=list, max_length=50)
    pattern: Annotated[str, Field(max_length=200)] | None = None
    min: float | None = None
    max: float | None = None
    example: ScalarValue | None = Field(
        default=None, description="what samples use for this key when they do not say otherwise"
    )
    help: Text
    help_en: Text


class PointModel(Strict):
    """[[point]]: one thing the device reports. See gateway.events.Point for the meaning.

    counter_bits  momentary: the value is a counter this wide, and an occurrence is that it moved
    """

    name: PointName
    repeat: Repeat = Field(default_factory=dict)
    kind: Annotated[str, Field(max_length=60)] = Field(
        description='one of the kinds, or "{key}" for an address key of type kind'
    )
    nature: Annotated[Nature, Field(strict=False)]
    category: Annotated[Category, Field(strict=False)] | None = None
    priority: Annotated[int, Field(ge=1, le=4)] | None = None
    text: Text
    text_en: Text
    unit: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    latch: bool | None = None
    on_delay_s: Seconds | None = None
    off_delay_s: Seconds | None = None
    debounce_s: Seconds | None = None
    auto_restore_s: Seconds | None = None
    alarm_above: float | None = None
    restore_below: float | None = None
    alarm_below: float | None = None
    restore_above: float | None = None
    duplicate_window_s: Seconds | None = None
    accept_retained: bool | None = None
    counter_bits: Literal[8, 16, 32] | None = None


class Expect(Strict):
    """One reading a sample must give; only the keys that are written are compared."""

    point: Annotated[str, Field(max_length=60)]
    active: bool | None = None
    value: ScalarValue | None = None
    observed: Annotated[str, Field(max_length=40)] | None = Field(
        default=None, description="the device's own time, RFC 3339 UTC with milliseconds"
    )
    duplicate: str | None = None
    priority: int | None = None
    attributes: dict[str, ScalarValue] | None = None
    unit: str | None = None
    historical: bool | None = None


class Sample(Strict):
    """[[sample]]: a real message and what it means. The samples are the profile's test.

    topic, payload, hex, base64   MQTT; of ONVIF the payload is the message as a document
    words   Modbus: what the registers hold, by the address of the first as the file numbers them
            ("40001", "0x1000", or "4:0" with the function before it); bits are 0 and 1. What is
            not written is not known.
    log     Modbus: the words are one entry of this log, "0" its first register
    """

    note: Text
    topic: Annotated[str, Field(max_length=400)] | None = None
    payload: Annotated[str, Field(max_length=20_000)] | None = None
    hex: Annotated[str, Field(max_length=20_000)] | None = None
    base64: Annotated[str, Field(max_length=20_000)] | None = None
    retained: bool = False
    words: Annotated[
        dict[str, Annotated[list[Word], Field(min_length=1, max_length=2000)]], Field(max_length=60)
    ] = Field(default_factory=dict)
    log: Name | None = None
    address: dict[str, ScalarValue] = Field(default_factory=dict)
    expect: Literal["garbled"] | list[Expect]


class ProfileFile(BaseModel):
    """One file under profiles/<family>/<maker>_<model>.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="campus gateway device profile")

    profile: Header
    source: Source
    address: dict[Name, AddressKeyModel] = Field(default_factory=dict, max_length=20)
    point: Annotated[list[PointModel], Field(min_length=1, max_length=60)]
    message: Annotated[list[Message], Field(max_length=40)] = Field(default_factory=list)
    availability: Annotated[list[Availability], Field(max_length=8)] = Field(default_factory=list)
    bridge: Bridge | None = None
    modbus: Modbus | None = None
    value: Annotated[list[Value], Field(max_length=200)] = Field(default_factory=list)
    set: Annotated[list[ModbusSet], Field(max_length=200)] = Field(default_factory=list)
    log: Annotated[list[Log], Field(max_length=4)] = Field(default_factory=list)
    query: Annotated[list[Query], Field(max_length=20)] = Field(default_factory=list)
    command: Annotated[list[Command], Field(max_length=40)] = Field(default_factory=list)
    sample: Annotated[list[Sample], Field(min_length=1, max_length=200)]
