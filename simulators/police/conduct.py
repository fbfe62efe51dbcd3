"""How the police receiver behaves: well, or badly in one of the ways receivers do.

Keeps   A conduct ends by count, by time or by command; then the one below it holds again.
"""

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class How(StrEnum):
    """What is done with a request. `kept` below: the record is in the inbox afterwards.

    good        receipt                                              kept
    empty       2xx with no body: a receipt by the contract          kept
    rejected    a receipt that says rejected                         kept
    silence     the connection is accepted, nothing is answered      not kept
    status      an error status, 500 unless told otherwise           not kept
    busy        429 with Retry-After                                 not kept
    dribble     a good receipt, one byte each interval               kept
    reset       a good receipt, broken off in its middle by RST      kept
    drop        connection reset instead of an answer                not kept
    redirect    302 to another place on this server                  not kept
    login_page  200 with a page of HTML                              not kept
    other_id    200 with a receipt for another record                not kept
    not_json    200 that says it is JSON and is not                  not kept
    endless     200 with a body that never ends                      not kept
    poison      400 for chosen records, good for others
    """

    GOOD = "good"
    EMPTY = "empty"
    REJECTED = "rejected"
    SILENCE = "silence"
    STATUS = "status"
    BUSY = "busy"
    DRIBBLE = "dribble"
    RESET = "reset"
    DROP = "drop"
    REDIRECT = "redirect"
    LOGIN_PAGE = "login_page"
    OTHER_ID = "other_id"
    NOT_JSON = "not_json"
    ENDLESS = "endless"
    POISON = "poison"


KEPT = frozenset({How.GOOD, How.EMPTY, How.REJECTED, How.DRIBBLE, How.RESET})


@dataclass(slots=True, kw_only=True)
class Conduct:
    """One way to behave, for some requests or some time.

    times          requests it holds for; None without limit
    until_s        monotonic time when it ends; None never
    status         of How.STATUS
    retry_after    header of How.BUSY and How.STATUS; None leaves it out
    interval_s     between two bytes of How.DRIBBLE
    devices, ids   only records of these; both empty means all
    """

    how: How
    times: int | None = None
    until_s: float | None = None
    status: int = 500
    retry_after: str | None = None
    interval_s: float = 0.05
    devices: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()

    def concerns(self, record: dict[str, Any]) -> bool:
        """Whether it holds for this record."""
        if not self.devices and not self.ids:
            return True
        data = record.get("data")
        device = data.get("device") if isinstance(data, dict) else None
        device_id = device.get("id") if isinstance(device, dict) else None
        return record.get("id") in self.ids or device_id in self.devices


@dataclass(slots=True)
class Behaviour:
    """The conducts in force, newest first; good when there is none."""

    conducts: list[Conduct] = field(default_factory=list)

    def add(self, conduct: Conduct) -> None:
        """From now on this one, where it concerns a record."""
        self.conducts.insert(0, conduct)

    def clear(self) -> None:
        """Behave."""
        self.conducts.clear()

    def next(self, records: list[dict[str, Any]]) -> Conduct:
        """Return how to treat a request with these records, and count it."""
        now_s = time.monotonic()
        self.conducts = [
            one
            for one in self.conducts
            if one.times != 0 and (one.until_s is None or now_s < one.until_s)
        ]
        for one in self.conducts:
            if any(one.concerns(record) for record in records):
                if one.times is not None:
                    one.times -= 1
                return one
        return Conduct(how=How.GOOD)
