"""A school with an alarm, its records and synthetic video; and ways to open a package."""

import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.audit import Entry
from gateway.config import Config, load_config
from gateway.evidence import Builder, Built, Limits, Person, SigningKey, Wanted, open_key
from gateway.evidence.package import PackageWriter
from gateway.store.video import VideoStore, Volumes
from gateway.words import Said
from tests.clocks import NOON, SECOND, FakeClock
from tests.parts import Core, core, device, point
from tests.store.video.making import begin, fragment, record

GATE, YARD = "cam-gate-west", "cam-yard"
MINUTE = 60 * SECOND
AUDITED = Entry(
    who="张三", role="leader", from_address="192.0.2.7", action="video.view", subject=GATE
)
DEVICES = [
    device("btn-1", point(), cameras=(GATE, YARD)),
    device("door-9", point("door")),
]


def configure(folder: Path) -> Config:
    (folder / "disk").mkdir(exist_ok=True)
    (folder / "gateway.toml").write_text(
        f"""[site]
id = "320612-0001"
name = "示范小学"
gateway = "gw-1"
[store]
path = "data"
reserve_mib = 16
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:1"
[[video.volume]]
path = "disk"
[[camera]]
id = "{GATE}"
url = "rtsp://127.0.0.1:1/main"
[[camera]]
id = "{YARD}"
url = "rtsp://127.0.0.1:1/main2"
""",
        encoding="utf-8",
    )
    (folder / "devices.toml").write_text(
        '[[device]]\nid = "btn-1"\nprofile = "generic/json_button"\nlink = "field"\n'
        f'address = {{ topic = "b" }}\ncameras = ["{GATE}", "{YARD}"]\n',
        encoding="utf-8",
    )
    return load_config(folder)


@dataclass
class School:
    folder: Path
    config: Config
    clock: FakeClock
    alarm_id: str = ""
    seqs: list[int] = field(default_factory=list)

    @property
    def store(self) -> Path:
        return self.config.store.path

    @property
    def key(self) -> SigningKey:
        return open_key(self.store)

    def wanted(self, **what: object) -> Wanted:
        who = Person(who="李四", role="leader", from_address="192.0.2.8")
        given = what or {"alarm_id": self.alarm_id}
        return Wanted(person=who, reason="警方调取 asked for by the police", **given)  # type: ignore[arg-type]

    def builder(self, key: SigningKey | None = None, **what: object) -> Builder:
        return Builder(
            config=self.config,
            wanted=self.wanted(**what),
            key=key or self.key,
            clock=self.clock,
            limits=Limits(seal_wait_s=0.0),
        )

    def export(self, name: str = "package.zip", **what: object) -> Path:
        return self.export_to(name, self.builder(**what))[0]

    def export_to(self, name: str, builder: Builder) -> tuple[Path, Built]:
        path = self.folder / name
        with path.open("w+b") as file:
            built = builder.build(file)
        return path, built


@asynccontextmanager
async def living(school: School) -> AsyncIterator[Core]:
    async with core(school.store, school.clock, devices=DEVICES, receivers=("police",)) as made:
        yield made


async def events(school: School) -> None:
    """Noise, a press, more noise, a view, a person who closes."""
    async with living(school) as made:
        for _ in range(5):
            await made.press("door-9", "door")
            found = made.intake.judge.book.open_at("door-9", "door")
            assert found is not None
            await made.intake.command(
                lambda ledger, name=found.alarm_id: made.intake.judge.book.close(  # type: ignore[misc]
                    ledger, name, who="x", disposition="test"
                )
            )
        await made.press()
        found = made.intake.judge.book.open_at("btn-1", "button")
        assert found is not None
        school.alarm_id = found.alarm_id
        await made.press("door-9", "door")
        made.intake.fault("clock", Said("时钟", "clock"), active=True, attributes={})
        await made.turn()
        await made.intake.audit(AUDITED)
        await made.intake.audit(
            Entry(who="x", role="guard", from_address="", action="sign_in", subject="console")
        )
        await made.intake.audit(AUDITED)
        school.clock.advance(200)
        await made.intake.command(
            lambda ledger: made.intake.judge.book.close(
                ledger, school.alarm_id, who="张三", disposition="real"
            )
        )


async def video(school: School) -> None:
    """Five minutes of the gate with a hole, one segment of the yard, one being written."""
    clock = FakeClock(NOON + 10 * MINUTE)
    volumes = Volumes.open([school.folder / "disk"], site="320612-0001", clock=clock, spare_bytes=0)
    store = await VideoStore.open(school.store, volumes, clock)
    try:
        for minute in (-1, 0, 2, 3):
            await record(store, NOON + minute * MINUTE, camera=GATE)
        await record(store, NOON - MINUTE, camera=YARD)
        writer = begin(store, NOON, YARD)
        assert await writer.add(fragment(1), NOON + 20 * SECOND, 500)
    finally:
        await store.close()


async def school_of(folder: Path) -> School:
    school = School(folder, configure(folder), FakeClock(NOON))
    await events(school)
    await video(school)
    stills = school.store / "stills" / school.alarm_id
    stills.mkdir(parents=True)
    (stills / f"{GATE}.jpg").write_bytes(b"\xff\xd8 a picture \xff\xd9")
    (stills / f"{GATE}.json").write_bytes(b'{"v": 1}')
    return school


def contents(path: Path) -> dict[str, bytes]:
    """What the zip module of Python finds in it."""
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        return {name: package.read(name) for name in package.namelist()}


def rewrite(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """A package with sound headers and check sums over whatever members."""
    with path.open("w+b") as file:
        writer = PackageWriter(file)
        for name, content in members:
            writer.add(name, [content])
        writer.finish()
    return path


def run_alone(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`python3 PACKAGE`, with nothing but the standard library."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(path), *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
