"""Page: /basic, one plain page for people, drawn by the server, that works without any script.

Owns    the plain page: signing on and off, the open alarms with their lamps, acknowledging and
        closing, the call card; and where "/" leads to.
Needs   gateway.console.{discreet,gate,rights,sign_on,view}, the templates beside it.
Keeps   1. Every form proves the session it was drawn for (CSRF).
        2. Nothing is fetched from elsewhere; no script runs on a page that shows device texts: the
           only one there is moves a token out of the address line of /login.
        3. A form in which somebody types never refreshes itself away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import RedirectResponse, Response

from gateway.console import view
from gateway.console.assets import ROOT
from gateway.console.desk import Desk, NoSuchAlarm, Row, WrongState
from gateway.console.discreet import Desks
from gateway.console.gate import Door, refuse_foreign, same
from gateway.console.people import PASSWORD_CHARS
from gateway.console.problems import Problem
from gateway.console.proofs import Proofs
from gateway.console.rights import RIGHTS, Right, everybody, needs
from gateway.console.sessions import Session
from gateway.console.shapes import MAX_NOTE_CHARS, CloseIn
from gateway.console.sign_on import SignOn
from gateway.console.tokens import MAX_NAME_CHARS, Identity

HOME: Final = "/basic"
REFRESH_S: Final = 5
MAX_ALARMS: Final = 100
MAX_FAULTS: Final = 100
MAX_OPEN: Final = 1_000
MAX_FORM_BYTES: Final = 8 * 1024
MAX_FIELDS: Final = 8
MAX_PHONES: Final = 12

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
    """What the head of the page and the call card say.

    zone None means the machine's own time zone.
    """

    id: str
    name: str
    gateway: str
    address: str = ""
    phone: str = ""
    zone: tzinfo | None = None


class Page:
    """The page's routes; `problem` draws what the gate refused.

    has_pages  whether the console's own pages are built: then "/" leads there
    phones     whom to call, as the console shows them
    """

    def __init__(
        self,
        desks: Desks,
        sign_on: SignOn,
        door: Door,
        site: Site,
        *,
        has_pages: bool,
        phones: object,
    ) -> None:
        self._desks = desks
        self._desk = desks.open
        self._sign_on = sign_on
        self._proofs = Proofs(sign_on, door)
        self._door = door
        self._site = site
        self._start = ROOT if has_pages else HOME
        self._phones = view.phone_lines(phones, MAX_PHONES)
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
            ("/", self.start, "GET"),
            (HOME, self.duty, "GET"),
            ("/login", self.token_form, "GET"),
            ("/login", self.token_login, "POST"),
            (f"{HOME}/login", self.login_form, "GET"),
            (f"{HOME}/login", self.login, "POST"),
            (f"{HOME}/logout", self.logout, "POST"),
            (f"{HOME}/alarms/{{alarm_id}}", self.alarm, "GET"),
            (f"{HOME}/alarms/{{alarm_id}}/acknowledge", self.acknowledge, "POST"),
            (f"{HOME}/alarms/{{alarm_id}}/close", self.close, "POST"),
            ("/static/page.css", self.css, "GET"),
            ("/static/login.js", self.login_js, "GET"),
        ):
            app.add_api_route(path, endpoint, methods=[method], include_in_schema=False)

    @everybody
    async def start(self) -> Response:
        """Lead to the console, or here when its pages are not built."""
        return RedirectResponse(self._start, 303)

    async def duty(self, request: Request, who: Reader) -> Response:
        """Draw the queue, the faults, the receivers, the devices and the clock."""
        now = self._now()
        desk = self._desks.of(who)
        alarms = await desk.alarms(open_only=True, limit=MAX_OPEN)
        faults = await desk.faults(open_only=True, limit=MAX_OPEN)
        devices = desk.devices()
        ready, reasons = self._desk.ready()
        if self._door.tokens.fault is not None:
            reasons = [*reasons, f"令牌文件损坏 token file damaged: {self._door.tokens.fault}"]
        if self._sign_on.people.fault is not None:
            reasons = [*reasons, f"人员文件损坏 people file damaged: {self._sign_on.people.fault}"]
        return self._draw(
            "duty.html",
            who=who,
            session=request.state.session,
            may_act=Right.ACT in RIGHTS[who.role],
            alarms=view.alarm_lines(alarms, now)[:MAX_ALARMS],
            alarm_count=len(alarms),
            faults=view.alarm_lines(faults, now)[:MAX_FAULTS],
            fault_count=len(faults),
            receivers=[view.receiver_mark(row, now) for row in desk.receivers()],
            devices=view.device_lines(devices, now),
            device_count=len(devices),
            phones=self._phones,
            ready=ready,
            reasons=[view.plain(reason, 200) for reason in reasons],
            now=now,
            refresh_s=REFRESH_S,
        )

    async def alarm(self, request: Request, alarm_id: str, who: Reader) -> Response:
        """Draw one open alarm with the form that closes it; this page does not refresh itself."""
        desk = self._desks.of(who)
        found = await _open_row(desk, alarm_id)
        now = self._now()
        session = request.state.session
        return self._draw(
            "alarm.html",
            who=who,
            session=session,
            may_act=Right.ACT in RIGHTS[who.role],
            asks_pin=session is not None and session.asks_pin,
            alarm=view.alarm_line(found, now),
            is_still=view.is_still(found, desk.devices()),
            dispositions=view.DISPOSITIONS,
            note_chars=MAX_NOTE_CHARS,
            now=now,
        )

    async def acknowledge(self, request: Request, alarm_id: str, who: Actor) -> Response:
        """A guard has seen it."""
        await self._form(request)
        try:
            await self._desks.of(who).acknowledge(alarm_id, who)
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
                f"请选择处置结果；备注最多 {MAX_NOTE_CHARS} 字",
                "choose how it ended; the note is too long or not plain text",
                "go back and correct it",
            ) from error
        desk = self._desks.of(who)
        if not body.note.strip() and view.is_still(await _open_row(desk, alarm_id), desk.devices()):
            raise Problem(
                422,
                "note_needed",
                "传感器仍在报警：请在备注里写明为什么现在结束",
                "the sensor still raises the alarm: the note has to say why it ends now",
                "go back and write it",
            )
        if request.state.session.asks_pin:
            pin = _secret(fields, "pin")
            if not pin:
                raise Problem.pin_needed()  # it was not asked for yet when the form was drawn
            await self._proofs.again(request, who, pin)
        try:
            await desk.close(alarm_id, who, body.disposition, body.note)
        except (NoSuchAlarm, WrongState) as error:
            raise _gone() from error
        return _to_duty()

    @everybody
    async def login_form(self, request: Request) -> Response:
        """Draw the form for a name and a PIN, and the one for a token; no script."""
        return self._login_page(request, "", 200)

    @everybody
    async def token_form(self, request: Request) -> Response:
        """Draw the same; a link with #token=… fills it in (static/login.js)."""
        return self._login_page(request, "", 200, with_script=True)

    @everybody
    async def login(self, request: Request) -> Response:
        """Sign on with a name and a PIN, or with a token, and stay here."""
        return await self._signed_on(request, HOME)

    @everybody
    async def token_login(self, request: Request) -> Response:
        """Sign on with a token and go to the console."""
        return await self._signed_on(request, "/")

    async def _signed_on(self, request: Request, then: str) -> Response:
        refuse_foreign(request)
        fields = await _fields(request)
        try:
            if fields.get("token"):
                who = await self._sign_on.with_token(request, fields["token"])
            else:
                name, secret = fields.get("name", "").strip(), _secret(fields, "secret")
                if len(name) > MAX_NAME_CHARS:
                    raise Problem.too_large(PASSWORD_CHARS.stop)
                who = await self._sign_on.with_pin(request, name, secret)
        except Problem as problem:
            if problem.status_code != 401:
                raise
            return self._login_page(request, f"{problem.zh} · {problem.detail}", 401)
        answer = RedirectResponse(then, 303)
        await self._sign_on.dress(request, answer, who)
        return answer

    async def logout(self, request: Request, who: Reader) -> Response:
        """End the session here, whatever the browser does with its cookie."""
        await self._form(request)
        answer = RedirectResponse(f"{HOME}/login", 303)
        await self._sign_on.off(request, who, answer)
        return answer

    @everybody
    async def css(self) -> Response:
        """Return the one stylesheet."""
        return Response(self._css, media_type="text/css")

    @everybody
    async def login_js(self) -> Response:
        """Return the one script: it moves a token from the address line into the form."""
        return Response(self._login_js, media_type="text/javascript")

    def problem(self, request: Request, problem: Problem) -> Response:
        """Draw a refusal: the sign-on form when nobody is signed on, otherwise what to do next."""
        if problem.code == "no_token":
            return self._login_page(request, "", problem.status_code, problem.headers)
        return self._draw(
            "problem.html", problem.status_code, problem.headers, problem=problem, now=self._now()
        )

    def _login_page(
        self,
        request: Request,
        said: str,
        status: int,
        headers: Mapping[str, str] | None = None,
        *,
        with_script: bool = False,
    ) -> Response:
        names: Sequence[str] = ()
        if self._sign_on.caller(request).console:
            names = sorted(person.name for person in self._sign_on.people.list())
        csp = {"Content-Security-Policy": _CSP_LOGIN} if with_script else {}
        return self._draw(
            "login.html",
            status,
            {**(headers or {}), **csp},
            said=said,
            names=names,
            is_first=self._sign_on.is_first(),
            has_pages=self._start == ROOT,
            action="/login" if with_script else f"{HOME}/login",
            with_script=with_script,
            now=self._now(),
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


async def _open_row(desk: Desk, alarm_id: str) -> Row:
    """Return the row of an open alarm or fault."""
    rows = [
        *await desk.alarms(open_only=True, limit=MAX_OPEN),
        *await desk.faults(open_only=True, limit=MAX_OPEN),
    ]
    found = next((row for row in rows if row.get("alarm_id") == alarm_id), None)
    if found is None:
        raise _gone()
    return found


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


def _secret(fields: Mapping[str, str], name: str) -> str:
    secret = fields.get(name, "").strip()
    if len(secret) >= PASSWORD_CHARS.stop:
        raise Problem.too_large(PASSWORD_CHARS.stop)
    return secret


def _to_duty() -> RedirectResponse:
    return RedirectResponse(HOME, 303)


def _no_proof() -> Problem:
    return Problem(
        403,
        "no_csrf_proof",
        "页面已过期，请返回首页重试",
        "the request does not come from our page",
        "open the first page again and repeat it there",
    )


def _gone() -> Problem:
    return Problem(
        409,
        "wrong_state",
        "此警情已被处理或状态已改变，请返回首页查看",
        "the alarm is gone or somebody else has dealt with it",
        "go back to the first page and look again",
    )
