"""From access units to fragments: one for each group of pictures, with the sound that came with it.

Owns    Gatherer: what belongs into the next fragment, when it is whole, and what time it is.
Needs   gateway.media; the times come from whoever records. Pure.
Keeps   1. A fragment begins with a key picture, or is the rest of a group that grew beyond
           GROUP_MOST_S or GROUP_MOST_BYTES: memory is bounded whatever a camera does.
        2. Times inside a segment follow the camera's ticks, so nothing stutters; where a segment
           begins is our clock's to say. A camera whose crystal is off is led back by slewing: all
           ticks of a segment are stretched alike, by SLEW_MOST_PPM at most, which nobody sees or
           hears. One whose ticks leave our clock by JUMP_S is cut.
        3. No access unit is left out or put in twice.
        4. Pictures that come late, because this machine or the network was busy, are no jump of the
           camera's: they wait in TCP and come all at once. What stays late for LATE_MOST_S gets a
           new time at its next key picture (is_behind), and none of it is left out for that.
"""

from dataclasses import dataclass, field
from typing import Final

from gateway.links.rtsp.unit import AccessUnit
from gateway.media import Run, Sample, Track, fragment, in_decode_order

GROUP_MOST_S: Final = 10.0
GROUP_MOST_BYTES: Final = 16 << 20
JUMP_S: Final = 2.0
LATE_MOST_S: Final = 10.0
SLEW_FROM_S: Final = 0.1
"""Nearer to our clock than this its ticks are taken as they are: jitter is no drift."""
SLEW_OVER_S: Final = 600.0
"""How soon a difference would be gone. At 100 ppm of drift, much for a crystal, 0.1 s stay."""
SLEW_MOST_PPM: Final = 500
S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Group:
    """What a fragment is made of.

    pictures   how many · end_ns  our UTC when its last picture ends · data  the fragment
    """

    data: bytes
    pictures: int
    end_ns: int


@dataclass(slots=True)
class _Line:
    """One track of the segment: its ticks at the segment's beginning, and where it stands."""

    track: Track
    number: int
    origin: int | None = None
    after: int = 0
    held: list[AccessUnit] = field(default_factory=list)


def slew_ppm(late_s: float) -> int:
    """How much a segment's ticks are to be stretched when what is least late is late by this."""
    if abs(late_s) < SLEW_FROM_S:
        return 0
    return max(-SLEW_MOST_PPM, min(SLEW_MOST_PPM, round(late_s / SLEW_OVER_S * 1_000_000)))


class Gatherer:
    """One segment's worth of gathering; begun with its first key picture.

    began_ns   our UTC at which that picture is put, and its monotonic arrival
    late_s     how long after began_ns that picture came
    off_s      of the segment before, which this one follows: this one leads back (keep 2)
    is_behind  its pictures follow on but stay late: cut at the next key picture (keep 4)
    """

    def __init__(
        self,
        tracks: tuple[Track, ...],
        first: AccessUnit,
        began_ns: int,
        began_mono_ns: int,
        *,
        late_s: float = 0.0,
        off_s: float = 0.0,
    ) -> None:
        self._lines = [_Line(track, number) for number, track in enumerate(tracks, start=1)]
        self._video = first.track
        self._began_ns = began_ns
        self._began_mono_ns = began_mono_ns
        self._sequence = 0
        self._bytes = 0
        self._newest = first.ticks
        self._slew_ppm = slew_ppm(off_s)
        self._late_s = late_s
        self._least_late_s = 0.0
        self._late_since_ns: int | None = None
        self._caught_up_s = 0.0
        self.is_behind = False
        self.put(first)

    @property
    def is_empty(self) -> bool:
        """Nothing waits for its fragment."""
        return not self._lines[self._video].held

    @property
    def off_s(self) -> float:
        """How far the segment's times are behind our clock: nothing came sooner than this late."""
        return self._late_s + self._least_late_s

    def put(self, unit: AccessUnit) -> None:
        """Take one access unit of any track."""
        line = self._lines[unit.track]
        if line.origin is None:
            ahead_s = 0.0
            if unit.track != self._video:
                ahead_s = max(unit.arrival_ns - self._began_mono_ns, 0) / S
            line.origin = unit.ticks - int(ahead_s * line.track.clock_rate)
        line.held.append(unit)
        self._bytes += len(unit.data)

    def seconds_at(self, unit: AccessUnit) -> float:
        """How far into the segment a picture is."""
        line = self._lines[unit.track]
        return self._into(line, unit.ticks) / line.track.clock_rate

    def _into(self, line: _Line, ticks: int) -> int:
        """Ticks since the segment began, stretched."""
        return (ticks - (line.origin or 0)) * (1_000_000 + self._slew_ppm) // 1_000_000

    def has_jumped(self, unit: AccessUnit) -> bool:
        """Whether the camera's ticks and our clock have parted (keeps 2 and 4); asked once of each.

        Nothing arrives before it was sent. So a picture that is early, behind one just before it,
        says that the segment began with one that was late: what is early then is the right time.
        """
        rate = self._lines[self._video].track.clock_rate
        step_s, self._newest = (unit.ticks - self._newest) / rate, unit.ticks
        came_s = (unit.arrival_ns - self._began_mono_ns) / S - self.seconds_at(unit)
        late_s = came_s + self._caught_up_s
        if abs(step_s) > JUMP_S and abs(late_s) > JUMP_S:
            return True
        self._least_late_s = min(self._least_late_s, came_s)
        if late_s <= JUMP_S:
            self._late_since_ns, self.is_behind = None, False
            if late_s < -JUMP_S:
                self._caught_up_s -= late_s
            return self._caught_up_s > LATE_MOST_S
        held = self._lines[self._video].held
        if unit.is_key and held and unit.ticks <= held[0].ticks:
            return True  # its clock stands
        if self._late_since_ns is None:
            self._late_since_ns = unit.arrival_ns
        self.is_behind = unit.arrival_ns - self._late_since_ns > LATE_MOST_S * S
        return False

    def is_too_much(self, unit: AccessUnit) -> bool:
        """Whether the group has to be written before its end (keep 1)."""
        held = self._lines[self._video].held
        if not held:
            return False
        long_s = (unit.ticks - held[0].ticks) / self._lines[self._video].track.clock_rate
        return self._bytes > GROUP_MOST_BYTES or long_s > GROUP_MOST_S

    def take(self, until: AccessUnit | None) -> Group:
        """Make a fragment of what was gathered.

        until  the picture behind it; None at the end, when the last picture's length is a guess
        """
        video = self._lines[self._video]
        pictures = video.held
        last = pictures[-1].ticks
        guess = last + max((last - pictures[0].ticks) // max(len(pictures) - 1, 1), 1)
        end = guess if until is None else max(until.ticks, last + 1)
        end = self._into(video, end)
        end_ns = self._began_ns + end * S // video.track.clock_rate
        self._sequence += 1
        runs = [run for line in self._lines if (run := self._run(line, end, line is video))]
        data = fragment(self._sequence, runs)
        self._bytes = 0
        return Group(data, len(pictures), end_ns)

    def _run(self, line: _Line, end: int, is_video: bool) -> Run | None:  # noqa: FBT001
        units, line.held = line.held, []
        if not units:
            return None
        shown = [max(self._into(line, unit.ticks), 0) for unit in units]
        until = end if is_video else shown[-1] + _sound_ticks(line, shown)
        timings = in_decode_order(shown, until, after=line.after)
        line.after = timings[-1].decode + timings[-1].duration
        samples = [
            Sample(unit.data, timing.duration, timing.offset, unit.is_key)
            for unit, timing in zip(units, timings, strict=True)
        ]
        return Run(line.number, timings[0].decode, samples)


def _sound_ticks(line: _Line, shown: list[int]) -> int:
    """How long the last piece of sound is: as long as the one before it, 1024 samples of AAC."""
    if len(shown) > 1:
        return max(shown[-1] - shown[-2], 1)
    return 1024 if line.track.codec == "aac" else line.track.clock_rate // 50
