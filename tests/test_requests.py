"""Requests to a process that runs: done once and answered, or never done."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway import reports, requests
from gateway.clock import SystemClock
from gateway.requests import FRESH_S, Answer, Request, RequestError
from tests.clocks import FakeClock


@asynccontextmanager
async def answering(store: Path, seen: list[Request]) -> AsyncIterator[None]:
    """A process that does what it is asked for."""
    clock = SystemClock()
    requests.prepare(store, "video")

    async def serve() -> None:
        while True:
            for request in requests.take(store, "video", clock):
                seen.append(request)
                requests.answer(store, "video", request, ok=True, text=f"done {request.what}")
            await asyncio.sleep(0.01)

    task = asyncio.create_task(serve())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_request_is_done_once_and_answered_and_nothing_is_left(tmp_path: Path) -> None:
    seen: list[Request] = []
    async with answering(tmp_path, seen):
        said = await requests.ask(tmp_path, "video", "adopt", {"path": "/x"}, SystemClock())
    assert said == Answer(ok=True, text="done adopt")
    assert [(request.what, request.values) for request in seen] == [("adopt", {"path": "/x"})]
    assert list((tmp_path / "requests" / "video").iterdir()) == []


async def test_many_at_once_have_each_their_answer(tmp_path: Path) -> None:
    seen: list[Request] = []
    async with answering(tmp_path, seen):
        said = await asyncio.gather(
            *(requests.ask(tmp_path, "video", f"w{n}", {}, SystemClock()) for n in range(30))
        )
    assert [answer.text for answer in said] == [f"done w{n}" for n in range(30)]


async def test_a_process_that_does_not_run_does_nothing_later_either(tmp_path: Path) -> None:
    requests.prepare(tmp_path, "video")
    clock = FakeClock()
    asking = asyncio.create_task(requests.ask(tmp_path, "video", "adopt", {}, clock))
    for _ in range(4000):
        if asking.done():
            break
        await asyncio.sleep(0.005)
        clock.advance(0.5)
    with pytest.raises(RequestError, match="nothing was done"):
        await asking
    assert requests.take(tmp_path, "video", clock) == []


async def test_without_the_folder_nobody_is_there_to_ask(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="nothing was changed"):
        await requests.ask(tmp_path, "video", "adopt", {}, SystemClock())


def left_behind(store: Path, **changes: object) -> None:
    clock = FakeClock()
    members = {"what": "adopt", "values": {}, "at_ns": clock.utc_ns(),
               "mono_ns": clock.mono_ns(), "boot": requests.boot()} | changes  # fmt: skip
    (store / "requests" / "video" / ("a" * 16 + ".json")).write_text(json.dumps(members))


def test_one_that_was_left_behind_is_thrown_away(tmp_path: Path) -> None:
    requests.prepare(tmp_path, "video")
    clock = FakeClock()
    left_behind(tmp_path)
    assert len(requests.take(tmp_path, "video", clock)) == 1
    assert requests.take(tmp_path, "video", clock) == [], "taken once"
    left_behind(tmp_path)
    clock.advance(FRESH_S + 1)
    clock.step(-FRESH_S)
    assert requests.take(tmp_path, "video", clock) == []
    left_behind(tmp_path, boot="another")
    assert requests.take(tmp_path, "video", FakeClock()) == []


def test_a_process_that_may_not_see_the_name_of_the_boot_takes_what_one_that_may_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests.prepare(tmp_path, "video")
    left_behind(tmp_path, boot="seen-by-the-command-only")
    monkeypatch.setattr(reports, "_BOOT", tmp_path / "hidden")
    assert len(requests.take(tmp_path, "video", FakeClock())) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"values": {"path": ["a"]}},
        {"values": [1]},
        {"values": {str(n): n for n in range(100)}},
        {"mono_ns": None},
        {"mono_ns": "x"},
        {"at_ns": 1e400},
        {"what": "x" * 20_000},
    ],
)
def test_what_is_out_of_form_is_thrown_away(tmp_path: Path, changes: dict[str, object]) -> None:
    requests.prepare(tmp_path, "video")
    left_behind(tmp_path, **changes)
    assert requests.take(tmp_path, "video", FakeClock()) == []
    assert list((tmp_path / "requests" / "video").iterdir()) == []


def test_strange_files_are_left_alone_and_read_by_nobody(tmp_path: Path) -> None:
    requests.prepare(tmp_path, "video")
    folder = tmp_path / "requests" / "video"
    (folder / "notes.txt").write_text("x")
    (folder / ("b" * 16 + ".json")).symlink_to("/etc/passwd")
    assert requests.take(tmp_path, "video", FakeClock()) == []


@pytest.mark.parametrize("name", ["../x", "", "Video", "a/b"])
def test_a_process_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no process"):
        requests.prepare(tmp_path, name)
