"""What a camera was put there to see: its reference, learned by day and by night.

Owns    how a reference is learned and compared.
Needs   judge_look for the measures. Pure; scene_file keeps it.
Keeps   1. Only edges that stand still count: of each place the mean direction of its edge is kept,
           as twice its angle, so that light that comes from the other side changes nothing, and
           what moves cancels itself.
        2. A reference follows the scene slowly (FOLLOW_S), and only pictures that match it: what
           was put before the lens is never learned.
Bound   two references of 0.6 MB for a camera.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.pictures.judge_look import (
    SMALL,
    Flags,
    Floats,
    Look,
    by_field,
    floats,
    resized_floats,
    slopes,
)

LOOKS_LEAST: Final = 12
LEARN_S: Final = 60.0
"""A reference counts from so many looks over so long on: people have walked on by then."""
FOLLOW_S: Final = 1800.0
"""Shadows wander by their own width in half an hour."""
STANDING: Final = 0.3
"""Length of the mean direction from which an edge stands still; what passes leaves less than 0.1,
an edge of the building 0.5 to 0.9."""
FIRM: Final = 0.6
"""Of these edges sharpness is measured: less firm ones are plaster and leaves, near the noise."""
EDGE_SHARE: Final = 0.02
"""Part of a field that must be standing edges before the field is compared: 8 samples of 400."""
UNSTEADY: Final = 0.3
"""Less of a new picture in what was learned so far: the camera was being put up."""
FIELDS_LEAST: Final = 10
"""A scene with fewer such fields (a bare wall) cannot be told from a cover by its edges."""
AGREES: Final = 0.25
"""A field is seen again from this agreement on. The same scene has 0.4 to 0.9, another one with
walls and windows of its own 0.0 to 0.15."""
COARSE: Final = (80, 45)
"""What is left of a scene out of focus."""
CONTRAST_LEAST: Final = 0.35
"""Sharpness is judged where this part of the usual contrast is left: fog and dusk take contrast,
and then the encoder takes the fine edges that are left."""

HOUR_NS: Final = 3_600_000_000_000
DARK_LEAST_NS: Final = 2 * HOUR_NS
"""Shorter darkness teaches nothing: who covers a lens for a minute must not be able to do it again
at the same hour unnoticed."""
DARK_KEPT_NS: Final = 14 * 24 * HOUR_NS


@dataclass(frozen=True, slots=True)
class Match:
    """How much of the reference is in a picture.

    seen    fraction of its fields that are seen again
    coarse  the same, looked at with half-closed eyes
    sharp   fine contrast beside coarse, as a part of what is usual: where the scene's edges stand,
            and in the picture as a whole; None when it cannot be said
    """

    seen: float
    coarse: float
    sharp: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Edges:
    """Directions of the edges of a picture, as twice the angle, by strength 0 to 1.

    crisp, contrast  strengths at WIDE and at COARSE; crisp is empty for a mean
    written          fields that have edges as steep as writing
    """

    fine: Floats
    coarse: Floats
    crisp: Floats
    contrast: Floats
    written: Flags


def edges_of(look: Look) -> Edges:
    """The edges of one picture."""
    coarse_x, coarse_y = slopes(resized_floats(look.small, COARSE))
    contrast = floats(cv2.magnitude(coarse_x, coarse_y))
    return Edges(
        fine=_directions(look.slopes_x, look.slopes_y, look.slope),
        coarse=_directions(coarse_x, coarse_y, contrast),
        crisp=look.crisp,
        contrast=contrast,
        written=look.written,
    )


def edges_of_mean(mean: Floats, written: Flags) -> Edges:
    """The edges of the mean of several pictures at SMALL; written: fields with writing in any.

    It says nothing about sharpness.
    """
    across, down = slopes(mean)
    coarse_x, coarse_y = slopes(resized_floats(mean, COARSE))
    contrast = floats(cv2.magnitude(coarse_x, coarse_y))
    return Edges(
        fine=_directions(across, down, floats(cv2.magnitude(across, down))),
        coarse=_directions(coarse_x, coarse_y, contrast),
        crisp=np.zeros(0, np.float32),
        contrast=contrast,
        written=written,
    )


def _directions(across: Floats, down: Floats, strength: Floats) -> Floats:
    """Shape (2, h, w). What counts as strong follows the picture: in the dark little does."""
    squares = strength * strength
    knee = float(np.clip(0.5 * np.percentile(strength[::2, ::2], 95), 1.2, 7.0))
    weight = 1.0 / (squares + knee * knee)
    return np.stack(((across * across - down * down) * weight, 2 * across * down * weight))


@dataclass(slots=True)
class Reference:
    """The scene in one light.

    looks, seconds  how much was learned, and over how long
    textured        fraction of fields with edges
    size            of the pictures: another size is another sharpness, which is learned anew
    """

    looks: int = 0
    seconds: float = 0.0
    textured: float = 0.0
    size: tuple[int, int] = (0, 0)
    fine: Floats = field(default_factory=lambda: np.zeros((2, SMALL[1], SMALL[0]), np.float32))
    coarse: Floats = field(default_factory=lambda: np.zeros((2, COARSE[1], COARSE[0]), np.float32))
    crisp: Floats = field(default_factory=lambda: np.zeros((SMALL[1], SMALL[0]), np.float32))
    contrast: Floats = field(default_factory=lambda: np.zeros((COARSE[1], COARSE[0]), np.float32))
    _derived: "_Derived | None" = None

    @property
    def is_learned(self) -> bool:
        """Whether it has seen enough, and there is enough to be seen."""
        return (
            self.looks >= LOOKS_LEAST
            and self.seconds >= LEARN_S
            and int(self._parts().counts.sum()) >= FIELDS_LEAST
        )

    def learn(self, look: Look, edges: Edges, dt_s: float) -> None:
        """Take a picture in: the first ones as a plain mean, later ones slowly."""
        part = max(1.0 / (self.looks + 1), 1.0 - float(np.exp(-dt_s / FOLLOW_S)))
        if look.size != self.size and self.looks:
            self.crisp = edges.crisp.copy()
        self.size = look.size
        self.textured += part * (look.textured - self.textured)
        for mine, new in (
            (self.fine, edges.fine),
            (self.coarse, edges.coarse),
            (self.crisp, edges.crisp),
            (self.contrast, edges.contrast),
        ):
            cv2.accumulateWeighted(new, mine, part)
        self.looks += 1
        self.seconds += dt_s
        self._derived = None

    def is_unsteady(self, edges: Edges) -> bool:
        """Whether it moved while it was learned: then what was learned is of no place."""
        return (
            not self.is_learned and self.looks >= LOOKS_LEAST and self.match(edges).seen < UNSTEADY
        )

    def match(self, edges: Edges) -> Match:
        """Compare the edges of a picture with it."""
        parts = self._parts()
        counts = parts.counted(edges)
        return Match(
            seen=_agreement(edges.fine, parts.unit, parts.weight, counts),
            coarse=_agreement(edges.coarse, parts.coarse_unit, parts.coarse_weight, counts),
            sharp=self._sharpness(edges) if edges.crisp.size else None,
        )

    def shift(self, edges: Edges) -> tuple[float, float, float]:
        """How far the picture moved, and how well it matches once moved back.

        returns  right and down, both in fractions of its width; the match as Match.seen
        """
        parts = self._parts()
        strength = floats(np.hypot(edges.fine[0], edges.fine[1]))
        # What stands where it stood says nothing of what went: writing, a road's edge.
        agree = edges.fine[0] * parts.unit[0] + edges.fine[1] * parts.unit[1]
        stays = (agree > 0.5 * strength) & (parts.weight > 0) & (strength > STANDING)
        stays = np.asarray(cv2.dilate(stays.astype(np.uint8), np.ones((3, 3), np.uint8))) > 0
        gone = parts.weight.copy()
        gone[stays] = 0  # only here: the same holes in both would be found where they are
        (across, down), _ = cv2.phaseCorrelate(
            gone.astype(np.float64), strength.astype(np.float64), _window()
        )
        if abs(across) > SMALL[0] * 0.6 or abs(down) > SMALL[1] * 0.6:
            return 0.0, 0.0, 0.0
        back = np.array([[1, 0, -across], [0, 1, -down]], np.float32)
        moved = np.stack(
            [
                floats(cv2.warpAffine(each, back, SMALL, flags=cv2.INTER_LINEAR))
                for each in edges.fine
            ]
        )
        inside = floats(
            cv2.warpAffine(np.ones_like(strength), back, SMALL, flags=cv2.INTER_NEAREST)
        )
        weight = gone * inside
        counts = (by_field(floats(weight > 0)) > EDGE_SHARE) & parts.counted(edges)
        if int(counts.sum()) < FIELDS_LEAST:
            return 0.0, 0.0, 0.0
        again = _agreement(moved, parts.unit, weight, counts)
        return across / SMALL[0], down / SMALL[0], again

    def _sharpness(self, edges: Edges) -> tuple[float, float] | None:
        """At the standing edges, and of the picture as a whole.

        Where the scene was turned aside its edges are missed, but the picture as a whole is crisp.
        """
        parts = self._parts()
        crisp, contrast = by_field(edges.crisp * parts.firm), _by_field(edges.contrast)
        usual, usual_contrast = by_field(self.crisp * parts.firm), _by_field(self.contrast)
        judged = parts.counted(edges) & (contrast > CONTRAST_LEAST * usual_contrast) & (usual > 0)
        if int(judged.sum()) < FIELDS_LEAST:
            return None
        ratio = (crisp[judged] / usual[judged]) * (usual_contrast[judged] / contrast[judged])
        whole = _crispness(edges.crisp, edges.contrast, edges.written) / max(
            _crispness(self.crisp, self.contrast, edges.written), 1e-3
        )
        return float(np.median(ratio)), whole

    def _parts(self) -> "_Derived":
        if self._derived is None:
            self._derived = _Derived.of(self)
        return self._derived


@dataclass(frozen=True, slots=True)
class _Derived:
    """What follows from a reference, until it learns again."""

    unit: Floats
    weight: Floats
    firm: Floats
    counts: Flags
    coarse_unit: Floats
    coarse_weight: Floats

    @classmethod
    def of(cls, reference: Reference) -> "_Derived":
        unit, weight = _standing(reference.fine)
        coarse_unit, coarse_weight = _standing(reference.coarse)
        counts = by_field(floats(weight > 0)) > EDGE_SHARE
        firm = floats(weight > FIRM)
        return cls(unit, weight, firm, counts, coarse_unit, coarse_weight)

    def counted(self, edges: Edges) -> Flags:
        """The fields to compare: writing is there whatever is before the lens.

        A bright scene has edges as steep as writing, too: it can spare them, or they count.
        """
        without = self.counts & ~edges.written
        return without if int(without.sum()) >= FIELDS_LEAST else self.counts


def _standing(mean: Floats) -> tuple[Floats, Floats]:
    length = floats(np.hypot(mean[0], mean[1]))
    weight = np.where(length > STANDING, length, np.float32(0))
    return floats(mean / np.maximum(length, 1e-6)), floats(weight)


def _by_field(values: Floats) -> Floats:
    """Means of the fields of something at COARSE, whose samples do not divide evenly."""
    return by_field(floats(cv2.resize(values, SMALL, interpolation=cv2.INTER_NEAREST)))


def _crispness(crisp: Floats, contrast: Floats, written: Flags) -> float:
    """Fine beside coarse contrast in the fields that have most of the latter.

    The first and the last row are left out: cameras draw bars there to write on.
    """
    inner = ~written[1:-1]
    fine, coarse = by_field(crisp)[1:-1][inner], _by_field(contrast)[1:-1][inner]
    if fine.size < FIELDS_LEAST:
        return 1.0
    busy = coarse >= np.percentile(coarse, 30)
    return float(np.median(fine[busy] / np.maximum(coarse[busy], 0.5)))


def _agreement(now: Floats, unit: Floats, weight: Floats, counts: Any) -> float:  # noqa: ANN401
    """The fraction of the fields in which edges stand where and as they should."""
    agree = floats((now[0] * unit[0] + now[1] * unit[1]) * weight)
    if agree.shape != (SMALL[1], SMALL[0]):
        agree = floats(cv2.resize(agree, SMALL, interpolation=cv2.INTER_NEAREST))
        weight = floats(cv2.resize(weight, SMALL, interpolation=cv2.INTER_NEAREST))
        counts = counts & (by_field(floats(weight > 0)) > EDGE_SHARE)
    if not counts.any():
        return 0.0
    share = by_field(agree)[counts] / np.maximum(by_field(weight)[counts], 1e-6)
    return float((share > AGREES).mean())


_windows: list[Any] = []


def _window() -> Any:  # noqa: ANN401 OpenCV's own type
    if not _windows:
        _windows.append(cv2.createHanningWindow(SMALL, cv2.CV_64F))
    return _windows[0]


@dataclass(slots=True)
class Scene:
    """All that is known of one camera: a reference for each light, and how still it may stand.

    still_s  the longest time its pictures repeated each other and then went on by themselves
    dark     when it was last quite dark in each hour of the day (UTC), as nanoseconds; 0: never
    """

    lights: dict[str, Reference] = field(default_factory=dict)
    still_s: float = 0.0
    dark: NDArray[np.int64] = field(default_factory=lambda: np.zeros(24, np.int64))

    def was_dark(self, from_ns: int, to_ns: int) -> None:
        """It was quite dark between two times and got light by itself."""
        if to_ns - from_ns < DARK_LEAST_NS:
            return
        at_ns = max(from_ns, to_ns - 24 * HOUR_NS)
        while at_ns <= to_ns:
            self.dark[at_ns // HOUR_NS % 24] = at_ns
            at_ns += HOUR_NS

    def is_usually_dark(self, at_ns: int) -> bool:
        """Whether it was so about this hour within DARK_KEPT_NS."""
        hours = [(at_ns // HOUR_NS + near) % 24 for near in (-1, 0, 1)]
        marks = [int(self.dark[hour]) for hour in hours if self.dark[hour]]
        return any(abs(at_ns - mark) < DARK_KEPT_NS for mark in marks)
