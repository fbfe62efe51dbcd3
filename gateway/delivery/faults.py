"""Faults of one receiver: what people read when it does not take, refuses or parks what it is sent.

Owns    the words, and under which name each fault stands.
Needs   telling (when it is time), the intake's fault().
Keeps   1. What is about duress is a fault of that kind and of a name of its own, so it is shown
           where duress may be shown and nowhere else (decision 0023).
"""

from collections.abc import Callable
from typing import Final

from gateway.delivery.telling import SILENT, Telling
from gateway.events import Kind, Scalar
from gateway.words import Said, receiver

WHY_CHARS: Final = 256


class Faults:
    """See the module. fault: raises a fault of the gateway, or ends it."""

    def __init__(self, name: str, telling: Telling, fault: Callable[..., None]) -> None:
        self._name = name
        self._telling = telling
        self._fault = fault
        self._called = receiver(name)

    def look(self, now_ns: int, waiting: int, silent: int) -> None:
        """Raise what is due, or end it: one for everybody, one for who may know of duress.

        waiting, silent  how many records wait, without duress and of it
        """
        self._undelivered("", waiting, is_bad=self._telling.must_tell(now_ns))
        is_bad = self._telling.must_tell_silent(now_ns, silent)
        self._undelivered(SILENT, silent, is_bad=is_bad)

    def rejected(self, kind: str, record_id: str) -> None:
        """It took a record and said that it does not accept it."""
        said = Said(
            f"{self._called.zh} 拒收警情，请电话确认",
            f"{self._called.en} rejected an alarm: telephone",
        )
        self._raise("rejected", kind, said, {"record": record_id})

    def parked(self, kind: str, record_id: str, why: str) -> None:
        """It refused a record, which waits for a person now; why: WHY_CHARS at most."""
        said = Said(
            f"{self._called.zh} 拒绝接收记录，已搁置，请处理",
            f"{self._called.en} refused a record, which is parked: see to it",
        )
        self._raise("parked", kind, said, {"why": why, "record": record_id})

    def _undelivered(self, kind: str, waiting: int, *, is_bad: bool | None) -> None:
        if is_bad is None:
            return
        if not is_bad:
            self._fault(self._key("uplink", kind), None, active=False, attributes={})
            return
        zh, en = ("胁迫警情", "a duress alarm") if kind == SILENT else ("警情", "")
        said = Said(
            f"{self._called.zh} 未送达：{zh}尚未被接收",
            f"{en} not delivered to {self._called.en}, still trying".strip(),
        )
        self._raise("uplink", kind, said, {"waiting": waiting})

    def _raise(self, what: str, kind: str, said: Said, attributes: dict[str, Scalar]) -> None:
        self._fault(
            self._key(what, kind),
            said,
            active=True,
            attributes={"receiver": self._name, **attributes},
            kind=Kind.DURESS if kind == SILENT else Kind.FAULT,
        )

    def _key(self, what: str, kind: str) -> str:
        return f"{what}.{self._name}.{SILENT}" if kind == SILENT else f"{what}.{self._name}"
