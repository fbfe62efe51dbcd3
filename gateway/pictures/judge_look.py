"""One picture measured: what can be said of it without knowing the camera's scene.

Owns    the sizes at which pictures are compared, and the measures that need no reference.
Needs   numpy and OpenCV. Pure: arrays in, numbers out.
Keeps   1. Every picture is brought to the same two sizes first, so that no threshold knows how many
           pixels a camera has, and a camera with odd proportions is only stretched.
        2. What cameras write into the picture (name, clock) never decides anything: measures are
           fractions of many small fields, and writing fills few of them.
Bound   a Look holds 0.9 MB and refers to no other.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

WIDE: Final = (640, 360)
"""Width and height at which sharpness and repetition are judged: the sub stream's own."""
SMALL: Final = (320, 180)
"""At which edges are compared: noise and the blocks of the encoder are averaged away."""
FIELDS: Final = (16, 9)
"""Into so many fields across and down a picture is divided: 20 samples square at SMALL."""

FLAT_STEPS: Final = 1.6
"""Spread within a field below which nothing at all is seen in it. Sensors have a noise of 1 to 4
steps; an encoder that removes all of it leaves slopes of light."""
BLACK_STEPS: Final = 40
"""Black is 16 where video has headroom and 0 where not; the noise of a sensor that strains in the
dark lifts it by up to 20."""
SATURATED_STEPS: Final = 35
"""Mean distance of the colours from grey in drawn pictures: blue screens 60 to 110, bars about 55;
a school yard 5 to 15, a red wall 25."""
ALIKE_STEPS: Final = 1.2
"""Drawn colours are the same everywhere up to the encoder's rounding."""
WRITING_STEPS: Final = 100
"""Neighbouring samples differ by so much only in writing, or in good light."""
EDGE_STEPS: Final = 7.0
"""A slope of so many steps over two samples is an edge, whatever the light: noise of 4 steps at
WIDE makes slopes of 4 at SMALL."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded key frame.

    at_ns  UTC
    luma   brightness, any size from 32 x 32
    blue, red  the two planes of colour, of any size; None for a camera without
    """

    at_ns: int
    luma: Bytes
    blue: Bytes | None = None
    red: Bytes | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A picture at the sizes of this page, and what was measured.

    size       of the picture as it came, width and height
    crisp      slopes at WIDE, as means over SMALL: what goes first when the focus goes
    written    fields, shape (9, 16), that have edges as steep as writing
    bright     what all but the brightest seventh of the fields stay below, on average each: lamps
               and writing do not count, and noise does not
    colour     mean distance from grey: 0 to 3 at night by infra-red
    flat       fraction of the fields in which nothing can be seen
    textured   fraction of the fields that have edges, those of writing not counted
    drawn      whether no lens made this picture: one colour, or bars
    """

    at_ns: int
    size: tuple[int, int]
    wide: Bytes
    small: Floats
    slopes_x: Floats
    slopes_y: Floats
    slope: Floats
    crisp: Floats
    written: Flags
    bright: float
    colour: float
    flat: float
    textured: float
    drawn: bool


def look_at(picture: Picture) -> Look:
    """Measure a picture. Raises ValueError for one that is too small to be judged."""
    height, width = picture.luma.shape
    if height < 32 or width < 32:
        raise ValueError(f"{width} x {height}: too small to be judged")
    wide = picture.luma if (width, height) == WIDE else resized(picture.luma, WIDE)
    small = floats(resized(wide, SMALL))
    small = floats(cv2.GaussianBlur(small, (3, 3), 0))
    slopes_x, slopes_y = slopes(small)
    slope = floats(cv2.magnitude(slopes_x, slopes_y))
    flat = fields_spread(small) < FLAT_STEPS
    edges = floats((slope > EDGE_STEPS).astype(np.float32))
    colour = _colour(picture)
    steep = _steepness(wide)
    written = steep.reshape(9, 40, 16, 40).max(axis=(1, 3)) > WRITING_STEPS
    return Look(
        at_ns=picture.at_ns,
        size=(width, height),
        wide=wide,
        small=small,
        slopes_x=slopes_x,
        slopes_y=slopes_y,
        slope=slope,
        crisp=floats(cv2.resize(steep, SMALL, interpolation=cv2.INTER_AREA)),
        written=written,
        bright=float(np.percentile(by_field(small), 85)),
        colour=colour,
        flat=float(flat.mean()),
        textured=float(((by_field(edges) > 0.03) & ~written).mean()),
        drawn=_is_one_colour(small, flat, colour) or _is_bars(small, colour),
    )


def changed(before: Look, after: Look) -> float:
    """How much two pictures differ where they differ most: steps, mean of a small square.

    Squares of 20 at WIDE: one figure of a clock that goes on changes its square by 5 and more.
    """
    apart = cv2.absdiff(before.wide, after.wide)
    return float(resized_floats(apart, (32, 18)).max())


def by_field(values: Floats) -> Floats:
    """Means of the fields of something at SMALL."""
    return floats(cv2.resize(values, FIELDS, interpolation=cv2.INTER_AREA))


def fields_spread(small: Floats) -> Floats:
    """Standard deviation within each field."""
    mean, mean_of_squares = by_field(small), by_field(floats(small * small))
    return floats(np.sqrt(np.maximum(mean_of_squares - mean * mean, 0.0)))


def slopes(values: Floats) -> tuple[Floats, Floats]:
    """How steeply brightness rises across and down, in steps over two samples."""
    across = cv2.Sobel(values, cv2.CV_32F, 1, 0, ksize=3, scale=0.25)
    down = cv2.Sobel(values, cv2.CV_32F, 0, 1, ksize=3, scale=0.25)
    return floats(across), floats(down)


def resized(values: Bytes, size: tuple[int, int]) -> Bytes:
    """To another size: by areas when it gets smaller, which averages noise away."""
    smaller = values.shape[1] >= size[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, size, interpolation=how), dtype=np.uint8)


def resized_floats(values: Any, size: tuple[int, int]) -> Floats:  # noqa: ANN401 any array
    """The same, with fractions."""
    return floats(cv2.resize(floats(values), size, interpolation=cv2.INTER_AREA))


def floats(values: Any) -> Floats:  # noqa: ANN401 OpenCV's own type says nothing
    """What OpenCV returned, as what it is."""
    return np.asarray(values, dtype=np.float32)


def _colour(picture: Picture) -> float:
    planes = [plane for plane in (picture.blue, picture.red) if plane is not None]
    if not planes:
        return 0.0
    return float(sum(np.abs(plane[::2, ::2].astype(np.float32) - 128).mean() for plane in planes))


def _steepness(wide: Bytes) -> Bytes:
    """How much neighbouring samples differ, the larger of across and down; whole steps."""
    across = cv2.convertScaleAbs(cv2.Sobel(wide, cv2.CV_16S, 1, 0, ksize=3), alpha=0.25)
    down = cv2.convertScaleAbs(cv2.Sobel(wide, cv2.CV_16S, 0, 1, ksize=3), alpha=0.25)
    return np.asarray(cv2.max(across, down), dtype=np.uint8)


def _is_one_colour(small: Floats, flat: Flags, colour: float) -> bool:
    """A coloured screen; what is written on it, or a maker's sign, takes a part of the fields.

    Grey without colour is no proof: a hand before the lens is that, too, and is told otherwise.
    """
    if colour < SATURATED_STEPS or flat.mean() < 0.6:
        return False
    means = by_field(small)[flat]
    return bool(np.percentile(np.abs(means - np.median(means)), 90) < ALIKE_STEPS)


def _is_bars(small: Floats, colour: float) -> bool:
    """Vertical bars: rows of the upper half are the same, and it goes down in steps across."""
    if colour < SATURATED_STEPS:
        return False
    rows = small[9:90]
    if float(np.median(rows.std(axis=0))) > ALIKE_STEPS:
        return False
    across = rows.mean(axis=0)
    steps = np.abs(np.diff(across[::4]))
    return int((steps > 4).sum()) >= 5 and float(np.median(steps)) < ALIKE_STEPS
