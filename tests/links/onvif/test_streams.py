"""A camera known by its address only: the child that asks it, and what is kept on the disk."""

import os
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.errors import LinkDown
from gateway.links.onvif.settings import OnvifSettings
from gateway.links.onvif.streams import NotFound, OnvifSource, StreamBook
from simulators.onvif import Account, Conduct, OnvifCamera, Stream

TWO = (
    Stream("sub", width=640, height=360, uri="rtsp://127.0.0.1:8554/sub"),
    Stream("jpeg", codec="JPEG", width=3840, height=2160, uri="rtsp://127.0.0.1:8554/jpeg"),
    Stream("main", codec="H265", uri="rtsp://127.0.0.1:8554/main?x=1&y=2"),
    Stream("tiny", width=176, height=144, uri="rtsp://127.0.0.1:8554/tiny"),
)


def source(camera: OnvifCamera, password: str | None = None, channel: int = 1) -> OnvifSource:
    account = camera.account
    settings = OnvifSettings(
        url=camera.url, username=account.user, password=password or account.password
    )
    return OnvifSource(settings=settings, channel=channel)


async def test_the_child_finds_both_streams_and_the_answer_outlives_the_camera(
    tmp_path: Path,
) -> None:
    async with OnvifCamera(streams=TWO, conduct=Conduct(clock_ahead_s=-40_000)) as camera:
        book, where = StreamBook(tmp_path, SystemClock()), source(camera)
        main = await book.find("gate", where, "main", False)
        sub = await book.find("gate", where, "sub", False)
        assert (main, sub) == ("rtsp://127.0.0.1:8554/main?x=1&y=2", "rtsp://127.0.0.1:8554/sub")
        assert camera.asked["GetProfiles"] == 1
    again = StreamBook(tmp_path, SystemClock())
    assert await again.find("gate", where, "main", False) == main
    kept = (tmp_path / "onvif" / "gate.json").read_text("utf-8")
    assert Account().password not in kept


async def test_a_refused_stream_is_asked_for_anew_and_not_again_within_a_minute(
    tmp_path: Path,
) -> None:
    async with OnvifCamera(streams=TWO) as camera:
        book, where = StreamBook(tmp_path, SystemClock()), source(camera)
        await book.find("gate", where, "main", False)
        fresh = StreamBook(tmp_path, SystemClock())
        camera.streams[2] = Stream("main", uri="rtsp://127.0.0.1:8554/new")
        assert (await fresh.find("gate", where, "main", True)).endswith("/new")
        assert (await fresh.find("gate", where, "sub", True)).endswith("/sub")
        assert camera.asked["GetProfiles"] == 2


async def test_an_address_that_was_changed_in_the_configuration_forgets_the_old_camera(
    tmp_path: Path,
) -> None:
    async with (
        OnvifCamera(streams=TWO) as old,
        OnvifCamera(streams=[Stream("m", uri="rtsp://127.0.0.1:9000/other")]) as new,
    ):
        book = StreamBook(tmp_path, SystemClock())
        await book.find("gate", source(old), "main", False)
        assert await book.find("gate", source(new), "main", False) == "rtsp://127.0.0.1:9000/other"


@pytest.mark.parametrize("damage", [b"", b"[1]", b'{"of": 1'], ids=["empty", "list", "half"])
async def test_a_damaged_note_is_only_asked_for_again(tmp_path: Path, damage: bytes) -> None:
    async with OnvifCamera(streams=TWO) as camera:
        (tmp_path / "onvif").mkdir()
        (tmp_path / "onvif" / "gate.json").write_bytes(damage)
        found = await StreamBook(tmp_path, SystemClock()).find(
            "gate", source(camera), "main", False
        )
        assert found.endswith("main?x=1&y=2")


async def test_what_a_person_has_to_change_is_told_apart_from_what_passes(tmp_path: Path) -> None:
    book = StreamBook(tmp_path, SystemClock())
    async with OnvifCamera(streams=[Stream("j", codec="JPEG")]) as camera:
        with pytest.raises(NotFound, match="JPEG"):
            await book.find("a", source(camera), "main", False)
        with pytest.raises(NotFound, match="用户名或密码"):
            await book.find("b", source(camera, password="guess"), "main", False)
        camera.streams[:] = [Stream("m")]
        with pytest.raises(NotFound, match="sub_stream = false"):
            await book.find("c", source(camera), "sub", False)
        with pytest.raises(NotFound, match="channel 2"):
            await book.find("d", source(camera, channel=2), "main", False)
        gone = source(camera)
    with pytest.raises(LinkDown):
        await book.find("e", gone, "main", False)


async def test_the_password_is_in_no_process_list_while_the_child_runs(tmp_path: Path) -> None:
    async with OnvifCamera(streams=TWO, conduct=Conduct(slow_s=0.3)) as camera:
        seen: list[str] = []
        honest = camera._answer

        async def looking(request):  # type: ignore[no-untyped-def]
            for entry in Path("/proc").glob("[0-9]*"):
                try:
                    if f"\nPPid:\t{os.getpid()}\n" in (entry / "status").read_text():
                        seen.append((entry / "cmdline").read_bytes().decode())
                        seen.append((entry / "environ").read_bytes().decode("utf-8", "replace"))
                except OSError:
                    continue
            return await honest(request)

        await camera.power_off()
        camera._answer = looking  # type: ignore[method-assign]
        await camera.power_on()
        await StreamBook(tmp_path, SystemClock()).find("gate", source(camera), "main", False)
        assert any("gateway.links.onvif" in line for line in seen)
        assert not any(camera.account.password in line for line in seen)
