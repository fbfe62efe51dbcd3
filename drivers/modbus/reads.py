"""The reads of a bus, and what becomes of one that a device refuses. Pure.

Owns    the jobs of every unit, and which wants their unit refused when they were asked for alone.
Needs   gateway.links.modbus.planner, schedule.Job. The caller says what time it is.
Keeps   1. One address that is not there does not blind its neighbours (quirk row 6): a refused read
           is halved until the refused want is alone.
        2. A want that is refused alone is asked again after REFUSED_FIRST_S, then ever more seldom;
           all of them together at most once in REFUSED_MOST_S. When one is answered after all the
           device has changed, and its reads are put together anew.
"""

from collections.abc import Callable, Sequence
from typing import Final

from drivers.modbus.schedule import Job
from gateway.links.modbus.planner import Read, Want, plan_reads, split

REFUSED_FIRST_S: Final = 1.0
REFUSED_MOST_S: Final = 30.0


class Reads:
    """See the module. make puts a read into a job.

    jobs  all of them; those of one unit change when it refuses some
    """

    def __init__(self, wants: Sequence[Want], make: Callable[[Read], Job]) -> None:
        self._wants: dict[int, list[Want]] = {}
        for want in wants:
            self._wants.setdefault(want.unit, []).append(want)
        self._make = make
        self._missing: dict[int, set[Job]] = {}
        self.jobs = [make(read) for read in plan_reads(wants)]

    def of(self, unit: int) -> list[Job]:
        """The jobs of one unit."""
        return [job for job in self.jobs if job.read.unit == unit]

    def smaller(self, job: Job) -> list[Job]:
        """Return what to ask instead of a read that was refused; nothing when it is one want."""
        pieces = split(job.read, self._wants[job.read.unit])
        if len(pieces) < 2:
            return []
        fresh = [self._make(piece) for piece in pieces]
        self.jobs = [other for other in self.jobs if other is not job] + fresh
        return fresh

    def refused(self, job: Job) -> float:
        """Note that a want alone was refused; returns after how many seconds to ask it again."""
        missing = self._missing.setdefault(job.read.unit, set())
        missing.add(job)
        wait_s = REFUSED_FIRST_S * 2.0 ** min(job.failures - 1, 10)
        return min(wait_s, REFUSED_MOST_S * len(missing))

    def answered(self, job: Job) -> list[Job] | None:
        """Note that a read which had failed was answered; returns the unit's new jobs, if new."""
        missing = self._missing.get(job.read.unit)
        if not missing or job not in missing:
            return None
        unit = job.read.unit
        del self._missing[unit]
        fresh = [self._make(read) for read in plan_reads(self._wants[unit])]
        self.jobs = [other for other in self.jobs if other.read.unit != unit] + fresh
        return fresh
