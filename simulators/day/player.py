"""Plays a planned day against real ends, and writes down what the brokers accepted.

Owns    the day's tasks, while it lasts.
Needs   hands at real publishers; wires, brokers, receivers and a gateway as far as there are any.
Keeps   1. A step happens at its time, or as soon after as the machine can, in order.
        2. A trouble that lasts is mended by the step that made it, also when the day is cancelled.
        3. A step whose end is not there is noted in the ledger, never skipped in silence.
        4. Bounds: after the last step the devices have `settle_s` seconds to be heard.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from simulators.brokers import Broker
from simulators.bureau import Bureau
from simulators.buttons import GARBAGE, Hand, JsonButton, JsonEvent
from simulators.day.ledger import Ledger, Sent
from simulators.day.plan import Step, What
from simulators.mqtt import Accepted, Message, Publisher, send_twice
from simulators.police import Police
from simulators.wire import Wire

SETTLE_S: Final = 30.0


@dataclass(slots=True, kw_only=True)
class Handles:
    """The ends a day is played against; what is left out is noted and skipped.

    hands          by device name
    wires          by way: "field" (gateway to broker), "police", "bureau"
    kill_gateway   SIGKILL it, stay away for so many seconds, start it again
    step_clock     move the gateway's wall clock by so many seconds
    """

    hands: dict[str, Hand]
    wires: dict[str, Wire] = field(default_factory=dict)
    broker: Broker | None = None
    police: Police | None = None
    bureau: Bureau | None = None
    kill_gateway: Callable[[float], Awaitable[None]] | None = None
    step_clock: Callable[[float], Awaitable[None]] | None = None


async def play(steps: Sequence[Step], handles: Handles, *, settle_s: float = SETTLE_S) -> Ledger:
    """Play the steps and return what was sent and accepted."""
    player = _Player(handles)
    begun_s = time.monotonic()
    async with asyncio.TaskGroup() as troubles:
        for step in steps:
            await asyncio.sleep(max(0.0, begun_s + step.at_s - time.monotonic()))
            if step.target in handles.hands:
                await player.press(step, troubles)
            else:
                troubles.create_task(player.trouble(step))
    await player.settle(settle_s)
    return player.ledger


class _Player:
    def __init__(self, handles: Handles) -> None:
        self.ledger = Ledger()
        self._handles = handles
        self._waiting: list[asyncio.Future[Accepted]] = []
        self._one_at_a_time: dict[str, asyncio.Lock] = {}

    async def press(self, step: Step, tasks: asyncio.TaskGroup) -> None:
        """Do what a person or a device does; only a duplicate waits for the broker."""
        hand = self._handles.hands[step.target]
        if step.what is What.STUCK:
            tasks.create_task(self._stick(hand, float(step.detail), step.for_s))
        elif step.what is What.GARBAGE:
            message = Message(topic=hand.device.press_topic(), payload=GARBAGE[step.detail])
            self._waiting.append(hand.publisher.post(message))
        elif step.what is What.RELEASE:
            self._waiting += [hand.publisher.post(one) for one in hand.device.released()]
        elif step.what is What.DUPLICATE:
            await self._duplicate(hand)
        else:
            for _ in range(2 if step.what is What.DOUBLE else 1):
                self._post(hand, retain=step.what is What.RETAINED)

    def _post(self, hand: Hand, *, retain: bool = False) -> None:
        messages = hand.device.pressed()
        sent = self._note(hand)
        for message in messages:
            losses = hand.publisher.losses
            future = hand.publisher.post(replace(message, retain=retain or message.retain))
            self._waiting.append(future)
            if sent is not None:
                future.add_done_callback(_mark_accepted(sent, hand.publisher, losses))

    def _note(self, hand: Hand) -> Sent | None:
        """Write a press of a device with marks into the ledger."""
        device = hand.device
        if not isinstance(device, JsonButton):
            return None
        event = isinstance(device, JsonEvent)
        sent = Sent(device=device.name, number=device.press_count, event=event)
        self.ledger.sent.append(sent)
        return sent

    async def _stick(self, hand: Hand, per_s: float, for_s: float) -> None:
        begun_s = time.monotonic()
        count = 0
        while (gone_s := time.monotonic() - begun_s) < for_s:
            while count <= gone_s * per_s:
                self._post(hand)
                count += 1
            await asyncio.sleep(0.005)

    async def _duplicate(self, hand: Hand) -> None:
        """One press twice on the wire; alone, or the order of presses would be lost by us."""
        if hand.publisher.waiting_count or not hand.publisher.is_connected:
            self._post(hand)
            return
        messages = hand.device.pressed()
        sent = self._note(hand)
        for message in messages:
            try:
                name = f"{hand.publisher.client_id}-again"
                took = await send_twice(hand.publisher.address, message, client_id=name)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.ledger.notes.append(f"{hand.device.name}: sent twice, unheard: {error!r}")
                took = 0
            if sent is not None:
                sent.copies, sent.accepted = 2, took > 0

    async def settle(self, settle_s: float) -> None:
        """Wait until the brokers have answered for everything, or the time is over."""
        if self._waiting:
            _, late = await asyncio.wait(self._waiting, timeout=settle_s)
            if late:
                self.ledger.notes.append(f"{len(late)} messages were never accepted")

    async def trouble(self, step: Step) -> None:
        """Break something, wait, mend it. Troubles of one kind of end come one after another."""
        doing = self._doing(step)
        if doing is None:
            self.ledger.notes.append(f"{step.what} at {step.at_s} s: no {step.target} to do it to")
            return
        end = step.what.partition("_")[0] + step.target
        async with self._one_at_a_time.setdefault(end, asyncio.Lock()):
            await doing

    def _doing(self, step: Step) -> Awaitable[None] | None:
        handles = self._handles
        if step.what.startswith("wire"):
            wire = handles.wires.get(step.target)
            return None if wire is None else _wire(wire, step)
        if step.what.startswith("broker"):
            broker = handles.broker
            kill = step.what is What.BROKER_KILL
            self.ledger.broker_killed |= kill
            return None if broker is None else broker.restart(kill=kill, away_s=step.for_s)
        if step.what.startswith("police"):
            return None if handles.police is None else _police(handles.police, step)
        if step.what is What.BUREAU_AWAY:
            return None if handles.bureau is None else _bureau(handles.bureau, step)
        if step.what is What.GATEWAY_KILL:
            return None if handles.kill_gateway is None else handles.kill_gateway(step.for_s)
        return None if handles.step_clock is None else handles.step_clock(float(step.detail))


def _mark_accepted(
    sent: Sent, publisher: Publisher, losses: int
) -> Callable[[asyncio.Future[Accepted]], None]:
    def mark(future: asyncio.Future[Accepted]) -> None:
        if not future.cancelled() and future.exception() is None:
            sent.accepted = True
            # Each new connection sends what is unacknowledged once more.
            sent.copies = 1 + publisher.losses - losses

    return mark


async def _wire(wire: Wire, step: Step) -> None:
    if step.what is What.WIRE_CUT:
        await wire.cut()
    elif step.what is What.WIRE_RESET:
        await wire.reset()
    else:
        try:
            if step.what is What.WIRE_HALF_OPEN:
                wire.half_open()
            else:
                wire.trouble.delay_s = 0.05
                wire.trouble.jitter_s = 0.1
            await asyncio.sleep(step.for_s)
        finally:
            wire.heal()


async def _police(police: Police, step: Step) -> None:
    try:
        if step.what is What.POLICE_DOWN:
            await police.down()
        else:
            police.behave(step.detail)
        await asyncio.sleep(step.for_s)
    finally:
        police.behave()
        await police.up()


async def _bureau(bureau: Bureau, step: Step) -> None:
    await bureau.leave()
    try:
        await asyncio.sleep(step.for_s)
    finally:
        await bureau.come_back()
