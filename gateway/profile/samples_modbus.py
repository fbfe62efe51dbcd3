"""Samples of Modbus profiles: what registers hold, laid under a device's image.

Owns    reading `words` of a [[sample]], and what a person types for `profile decode`.
Needs   modbus.py, image.py.
"""

import itertools
from collections.abc import Mapping, Sequence

from gateway.errors import BadFrame
from gateway.events import Device, Reading
from gateway.profile.formula import BadFormula, evaluate
from gateway.profile.image import REFRESH_NS, Image
from gateway.profile.modbus import BITS, ModbusPlan, numbers_of, place, plan_modbus
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


def play(profile: Profile, device: Device, held: Registers, received_ns: int) -> list[Reading]:
    """Return what a device that was never read before means with these registers.

    Parts of which something is missing are not read. Raises BadFrame when something does not
    decode and no alarm was found beside it.
    """
    plan = plan_modbus(profile, device)
    image = Image(device.id, device.points, plan.layout)
    readings: dict[str, Reading] = {}
    problem = None
    # Twice, as in life: the second time everything a value is made of is known.
    for mono_ns, (index, part) in itertools.product((0, REFRESH_NS), enumerate(plan.parts)):
        span = [(part.function, at) for at in range(part.address, part.end)]
        if not all(place_ in held for place_ in span):
            continue
        data = pack([held[place_] for place_ in span], bits=part.function in BITS)
        taken = image.take(index, data, received_ns, mono_ns)
        readings.update({reading.point: reading for reading in taken.readings})
        problem = taken.problem or problem
    if problem is not None and not any(reading.active for reading in readings.values()):
        raise BadFrame(problem, raw=b"")
    return [readings[name] for name in device.points if name in readings]


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
