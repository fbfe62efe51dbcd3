"""Whose turn it is on a bus: what is due, most urgent first, and nobody starved. Pure.

Owns    the jobs (reads that are made again and again) and when each is due.
Needs   gateway.links.modbus.planner and request. The caller says what time it is.
Keeps   1. Urgent jobs go first; after URGENT_IN_A_ROW of them a job of the others that is due has
           its turn, so that slow points are read seldom and never not at all.
        2. A job that could not be run in time runs once, not as often as it was missed.
        3. When the bus has less time than everybody wants, it is shared max-min fairly between
           units: who wants little gets it all, and what is left is divided among those who take
           long (rebalance). A slow unit slows itself down before it slows its neighbours.
"""

import heapq
from collections.abc import Iterable
from typing import Final

from gateway.links.modbus.planner import Read
from gateway.links.modbus.request import Request

URGENT_IN_A_ROW: Final = 8
BUSY_SHARE: Final = 0.85
"""Of the bus's time that is handed out; the rest is for probes, commands and logs."""
MOST_STRETCH: Final = 20.0


class Job:
    """A read with its request and its turn.

    pieces   for each device in it: (whose, [(part, place in the reply, count)])
    whole    the reply is one part of one device, as it is
    cost_s   what it takes of late, a moving average, time-outs included
    reply_s  what its last good answer took, 0.0 before the first
    failures replies in a row that were refusals or none at all; silence is the unit's matter
    stretch  at least 1: how much longer than wanted its period is, see keep 3
    """

    __slots__ = ("cost_s", "due_ns", "failures", "pause_ns", "period_ns", "pieces", "read",
                 "reply_s", "request", "stretch", "timeout_s", "whole")  # fmt: skip

    def __init__(self, read: Read, timeout_s: float, pause_s: float, period_s: float) -> None:
        self.read = read
        self.request = Request.read(read.unit, read.function, read.address, read.count)
        self.timeout_s = timeout_s
        self.pause_ns = int(pause_s * 1e9)
        self.period_ns = int(period_s * 1e9)
        self.due_ns = 0
        self.cost_s = self.reply_s = 0.0
        self.failures = 0
        self.stretch = 1.0
        pieces: dict[int, list[tuple[int, int, int]]] = {}
        for piece in read.slices:
            pieces.setdefault(piece.owner, []).append((piece.part, piece.at, piece.count))
        self.pieces = tuple(pieces.items())
        only = read.slices[0]
        self.whole = len(read.slices) == 1 and only.at == 0 and only.count == read.count

    def took(self, seconds: float) -> None:
        """Note what a run of it took."""
        self.cost_s += (seconds - self.cost_s) * 0.2 if self.cost_s else seconds


class Schedule:
    """The jobs of one bus in the order of their turn."""

    def __init__(self) -> None:
        self._urgent: list[tuple[int, int, Job]] = []
        self._others: list[tuple[int, int, Job]] = []
        self._number = 0
        self._in_a_row = 0

    def put(self, job: Job, due_ns: int) -> None:
        """Have a job run at or after a time."""
        job.due_ns = due_ns
        self._number += 1
        heap = self._urgent if job.read.urgent else self._others
        heapq.heappush(heap, (due_ns, self._number, job))

    def again(self, job: Job, now_ns: int) -> None:
        """Have a job run a period after it was due, or at once when that is past."""
        self.put(job, max(job.due_ns + int(job.period_ns * job.stretch), now_ns))

    def pop(self, now_ns: int) -> Job | None:
        """Take the job whose turn it is; None when nothing is due."""
        urgent = bool(self._urgent) and self._urgent[0][0] <= now_ns
        others = bool(self._others) and self._others[0][0] <= now_ns
        if urgent and not (others and self._in_a_row >= URGENT_IN_A_ROW):
            self._in_a_row += 1
            return heapq.heappop(self._urgent)[2]
        if others:
            self._in_a_row = 0
            return heapq.heappop(self._others)[2]
        return None

    def drop(self, unit: int) -> None:
        """Forget the jobs of a unit."""
        for heap in (self._urgent, self._others):
            heap[:] = [entry for entry in heap if entry[2].read.unit != unit]
            heapq.heapify(heap)

    def next_ns(self) -> int | None:
        """When the next job is due; None without jobs."""
        heads = [heap[0][0] for heap in (self._urgent, self._others) if heap]
        return min(heads) if heads else None


def rebalance(jobs: Iterable[Job]) -> float:
    """Set every job's stretch (keep 3); returns the share of the bus's time that is wanted."""
    demand: dict[int, float] = {}
    kept = list(jobs)
    for job in kept:
        share = job.cost_s * 1e9 / job.period_ns
        demand[job.read.unit] = demand.get(job.read.unit, 0.0) + share
    wanted = sum(demand.values())
    granted = dict(demand)
    if wanted > BUSY_SHARE:
        left, waiting = BUSY_SHARE, sorted(demand, key=lambda unit: demand[unit])
        while waiting:
            fair = left / len(waiting)
            granted[waiting[0]] = min(demand[waiting[0]], fair)
            left -= granted[waiting[0]]
            del waiting[0]
    for job in kept:
        share = granted[job.read.unit]
        ratio = demand[job.read.unit] / share if share else 1.0
        job.stretch = min(max(ratio, 1.0), MOST_STRETCH)
    return wanted
