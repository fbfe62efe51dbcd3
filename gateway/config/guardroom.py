"""What the guard room has: a siren that is a device's command, a player, telephone numbers.

Owns    the check of [console] siren and player, and of the [[contact]] tables.
Needs   inspection, tables, interlocks (which devices there are), gateway.profile.
Keeps   1. A siren is a command whose effect is `output` or `other`, allowed for its device, and no
           valve's: what sounds by itself must never be able to open anything.
        2. It may be told the same thing again: a siren that did not answer is told until it does,
           and a command that toggles would switch it off.
        3. A player is a program that is there; no shell ever reads it.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.config.inspection import Inspection, Spot, both, close_to, one_of
from gateway.config.interlocks import UNSAID, Known
from gateway.config.settings import Contact, Interlock, Siren
from gateway.config.tables import ContactTable, SirenTable
from gateway.profile import Shelf

MAX_CONTACTS: Final = 32


def check_siren(
    table: SirenTable | None,
    spot: Spot,
    known: Known,
    shelf: Shelf,
    interlocks: Sequence[Interlock],
    inspection: Inspection,
) -> Siren | None:
    """Return the siren, None when there is none or it does not hold and the faults are noted."""
    if table is None:
        return None
    device = known.devices.get(table.device)
    if device is None:
        if table.device not in known.written:  # else its own fault says it
            chinese, english = close_to(table.device, known.written)
            inspection.fault(
                spot.child("device"),
                both(
                    f"没有设备 `{table.device}`{chinese}",
                    f"there is no device `{table.device}`{english}",
                ),
                one_of(known.written),
            )
        return None
    if any(rule.valve == device.id for rule in interlocks):
        inspection.fault(
            spot.child("device"),
            both(f"`{device.id}` 是联动的阀门", f"`{device.id}` is the valve of an interlock"),
            both("警号自己的继电器", "a relay of the siren's own"),
        )
        return None
    profile = shelf.get(device.profile_id)
    body = () if profile is None else profile.body.command
    fitting = [each.name for each in body if each.effect in UNSAID and each.idempotent]
    before = len(inspection.faults)
    for key, name in (("on", table.on), ("off", table.off)):
        if name not in fitting:
            chinese, english = close_to(name, fitting)
            inspection.fault(
                spot.child(key),
                both(
                    f"型号没有输出命令 `{name}`{chinese}",
                    f"the profile has no output command `{name}`{english}",
                ),
                one_of(fitting),
            )
        elif name not in device.commands:
            inspection.fault(
                spot.child(key),
                both(
                    f"设备 `{device.id}` 不允许 `{name}`",
                    f"`{name}` is not allowed for device `{device.id}`",
                ),
                both(
                    f'在 devices.toml 写 commands = ["{table.on}", "{table.off}"]',
                    f'commands = ["{table.on}", "{table.off}"] in devices.toml',
                ),
            )
    if len(inspection.faults) > before:
        return None
    return Siren(device=device.id, on=table.on, off=table.off)


def check_player(argv: Sequence[str], spot: Spot, inspection: Inspection) -> tuple[str, ...]:
    """Return what to run, its program as an absolute path; () when there is none."""
    if not argv:
        return ()
    found = shutil.which(argv[0])
    if found is None or not Path(found).is_file() or not os.access(found, os.X_OK):
        inspection.fault(
            spot.item(0),
            both(f"没有可运行的程序 {argv[0]}", f"there is no program {argv[0]}"),
            both("播放 WAV 的程序，如 aplay", "a program that plays WAV, aplay for example"),
        )
        return ()
    return (str(Path(found).absolute()), *argv[1:])


def check_contacts(raw: object, spot: Spot, inspection: Inspection) -> tuple[Contact, ...]:
    """Check every [[contact]]; at most MAX_CONTACTS."""
    entries = inspection.tables(raw, spot)
    if len(entries) > MAX_CONTACTS:
        inspection.fault(
            spot,
            both(f"有 {len(entries)} 项", f"there are {len(entries)} of them"),
            both(f"最多 {MAX_CONTACTS} 项", f"at most {MAX_CONTACTS}"),
        )
    tables = [inspection.table(ContactTable, entry, at) for entry, at in entries[:MAX_CONTACTS]]
    return tuple(
        Contact(name=table.name, number=table.number, role=table.role)
        for table in tables
        if table is not None
    )
