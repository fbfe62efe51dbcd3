"""Small types that every part of the profile schema is made of.

Owns    bounds of names, texts and times.
Needs   nothing of ours.
"""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """No unknown keys, no silent conversions ("yes" is not true), nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
PointName = Annotated[
    str, Field(pattern=r"^[a-z](?:[a-z0-9_]|\{[a-z][a-z0-9_]{0,19}\})*$", max_length=60)
]
"""A name; in a table that is repeated with the holes of its counters: "channel_{n}"."""
Text = Annotated[str, Field(min_length=1, max_length=400)]
Seconds = Annotated[float, Field(ge=0, le=31_536_000, allow_inf_nan=False)]
"""0 to one year."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
ScalarValue = bool | int | Finite | str
Path = Annotated[str, Field(min_length=1, max_length=300)]
"""A path into a message, see path.py."""
Template = Annotated[str, Field(min_length=1, max_length=400)]
"""A text with {placeholders}."""
Byte = Annotated[int, Field(ge=0, le=255)]

MESSAGE_DRIVERS: Final = frozenset({"mqtt", "onvif"})
"""Drivers whose devices say something by themselves, under a topic: they share [[message]]."""
