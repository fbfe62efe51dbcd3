"""Whether a camera's picture is any good: one look after another, and a verdict that does not flap.

Owns    what counts as black, no signal, covered, blurred, moved and frozen, and for how long.
Needs   judge_look for the measures, scene for what the camera should see. Pure.
Keeps   1. At most one fault of the picture at a time, the one that says most; FROZEN likewise.
        2. What passes is none: every fault needs evidence for the time in RAISE_S, and ends after
           RESTORE_S of good pictures. Evidence fades twice as fast as it gathers.
        3. Nothing is learned from a picture that is doubtful, let alone at fault.
        4. A light that goes out is no fault while anything of the scene is left in the picture,
           be it below the noise: the mean of several pictures is looked at before anything is said.
Bound   for a camera: the looks before and the mean of AVERAGED looks, 2 MB; no list grows.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from gateway.pictures.judge_look import (
    BLACK_STEPS,
    Flags,
    Floats,
    Look,
    Picture,
    changed,
    look_at,
)
from gateway.pictures.scene import Edges, Match, Reference, Scene, edges_of, edges_of_mean


class Kind(StrEnum):
    """What can be wrong with a picture."""

    BLACK = "black"
    NO_SIGNAL = "no_signal"
    COVERED = "covered"
    BLURRED = "blurred"
    MOVED = "moved"
    FROZEN = "frozen"


RAISE_S: Final = {
    # A drawn picture has no innocent reason; a recorder shows it while it starts.
    Kind.NO_SIGNAL: 10.0,
    # Lights go out and the camera takes up to 15 s to open up and switch to infra-red.
    Kind.BLACK: 30.0,
    # Longer than a truck that stops for 30 s; gathers QUICK times as fast when nothing is left.
    Kind.COVERED: 45.0,
    # Focus that hunts, headlights and steam on a dome pass within a minute.
    Kind.BLURRED: 90.0,
    # A van that unloads for a few minutes; QUICK times as fast when the scene is found aside.
    Kind.MOVED: 300.0,
    # At least; a scene that is known to stand still longer gets STILL_MARGIN times that.
    Kind.FROZEN: 60.0,
}
RESTORE_S: Final = 10.0
QUICK: Final = 5.0
STEP_MOST_S: Final = 15.0
"""A look speaks for so long at most: a stream that was away proves nothing for the time between."""
LOOKS_LEAST: Final = 3
STILL_LOOKS_LEAST: Final = 8
STILL_MARGIN: Final = 4.0
STILL_MOST_S: Final = 3600.0

SEEN_WELL: Final = 0.5
"""From here on the scene is the scene: a crowd before the gate leaves the building above it."""
SEEN_HARDLY: Final = 0.3
"""Below, it is not. Another scene has up to 0.15 by chance, and one rolled by four degrees, or most
of it behind tape, 0.3; between the two nothing is said."""
NOTHING_SEEN: Final = 0.1
COARSE_WELL: Final = 0.45
TEXTURE_GONE: Final = 0.4
"""Of the usual texture: a truck, a crowd or another scene have texture of their own."""
TEXTURE_NONE: Final = 0.12
NO_TEXTURE: Final = 0.02
"""Of the fields, writing not counted: no camera was ever put up to look at that."""
UNSHARP: Final = 0.7
"""Fine against coarse contrast as a part of the usual: 0.7 is a blur of about two samples of a sub
stream, six of the main stream, where faces begin to go. Bit rates and crowds move it by 0.17."""
ASIDE: Final = 0.02
"""In picture widths: two degrees with a usual lens. Wind on a pole stays below."""
UNSHARP_ALL: Final = 0.85
"""The same of the picture as a whole; one that was turned aside has 0.9 and more."""
AVERAGED: Final = 24
STILL_STEPS: Final = 0.8
"""Two pictures are the same below: an encoder that writes one twice makes 0 to 0.5 of it."""
FOLLOW_EVERY_S: Final = 10.0
"""A scene that is known changes little: learning costs as much as judging."""
COLOUR_DAY: Final = 5.0
COLOUR_NIGHT: Final = 3.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """A fault of the picture that holds now.

    since_ns  of the first look of the evidence
    shift     right and down in picture widths, where the scene was found aside
    """

    kind: Kind
    since_ns: int
    shift: tuple[float, float] | None = None


@dataclass(slots=True)
class _Evidence:
    """How much speaks for a kind, in seconds."""

    seconds: float = 0.0
    looks: int = 0
    since_ns: int = 0

    def add(self, seconds: float, at_ns: int) -> None:
        """The first look proves its moment only: the time before it was another picture's."""
        if self.looks:
            self.seconds += seconds
        else:
            self.since_ns = at_ns
        self.looks += 1

    def repeat(self, seconds: float, since_ns: int) -> None:
        """As add, where the look before is part of the evidence."""
        if not self.looks:
            self.since_ns = since_ns
        self.seconds += seconds
        self.looks += 1

    def fade(self, seconds: float) -> None:
        self.seconds = max(0.0, self.seconds - seconds)
        if self.seconds == 0:
            self.looks = 0


@dataclass(frozen=True, slots=True)
class _Opinion:
    """What one look says: a kind, that all is well, or neither (kind None, well False)."""

    kind: Kind | None = None
    well: bool = False
    speed: float = 1.0
    shift: tuple[float, float] | None = None


_WELL: Final = _Opinion(well=True)
_UNSURE: Final = _Opinion()


class Judge:
    """One camera's. See the module."""

    def __init__(self, scene: Scene | None = None) -> None:
        self.scene = scene or Scene()
        self.light = "day"
        self.learned_looks = 0
        self._last: Look | None = None
        self._evidence: dict[Kind, _Evidence] = {
            kind: _Evidence() for kind in Kind if kind is not Kind.FROZEN
        }
        self._fault: Verdict | None = None
        self._well_s = 0.0
        self._well_looks = 0
        self._mean: Floats | None = None
        self._mean_written: Flags = np.zeros((9, 16), np.bool_)
        self._mean_looks = 0
        self._still = _Evidence()
        self._frozen: Verdict | None = None
        self._dark_ns: int | None = None
        self._unlearned_s = 0.0

    def resume(self, verdict: Verdict) -> None:
        """A fault that held when the process ended holds until good pictures end it."""
        if verdict.kind is Kind.FROZEN:
            self._frozen = verdict
        else:
            self._fault = verdict

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What holds now."""
        return tuple(each for each in (self._fault, self._frozen) if each is not None)

    @property
    def is_learned(self) -> bool:
        """Whether the scene is known in the light there is now."""
        reference = self.scene.lights.get(self.light)
        return reference is not None and reference.is_learned

    @property
    def is_well(self) -> bool:
        """Whether the last looks showed the scene as it should be."""
        return self.is_learned and self._well_looks >= LOOKS_LEAST

    def see(self, picture: Picture) -> tuple[Verdict, ...]:
        """Take the next key frame; one that is not younger than the last says nothing."""
        look = look_at(picture)
        last = self._last
        if last is not None and look.at_ns <= last.at_ns:
            return self.verdicts
        dt_s = min(STEP_MOST_S, (look.at_ns - last.at_ns) / 1e9) if last is not None else 0.0
        edges = edges_of(look)
        self._tell_light(look)
        opinion = self._opinion(look, edges)
        self._remember_darkness(look, opinion)
        self._weigh(opinion, look.at_ns, dt_s)
        self._watch_stillness(look, opinion, dt_s)
        if self._may_learn(opinion):
            self._learn(look, edges, dt_s)
        self._last = look
        return self.verdicts

    def _tell_light(self, look: Look) -> None:
        if look.colour > COLOUR_DAY:
            self.light = "day"
        elif look.colour < COLOUR_NIGHT:
            self.light = "night"

    def _remember_darkness(self, look: Look, opinion: _Opinion) -> None:
        if look.bright < BLACK_STEPS and not opinion.well:
            self._dark_ns = self._dark_ns or look.at_ns
        elif self._dark_ns is not None and opinion.well:
            self.scene.was_dark(self._dark_ns, look.at_ns)
            self._dark_ns = None

    # ---- one look --------------------------------------------------------------------------------

    def _opinion(self, look: Look, edges: Edges) -> _Opinion:
        if look.drawn:
            return _Opinion(Kind.NO_SIGNAL)
        known = [each for each in self._known() if each.is_learned]
        if not known:
            return self._unlearned(look)
        matches = [(each.match(edges), each) for each in known]
        match, reference = max(matches, key=lambda pair: pair[0].seen)
        if match.seen < SEEN_WELL:
            return self._doubtful(look, match, reference)
        self._mean = None
        return _Opinion(Kind.BLURRED) if _is_blurred(match) else _WELL

    def _known(self) -> list[Reference]:
        """The references, that of the light there is now first."""
        lights = sorted(self.scene.lights, key=lambda light: light != self.light)
        return [self.scene.lights[light] for light in lights]

    @staticmethod
    def _unlearned(look: Look) -> _Opinion:
        """Without a reference only what is nothing at all can be judged."""
        if look.textured < NO_TEXTURE:
            return _Opinion(Kind.BLACK if look.bright < BLACK_STEPS else Kind.COVERED)
        return _WELL

    def _doubtful(self, look: Look, match: Match, reference: Reference) -> _Opinion:
        """The scene is not seen as usual; find out why."""
        mean = edges_of_mean(self._averaged(look), self._mean_written)
        over_time = reference.match(mean)
        seen = max(match.seen, over_time.seen)
        if seen >= SEEN_WELL:
            return _Opinion(Kind.BLURRED) if _is_blurred(match) else _UNSURE
        across, down, again = reference.shift(mean)
        if again >= SEEN_WELL and again > seen + 0.2:
            if np.hypot(across, down) <= ASIDE:
                return _WELL
            return _Opinion(Kind.MOVED, speed=QUICK, shift=(across, down))
        return self._astray(look, seen, max(match.coarse, over_time.coarse), match, reference)

    def _astray(
        self, look: Look, seen: float, coarse: float, match: Match, reference: Reference
    ) -> _Opinion:
        """The scene is neither seen nor found aside."""
        if coarse >= COARSE_WELL and _is_blurred(match):
            return _Opinion(Kind.BLURRED)
        texture = look.textured / max(reference.textured, 1e-3)
        if look.bright < BLACK_STEPS:
            return self._dark(look, seen, texture)
        if seen < SEEN_HARDLY and texture < TEXTURE_GONE:
            quick = seen < NOTHING_SEEN and texture < TEXTURE_NONE
            return _Opinion(Kind.COVERED, speed=QUICK if quick else 1.0)
        if seen < SEEN_HARDLY and self.is_learned:
            return _Opinion(Kind.MOVED)
        return _UNSURE

    def _dark(self, look: Look, seen: float, texture: float) -> _Opinion:
        """Nothing in the dark is a fault, but not where it is dark at this hour every night."""
        if seen >= NOTHING_SEEN or texture >= TEXTURE_GONE:
            return _UNSURE
        if self.scene.is_usually_dark(look.at_ns):
            return _UNSURE
        return _Opinion(Kind.BLACK)

    def _averaged(self, look: Look) -> Floats:
        """The mean of the pictures since the scene was last seen well."""
        if self._mean is None:
            self._mean, self._mean_looks = look.small.copy(), 0
            self._mean_written = look.written
        self._mean_written = self._mean_written | look.written
        self._mean_looks = min(self._mean_looks + 1, AVERAGED)
        self._mean += (look.small - self._mean) / np.float32(self._mean_looks)
        return self._mean

    # ---- over time -------------------------------------------------------------------------------

    def _weigh(self, opinion: _Opinion, at_ns: int, dt_s: float) -> None:
        for about, evidence in self._evidence.items():
            if about is opinion.kind:
                evidence.add(dt_s * opinion.speed, at_ns)
            elif opinion.well or opinion.kind is not None:
                evidence.fade(2 * dt_s)
        self._end(opinion, dt_s)
        kind = opinion.kind
        if kind is None or (self._fault is not None and self._fault.kind is kind):
            return
        evidence = self._evidence[kind]
        if evidence.seconds >= RAISE_S[kind] and evidence.looks >= LOOKS_LEAST:
            since_ns = evidence.since_ns if self._fault is None else self._fault.since_ns
            self._fault = Verdict(kind, since_ns, opinion.shift)

    def _end(self, opinion: _Opinion, dt_s: float) -> None:
        if opinion.well:
            self._well_s += dt_s
            self._well_looks += 1
        else:
            self._well_s, self._well_looks = 0.0, 0
        if self._well_s >= RESTORE_S and self._well_looks >= LOOKS_LEAST:
            self._fault = None

    def _watch_stillness(self, look: Look, opinion: _Opinion, dt_s: float) -> None:
        """The same picture again and again: how long is too long follows from the scene."""
        if self._last is None or self._last.size != look.size:
            return
        empty = opinion.kind in {Kind.BLACK, Kind.NO_SIGNAL, Kind.COVERED}
        if not empty and changed(self._last, look) < STILL_STEPS:
            self._still.repeat(dt_s, self._last.at_ns)
            enough = max(RAISE_S[Kind.FROZEN], STILL_MARGIN * self.scene.still_s)
            if (
                self._still.seconds >= min(enough, STILL_MOST_S)
                and self._still.looks >= STILL_LOOKS_LEAST
            ):
                self._frozen = self._frozen or Verdict(Kind.FROZEN, self._still.since_ns)
            return
        if self._frozen is None and self._still.looks >= LOOKS_LEAST:
            self.scene.still_s = max(self.scene.still_s * 0.98, self._still.seconds)
        self._still = _Evidence()
        self._frozen = None

    # ---- learning --------------------------------------------------------------------------------

    def _may_learn(self, opinion: _Opinion) -> bool:
        quiet = all(evidence.looks == 0 for evidence in self._evidence.values())
        return (
            self._fault is None
            and self._frozen is None
            and self._still.looks < LOOKS_LEAST
            and quiet
            and (opinion.well or not self.is_learned)
        )

    def _learn(self, look: Look, edges: Edges, dt_s: float) -> None:
        reference = self.scene.lights.get(self.light)
        if reference is not None and reference.is_learned:
            self._unlearned_s += dt_s
            if self._unlearned_s < FOLLOW_EVERY_S:
                return
            dt_s = self._unlearned_s
        self._unlearned_s = 0.0
        if reference is None or reference.is_unsteady(edges):
            reference = self.scene.lights[self.light] = Reference()
        reference.learn(look, edges, dt_s)
        self.learned_looks += 1


def _is_blurred(match: Match) -> bool:
    """Both must say so: edges of a scene that is a little aside are missed, not gone."""
    return match.sharp is not None and match.sharp[0] < UNSHARP and match.sharp[1] < UNSHARP_ALL
