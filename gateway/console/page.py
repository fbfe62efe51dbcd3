"""Page: one plain page for people, drawn by the server, that works without any script.

Owns    signing in and out, the open alarms with their lamps, acknowledging and closing.
Needs   gateway.console.{desk,gate,rights,sessions,view}, the templates beside it.
Keeps   1. Every form proves the session it was drawn for (CSRF).
        2. Nothing is fetched from elsewhere; no script runs on a page that shows device texts.
        3. A form in which somebody types never refreshes itself away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

import structlog
from fastapi import FastAPI, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import RedirectResponse, Response

from gateway.audit import Entry
from gateway.console import view
from gateway.console.desk import Desk, NoSuchAlarm, WrongState
from gateway.console.gate import Door, cookie_of, peer, same
from gateway.console.problems import Problem
from gateway.console.rights import RIGHTS, Right, everybody, needs, require
from gateway.console.sessions import COOKIE, SESSION_S, Session
from gateway.console.shapes import MAX_NOTE_CHARS, CloseIn
from gateway.console.tokens import Identity

log = structlog.get_logger()

REFRESH_S: Final = 5
MAX_ALARMS: Final = 100
MAX_FAULTS: Final = 100
MAX_OPEN: Final = 1_000
MAX_FORM_BYTES: Final = 8 * 1024
MAX_FIELDS: Final = 8

_HERE: Final = Path(__file__).parent
_CSP: Final = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_CSP_LOGIN: Final = f"{_CSP}; script-src 'self'"

Reader = Annotated[Identity, needs(Right.SIGN_IN)]
Actor = Annotated[Identity, needs(Right.ACT)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the head of the page says. zone None means the machine's own time zone."""

    id: str
    name: str
    gateway: str
    zone: tzinfo | None = None


class Page:
    """The page's routes; `problem` draws what the gate refused."""

    def __init__(self, desk: Desk, door: Door, site: Site) -> None:
        self._desk = desk
        self._door = door
        self._site = site
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._css = (_HERE / "static" / "page.css").read_bytes()
        self._login_js = (_HERE / "static" / "login.js").read_bytes()

    def join(self, app: FastAPI) -> None:
        """Add the routes."""
        for path, endpoint, method in (
            ("/", self.duty, "GET"),
            ("/login", self.login_form, "GET"),
            ("/login", self.login, "POST"),
            ("/logout", self.logout, "POST"),
            ("/alarms/{alarm_id}", self.alarm, "GET"),
            ("/alarms/{alarm_id}/acknowledge", self.acknowledge, "POST"),
            ("/alarms/{alarm_id}/close", self.close, "POST"),
            ("/static/page.css", self.css, "GET"),
            ("/static/login.js", self.login_js, "GET"),
        ):
            app.add_api_route(path, endpoint, methods=[method], include_in_schema=False)

    async def duty(self, request: Request, who: Reader) -> Response:
        """Draw the queue, the faults, the receivers, the devices and the clock."""
        now = self._now()
        alarms = await self._desk.alarms(open_only=True, limit=MAX_OPEN)
        faults = await self._desk.faults(open_only=True, limit=MAX_OPEN)
        devices = self._desk.devices()
        ready, reasons = self._desk.ready()
        if self._door.tokens.fault is not None:
            reasons = [*reasons, f"令牌文件损坏 token file damaged: {self._door.tokens.fault}"]
        return self._draw(
            "duty.html",
            who=who,
            session=request.state.session,
            may_act=Right.ACT in RIGHTS[who.role],
            alarms=view.alarm_lines(alarms, now)[:MAX_ALARMS],
            alarm_count=len(alarms),
            faults=view.alarm_lines(faults, now)[:MAX_FAULTS],
            fault_count=len(faults),
            receivers=[view.receiver_mark(row, now) for row in self._desk.receivers()],
            devices=view.device_lines(devices, now),
            device_count=len(devices),
            ready=ready,
            reasons=[view.plain(reason, 200) for reason in reasons],
            now=now,
            refresh_s=REFRESH_S,
        )

    async def alarm(self, request: Request, alarm_id: str, who: Reader) -> Response:
        """Draw one open alarm with the form that closes it; this page does not refresh itself."""
        rows = [
            *await self._desk.alarms(open_only=True, limit=MAX_OPEN),
            *await self._desk.faults(open_only=True, limit=MAX_OPEN),
        ]
        found = next((row for row in rows if row.get("alarm_id") == alarm_id), None)
        if found is None:
            raise _gone()
        now = self._now()
        return self._draw(
            "alarm.html",
            who=who,
            session=request.state.session,
            may_act=Right.ACT in RIGHTS[who.role],
            alarm=view.alarm_line(found, now),
            dispositions=view.DISPOSITIONS,
            note_chars=MAX_NOTE_CHARS,
            now=now,
        )

    async def acknowledge(self, request: Request, alarm_id: str, who: Actor) -> Response:
        """A guard has seen it."""
        await self._form(request)
        try:
            await self._desk.acknowledge(alarm_id, who)
        except (NoSuchAlarm, WrongState) as error:
            raise _gone() from error
        return _to_duty()

    async def close(self, request: Request, alarm_id: str, who: Actor) -> Response:
        """A guard says how it ended."""
        fields = await self._form(request)
        try:
            body = CloseIn(
                disposition=fields.get("disposition", ""),  # type: ignore[arg-type]  # checked there
                note=fields.get("note", "").replace("\r\n", " ").replace("\n", " "),
            )
        except ValueError as error:
            raise Problem(
                422,
                "not_valid",
                f"请选择处置结果;备注最多 {MAX_NOTE_CHARS} 字",
                "choose how it ended; the note is too long or not plain text",
                "go back and correct it",
            ) from error
        try:
            await self._desk.close(alarm_id, who, body.disposition, body.note)
        except (NoSuchAlarm, WrongState) as error:
            raise _gone() from error
        return _to_duty()

    @everybody
    async def login_form(self) -> Response:
        """Draw the sign-in form; a link with #token=… fills it in (static/login.js)."""
        return self._login_page("", 200)

    @everybody
    async def login(self, request: Request) -> Response:
        """Exchange a token for a session cookie."""
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise _no_proof()
        fields = await _fields(request)
        identity = self._door.tokens.check(fields.get("token", "").strip())
        if identity is None:
            wait_s = self._door.failures.failed(peer(request))
            if wait_s > 0:
                raise Problem.too_often(wait_s)
            await self._note(request, None, "sign_in.refused")
            return self._login_page("令牌无效 · the token is not valid", 401)
        require(identity, Right.SIGN_IN)
        await self._note(request, identity, "sign_in")
        log.info("signed in", name=identity.name, role=identity.role, address=peer(request))
        answer = _to_duty()
        answer.set_cookie(
            COOKIE,
            self._door.sessions.open(identity),
            max_age=SESSION_S,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    async def logout(self, request: Request, who: Reader) -> Response:
        """End the session here, whatever the browser does with its cookie."""
        await self._form(request)
        self._door.sessions.close(cookie_of(request))
        await self._note(request, who, "sign_out")
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    @everybody
    async def css(self) -> Response:
        """Return the one stylesheet."""
        return Response(self._css, media_type="text/css")

    @everybody
    async def login_js(self) -> Response:
        """Return the one script: it moves a token from the address line into the form."""
        return Response(self._login_js, media_type="text/javascript")

    def problem(self, problem: Problem) -> Response:
        """Draw a refusal: the sign-in form when nobody is signed in, otherwise what to do next."""
        if problem.code == "no_token":
            return self._login_page("", problem.status_code, problem.headers)
        return self._draw(
            "problem.html", problem.status_code, problem.headers, problem=problem, now=self._now()
        )

    async def _note(self, request: Request, who: Identity | None, action: str) -> None:
        await self._desk.audit(
            Entry(
                who="" if who is None else who.name,
                role="" if who is None else str(who.role),
                from_address=peer(request),
                action=action,
                subject="console",
            )
        )

    def _login_page(
        self, said: str, status: int, headers: Mapping[str, str] | None = None
    ) -> Response:
        csp = {"Content-Security-Policy": _CSP_LOGIN}
        return self._draw(
            "login.html", status, {**(headers or {}), **csp}, said=said, now=self._now()
        )

    def _draw(
        self,
        template: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,  # noqa: ANN401 what the template names
    ) -> Response:
        body = self._templates.get_template(template).render(site=self._site, **values)
        return Response(
            body.encode(errors="replace"),
            status,
            {"Content-Security-Policy": _CSP, **(headers or {})},
            "text/html",
        )

    async def _form(self, request: Request) -> dict[str, str]:
        """Return the fields of a form that our page drew for this very session."""
        fields = await _fields(request)
        session = request.state.session
        if not isinstance(session, Session) or not same(session.csrf, fields.get("csrf", "")):
            raise _no_proof()
        return fields

    def _now(self) -> datetime:
        utc = datetime.fromtimestamp(self._desk.clock_utc_ns() // 10**9, UTC)
        return utc.astimezone(self._site.zone)


async def _fields(request: Request) -> dict[str, str]:
    """Read an HTML form of at most MAX_FORM_BYTES and MAX_FIELDS; the last of a name counts."""
    got = bytearray()
    async for piece in request.stream():
        got += piece
        if len(got) > MAX_FORM_BYTES:
            raise Problem.too_large(MAX_FORM_BYTES)
    try:
        parsed = parse_qs(got.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise Problem(
            422, "not_valid", "表单内容无法读取", "the form cannot be read", "go back and try again"
        ) from error
    return {name: values[-1] for name, values in parsed.items()}


def _to_duty() -> RedirectResponse:
    return RedirectResponse("/", 303)


def _no_proof() -> Problem:
    return Problem(
        403,
        "no_csrf_proof",
        "页面已过期,请返回首页重试",
        "the request does not come from our page",
        "open the first page again and repeat it there",
    )


def _gone() -> Problem:
    return Problem(
        409,
        "wrong_state",
        "此警情已被处理或状态已改变,请返回首页查看",
        "the alarm is gone or somebody else has dealt with it",
        "go back to the first page and look again",
    )
