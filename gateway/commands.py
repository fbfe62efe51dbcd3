"""What people have devices told: who may, when, and that it is all written down.

Owns    the order of questions a request has to answer, and its records.
Needs   commanding.py (which commands, and the driver), linkage.py (valves), the intake (records).
Keeps   1. Default deny: a command that devices.toml does not allow is refused, whoever asks.
        2. Every request is a record with who, role and why, refused ones too; one that moves
           something has a record before (on disk before it is sent) and one after. A close waits
           for no disk.
        3. One command at a time for each device; a close overtakes.
        4. Bounds: BURST requests of a token at once and one each EVERY_S after that, the rest is
           answered `too_often` without a record; an answer after ANSWER_S at the latest, while
           the command goes on.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.commanding import Commanding, Known
from gateway.config import Interlock
from gateway.console.desk import Code, Ordered, Row
from gateway.console.limits import RateLimit
from gateway.console.rights import may_send
from gateway.console.tokens import Identity
from gateway.driver import Outcome
from gateway.events import Kind, Scalar
from gateway.intake import Intake
from gateway.interlock import Person
from gateway.linkage import Linkage
from gateway.rules.ledger import Ledger

BURST: Final = 5.0
EVERY_S: Final = 2.0
ANSWER_S: Final = 60.0

log = structlog.get_logger()


@dataclass(slots=True)
class _Request:
    """One request of one person; `first` is who asked before him, when it takes two."""

    device_id: str
    name: str
    who: Identity
    reason: str
    rule: Interlock | None
    first: str = ""


class Commands:
    """Implements gateway.desk.Orders."""

    def __init__(
        self,
        commanding: Commanding,
        linkage: Linkage,
        intake: Intake,
        clock: Clock,
        gateway_id: str,
    ) -> None:
        self._commanding = commanding
        self._linkage = linkage
        self._intake = intake
        self._gateway_id = gateway_id
        self._rate = RateLimit(clock, per_s=1 / EVERY_S, burst=BURST)
        self._busy: set[str] = set()

    def rows(self, device_id: str) -> list[Row]:
        """See Orders."""
        return [
            {
                "name": known.name,
                "text": known.text,
                "text_en": known.text_en,
                "effect": known.effect,
                "permission": known.permission,
                "allowed": known.allowed,
            }
            for known in self._commanding.known(device_id).values()
        ]

    async def order(self, device_id: str, name: str, who: Identity, reason: str) -> Ordered:
        """See Orders."""
        wait_s = self._rate.wait_s(who.id)
        if wait_s > 0:
            why = "命令过于频繁 / too many commands"
            return Ordered(state="refused", code="too_often", why=why, retry_s=wait_s)
        if not self._linkage.is_running:
            return Ordered(state="refused", code="starting", why="正在启动 / starting")
        request = _Request(device_id, name, who, reason, self._linkage.rule_of(device_id))
        # On its own, because whoever asked may hang up, and the record must be written all the same
        job = self._linkage.spawn(self._job(request))
        done, _ = await asyncio.wait({job}, timeout=ANSWER_S)
        if not done:
            why = "仍在执行，结果见记录 / still under way: its record will tell"
            return Ordered(state="running", code="running", why=why)
        return job.result()

    async def _job(self, request: _Request) -> Ordered:
        try:
            return await self._judge(request)
        except Exception:  # the edge: one request's bug must not end what keeps the valves
            log.exception("a command broke", device=request.device_id, command=request.name)
            why = "网关内部错误，请到现场确认 / the gateway failed: look at the place"
            return Ordered(state="failed", code="failed", why=why)

    async def _judge(self, request: _Request) -> Ordered:
        known = self._commanding.known(request.device_id).get(request.name)
        no = self._why_not(request, known)
        if no is not None:
            return await self._refuse(request, *no)
        assert known is not None  # noqa: S101 else there is a reason why not
        if known.effect == "open":
            return await self._open(request)
        if request.rule is not None and request.name == request.rule.close:
            return await self._ended(request, await self._linkage.close(request.device_id))
        return await self._other(request, known)

    def _why_not(self, request: _Request, known: Known | None) -> tuple[Code, str] | None:
        """What forbids it whatever the valve and the gas do: the first reason, None for none."""
        if request.device_id not in self._commanding.devices:
            return "no_such_device", "没有这个设备 / there is no such device"
        if known is None:
            return "no_such_command", "型号没有这个命令 / the device has no such command"
        if not known.allowed:
            why = "安装时未允许此命令 / the installer has not allowed it for this device"
            return "not_allowed", why
        if not may_send(request.who.role, known.permission):
            role = known.permission
            return "wrong_role", f"须由 {role} 以上角色执行 / needs the role {role} or above"
        return None

    async def _open(self, request: _Request) -> Ordered:
        """Open a valve, for the second of two people."""
        if request.rule is None or request.rule.open != request.name:
            why = "没有联动管这个阀 / no interlock governs this valve"
            return await self._refuse(request, "refused", why)
        person = Person(request.who.id, request.who.name)
        decision = self._linkage.ask_open(request.device_id, person)
        if decision.verdict == "refused":
            return await self._refuse(request, "refused", decision.why)
        if decision.verdict == "waiting":
            await self._record(request, "waiting", decision.why)
            return Ordered(state="waiting", code="waiting", why=decision.why)
        request.first = decision.first
        await self._record(request, "requested", "")
        # It looks at everything once more: writing the record took its time.
        return await self._ended(request, await self._linkage.open(request.device_id))

    async def _other(self, request: _Request, known: Known) -> Ordered:
        if known.effect == "close":
            outcome = await self._commanding.tell(request.device_id, request.name)
            return await self._ended(request, outcome)
        if request.device_id in self._busy:
            why = "设备正在执行另一命令 / another command is under way"
            return await self._refuse(request, "busy", why)
        self._busy.add(request.device_id)
        try:
            await self._record(request, "requested", "")
            outcome = await self._commanding.tell(request.device_id, request.name)
        finally:
            self._busy.discard(request.device_id)
        return await self._ended(request, outcome)

    async def _ended(self, request: _Request, outcome: Outcome) -> Ordered:
        await self._record(request, outcome.state, outcome.why)
        code: Code = "done"
        if outcome.state in {"failed", "refused"}:
            code = "failed" if outcome.state == "failed" else "refused"
        return Ordered(state=outcome.state, code=code, why=outcome.why)

    async def _refuse(self, request: _Request, code: Code, why: str) -> Ordered:
        await self._record(request, "refused", why)
        return Ordered(state="refused", code=code, why=why)

    async def _record(self, request: _Request, state: str, why: str) -> None:
        """Have it on disk; of a device that does not exist the gateway itself says it."""
        known = request.device_id in self._commanding.devices
        device_id = request.device_id if known else self._gateway_id
        rule = request.rule
        attributes: dict[str, Scalar | None] = {
            "by": request.who.name,
            "role": str(request.who.role),
            "token": request.who.id,
            "reason": request.reason,
            "first": request.first,
            "interlock": None if rule is None else rule.name,
            "device": None if known else request.device_id,
        }

        def work(ledger: Ledger) -> None:
            kind = Kind.EQUIPMENT if rule is None else Kind.GAS
            self._commanding.note(
                ledger, device_id, request.name, (state, why), kind=kind, attributes=attributes
            )

        await self._intake.command(work)
