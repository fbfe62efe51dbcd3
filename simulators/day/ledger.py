"""What the brokers accepted in a day, and whether the receivers got it.

Owns    the list of what was sent, and the comparison. Pure: no clock, no socket.
Needs   simulators.inbox for what a receiver's copy is.
Keeps   1. Only what a broker acknowledged is demanded; what it may have taken is allowed.
        2. A record is matched to its message by the mark that comes back in data.attributes.
        3. Bounds: at most 50 lines of each sort of complaint, then one that counts the rest.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from simulators.buttons.plain import MARK
from simulators.contract import HEARTBEAT
from simulators.inbox import Received

MAX_LINES: Final = 50
RAISED: Final = "campus.alarm.raised.v1"
REPEATED: Final = "campus.alarm.repeated.v1"
RECORDED: Final = "campus.event.recorded.v1"


@dataclass(slots=True, kw_only=True)
class Sent:
    """One message of a device.

    number     the device's own count, from 1; mark is DEVICE#NUMBER
    event      True: it must become a record of its own; False: a press, which may be told as
               `repeated`, together with others of the same alarm
    accepted   a broker acknowledged it
    copies     how often the broker may have got it: more than 1 when it was sent again
    """

    device: str
    number: int
    event: bool
    accepted: bool = False
    copies: int = 1

    @property
    def mark(self) -> str:
        """What comes back in the record's attributes."""
        return f"{self.device}#{self.number}"


@dataclass(slots=True)
class Ledger:
    """Everything that was sent in a day, and what happened to it besides.

    broker_killed  a broker that was killed may have sent again what was acknowledged to it, so a
                   button may count more presses than were made; fewer, never
    """

    sent: list[Sent] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broker_killed: bool = False

    def devices(self, *, event: bool) -> dict[str, list[Sent]]:
        """Return the messages of each device, in order."""
        found: dict[str, list[Sent]] = defaultdict(list)
        for one in self.sent:
            if one.event is event:
                found[one.device].append(one)
        return found

    @property
    def accepted_count(self) -> int:
        """How many messages the brokers answered for."""
        return sum(one.accepted for one in self.sent)


def compare(
    ledger: Ledger,
    police: Sequence[Received] | None,
    bureau: Sequence[Received] | None,
) -> list[str]:
    """Name everything that is missing, doubled under other ids, changed or out of order.

    Repeats under the same id are welcome in both lists. None leaves a receiver out.
    returns  one line each, [] when everything that was accepted arrived
    """
    lines: list[str] = []
    for name, received in (("police", police), ("bureau", bureau)):
        if received is not None:
            lines += _bounded(f"{name}: {line}" for line in _one_receiver(ledger, received))
    if police is not None and bureau is not None:
        lines += _bounded(_between(police, bureau))
    return lines


def may_still_heal(complaint: str) -> bool:
    """Whether waiting can help: something did not arrive yet. Order and doubles never heal."""
    return any(words in complaint for words in (" is missing", "only the", " accepted, "))


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    rest = 0
    for number, line in enumerate(lines):
        if number < MAX_LINES:
            yield line
        else:
            rest += 1
    if rest:
        yield f"… and {rest} more like these"


def _one_receiver(ledger: Ledger, received: Sequence[Received]) -> Iterator[str]:
    firsts: dict[str, Received] = {}
    for one in received:
        if firsts.setdefault(one.id, one).body != one.body:
            yield f"{one.id} came again with other bytes"
    news = [one for one in firsts.values() if one.type != HEARTBEAT]
    yield from _seqs(news)
    by_device: dict[str, list[Received]] = defaultdict(list)
    for one in news:
        by_device[one.device].append(one)
    for device, sent in ledger.devices(event=True).items():
        yield from _events(sent, by_device[device])
    for device, sent in ledger.devices(event=False).items():
        yield from _presses(device, sent, by_device[device], broker_killed=ledger.broker_killed)


def _seqs(news: list[Received]) -> Iterator[str]:
    """One sequence number, one record."""
    seen: dict[int, str] = {}
    for one in news:
        if seen.setdefault(one.seq, one.id) != one.id:
            yield f"seq {one.seq} stands for {seen[one.seq]} and for {one.id}"


def _events(sent: list[Sent], received: list[Received]) -> Iterator[str]:
    """Every accepted message is one record, and the records come in the order of the messages."""
    ids: dict[str, list[Received]] = defaultdict(list)
    for one in received:
        if one.type == RECORDED and MARK in _attributes(one):
            ids[str(_attributes(one)[MARK])].append(one)
    known = {one.mark: one for one in sent}
    for mark in ids.keys() - known.keys():
        yield f"{mark} was never sent"
    for mark, message in known.items():
        copies = ids.get(mark, [])
        if message.accepted and not copies:
            yield f"{mark} is missing"
        if len(copies) > message.copies:
            yield f"{mark} came under {len(copies)} ids: {', '.join(each.id for each in copies)}"
    firsts = [(known[mark], copies[0]) for mark, copies in ids.items() if mark in known]
    for priority in (1, 2, 3, 4):  # urgent records may overtake: order holds among equals
        equals = [pair for pair in firsts if pair[1].data.get("priority") == priority]
        yield from _order(equals, "arrived")
    yield from _order(sorted(firsts, key=lambda pair: pair[1].seq), "was stored")


def _order(pairs: list[tuple[Sent, Received]], what: str) -> Iterator[str]:
    for (before, _), (after, record) in pairwise(pairs):
        if after.number < before.number:
            yield f"{after.mark} {what} after {before.mark} (seq {record.seq})"


def _presses(
    device: str, sent: list[Sent], received: list[Received], *, broker_killed: bool = False
) -> Iterator[str]:
    """The alarms of a button count every accepted press, and no more than may have come."""
    demanded = sum(one.accepted for one in sent)
    possible = sum(one.copies for one in sent)
    counts: dict[str, int] = {}
    newest = 0
    raised_marks: dict[str, str] = {}
    for one in received:
        alarm = str(one.data.get("alarm_id"))
        number = _number(one, device)
        if one.type == RAISED:
            counts.setdefault(alarm, 1)
            mark = f"{device}#{number}"
            if raised_marks.setdefault(mark, alarm) != alarm:
                yield f"{mark} raised two alarms: {raised_marks[mark]} and {alarm}"
        elif one.type == REPEATED:
            told = _attributes(one).get("count")
            counts[alarm] = max(counts.get(alarm, 1), told if isinstance(told, int) else 1)
        else:
            continue
        if number and number < newest:
            yield f"{device}#{number} arrived after {device}#{newest}"
        newest = max(newest, number)
    last = max((one.number for one in sent if one.accepted), default=0)
    if last > newest:
        yield f"{device}: press {last} was accepted, the newest told is {newest}"
    if sum(counts.values()) < demanded:
        yield f"{device}: {demanded} presses were accepted, {sum(counts.values())} are counted"
    if sum(counts.values()) > possible and not broker_killed:
        yield f"{device}: at most {possible} presses were made, {sum(counts.values())} are counted"


def _between(police: Sequence[Received], bureau: Sequence[Received]) -> Iterator[str]:
    ours = {one.id: one for one in police if one.type != HEARTBEAT}
    theirs = {one.id: one for one in bureau if one.type != HEARTBEAT}
    for name in ours.keys() - theirs.keys():
        yield f"only the police got {name} ({ours[name].type} of {ours[name].device})"
    for name in theirs.keys() - ours.keys():
        yield f"only the bureau got {name} ({theirs[name].type} of {theirs[name].device})"
    for name in ours.keys() & theirs.keys():
        if ours[name].body != theirs[name].body:
            yield f"police and bureau got other bytes under {name}"


def _attributes(received: Received) -> dict[str, object]:
    found = received.data.get("attributes")
    return found if isinstance(found, dict) else {}


def _number(received: Received, device: str) -> int:
    """The press's number by its mark; 0 when it carries none of this device."""
    name, _, number = str(_attributes(received).get(MARK, "")).rpartition("#")
    return int(number) if name == device and number.isdigit() else 0
