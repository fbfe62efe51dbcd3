"""A crowd that presses while everything around the gateway dies, and the reckoning afterwards.

Owns    what was pressed, and when a broker answered for it.
Needs   tests.harness for the gateway, simulators for every other end, Ledger for the comparison.
Keeps   1. Only what a broker acknowledged is demanded: that is all a device was ever promised.
        2. A life of the gateway ends by SIGKILL, at a named point or where it happens to be.
        3. Everything is drawn from one seed, which is in the name of the test.
"""

import asyncio
import random
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, pairwise
from typing import Any, Final

from simulators.bureau import Bureau
from simulators.buttons import MARK, Device, make
from simulators.contract import HEARTBEAT
from simulators.day import Ledger, Sent, compare
from simulators.inbox import Received
from simulators.mqtt import Accepted, Address, Message, Publisher
from simulators.police import Police
from tests.harness import Gateway, GatewayFailed

POINT_S: Final = 60.0
"""Within this a life that was told to die at a point has passed it."""
SETTLE_S: Final = 90.0
POINTS: Final = (
    "commit.before",
    "commit.after",
    "ack.before",
    "ack.after",
    "deliver.before",
    "deliver.after",
    "receipt.before",
    "receipt.after",
)
ANYWHERE: Final = "anywhere"
OUT_OF_TURN: Final = re.compile(r" (arrived|was stored) after | the newest told is |^… and ")
RECORDED: Final = "campus.event.recorded.v1"


def crowd(doors: int, buttons: int) -> list[Device]:
    """So many doors, of which each message is a record, and panic buttons."""
    return [
        *(make("json-event", f"door-{number}", seed=7) for number in range(doors)),
        *(make("json-button", f"btn-{number}", seed=7) for number in range(buttons)),
    ]


def orders(count: int, seed: int) -> list[str]:
    """So many deaths: every named point in turn, at a random passing, and every third anywhere."""
    dice = random.Random(seed)
    points = cycle(dice.sample(POINTS, len(POINTS)))
    return [
        ANYWHERE if number % 3 == 2 else f"{next(points)}:{dice.randint(1, 6)}"
        for number in range(count)
    ]


@dataclass
class Crowd:
    """Devices behind a few bridges, as on a real campus; every press is in the ledger.

    replays  how often the broker itself may have handed out a press anew, out of its turn and under
             a packet id that does not show it: the embedded one does so after each SIGKILL
    """

    devices: Sequence[Device]
    publishers: Sequence[Publisher]
    ledger: Ledger = field(default_factory=Ledger)
    accepted_ns: dict[str, int] = field(default_factory=dict)
    waiting: list[asyncio.Future[Accepted]] = field(default_factory=list)
    replays: int = 0
    _at: int = 0

    def press(self, count: int) -> None:
        """Press so often, device after device; nobody waits for the broker."""
        for _ in range(count):
            number = self._at % len(self.devices)
            self._at += 1
            device = self.devices[number]
            publisher = self.publishers[number % len(self.publishers)]
            for message in device.pressed():
                self._post(device, publisher, message)

    def _post(self, device: Device, publisher: Publisher, message: Message) -> None:
        event = device.family == "json-event"
        sent = Sent(device=device.name, number=device.press_count, event=event)
        self.ledger.sent.append(sent)
        losses = publisher.losses
        future = publisher.post(message)

        def answered(done: asyncio.Future[Accepted]) -> None:
            if not done.cancelled() and done.exception() is None:
                sent.accepted = True
                # Each loss of the connection may have had it sent once more.
                sent.copies = 1 + publisher.losses - losses
                self.accepted_ns[sent.mark] = time.time_ns()

        future.add_done_callback(answered)
        self.waiting.append(future)

    async def answered(self, timeout_s: float = SETTLE_S) -> None:
        """Return once the broker has answered for every press."""
        _, late = await asyncio.wait(self.waiting, timeout=timeout_s)
        assert not late, f"the broker never answered for {len(late)} presses"


async def open_crowd(
    stack: Any, devices: Sequence[Device], address: Address, bridges: int = 4
) -> Crowd:
    """Connect the bridges; they are closed by the stack."""
    publishers = [
        await stack.enter_async_context(Publisher(address, client_id=f"bridge-{number}"))
        for number in range(bridges)
    ]
    return Crowd(devices, publishers)


@dataclass(slots=True)
class Figures:
    """What a campaign came to; printed, so that a report can be made of it."""

    kills: int = 0
    broker_starts: int = 0
    presses: int = 0
    accepted: int = 0
    lost: int = 0
    doubled: int = 0
    police_repeats: int = 0
    bureau_repeats: int = 0
    longest_police_gap_s: float = 0.0
    longest_bureau_gap_s: float = 0.0

    def __str__(self) -> str:
        """One line; a gap is the time from a broker's PUBACK to a receiver's inbox."""
        return ", ".join(f"{name} {getattr(self, name)}" for name in self.__slots__)


async def live_and_die(
    gateway: Gateway, crowd: Crowd, order: str, presses: int, bureau: Bureau
) -> None:
    """One life: half the presses come while the gateway is dead, half while it starts and dies."""
    crowd.press(presses // 2)
    anywhere = order == ANYWHERE
    gateway.launch(crash_at=None if anywhere else order)
    crowd.press(presses - presses // 2)
    if anywhere:
        have = len(bureau.inbox.received)
        await bureau.inbox.until(lambda inbox: len(inbox.received) >= have + 5, POINT_S)
        await gateway.kill()
        return
    code = None
    until_s = time.monotonic() + POINT_S
    while code is None and time.monotonic() < until_s:
        code = await gateway.ended(0.02)
        crowd.press(1)  # one after the other, so that there are several batches to die in
    if code is None:
        raise GatewayFailed(f"{order} was not passed in {POINT_S} s\n{gateway.last_lines()}")
    if code != -9:
        raise GatewayFailed(f"{order}: ended by itself with {code}\n{gateway.last_lines()}")
    gateway.kills += 1


async def reckon(
    gateway: Gateway, crowd: Crowd, police: Police, bureau: Bureau, settle_s: float = SETTLE_S
) -> Figures:
    """Wait for what is under way, then demand everything; raises AssertionError with the faults.

    The gateway runs when this begins and is stopped, verified, when it returns.
    """
    await crowd.answered()
    for sent in crowd.ledger.sent:
        sent.copies += crowd.replays

    def complaints() -> list[str]:
        # Copies: the bureau's thread goes on receiving while we compare.
        return _complaints(crowd, list(police.inbox.received), list(bureau.inbox.received))

    async def settled() -> bool:
        waits = any(one["queue_depth"] for one in (await gateway.receivers()).values())
        return not waits and not complaints()

    try:
        await gateway.until(settled, "everything at both receivers", settle_s)
    except GatewayFailed as failed:
        raise GatewayFailed("\n".join([*complaints()[:30], str(failed)])) from None
    stored = await gateway.records()
    await gateway.stop()
    faults = await gateway.verify()
    assert faults[0] == "0", f"verify: {faults}"
    for inbox in (police.inbox, bureau.inbox):
        assert not inbox.changed, f"came again with other bytes: {inbox.changed}"
        assert not inbox.problems, list(inbox.problems)[:10]
        _same(stored, inbox.received)
    _in_store(crowd, stored)
    return _figures(gateway, crowd, police, bureau)


def _complaints(crowd: Crowd, police: Sequence[Received], bureau: Sequence[Received]) -> list[str]:
    """What compare says; of order only while no broker may have handed out presses anew."""
    if not crowd.replays:
        return compare(crowd.ledger, police, bureau)
    found = compare(Ledger(), police, bureau)
    # Device by device: what is missing comes before the bound that cuts long lists off.
    for device in crowd.devices:
        one = Ledger([s for s in crowd.ledger.sent if s.device == device.name], broker_killed=True)
        found += compare(
            one, *([r for r in who if r.device == device.name] for who in (police, bureau))
        )
    return [line for line in found if not OUT_OF_TURN.search(line)]


def _same(stored: list[dict[str, Any]], received: Sequence[Received]) -> None:
    """The store and a receiver hold the same records, member by member."""
    by_id = {one["id"]: one for one in stored}
    theirs = {one.id: one.record for one in received if one.type != HEARTBEAT}
    assert len(by_id) == len(stored), "an id stands for two records"
    assert theirs == by_id
    for before, after in pairwise(stored):
        assert after["seq"] == before["seq"] + 1, f"records are missing before {after['seq']}"


def _in_store(crowd: Crowd, stored: list[dict[str, Any]]) -> None:
    marks = {str(one["data"]["attributes"].get(MARK)) for one in stored}
    accepted = {one.mark for one in crowd.ledger.sent if one.accepted and one.event}
    assert accepted <= marks, sorted(accepted - marks)[:10]


def _figures(gateway: Gateway, crowd: Crowd, police: Police, bureau: Bureau) -> Figures:
    accepted = {one.mark for one in crowd.ledger.sent if one.accepted and one.event}
    at_police, ids = _arrivals(police.inbox.received)
    at_bureau, _ = _arrivals(bureau.inbox.received)

    def longest_s(arrived: dict[str, int]) -> float:
        gaps = [arrived[mark] - crowd.accepted_ns[mark] for mark in accepted & arrived.keys()]
        return round(max(gaps, default=0) / 1e9, 2)

    return Figures(
        kills=gateway.kills,
        presses=len(crowd.ledger.sent),
        accepted=crowd.ledger.accepted_count,
        lost=len(accepted - (at_police.keys() & at_bureau.keys())),
        doubled=sum(len(each) - 1 for each in ids.values()),
        police_repeats=police.inbox.repeat_count,
        bureau_repeats=bureau.inbox.repeat_count,
        longest_police_gap_s=longest_s(at_police),
        longest_bureau_gap_s=longest_s(at_bureau),
    )


def _arrivals(received: Iterable[Received]) -> tuple[dict[str, int], dict[str, set[str]]]:
    """When each mark came first, and under which ids it came."""
    first: dict[str, int] = {}
    ids: dict[str, set[str]] = {}
    for one in received:
        if one.type == RECORDED:
            mark = str(one.data.get("attributes", {}).get(MARK))
            first.setdefault(mark, one.at_ns)
            ids.setdefault(mark, set()).add(one.id)
    return first, ids
