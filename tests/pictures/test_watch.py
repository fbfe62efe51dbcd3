"""From segments on the disk to a finding and back, with a simulated camera's real pictures."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import av
import pytest

from gateway.config.settings import PICTURE_CHECKS
from gateway.media import Run, Sample, fragment, init_segment
from gateway.media.nal import join_lengths
from gateway.media.tracks import video
from gateway.pictures import checks as checking
from gateway.pictures.album import KEPT, Album
from gateway.pictures.asking import ask_to_relearn, relearn_path, scene_path
from gateway.pictures.bench import Bench
from gateway.pictures.find import Finder
from gateway.pictures.judge import Judge, Kind
from gateway.pictures.service import Tools
from gateway.pictures.watch import Watch, Watched
from gateway.reports import read_report
from gateway.store.video import VideoReader
from simulators.cameras import SMALL
from simulators.cameras.clip import load
from simulators.cameras.scene import Picture
from tests.clocks import NOON, SECOND
from tests.playback.film import CAMERA, CLOCK_HZ, Film, camera_of, filming

STEP_S = 2


@dataclass
class School:
    """A camera that is recorded, and the watch over its pictures; both at the test's clock."""

    film: Film
    tools: Tools
    watch: Watch
    number: int = 0
    sequence: int = 0

    @property
    def store(self) -> Path:
        return self.tools.config.store.path

    async def shows(self, picture: Picture, seconds: int) -> None:
        """A key picture every STEP_S in segments on the disk; each is looked at."""
        clip = load("school", SMALL, picture)
        film = self.film
        if film.writer is not None:
            await film.seal()
        tracks = [video(SMALL.codec, CLOCK_HZ, clip.sets)]
        shape = {"codec": tracks[0].codec_string, "width": 640, "height": 360}
        film.writer = film.store.begin(CAMERA, film.at_ns, "trusted", init_segment(tracks), **shape)
        first = self.number
        for index in range(seconds // STEP_S):
            shown = first if picture is Picture.FROZEN else self.number
            units = clip.units(shown // SMALL.group * SMALL.group)
            key = join_lengths([unit for unit in units if unit not in clip.sets])
            ticks = STEP_S * CLOCK_HZ
            film.at_ns += STEP_S * SECOND
            body = fragment(index + 1, [Run(1, index * ticks, [Sample(key, ticks, 0, True)])])
            assert await film.writer.add(body, film.at_ns, 1)
            await film.writer.flush()
            film.clock.advance(STEP_S)
            self.number += STEP_S * SMALL.fps
            for each in self.watch.watched:
                await self.watch.look(each)
        await self.watch._housekeep()

    def found(self) -> dict[str, dict[str, object]]:
        report = read_report(self.store, "pictures")
        assert report is not None
        return {finding.key: dict(finding.attributes) for finding in report.findings}

    def state(self) -> object:
        report = read_report(self.store, "pictures")
        assert report is not None
        return report.cameras[CAMERA]["picture"]

    async def restart(self) -> None:
        """Another life of the process."""
        for each in self.watch.watched:
            self.watch._save(each)
        self.watch._workers.stop()
        self.watch = Watch(self.tools)
        await self.watch._begin()


@asynccontextmanager
async def school(root: Path, wanted: frozenset[str] = PICTURE_CHECKS) -> AsyncIterator[School]:
    async with filming(root) as film:
        reader = VideoReader(root / "store")
        finder = Finder([root / "disk"], reader, film.clock)
        bench = Bench(finder, hang_s=None)
        camera = replace(camera_of(), picture_checks=wanted)
        config = SimpleNamespace(store=SimpleNamespace(path=root / "store"), cameras=(camera,))
        tools = Tools(config, film.clock, reader, bench)  # type: ignore[arg-type]
        made = School(film, tools, Watch(tools))
        await made.watch._begin()
        try:
            yield made
        finally:
            made.watch._workers.stop()
            bench.close()
            finder.close()
            await reader.close()


FAULTS = {
    Picture.COVERED: ("covered", 24),
    Picture.BLACK: ("black", 40),
    Picture.NO_SIGNAL: ("no_signal", 20),
    Picture.MOVED: ("moved", 70),
    Picture.BLURRED: ("blurred", 100),
    Picture.FROZEN: ("frozen", 80),
}


async def test_every_fault_of_a_simulated_camera_is_found_and_ends(tmp_path: Path) -> None:
    async with school(tmp_path) as it:
        await it.shows(Picture.NORMAL, 30)
        assert it.state() == "learning"
        await it.shows(Picture.NORMAL, 60)
        assert (it.state(), it.found()) == ("well", {})
        for picture, (kind, seconds) in FAULTS.items():
            await it.shows(picture, seconds)
            assert list(it.found()) == [f"picture.{CAMERA}.{kind}"], picture
            assert it.state() == kind
            await it.shows(Picture.NORMAL, 20)
            assert (it.state(), it.found()) == ("well", {}), picture
        await it.shows(Picture.NIGHT, 120)
        assert (it.state(), it.found()) == ("well", {}), "night is none"


async def test_a_finding_says_since_when_and_shows_before_and_now(tmp_path: Path) -> None:
    async with school(tmp_path) as it:
        await it.shows(Picture.NORMAL, 80)
        begun_ns = it.film.at_ns
        await it.shows(Picture.COVERED, 20)
        report = read_report(it.store, "pictures")
        assert report is not None
        [finding] = report.findings
        assert finding.text.startswith("西门门卫室 西门 镜头被遮挡")
        assert finding.attributes["camera"] == CAMERA
        assert 0 <= int(finding.attributes["since_ns"]) - begun_ns <= STEP_S * SECOND
        brightness = {}
        for name in ("still", "still_before"):
            path = it.store / str(finding.attributes[name])
            with av.open(str(path)) as shown:
                brightness[name] = next(shown.decode(video=0)).to_ndarray(format="gray").mean()
        assert brightness["still"] + 20 < brightness["still_before"]


async def test_a_fault_survives_a_restart_of_the_process_and_the_scene_too(tmp_path: Path) -> None:
    async with school(tmp_path) as it:
        await it.shows(Picture.NORMAL, 80)
        await it.shows(Picture.COVERED, 20)
        before = it.found()
        await it.restart()
        assert it.watch.watched[0].judge.is_learned
        await it.shows(Picture.COVERED, 4)
        assert it.found() == before
        await it.shows(Picture.NORMAL, 20)
        assert it.found() == {}


async def test_an_installer_has_a_turned_camera_learned_anew(tmp_path: Path) -> None:
    async with school(tmp_path) as it:
        await it.shows(Picture.NORMAL, 80)
        await it.shows(Picture.MOVED, 70)
        assert list(it.found()) == [f"picture.{CAMERA}.moved"]
        ask_to_relearn(it.store, CAMERA)
        await it.watch._housekeep()
        assert it.found() == {}
        assert not relearn_path(it.store, CAMERA).exists()
        await it.shows(Picture.MOVED, 80)
        assert (it.state(), it.found()) == ("well", {})
        await it.shows(Picture.NORMAL, 70)
        assert list(it.found()) == [f"picture.{CAMERA}.moved"]


async def test_what_is_not_wanted_is_not_told(tmp_path: Path) -> None:
    async with school(tmp_path, frozenset({"black"})) as it:
        await it.shows(Picture.NORMAL, 80)
        await it.shows(Picture.COVERED, 20)
        assert it.found() == {}
        await it.shows(Picture.BLACK, 40)
        assert list(it.found()) == [f"picture.{CAMERA}.black"]
    async with school(tmp_path / "off", frozenset()) as it:
        assert it.watch.watched == []


async def test_a_picture_that_cannot_be_had_changes_no_verdict(tmp_path: Path) -> None:
    async with school(tmp_path) as it:
        await it.watch.look(it.watch.watched[0])
        await it.watch._housekeep()
        assert it.state() == "silent"
        await it.shows(Picture.NORMAL, 80)
        await it.shows(Picture.COVERED, 20)
        for path in (tmp_path / "disk").rglob("*.mp4*"):
            os.truncate(path, 900)
        it.watch.watched[0].seen_ns = 0
        await it.watch.look(it.watch.watched[0])
        await it.watch._housekeep()
        assert (it.state(), list(it.found())) == ("silent", [f"picture.{CAMERA}.covered"])


async def test_a_damaged_scene_is_learned_anew(tmp_path: Path) -> None:
    async with school(tmp_path) as it:
        await it.shows(Picture.NORMAL, 80)
        await it.restart()
        path = scene_path(it.store, CAMERA)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
        it.watch._workers.stop()
        it.watch = Watch(it.tools)
        await it.watch._begin()
        assert not it.watch.watched[0].judge.is_learned
        await it.shows(Picture.NORMAL, 80)
        assert it.state() == "well"


async def test_many_cameras_take_turns_and_half_of_the_time_is_left(tmp_path: Path) -> None:
    async with school(tmp_path) as it:
        camera = it.watch.watched[0].camera
        it.watch.watched = [Watched(replace(camera, id=f"c{n}"), Judge()) for n in range(5)]
        looked: list[str] = []

        async def look(each: Watched) -> None:
            looked.append(each.camera.id)
            it.film.clock.advance(4.0)

        it.watch.look = look  # type: ignore[method-assign]
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            it.film.clock.advance(seconds)

        it.film.clock.sleep = sleep  # type: ignore[method-assign]
        for _ in range(15):
            await it.watch._turn()
        assert looked == [f"c{n}" for n in range(5)] * 3
        assert slept == [4.0] * 15


async def test_without_opencv_a_person_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError("libGL.so.1: cannot open shared object file")

    async with school(tmp_path) as it:
        monkeypatch.setattr(checking.importlib, "import_module", missing)

        async def sleep(_seconds: float) -> None:
            raise InterruptedError  # once round is enough

        it.film.clock.sleep = sleep  # type: ignore[method-assign]
        with pytest.raises(InterruptedError):
            await checking.checks(it.tools)
        assert it.found() == {
            "picture.checks": {"why": "libGL.so.1: cannot open shared object file"}
        }


def test_only_so_many_stills_are_kept_and_the_oldest_go(tmp_path: Path) -> None:
    album = Album(tmp_path)
    album.keep_good("gate", b"good")
    for number in range(KEPT + 5):
        kept = album.keep_fault("gate", Kind.COVERED, NOON + number * SECOND, b"now")
    names = sorted(path.name for path in (tmp_path / "stills" / "pictures" / "gate").iterdir())
    assert len(names) == 2 * KEPT + 1
    assert (tmp_path / kept["still"]).read_bytes() == b"now"
    assert (tmp_path / kept["still_before"]).read_bytes() == b"good"
    assert json.dumps(kept), "attributes are plain"


def test_a_disk_that_takes_no_still_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "stills").write_bytes(b"a file where a folder should be")
    album = Album(tmp_path)
    album.keep_good("gate", b"good")
    assert album.keep_fault("gate", Kind.COVERED, NOON, b"now") == {}
