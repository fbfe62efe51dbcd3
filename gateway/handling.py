"""Handling: what people do about an alarm besides acknowledging and closing it.

Owns    the steps of its response plan, its notes, and that somebody telephoned.
Needs   the intake, which writes; response_plans.py for what a step is.
Keeps   1. The alarm's row and the entry of the audit trail are one commit, and are on disk when a
           call returns (decision 0019: no record, so that no receiver is sent a guard's notes).
        2. A telephone call ends the sound of "not delivered" and is no receipt: the lamp stays as
           the receiver left it.
        3. Who comes second is told who was first.
Bound   NOTES_MOST notes and CALLS_MOST calls of an alarm; their length is bounded by the API.
"""

from collections.abc import Callable, Collection
from typing import Any, Final

from gateway.audit import Entry
from gateway.console import desk as console
from gateway.console.tokens import Identity
from gateway.events import Kind, Mode, Scalar
from gateway.intake import Intake
from gateway.response_plans import Plan, Plans, State, marked, owed, with_mark
from gateway.rules.alarm import Alarm
from gateway.rules.ledger import Ledger
from gateway.store import rfc3339

NOTES_MOST: Final = 50
CALLS_MOST: Final = 20


class Handling:
    """See the module.

    receivers    names that may be telephoned instead of
    is_required  whether mandatory steps hold up closing
    """

    def __init__(
        self, intake: Intake, plans: Plans, receivers: Collection[str], *, is_required: bool
    ) -> None:
        self._intake = intake
        self._plans = plans
        self._receivers = frozenset(receivers)
        self._is_required = is_required

    def change(self, plans: Plans) -> None:
        """Go by these plans from now on; steps that were marked stay as they were."""
        self._plans = plans

    def plans(self) -> list[Plan]:
        """Return every plan, in the order of kinds."""
        return [self._plans[kind] for kind in Kind if kind in self._plans]

    def plan_of(self, alarm: Alarm) -> Plan | None:
        """Return what is done about such an alarm, None when nothing was written down."""
        return self._plans.get(Kind(alarm.kind)) if alarm.kind in set(Kind) else None

    def owed(self, alarm: Alarm) -> list[int]:
        """Return the steps that hold up closing: none unless the site says so."""
        if not self._is_required or alarm.mode == Mode.HISTORICAL or alarm.category != "alarm":
            return []
        return owed(self.plan_of(alarm), alarm.steps)

    async def step(
        self, alarm_id: str, number: int, who: Identity, state: State, reason: str
    ) -> None:
        """Write down that a step was done or skipped; raises NoSuchAlarm, WrongState."""

        def work(ledger: Ledger, alarm: Alarm) -> None:
            plan = self.plan_of(alarm)
            step = None if plan is None else plan.step(number)
            if step is None:
                raise console.WrongState("预案没有这一步 the plan has no such step")
            before = marked(alarm.steps, number, step)
            if before is not None and before["state"] == state:
                raise console.WrongState(f"{before['by']} 已记下 has written that down already")
            mark = _by(who, ledger, step=number, text=step.zh, state=state, reason=reason)
            alarm.steps = with_mark(alarm.steps, mark)
            said: dict[str, Scalar] = {"step": number, "state": state, "text": step.zh}
            ledger.audit(_entry(who, "alarm.step", alarm_id, reason, said))

        await self._change(alarm_id, work)

    async def note(self, alarm_id: str, who: Identity, text: str) -> None:
        """Write down what a person has to say; raises NoSuchAlarm, WrongState."""

        def work(ledger: Ledger, alarm: Alarm) -> None:
            if len(alarm.notes) >= NOTES_MOST:
                raise console.WrongState(
                    f"已有 {NOTES_MOST} 条备注 there are as many notes already"
                )
            alarm.notes = [*alarm.notes, _by(who, ledger, text=text)]
            ledger.audit(_entry(who, "alarm.note", alarm_id, text, {}))

        await self._change(alarm_id, work)

    async def telephoned(self, alarm_id: str, who: Identity, receiver: str, note: str) -> None:
        """Write down that a receiver was told by telephone; raises NoSuchAlarm, WrongState."""

        def work(ledger: Ledger, alarm: Alarm) -> None:
            if receiver not in self._receivers:
                raise console.WrongState("没有这个接收方 there is no such receiver")
            if len(alarm.telephoned) >= CALLS_MOST:
                raise console.WrongState(f"已有 {CALLS_MOST} 次 there are as many calls already")
            call = _by(who, ledger, receiver=receiver, note=note)
            alarm.telephoned = [*alarm.telephoned, call]
            ledger.audit(_entry(who, "alarm.telephoned", alarm_id, note, {"receiver": receiver}))

        await self._change(alarm_id, work)

    async def _change(self, alarm_id: str, work: Callable[[Ledger, Alarm], None]) -> None:
        def in_turn(ledger: Ledger) -> None:
            alarm = self._intake.judge.book.get(alarm_id)
            if alarm is None or alarm.category != "alarm":
                raise console.NoSuchAlarm(alarm_id)
            work(ledger, alarm)
            ledger.changed[alarm_id] = alarm

        await self._intake.command(in_turn)


def _by(who: Identity, ledger: Ledger, **what: Any) -> dict[str, Any]:  # noqa: ANN401 JSON scalars
    return {**what, "by": who.name, "at": rfc3339(ledger.now_ns)}


def _entry(
    who: Identity, action: str, alarm_id: str, reason: str, details: dict[str, Scalar]
) -> Entry:
    return Entry(
        who=who.name,
        role=str(who.role),
        from_address=who.address,
        action=action,
        subject=alarm_id,
        reason=reason,
        details=details,
    )
