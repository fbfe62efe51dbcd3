"""Which shipped profiles could be the one for what was found, how sure that is, and why.

Owns    the comparison of what a unit answers with what a profile asks for. Pure.
Needs   gateway.profile.
Keeps   1. Nothing is certain: Modbus has no type plate. `likely` still says "look at the plate".
        2. A profile is not called likely because a unit answers everything: what counts is what a
           profile expects and a unit could have failed.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.commission.places import places_of
from gateway.commission.words import shown
from gateway.config.inspection import both
from gateway.errors import BadFrame
from gateway.events import Device, Scalar
from gateway.profile import BadFormula, ModbusPlan, Profile, Shelf, plan_modbus
from gateway.profile.payload import Garble
from gateway.profile.registers import compile_reader, names_of
from gateway.profile.samples_modbus import Registers, play
from gateway.profile.schema_modbus import Value
from gateway.profile.tool import sample_device

Sure = Literal["likely", "possible", "unlikely"]
_RANK: Final[dict[str, int]] = {"likely": 0, "possible": 1, "unlikely": 2}
ENOUGH_PROOFS: Final = 3
MANY_WORDS: Final = 12
"""So many addresses where a profile wants them, and no others, are no accident."""
EXPLAINED_SHARE: Final = 0.8
MAX_FITS: Final = 8
FEW_WORDS: Final = 3
"""A profile that reads fewer addresses than that, and knows nothing of them, fits anything."""


@dataclass(frozen=True, slots=True)
class Fit:
    """One profile held against one unit.

    wanted, answered  addresses the profile reads, and how many of them the unit has
    explained         share of what the unit answers that the profile reads
    proofs            values that could have contradicted the profile and did not
    why               one line in both languages
    texts             what the unit says of itself under this profile, made safe
    """

    profile_id: str
    title: str
    title_en: str
    sure: Sure
    wanted: int
    answered: int
    explained: float
    proofs: int
    why: str
    texts: tuple[str, ...] = ()

    @property
    def weak(self) -> bool:
        """Whether it reads so little that any other device would fit as well."""
        return self.sure != "likely" and self.wanted < FEW_WORDS and self.proofs < 2


@dataclass(slots=True)
class _Seen:
    proofs: int = 0
    against: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def fits(shelf: Shelf, unit: int, scheme: str, held: Registers) -> list[Fit]:
    """Return the profiles that could fit, the best first, at most MAX_FITS.

    scheme  of the link: profiles that do not travel that way are left out
    held    (function, address) → word, everything that was read of this unit
    """
    found: list[Fit] = []
    for profile_id in shelf.ids():
        profile = shelf.get(profile_id)
        if profile is None or profile.body.modbus is None:
            continue
        if travels(scheme) in profile.body.modbus.transports:
            tried = [_compare(profile, device, held) for device in _devices(profile, unit)]
            ranked = sorted((fit for fit in tried if fit is not None), key=_rank)
            found += ranked[:1]
    found.sort(key=_rank)
    better = [fit for fit in found if fit.sure != "unlikely"]
    return (better or found)[:MAX_FITS]


def travels(scheme: str) -> str:
    """Return a link's scheme as profiles say it: a DTU that dials in carries RTU through TCP."""
    return "rtu-over-tcp" if scheme == "dial-in" else scheme


def seeds(shelf: Shelf, scheme: str) -> dict[int, set[int]]:
    """Return function → addresses worth looking at: where the profiles of the shelf begin."""
    wanted: dict[int, set[int]] = {function: {0} for function in (1, 2, 3, 4)}
    for profile_id in shelf.ids():
        profile = shelf.get(profile_id)
        if profile is None or profile.body.modbus is None:
            continue
        if travels(scheme) in profile.body.modbus.transports:
            for device in _devices(profile, 1):
                for part in plan_modbus(profile, device).parts:
                    wanted[part.function].add(part.address)
    return wanted


def _rank(fit: Fit) -> tuple[bool, int, int, float, str]:
    return fit.weak, _RANK[fit.sure], -fit.proofs, -fit.explained, fit.profile_id


def _devices(profile: Profile, unit: int) -> list[Device]:
    """Return the devices to try: the profile's example, and the first of its channels or loops."""
    first: dict[str, Scalar] = {"unit": unit}
    for name, key in profile.address.items():
        if name != "unit" and key.type == "integer" and key.default is None and key.min is not None:
            first[name] = int(key.min)
    devices = []
    for address in ({"unit": unit}, first):
        device = sample_device(profile, dict(address))
        try:
            plan_modbus(profile, device)
        except BadFormula:  # the two ends of a profile's ranges need not go together
            continue
        if profile.check_address(device.address) == []:
            devices.append(device)
    return devices


def _compare(profile: Profile, device: Device, held: Registers) -> Fit | None:
    plan = plan_modbus(profile, device)
    wanted = {(part.function, at) for part in plan.parts for at in range(part.address, part.end)}
    there = wanted & held.keys()
    if not there:
        return None
    explained = max(len(there) / len(held), _share_of_something(there, held))
    seen = _look(profile, device, plan, held)
    sure: Sure
    if len(there) < len(wanted) or seen.against:
        sure = "unlikely"
        if 2 * len(there) < len(wanted):
            return None
    elif explained >= EXPLAINED_SHARE and (
        seen.proofs >= ENOUGH_PROOFS or len(wanted) >= MANY_WORDS
    ):
        sure = "likely"
    else:
        sure = "possible"
    return Fit(
        profile_id=profile.id,
        title=profile.title,
        title_en=profile.title_en,
        sure=sure,
        wanted=len(wanted),
        answered=len(there),
        explained=explained,
        proofs=seen.proofs,
        why=_why(len(wanted), len(there), explained, seen),
        texts=tuple(seen.texts[:4]),
    )


def _share_of_something(there: set[tuple[int, int]], held: Registers) -> float:
    """Share of the words that are not 0: many devices answer with zeros where nothing is."""
    something = {place for place, word in held.items() if word}
    return len(there & something) / len(something) if something else 0.0


def _why(wanted: int, there: int, explained: float, seen: _Seen) -> str:
    share = round(100 * explained)
    chinese = f"型号要读 {wanted} 个地址，有 {there} 个；它说明了所答内容的 {share}%"
    english = f"reads {wanted} addresses, {there} are there; explains {share} % of what answers"
    if seen.against:
        chinese += f"；不符：{seen.against[0]}"
        english += f"; against it: {seen.against[0]}"
    elif seen.proofs:
        chinese += f"；{seen.proofs} 个值正是它允许的"
        english += f"; {seen.proofs} values are ones it allows"
    else:
        chinese += "；没有能辨认它的值"
        english += "; nothing in them tells it from others"
    return both(chinese, english)


def _look(profile: Profile, device: Device, plan: ModbusPlan, held: Registers) -> _Seen:
    """Decode what is there, and count what could have been otherwise."""
    seen = _Seen()
    try:
        play(profile, device, held, 0)
    except BadFrame as problem:
        seen.against.append(shown(problem))
    for place in places_of(profile, device):
        span = [(place.function, place.address + at) for at in range(place.count)]
        if all(each in held for each in span):
            _weigh(place.value, [held[each] for each in span], plan, seen)
    return seen


def _weigh(value: Value, words: list[int], plan: ModbusPlan, seen: _Seen) -> None:
    reader = compile_reader(value, 0, plan.modbus)
    try:
        read = reader(words)
    except Garble as problem:
        seen.against.append(f"{value.name}: {shown(problem)}")
        return
    if value.form == "text":
        if isinstance(read, str) and read.isprintable():
            seen.proofs += 1
            seen.texts.append(shown(read))
    elif value.names and value.form != "bit":
        # A number without a name is no contradiction, one with a name is a sign; 0 is none.
        seen.proofs += any(words) and read in names_of(value).values()
    elif value.form in {"digits", "bcd16", "bcd32"}:
        seen.proofs += any(words) and read is not None
