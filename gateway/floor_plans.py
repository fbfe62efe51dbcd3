"""Floor plans: pictures of storeys, and where on them devices and cameras are.

Owns    the folder <store>/plans: book.json, and each plan's picture as ID.svg or ID.png.
Needs   gateway.plan_pictures for what is a picture, gateway.store.disk for whole files.
Keeps   1. A picture is whole on the disk before the book names it; the book forgets it before it
           is removed. A crash leaves at most a picture that nobody names: open() takes it away.
        2. The book is replaced as a whole. Every change names the version it was made from: of two
           people who change it at the same time, one is told.
        3. Undoing is a change like any other; what it undoes is the newest change of a place.
Bound   PLANS_MOST plans, PLACES_MOST places, UNDO_MOST steps back.
"""

import json
import math
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from gateway.errors import StoreError
from gateway.plan_pictures import Picture, look
from gateway.store.disk import write_file

PLANS_MOST: Final = 64
PLACES_MOST: Final = 5_000
UNDO_MOST: Final = 50
NAME_CHARS: Final = 80
BOOK_BYTES: Final = 8 * 1024 * 1024
FORMAT: Final = 1
BOOK: Final = "book.json"
METRES_LEAST, METRES_MOST = 1.0, 10_000.0
"""The longer side of what a plan shows."""
ANGLE_USUAL: Final = 90.0
"""Degrees that a camera sees of which only the direction was said."""
_ID: Final = re.compile(r"[0-9a-f]{16}")
Kind = Literal["device", "camera"]
Key = tuple[str, str]
"""Kind and id of what stands somewhere."""


class Conflict(Exception):
    """Somebody else changed the book meanwhile. version: what it is now."""

    def __init__(self, version: int) -> None:
        super().__init__(f"version {version}")
        self.version = version


class NoSuchPlan(LookupError):
    """There is no such plan."""


class NoRoom(Exception):
    """The book is full."""


class NoSuchSize(Exception):
    """Nothing is that large or that small."""


class StillUsed(Exception):
    """Something stands on the plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan: width and height in the picture's own units.

    metres_per_unit  how far one unit is on the ground; None while nobody measured
    """

    id: str
    name: str
    kind: str
    width: float
    height: float
    size_bytes: int
    metres_per_unit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands.

    x, y       in the plan's units, from the left and from the top
    direction  where a camera looks, degrees clockwise from the top; None when nobody said
    angle      how much it sees, degrees
    """

    kind: Kind
    id: str
    plan: str
    x: float
    y: float
    direction: float | None = None
    angle: float | None = None

    @property
    def key(self) -> Key:
        """What stands there."""
        return (self.kind, self.id)


@dataclass(frozen=True, slots=True)
class Step:
    """What a place was before a change; before None: it stood nowhere."""

    key: Key
    before: Place | None


@dataclass(frozen=True, slots=True)
class Book:
    """All of it, as of one version."""

    version: int = 0
    plans: Mapping[str, Plan] = field(default_factory=dict)
    places: Mapping[Key, Place] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


class FloorPlans:
    """The plans of one gateway. Every method blocks for the disk, and may be called in threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._book: Book | None = None

    def book(self) -> Book:
        """What there is now. Raises StoreError when the book cannot be read."""
        with self._lock:
            return self._opened()

    def picture(self, plan_id: str) -> tuple[Plan, bytes]:
        """A plan and its picture. Raises NoSuchPlan, StoreError."""
        plan = self.book().plans.get(plan_id)
        if plan is None:
            raise NoSuchPlan(plan_id)
        try:
            return plan, self._path(plan).read_bytes()
        except OSError as error:
            raise StoreError(f"{self._path(plan)}: {error}") from error

    def add(
        self, name: str, content: bytes, version: int, found: Picture | None = None
    ) -> tuple[Book, Plan]:
        """Take a plan. Raises BadPicture, Conflict, NoRoom, StoreError.

        found  what it is, from whoever looked already; None: it is looked at here
        """
        found = look(content) if found is None else found
        with self._lock:
            book = self._at(version)
            if len(book.plans) >= PLANS_MOST:
                raise NoRoom
            plan = Plan(
                id=secrets.token_hex(8),
                name=name[:NAME_CHARS],
                kind=found.kind,
                width=found.width,
                height=found.height,
                size_bytes=len(content),
            )
            try:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
                write_file(self._path(plan), content)
            except OSError as error:
                raise StoreError(f"{self._folder}: {error}") from error
            return self._write(replace(book, plans={**book.plans, plan.id: plan})), plan

    def drop(self, plan_id: str, version: int) -> Book:
        """Take a plan away on which nothing stands. Raises as put() does, and StillUsed."""
        with self._lock:
            book = self._at(version)
            plan = book.plans.get(plan_id)
            if plan is None:
                raise NoSuchPlan(plan_id)
            if any(place.plan == plan_id for place in book.places.values()):
                raise StillUsed
            plans = {key: each for key, each in book.plans.items() if key != plan_id}
            steps = tuple(
                step for step in book.steps if step.before is None or step.before.plan != plan_id
            )
            made = self._write(replace(book, plans=plans, steps=steps))
            self._path(plan).unlink(missing_ok=True)
            return made

    def scale(self, plan_id: str, metres_per_unit: float | None, version: int) -> Book:
        """Say how far a unit of a plan is on the ground. Raises as put() does.

        NoSuchSize: no plan shows less than METRES_LEAST or more than METRES_MOST.
        """
        with self._lock:
            book = self._at(version)
            plan = book.plans.get(plan_id)
            if plan is None:
                raise NoSuchPlan(plan_id)
            if metres_per_unit is not None:
                side = metres_per_unit * max(plan.width, plan.height)
                if not METRES_LEAST <= side <= METRES_MOST:
                    raise NoSuchSize
            measured = replace(plan, metres_per_unit=metres_per_unit)
            return self._write(replace(book, plans={**book.plans, plan_id: measured}))

    def put(self, place: Place, version: int) -> Book:
        """Say where something stands. Raises NoSuchPlan, ValueError, Conflict, NoRoom, StoreError.

        ValueError: it would not stand on its plan.
        """
        with self._lock:
            book = self._at(version)
            plan = book.plans.get(place.plan)
            if plan is None:
                raise NoSuchPlan(place.plan)
            if not (0 <= place.x <= plan.width and 0 <= place.y <= plan.height):
                raise ValueError("beside the plan")
            if place.key not in book.places and len(book.places) >= PLACES_MOST:
                raise NoRoom
            return self._write(_changed(book, place.key, place))

    def take(self, key: Key, version: int) -> Book:
        """Say that something stands nowhere any more. Raises Conflict, StoreError."""
        with self._lock:
            book = self._at(version)
            return book if key not in book.places else self._write(_changed(book, key, None))

    def undo(self, version: int) -> tuple[Book, Step | None]:
        """Take the newest change of a place back; None when there is none to take back."""
        with self._lock:
            book = self._at(version)
            if not book.steps:
                return book, None
            *earlier, step = book.steps
            made = replace(_changed(book, step.key, step.before), steps=tuple(earlier))
            return self._write(made), step

    # The files.

    def _at(self, version: int) -> Book:
        book = self._opened()
        if book.version != version:
            raise Conflict(book.version)
        return book

    def _opened(self) -> Book:
        if self._book is None:
            self._book = self._read()
            self._tidy(self._book)
        return self._book

    def _read(self) -> Book:
        path = self._folder / BOOK
        try:
            if path.stat().st_size > BOOK_BYTES:
                raise StoreError(f"{path}: larger than we write it; restore it or move it away")
            return _from_json(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return Book()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{path}: {error}; restore it or move it away") from error

    def _write(self, book: Book) -> Book:
        made = replace(book, version=book.version + 1)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            write_file(self._folder / BOOK, _to_json(made))
        except OSError as error:
            raise StoreError(f"{self._folder / BOOK}: {error}") from error
        self._book = made
        return made

    def _tidy(self, book: Book) -> None:
        """What a crash has left: pictures that the book does not name, halves of files."""
        named = {self._path(plan).name for plan in book.plans.values()} | {BOOK}
        for path in self._folder.glob("*"):
            if path.is_file() and path.name not in named and _is_ours(path.name):
                path.unlink(missing_ok=True)

    def _path(self, plan: Plan) -> Path:
        return self._folder / f"{plan.id}.{plan.kind}"


def _is_ours(name: str) -> bool:
    plain = name.removesuffix(".tmp")
    stem, _, kind = plain.partition(".")
    return plain == BOOK or (_ID.fullmatch(stem) is not None and kind in {"svg", "png"})


def _changed(book: Book, key: Key, place: Place | None) -> Book:
    places = {known: each for known, each in book.places.items() if known != key}
    if place is not None:
        places[key] = place
    steps = (*book.steps, Step(key, book.places.get(key)))[-UNDO_MOST:]
    return replace(book, places=places, steps=steps)


def _to_json(book: Book) -> bytes:
    whole = {
        "format": FORMAT,
        "version": book.version,
        # A plan that nobody measured is written as older versions wrote it, which may come back.
        "plans": [
            {key: value for key, value in asdict(plan).items() if value is not None}
            for plan in book.plans.values()
        ],
        "places": [asdict(place) for place in book.places.values()],
        "steps": [
            {"key": list(step.key), "before": None if step.before is None else asdict(step.before)}
            for step in book.steps
        ],
    }
    return json.dumps(whole, ensure_ascii=False, indent=1).encode()


def _from_json(found: Any) -> Book:  # noqa: ANN401 - what a file holds
    """Raises ValueError, KeyError, TypeError, AttributeError for what we did not write."""
    if found["format"] != FORMAT:
        raise ValueError(f"format {found['format']} is not one of this version")
    plans = {each["id"]: Plan(**each) for each in found["plans"]}
    if not all(_ID.fullmatch(name) and plan.kind in {"svg", "png"} for name, plan in plans.items()):
        raise ValueError("a plan's name or kind is none of ours")
    places = [Place(**each) for each in found["places"]]
    steps = tuple(
        Step((str(step["key"][0]), str(step["key"][1])), _place(step["before"]))
        for step in found["steps"]
    )
    return Book(int(found["version"]), plans, {place.key: place for place in places}, steps)


def _place(found: Mapping[str, Any] | None) -> Place | None:
    return None if found is None else Place(**found)


@dataclass(frozen=True, slots=True)
class Near:
    """A camera near a device. sees: whether the device is within its view, None: nobody knows."""

    camera: str
    distance: float
    sees: bool | None


def nearest(places: Sequence[Place], at: Place) -> list[Near]:
    """Cameras on the same plan, the most useful first. Pure.

    One that looks there comes before one that may, and that before one that looks elsewhere,
    however near it hangs: a camera's back shows nothing. Among alike the nearer comes first; among
    those that look elsewhere the one that must be turned less.
    """
    ranked: list[tuple[tuple[int, float, float, str], Near]] = []
    for place in places:
        if place.kind != "camera" or place.plan != at.plan:
            continue
        across, down = at.x - place.x, at.y - place.y
        distance = math.hypot(across, down)
        if place.direction is None:
            ranked.append(((1, 0.0, distance, place.id), Near(place.id, distance, None)))
            continue
        bearing = math.degrees(math.atan2(across, -down))
        off = abs((bearing - place.direction + 180) % 360 - 180) if distance else 0.0
        beyond = max(0.0, off - (place.angle or ANGLE_USUAL) / 2)
        sees = beyond == 0
        ranked.append(
            ((0 if sees else 2, beyond, distance, place.id), Near(place.id, distance, sees))
        )
    return [near for _, near in sorted(ranked, key=lambda each: each[0])]
