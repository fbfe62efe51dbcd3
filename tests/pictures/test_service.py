"""The pictures process and whoever asks it: hostile, hanging, dying; and the right answer."""

import asyncio
import os
import platform
import signal
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from gateway.pictures.client import NoPicture, PicturesDown, Still, still
from gateway.pictures.wire import JPEG_MOST, SOCKET, socket_path
from tests.clocks import NOON, SECOND
from tests.harness import ROOT
from tests.pictures import not_nice
from tests.playback.film import CAMERA, GROUP, GROUP_NS, filming
from tests.recorder.school import number_of

PATIENCE_S = 60.0
CONFIG = """[site]
id = "s"
name = "校"
[store]
path = "store"
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:1"
[[video.volume]]
path = "disk"
"""
DEVICES = """[[device]]
id = "b"
profile = "generic/json_button"
link = "field"
address = { topic = "b" }
"""
HANGS = """
import asyncio, sys, time
from pathlib import Path
from gateway.clock import SystemClock
from gateway.config import load_config
from gateway.pictures.service import live

def sleeps():
    time.sleep(600)

def spins():
    while True:
        pass

async def part(tools):
    await tools.bench.do({"sleeps": sleeps, "spins": spins}[sys.argv[2]])

config = load_config(Path(sys.argv[1]))
asyncio.run(live(config, {"hangs": part}, asyncio.Event(), SystemClock(), hang_s=0.5))
"""


async def recorded(folder: Path) -> Path:
    """A folder with a configuration and two segments of five groups."""
    async with filming(folder) as film:
        await film.segments(2)
    (folder / "gateway.toml").write_text(CONFIG, "utf-8")
    (folder / "devices.toml").write_text(DEVICES, "utf-8")
    return folder


@asynccontextmanager
async def program(*arguments: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *map(str, arguments), cwd=ROOT, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def pictures(folder: Path) -> "AsyncIterator[asyncio.subprocess.Process]":
    return program("-m", "gateway.pictures", "--leashed", "--config", folder)  # type: ignore[return-value]


async def first_still(folder: Path, at_ns: int | None = NOON) -> Still:
    """Ask until the process is there."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await still(folder / "store", CAMERA, at_ns, timeout_s=PATIENCE_S)
            except PicturesDown:
                await asyncio.sleep(0.05)


async def ended(process: asyncio.subprocess.Process) -> int:
    return await asyncio.wait_for(process.wait(), PATIENCE_S)


@asynccontextmanager
async def talking(folder: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    with socket_path(folder / "store") as path:
        reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_it_gives_the_right_picture_survives_nonsense_and_ends_with_its_parent(
    tmp_path: Path,
) -> None:
    deep = tmp_path / ("long-name-" * 9)  # the socket's plain path would be too long
    folder = await recorded(deep)
    async with pictures(folder) as process:  # type: ignore[attr-defined]
        found = await first_still(folder, NOON + 7 * GROUP_NS + 1)
        assert number_of(found.jpeg) == 7 * GROUP
        assert (found.at_ns, found.until_ns) == (NOON + 7 * GROUP_NS, NOON + 8 * GROUP_NS)
        mode = (folder / "store" / SOCKET).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
        assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 10
        with pytest.raises(NoPicture):
            await still(folder / "store", CAMERA, NOON - SECOND)
        for line in (
            b"\n",
            b"x" * 100_000,
            b"[1]\n",
            b'{"camera": "../../etc", "at_ns": null, "width": null}\n',
            b'{"camera": "c", "at_ns": 1e99, "width": null}\n',
            b'{"camera": "c", "at_ns": true, "width": 1000000}\n',
            b'{"camera": null}\n' * 3,
            b"[" * 3000 + b"\n",
        ):
            async with talking(folder) as (reader, writer):
                writer.write(line)
                writer.write_eof()
                answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
                assert answer == b"" or orjson.loads(answer)["ok"] is False
        async with talking(folder), talking(folder):  # two who never say what they want
            again = await asyncio.gather(*(first_still(folder, NOON) for _ in range(12)))
            assert {number_of(each.jpeg) for each in again} == {0}
        # Another takes over the name; the first one's end does not take it away.
        async with pictures(folder) as second:  # type: ignore[attr-defined]
            before = (folder / "store" / SOCKET).stat().st_ino
            async with asyncio.timeout(PATIENCE_S):
                while (folder / "store" / SOCKET).stat().st_ino == before:  # noqa: ASYNC110 a file
                    await asyncio.sleep(0.05)
            assert process.stdin is not None
            process.stdin.close()
            assert await ended(process) == 0
            assert number_of((await first_still(folder)).jpeg) == 0
            second.send_signal(signal.SIGTERM)
            assert await ended(second) == 0
        with pytest.raises(PicturesDown):
            await still(folder / "store", CAMERA, NOON)


@pytest.mark.skipif(platform.machine() not in not_nice.NUMBERS, reason="its numbers are others")
@pytest.mark.timeout(120)
async def test_a_sandbox_that_lets_nobody_be_nice_costs_no_still(tmp_path: Path) -> None:
    folder = await recorded(tmp_path)
    sandbox = Path(not_nice.__file__)
    async with program(sandbox, "gateway.pictures", "--leashed", "--config", folder):
        assert (await first_still(folder)).jpeg.startswith(b"\xff\xd8")


@pytest.mark.parametrize("how", ["sleeps", "spins"])
async def test_what_hangs_ends_the_process_even_with_the_interpreters_lock(
    tmp_path: Path, how: str
) -> None:
    folder = await recorded(tmp_path)
    async with program("-c", HANGS, folder, how) as process:
        assert await ended(process) == -signal.SIGALRM


async def test_without_a_process_it_says_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(PicturesDown):
        await still(tmp_path, CAMERA, None)
    with pytest.raises(PicturesDown):
        await still(tmp_path / "nowhere", CAMERA, None)


Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def says(content: bytes, *, goes: bool = True) -> Answering:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        if goes:
            writer.close()
        else:
            await reader.read()
            writer.close()

    return answer


@pytest.mark.parametrize(
    ("content", "goes"),
    [
        (b"", True),
        (b"", False),
        (b"no json\n", True),
        (b"x" * 10_000, False),
        (b'{"ok": true}\n', True),
        (b'{"ok": true, "at_ns": 1, "size_bytes": %d}\n' % (JPEG_MOST + 1), False),
        (b'{"ok": true, "at_ns": -1, "size_bytes": 5}\nabcde', True),
        (b'{"ok": true, "at_ns": 1, "size_bytes": 5}\nabc', True),
        (b'{"ok": true, "at_ns": 1, "size_bytes": 5}\nabc', False),
    ],
)
async def test_whatever_answers_instead_it_ends_in_time(
    tmp_path: Path, content: bytes, goes: bool
) -> None:
    with socket_path(tmp_path) as path:
        server = await asyncio.start_unix_server(says(content, goes=goes), path)
    async with server:
        with pytest.raises(PicturesDown):
            await still(tmp_path, CAMERA, None, timeout_s=0.3)
