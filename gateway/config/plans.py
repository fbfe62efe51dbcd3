"""Response plans (预案): the files that come with the gateway, and the site's own instead of them.

Owns    reading config/plans/<kind>.toml and DIR/plans/<kind>.toml.
Needs   inspection, files, tables; gateway.response_plans for what comes out.
Keeps   1. A plan of the site replaces the shipped one of its kind as a whole: nobody has to guess
           which steps come from where.
        2. A file that names no kind, or does not hold, is a fault: a guard under stress reads it.
"""

from pathlib import Path
from typing import Final

from gateway.config.files import read_toml
from gateway.config.inspection import Inspection, Spot, both, close_to, one_of
from gateway.config.tables import PlanFile
from gateway.events import Kind
from gateway.response_plans import Plan, Plans, Step

MAX_FILES: Final = len(Kind)


def shipped_plans() -> Path:
    """Return the folder of the plans that come with the gateway, checkout or installed wheel."""
    installed = Path(__file__).parents[1] / "plans"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "config" / "plans"


def read_plans(folder: Path, inspection: Inspection) -> Plans:
    """Return every plan by its kind; the site's own are in folder/plans."""
    plans: dict[Kind, Plan] = {}
    for place in (shipped_plans(), folder / "plans"):
        found = set(place.glob("*.toml")) if place.is_dir() else set()
        found |= {path for path in inspection.instead if path.parent == place}
        for path in sorted(found)[: MAX_FILES + 1]:
            plan = _read(path, inspection)
            if plan is not None:
                plans[plan.kind] = plan
    return plans


def _read(path: Path, inspection: Inspection) -> Plan | None:
    spot, kinds = Spot(str(path)), [str(kind) for kind in Kind]
    if path.stem not in kinds:
        chinese, english = close_to(path.stem, kinds)
        inspection.fault(
            spot,
            both(f"没有这种警情{chinese}", f"there is no such kind of alarm{english}"),
            one_of(kinds),
        )
        return None
    raw = read_toml(path, inspection)
    if raw is not None and not raw:
        return None  # as good as not there: what undoing a site's first plan leaves
    table = None if raw is None else inspection.table(PlanFile, raw, spot)
    if table is None:
        return None
    return Plan(
        kind=Kind(path.stem),
        zh=table.title,
        en=table.title_en,
        steps=tuple(
            Step(zh=step.zh, en=step.en, is_mandatory=step.mandatory) for step in table.step
        ),
    )
