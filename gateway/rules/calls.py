"""Calls: which urgent alarms no console sounds, so that the gateway must do it itself. Pure.

Owns    for each live urgent alarm when it must be heard, and which consoles said that they show it.
Needs   nothing of ours; who is alive and what time it is are handed in.
Keeps   1. An alarm that no living console sounds within SHOWN_S of its commit calls; when every
           living console said that it shows it without sound, it calls at once.
        2. What a console said counts for as long as the console lives: one that dies or loses its
           sound hands the alarm back.
        3. Acknowledged it is silent, and calls again AGAIN_S later unless it is closed by then.
        4. A call ends after ROUND_S, and begins again AGAIN_S later: nobody's ears are worn out,
           and nobody is forgotten.
Bound   CALLS_MOST alarms; of more than that the siren sounds for the others. CONSOLES_MOST consoles
        for each.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

SHOWN_S: Final = 3.0
AGAIN_S: Final = 180.0
ROUND_S: Final = 180.0
CALLS_MOST: Final = 1_000
CONSOLES_MOST: Final = 64


@dataclass(slots=True)
class _Call:
    """One alarm.

    due_ns  when its sound must be there; a round of ours begins then
    shown   console → whether it sounds it
    """

    due_ns: int
    is_acknowledged: bool = False
    shown: dict[str, bool] = field(default_factory=dict)


class Calls:
    """See the module. Times are monotonic nanoseconds."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}

    def __len__(self) -> int:
        """Return how many alarms are live and urgent."""
        return len(self._calls)

    def __contains__(self, alarm_id: str) -> bool:
        """Return whether the alarm is one of them."""
        return alarm_id in self._calls

    def live(self, alarm_id: str, now_ns: int, *, is_acknowledged: bool) -> None:
        """The alarm is open; said again whenever it changed, with what it is now."""
        call = self._calls.get(alarm_id)
        if call is None:
            if len(self._calls) < CALLS_MOST:
                wait_s = AGAIN_S if is_acknowledged else SHOWN_S
                due_ns = now_ns + int(wait_s * 1e9)
                self._calls[alarm_id] = _Call(due_ns, is_acknowledged)
        elif is_acknowledged and not call.is_acknowledged:
            call.is_acknowledged, call.due_ns = True, now_ns + int(AGAIN_S * 1e9)

    def over(self, alarm_id: str) -> None:
        """The alarm is closed."""
        self._calls.pop(alarm_id, None)

    def shown(self, alarm_id: str, console: str, *, sounding: bool) -> bool:
        """A console shows it; returns whether that is news."""
        call = self._calls.get(alarm_id)
        if call is None or call.shown.get(console) is sounding:
            return False
        if console not in call.shown and len(call.shown) >= CONSOLES_MOST:
            del call.shown[next(iter(call.shown))]
        call.shown[console] = sounding
        return True

    def calling(
        self,
        now_ns: int,
        alive: Callable[[str], bool],
        consoles: Collection[str],
        *,
        is_heard: bool = False,
    ) -> list[str]:
        """Return the alarms that must be heard now and that no console sounds, oldest first.

        alive     whether what this console said still counts
        consoles  those that are there now, and might still answer
        is_heard  whether any console can be heard: enough for what a person has acknowledged,
                  which consoles sound again without saying so
        """
        return [
            alarm_id
            for alarm_id, call in self._calls.items()
            if _is_calling(call, now_ns, alive, consoles, is_heard=is_heard)
        ]

    def next_ns(self, now_ns: int) -> int | None:
        """Return when the next one is due, None when none is in sight."""
        ahead = [call.due_ns for call in self._calls.values() if call.due_ns > now_ns]
        return min(ahead, default=None)


def _is_calling(
    call: _Call,
    now_ns: int,
    alive: Callable[[str], bool],
    consoles: Collection[str],
    *,
    is_heard: bool,
) -> bool:
    is_sounded = any(sounding and alive(console) for console, sounding in call.shown.items())
    if is_sounded or (call.is_acknowledged and is_heard):
        call.due_ns = max(call.due_ns, now_ns)  # ours, at once, when that console is gone
        return False
    is_silent = bool(consoles) and all(call.shown.get(each) is False for each in consoles)
    if is_silent and not call.is_acknowledged and now_ns < call.due_ns:
        call.due_ns = now_ns
    round_ns = int((ROUND_S + AGAIN_S) * 1e9)
    if now_ns - call.due_ns >= round_ns:
        call.due_ns += (now_ns - call.due_ns) // round_ns * round_ns
    return 0 <= now_ns - call.due_ns < int(ROUND_S * 1e9)
