"""Samples of Modbus profiles: what registers hold, laid under a device's image.

Owns    reading `words` of a [[sample]], and what a person types for `profile decode`.
Needs   modbus.py, image.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import BadFrame
from gateway.events import Device, Reading, Scalar
from gateway.profile.formula import BadFormula, evaluate
from gateway.profile.image import REFRESH_NS, Image
from gateway.profile.modbus import BITS, ModbusPlan, Part, numbers_of, place, plan_modbus
from gateway.profile.model import Profile
from gateway.profile.payload import Garble

Registers = dict[tuple[int, int], int]
"""(function, address on the wire) → word, or 0 and 1 for bits."""


def registers_of(profile: Profile, device: Device, words: Mapping[str, Sequence[int]]) -> Registers:
    """Return what the words of a sample are on the wire; raises BadFormula for a bad address.

    words  "40001" or "0x1000" as the profile numbers it, "4:0" with the function before it, or a
           formula of the device's address → words from there on
    """
    modbus = profile.body.modbus
    if modbus is None:
        raise BadFormula(f"{profile.id}: 没有 / without [modbus]")
    numbers = numbers_of(profile.complete(device.address))
    held: Registers = {}
    for text, content in words.items():
        function, _, at = text.rpartition(":")
        if function and function not in {"1", "2", "3", "4"}:
            raise BadFormula(f"{text}: 功能码 / function 1–4")
        wanted = int(function) if function else None
        meant, address = place(evaluate(at, numbers), wanted, modbus, {})
        for offset, word in enumerate(content):
            held[meant, address + offset] = word
    return held


@dataclass(frozen=True, slots=True)
class Played:
    """What registers meant to a device that was never read before.

    values    by name, as far as they are known · readings  in the order of the points
    missing   parts of which something was not given, so that they were not read
    problem   a sentence when something of it does not decode, else None
    """

    values: dict[str, Scalar | None]
    readings: list[Reading]
    missing: list[Part]
    problem: str | None


def lay_under(profile: Profile, device: Device, held: Registers, received_ns: int) -> Played:
    """Read a device that holds these registers, and say everything that came of it."""
    plan = plan_modbus(profile, device)
    image = Image(device.id, device.points, plan.layout)
    pieces: list[tuple[int, bytes]] = []
    missing: list[Part] = []
    for index, part in enumerate(plan.parts):
        span = [(part.function, at) for at in range(part.address, part.end)]
        if all(place_ in held for place_ in span):
            data = pack([held[place_] for place_ in span], bits=part.function in BITS)
            pieces.append((index, data))
        else:
            missing.append(part)
    readings: dict[str, Reading] = {}
    problem = None
    for mono_ns in (0, REFRESH_NS):
        # Twice, as in life: the second time everything a value is made of is known.
        taken = image.take_all(pieces, received_ns, mono_ns)
        readings.update({reading.point: reading for reading in taken.readings})
        problem = taken.problem or problem
    told = [readings[name] for name in device.points if name in readings]
    return Played(dict(image.values), told, missing, problem)


def play(profile: Profile, device: Device, held: Registers, received_ns: int) -> list[Reading]:
    """Return what a device that was never read before means with these registers.

    Parts of which something is missing are not read. Raises BadFrame when something does not
    decode and no alarm was found beside it.
    """
    played = lay_under(profile, device, held, received_ns)
    if played.problem is not None and not any(reading.active for reading in played.readings):
        raise BadFrame(played.problem, raw=b"")
    return played.readings


def play_log(
    plan: ModbusPlan, name: str, words: Mapping[str, Sequence[int]], received_ns: int
) -> list[Reading]:
    """Return what one entry of a log means; "0" is its first register."""
    log = next(log for log in plan.logs if log.name == name)
    content = [0] * log.words
    for text, some in words.items():
        at = evaluate(text, {})
        content[at : at + len(some)] = some
    try:
        data = pack(content[: log.words], bits=False)
        return log.meaning.decode(plan.device_id, 1, data, received_ns)
    except Garble as error:
        raise BadFrame(str(error), raw=b"") from error


def pack(words: Sequence[int], *, bits: bool) -> bytes:
    """Return words as a reply carries them: high byte first, or bits eight to a byte."""
    if not bits:
        return b"".join(word.to_bytes(2, "big") for word in words)
    number = sum((word & 1) << at for at, word in enumerate(words))
    return number.to_bytes((len(words) + 7) // 8, "little")
