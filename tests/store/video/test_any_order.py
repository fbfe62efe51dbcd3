"""Record, seal, hold, expire, lose a volume, fill a disk, step the clock, crash: V1 to V10 hold."""

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.store.video import NoVolume, Refused, Retention, State, recover, verify
from tests.clocks import NOON, SECOND, FakeClock
from tests.store.video.making import DAY, begin, fragment, open_store, video_files

CAMERAS = ("cam-a", "cam-b")
VOLUMES = ("one", "two")
DAYS = 5


class VideoMachine(RuleBasedStateMachine):
    """A store and what we know must be in it.

    kept     (camera, start_ns) → (end_ns, when it was recorded by a clock that never steps)
    held     alarm → (camera, from_ns, to_ns)
    true_ns  that clock: the store's own may be steps away from it
    stepped  when it last stepped, by the true one: a day later a wrong clock is believed
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="video-machine-"))
        self.loop = asyncio.Runner()
        self.clock = FakeClock()
        self.kept: dict[tuple[str, int], tuple[int, int]] = {}
        self.held: dict[str, tuple[str, int, int]] = {}
        self.away: set[str] = set()
        self.alarms = 0
        self.stepped: int | None = None

    def run(self, work: Any) -> Any:
        return self.loop.run(work)

    @property
    def true_ns(self) -> int:
        return self.clock.mono_ns()

    @initialize()
    def open(self) -> None:
        for name in VOLUMES:
            (self.root / name).mkdir(exist_ok=True)
        self.store = self.run(open_store(self.root, self.clock, volumes=VOLUMES))
        self.run(self.recover())
        self.retention = Retention(self.store, days=DAYS)

    async def recover(self) -> None:
        found = await recover(self.store)
        assert (found.failed, found.damaged, found.missing) == (0, 0, 0), found.named

    @rule(
        camera=st.sampled_from(CAMERAS),
        parts=st.integers(1, 4),
        pause_s=st.sampled_from([0, 0, 0, 30, 4000]),
        sealed=st.sampled_from([True, True, True, False]),
    )
    def record(self, camera: str, parts: int, pause_s: int, sealed: bool) -> None:
        """A segment; when it is not sealed, the recorder dies behind its last fragment."""
        self.clock.advance(pause_s)
        start_ns, true_ns = self.clock.utc_ns(), self.true_ns
        quality = self.clock.quality

        async def work() -> None:
            nonlocal start_ns
            writer = begin(self.store, start_ns, camera, quality)
            for part in range(1, parts + 1):
                end_ns = start_ns + part * 20 * SECOND
                assert await writer.add(fragment(end_ns // SECOND), end_ns, 500)
            await writer.flush()
            start_ns = writer.facts.started_ns
            if sealed:
                assert await writer.seal("cut")

        try:
            self.run(work())
        except NoVolume:
            assert set(VOLUMES) == self.away
            return
        self.clock.advance(parts * 20)
        end_ns = start_ns + parts * 20 * SECOND
        self.kept[camera, start_ns] = (end_ns - end_ns % SECOND, true_ns + parts * 20 * SECOND)
        if not sealed:
            self.crash()

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        camera, start_ns = data.draw(st.sampled_from(sorted(self.kept)))
        self.alarms += 1
        span = (start_ns - 5 * SECOND, start_ns + SECOND)
        self.run(self.store.hold(f"alarm-{self.alarms}", [camera], *span))
        self.held[f"alarm-{self.alarms}"] = (camera, *span)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        alarm = data.draw(st.sampled_from(sorted(self.held)))
        self.run(self.store.release(alarm))
        del self.held[alarm]

    @rule(hours=st.sampled_from([1, 7, 26, 24 * 4]))
    def expire(self, hours: int) -> None:
        self.clock.advance(hours * 3600)
        before = self.rows()
        while True:
            done = self.run(self.retention.expire())
            if done.refused is not None:
                assert done.refused in {Refused.CLOCK_STEPPED, Refused.CLOCK_UNTRUSTED}
            if not done.more:
                break
        self.let_go(before - self.rows())

    def let_go(self, gone: set[tuple[str, int]]) -> None:
        """What retention took: old by the true time, unless the clock was wrong for a day."""
        for key in gone:
            assert not self.is_held(*key)
            age_ns = self.true_ns - self.kept.pop(key)[1]
            misled = self.stepped is not None and self.true_ns - self.stepped >= DAY
            assert age_ns >= DAYS * DAY or misled, "younger than its days"

    @rule(hours=st.sampled_from([-24 * 400, -3, 3, 24 * 400]))
    def step_the_clock(self, hours: int) -> None:
        self.stepped = self.true_ns
        self.clock.step(hours * 3600)

    @rule(quality=st.sampled_from(["trusted", "stepped", "unset"]))
    def doubt_the_clock(self, quality: str) -> None:
        self.clock.quality = quality

    @rule(count=st.integers(1, 3))
    def fill_a_disk(self, count: int) -> None:
        """Room is made by a plan: the oldest that is not held."""
        volume = self.store.volumes.all[0]
        before = self.rows()
        plan = self.run(self.retention.plan_room(volume, count))
        if not volume.is_readable:
            return
        self.run(self.retention.make_room(plan))
        gone = before - self.rows()
        assert len(gone) == len(plan.rows)
        for key in gone:
            assert not self.is_held(*key)
            del self.kept[key]

    @precondition(lambda self: not self.away)
    @rule(name=st.sampled_from(VOLUMES))
    def lose_a_volume(self, name: str) -> None:
        (self.root / name).rename(self.root / f"{name}-away")
        self.away.add(name)
        self.run(self.store.look())
        assert self.store.volumes.at(self.root / name).state is State.GONE

    @precondition(lambda self: self.away)
    @rule()
    def find_it_again(self) -> None:
        for name in self.away:
            with contextlib.suppress(FileNotFoundError):
                (self.root / name).rmdir()  # the empty mount point of a start without the disk
            (self.root / f"{name}-away").rename(self.root / name)
        self.away.clear()
        self.run(self.store.look())
        self.run(self.recover())

    @rule()
    def crash(self) -> None:
        """No seal and no goodbye: open files stay, as a kill leaves them."""

        async def die() -> None:
            for writer in self.store.writers:
                await writer.flush()
            await self.store.connection.close()
            self.store.volumes.stop()

        self.run(die())
        self.open()

    @precondition(lambda self: not self.away)
    @rule()
    def lose_the_index(self) -> None:
        self.run(self.store.close())
        for path in (self.root / "index").glob("video.sqlite*"):
            path.unlink()
        self.open()

    def rows(self) -> set[tuple[str, int]]:
        sql = "SELECT c.name, s.start_ns FROM segment s JOIN camera c ON c.id = s.camera"
        return set(self.run(self.store.run(lambda db: db.execute(sql).fetchall())))

    def is_held(self, camera: str, start_ns: int) -> bool:
        end_ns = self.kept[camera, start_ns][0]
        return any(
            name == camera and from_ns < end_ns and to_ns > start_ns
            for name, from_ns, to_ns in self.held.values()
        )

    @invariant()
    def everything_kept_has_a_row_and_nothing_else(self) -> None:
        if hasattr(self, "store"):
            assert self.rows() == set(self.kept)

    @invariant()
    def what_is_recorded_is_in_the_timeline_and_the_rest_is_a_gap(self) -> None:
        if not hasattr(self, "store"):
            return
        for camera in CAMERAS:
            told = self.run(self.store.timeline(camera, 0, 4 * NOON))
            mine = [(start, end) for (name, start), (end, _) in self.kept.items() if name == camera]
            for start, end in mine:
                assert any(s.start_ns <= start and end <= s.end_ns for s in told.spans)
            for gap in told.gaps:
                assert not any(start < gap.from_ns < end for start, end in mine)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            if self.away:
                self.find_it_again()
            self.run(self.store.close())
            assert verify(self.root / "index") == []
            assert len(video_files(self.root)) == len(self.kept)
        self.loop.close()
        shutil.rmtree(self.root)


TestVideo = VideoMachine.TestCase
TestVideo.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
