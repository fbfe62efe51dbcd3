"""What a value means for a point: the words that are the same for every way of talking.

Owns    the model of one rule, [[message.set]] of MQTT and [[set]] of Modbus, and of the device's
        own clock.
Needs   words.py. The meaning of each word is in rules.py.
"""

from typing import Annotated, Literal

from pydantic import Field

from gateway.profile.words import Finite, Path, PointName, ScalarValue, Strict, Text

Else = Literal["garbled", "ignore", "active", "inactive"]


class Match(Strict):
    """A condition with more than one outcome: in → yes, ignore → no, anything else → `else`."""

    in_: Annotated[list[ScalarValue], Field(alias="in", min_length=1, max_length=100)]
    ignore: Annotated[list[ScalarValue], Field(max_length=100)] = Field(default_factory=list)
    else_: Annotated[Literal["garbled", "ignore"], Field(alias="else")] = "ignore"


Where = Annotated[
    dict[Path, ScalarValue | Annotated[list[ScalarValue], Field(min_length=1)] | Match],
    Field(max_length=10),
]


class RuleModel(Strict):
    """When `where` holds, there is a reading of `point`.

    value    what is judged; without it the reading says only that it happened
    active   the truth itself, for a rule whose `where` has said everything
    """

    point: PointName
    where: Where = Field(default_factory=dict)
    value: Path | None = None
    default: ScalarValue | None = Field(
        default=None,
        description="what a missing value means (Protobuf JSON leaves out 0 and false)",
    )
    missing: Literal["ignore", "garbled"] = "ignore"
    active: bool | None = None
    true_when: Annotated[list[ScalarValue], Field(max_length=100)] = Field(default_factory=list)
    false_when: Annotated[list[ScalarValue], Field(max_length=100)] = Field(default_factory=list)
    else_: Annotated[Else, Field(alias="else")] = "garbled"
    invert: bool = False
    values: Annotated[dict[str, Text], Field(max_length=100)] = Field(default_factory=dict)
    scale: Finite | None = None
    offset: Finite | None = None
    min: Finite | None = None
    max: Finite | None = None
    invalid: Annotated[list[ScalarValue], Field(max_length=20)] = Field(
        default_factory=list,
        description="values that mean there is no measurement (sensor lost, warming up)",
    )
