from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console import view
from tests.console.memory_desk import alarm, delivery, device

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=timezone(timedelta(hours=8)))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=500))
def test_text_of_a_device_stays_on_one_bounded_line_in_one_direction(text: str) -> None:
    shown = view.plain(text)
    assert len(shown) <= view.MAX_TEXT_CHARS
    assert not set(shown) & set(
        "\n\r\t\u2028\u2029\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200f"
    )
    shown.encode()  # no unpaired surrogate is left


def test_text_that_fits_is_shown_as_it_is() -> None:
    assert view.plain("西门门卫室 1号按钮 <b>") == "西门门卫室 1号按钮 <b>"
    assert view.plain("上\u202e下\n左") == "上下 左"
    assert view.plain(None) == ""
    assert view.plain("长" * 81) == "长" * 79 + "…"


def test_times_are_shown_in_the_gateways_zone_and_with_their_date_when_not_today() -> None:
    assert view.clock_text("2026-11-22T00:14:05.120Z", NOW) == "08:14:05"
    assert view.clock_text("2026-11-21T15:59:59.000Z", NOW) == "11-21 23:59:59"
    assert view.clock_text("2026-11-22T00:14:05", NOW) == "08:14:05"
    assert view.clock_text("yesterday\u202e", NOW) == "yesterday"
    assert view.clock_text(None, NOW) == ""


def test_the_most_urgent_comes_first_and_then_the_one_that_waits_longest() -> None:
    rows = [
        alarm("late-1", priority=1, raised_at="2026-11-22T00:02:00.000Z"),
        alarm("water", priority=2, raised_at="2026-11-22T00:00:00.000Z"),
        alarm("early-1", priority=1, raised_at="2026-11-22T00:01:00.000Z"),
    ]
    assert [line.id for line in view.alarm_lines(rows, NOW)] == ["early-1", "late-1", "water"]


def test_a_fact_is_said_in_both_languages_apart_and_an_older_one_as_it_was() -> None:
    said = {"zh": "磁盘\u202e不足", "en": "disk nearly full"}
    line = view.alarm_line(alarm("a", words=said), NOW)
    assert (line.text, line.text_en) == ("磁盘不足", "disk nearly full")
    same = view.alarm_line(alarm("a", words={"zh": "x", "en": "x"}), NOW)
    assert (same.text, same.text_en) == ("x", "")
    older = view.alarm_line(alarm("a", words=None), NOW)
    assert (older.text, older.text_en) == ("按下", "")


def test_a_line_says_level_place_device_fact_and_time() -> None:
    line = view.alarm_line(alarm(count=3, value=12.5, unit="%LEL", mode="drill"), NOW)
    assert (line.level_zh, line.place, line.device, line.text, line.raised) == (
        "紧急",
        "西门门卫室",
        "1号按钮",
        "按下",
        "08:00:00",
    )
    assert (line.value, line.count, line.mode) == ("12.5 %LEL", 3, ("演练", "Drill"))


@pytest.mark.parametrize("priority", [None, 0, 9, "high"])
def test_a_priority_we_do_not_know_is_taken_as_an_emergency(priority: Any) -> None:
    assert view.alarm_line(alarm(priority=priority), NOW).level == 1


@pytest.mark.parametrize(
    ("row", "look", "zh"),
    [
        (delivery("police", "pending", attempts=0), "sending", "发送中"),
        (delivery("police", "pending", attempts=1), "sending", "发送中"),
        (delivery("police", "pending", attempts=4), "bad", "未送达，第 4 次重试中"),
        (
            delivery("police", "pending", attempts=1, reason="refused"),
            "bad",
            "未送达，第 1 次重试中",
        ),
        (delivery("police", "received"), "good", "已送达"),
        (delivery("police", "accepted"), "good", "已受理"),
        (delivery("police", "rejected"), "bad", "拒收"),
        (delivery("police", "dispatched"), "good", "已派警"),
        (delivery("police", "on_scene"), "good", "已到场"),
        (delivery("police", "closed"), "good", "已结束"),
        (delivery("police", "parked"), "bad", "未送达"),
        (delivery("police", "something new"), "unknown", "未知(无数据)"),
        ({}, "unknown", "未知(无数据)"),
    ],
)
def test_a_lamp_promises_no_more_than_the_receiver_said(
    row: dict[str, Any], look: str, zh: str
) -> None:
    mark = view.lamp(row, NOW)
    assert (mark.look, mark.zh) == (look, zh)


def test_a_lamp_shows_the_receivers_own_number_and_why_it_failed() -> None:
    accepted = view.lamp(delivery("police", "accepted", reference="110-77", reason="old"), NOW)
    assert accepted.more == "08:00:01 · 单号 110-77"
    parked = view.lamp(delivery("police", "parked", reason="HTTP 400\u202e"), NOW)
    assert parked.more == "08:00:01 · HTTP 400"


@pytest.mark.parametrize("state", ["offline", "unknown", "", None, "ONLINE"])
def test_a_device_is_shown_as_normal_only_when_it_is_online(state: Any) -> None:
    (line,) = view.device_lines([device("a", state)], NOW)
    assert "good" not in [mark.look for mark in line.marks]


def test_what_a_device_watches_is_marked_unknown_beside_that_it_answers() -> None:
    points = [{"quality": "unknown"}, {"quality": "stale"}, {"quality": "good"}]
    (line,) = view.device_lines([device("a", "online", points=points)], NOW)
    assert [(mark.look, mark.zh) for mark in line.marks] == [
        ("good", "在线"),
        ("unknown", "2 个点位无数据"),
    ]
    (line,) = view.device_lines([device("a", "online", points=[{"quality": "good"}])], NOW)
    assert [mark.look for mark in line.marks] == ["good"]


def test_live_breaks_through_drill_and_a_late_report_is_live() -> None:
    rows = [
        alarm("drill", mode="drill", priority=1),
        alarm("late", mode="historical", priority=3),
        alarm("test", mode="selftest", priority=1),
        alarm("real", mode="live", priority=2),
    ]
    lines = view.alarm_lines(rows, NOW)
    assert [line.id for line in lines] == ["real", "late", "drill", "test"]
    assert [line.rehearsed for line in lines] == [False, False, True, True]


def test_devices_that_are_not_in_order_come_first_and_the_list_is_bounded() -> None:
    rows = [device(f"d-{number}", "online") for number in range(view.MAX_DEVICES + 5)]
    lines = view.device_lines([*rows, device("lost", "offline")], NOW)
    assert lines[0].name == "lost"
    assert len(lines) == view.MAX_DEVICES


def test_a_receiver_says_how_many_wait_and_since_when() -> None:
    row = {"name": "police", "state": "down", "queue_depth": 4, "oldest_age_s": 61.4}
    mark = view.receiver_mark(row, NOW)
    assert (mark.look, mark.more) == ("bad", "排队 4 条 · 最久 61 秒 · 尚无回执")
    calm = view.receiver_mark({"name": "p", "state": "ok", "queue_depth": 0}, NOW)
    assert (calm.look, calm.more) == ("good", "无排队 · 尚无回执")


@given(st.sampled_from(["text", "value", "unit", "raised_at", "acknowledged_by"]), json_values)
def test_no_member_of_an_alarm_can_break_the_page(name: str, value: Any) -> None:
    line = view.alarm_line(alarm(**{name: value}), NOW.astimezone(UTC))
    assert len(line.text) <= view.MAX_TEXT_CHARS
    assert len(line.value) <= 40
