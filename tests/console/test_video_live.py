"""What a camera sees now, over HTTP: from the open file, over the seal, to the end."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from gateway.playback import service
from tests.clocks import SECOND
from tests.console.video_rig import LIVE, Rig, rig
from tests.playback.film import LARGER, look


def begin_now(it: Rig, ago_s: float = 2.0) -> None:
    it.film.at_ns = it.clock.utc_ns() - int(ago_s * SECOND)


class Viewer:
    """A player that keeps all it got."""

    def __init__(self, it: Rig) -> None:
        self._it = it
        self.got = bytearray()
        self.status = 0

    async def __aenter__(self) -> "Viewer":
        self.response = await self._it.http.get(
            self._it.url + LIVE, headers=self._it.bearer(), timeout=aiohttp.ClientTimeout(None)
        )
        self.status = self.response.status
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.response.close()

    async def until(self, number: int) -> list[int]:
        """Read until this picture has come."""
        async with asyncio.timeout(60):
            while True:
                seen = look(bytes(self.got)).numbers if b"mdat" in self.got else []
                if number in seen:
                    return seen
                piece = await self.response.content.readany()
                assert piece, f"ended behind {seen[-1:]}"
                self.got += piece

    async def rest(self) -> list[int]:
        """Read to the end."""
        async with asyncio.timeout(60):
            self.got += await self.response.content.read()
        return look(bytes(self.got)).numbers


async def test_it_begins_with_the_newest_group_and_goes_on_over_seals(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        begin_now(it)
        await it.film.groups(3)
        async with Viewer(it) as viewer:
            assert viewer.status == 200
            assert await viewer.until(29) == list(range(20, 30))
            await it.film.groups(1)
            await viewer.until(39)
            await it.film.seal()
            await it.film.groups(2)
            assert await viewer.until(59) == list(range(20, 60))
            times = look(bytes(viewer.got)).at_ns
            assert times[0] == 0
            assert abs(times[-1] - 39 * SECOND // 25) < 100_000
        await it.until_nobody_looks()
        assert [entry.details["medium"] for entry in it.trail] == ["live.mp4"]


async def test_it_ends_where_the_form_changes(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        begin_now(it)
        await it.film.groups(2)
        async with Viewer(it) as viewer:
            await viewer.until(19)
            await it.film.seal()
            it.film.shape = LARGER
            await it.film.groups(1)
            assert await viewer.rest() == list(range(10, 20))


async def test_a_recorder_that_died_ends_it_and_the_next_request_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LIVE_SILENT_S", 1.0)
    monkeypatch.setattr(service, "LIVE_BEGIN_S", 1.0)
    async with rig(tmp_path) as it:
        begin_now(it)
        await it.film.groups(2)
        async with Viewer(it) as viewer:
            assert await viewer.rest() == list(range(10, 20))
        await it.until_nobody_looks()
        it.clock.ahead_ns = 60 * SECOND  # what is still open is old: it is not shown as now
        answer = await it.ask(LIVE)
        assert (answer.status, answer.json()["error"]["code"]) == (503, "not_recorded_now")
        it.clock.ahead_ns = 0
        await it.film.groups(1)
        async with Viewer(it) as viewer:
            assert await viewer.until(29) == list(range(20, 30))


async def test_what_was_sealed_long_ago_is_not_live(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        assert (await it.ask(LIVE)).status == 503
        begin_now(it, 3600)
        await it.film.segments(2)
        assert (await it.ask(LIVE)).status == 503
        assert it.trail == []
        assert it.playback.viewers == 0
