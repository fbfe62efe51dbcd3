import re
from html.parser import HTMLParser

import pytest

from gateway.console.page import MAX_ALARMS
from gateway.console.tokens import Role
from tests.console.conftest import Answer, Console
from tests.console.memory_desk import alarm, delivery, device


class Elements(HTMLParser):
    """Every element of a page with its attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


class Browser:
    """A browser without scripts: it keeps one cookie and sends forms."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.cookie = ""

    async def open(self, path: str = "/basic") -> Answer:
        return await self.console.get(path, None, headers=self._headers())

    async def send(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        answer = await self.console.post(path, None, data=fields, headers=self._headers() | headers)
        if "Set-Cookie" in answer.headers:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer

    async def sign_in(self, role: Role = Role.GUARD) -> "Browser":
        answer = await self.send("/basic/login", {"token": self.console.tokens[role]})
        assert (answer.status, answer.headers["Location"]) == (303, "/basic")
        return self

    async def proof(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', (await self.open()).text)
        assert found is not None
        return found[1]

    def _headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie} if self.cookie else {}


async def test_a_stranger_gets_the_sign_in_form_and_nothing_else(console: Console) -> None:
    console.desk.rows.append(alarm())
    answer = await Browser(console).open()
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "西门门卫室" not in answer.text
    assert Elements(answer.text).all("form") == [
        {"id": name, "method": "post", "action": "/basic/login"} for name in ("person", "login")
    ]


async def test_a_guard_signs_in_sees_the_alarm_acknowledges_and_closes_it(
    console: Console,
) -> None:
    console.desk.rows.append(alarm(deliveries=[delivery("police", "accepted", reference="110-7")]))
    browser = await Browser(console).sign_in()
    page = Elements((await browser.open()).text)
    assert "紧急" in page.text
    assert "西门门卫室 · 1号按钮 · 按下" in page.text
    assert "police 已受理" in page.text
    assert "110-7" in page.text
    assert {"http-equiv": "refresh", "content": "5"} in page.all("meta")

    csrf = await browser.proof()
    answer = await browser.send("/basic/alarms/a-1/acknowledge", {"csrf": csrf})
    assert (answer.status, answer.headers["Location"]) == (303, "/basic")
    assert console.desk.rows[0]["acknowledged_by"] == "某guard"

    form = Elements((await browser.open("/basic/alarms/a-1")).text)
    assert [option["value"] for option in form.all("option")] == [
        "",
        "real",
        "accidental",
        "fault",
        "test",
        "malicious",
    ]
    assert all(meta.get("http-equiv") != "refresh" for meta in form.all("meta"))
    fields = {"csrf": csrf, "disposition": "accidental", "note": "学生误按\r\n已告知"}
    assert (await browser.send("/basic/alarms/a-1/close", fields)).status == 303
    assert console.desk.rows[0]["note"] == "学生误按 已告知"
    assert "无未处置警情" in (await browser.open()).text


@pytest.mark.parametrize(
    ("nature", "active", "restored", "asks"),
    [
        ("measurement", True, None, True),
        ("state", True, None, True),
        ("state", False, None, False),
        ("state", None, None, False),
        ("momentary", True, None, False),
        ("state", True, "2026-11-22T00:00:05.000Z", False),
    ],
)
async def test_what_its_sensor_still_raises_is_ended_with_a_reason_only(
    console: Console, nature: str, active: bool | None, restored: str | None, asks: bool
) -> None:
    points = [{"name": "button", "nature": nature, "active": active}]
    console.desk.device_rows.append(device("btn-gate-west", "online", points=points))
    console.desk.rows.append(alarm(restored_at=restored))
    browser = await Browser(console).sign_in()
    form = Elements((await browser.open("/basic/alarms/a-1")).text)
    assert ("required" in form.all("textarea")[0]) is asks
    fields = {"csrf": await browser.proof(), "disposition": "fault", "note": " "}
    answer = await browser.send("/basic/alarms/a-1/close", fields)
    assert answer.status == (422 if asks else 303)
    if asks:
        assert "传感器仍在报警" in answer.text
        assert console.desk.rows[0]["closed_at"] is None
        assert (
            await browser.send("/basic/alarms/a-1/close", fields | {"note": "已通风"})
        ).status == 303
    assert console.desk.rows[0]["disposition"] == "fault"


@pytest.mark.parametrize("path", ["acknowledge", "close"])
@pytest.mark.parametrize("proof", ["", "guessed", "é", None])
async def test_a_form_that_our_page_did_not_draw_changes_nothing(
    console: Console, path: str, proof: str | None
) -> None:
    console.desk.rows.append(alarm())
    browser = await Browser(console).sign_in()
    fields = {"disposition": "real"} | ({} if proof is None else {"csrf": proof})
    assert (await browser.send(f"/basic/alarms/a-1/{path}", fields)).status == 403
    assert console.desk.rows[0]["state"] == "unack_active"


async def test_the_proof_of_one_session_does_not_serve_another(console: Console) -> None:
    console.desk.rows.append(alarm())
    one, two = await Browser(console).sign_in(), await Browser(console).sign_in()
    fields = {"csrf": await one.proof()}
    assert (await two.send("/basic/alarms/a-1/acknowledge", fields)).status == 403
    assert (await one.send("/basic/alarms/a-1/acknowledge", fields)).status == 303


async def test_an_auditor_sees_everything_and_can_change_nothing(console: Console) -> None:
    console.desk.rows.append(alarm())
    browser = await Browser(console).sign_in(Role.AUDITOR)
    page = Elements((await browser.open()).text)
    assert "西门门卫室" in page.text
    assert [form["action"] for form in page.all("form")] == ["/basic/logout"]
    fields = {"csrf": await browser.proof(), "disposition": "real"}
    for path in ("acknowledge", "close"):
        assert (await browser.send(f"/basic/alarms/a-1/{path}", fields)).status == 403
    assert console.desk.rows[0]["state"] == "unack_active"


async def test_a_platforms_token_does_not_sign_a_person_in(console: Console) -> None:
    browser = Browser(console)
    answer = await browser.send("/login", {"token": console.tokens[Role.PLATFORM]})
    assert answer.status == 403
    assert browser.cookie == ""
    assert (await console.get("/basic", Role.PLATFORM)).status == 403


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(console: Console) -> None:
    answer = await Browser(console).send("/login", {"token": console.tokens[Role.GUARD]})
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=43200" in cookie
    assert console.tokens[Role.GUARD].lower() not in cookie


async def test_signing_out_kills_the_session_even_for_a_copied_cookie(console: Console) -> None:
    browser = await Browser(console).sign_in()
    copied = browser.cookie
    answer = await browser.send("/basic/logout", {"csrf": await browser.proof()})
    assert answer.status == 303
    assert (await console.get("/basic", None, headers={"Cookie": copied})).status == 401


async def test_a_session_ends_after_its_shift(console: Console) -> None:
    browser = await Browser(console).sign_in()
    console.clock.forward(12 * 3600 - 1)
    assert (await browser.open()).status == 200
    console.clock.forward(1)
    assert (await browser.open()).status == 401


async def test_wrong_tokens_at_sign_in_wait_and_the_right_one_passes(console: Console) -> None:
    browser = Browser(console)
    for _ in range(5):
        answer = await browser.send("/login", {"token": "cg_wrong"})
        assert (answer.status, "令牌无效" in answer.text) == (401, True)
    limited = await browser.send("/login", {"token": "cg_wrong"})
    assert (limited.status, limited.headers["Retry-After"]) == (429, "1")
    assert limited.headers["Content-Type"].startswith("text/html")
    await browser.sign_in()


async def test_another_site_cannot_sign_our_guard_in_as_somebody(console: Console) -> None:
    fields = {"token": console.tokens[Role.GUARD]}
    answer = await Browser(console).send("/login", fields, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "'"])
async def test_no_text_of_a_device_becomes_markup(console: Console, hostile: str) -> None:
    place = {"id": hostile, "name": hostile, "place": hostile + "\u202e", "family": "x"}
    said = [delivery(hostile, "rejected", reference=hostile, reason=hostile)]
    words = {"zh": hostile, "en": f"{hostile}\u202e{hostile}"}
    row = alarm("a-1", device=place, text=hostile, words=words, value=hostile, deliveries=said)
    row |= {"unit": hostile}
    console.desk.rows += [row, alarm('a"><b>', acknowledged_by=hostile)]
    console.desk.fault_rows.append(alarm("f-1", device=place, text=hostile))
    console.desk.device_rows.append(device(hostile, "online", name=hostile, place=hostile))
    console.desk.receiver_rows.append({"name": hostile, "state": "ok"})
    console.desk.reasons.append(hostile)
    browser = await Browser(console).sign_in()
    for path in ("/basic", "/basic/alarms/a-1"):
        page = (await browser.open(path)).text
        elements = Elements(page)
        assert elements.all("script") == []
        assert elements.all("img") == []
        assert elements.all("b") == [{"aria-hidden": "true"}] * len(elements.all("b"))
        assert hostile in elements.text  # shown, as text
        assert "\u202e" not in page


async def test_the_page_needs_no_script_and_nothing_from_elsewhere(console: Console) -> None:
    browser = await Browser(console).sign_in()
    answer = await browser.open()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    page = Elements(answer.text)
    assert all("style" not in attributes for _, attributes in page.found)
    assert not any(name.startswith("on") for _, attributes in page.found for name in attributes)
    links = [link["href"] for link in page.all("link")]
    assert links == ["/static/page.css"]
    css = await browser.open("/static/page.css")
    assert css.headers["Content-Type"].startswith("text/css")
    assert "url(" not in css.text
    assert "@import" not in css.text


async def test_the_sign_in_link_keeps_its_token_away_from_the_server(console: Console) -> None:
    login = await Browser(console).open("/login")
    assert "script-src 'self'" in login.headers["Content-Security-Policy"]
    assert Elements(login.text).all("script") == [{"src": "/static/login.js", "defer": None}]
    script = (await Browser(console).open("/static/login.js")).text
    assert "location.hash" in script
    assert "replaceState" in script


async def test_an_alarm_somebody_else_dealt_with_is_explained(console: Console) -> None:
    console.desk.rows.append(alarm(state="ack_active"))
    browser = await Browser(console).sign_in()
    fields = {"csrf": await browser.proof(), "disposition": "real"}
    for path in ("/basic/alarms/a-1/acknowledge", "/basic/alarms/nobody/close"):
        answer = await browser.send(path, fields)
        assert answer.status == 409
        assert "返回" in answer.text
    assert (await browser.open("/basic/alarms/nobody")).status == 409


@pytest.mark.parametrize(
    "fields",
    [
        {"disposition": ""},
        {"disposition": "boring"},
        {"disposition": "real", "note": "x" * 501},
        {"disposition": "real", "note": "a\x00b"},
        {"disposition": "real", "note": "a\u202eb"},
    ],
)
async def test_a_form_that_is_not_filled_in_well_is_explained(
    console: Console, fields: dict[str, str]
) -> None:
    console.desk.rows.append(alarm())
    browser = await Browser(console).sign_in()
    answer = await browser.send("/basic/alarms/a-1/close", {"csrf": await browser.proof()} | fields)
    assert (answer.status, "请选择处置结果" in answer.text) == (422, True)
    assert console.desk.rows[0]["state"] == "unack_active"


@pytest.mark.parametrize("body", [b"x" * 9_000, b"&".join([b"a=1"] * 20), b"\xff\xfe"])
async def test_a_form_beyond_its_bounds_is_refused(console: Console, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await console.post("/login", None, data=body, headers=headers)
    assert answer.status in {413, 422}
    assert answer.headers["Content-Type"].startswith("text/html")


async def test_faults_receivers_devices_and_the_clock_are_shown(console: Console) -> None:
    away = {"zh": "设备离线", "en": "device is away"}
    console.desk.fault_rows.append(alarm("f-1", priority=3, text="glued", words=away))
    console.desk.device_rows += [device("gas-1", "unknown"), device("gas-2", "online")]
    console.desk.receiver_rows.append({"name": "police", "state": "down", "queue_depth": 4})
    console.desk.reasons.append("store: disk full")
    page = Elements((await (await Browser(console).sign_in()).open()).text)
    for words in (
        "未恢复故障 1",
        "设备离线 device is away",
        "未知(无数据)",
        "police 中断，请准备电话报警",
        "排队 4 条",
        "store: disk full",
        "网关尚未接收警情",
    ):
        assert words in page.text
    assert "glued" not in page.text
    looks = [span["class"] for span in page.all("span") if "lamp" in (span["class"] or "")]
    assert looks == ["lamp bad", "lamp unknown", "lamp good"]
    assert re.search(r"2026-11-2\d \d\d:00:00", page.text)


async def test_a_drill_does_not_look_like_an_emergency(console: Console) -> None:
    console.desk.rows += [alarm("a-1", mode="drill"), alarm("a-2")]
    page = Elements((await (await Browser(console).sign_in()).open()).text)
    looks = [item["class"] for item in page.all("li")]
    assert looks == ["alarm p1 unack_active", "alarm p1 unack_active notlive"]
    assert "演练" in page.text


async def test_a_flood_of_alarms_keeps_the_page_short_and_says_so(console: Console) -> None:
    console.desk.rows += [alarm(f"a-{number}", priority=2) for number in range(MAX_ALARMS + 20)]
    console.desk.rows.append(alarm("panic", text="紧急求助"))
    page = Elements((await (await Browser(console).sign_in()).open()).text)
    assert len(page.all("li")) == MAX_ALARMS
    assert "紧急求助" in page.text
    assert "另有 21 条未显示" in page.text


async def test_a_damaged_token_file_is_shown_to_the_guard(console: Console) -> None:
    browser = await Browser(console).sign_in()
    console.book._path.write_text("{")
    page = await browser.open()
    assert page.status == 200
    assert "令牌文件损坏" in page.text


async def test_a_machine_with_a_token_reads_the_page_without_forms(console: Console) -> None:
    console.desk.rows.append(alarm())
    answer = await console.get("/basic", Role.GUARD)
    assert answer.status == 200
    assert Elements(answer.text).all("form") == []
