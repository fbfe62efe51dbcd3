"""A page whose gateway says whatever a test wants: for what no honest gateway would say.

Needs   the real page, served by the real gateway. Only the stream and the session are not.
Keeps   Everything goes through the page's own link and reducer.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from playwright.async_api import Route

from tests.console.web.house import Desk

WIRE: Final = """
delete window.SharedWorker;
window.EventSource = class extends EventTarget {
  constructor(url) { super(); this.url = url; this.readyState = 1; window.wire = this; }
  close() { this.readyState = 2; }
};
window.tell = (kind, data) =>
  window.wire.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data) }));
window.gatewayTime = () => new Date();
setInterval(() => {
  if (!window.wire || window.isMute) return;
  window.tell("beat", { now: window.gatewayTime().toISOString(), seq: 1 });
}, 500);
"""
ME: Final[dict[str, Any]] = {
    "name": "张三", "role": "guard", "csrf": "x", "rights": ["act", "export", "read", "video"],
    "until": "2026-11-22T18:00:00Z", "has_pin": True,
}  # fmt: skip
AT: Final = "2026-11-22T08:14:05.120Z"


async def deceive(
    desk: Desk,
    name: str = "1号摄像机",
    *,
    rights: Sequence[str] = ME["rights"],
    answers: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Open the page signed on, with a stream that the test speaks for.

    name     of the camera and of the floor that the gateway has
    rights   of the person
    answers  what else is said: "GET install/config" → what it is told
    """

    async def api(route: Route) -> None:
        path = route.request.url.partition("/api/v1/")[2]
        known = f"{route.request.method} {path.partition('?')[0]}"
        if known in answers:
            await route.fulfill(json=answers[known])
            return
        body: Any = {**ME, "rights": list(rights)} if path == "session" else {"stored": True}
        if path == "plans":
            steps = [
                {"n": n, "zh": f"第{n}步", "en": f"Step {n}", "mandatory": True} for n in (1, 2)
            ]
            body = {"plans": [{"kind": "panic", "title": {"zh": "", "en": ""}, "steps": steps}]}
        if path == "session/people":
            body = {"people": ["张三"], "on_duty": [], "is_first": False}
        if path == "cameras":
            body = {"cameras": [_camera(name)]}
        elif "/timeline" in path:
            body = {"from": AT, "to": AT, "bins": [], "spans": [], "gaps": [], "next": None,
                    "alarms": [], "holds": []}  # fmt: skip
        elif path == "floors":
            body = _floors(name)
        elif path.startswith(("cameras", "floors")):
            await route.fulfill(status=503, json={"error": {"message": "no", "message_zh": "没有"}})
            return
        await route.fulfill(json=body)

    await desk.context.route("**/api/v1/**", api)
    await desk.page.add_init_script(WIRE)
    await desk.page.goto(f"{desk.url}/console/")
    await desk.until("() => window.wire !== undefined")


def _camera(name: str) -> dict[str, Any]:
    stream = {"name": "main", "oldest": AT, "newest": AT}
    return {
        "id": "c", "name": name, "place": name, "streams": [stream], "oldest": AT, "newest": AT,
        "state": None,
    }  # fmt: skip


def _floors(name: str) -> dict[str, Any]:
    plan = {"id": "p", "name": name, "kind": "svg", "width": 800, "height": 600,
            "picture": "/console/mark.svg", "metres_per_unit": None}  # fmt: skip
    place = {"kind": "device", "id": "dev-1", "plan": "p", "x": 320, "y": 240, "direction": None,
             "angle": None}  # fmt: skip
    camera = place | {"kind": "camera", "id": "c", "x": 560, "direction": 90, "angle": 60}
    return {"version": 1, "undo": 0, "plans": [plan], "places": [place, camera]}


async def tell(desk: Desk, kind: str, data: Any) -> None:
    """Say one event."""
    await desk.page.evaluate("([kind, data]) => window.tell(kind, data)", [kind, data])


def alarm(number: int, **changes: Any) -> dict[str, Any]:
    """An alarm's row, with everything a row has."""
    return {
        "alarm_id": f"a-{number}", "kind": "panic", "priority": 1, "mode": "live",
        "state": "unack_active", "latched": True,
        "device": {"id": f"d-{number}", "name": "1号一键报警", "place": f"{number}号门卫室",
                   "family": "x"},
        "point": "button", "text": "紧急求助按钮按下", "value": None, "unit": None, "count": 1,
        "raised_at": AT, "last_at": AT, "acknowledged_at": None, "acknowledged_by": None,
        "restored_at": None, "closed_at": None, "closed_by": None, "disposition": None,
        "note": None, "cameras": [], "attributes": {}, "steps": [], "notes": [], "telephoned": [],
        "deliveries": [
            {"receiver": "police", "state": "pending", "reference": None, "reason": None,
             "attempts": 2, "at": None},
            {"receiver": "bureau", "state": "accepted", "reference": "31-7", "reason": None,
             "attempts": 1, "at": AT},
        ],
    } | changes  # fmt: skip


def device(number: int, state: str, quality: str = "good", **changes: Any) -> dict[str, Any]:
    """A device's row."""
    point = {
        "name": "level", "kind": "gas", "active": None, "value": 12, "unit": "%LEL",
        "quality": quality, "at": AT,
    }  # fmt: skip
    return {
        "id": f"dev-{number}", "name": f"{number}号探测器", "place": "食堂", "profile": "x",
        "family": "gas", "link": "field", "state": state, "last_seen": AT, "points": [point],
    } | changes  # fmt: skip


def snapshot(**changes: Any) -> dict[str, Any]:
    """A whole house."""
    return {
        "epoch": "one", "seq": 1, "now": AT,
        "site": {"id": "s", "name": "示范小学", "gateway": "gw-1"},
        "phones": [{"name": "城关派出所", "number": "0513-8012"}],
        "alarms": [], "faults": [], "devices": [], "cameras": [],
        "receivers": [{"name": "police", "kind": "http", "state": "failing", "queue_depth": 3,
                       "oldest_age_s": 8, "last_receipt_at": None},
                      {"name": "bureau", "kind": "mqtt", "state": "ok", "queue_depth": 0,
                       "oldest_age_s": None, "last_receipt_at": AT}],
    } | changes  # fmt: skip


def entry(seq: int, **changes: Any) -> dict[str, Any]:
    """A record, as the log shows it."""
    data = {
        "kind": "access", "text": f"门 {seq}",
        "device": {"id": "door", "name": "门禁", "place": "实验楼"},
    }  # fmt: skip
    return {
        "id": f"r-{seq}", "seq": seq, "type": "campus.event.recorded.v1", "time": AT,
        "mode": "live", "data": data | changes,
    }  # fmt: skip
