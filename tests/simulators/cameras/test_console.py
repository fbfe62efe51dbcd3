"""What is typed is done or answered; what is printed can be opened."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simulators.cameras import SMALL, Camera, Cameras, Conduct
from simulators.cameras.console import HELP, obey, set_field
from simulators.ports import free_port
from tests.simulators.cameras.viewer import Viewer, ran, watch


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("stall=yes", "stall", True),
        ("stall=0", "stall", False),
        ("die_after=50", "die_after", 50),
        ("die_after=none", "die_after", None),
        ("lost_rate=0.25", "lost_rate", 0.25),
        ("bytes_per_s=1e4", "bytes_per_s", 10_000.0),
        ("answers=play:454,describe:503", "answers", {"PLAY": 454, "DESCRIBE": 503}),
        ("answers=", "answers", {}),
        ("redirect_to=rtsp://127.0.0.1:1/x?a=b", "redirect_to", "rtsp://127.0.0.1:1/x?a=b"),
    ],
)
def test_a_field_is_set_to_what_it_can_hold(text: str, name: str, value: object) -> None:
    conduct = Conduct()
    set_field(conduct, text)
    assert getattr(conduct, name) == value
    assert type(getattr(conduct, name)) is type(value)


@pytest.mark.parametrize(
    "text", ["", "stalled=yes", "stall=perhaps", "die_after=x", "answers=PLAY"]
)
def test_a_wrong_field_or_value_is_named(text: str) -> None:
    conduct = Conduct()
    with pytest.raises(ValueError, match=r"no such|yes or no|invalid literal"):
        set_field(conduct, text)
    assert conduct == Conduct()


async def test_everything_the_help_names_can_be_typed() -> None:
    async with Cameras([Camera(name="gate", main=SMALL, sub=None, speed=4.0)]) as cameras:
        camera = cameras["gate"]
        async with Viewer(camera.url) as viewer:
            await viewer.play()
            assert (await obey(cameras, "gate forget")).endswith("done")
            assert (await viewer.ask("GET_PARAMETER")).status == 454
            assert camera.runs[-1].ended == "session lost"
        async with Viewer(camera.url) as viewer:
            await viewer.play()
            assert (await obey(cameras, "gate die")).endswith("done")
            await camera.until(ran(camera, "hung up"))
        assert "frame" in await obey(cameras, "gate show night")
        assert (await obey(cameras, "gate jump -3.5")).endswith("done")
        assert camera.jumped_s == -3.5
        await obey(cameras, "gate stall=yes")
        assert camera.conduct.stall
        await obey(cameras, "gate good")
        assert camera.conduct == Conduct()
        await obey(cameras, "gate off")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", camera.port)
        await obey(cameras, "gate on")
        assert len(await watch(camera.url, 2)) == 2


async def test_what_cannot_be_done_is_answered() -> None:
    async with Cameras([Camera(name="gate", main=SMALL, sub=None)]) as cameras:
        assert await obey(cameras, "help") == HELP
        assert await obey(cameras, "gate dance") == HELP
        assert await obey(cameras, "") == HELP
        assert "gate" in await obey(cameras, "yard off")
        assert "sideways" in await obey(cameras, "gate show sideways")
        assert "no such" in await obey(cameras, "gate dance=yes")
        assert "soon" in await obey(cameras, "gate jump soon")


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulators.cameras",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_the_process_prints_addresses_and_obeys() -> None:
    port = free_port(2)
    tiny = ["--size", "640x360", "--fps", "5", "--kbit-per-s", "200", "--label", "tiny"]
    async with started("--cameras", "2", "--port", str(port), "--no-sub", *tiny) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        urls = [(await process.stdout.readline()).decode().strip() for _ in range(2)]
        assert [re.sub(r"//.*@", "//", url) for url in urls] == [
            f"rtsp://127.0.0.1:{at}/main" for at in (port, port + 1)
        ]
        both = await asyncio.gather(*(watch(url, 3) for url in urls))
        for seen in both:
            assert [picture.number - seen[0].number for picture in seen] == [0, 1, 2]
        process.stdin.write(b"cam-1 answers=DESCRIBE:503\n")
        assert (await process.stdout.readline()).decode().strip().endswith("done")
        async with Viewer(urls[0]) as viewer:
            assert (await viewer.ask("DESCRIBE")).status == 503


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--conduct", "stall=perhaps"], "yes or no"),
        (["--size", "320x180"], "640"),
        (["--codec", "mjpeg"], "h264"),
    ],
)
async def test_wrong_arguments_end_with_two_and_say_what_was_expected(
    arguments: list[str], said: str
) -> None:
    async with started(*arguments) as process:
        _, errors = await process.communicate()
        assert process.returncode == 2
        assert said in errors.decode()
        assert "Traceback" not in errors.decode()


async def test_help_teaches() -> None:
    async with started("--help") as process:
        text, _ = await process.communicate()
        assert process.returncode == 0
        for word in ("--cameras", "die_after", "CAMERA show PICTURE", "frame number", "关键帧"):
            assert word in text.decode()
