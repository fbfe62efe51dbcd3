"""Desk: what the console may ask of the rest of the house, and nothing more.

Owns    the protocol, its two errors, and what becomes of a command. The app implements it over the
        store and the intake.
Needs   gateway.console.tokens for who is asking.
Keeps   1. The console reads committed data only.
        2. What people decide travels through acknowledge, close, receipt and command, and is on
           disk when they return.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from gateway.audit import Entry
from gateway.console.tokens import Identity
from gateway.events import Scalar
from gateway.words import Said

Row = dict[str, Any]
"""One alarm, device … as the API shows it: values are JSON scalars, lists and objects."""


class NoSuchAlarm(LookupError):
    """No alarm or fault has this id: the answer is 404 and nothing was changed."""


class WrongState(Exception):
    """The alarm is in a state that does not allow it: the answer is 409 and nothing was changed.

    reason  one line for a person
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Code = Literal[
    "done", "waiting", "running", "no_such_device", "no_such_command", "not_allowed", "wrong_role",
    "refused", "busy", "too_often", "starting", "failed",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What became of a command that a person asked for.

    state    done: a position proves it · sent: nothing proves it · waiting: for a second person
             running: it goes on, its record will tell · failed: tried · refused: nothing was sent
    code     for programs: why, and with it the HTTP status
    why      for people, Chinese and English; "" when there is nothing to say
    retry_s  when it may be asked again, of too_often
    """

    state: Literal["done", "sent", "waiting", "running", "failed", "refused"]
    code: Code
    why: str = ""
    retry_s: float = 0.0


class Desk(Protocol):
    """The console's only way into the house. Times in rows are RFC 3339 UTC strings or None."""

    async def events(self, after: int, limit: int) -> tuple[list[bytes], int]:
        """Return at most `limit` frozen records newer than `after`, oldest first, and the next seq.

        Each body is UTF-8 JSON on one line. The second value is the seq of the last one, or
        `after` when there is none.
        """

    def head(self) -> int:
        """Return the newest committed seq, 0 when the store is empty."""

    async def wait_beyond(self, seq: int) -> int:
        """Return the newest committed seq as soon as it is greater than `seq`."""

    async def alarms(self, *, open_only: bool, limit: int) -> list[Row]:
        """Return at most `limit` alarms; open ones most urgent first, so that none of them is cut.

        Members: alarm_id, kind, priority, mode, state, latched, device {id, name, place, family},
        point, text, value, unit, count, raised_at, last_at, acknowledged_at, acknowledged_by,
        restored_at, closed_at, closed_by, disposition, note, cameras, video {from, to} or None,
        deliveries [{receiver, state, reference, reason, attempts, at}].
        """

    async def faults(self, *, open_only: bool, limit: int) -> list[Row]:
        """Return at most `limit` faults, members as in alarms."""

    async def alarm(self, alarm_id: str) -> Row | None:
        """Return one alarm or fault, open or closed; None when there is none (any more)."""

    async def wait_change(self, mark: int) -> int:
        """Return the number of commits so far as soon as it is another than `mark`.

        It counts commits of records and of how deliveries went, in this life of the gateway.
        """

    async def acknowledge(self, alarm_id: str, who: Identity) -> Row:
        """Write down that `who` has seen it; raises NoSuchAlarm, WrongState."""

    async def close(self, alarm_id: str, who: Identity, disposition: str, note: str) -> Row:
        """Write down how it ended; raises NoSuchAlarm, WrongState."""

    def devices(self) -> Sequence[Row]:
        """Return every configured device.

        Members: id, name, place, profile, family, link, state (online, offline, unknown),
        last_seen, points [{name, kind, active, value, unit, quality (good, unknown, stale), at}],
        commands [{name, text, text_en, effect, permission, allowed}].
        """

    async def command(self, device_id: str, name: str, who: Identity, reason: str) -> Ordered:
        """Have a device told something; every request becomes a record, refused ones too."""

    async def deliveries(self, state: str | None, limit: int) -> list[Row]:
        """Return at most `limit` deliveries, newest first; None means every state.

        Members: id, seq, type, kind, receiver, state, attempts, reference, reason, stored_at,
        answered_at.
        """

    async def receipt(
        self, receiver: str | None, record_id: str, state: str, reference: str
    ) -> bool:
        """Write down what a receiver says of a record; False when it was never sent to it.

        With receiver None it holds only if the record went to exactly one receiver: a platform
        can never speak for a receiver that it was not named after while there is a doubt.
        """

    async def audit(self, entry: Entry) -> int:
        """Write an entry into the audit trail; returns its number once it is on disk."""

    async def sign_on(self, entry: Entry, who: Identity, *, is_duress: bool) -> int:
        """Write down that `who` signed on; returns the entry's number once it is on disk.

        is_duress  somebody makes them do it: an alarm of kind duress of the gateway itself is
                   raised in the same commit, so that signing on takes as long as ever
        """

    def fault(
        self, key: str, said: Said | None, *, active: bool, attributes: dict[str, Scalar]
    ) -> None:
        """Raise or end a fault of the gateway itself; repeating it changes nothing."""

    async def trail(self, after: int, limit: int) -> tuple[list[bytes], int]:
        """Return at most `limit` frozen entries newer than `after`, as events() does records.

        The second value is 0 when `after` is beyond the newest one: that trail was another's.
        """

    def health(self) -> Mapping[str, Any]:
        """Return the loops that must be alive, by name; a value of False means it is dead."""

    def ready(self) -> tuple[bool, list[str]]:
        """Return whether alarms are accepted, and if not the reasons, one line each."""

    def receivers(self, *, discreet: bool = False) -> Sequence[Row]:
        """Return every receiver; discreet: as if nothing about duress went to it or waited for it.

        Members: name, kind, state (ok, failing, down), queue_depth, oldest_age_s,
        last_receipt_at.
        """

    def clock_utc_ns(self) -> int:
        """Return the gateway's own time, UTC nanoseconds."""
