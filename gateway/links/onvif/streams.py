"""Where a camera's streams are, asked by a child process and kept on the disk.

Owns    the children that ask, and `<folder>/onvif/<camera>.json`, what they found.
Needs   nothing heavy: the HTTP client lives in the child (`python -m gateway.links.onvif`), which
        ends when it has asked, so the recorder neither waits for it nor pays for its memory.
Keeps   1. A camera that was found once is recorded after a restart without being asked again.
        2. A stream that is refused is asked for anew, once in ANEW_S at most.
        3. The password goes to the child through a pipe, never into a list of processes.
        4. Bounds: CHILDREN at once, CHILD_S for each, MAX_SAID_BYTES of its answer.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import structlog

from gateway.clock import Clock
from gateway.errors import DeviceError, LinkDown
from gateway.links.onvif.settings import OnvifSettings, stream_of
from gateway.links.rtsp.errors import NotPlayable

CHILDREN: Final = 2
CHILD_S: Final = 45.0
ANEW_S: Final = 60.0
MAX_SAID_BYTES: Final = 64 * 1024
Which = Literal["main", "sub"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class OnvifSource:
    """A camera known by its address only.

    channel  which source of pictures, from 1; recorders have many
    """

    settings: OnvifSettings
    channel: int = 1


class NotFound(NotPlayable):
    """The camera was asked and has no such stream, or does not let us ask: a person's matter."""

    def __init__(self, why: str) -> None:
        DeviceError.__init__(self, why)


class StreamBook:
    """The cameras of one installation; `find` says where a stream is."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder / "onvif"
        self._clock = clock
        self._children = asyncio.Semaphore(CHILDREN)
        self._locks: dict[str, asyncio.Lock] = {}
        self._asked_ns: dict[str, int] = {}

    async def find(
        self,
        camera: str,
        source: OnvifSource,
        which: Which,
        anew: bool,  # noqa: FBT001 the recorder's Find is positional
    ) -> str:
        """Return where a stream is; from the disk unless it is not there or `anew` is wanted.

        raises LinkDown  the camera cannot be asked now
               NotFound  it has no such stream, or does not believe who we are
        """
        async with self._locks.setdefault(camera, asyncio.Lock()):
            found = self._kept(camera, source)
            if found is None or (anew and self._may_ask(camera)):
                found = await self._ask(camera, source)
        url = found.get(which)
        if not isinstance(url, str):
            where = source.settings.where
            raise NotFound(
                f"{where}: 没有子码流，请在摄像机上建一路，或写 sub_stream = false / {where}: "
                "it has no small stream; make one in the camera, or write sub_stream = false"
            )
        return url

    def _may_ask(self, camera: str) -> bool:
        last = self._asked_ns.get(camera)
        return last is None or self._clock.mono_ns() - last >= ANEW_S * 1e9

    def _kept(self, camera: str, source: OnvifSource) -> Mapping[str, Any] | None:
        """Return what the disk knows, unless the installer has written another address since."""
        try:
            known = json.loads((self._folder / f"{camera}.json").read_bytes()[:MAX_SAID_BYTES])
            if known["of"] != _of(source):
                return None
            for which in ("main", "sub"):
                if known[which] is not None:
                    stream_of(known[which], source.settings.url)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return dict(known)

    async def _ask(self, camera: str, source: OnvifSource) -> Mapping[str, Any]:
        self._asked_ns[camera] = self._clock.mono_ns()
        async with self._children:
            said = await _child(source)
        if "error" in said:
            why = str(said.get("why", ""))[:500]
            raise LinkDown(why) if said["error"] == "link" else NotFound(why)
        if not isinstance(said.get("main"), str):
            raise LinkDown(
                f"{source.settings.where}: 查询无结果，稍后重试 / no answer; asked again"
            )
        log.info(
            "camera's streams found",
            camera=camera,
            **{
                name: said.get(name)
                for name in ("main", "sub", "main_size", "sub_size", "model", "offset_ms")
            },
        )
        if said.get("moved"):
            log.warning(
                "camera names another host for its stream; the configured address is kept",
                camera=camera,
                said=said["moved"],
            )
        self._keep(camera, {**said, "of": _of(source)})
        return said

    def _keep(self, camera: str, found: Mapping[str, Any]) -> None:
        """Write it beside and rename; a disk that does not take it costs a question at a start."""
        path = self._folder / f"{camera}.json"
        fresh = path.with_suffix(".new")
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
            fresh.replace(path)


def _of(source: OnvifSource) -> str:
    """What the answer depends on: another address or channel is another camera."""
    return f"{source.settings.url} {source.channel}"


async def _child(source: OnvifSource) -> Mapping[str, Any]:
    """Run the child; raises LinkDown when it does not answer in time or not at all."""
    settings = source.settings
    where = settings.where
    asked = {
        "url": settings.url,
        "username": settings.username,
        "password": settings.password,
        "ca": None if settings.ca is None else str(settings.ca),
        "channel": source.channel,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.links.onvif",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ,
    )
    try:
        async with asyncio.timeout(CHILD_S):
            said, _ = await process.communicate(json.dumps(asked).encode())
        found = json.loads(said[:MAX_SAID_BYTES])
    except (TimeoutError, ValueError) as error:
        raise LinkDown(
            f"{where}: 查询码流地址失败，稍后重试 / {where}: asking for its streams failed; it is "
            "asked again later"
        ) from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return found if isinstance(found, dict) else {}
