"""The words a profile may use for a device that talks MQTT.

Owns    the models of [[message]] with its parts, [[availability]] and [bridge].
Needs   words.py, schema_rule.py. The meaning of each word is in mqtt.py, rules.py and payload.py.
"""

from typing import Annotated, Literal

from pydantic import Field

from gateway.profile.schema_rule import RuleModel, Where
from gateway.profile.words import (
    Byte,
    Finite,
    Name,
    Path,
    Strict,
    Template,
)


class Number(Strict):
    """How bytes become a number: little or big end first, sign, bits, scale, offset."""

    endian: Literal["little", "big"] = "little"
    signed: bool = False
    mask: Annotated[int, Field(ge=1)] | None = None
    shift: Annotated[int, Field(ge=0, le=63)] = 0
    scale: Finite | None = None
    offset: Finite | None = None


class Tlv(Number):
    """[[message.tlv]]: after these bytes (channel, type) come `length` bytes of value.

    Without a name the value is passed over: its length must be known to read what follows it.
    """

    channel: Byte
    type: Byte
    length: Annotated[int, Field(ge=0, le=200)]
    name: Name | None = None


class FieldModel(Number):
    """[[message.field]]: a number at a fixed place of the bytes; `at` counts from 0."""

    name: Name
    at: Annotated[int, Field(ge=0, le=1000)]
    length: Annotated[int, Field(ge=1, le=8)] = 1


class BytesPart(Strict):
    """message.bytes: where in a JSON message the device's own bytes are, as text."""

    path: Path
    encoding: Literal["base64", "hex"]
    missing: Literal["ignore", "garbled"] = "ignore"


class Time(Strict):
    """The device's own clock. One that cannot be read is left out; it never costs the message.

    unix_s, unix_ms  a number, fractions allowed
    iso8601          text with its zone, up to nine digits of a second
    local            the same without a zone; `utc_offset` says which ("+08:00")
    """

    path: Path
    form: Literal["unix_s", "unix_ms", "iso8601", "local"]
    utc_offset: Annotated[str, Field(max_length=60)] | None = None


class SetRule(RuleModel):
    """[[message.set]]: what a message means for one point.

    each     a path to an array: the rule is tried on every element, its paths start there
    """

    each: Path | None = None


class Message(Strict):
    """[[message]]: a topic and what its messages mean."""

    topic: Template
    qos: Annotated[int, Field(ge=0, le=2)] = 1
    format: Literal["json", "text", "base64", "hex", "bytes"] = "json"
    root: Literal["object", "any"] = "object"
    empty: Literal["garbled", "ignore"] = Field(
        default="garbled",
        description="a message without a byte; ignore: it takes a retained one back and means that "
        "nothing is known any more",
    )
    bytes: BytesPart | None = None
    size: Annotated[int, Field(ge=1, le=1000)] | None = None
    checksum: Literal["sum8_zero"] | None = None
    tlv: Annotated[list[Tlv], Field(max_length=200)] = Field(default_factory=list)
    field: Annotated[list[FieldModel], Field(max_length=100)] = Field(default_factory=list)
    where: Where = Field(default_factory=dict)
    set: Annotated[list[SetRule], Field(min_length=1, max_length=60)]
    required: Annotated[list[Path], Field(max_length=10)] = Field(
        default_factory=list,
        description="paths without which the message is garbled, because a press could be in them",
    )
    attributes: Literal["members"] | list[Path] | dict[str, Path] = Field(default_factory=list)
    duplicate: Template | None = None
    time: Time | None = None
    priority: Path | None = None


class Availability(Strict):
    """[[availability]]: the device's own online and offline, or its last will.

    A plain word, a JSON word, or an object with `path` are all read; capitals do not matter.
    """

    topic: Template
    qos: Annotated[int, Field(ge=0, le=2)] = 1
    path: Path | None = None
    online: Annotated[list[str], Field(min_length=1, max_length=10)]
    offline: Annotated[list[str], Field(min_length=1, max_length=10)]


class Bridge(Availability):
    """[bridge]: something on which many devices depend; when it is gone they are all unknown."""
