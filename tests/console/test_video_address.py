"""Signed addresses: one medium, one range, a quarter of an hour, and nothing else."""

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from gateway.console.tokens import Role
from tests.clocks import NOON
from tests.console.video_rig import ADDRESS, SNAPSHOT, TINY, Rig, rig
from tests.playback.film import CAMERA, look

QUARTER_NS = 900 * 10**9


async def address(it: Rig, role: Role = Role.GUARD, **changes: Any) -> str:
    where = it.range(NOON, it.film.at_ns)
    body = {"media": "video.mp4", **where, "reason": "学生走失,看校门 & 操场", **changes}
    answer = await it.ask(ADDRESS, role, "POST", json=body)
    assert answer.status == 200, answer.text
    return str(answer.json()["url"])


async def test_it_opens_its_range_without_a_token_and_the_trail_says_who_and_why(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(2, groups=2)
        url = await address(it)
        assert it.trail == [], "nobody has looked yet"
        whole = await it.ask(url, None)
        assert look(whole.body).numbers == list(range(40))
        part = await it.ask(url, None, headers={"Range": "bytes=100-199"})
        assert (part.status, part.body) == (206, whole.body[100:200])
        assert (await it.ask(url, None, "HEAD")).status == 200
        [entry] = it.trail
        assert (entry.who, entry.reason) == ("某guard", "学生走失,看校门 & 操场")
        assert entry.subject == CAMERA


def forged(url: str) -> Iterator[str]:
    """Every way somebody might try to see more with it."""
    yield url.replace("video.mp4", "live.mp4")
    yield url.replace(CAMERA, "cam-yard")
    yield url + "&stream=sub"
    yield url.replace("stream=main", "stream=sub")
    yield url.replace("?", "?from=0&", 1)
    yield url + "&from=0"
    yield url.replace("&who", "&from=0&who")
    parts = urlsplit(url)
    members = parse_qsl(parts.query)
    for index, (name, value) in enumerate(members):
        changed = [*members]
        changed[index] = (name, value[:-1] + ("0" if value[-1] != "0" else "1"))
        yield f"{parts.path}?{urlencode(changed)}"
        yield f"{parts.path}?{urlencode(members[:index] + members[index + 1 :])}"
    yield url.rpartition("=")[0] + "="
    yield url + "x" * 5000
    yield url.rpartition("=")[0] + "=%00%ff"


async def test_changed_anywhere_it_opens_nothing(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(1, groups=2)
        url = await address(it)
        for number, changed in enumerate(forged(url)):
            answer = await it.ask(changed, None)
            assert answer.status in {401, 403, 429}, (number, changed)
        assert it.trail == []
        assert (await it.ask(url, None)).status == 200, "the right one passes all the same"


async def test_it_ends_with_its_time_and_with_the_token_of_whoever_asked(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(1, groups=1)
        url, other = await address(it), await address(it, Role.LEADER)
        it.clock.ahead_ns = QUARTER_NS - 30 * 10**9
        assert (await it.ask(url, None)).status == 200
        leader = next(entry for entry in it.book.list() if entry.role is Role.LEADER)
        assert it.book.revoke(leader.id)
        assert (await it.ask(other, None)).json()["error"]["code"] == "address_over"
        it.clock.ahead_ns = QUARTER_NS + 2 * 10**9
        answer = await it.ask(url, None)
        assert (answer.status, answer.json()["error"]["code"]) == (403, "address_over")
        it.clock.ahead_ns = -QUARTER_NS  # one made under a clock that was ahead lives no longer
        assert (await it.ask(url, None)).status == 403


async def test_of_a_person_who_signed_on_it_works_alike_and_ends_with_the_person(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(1, groups=1)
        person = await asyncio.to_thread(it.people.add, "张三", Role.GUARD, "2580")
        leader = await asyncio.to_thread(it.people.add, "李四", Role.LEADER, "9137")
        assert person.id.startswith("p-")
        proof = await signed_on(it, "张三", "2580")
        body = {"media": "video.mp4", **it.range(NOON, it.film.at_ns), "reason": "处警"}
        answer = await it.ask(ADDRESS, None, "POST", json=body)
        assert answer.status == 401
        answer = await it.ask(ADDRESS, None, "POST", json=body, headers=proof)
        assert answer.status == 200, answer.text
        url = answer.json()["url"]
        assert look((await it.ask(url, None)).body).numbers == list(range(10))
        [entry] = it.trail
        assert (entry.who, entry.role, entry.reason) == ("张三", "guard", "处警")
        forged = url.replace(person.id, leader.id)
        assert forged != url
        assert (await it.ask(forged, None)).status == 403, "nobody looks in another one's name"
        assert it.people.part_with(person.id) is not None
        answer = await it.ask(url, None)
        assert (answer.status, answer.json()["error"]["code"]) == (403, "address_over")


async def signed_on(it: Rig, name: str, secret: str) -> dict[str, str]:
    """The headers of a browser in which somebody signed on."""
    said = {"name": name, "secret": secret}
    answer = await it.ask("/api/v1/session", None, "POST", json=said)
    assert answer.status == 200, answer.text
    cookies = [line.partition(";")[0] for line in answer.headers.getall("Set-Cookie")]
    return {"Cookie": "; ".join(cookies), "X-CSRF-Token": answer.json()["csrf"]}


async def test_it_opens_a_still_and_takes_nothing_but_get(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        url = await address(it, media="snapshot.jpg", at="2026-11-21T12:00:00Z", width=320)
        assert url.startswith(SNAPSHOT)
        assert (await it.ask(url, None)).body == TINY
        assert it.stills.asked == [(CAMERA, NOON, 320)]
        assert (await it.ask(url, None, "POST")).status == 401
        query = urlsplit(url).query
        assert (await it.ask(f"/api/v1/alarms?{query}", None)).status == 403


async def test_what_cannot_be_played_gets_no_address(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(1, groups=1)
        for body, status in (
            ({"media": "video.mp4", "from": "0", "to": "1000", "reason": "x"}, 404),
            ({"media": "video.mp4", "reason": "x"}, 422),
            ({"media": "video.mp4", **it.range(NOON, it.film.at_ns), "reason": " "}, 422),
            ({"media": "video.mp4", **it.range(NOON, it.film.at_ns)}, 422),
            ({"media": "../tokens", "reason": "x"}, 422),
            ({"media": "snapshot.jpg", "at": "now", "reason": "x"}, 422),
            ({"media": "live.mp4", "stream": "sub", "reason": "x"}, 404),
        ):
            assert (await it.ask(ADDRESS, method="POST", json=body)).status == status, body


async def test_the_key_is_kept_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(1, groups=1)
        url = await address(it)
        path = tmp_path / "store" / "address.key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        key = path.read_bytes()
    assert len(key) == 32
    path.chmod(0o644)
    from gateway.clock import SystemClock  # noqa: PLC0415
    from gateway.playback import Addresses  # noqa: PLC0415

    again = Addresses(tmp_path / "store", SystemClock())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    raw, query = url.split("?", 1)
    assert again.check(raw, query.encode()) is not None
