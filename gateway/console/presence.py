"""Presence: which consoles are there now, and which of them can be heard.

Owns    the open streams of consoles, and what each said last of its sound. In memory: consoles
        come back by themselves.
Needs   gateway.clock.
Keeps   1. A console is there while it reads its stream, and GRACE_S longer: a page that is loaded
           anew is not gone.
        2. Who only asks (a token without a stream) is believed for SAID_S.
        3. Only who may act counts as the guard room's: a bureau that looks on hears nothing here.
Bound   CONSOLES_MOST; beyond it the one that was heard of longest ago is forgotten.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from gateway.clock import Clock

GRACE_S: Final = 5.0
SAID_S: Final = 60.0
CONSOLES_MOST: Final = 512


@dataclass(slots=True)
class _Console:
    """One console.

    streams    how many it reads; a browser reads one, two for the moment of a change
    is_person  somebody signed on there
    sounding   what it said last of its sound, None when it said nothing yet
    until_ns   until when it counts without a stream
    """

    is_person: bool = False
    streams: int = 0
    sounding: bool | None = None
    until_ns: int = 0


class Presence:
    """See the module. changed is called after every change and must be quick."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._consoles: OrderedDict[str, _Console] = OrderedDict()
        self.changed: Callable[[], None] = lambda: None

    @contextmanager
    def reading(self, console: str, *, is_person: bool) -> Iterator[None]:
        """Be there while the stream is read."""
        found = self._console(console)
        found.streams += 1
        found.is_person = found.is_person or is_person
        self.changed()
        try:
            yield
        finally:
            found.streams -= 1
            found.until_ns = self._clock.mono_ns() + int(GRACE_S * 1e9)
            self.changed()

    def said(self, console: str, *, sounding: bool) -> None:
        """A console said whether it can be heard."""
        found = self._console(console)
        found.sounding = sounding
        found.until_ns = max(found.until_ns, self._clock.mono_ns() + int(SAID_S * 1e9))
        self.changed()

    def is_there(self, console: str) -> bool:
        """Whether what this console said still counts."""
        found = self._consoles.get(console)
        return found is not None and self._is_there(found)

    def reading_now(self) -> list[str]:
        """Return the consoles that read now and might still say something."""
        return [name for name, each in self._consoles.items() if each.streams > 0]

    def heard(self) -> int:
        """Return how many consoles of people are there that did not say they are silent."""
        return sum(
            each.is_person and each.sounding is not False and self._is_there(each)
            for each in self._consoles.values()
        )

    def has_sound(self) -> bool:
        """Whether any console that is there said that it can be heard."""
        return any(each.sounding and self._is_there(each) for each in self._consoles.values())

    def counts(self) -> list[tuple[str, float]]:
        """Return how many consoles read now, by whether they can be heard."""
        words = {True: "yes", False: "no", None: "unknown"}
        counted = dict.fromkeys(words.values(), 0.0)
        for each in list(self._consoles.values()):
            if each.streams > 0:
                counted[words[each.sounding]] += 1
        return list(counted.items())

    def _is_there(self, console: _Console) -> bool:
        return console.streams > 0 or self._clock.mono_ns() < console.until_ns

    def _console(self, name: str) -> _Console:
        found = self._consoles.setdefault(name, _Console())
        self._consoles.move_to_end(name)
        if len(self._consoles) > CONSOLES_MOST:
            idle = (key for key, each in self._consoles.items() if not each.streams)
            self._consoles.pop(next(idle, ""), None)
        return found
