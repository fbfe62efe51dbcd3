"""Every camera's newest key frame, judged in turn; what is wrong goes into the report "pictures".

Owns    STORE/reports/pictures.json, STORE/scenes/ and STORE/stills/pictures/.
Needs   .service's tools for frames, .judge for verdicts, gateway.reports.
Keeps   1. No camera is looked at twice before the others that are due, and never more than half of
           the time is spent: with many cameras the looks come further apart, not the alarms later.
        2. A fault that was told before this process began is told on until good pictures end it.
        3. A picture that cannot be had is no verdict: that a camera is not recorded is told
           elsewhere, and what was wrong with it stays so.
        4. Stills and scenes are a help: a disk that takes none ends no check.
Bound   one frame in memory; for each camera a Judge and STILLS_KEPT faults with two stills each.
"""

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import cv2
import numpy as np
import structlog
from av.video.frame import VideoFrame

from gateway.config.settings import Camera
from gateway.errors import GatewayError
from gateway.pictures.album import Album
from gateway.pictures.asking import relearn_path, scene_path
from gateway.pictures.checks import REPORT, REPORT_S
from gateway.pictures.decode import jpeg, key_picture
from gateway.pictures.errors import NoPicture, PictureError
from gateway.pictures.find import Place
from gateway.pictures.judge import Judge, Kind, Verdict
from gateway.pictures.judge_look import Bytes, Picture
from gateway.pictures.scene import Scene
from gateway.pictures.scene_file import SceneUnreadable, load, save
from gateway.pictures.service import Tools
from gateway.pictures.words import told
from gateway.reports import Finding, Report, Value, read_report, write_report
from gateway.store.video.workers import Workers

SUB_S: Final = 2.0
MAIN_S: Final = 10.0
SAVE_S: Final = 600.0
STILL_WIDTH: Final = 960
GOOD_S: Final = 600.0
"""How old the picture may be that is shown as the one before."""

log = structlog.get_logger()


@dataclass(slots=True)
class Watched:
    """One camera and what is known of it."""

    camera: Camera
    judge: Judge
    due_ns: int = 0
    seen_ns: int = 0
    silent: str = ""
    saved_looks: int = 0
    seen_good_ns: int = 0
    told: tuple[Verdict, ...] = ()
    stills: dict[Kind, dict[str, str]] = field(default_factory=dict)

    @property
    def recorded_as(self) -> str:
        """The recording that is looked at."""
        return self.camera.sub_id if self.camera.sub is not None else self.camera.id

    @property
    def interval_s(self) -> float:
        """How far apart looks are."""
        return SUB_S if self.camera.sub is not None else MAIN_S


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look came to; stills where there is a reason."""

    verdicts: tuple[Verdict, ...]
    now: bytes | None = None


class Watch:
    """See the module."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._clock = tools.clock
        self._store = tools.config.store.path
        self._workers = Workers("pictures-watch")
        self._album = Album(self._store)
        self.watched: list[Watched] = []
        self._saved_ns = self._clock.mono_ns()
        self._changed = True
        self._reported_ns = 0

    async def run(self) -> None:
        """Look, for ever."""
        cv2.setNumThreads(1)  # the bench is one thread, and others need the processor
        try:
            await self._begin()
            while True:
                await self._turn()
        finally:
            for each in self.watched:
                self._workers.submit(self._save, each)
            self._workers.stop()

    async def _begin(self) -> None:
        before = await self._workers.run(read_report, self._store, REPORT)
        for camera in self._tools.config.cameras:
            if camera.picture_checks:
                scene = await self._workers.run(self._load, camera.id)
                self.watched.append(Watched(camera, Judge(scene)))
        if before is not None:
            for each in self.watched:
                _resume(each, before)
        log.info("pictures are judged", cameras=len(self.watched))

    async def _turn(self) -> None:
        """Look at the camera that has waited longest, and report in between."""
        now_ns = self._clock.mono_ns()
        if self._changed or now_ns - self._reported_ns >= REPORT_S * 1e9:
            await self._housekeep()
        each = min(self.watched, key=lambda one: one.due_ns, default=None)
        if each is None or each.due_ns > now_ns:
            wait_s = REPORT_S if each is None else (each.due_ns - now_ns) / 1e9
            await self._clock.sleep(min(wait_s, REPORT_S))
            return
        each.due_ns = now_ns + int(each.interval_s * 1e9)
        await self.look(each)
        await self._clock.sleep((self._clock.mono_ns() - now_ns) / 1e9)

    async def look(self, each: Watched) -> None:
        """Take the newest key frame of a camera, if there is a new one."""
        bench = self._tools.bench
        try:
            places = await bench.finder.places(each.recorded_as, None)
            if not places:
                raise NoPicture("no video of it on the disks")
            if places[0].at_ns == each.seen_ns:
                return
            group = await bench.finder.read(places[0])
            seen = await bench.do(_judged, each, group.init, group.fragment, places[0])
        except PictureError as error:
            each.silent = str(error)
            return
        each.silent = ""
        each.seen_ns = places[0].at_ns
        await self._take(each, seen)

    async def _take(self, each: Watched, seen: _Seen) -> None:
        verdicts = tuple(one for one in seen.verdicts if one.kind in each.camera.picture_checks)
        was = {one.kind for one in each.told}
        fresh = [one for one in verdicts if one.kind not in was]
        if seen.now is not None and not seen.verdicts:
            await self._workers.run(self._album.keep_good, each.camera.id, seen.now)
        for verdict in fresh:
            each.stills[verdict.kind] = await self._workers.run(
                self._album.keep_fault, each.camera.id, verdict.kind, each.seen_ns, seen.now
            )
            log.warning("picture", camera=each.camera.id, is_=str(verdict.kind))
        for kind in was - {one.kind for one in verdicts}:
            log.info("picture is good again", camera=each.camera.id, was=str(kind))
        if fresh or len(was) != len(verdicts):
            self._changed = True
        each.told = verdicts

    # ---- what others see -------------------------------------------------------------------------

    async def _housekeep(self) -> None:
        for each in self.watched:
            if await self._workers.run(self._asked_to_relearn, each.camera.id):
                log.info("the scene is learned anew", camera=each.camera.id)
                each.judge, each.told, each.saved_looks = Judge(), (), 0
        self._changed = False
        self._reported_ns = self._clock.mono_ns()
        try:
            await self._workers.run(write_report, self._store, REPORT, self.report())
        except GatewayError as error:
            log.warning("the report on pictures is not written", why=str(error))
        if self._reported_ns - self._saved_ns >= SAVE_S * 1e9:
            self._saved_ns = self._reported_ns
            for each in self.watched:
                await self._workers.run(self._save, each)

    def report(self) -> Report:
        """What is so now."""
        findings = [self._finding(each, verdict) for each in self.watched for verdict in each.told]
        return Report(
            self._clock.utc_ns(),
            tuple(findings),
            {each.camera.id: _state(each) for each in self.watched},
            self._clock.mono_ns(),
        )

    @staticmethod
    def _finding(each: Watched, verdict: Verdict) -> Finding:
        camera = each.camera
        attributes: dict[str, str | int | float | bool] = {
            "camera": camera.id,
            "since": _text_of(verdict.since_ns),
            "since_ns": verdict.since_ns,
            **each.stills.get(verdict.kind, {}),
        }
        if verdict.shift is not None:
            right, down = verdict.shift
            attributes["right_pct"] = round(100 * right, 1)
            attributes["down_pct"] = round(100 * down, 1)
        said = told(camera.place, camera.name, verdict.kind)
        return Finding(f"picture.{camera.id}.{verdict.kind}", said, attributes)

    # ---- the disk, in a thread of its own --------------------------------------------------------

    def _load(self, camera: str) -> Scene | None:
        path = scene_path(self._store, camera)
        try:
            return load(path)
        except (SceneUnreadable, OSError) as error:
            log.warning("a scene cannot be read and is learned anew", camera=camera, why=str(error))
            return None

    def _save(self, each: Watched) -> None:
        looks = each.judge.learned_looks
        if looks == each.saved_looks or not each.judge.scene.lights:
            return
        try:
            save(scene_path(self._store, each.camera.id), each.judge.scene)
        except OSError as error:
            log.warning("a scene is not kept", camera=each.camera.id, why=str(error))
        else:
            each.saved_looks = looks

    def _asked_to_relearn(self, camera: str) -> bool:
        asked = relearn_path(self._store, camera)
        try:
            asked.unlink()
        except OSError:  # nobody asked, or the disk cannot be asked
            return False
        with contextlib.suppress(OSError):
            scene_path(self._store, camera).unlink()
        return True


def _judged(each: Watched, init: bytes, fragment: bytes, place: Place) -> _Seen:
    """At the bench: decode, judge, and a still of what somebody will want to see."""
    frame = key_picture(init, fragment)
    known = {verdict.kind for verdict in each.judge.verdicts}
    try:
        verdicts = each.judge.see(picture_of(frame, place.at_ns))
    except (ValueError, cv2.error) as error:
        raise NoPicture(f"it cannot be judged: {error}") from error
    fresh = any(verdict.kind not in known for verdict in verdicts)
    good = not verdicts and each.judge.is_well and place.at_ns - each.seen_good_ns > GOOD_S * 1e9
    if good:
        each.seen_good_ns = place.at_ns
    return _Seen(verdicts, jpeg(frame, STILL_WIDTH).data if fresh or good else None)


def picture_of(frame: VideoFrame, at_ns: int) -> Picture:
    """The planes of a decoded frame, whatever it is in."""
    if frame.format.name not in {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p"}:
        frame = frame.reformat(format="yuv420p")
    luma, blue, red = (_plane(frame, number) for number in range(3))
    return Picture(at_ns, luma, blue, red)


def _plane(frame: VideoFrame, number: int) -> Bytes:
    plane = frame.planes[number]
    rows = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def _resume(each: Watched, before: Report) -> None:
    start = f"picture.{each.camera.id}."
    for finding in before.findings:
        since_ns = finding.attributes.get("since_ns")
        kind = finding.key.removeprefix(start)
        if not finding.key.startswith(start) or kind not in set(Kind):
            continue
        if isinstance(since_ns, int) and kind in each.camera.picture_checks:
            verdict = Verdict(Kind(kind), since_ns)
            each.judge.resume(verdict)
            each.told = (*each.told, verdict)
            each.stills[verdict.kind] = {
                name: str(finding.attributes[name])
                for name in ("still", "still_before")
                if name in finding.attributes
            }


def _state(each: Watched) -> dict[str, Value]:
    if each.silent:
        state = "silent"
    elif each.told:
        state = str(each.told[0].kind)
    else:
        state = "well" if each.judge.is_learned else "learning"
    return {
        "picture": state,
        "light": each.judge.light,
        "looked_at_ns": each.seen_ns or None,
    }


def _text_of(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns / 1e9, UTC).isoformat(timespec="seconds")
