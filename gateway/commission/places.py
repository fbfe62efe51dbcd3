"""Where each value of a device is: as its document numbers it, and on the wire. Pure.

Owns    Place.
Needs   gateway.profile.
"""

from dataclasses import dataclass

from gateway.commission.words import numbered
from gateway.events import Device
from gateway.profile import Profile
from gateway.profile.modbus import numbers_of, place
from gateway.profile.registers import words_of
from gateway.profile.schema_modbus import Value


@dataclass(frozen=True, slots=True)
class Place:
    """A [[value]] that is read from registers or bits.

    document  its address as the profile's numbering writes it
    address   on the wire, from 0 · count  registers or bits
    """

    value: Value
    document: str
    function: int
    address: int
    count: int


def places_of(profile: Profile, device: Device) -> list[Place]:
    """Return the values of a device that have an address, in the profile's order.

    raises  BadFormula when its address leads outside the map
    """
    modbus = profile.body.modbus
    if modbus is None:
        raise LookupError(f"{profile.id} has no [modbus]")
    numbers = numbers_of(profile.complete(device.address))
    found: list[Place] = []
    for value in profile.body.value:
        if value.at is None:
            continue
        count = words_of(value)
        function, address = place(value.at, value.function, modbus, numbers, count)
        document = numbered(function, address, modbus.numbering)
        found.append(Place(value, document, function, address, count))
    return found
