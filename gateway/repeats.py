"""Repeats: which messages were judged before, for brokers that send them again (0008). Pure.

Owns    per link and packet id, the digest of the last message under it.
Needs   the turn's ledger, so that memory and disk say the same.
Bound   65536 packet ids for each link, which is all that MQTT has: 512 KiB.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.events import Arrival, Reading
from gateway.rules.ledger import Ledger

PACKET_IDS: Final = 65_536


class Heard:
    """See the module."""

    def __init__(self) -> None:
        self._digests: dict[str, array[int]] = {}

    def load(self, kept: Mapping[tuple[str, int], int]) -> None:
        """Take up what the store has."""
        for (link, mid), digest in kept.items():
            self._of(link)[mid & (PACKET_IDS - 1)] = digest

    def forget(self, link: str) -> None:
        """Packet ids of this link begin anew."""
        self._digests.pop(link, None)

    def is_known(
        self, arrival: Arrival, are_dated: Callable[[Sequence[Reading]], bool], ledger: Ledger
    ) -> bool:
        """Return whether a message was judged before; if not, it is known from now on.

        Only one that is marked as sent before can be. Under the same packet id it was. A broker
        that was killed sends again what we acknowledged under other ids: an event whose like we
        have seen just once is then the same one (`are_dated`: devices that number or date their
        messages never send two alike). A press counts once more instead: buttons send the same
        bytes each time, and a press too many is better than one too few.
        """
        if arrival.token is None:
            return False
        mid, digest = arrival.token
        known = self._of(arrival.link)
        if arrival.repeated:
            if known[mid] == digest:
                return True
            if arrival.readings and known.count(digest) == 1 and are_dated(arrival.readings):
                former = known.index(digest)
                known[former], known[mid] = 0, digest
                ledger.batch.inbox += [(arrival.link, former, 0), (arrival.link, mid, digest)]
                return True
        known[mid] = digest
        ledger.batch.inbox.append((arrival.link, mid, digest))
        return False

    def _of(self, link: str) -> "array[int]":
        found = self._digests.get(link)
        if found is None:
            found = self._digests[link] = array("q", bytes(8 * PACKET_IDS))
        return found
