"""Doorway: the console's listening socket, which nobody can fill up for others.

Owns    how many connections there are, from the moment they are accepted: also those that never
        finish, or never begin, a TLS handshake.
Needs   gateway.console.limits, for what counts as one sender.
Keeps   1. When there is no room, a stranger makes room: the oldest one of the sender that has the
           most. So a sender crowds out itself, and a guard who comes in is let in.
        2. Whoever is known (a session, a token) is no stranger. Only when there are none left does
           the one who holds the most give up his oldest connection, never below EACH_LEAST.
        3. Answers do not wait for the receipt of their first half (TCP_NODELAY).
Bound   `most` connections; beyond it, with nobody to make room, a new one is closed at once.
"""

import contextlib
import socket
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from gateway.console.limits import network_of

EACH_LEAST: Final = 8
"""A browser opens six connections at most to one host."""

Guests = OrderedDict["Guest", None]


class Guest(socket.socket):
    """One connection. It tells the doorway when it is closed, whoever closes it."""

    doorway: "Doorway"
    owner: tuple[bool, str]  # whether he is known, and who it is
    address: Any

    def close(self) -> None:
        """See socket.socket."""
        super().close()
        self.doorway.left(self)

    def send_away(self) -> None:
        """End it: whoever serves it sees the end of the stream and lets go of it."""
        with contextlib.suppress(OSError):  # its other end was faster
            self.shutdown(socket.SHUT_RDWR)


class Doorway(socket.socket):
    """See the module. Made from a socket that listens, which it takes over."""

    def __init__(self, listener: socket.socket, most: int) -> None:
        super().__init__(listener.family, listener.type, listener.proto, fileno=listener.detach())
        self._most = most
        self._guests: dict[tuple[bool, str], Guests] = {}
        self._by_address: dict[Any, Guest] = {}

    def __len__(self) -> int:
        """Return how many are in."""
        return len(self._by_address)

    def __bool__(self) -> bool:
        """Be true, also with nobody in."""
        return True

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept one; ConnectionAbortedError, which asyncio takes calmly, when it was closed."""
        descriptor, address = self._accept()  # type: ignore[attr-defined]  # as socket.accept
        guest = Guest(self.family, self.type, socket.IPPROTO_TCP, fileno=descriptor)
        guest.doorway, guest.address = self, address
        guest.owner = (False, network_of(str(address[0])))
        # asyncio does it as well, but only for sockets that name their protocol.
        guest.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self) >= self._most and not self._make_room():
            guest.close()
            raise ConnectionAbortedError("there is no room for one more")
        self._by_address[address] = guest
        self._guests.setdefault(guest.owner, OrderedDict())[guest] = None
        return guest, address

    def know(self, address: Any, who: str) -> None:  # noqa: ANN401 what accept() returned
        """Somebody who is known asks through the connection from this address."""
        guest = self._by_address.get(address)
        if guest is not None and guest.owner != (True, who):
            self._part(guest)
            guest.owner = (True, who)
            self._guests.setdefault(guest.owner, OrderedDict())[guest] = None

    def left(self, guest: Guest) -> None:
        """A connection was closed, or is sent away: it counts no more."""
        if guest.owner in self._guests and guest in self._guests[guest.owner]:
            self._part(guest)
            del self._by_address[guest.address]

    def _part(self, guest: Guest) -> None:
        those = self._guests[guest.owner]
        del those[guest]
        if not those:
            del self._guests[guest.owner]

    def _make_room(self) -> bool:
        strangers = {owner: those for owner, those in self._guests.items() if not owner[0]}
        crowd = _largest(strangers or self._guests)
        if not strangers and len(crowd) <= EACH_LEAST:
            return False
        oldest = next(iter(crowd))
        self.left(oldest)
        oldest.send_away()
        return True


def _largest(guests: Mapping[tuple[bool, str], Guests]) -> Guests:
    return max(guests.values(), key=len, default=OrderedDict())
