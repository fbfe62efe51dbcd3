"""The ledger: what one turn of judging writes down. Made by the intake, filled by the rules.

Keeps   Time does not move inside a turn: every rule of it sees the same now.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.audit import Entry
from gateway.rules.alarm import Alarm
from gateway.rules.routing import Router
from gateway.store.batch import Batch
from gateway.store.journal import Draft, Journal, Sealed
from gateway.store.trail import Line, Trail


@dataclass(slots=True)
class Ledger:
    """One turn.

    now_ns   UTC by our clock; mono_ns monotonic; quality the clock's
    changed  alarms whose row must be written; each once, however often it changed
    timers   (monotonic ns, what to do then) asked for by the rules; the intake keeps them
    """

    journal: Journal
    router: Router
    now_ns: int
    mono_ns: int
    quality: str
    trail: Trail = field(default_factory=Trail)
    batch: Batch = field(default_factory=Batch)
    changed: dict[str, Alarm] = field(default_factory=dict)
    timers: list[tuple[int, Callable[["Ledger"], None]]] = field(default_factory=list)

    def write(self, draft: Draft) -> Sealed:
        """Seal a draft, route it, and put it into the batch."""
        draft.receivers = self.router.receivers(draft.kind)
        draft.lane = self.router.lane(draft.kind, draft.priority)
        sealed = self.journal.seal(draft, self.now_ns)
        self.batch.records.append(sealed)
        return sealed

    def audit(self, entry: Entry, origin: str | None = None) -> Line:
        """Seal an entry of the audit trail and put it into the batch: with the turn's records."""
        line = self.trail.seal(entry, self.now_ns, self.quality, origin)
        self.batch.audit.append(line)
        return line

    def after(self, seconds: float, what: Callable[["Ledger"], None]) -> None:
        """Do something in a later turn; forgotten at a restart, so it must be derivable then."""
        self.timers.append((self.mono_ns + int(seconds * 1e9), what))
