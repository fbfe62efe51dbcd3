"""Releasing a hold from the command line: what is held, and asking the recorder to end it.

Owns    what a person is shown before he decides, and the entry in the audit trail.
Needs   the index and the alarm store, read only; gateway.requests for the recorder's answer.
Keeps   1. The entry is on the disk before anything is released: what cannot be noted does not
           happen. An entry without an effect is possible, an effect without one is not.
        2. An alarm that is open is not released, here or by the recorder: it would be held again.
"""

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway import requests
from gateway.audit import Entry
from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.recorder.alarms import AlarmReader
from gateway.requests import Answer
from gateway.store import handed_in
from gateway.store.journal import rfc3339
from gateway.store.video import Hold, VideoReader, holds_of
from gateway.store.video.stills import is_alarm, stills_of

PROCESS: Final = "video"
ACTION: Final = "video.release"


@dataclass(frozen=True, slots=True)
class Found:
    """What is held for an alarm. lines: for a person; is_open: the alarm has not been closed."""

    alarm_id: str
    holds: Sequence[Hold]
    is_open: bool
    lines: tuple[str, ...]


async def look(store: Path, alarm_id: str) -> Found:
    """What is held for an alarm; changes nothing. Raises StoreError when nothing can be read."""
    if not is_alarm(alarm_id):
        return Found(alarm_id[:64], (), is_open=False, lines=())
    index, alarms = VideoReader(store), AlarmReader(store)
    try:
        held = await index.run(holds_of, alarm_id)
        known = await alarms.those([alarm_id])
    finally:
        await index.close()
        await alarms.close()
    lines = [f"{each.camera}: {rfc3339(each.from_ns)} – {rfc3339(each.to_ns)}" for each in held]
    lines += [
        f"照片 still {note.camera}: {rfc3339(note.at_ns)}, {note.size_bytes} B"
        for note in stills_of(store, alarm_id)
    ]
    is_open = any(alarm.closed_ns is None for alarm in known)
    return Found(alarm_id, held, is_open, tuple(lines))


async def release(store: Path, found: Found, reason: str, clock: Clock) -> Answer:
    """Note who ends the hold and why, then have the recorder do it.

    raises  RequestError: it does not run, the hold stays; StoreError: it could not be noted
    """
    who = local_user()
    entry = Entry(
        who=who,
        role="local",
        from_address="local",
        action=ACTION,
        subject=found.alarm_id,
        reason=reason,
        details={
            "cameras": " ".join(hold.camera for hold in found.holds),
            "from": rfc3339(min(hold.from_ns for hold in found.holds)),
            "to": rfc3339(max(hold.to_ns for hold in found.holds)),
        },
    )
    try:
        handed_in.hand_in(store, entry, clock.utc_ns())
    except OSError as error:
        raise StoreError(
            f"{error}; 没有记下，所以没有放行 not noted, so nothing was done"
        ) from error
    values = {"alarm_id": found.alarm_id, "who": who, "reason": reason}
    return await requests.ask(store, PROCESS, "release", values, clock)


def local_user() -> str:
    """Who sits at the machine, as far as the system knows: with sudo, who had been before."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    before = os.environ.get("SUDO_USER", "")
    return f"{before} ({user})" if before and before != user else user
