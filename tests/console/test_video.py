"""The contract's video paths over real HTTP: what players ask, and what hostile askers get."""

import asyncio
from pathlib import Path

from gateway.console.tokens import Role
from gateway.playback.service import STREAMS_EACH
from tests.clocks import NOON, SECOND
from tests.console.video_rig import ADDRESS, LIVE, SNAPSHOT, TIMELINE, TINY, VIDEO, Rig, rig
from tests.playback.film import CAMERA, GROUP_NS, is_close, look

VIEWERS = {Role.GUARD, Role.LEADER, Role.INSTALLER, Role.ADMIN}


async def test_a_range_over_segments_comes_whole_and_frame_exact(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(3)
        it.film.pause(4)
        await it.film.segments(1)
        answer = await it.ask(VIDEO, params=it.range(NOON, it.film.at_ns))
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "video/mp4"
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        seen = look(answer.body)
        assert seen.numbers == list(it.film.taken)
        assert is_close(seen.at_ns, [at - NOON for at in it.film.taken.values()])
        assert answer.headers["Campus-Gaps"].endswith(";camera")
        assert answer.headers["Campus-Lead-Ms"] == "0"


PARTS = [
    ("bytes=0-", 0, None),
    ("bytes=0-0", 0, 1),
    ("bytes=100-4999", 100, 5000),
    ("bytes=5000-", 5000, None),
    ("bytes=-700", -700, None),
    ("bytes=0-99999999999", 0, None),
    ("BYTES = 7 - 9", 7, 10),
]
NO_RANGES = ["bytes=5-2", "bytes=-", "lines=0-5", "bytes=0-1,5-9", "bytes=x-", "bytes=" + "9" * 40]


async def test_parts_are_parts_of_the_whole_and_what_is_no_part_is_the_whole(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(2, groups=2)
        where = it.range(NOON, it.film.at_ns)
        whole = await it.ask(VIDEO, params=where)
        for asked, begin, end in PARTS:
            part = await it.ask(VIDEO, params=where, headers={"Range": asked})
            assert part.status == 206, asked
            assert part.body == whole.body[begin:end], asked
            first = begin if begin >= 0 else len(whole.body) + begin
            last = first + len(part.body) - 1
            assert part.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole.body)}"
            assert part.headers["ETag"] == whole.headers["ETag"]
        for asked in NO_RANGES:
            answer = await it.ask(VIDEO, params=where, headers={"Range": asked})
            assert (answer.status, answer.body) == (200, whole.body), asked
        for asked in ("bytes=99999999-", "bytes=-0"):
            answer = await it.ask(VIDEO, params=where, headers={"Range": asked})
            assert answer.status == 416, asked
            assert answer.headers["Content-Range"] == f"bytes */{len(whole.body)}"


async def test_head_etag_and_conditions_are_those_of_the_rfc(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(2, groups=2)
        where = it.range(NOON, it.film.at_ns)
        whole = await it.ask(VIDEO, params=where)
        tag = whole.headers["ETag"]
        head = await it.ask(VIDEO, method="HEAD", params=where)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == str(len(whole.body))
        assert head.headers["ETag"] == tag
        known = await it.ask(VIDEO, params=where, headers={"If-None-Match": tag})
        assert known.status == 304
        same = await it.ask(VIDEO, params=where, headers={"Range": "bytes=9-", "If-Range": tag})
        assert same.status == 206
        other = await it.ask(VIDEO, params=where, headers={"Range": "bytes=9-", "If-Range": '"x"'})
        assert (other.status, other.body) == (200, whole.body)
        assert len(it.trail) == 1, "a HEAD is no view, and the rest is the same view"


PROBLEMS: list[tuple[dict[str, str], int, str]] = [
    ({}, 422, "not_valid"),
    ({"from": "yesterday", "to": "2026-11-21T12:00:00Z"}, 422, "not_a_time"),
    ({"from": "2026-11-21T12:00:00", "to": "2026-11-21T12:00:01Z"}, 422, "not_a_time"),
    ({"from": "2026-11-21T12:00:00Z", "to": "2026-11-21T12:00:00Z"}, 422, "backwards"),
    ({"from": "2026-11-21T00:00:00Z", "to": "2026-11-21T06:00:01Z"}, 422, "too_long"),
    ({"from": "0", "to": "1000"}, 404, "nothing_recorded"),
    ({"from": "9" * 400, "to": "1"}, 422, "not_valid"),
    ({"from": "9214646399000", "to": "9214646399000"}, 422, "backwards"),
    ({"from": "0", "to": "9999-12-31T23:59:59Z"}, 422, "not_a_time"),
    ({"from": "9214646398000", "to": "9214646399000"}, 404, "nothing_recorded"),
    ({"from": "0", "to": "1000", "stream": "sub"}, 404, "no_such_stream"),
    ({"from": "0", "to": "1000", "stream": "other"}, 422, "not_valid"),
]


async def test_what_cannot_be_played_is_said_clearly(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(1, groups=1)
        for query, status, code in PROBLEMS:
            answer = await it.ask(VIDEO, params=query)
            assert (answer.status, answer.json()["error"]["code"]) == (status, code), query
        assert it.trail == []


async def test_the_whole_of_time_may_be_asked_for_and_nothing_behind_it(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(1, groups=1)
        whole = {"from": "0", "to": "9214646399000"}
        row = (await it.ask(TIMELINE, params=whole)).json()
        assert [span["from"] for span in row["spans"]] == ["2026-11-21T12:00:00.000Z"]
        for query in ({"from": "0", "to": "9999-12-31T23:59:59Z"}, {"from": "0", "to": "9" * 14}):
            assert (await it.ask(TIMELINE, params=query)).status == 422
        assert (await it.ask(SNAPSHOT, params={"at": "9999-12-31T23:59:59Z"})).status == 422


async def test_a_time_may_be_milliseconds_or_in_any_zone(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(2, groups=2)
        wanted = {"from": str(NOON // 1_000_000), "to": str((NOON + GROUP_NS) // 1_000_000)}
        first = await it.ask(VIDEO, params=wanted)
        assert look(first.body).numbers == list(range(10))
        # 2026-11-21T12:00:00Z as somebody in Beijing writes it, its "+" escaped and not.
        for zone in ("%2B08:00", "+08:00"):
            beijing = f"?from=2026-11-21T20:00:00{zone}&to=2026-11-21T20:00:00.4{zone}"
            answer = await it.ask(VIDEO + beijing)
            assert answer.body == first.body


async def test_a_camera_that_is_none_is_not_looked_for_on_the_disk(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        for camera in ("no-such", "..%2F..%2Fetc", "a" * 300, "%00"):
            for what in ("video.mp4?from=0&to=1", "timeline?from=0&to=1", "live.mp4"):
                answer = await it.ask(f"/api/v1/cameras/{camera}/{what}")
                assert answer.status in {404, 422}, camera


async def test_who_may_see_what(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(1, groups=1)
        for role in Role:
            it.trail.clear()
            await may_see(it, role)
        where = {"from": "0", "to": "1"}
        for path in ("/api/v1/cameras", VIDEO, LIVE, SNAPSHOT, TIMELINE):
            assert (await it.ask(path, None, params=where)).status == 401, path


async def may_see(it: Rig, role: Role) -> None:
    where = it.range(NOON, it.film.at_ns)
    assert (await it.ask("/api/v1/cameras", role)).status == 200
    assert (await it.ask(TIMELINE, role, params=where)).status == 200
    may = role in VIEWERS
    assert (await it.ask(VIDEO, role, params=where)).status == (200 if may else 403)
    assert (await it.ask(VIDEO, role, "HEAD", params=where)).status == (200 if may else 403)
    assert (await it.ask(SNAPSHOT, role)).status == (200 if may else 403)
    assert (await it.ask(LIVE, role)).status == (503 if may else 403)
    body = {"media": "live.mp4", "reason": "look"}
    assert (await it.ask(ADDRESS, role, "POST", json=body)).status == (200 if may else 403)
    assert bool(it.trail) is may


async def test_a_view_is_in_the_trail_once_with_who_what_and_why(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(2, groups=2)
        where = it.range(NOON, it.film.at_ns)
        asked = {**where, "reason": "学生走失"}
        for part in ("bytes=0-", "bytes=500-", "bytes=-9"):
            await it.ask(VIDEO, params=asked, headers={"Range": part})
        [entry] = it.trail
        assert (entry.who, entry.role, entry.action) == ("某guard", "guard", "video.view")
        assert (entry.subject, entry.reason) == (CAMERA, "学生走失")
        assert entry.from_address == "127.0.0.1"
        assert entry.details == {"medium": "video.mp4", "stream": "main", **where}
        await it.ask(VIDEO, Role.LEADER, params=asked)
        await it.ask(VIDEO, params={**where, "to": "2026-11-21T12:00:00.5Z"})
        assert len(it.trail) == 3, "another person, another range"


async def test_what_cannot_be_noted_is_not_shown(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(1, groups=1)
        it.refuse_audit = True
        where = it.range(NOON, it.film.at_ns)
        for path in (VIDEO, SNAPSHOT):
            answer = await it.ask(path, params=where)
            assert (answer.status, answer.json()["error"]["code"]) == (503, "not_noted")
        assert it.playback.viewers == 0
        it.refuse_audit = False
        assert (await it.ask(VIDEO, params=where)).status == 200


async def test_the_list_of_cameras_says_what_there_is_of_each(tmp_path: Path) -> None:
    async with rig(tmp_path, sub=True) as it:
        [camera] = (await it.ask("/api/v1/cameras")).json()["cameras"]
        assert (camera["id"], camera["name"], camera["place"]) == (CAMERA, "西门", "西门门卫室")
        assert (camera["oldest"], camera["state"]) == (None, None)
        assert [stream["name"] for stream in camera["streams"]] == ["main", "sub"]
        await it.film.segments(2, groups=5)
        it.states[CAMERA] = {"recording": True, "why": None}
        [camera] = (await it.ask("/api/v1/cameras")).json()["cameras"]
        assert camera["oldest"] == "2026-11-21T12:00:00.000Z"
        assert camera["newest"] == "2026-11-21T12:00:04.000Z"
        assert camera["state"] == {"recording": True, "why": None}


async def test_the_timeline_has_spans_gaps_holds_and_forms_and_what_is_being_written(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(2)
        it.film.pause(6)
        await it.film.groups(2)
        await it.film.store.hold("alarm-1", [CAMERA], NOON + SECOND, NOON + 2 * SECOND)
        row = (await it.ask(TIMELINE, params=it.range(NOON, it.film.at_ns + SECOND))).json()
        assert row["camera"] == CAMERA
        assert [(span["from"][17:], span["to"][17:], span["sealed"]) for span in row["spans"]] == [
            ("00.000Z", "04.000Z", True),
            ("10.000Z", "10.800Z", False),
        ]
        gaps = [(gap["from"][17:], gap["to"][17:], gap["reason"]) for gap in row["gaps"]]
        assert gaps == [("04.000Z", "10.000Z", "camera"), ("10.800Z", "11.800Z", "nothing_yet")]
        [hold] = row["holds"]
        assert hold["alarm_id"] == "alarm-1"
        [form] = row["forms"]
        assert (form["width"], form["height"]) == (640, 360)
        assert row["next"] is None


async def test_more_viewers_than_places_are_asked_to_come_again(tmp_path: Path) -> None:
    async with rig(tmp_path, most=1) as it:
        await it.film.segments(8)
        where = it.range(NOON, it.film.at_ns)
        place = it.playback.enter("somebody")
        answer = await it.ask(VIDEO, params=where)
        assert (answer.status, answer.json()["error"]["code"]) == (503, "too_many_viewers")
        assert answer.headers["Retry-After"]
        place.leave()
        assert (await it.ask(VIDEO, params=where)).status == 200
        await it.until_nobody_looks()


async def test_one_viewer_leaves_places_for_the_others(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(1)
        where = it.range(NOON, it.film.at_ns)
        guard = next(entry.id for entry in it.book.list() if entry.role is Role.GUARD)
        places = [it.playback.enter(guard) for _ in range(STREAMS_EACH)]
        for path, params in ((VIDEO, where), (LIVE, {})):
            answer = await it.ask(path, params=params)
            assert (answer.status, answer.json()["error"]["code"]) == (429, "too_many_streams")
            assert answer.headers["Retry-After"]
        assert it.trail == [], "nothing was seen"
        assert (await it.ask(VIDEO, Role.LEADER, params=where)).status == 200
        places.pop().leave()
        assert (await it.ask(VIDEO, params=where)).status == 200


async def test_a_viewer_who_leaves_gives_his_place_back(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(8, groups=20)
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
            where = "&".join(f"{k}={v}" for k, v in it.range(NOON, it.film.at_ns).items())
            writer.write(
                f"GET {VIDEO}?{where} HTTP/1.1\r\nHost: x\r\nAuthorization:"
                f" {it.bearer()['Authorization']}\r\n\r\n".encode()
            )
            assert b"200" in await reader.readline()
            writer.transport.abort()
        await it.until_nobody_looks()


async def test_a_file_that_goes_while_it_is_played_ends_the_answer_short(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.film.segments(6, groups=30)
        where = it.range(NOON, it.film.at_ns)
        whole = (await it.ask(VIDEO, params=where)).body
        last = max((tmp_path / "disk").rglob("*.mp4"))
        last.unlink()  # the plan is kept: it is noticed when the file is to be read
        got = bytearray()
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        query = "&".join(f"{name}={value}" for name, value in where.items())
        writer.write(
            f"GET {VIDEO}?{query} HTTP/1.1\r\nHost: x\r\nAuthorization:"
            f" {it.bearer()['Authorization']}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"content-length: {len(whole)}".encode() in head.lower()
        async with asyncio.timeout(30):
            while piece := await reader.read(65536):
                got += piece
        writer.close()
        assert 0 < len(got) < len(whole)
        assert whole.startswith(bytes(got)), "never another byte"
        again = await it.ask(VIDEO, params=where)
        assert again.status == 200
        assert again.headers["Campus-Gaps"].endswith(";missing")
        assert look(again.body).numbers == list(range(5 * 300))


async def test_a_still_is_of_the_time_that_was_asked_for(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        at = "2026-11-21T20:00:01.5+08:00"
        answer = await it.ask(SNAPSHOT, params={"at": at, "width": "320"})
        assert (answer.status, answer.body) == (200, TINY)
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["Campus-At"] == "2026-11-21T12:00:01.500Z"
        assert it.stills.asked == [(CAMERA, NOON + 1_500_000_000, 320)]
        assert it.trail[0].details["at"] == "2026-11-21T12:00:01.500Z"
        it.stills.nothing = True
        assert (await it.ask(SNAPSHOT)).json()["error"]["code"] == "no_picture"
        it.stills.down = True
        answer = await it.ask(SNAPSHOT)
        assert (answer.status, answer.json()["error"]["code"]) == (503, "no_stills_now")
        assert (await it.ask(SNAPSHOT, params={"width": "0"})).status == 422
        assert len(it.trail) == 1


async def test_stills_beyond_what_is_borne_are_refused_at_once(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        it.stills.gate = asyncio.Event()
        waiting = [asyncio.create_task(it.ask(SNAPSHOT)) for _ in range(4)]
        for _ in waiting:
            await asyncio.wait_for(it.stills.came.acquire(), 30)
        assert (await it.ask(SNAPSHOT)).json()["error"]["code"] == "too_many_stills"
        it.stills.gate.set()
        assert [answer.status for answer in await asyncio.gather(*waiting)] == [200] * 4
