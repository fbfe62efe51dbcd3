"""Floor plans over HTTP: /api/v1/floors, /api/v1/places. The book itself is gateway/floor_plans.py.

Owns    the routes, who may, and the headers a picture travels with.
Needs   gateway.floor_plans; a Desk for which devices there are, and the cameras' ids; the audit
        trail.
Keeps   1. A picture is only ever a picture: its answer forbids scripts, frames and every request,
           also when its address is opened by itself.
        2. Every change is in the audit trail, with who and from where, once it is made.
        3. Nothing is read of an upload before its sender is known to be allowed (needs()), and one
           upload is held in memory at a time.
Bound   UPLOADS_AT_ONCE; what gateway.floor_plans and the gate say.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path as Folder
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import FastAPI, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from gateway import plan_pages
from gateway.audit import Entry
from gateway.console.desk import Desk
from gateway.console.problems import Problem
from gateway.console.rights import Right, needs
from gateway.console.tokens import Identity
from gateway.errors import StoreError
from gateway.floor_plans import (
    NAME_CHARS,
    Book,
    Conflict,
    FloorPlans,
    NoRoom,
    NoSuchPlan,
    NoSuchSize,
    Place,
    StillUsed,
    nearest,
)
from gateway.plan_pictures import BadPicture

PLANS: Final = "/api/v1/floors"
PLACES: Final = "/api/v1/places"
UPLOADS_AT_ONCE: Final = 1
NEAREST_MOST: Final = 10
VERSION_MOST: Final = 2**53
KINDS: Final = {"svg": "image/svg+xml", "png": "image/png"}
PICTURE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
    " frame-ancestors 'none'; sandbox",
    "Cache-Control": "private, max-age=31536000, immutable",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""An id names one picture for ever. Its own styles are allowed: they were looked at."""

Reader = Annotated[Identity, needs(Right.READ)]
Planner = Annotated[Identity, needs(Right.PLANS)]
PlanId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
What = Annotated[Literal["device", "camera"], Path()]
Id = Annotated[str, Path(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9._~-]+$")]
Version = Annotated[
    int, Query(ge=0, le=VERSION_MOST, description="the version this is a change of")
]
Degrees = Annotated[float, Field(ge=0, lt=360, allow_inf_nan=False)]
Units = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


def _plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


Name = Annotated[
    str, Query(min_length=1, max_length=NAME_CHARS), AfterValidator(_plain)
]  # fmt: skip


PageNumber = Annotated[int, Query(ge=1, le=plan_pages.PAGES_MOST, description="of a PDF")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    version: Annotated[int, Field(ge=0, le=VERSION_MOST, strict=True)]


class PlaceIn(_In):
    """Where something stands: in the plan's units from the left and the top."""

    plan: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    x: Units
    y: Units
    direction: Degrees | None = None
    angle: Annotated[float | None, Field(ge=1, le=360)] = None


class Spot(BaseModel):
    """A point of a plan, in its units."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    x: Units
    y: Units


class ScaleIn(_In):
    """How large a plan is: `metres` from one point to another, or metres for each unit; else null.

    Without any of it the plan is not measured any more.
    """

    metres_per_unit: Annotated[float | None, Field(gt=0, le=1e4)] = None
    start: Spot | None = None
    end: Spot | None = None
    metres: Annotated[float | None, Field(gt=0, le=1e5)] = None

    def factor(self) -> float | None:
        """Metres for each unit; without end where two points are one."""
        if self.start is None or self.end is None or self.metres is None:
            return self.metres_per_unit
        units = math.hypot(self.end.x - self.start.x, self.end.y - self.start.y)
        return self.metres / units if units else math.inf


class UndoIn(_In):
    """Which version's newest change is taken back."""


class PlanRow(BaseModel):
    """A plan; its picture is at `picture`, width and height are in its own units."""

    id: str
    name: str
    kind: str
    width: float
    height: float
    size_bytes: int
    metres_per_unit: float | None
    picture: str


class PlaceRow(BaseModel):
    """Where something stands; direction in degrees clockwise from the top."""

    kind: Literal["device", "camera"]
    id: str
    plan: str
    x: float
    y: float
    direction: float | None
    angle: float | None


class PlanBook(BaseModel):
    """All plans and places as of one version; undo: how many changes can be taken back."""

    version: int
    undo: int
    plans: list[PlanRow]
    places: list[PlaceRow]


class NearRow(BaseModel):
    """A camera near a device; sees: whether it looks there, null when nobody said.

    distance in the plan's units, and in metres where somebody measured the plan
    """

    camera: str
    distance: float
    metres: float | None
    sees: bool | None


class NearList(BaseModel):
    """Cameras near a device, the most useful first."""

    cameras: list[NearRow]


class PlanRoutes:
    """See the module. folder: of the plans; cameras: the ids of those that may be placed."""

    def __init__(self, desk: Desk, folder: Folder, cameras: Iterable[str]) -> None:
        self._desk = desk
        self._plans = FloorPlans(folder)
        self._cameras = frozenset(cameras)
        self._uploading = asyncio.Semaphore(UPLOADS_AT_ONCE)

    def join(self, app: FastAPI) -> None:
        """Add the routes."""
        for path, endpoint, method, shape in (
            (PLANS, self.book, "GET", PlanBook),
            (PLANS, self.upload, "POST", PlanBook),
            (f"{PLANS}/undo", self.undo, "POST", PlanBook),
            (f"{PLANS}/nearest/{{device_id}}", self.near, "GET", NearList),
            (f"{PLANS}/{{plan_id}}", self.drop, "DELETE", PlanBook),
            (f"{PLANS}/{{plan_id}}/scale", self.scale, "PUT", PlanBook),
            (f"{PLACES}/{{what}}/{{item_id}}", self.put, "PUT", PlanBook),
            (f"{PLACES}/{{what}}/{{item_id}}", self.take, "DELETE", PlanBook),
        ):
            app.add_api_route(
                path,
                endpoint,
                methods=[method],
                response_model=None,
                responses={200: {"model": shape}},
            )
        app.add_api_route(
            f"{PLANS}/{{plan_id}}/picture",
            self.picture,
            response_model=None,
            response_class=Response,
            responses={200: {"content": {kind: {} for kind in KINDS.values()}}},
        )

    async def book(self, _who: Reader) -> Response:
        """All plans, and where things stand on them."""
        return _answer(await self._do(self._plans.book))

    async def picture(self, plan_id: PlanId, request: Request, _who: Reader) -> Response:
        """One plan's picture, byte for byte what was uploaded."""
        tag = f'"{plan_id}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={**PICTURE, "ETag": tag})
        plan, content = await self._do(self._plans.picture, plan_id)
        return Response(content, media_type=KINDS[plan.kind], headers={**PICTURE, "ETag": tag})

    async def near(self, device_id: Id, _who: Reader) -> Response:
        """Cameras that may show a device, the most useful first; none when it stands nowhere."""
        book = await self._do(self._plans.book)
        at = book.places.get(("device", device_id))
        if at is None:
            return _json({"cameras": []})
        found = nearest(list(book.places.values()), at)[:NEAREST_MOST]
        factor = book.plans[at.plan].metres_per_unit
        return _json(
            {
                "cameras": [
                    {
                        **asdict(near),
                        "metres": None if factor is None else round(near.distance * factor, 1),
                    }
                    for near in found
                ]
            }
        )

    async def upload(
        self, request: Request, name: Name, version: Version, who: Planner, page: PageNumber = 1
    ) -> Response:
        """Take a plan: the body is the SVG or PNG itself, at most 10 MB, or a PDF's page.

        An SVG that holds anything but drawing is refused with what it was; it is never repaired.
        Of a PDF one page is drawn. Both by a process of its own that has little memory and time.
        """
        if self._uploading.locked():
            raise Problem(
                503,
                "busy",
                "正在接收另一张平面图，请稍后重试",
                "another plan is being uploaded",
                "try again in a few seconds",
                headers={"Retry-After": "5"},
            )
        async with self._uploading:
            content = await request.body()
            try:
                if plan_pages.is_pdf(content):
                    content = (await plan_pages.draw(content, page)).png
                found = await plan_pages.look(content)
            except BadPicture as error:
                raise _bad(error) from error
            book, plan = await self._do(self._plans.add, name, content, version, found)
        await self._note(who, "plan.add", plan.id, {"name": plan.name, "size_bytes": len(content)})
        return _answer(book)

    async def scale(self, plan_id: PlanId, body: ScaleIn, who: Planner) -> Response:
        """Say how large a plan is, by two of its points or by a number."""
        factor = body.factor()
        book = await self._do(self._plans.scale, plan_id, factor, body.version)
        said = {"metres_per_unit": 0.0 if factor is None else round(factor, 6)}
        await self._note(who, "plan.scale", plan_id, said)
        return _answer(book)

    async def drop(self, plan_id: PlanId, version: Version, who: Planner) -> Response:
        """Take a plan away on which nothing stands."""
        book = await self._do(self._plans.drop, plan_id, version)
        await self._note(who, "plan.drop", plan_id, {})
        return _answer(book)

    async def put(self, what: What, item_id: Id, body: PlaceIn, who: Planner) -> Response:
        """Say where a device or a camera stands."""
        if item_id not in (self._cameras if what == "camera" else self._devices()):
            raise Problem(
                404,
                "nothing_to_place",
                "没有这个设备或摄像机",
                "there is no such device or camera",
                "see /api/v1/devices and /api/v1/cameras",
            )
        looks = {"direction": body.direction, "angle": body.angle} if what == "camera" else {}
        place = Place(kind=what, id=item_id, plan=body.plan, x=body.x, y=body.y, **looks)
        book = await self._do(self._plans.put, place, body.version)
        said = {"plan": place.plan, "x": round(place.x, 1), "y": round(place.y, 1)}
        await self._note(who, "plan.place", f"{what} {item_id}", said)
        return _answer(book)

    async def take(self, what: What, item_id: Id, version: Version, who: Planner) -> Response:
        """Say that something stands nowhere any more."""
        book = await self._do(self._plans.take, (what, item_id), version)
        await self._note(who, "plan.take", f"{what} {item_id}", {})
        return _answer(book)

    async def undo(self, body: UndoIn, who: Planner) -> Response:
        """Take the newest change of a place back; without any nothing changes."""
        book, step = await self._do(self._plans.undo, body.version)
        if step is not None:
            await self._note(who, "plan.undo", " ".join(step.key), {})
        return _answer(book)

    def _devices(self) -> set[str]:
        return {str(row["id"]) for row in self._desk.devices()}

    async def _note(
        self, who: Identity, action: str, subject: str, details: dict[str, Any]
    ) -> None:
        try:
            await self._desk.audit(
                Entry(
                    who=who.name,
                    role=who.role,
                    from_address=who.address,
                    action=action,
                    subject=subject,
                    details=details,
                )
            )
        except StoreError as error:
            raise _not_kept() from error

    @staticmethod
    async def _do(work: Callable[..., Any], *given: Any) -> Any:  # noqa: ANN401 - whatever it does
        """Do something with the book in a thread; say what went wrong as the API does."""
        try:
            return await asyncio.to_thread(work, *given)
        except Conflict as error:
            raise Problem(
                409,
                "changed_meanwhile",
                "别人刚改过平面图，请重新载入后再改",
                "somebody changed the plans meanwhile",
                f"read {PLANS} and make the change again; it is at version {error.version}",
            ) from error
        except NoSuchPlan as error:
            raise Problem(
                404, "no_such_plan", "没有这张平面图", "there is no such plan", f"see {PLANS}"
            ) from error
        except StillUsed as error:
            raise Problem(
                409,
                "still_used",
                "图上还有设备，请先移走",
                "something stands on the plan",
                "take away what stands on it first",
            ) from error
        except NoRoom as error:
            raise Problem(
                409, "no_room", "平面图已满", "there is no room for more", "take some away first"
            ) from error
        except BadPicture as error:
            raise _bad(error) from error
        except NoSuchSize as error:
            raise Problem(
                422,
                "no_such_size",
                "这个比例不可能",
                "nothing is that large or that small",
                "choose two points far apart and give the metres between them",
            ) from error
        except ValueError as error:
            raise Problem(
                422,
                "beside_the_plan",
                "位置在图外",
                "that is beside the plan",
                "place it on the plan",
            ) from error
        except StoreError as error:
            raise _not_kept() from error


def _bad(error: BadPicture) -> Problem:
    return Problem(
        422, "bad_picture", error.zh, str(error), "upload a plain SVG, a PNG, or a page of a PDF"
    )


def _not_kept() -> Problem:
    return Problem(
        503,
        "not_kept",
        "平面图暂时无法读写",
        "the plans cannot be read or written now",
        "look at the disk and at the file plans/book.json in the store, then try again",
        headers={"Retry-After": "5"},
    )


def _answer(book: Book) -> Response:
    plans = [
        {**asdict(plan), "picture": f"{PLANS}/{plan.id}/picture"} for plan in book.plans.values()
    ]
    places: Sequence[dict[str, Any]] = [asdict(place) for place in book.places.values()]
    return _json(
        {"version": book.version, "undo": len(book.steps), "plans": plans, "places": places}
    )


def _json(found: object) -> Response:
    return Response(orjson.dumps(found), media_type="application/json")
