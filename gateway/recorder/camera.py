"""One camera, recorded for as long as the process lives.

Owns    when a segment begins and ends, and what a minute without a picture is called.
Needs   gateway.links.rtsp for units, groups.py for fragments, gateway.store.video for the disk.
Keeps   1. A camera that hangs, lies or sends garbage costs itself only: everything that can be
           wrong with it ends in an error here, a gap with its reason, and another attempt.
        2. Every moment without video is a gap with a reason, from the last picture on the disk to
           the first of the next segment, also across a restart of the camera.
        3. Segments are cut at the first key picture behind SEGMENT_S, where the picture's form
           changes, and where the camera's clock and ours part.
Bound   BEGINS_MOST segments at once, then BEGINS_PER_SEGMENT in the time of one: a camera whose
        clock jumps at every picture must not fill index and disk with files. What comes too early
        is left out, and a gap.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from gateway.clock import STEP_NS, Clock
from gateway.errors import DeviceError, LinkDown, StoreError
from gateway.links.rtsp import NotPlayable, Refused, RtspSession, RtspSettings
from gateway.links.rtsp.unit import AccessUnit
from gateway.media import Track, Unreadable, init_segment
from gateway.recorder.groups import Gatherer
from gateway.store.video import NoVolume, SegmentWriter, VideoStore

SEGMENT_S: Final = 60.0
PAUSE_FIRST_S: Final = 0.5
PAUSE_MOST_S: Final = 15.0
RARELY_S: Final = 60.0
"""Between attempts at a camera that refuses us: it locks out who guesses."""
STABLE_S: Final = 30.0
BEGINS_MOST: Final = 30
BEGINS_PER_SEGMENT: Final = 12
FOLLOW_NS: Final = 2_000_000_000
"""What follows on is begun where the one before it ended, if our clock agrees to within this."""

_NONSENSE: Final = (
    "码流不合规矩，已断开重连 / its stream makes no sense (times that stand still, damaged"
    " headers); it is opened again"
)

log = structlog.get_logger()
Told = Callable[[str, bool, str], None]
"""(camera, recording, why not): called when it changes."""
Find = Callable[[bool], Awaitable[str]]
"""Where the stream is, for a camera that has to be asked; True: what was known was refused."""


@dataclass(slots=True)
class State:
    """What is known of a camera now, for the service's report; counts are since it began.

    reason     of the kinds that gaps have, why it was lost last; "" before that
    since_ns   UTC since when it is, or is not, recorded
    to_ns      UTC until when its newest whole group goes
    data_bytes of video and sound that went to the disk
    lost       packets of it that were lost
    sessions   how often it was opened
    offset_ns  the camera's clock minus ours, None as long as it does not say
    """

    is_recording: bool = False
    why: str = ""
    since_ns: int = 0
    to_ns: int | None = None
    pictures: int = 0
    data_bytes: int = 0
    lost: int = 0
    sessions: int = 0
    reason: str = ""
    codec: str = ""
    width: int = 0
    height: int = 0
    offset_ns: int | None = None


class CameraRecorder:
    """See the module."""

    def __init__(
        self,
        camera: str,
        settings: RtspSettings,
        store: VideoStore,
        clock: Clock,
        *,
        told: Told = lambda _camera, _recording, _why: None,
        segment_s: float = SEGMENT_S,
        find: Find | None = None,
    ) -> None:
        self.camera = camera
        self.state = State(since_ns=clock.utc_ns())
        self._settings = settings
        self._store = store
        self._clock = clock
        self._told = told
        self._segment_s = segment_s
        self._find = find
        self._anew = False
        self._begins = float(BEGINS_MOST)
        self._counted_ns = clock.mono_ns()
        self._kept_to_ns = clock.utc_ns()
        self._reason = "started"

    async def run(self) -> None:
        """Record for ever; ends by cancellation only, with its open segment sealed."""
        pause = PAUSE_FIRST_S
        while True:
            began = self._clock.mono_ns()
            rest = pause
            try:
                await self._session()
            except (Refused, NotPlayable) as error:
                self._lost("refused", error)
                self._anew = True
                rest = RARELY_S
            except LinkDown as error:
                self._lost("camera", error)
            except StoreError as error:
                self._lost("disk", error)
            except (Unreadable, ValueError) as error:
                self._lost("stream", ValueError(f"{_NONSENSE}: {error}"))
            if (self._clock.mono_ns() - began) / 1e9 > STABLE_S:
                pause, rest = PAUSE_FIRST_S, min(rest, PAUSE_FIRST_S)
            await self._clock.sleep(rest * random.uniform(0.5, 1.0))  # noqa: S311 jitter
            pause = min(pause * 2, PAUSE_MOST_S)

    def _lost(self, reason: str, error: DeviceError | StoreError | Exception) -> None:
        self._reason = self.state.reason = reason
        why = str(error)[:300]
        if self.state.is_recording or self.state.why != why:
            log.warning("camera is not recorded; trying again", camera=self.camera, why=why)
        self._say(recording=False, why=why)

    def _say(self, *, recording: bool, why: str) -> None:
        changed = recording is not self.state.is_recording or (not recording and not self.state.why)
        self.state.is_recording, self.state.why = recording, why
        if changed:
            self.state.since_ns = self._clock.utc_ns()
            self._told(self.camera, recording, why)

    async def _session(self) -> None:
        settings = self._settings
        if self._find is not None:
            settings = replace(settings, url=await self._find(self._anew))
        async with await RtspSession.open(settings, self._clock) as session:
            self._anew = False
            self.state.sessions += 1
            take = _Take(self, session)
            try:
                async for unit in session:
                    await take.unit(unit)
            finally:
                await take.end(self._reason if self._reason != "started" else "ended")

    # What _Take does with the store.

    def may_begin(self) -> bool:
        """Whether a segment may begin now, which is counted then."""
        now = self._clock.mono_ns()
        passed_s, self._counted_ns = (now - self._counted_ns) / 1e9, now
        earned = passed_s * BEGINS_PER_SEGMENT / self._segment_s
        self._begins = min(self._begins + earned, float(BEGINS_MOST))
        if self._begins < 1:
            return False
        self._begins -= 1
        return True

    def begin(
        self, tracks: tuple[Track, ...], began_ns: int, offset_ns: int | None
    ) -> SegmentWriter:
        """Begin a segment, and call what was missed by its name; raises NoVolume."""
        video = next(track for track in tracks if track.kind == "video")
        writer = self._store.begin(
            self.camera,
            began_ns,
            self._clock.quality,
            init_segment(tracks),
            codec=",".join(track.codec_string for track in tracks),
            width=video.width,
            height=video.height,
            offset_ms=None if offset_ns is None else offset_ns // 1_000_000,
        )
        if began_ns > self._kept_to_ns:
            self._store.gap(self.camera, self._kept_to_ns, began_ns, self._reason)
        state = self.state
        state.codec, state.width, state.height = writer.facts.codec, video.width, video.height
        self._say(recording=True, why="")
        return writer

    def kept(self, end_ns: int, pictures: int, size_bytes: int) -> None:
        """A group was handed over; what comes behind it has to follow on."""
        self._kept_to_ns = self.state.to_ns = end_ns
        self.state.pictures += pictures
        self.state.data_bytes += size_bytes

    def cut(self, reason: str) -> None:
        """What comes next is no continuation: name the gap there may be."""
        self._reason = reason

    @property
    def kept_to_ns(self) -> int:
        """Until when there is video."""
        return self._kept_to_ns

    @property
    def segment_s(self) -> float:
        """How long a segment is, at least."""
        return self._segment_s

    @property
    def clock(self) -> Clock:
        """The gateway's."""
        return self._clock


class _Take:
    """One session's recording: from its first key picture to its last group."""

    def __init__(self, recorder: CameraRecorder, session: RtspSession) -> None:
        self._recorder = recorder
        self._session = session
        self._writer: SegmentWriter | None = None
        self._gatherer: Gatherer | None = None
        self._tracks: tuple[Track, ...] = ()
        self._off_s = 0.0

    async def unit(self, unit: AccessUnit) -> None:
        """Take one unit, and cut where it has to be."""
        state = self._recorder.state
        state.lost += unit.lost
        is_video = self._session.tracks[unit.track].kind == "video"
        gatherer = self._gatherer
        if gatherer is None:
            if is_video and unit.is_key and not unit.damaged:
                await self._begin(unit, follow_on=False)
            return
        if not is_video:
            gatherer.put(unit)
        elif unit.restarted or gatherer.has_jumped(unit):
            await self._finish(None, "clock")
            self._recorder.cut("clock")
            if unit.is_key and not unit.damaged:
                await self._begin(unit, follow_on=False)
        elif unit.is_key:
            await self._key(gatherer, unit)
        else:
            if gatherer.is_too_much(unit):
                await self._hand_over(gatherer, unit)
            gatherer.put(unit)

    async def _key(self, gatherer: Gatherer, unit: AccessUnit) -> None:
        writer = self._writer
        changed = unit.parameter_sets is not None and self._session.tracks != self._tracks
        failed = writer is None or writer.failure is not None
        is_long = gatherer.seconds_at(unit) >= self._recorder.segment_s
        if changed or failed or is_long or gatherer.is_behind:
            reason = "changed" if changed else "clock" if gatherer.is_behind else "length"
            await self._finish(unit, reason)
            await self._begin(unit, follow_on=not failed)
        else:
            await self._hand_over(gatherer, unit)
            gatherer.put(unit)

    async def _begin(self, unit: AccessUnit, *, follow_on: bool) -> None:
        """Begin a segment with this key picture.

        follow_on  it is the picture behind the last one: its time is where that one ended
        """
        tracks = self._session.tracks
        if not all(track.complete for track in tracks):
            return  # a file cannot begin before the camera has said what it sends
        if not self._recorder.may_begin():
            self._recorder.cut("stream")
            return
        clock, recorder = self._recorder.clock, self._recorder
        arrived_ns = clock.utc_ns() - (clock.mono_ns() - unit.arrival_ns)
        kept = recorder.kept_to_ns
        began_ns = arrived_ns
        if follow_on and abs(arrived_ns - kept) < FOLLOW_NS:
            began_ns = kept
        elif kept - arrived_ns <= STEP_NS:
            began_ns = max(arrived_ns, kept)  # never over what there is already
        else:  # our clock was put back: to go on where it was would be wrong for ever
            recorder.cut("clock")
        if follow_on and began_ns > kept:
            recorder.cut("clock")  # the pictures followed on, our clock was put forward
        try:
            self._writer = recorder.begin(tracks, began_ns, self._session.camera_offset_ns)
        except NoVolume:
            self._gatherer = self._writer = None
            raise
        self._tracks = tracks
        self._gatherer = Gatherer(
            tracks,
            unit,
            began_ns,
            unit.arrival_ns,
            late_s=(arrived_ns - began_ns) / 1e9,
            off_s=self._off_s if follow_on and began_ns == kept else 0.0,
        )

    async def _hand_over(self, gatherer: Gatherer, until: AccessUnit | None) -> None:
        writer = self._writer
        if writer is None or gatherer.is_empty:
            return
        group = gatherer.take(until)
        if await writer.add(group.data, group.end_ns, group.pictures):
            self._recorder.kept(group.end_ns, group.pictures, len(group.data))
            self._recorder.state.offset_ns = self._session.camera_offset_ns
        else:
            self._recorder.cut(writer.failure or "disk_slow")

    async def _finish(self, until: AccessUnit | None, reason: str) -> None:
        writer, gatherer = self._writer, self._gatherer
        if writer is None or gatherer is None:
            return
        await self._hand_over(gatherer, until)
        self._off_s = gatherer.off_s
        self._writer = self._gatherer = None
        writer.begin_seal(reason)

    async def end(self, reason: str) -> None:
        """The session is over: what was gathered is written and sealed."""
        await self._finish(None, reason)
