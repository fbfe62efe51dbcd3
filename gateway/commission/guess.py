"""Trying the usual speeds and parities of a serial line until somebody answers.

Owns    the order of settings.
Needs   asking.py.
Keeps   1. Nothing is tried unless the installer asked for it, and only on a serial line.
        2. At most len(BAUDS) × len(PARITIES) settings × units × 2 requests are made; the first
           sound frame ends it.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.clock import Clock
from gateway.commission.asking import Asker, Told
from gateway.config.inspection import both
from gateway.links.modbus import BusSettings, PortRefuses

BAUDS: Final = (9600, 19200, 4800, 38400, 115200, 2400, 57600, 1200)
PARITIES: Final = ("N", "E", "O")
FUNCTIONS: Final = (3, 4)


def settings_to_try(first: BusSettings) -> Iterator[BusSettings]:
    """Yield what the URL says, then the usual ones, the likeliest first."""
    yield first
    for baud in BAUDS:
        for parity in PARITIES:
            # Without parity Modbus wants a second stop bit and hardly any device has one.
            tried = dataclasses.replace(first, baud=baud, parity=parity, stop_bits=1)
            if (baud, parity) != (first.baud, first.parity):
                yield tried


async def guess(
    first: BusSettings,
    units: Sequence[int],
    clock: Clock,
    *,
    rate_per_s: float,
    timeout_s: float,
    told: Told,
) -> BusSettings | None:
    """Return the first settings with which a unit answers; None when none do.

    raises  LinkDown when the port does not open
    """
    for settings in settings_to_try(first):
        told(both("试", "trying") + f" {settings.baud} 8{settings.parity}{settings.stop_bits:g}")
        asker = Asker(settings, clock, rate_per_s=rate_per_s)
        try:
            await asker.open()
        except PortRefuses as refused:
            told("  " + str(refused))
            continue
        try:
            for function in FUNCTIONS:
                for unit in units:
                    reply = await asker.read(unit, function, 0, 1, timeout_s=timeout_s)
                    if reply.alive:
                        return settings
        finally:
            await asker.close()
    return None


def url_of(settings: BusSettings) -> str:
    """Return these serial settings as gateway.toml wants them."""
    stop = f"&stop={settings.stop_bits:g}" if settings.stop_bits != 1 else ""
    return f"serial:{settings.device}?baud={settings.baud}&parity={settings.parity}{stop}"
