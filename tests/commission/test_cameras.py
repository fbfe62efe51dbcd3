"""`scan cameras`: what it finds, what it prints, and what it never asks."""

import asyncio
import json
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.commission.cameras import CameraFound, document_of, lines_of, scan
from gateway.links.onvif.discovery import Found
from simulators.onvif import Conduct, OnvifCamera


def pasted(lines: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """What an installer would paste, read as TOML."""
    start = next(n for n, line in enumerate(lines) if line.startswith("# 粘贴"))
    found: dict[str, list[dict[str, str]]] = tomllib.loads("\n".join(lines[start:]))
    return found


async def ask(camera: OnvifCamera) -> list[CameraFound]:
    told: list[str] = []
    return await scan(
        SystemClock(), seconds=1.0, address=f"127.0.0.1:{camera.port}", told=told.append
    )


async def test_a_camera_that_is_named_is_asked_what_anybody_may_ask_and_no_more() -> None:
    conduct = Conduct(clock_ahead_s=-120)
    async with OnvifCamera(conduct=conduct) as camera:
        found = await ask(camera)
        assert set(camera.asked) == {"GetSystemDateAndTime", "GetServices"}
        assert not camera.refused
    [one] = found
    assert set(one.versions) == {"device", "media", "media2", "events"}
    assert one.versions["media2"] == "21.6"
    lines = lines_of(found)
    assert any("时钟偏差 -1" in line for line in lines)
    tables = pasted(lines)
    assert tables["camera"][0]["address"] == f"127.0.0.1:{camera.port}"
    assert tables["link"][0]["kind"] == "onvif"


async def test_a_camera_that_says_nothing_of_itself_is_shown_with_the_reason() -> None:
    async with OnvifCamera() as camera:
        port = camera.port
    gone = OnvifCamera(port=port)
    [one] = await ask(gone)
    assert "稍后重试" in one.why
    assert document_of([one])[0]["services"] == {}


def test_what_a_camera_calls_itself_cannot_write_a_table() -> None:
    evil = Found(
        key="urn:x",
        sender="192.0.2.9",
        url="http://192.0.2.9/onvif/device_service",
        name='x"\\ [[uplink]]',
        hardware="]] #",
    )
    found = [CameraFound(found=evil, versions={"media": "", "events": ""})]
    tables = pasted(lines_of(found))
    assert set(tables) == {"camera", "link"}
    assert tables["camera"][0]["name"] == 'x"\\ [[uplink]]'


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--interface", "nonsense"], 2),
        (["rtsp://192.0.2.1"], 2),
        (["127.0.0.1:1", "--seconds", "1"], 1),
    ],
)
def test_the_exit_code_tells_usage_from_nobody_there(arguments: list[str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "scan", "cameras", *arguments],
        capture_output=True, cwd=Path(__file__).parents[2], timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr


async def test_the_command_prints_json_for_programs() -> None:
    async with OnvifCamera() as camera:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.cli", "scan", "cameras", f"127.0.0.1:{camera.port}",
            "--seconds", "1", "--json",
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        said, _ = await process.communicate()
    assert process.returncode == 0
    [one] = json.loads(said)
    assert one["services"]["events"] == "21.6"
    assert one["url"] == camera.url
