"""Modbus RTU, on a wire or through a converter: whose answer a frame is.

Owns    what is asked, which units still owe an answer, and whether the line echoes.
Needs   rtu_frames, request, line, errors. Pure: the time is handed in.
Keeps   1. RTU has no transaction ids. A unit that did not answer rightly (time-out, caller gone,
           wrong reply) is in quarantine until its late replies have come or drain_s has passed, and
           must not be asked before (quirk rows 8, 25). Other units may: a late frame carries the
           number of the unit that sends it.
        2. A reply later than drain_s that was recognised lengthens that unit's quarantine to
           LATE_FACTOR times its latency, at most MAX_DRAIN_S: the unit teaches us how slow it is.
        3. Our own frame that comes back is never taken for a unit's confirmation, once it is known
           or suspected that the line echoes (row 16).

What is left: a first reply that is later than drain_s and arrives exactly while the same unit is
asked for as many registers of the same function cannot be told apart by anybody. drain_s has to be
longer than the slowest unit's longest reply time.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.links.modbus.crc import crc_fits
from gateway.links.modbus.errors import Silent, Wrong
from gateway.links.modbus.line import MAX_STRANGE_BYTES, LineQuality, OnStrange, Strange
from gateway.links.modbus.mbap import Outcome
from gateway.links.modbus.request import BARE_EXCEPTION, Request
from gateway.links.modbus.rtu_frames import Frame, RtuFrames

LATE_FACTOR: Final = 1.5
MAX_DRAIN_S: Final = 10.0
MEMORY_NS: Final = 20_000_000_000
"""How long a reply that was never given is still recognised when it comes."""
MAX_OWED: Final = 4
"""Unanswered requests remembered for each unit; there are 256 units."""

Echo = bool | Literal["auto"]


@dataclass(slots=True)
class _Debts:
    """What one unit has not answered.

    owed      (request, when it was sent), oldest first
    until_ns  end of the quarantine
    drain_ns  how long this unit's quarantine is
    """

    drain_ns: int
    owed: deque[tuple[Request, int]] = field(default_factory=lambda: deque(maxlen=MAX_OWED))
    until_ns: int = 0


class RtuWire:
    """One RTU conversation; the same methods as MbapWire."""

    def __init__(
        self,
        line: LineQuality,
        strange: OnStrange,
        *,
        drain_s: float,
        echo: Echo,
        heartbeats: tuple[bytes, ...] = (),
    ) -> None:
        self._line = line
        self._strange = strange
        self._frames = RtuFrames(line, heartbeats)
        self._drain_ns = int(drain_s * 1e9)
        self._echo: bool | None = None if echo == "auto" else echo
        self._echo_due = self._echo_suspected = False
        self._asked: Request | None = None
        self._last: Request | None = None
        self._sent_ns = 0
        self._garbage_before = 0
        self._debts: dict[int, _Debts] = {}

    def send(self, request: Request, now_ns: int) -> bytes:
        """Begin a transaction; returns what has to be written.

        The unit must not be in quarantine. What is left on the line from before is dropped, unless
        a late reply may just be coming.
        """
        if self._frames.held and not any(d.until_ns > now_ns for d in self._debts.values()):
            self._frames.flush()
        self._frames.skipped.clear()
        self._last = request
        self._asked = None if request.broadcast else request
        self._sent_ns = now_ns
        self._echo_due = self._echo is True
        self._echo_suspected = False
        self._garbage_before = self._line.garbage_bytes
        return request.rtu

    def receive(self, data: bytes, now_ns: int) -> Outcome | None:
        """Take in bytes; returns how the transaction ended, None while it has not."""
        asked = self._asked
        if (
            asked is not None
            and asked.data_bytes
            and len(data) == asked.body_bytes + 2
            and data.startswith(asked.head)
            and not self._frames.held
            and crc_fits(data)
        ):  # what happens all day: one reply in one piece
            if self._echo is None:
                self._believe_no_echo()
            self._asked = None
            return data[3:-2]
        self._frames.feed(data)
        outcome = self._take_frames(now_ns)
        if outcome is None and self._frames.damaged and (asked := self._asked) is not None:
            self._line.crc_errors += 1
            raw = self._frames.flush()
            self._owes(now_ns)
            why = "应答校验和不对，线路有干扰 / the reply's checksum is wrong: a noisy line"
            outcome = Wrong(asked.unit, f"{asked.unit}: {why}", raw)
        self._frames.damaged = False
        return outcome

    def _take_frames(self, now_ns: int, *, final: bool = False) -> Outcome | None:
        outcome = None
        while True:
            frame = self._frames.take(self._awaited(now_ns), self._asked, final=final)
            if frame is None:
                return outcome
            found = self._judge(frame, now_ns)
            outcome = found if outcome is None else outcome

    def _awaited(self, now_ns: int) -> list[Request]:
        awaited = [
            request
            for debts in self._debts.values()
            for request, sent_ns in debts.owed
            if now_ns - sent_ns <= MEMORY_NS
        ]
        if self._asked is not None:
            awaited.insert(0, self._asked)
        return awaited

    def _judge(self, frame: Frame, now_ns: int) -> Outcome | None:
        """Whose frame is it? Returns an outcome when it ends the transaction."""
        asked, last = self._asked, self._last
        if last is not None and frame.raw == last.rtu:
            if asked is None and last.function in {5, 6} and self._pay(frame, now_ns):
                return None  # a late confirmation looks like an echo
            if self._is_echo(last):
                return b"" if self._end_suspicion() else None
        if asked is None or frame.unit != asked.unit or frame.request:
            self._stranger(frame, now_ns)
            return None
        answer = asked.answer(frame.function, frame.rest)
        if isinstance(answer, Wrong):
            if self._pay(frame, now_ns):
                return None  # a very late one; ours is still to come
            self._owes(now_ns)  # row 25: it may have been somebody else's, then ours still comes
            return answer
        if frame.function <= 4 and self._echo is None:
            self._believe_no_echo()
        self._asked = None
        return answer

    # Our own frame coming back (row 16).

    def _is_echo(self, sent: Request) -> bool:
        """A frame equal to what was sent last: True when it is an echo, False when a reply."""
        if self._asked is not None and sent.function in {5, 6}:
            # The right reply looks just the same.
            if self._echo is None and not self._echo_suspected:
                self._echo_suspected = True  # expire() says so, or a second one settles it
                return True
            if self._echo is False or (self._echo and not self._echo_due):
                return False
        self._echo_due = False
        self._line.echoes += 1
        if self._echo is not True:
            self._echo = True
            self._tell("echo", sent.unit, sent.rtu, None)
        return True

    def _end_suspicion(self) -> bool:
        """Whether a write of one value, seen twice, has thereby been echoed and then answered."""
        if not (self._echo_suspected and self._echo and self._asked is not None):
            return False
        self._asked = None
        return True

    def _believe_no_echo(self) -> None:
        if self._line.garbage_bytes == self._garbage_before:  # no damaged echo either
            self._echo = False

    # Units that owe an answer (rows 8, 15, 25).

    def _stranger(self, frame: Frame, now_ns: int) -> None:
        if frame.request:
            self._line.unsolicited += 1
            self._tell("unsolicited", frame.unit, frame.raw, None)
        elif self._pay(frame, now_ns):
            return
        elif self._asked is not None:
            self._line.foreign += 1
            self._tell("foreign", frame.unit, frame.raw, None)
        else:
            self._line.unsolicited += 1
            self._tell("unsolicited", frame.unit, frame.raw, None)

    def _pay(self, frame: Frame, now_ns: int) -> bool:
        """Whether the frame is a late reply; then the oldest debt it fits is settled."""
        debts = self._debts.get(frame.unit)
        if debts is None:
            return False
        paid = next((at for at, debt in enumerate(debts.owed) if _pays(frame, debt, now_ns)), None)
        if paid is None and debts.owed and debts.until_ns > now_ns and not frame.request:
            # Short or refused: who else would speak with this number now?
            function = debts.owed[0][0].function
            paid = 0 if frame.function in {function, function | 0x80, BARE_EXCEPTION} else None
        if paid is None:
            return False
        age_ns = now_ns - debts.owed[paid][1]
        del debts.owed[paid]
        self._line.late += 1
        self._tell("late", frame.unit, frame.raw, age_ns / 1e9)
        if not debts.owed:
            debts.until_ns = 0
        learned_ns = min(int(age_ns * LATE_FACTOR), int(MAX_DRAIN_S * 1e9))
        debts.drain_ns = max(debts.drain_ns, learned_ns)
        return True

    def _owes(self, now_ns: int) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            return
        debts = self._debts.setdefault(asked.unit, _Debts(self._drain_ns))
        debts.owed.append((asked, self._sent_ns))
        debts.until_ns = max(debts.until_ns, now_ns + debts.drain_ns)

    def quiet_s(self, unit: int, now_ns: int) -> float:
        """How long this unit has to be left alone still; 0.0 when it may be asked."""
        debts = self._debts.get(unit)
        return 0.0 if debts is None else max(0.0, (debts.until_ns - now_ns) / 1e9)

    def expire(self, timeout_s: float, now_ns: int) -> Outcome:
        """The time is up; returns how the transaction ended."""
        asked = self._asked
        if asked is None:
            raise RuntimeError("nothing is asked")
        # Garbage that looked like the beginning of a frame may have kept the reply waiting.
        outcome = self._take_frames(now_ns, final=True)
        if outcome is not None:
            return outcome
        rest = self._frames.flush()
        self._owes(now_ns)
        if self._echo_suspected:
            why = (
                "写操作的应答与自己的回声分不清，先读一次再写"
                " / the answer may be our own echo: nothing is confirmed before a first read"
            )
            return Wrong(asked.unit, f"{asked.unit}: {why}", asked.rtu)
        if asked.head in rest or rest.startswith(asked.head[:2]):
            self._line.crc_errors += 1
            why = "应答没有到齐或已损坏 / the reply was cut short or damaged"
            return Wrong(asked.unit, f"{asked.unit}: {why}", rest)
        return Silent(asked.unit, timeout_s)

    def abandon(self, now_ns: int) -> None:
        """Nobody waits any more: the unit is in quarantine as after a time-out."""
        self._owes(now_ns)

    def _tell(self, what: Strange, unit: int, raw: bytes, latency_s: float | None) -> None:
        self._strange(what, unit, raw[:MAX_STRANGE_BYTES], latency_s)


def _pays(frame: Frame, debt: tuple[Request, int], now_ns: int) -> bool:
    request, sent_ns = debt
    if now_ns - sent_ns > MEMORY_NS:
        return False
    return not isinstance(request.answer(frame.function, frame.rest), Wrong)
