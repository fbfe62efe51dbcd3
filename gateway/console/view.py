"""View: what the plain page says of alarms, deliveries and devices. Pure: rows in, words out.

Owns    the words of the page, Chinese first.
Needs   nothing of ours.
Keeps   1. Text that came from a device is bounded, and cannot turn the direction of a line.
        2. Unknown is never shown as normal; a lamp never promises more than a receiver said.
        3. Live breaks through drill; then the most urgent, then the one that waited longest.
"""

import heapq
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from gateway.events import Nature
from gateway.words import Said

MAX_TEXT_CHARS: Final = 80
MAX_LAMPS: Final = 12
MAX_DEVICES: Final = 200
"""Devices shown; those that are not online come first, and the rest is counted."""

LEVELS: Final = {
    1: ("紧急", "Emergency"),
    2: ("警告", "Warning"),
    3: ("注意", "Attention"),
    4: ("记录", "Log only"),
}
STATES: Final = {
    "unack_active": ("未确认", "Not acknowledged"),
    "ack_active": ("已确认处理中", "Acknowledged"),
    "rtn_unack": ("已恢复未确认", "Restored, not acknowledged"),
    "rtn_ack": ("已恢复待处置", "Restored, to be closed"),
    "closed": ("已处置", "Closed"),
}
MODES: Final = {
    "drill": ("演练", "Drill"),
    "selftest": ("自检", "Self-test"),
    "commissioning": ("调试", "Commissioning"),
    "historical": ("补报", "Late report"),
}
RECEIVER_NAMES: Final = {"police": "公安", "bureau": "教育局", "fire": "消防", "leader": "校领导"}
REHEARSED: Final = frozenset({"drill", "selftest", "commissioning"})
"""Modes in which nobody is in danger: shown after everything live, and never in red."""

LASTING: Final = frozenset({Nature.STATE, Nature.MEASUREMENT})
"""Points that say how it is now; the others tell of moments."""

DISPOSITIONS: Final = {
    "real": ("真警", "Real"),
    "accidental": ("误触", "Accidental"),
    "fault": ("设备故障", "Fault"),
    "test": ("演练测试", "Drill or test"),
    "malicious": ("恶意", "Malicious"),
}
LAMPS: Final = {
    "pending": ("sending", "◔", "发送中", "Sending"),
    "received": ("good", "●", "已送达", "Delivered"),
    "accepted": ("good", "✔", "已受理", "Accepted"),
    "rejected": ("bad", "✋", "拒收", "Rejected"),
    "dispatched": ("good", "▶", "已派警", "Dispatched"),
    "on_scene": ("good", "⚑", "已到场", "On scene"),
    "closed": ("good", "■", "已结束", "Ended"),
    "parked": ("bad", "✖", "未送达", "Not delivered"),
}
LINKS: Final = {
    "online": ("good", "✓", "在线", "Online"),
    "offline": ("bad", "✖", "离线", "Offline"),
}
RECEIVERS: Final = {
    "ok": ("good", "✓", "正常", "In order"),
    "failing": ("bad", "✖", "发送失败，重试中", "Failing, trying again"),
    "down": ("bad", "✖", "中断，请准备电话报警", "Down: be ready to phone"),
}
UNKNOWN: Final = ("unknown", "?", "未知(无数据)", "Unknown (no data)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A lamp: its look, its sign, its words, and what belongs to it. Never colour alone."""

    look: str
    sign: str
    zh: str
    en: str
    name: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One alarm or fault, ready to be shown."""

    id: str
    level: int
    level_zh: str
    level_en: str
    state: str
    state_zh: str
    state_en: str
    mode: tuple[str, str] | None
    rehearsed: bool
    latched: bool
    place: str
    device: str
    text: str
    text_en: str
    value: str
    count: int
    raised: str
    by: str
    lamps: Sequence[Mark]
    may_acknowledge: bool


def plain(text: object, most: int = MAX_TEXT_CHARS) -> str:
    """Return text that is safe to stand in a line of ours: one line, one direction, bounded.

    Characters of the categories control, format (among them those that turn the direction),
    surrogate and private use are left out. HTML is escaped later, by the template.
    """
    kept = "".join(
        " " if char in "\t\n\r\u2028\u2029" else char
        for char in str("" if text is None else text)[: most * 4]
        if char in "\t\n\r\u2028\u2029" or not unicodedata.category(char).startswith("C")
    )
    return kept if len(kept) <= most else kept[: most - 1] + "…"


def clock_text(stamp: object, now: datetime) -> str:
    """Return a time as a guard reads it in the zone of `now`: 14:05:07, with the date if not today.

    What is no time at all is shown as it is, bounded.
    """
    if not isinstance(stamp, str):
        return ""
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        return plain(stamp, 32)
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    local = when.astimezone(now.tzinfo)
    return local.strftime("%H:%M:%S" if local.date() == now.date() else "%m-%d %H:%M:%S")


def lamp(row: Mapping[str, Any], now: datetime) -> Mark:
    """Return the lamp of one delivery; one that failed and is tried again says so."""
    state, attempts = row.get("state"), row.get("attempts") or 0
    look, sign, zh, en = LAMPS.get(str(state), UNKNOWN)
    if state == "pending" and (attempts > 1 or row.get("reason")):
        look, sign = "bad", "✖"
        zh, en = f"未送达，第 {attempts} 次重试中", "Not delivered, trying again"
    said = [clock_text(row.get("at"), now)] if state != "pending" else []
    if row.get("reference"):
        said.append(f"单号 {plain(row['reference'], 40)}")
    if look == "bad" and row.get("reason"):
        said.append(plain(row["reason"]))
    more = " · ".join(part for part in said if part)
    return Mark(
        look=look, sign=sign, zh=zh, en=en, name=receiver_name(row.get("receiver")), more=more
    )


def alarm_line(row: Mapping[str, Any], now: datetime) -> Line:
    """Return one alarm as a line: level, place, device, fact, time."""
    level = _level(row)
    device = row.get("device") or {}
    state = str(row.get("state"))
    state_zh, state_en = STATES.get(state, UNKNOWN[2:])
    fact = _fact(row, device)
    value = row.get("value")
    is_measured = isinstance(value, int | float) and not isinstance(value, bool)
    return Line(
        id=str(row.get("alarm_id")),
        level=level,
        level_zh=LEVELS[level][0],
        level_en=LEVELS[level][1],
        state=state if state in STATES else "unknown",
        state_zh=state_zh,
        state_en=state_en,
        mode=MODES.get(str(row.get("mode"))),
        rehearsed=_is_rehearsed(row),
        latched=bool(row.get("latched")),
        place=plain(device.get("place")),
        device=plain(device.get("name") or device.get("id")),
        text=fact.zh,
        text_en=fact.en,
        # A code word of the device is its own; what the word means is in the fact.
        value=plain(f"{value} {row.get('unit') or ''}".strip(), 40) if is_measured else "",
        count=int(row.get("count") or 1),
        raised=clock_text(row.get("raised_at"), now),
        by=plain(row.get("acknowledged_by"), 32),
        lamps=[lamp(one, now) for one in (row.get("deliveries") or [])[:MAX_LAMPS]],
        may_acknowledge=state in {"unack_active", "rtn_unack"},
    )


def _fact(row: Mapping[str, Any], device: Mapping[str, Any]) -> Said:
    """Return what happened, without the place and the name that the sentence begins with.

    One of before there were words has its sentence, and no English of its own.
    """
    if (said := Said.read(row.get("words"))) is not None:
        zh, en = plain(said.zh), plain(said.en)
        return Said(zh or en, en if zh and zh != en else "")
    whole = text = plain(row.get("text") or row.get("kind"))
    for begin in (plain(device.get("place")), plain(device.get("name"))):
        text = text.removeprefix(begin).lstrip()
    return Said(text or whole, "")


def receiver_name(name: object) -> str:
    """Return a receiver as a guard calls it, with the name the configuration gave it."""
    known = plain(name, 32)
    return f"{RECEIVER_NAMES[known]} {known}" if known in RECEIVER_NAMES else known


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """Whom to call."""

    name: str
    number: str


def phone_lines(phones: object, most: int) -> list[Phone]:
    """Return the call card's lines from what consoles are shown: objects with name and number."""
    rows = phones if isinstance(phones, list | tuple) else []
    return [
        Phone(name=plain(row.get("name"), 40), number=plain(row.get("number"), 32))
        for row in rows[:most]
        if isinstance(row, Mapping) and row.get("number")
    ]


def _level(row: Mapping[str, Any]) -> int:
    """Return the priority; one that nobody knows is taken as an emergency."""
    priority = row.get("priority")
    return priority if isinstance(priority, int) and priority in LEVELS else 1


def is_still(alarm: Mapping[str, Any], devices: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the alarm's sensor says now that it goes on; one that tells of moments never does."""
    device = next((row for row in devices if row["id"] == alarm["device"]["id"]), None)
    if device is None or alarm.get("restored_at") is not None:
        return False
    return any(
        point["name"] == alarm.get("point")
        and point.get("nature") in LASTING
        and point.get("active") is True
        for point in device["points"]
    )


def alarm_lines(rows: Iterable[Mapping[str, Any]], now: datetime) -> list[Line]:
    """Return open alarms: live before rehearsed, most urgent first, then oldest first."""
    ordered = sorted(
        rows, key=lambda row: (_is_rehearsed(row), _level(row), str(row.get("raised_at")))
    )
    return [alarm_line(row, now) for row in ordered]


def _is_rehearsed(row: Mapping[str, Any]) -> bool:
    return str(row.get("mode")) in REHEARSED


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLine:
    """One device, ready to be shown."""

    place: str
    name: str
    marks: Sequence[Mark]
    seen: str


def device_lines(rows: Sequence[Mapping[str, Any]], now: datetime) -> list[DeviceLine]:
    """Return at most MAX_DEVICES devices, those that are not online first, then by place."""
    first = heapq.nsmallest(
        MAX_DEVICES,
        rows,
        key=lambda row: (row.get("state") == "online", str(row.get("place")), str(row["id"])),
    )
    return [_device_line(row, now) for row in first]


def _device_line(row: Mapping[str, Any], now: datetime) -> DeviceLine:
    look, sign, zh, en = LINKS.get(str(row.get("state")), UNKNOWN)
    marks = [Mark(look=look, sign=sign, zh=zh, en=en)]
    doubtful = sum(point.get("quality") != "good" for point in row.get("points") or [])
    if look == "good" and doubtful:
        # It answers, but not all of what it watches is known: two facts, two marks.
        look, sign, _, en = UNKNOWN
        marks.append(Mark(look=look, sign=sign, zh=f"{doubtful} 个点位无数据", en=en))
    return DeviceLine(
        place=plain(row.get("place")),
        name=plain(row.get("name") or row.get("id")),
        marks=marks,
        seen=clock_text(row.get("last_seen"), now),
    )


def receiver_mark(row: Mapping[str, Any], now: datetime) -> Mark:
    """Return a receiver's lamp with what waits for it."""
    look, sign, zh, en = RECEIVERS.get(str(row.get("state")), UNKNOWN)
    waiting = int(row.get("queue_depth") or 0)
    said = [f"排队 {waiting} 条" if waiting else "无排队"]
    if waiting and row.get("oldest_age_s") is not None:
        said.append(f"最久 {row['oldest_age_s']:.0f} 秒")
    last = clock_text(row.get("last_receipt_at"), now)
    said.append(f"最近回执 {last}" if last else "尚无回执")
    more = " · ".join(said)
    return Mark(look=look, sign=sign, zh=zh, en=en, name=receiver_name(row.get("name")), more=more)
