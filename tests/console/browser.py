"""A real headless Chromium, driven by the DevTools protocol over the web socket we already have."""

import asyncio
import base64
import io
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest

from simulators.cameras.strip import read_luma

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--mute-audio", "--force-device-scale-factor=1",
    "--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0",
]  # fmt: skip
PATIENCE_S = 90


def chromium() -> str:
    """The browser's path; a machine without one skips, saying what to install."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    if os.environ.get("CAMPUS_NEED_BROWSER"):
        pytest.fail("chromium is missing: install the system's package chromium")
    pytest.skip("chromium is missing: install the system's package chromium")


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await self._socket.receive_json()
                if answer.get("id") == number:
                    assert "error" not in answer, answer
                    return answer["result"]

    async def run(self, script: str) -> Any:
        """The value of a script, awaited when it is a promise."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def number(self, width: int = 640, height: int = 360) -> int:
        """The number of the picture that is seen at the top left of the page."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = await self.call("Page.captureScreenshot", format="png", clip=clip)
        with av.open(io.BytesIO(base64.b64decode(shot["data"])), format="png_pipe") as image:
            grey = next(image.decode(video=0)).reformat(format="gray")
        return read_luma(bytes(grey.planes[0]), grey.planes[0].line_size)


@asynccontextmanager
async def page(folder: Path) -> AsyncIterator[Page]:
    """A blank page in a browser of its own."""
    data = folder / "chromium"
    data.mkdir()
    process = await asyncio.create_subprocess_exec(
        chromium(), *FLAGS, f"--user-data-dir={data}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "HOME": str(data)}, start_new_session=True,
    )  # fmt: skip
    try:
        port = await _port(data / "DevToolsActivePort", process)
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = await answer.json(content_type=None)
            where = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            async with http.ws_connect(where, max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await process.wait()


async def _port(path: Path, process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(OSError, ValueError, IndexError):
                return int(path.read_text("utf-8").splitlines()[0])
            assert process.returncode is None, "chromium ended"
            await asyncio.sleep(0.05)
