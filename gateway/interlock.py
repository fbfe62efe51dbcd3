"""When a gas valve has to be closed, and when people may open it again: decisions only. Pure.

Owns    for one interlock: the close that is owed and the one that was proved, since when every
        watched point has been clear, and the first of the two people who want to open.
Needs   gateway.config for what was configured. Reads no clock and no store: the caller says what
        time it is (mono_ns, monotonic), which alarms were committed, and what a point looks like.
Keeps   1. A watched alarm is owed a close until a close that began after it was proved by the
           valve's position, or until no watched alarm is open any more. "Sent" proves nothing.
        2. A close that is not proved is owed again AGAIN_S later.
        3. Opening needs, at the very moment: no close owed, every watched point known and inactive
           for clear_for_s without interruption, nothing else in the way, and two people whose
           names and tokens differ, within second_person_within_s of each other.
        4. Whatever interrupts (an alarm, a fault, a lost link, a restart) ends what the first
           person began and begins the waiting anew: unknown is never normal (promise 5).
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gateway.config.settings import Interlock, Watched

AGAIN_S: Final = 10.0
"""Between two attempts at a close that was not proved."""

GAP_S: Final = 5.0
"""Nobody looked for so long: what happened meanwhile is unknown, so the waiting begins anew."""

Seen = Literal["clear", "active", "unknown"]
"""clear: known, inactive, and its device is online; anything doubtful is unknown."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who wants something: the token's id, and the name that records show."""

    id: str
    name: str

    def differs_from(self, other: "Person") -> bool:
        """Whether these are two people as far as tokens can tell; how a name is typed is not."""
        return self.id != other.id and _folded(self.name) != _folded(other.name)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a request to open.

    verdict  refused: nothing happens, `why` says why · waiting: for a second person · go: open it
    first    who asked first, once both have
    """

    verdict: Literal["refused", "waiting", "go"]
    why: str
    first: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The first of two people."""

    who: Person
    at_ns: int


class Guard:
    """One interlock's state; see the module.

    proved_seq  sequence number up to which watched alarms have had their valve proved closed, as it
                was kept; 0 when nothing was
    """

    def __init__(self, rule: Interlock, *, proved_seq: int = 0) -> None:
        self.rule = rule
        self.proved_seq = proved_seq
        self.cause = ""
        self.attempts = 0
        self._owed_seq = 0
        self._next_ns = 0
        self._clear: dict[Watched, int | None] = dict.fromkeys(rule.watched)
        self._asked: _Asked | None = None
        self._looked_ns = 0

    # Closing.

    @property
    def is_owed(self) -> bool:
        """Whether the valve still has to be proved closed."""
        return self._owed_seq > self.proved_seq

    def due_in_s(self, now_ns: int) -> float | None:
        """Seconds until the next attempt, 0.0 when it is due, None when none is owed."""
        return max(self._next_ns - now_ns, 0) / 1e9 if self.is_owed else None

    def alarmed(self, seq: int, alarm_id: str, now_ns: int) -> None:
        """A watched alarm was raised or repeated, in record `seq`: close, at once."""
        self.interrupted(self.rule.watched)
        if seq > max(self._owed_seq, self.proved_seq):
            self._owed_seq, self.cause = seq, alarm_id
            self._next_ns, self.attempts = now_ns, 0

    def begin(self) -> int:
        """An attempt begins; returns what to hand to ended()."""
        self.attempts += 1
        return self._owed_seq

    def ended(self, seq: int, *, proved: bool, now_ns: int, again_s: float = AGAIN_S) -> None:
        """The attempt that began with `seq` is over. What came up meanwhile stays owed."""
        if proved:
            self.proved_seq = max(self.proved_seq, seq)
            self.attempts, self._next_ns = 0, now_ns
        elif seq == self._owed_seq:  # a newer alarm does not wait
            self._next_ns = now_ns + int(again_s * 1e9)

    def let_go(self) -> None:
        """No watched alarm is open any more: nothing is owed; that it failed stays an alarm."""
        self._owed_seq, self.attempts = self.proved_seq, 0

    # Opening.

    def interrupted(self, points: Iterable[Watched]) -> None:
        """Something happened to these points: their waiting begins anew, and so do the people."""
        self._asked = None
        for key in points:
            if key in self._clear:
                self._clear[key] = None

    def look(self, now_ns: int) -> None:
        """Somebody is about to say how every point looks; a gap before that is an interruption."""
        if now_ns - self._looked_ns > GAP_S * 1e9:
            self.interrupted(self.rule.watched)
        self._looked_ns = now_ns

    def seen(self, key: Watched, state: Seen, now_ns: int) -> None:
        """How a watched point looks now, after look()."""
        if state != "clear":
            if self._clear[key] is not None:
                self.interrupted([key])
        elif self._clear[key] is None:
            self._clear[key] = now_ns

    def why_not(self, now_ns: int, obstacles: Sequence[str] = ()) -> str | None:
        """Why the valve may not be opened now, None when it may.

        obstacles  what else stands in the way, one sentence each; the first is told
        """
        if self.rule.open is None:
            return "未配置远程开阀，请到现场开 / not configured: the valve is opened on site only"
        if self.is_owed:
            return "燃气报警，关阀尚未证实 / a gas alarm, and the valve is not proved closed"
        if obstacles:
            return obstacles[0]
        for (device, point), since_ns in self._clear.items():
            if since_ns is None:
                return f"{device}/{point} 报警或状态未知 / is in alarm or not known"
        newest = max(since_ns for since_ns in self._clear.values() if since_ns is not None)
        rest_s = self.rule.clear_for_s - (now_ns - newest) / 1e9
        if rest_s > 0:
            return (
                f"还须连续正常 {_whole(rest_s)} 秒 / must stay clear for another {_whole(rest_s)} s"
            )
        return None

    def ask(self, who: Person, now_ns: int, obstacles: Sequence[str] = ()) -> Decision:
        """`who` wants to open. The second of two different people makes it go."""
        why = self.why_not(now_ns, obstacles)
        if why is not None:
            self._asked = None
            return Decision("refused", why)
        within_s = self.rule.second_person_within_s
        asked = self._asked
        if asked is None or now_ns - asked.at_ns > within_s * 1e9:
            asked = self._asked = _Asked(who, now_ns)
        elif who.differs_from(asked.who):
            self._asked = None
            return Decision("go", "", asked.who.name)
        rest_s = _whole(within_s - (now_ns - asked.at_ns) / 1e9)
        return Decision(
            "waiting",
            f"{asked.who.name} 已请求，等待另一人在 {rest_s} 秒内确认 / "
            f"a second person has {rest_s} s to confirm",
        )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))
