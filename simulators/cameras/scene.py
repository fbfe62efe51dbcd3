"""What a simulated camera sees: a school gate with people, a clock and grass that never rests.

Owns    the drawing. Pictures are planes of 4:2:0, 8 bits, drawn without any library.
Keeps   1. The same arguments draw the same picture.
        2. The uppermost BANNER rows hold the camera's name and never change (avc says why).
        3. Everything repeats after the clip's last picture, so that a clip can be played in a ring:
           people come back to where they began.
        4. The frame number within the clip and its time stand below the name, for people; the
           number that goes on for ever is the strip's, for machines.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BANNER: Final = 40
_NOISE_SEED: Final = 20_26


class Picture(StrEnum):
    """What the picture shows.

    normal     the gate by day
    night      the same by infra-red: no colours, dark, more noise: not a fault
    black      no light at all; the strip is black too
    covered    something close before the lens: nearly even, dim, the strip goes on
    blurred    out of focus (clip does that, with libavfilter), the strip goes on
    moved      turned aside: the same gate, a fifth of the picture to the right
    frozen     one picture for ever, and the strip's number with it
    no_signal  the blue picture of a recorder whose input is dead, no number
    """

    NORMAL = "normal"
    NIGHT = "night"
    BLACK = "black"
    COVERED = "covered"
    BLURRED = "blurred"
    MOVED = "moved"
    FROZEN = "frozen"
    NO_SIGNAL = "no_signal"


NUMBERLESS: Final = frozenset({Picture.BLACK, Picture.NO_SIGNAL})
"""Pictures on whose strip there is nothing to read."""

Colour = tuple[int, int, int]
Planes = tuple[bytes, bytes, bytes]
_SKY, _WALL, _GATE = (170, 140, 118), (128, 118, 142), (70, 126, 130)
_WINDOW, _ROAD, _WHITE, _INK = (60, 136, 124), (100, 128, 128), (225, 128, 128), (40, 128, 128)
_PEOPLE = ((85, 100, 180), (150, 60, 120), (60, 170, 110))

# Rows of three dots, from above, each as one octal digit.
_GLYPHS: Final = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-:./ ",
        """75557 26227 71747 71717 55711 74717 74757 71222 75757 75717
        25755 65656 34443 65556 74647 74644 34553 55755 72227 11157 55655 44447 57755 75555 25552
        65644 25563 65655 34216 72222 55557 55552 55775 55255 55222 71247
        00700 02020 00002 11244 00000""".split(),  # noqa: SIM905  a table is easier to draw in
        strict=True,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A clip to be drawn.

    width, height   of the part below the strip; even
    frames, fps     how many pictures until everything repeats, and how many a second
    """

    name: str
    picture: Picture
    width: int
    height: int
    frames: int
    fps: int

    def pictures(self) -> Iterator[Planes]:
        """Draw all of them, one after another."""
        dice = random.Random(_NOISE_SEED)
        fixed = self._background()
        grass = dice.randbytes(self.width * 64).translate(_grain(24))
        grain = dice.randbytes(self.width * 64).translate(_grain(6))
        for index in range(self.frames):
            shown = 0 if self.picture is Picture.FROZEN else index
            yield self._drawn(fixed, shown, grass, grain, dice)

    def _drawn(
        self, fixed: "_Canvas", index: int, grass: bytes, grain: bytes, dice: random.Random
    ) -> Planes:
        picture = self.picture
        if picture in NUMBERLESS:
            return fixed.planes()
        canvas = fixed.copy()
        if picture is not Picture.COVERED:
            self._people(canvas, index)
            if picture is not Picture.FROZEN:
                self._noise(canvas, grass, dice)
        if picture is Picture.NIGHT:
            canvas.darken(BANNER)
        elif picture is Picture.COVERED:
            for row in range(BANNER, self.height, 2):
                canvas.put(row, grain, dice.randrange(63 * self.width))
        self._clock(canvas, index)
        return canvas.planes()

    def _background(self) -> "_Canvas":
        width, height = self.width, self.height
        if self.picture is Picture.BLACK:
            return _Canvas(width, height, (16, 128, 128))
        if self.picture is Picture.NO_SIGNAL:
            canvas = _Canvas(width, height, (40, 220, 110))
            canvas.text(width // 3, height // 2, width // 160, "NO SIGNAL", _WHITE)
            return canvas
        canvas = _Canvas(width, height, (38, 128, 128))
        canvas.rect(0, BANNER, width, height - BANNER, _SKY)
        if self.picture is Picture.COVERED:
            canvas.rect(0, BANNER, width, height - BANNER, (34, 122, 134))
        else:
            self._gate(canvas, width * 7 // 32 if self.picture is Picture.MOVED else 0)
        canvas.rect(0, 0, width, BANNER, (38, 128, 128))
        canvas.text(8, 8, 4, self.name.upper(), _WHITE)
        return canvas

    def _gate(self, canvas: "_Canvas", aside: int) -> None:
        """Draw what stands still: a school, its windows, a wall with a gate, a road."""
        width, height = self.width, self.height
        ground = height * 3 // 4
        canvas.rect(0, ground, width, height - ground, _ROAD)
        canvas.rect(aside + width // 8, height // 5, width // 2, ground - height // 5, _WALL)
        for row in range(3):
            for column in range(6):
                left = aside + width // 8 + width * (2 * column + 1) // 26
                canvas.rect(
                    left, height // 4 + row * height // 7, width // 32, height // 12, _WINDOW
                )
        for post in range(0, width, width // 16):
            canvas.rect(aside + post, ground - height // 10, width // 80, height // 8, _GATE)

    def _people(self, canvas: "_Canvas", index: int) -> None:
        """Three people go round, each as many times as makes them meet the end of the clip."""
        width, height = self.width, self.height
        tall = height // 6
        for number, colour in enumerate(_PEOPLE, start=1):
            left = (width * number * index // self.frames + number * width // 5) % width
            top = height * (12 + number) // 20
            if number == 2:
                left = width - left
            canvas.rect(left, top, width // 28, tall, colour)
            canvas.rect(left + width // 112, top - tall // 5, width // 56, tall // 5, _WHITE)

    def _noise(self, canvas: "_Canvas", grass: bytes, dice: random.Random) -> None:
        """Let grass move in the lowest eighth: it keeps the encoder busy like real scenes do."""
        for row in range(self.height * 7 // 8, self.height):
            canvas.put(row, grass, dice.randrange(63 * self.width))

    def _clock(self, canvas: "_Canvas", index: int) -> None:
        second, part = divmod(index, self.fps)
        text = f"{second // 60:02}:{second % 60:02}.{part:02} {index:05}"
        size = 4
        left = self.width - 8 - size * 4 * len(text)
        canvas.rect(left - 8, BANNER + 8, self.width - left, 28, _INK)
        canvas.text(left, BANNER + 12, size, text, _WHITE)


class _Canvas:
    """Three planes; everything drawn is cut at the edges, and begins at even samples."""

    def __init__(self, width: int, height: int, colour: Colour) -> None:
        self.width, self.height = width, height
        self.luma = bytearray([colour[0]]) * (width * height)
        self.chroma = [bytearray([one]) * (width * height // 4) for one in colour[1:]]

    def copy(self) -> "_Canvas":
        other = object.__new__(_Canvas)
        other.width, other.height = self.width, self.height
        other.luma, other.chroma = self.luma[:], [one[:] for one in self.chroma]
        return other

    def planes(self) -> Planes:
        return bytes(self.luma), bytes(self.chroma[0]), bytes(self.chroma[1])

    def rect(self, left: int, top: int, width: int, height: int, colour: Colour) -> None:
        right, bottom = min(self.width, left + width) & ~1, min(self.height, top + height) & ~1
        left, top = max(0, left) & ~1, max(0, top) & ~1
        if right <= left:
            return
        fill = bytes([colour[0]]) * (right - left)
        for row in range(top, bottom):
            self.luma[row * self.width + left : row * self.width + right] = fill
        half = self.width // 2
        for plane, value in zip(self.chroma, colour[1:], strict=True):
            fill = bytes([value]) * ((right - left) // 2)
            for row in range(top // 2, bottom // 2):
                plane[row * half + left // 2 : row * half + right // 2] = fill

    def put(self, row: int, samples: bytes, begin: int) -> None:
        """Lay a row of samples over the luma."""
        at = row * self.width
        self.luma[at : at + self.width] = samples[begin : begin + self.width]

    def text(self, left: int, top: int, dot: int, text: str, colour: Colour) -> None:
        """Write capital letters, figures and a few signs; others leave a gap."""
        for letter in text:
            for line, octal in enumerate(_GLYPHS.get(letter, _GLYPHS[" "])):
                for column in range(3):
                    if int(octal) >> (2 - column) & 1:
                        self.rect(left + column * dot, top + line * dot, dot, dot, colour)
            left += 4 * dot

    def darken(self, top: int) -> None:
        """Look by infra-red."""
        at = top * self.width
        self.luma[at:] = self.luma[at:].translate(_NIGHT)
        for plane in self.chroma:
            plane[:] = b"\x80" * len(plane)


_NIGHT: Final = bytes(16 + (value - 16) * 2 // 5 if value > 16 else 16 for value in range(256))


def _grain(amplitude: int) -> bytes:
    """Return the table that makes any byte a sample near the colour of grass."""
    return bytes(70 - amplitude + value * 2 * amplitude // 255 for value in range(256))
