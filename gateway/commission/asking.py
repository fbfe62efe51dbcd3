"""Asking a bus politely: reads only, so many in a second, and every end of a request is an answer.

Owns    the pace, the count of requests, and opening the bus again when somebody hangs up.
Needs   gateway.links.modbus, the Clock.
Keeps   1. Only functions 1 to 4 are ever sent: there is no way to write through here.
        2. At most rate_per_s requests are sent in a second, the first at once.
        3. MAX_REOPENS times a connection that was lost is opened again; then LinkDown goes up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from gateway.clock import Clock
from gateway.config.inspection import both
from gateway.errors import LinkDown
from gateway.links.modbus import (
    BusSettings,
    ModbusConnection,
    OnStrange,
    Refused,
    Request,
    Silent,
    Strange,
    Wrong,
)

READ_FUNCTIONS: Final = (1, 2, 3, 4)
MAX_REOPENS: Final = 3
REOPEN_PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Reply:
    """How one request ended.

    state   data     words (or bits, 0 and 1) are there
            refused  the unit is there and says no with `code`
            silent   nobody answered; `code` when a gateway said so for the unit
            wrong    something came that was no answer, `why` says what
            lost     the connection ended amid it
    took_s  from the request to its end
    """

    state: Literal["data", "refused", "silent", "wrong", "lost"]
    words: tuple[int, ...] = ()
    code: int | None = None
    why: str = ""
    took_s: float = 0.0
    raw: bytes = b""

    @property
    def alive(self) -> bool:
        """Whether a unit said this itself."""
        return self.state in {"data", "refused"}


class Asker:
    """One bus, asked at a pace. Make it with open().

    requests  how many were sent so far
    on_strange   called for frames nobody asked for, see gateway.links.modbus.OnStrange
    """

    def __init__(
        self,
        settings: BusSettings,
        clock: Clock,
        *,
        rate_per_s: float,
        on_strange: OnStrange | None = None,
    ) -> None:
        self.settings = settings
        self.requests = 0
        self._clock = clock
        self._step_ns = int(1e9 / rate_per_s)
        self._next_ns = 0
        self._on_strange = on_strange
        self._connection: ModbusConnection | None = None
        self._reopens = 0

    async def open(self) -> None:
        """Open the bus; LinkDown with a sentence for an installer."""
        self._connection = await ModbusConnection.open(self.settings, self._clock, self._strange)

    async def close(self) -> None:
        """Close the bus; safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def read(
        self,
        unit: int,
        function: int,
        address: int,
        count: int,
        *,
        timeout_s: float,
        gap_s: float = 0.0,
    ) -> Reply:
        """Read registers or bits; ValueError for what no request may ask (see Request.read).

        raises LinkDown  when the bus was lost for the last time
        """
        request = Request.read(unit, function, address, count)
        await self._take_turn()
        began = self._clock.mono_ns()
        noise_bytes = 0
        try:
            if self._connection is None:
                await self.open()
            assert self._connection is not None  # noqa: S101 open() raises or sets it
            noise_bytes = self._connection.line.garbage_bytes
            data = await self._connection.ask(request, timeout_s, gap_s)
        except Silent:
            return self._silent(noise_bytes, began)
        except Refused as refused:
            state: Literal["silent", "refused"] = "silent" if refused.unit_silent else "refused"
            return Reply(state, code=refused.code, took_s=self._since(began))
        except Wrong as wrong:
            return Reply("wrong", why=wrong.why, took_s=self._since(began), raw=wrong.raw)
        except LinkDown as down:
            return await self._lost(down, began)
        return Reply("data", unpacked(request, data), took_s=self._since(began))

    def _silent(self, noise_bytes: int, began: int) -> Reply:
        """Tell silence from bytes that belong to no frame: somebody speaks, and is not understood.

        noise_bytes  of the line before the question
        """
        line = None if self._connection is None else self._connection.line
        noise_bytes = 0 if line is None else line.garbage_bytes - noise_bytes
        if not noise_bytes:
            return Reply("silent", took_s=self._since(began))
        why = both(
            f"收到 {noise_bytes} 字节，不成帧", f"{noise_bytes} bytes came that are no frame"
        )
        return Reply("wrong", why=why, took_s=self._since(began))

    async def _take_turn(self) -> None:
        wait_ns = self._next_ns - self._clock.mono_ns()
        if wait_ns > 0:
            await self._clock.sleep(wait_ns / 1e9)
        self._next_ns = self._clock.mono_ns() + self._step_ns
        self.requests += 1

    async def _lost(self, down: LinkDown, began: int) -> Reply:
        await self.close()
        self._reopens += 1
        if self._reopens > MAX_REOPENS:
            raise down
        await self._clock.sleep(REOPEN_PAUSE_S)
        return Reply("lost", why=str(down), took_s=self._since(began))

    def _since(self, began: int) -> float:
        return (self._clock.mono_ns() - began) / 1e9

    def _strange(self, what: Strange, unit: int, raw: bytes, latency_s: float | None) -> None:
        if self._on_strange is not None:
            self._on_strange(what, unit, raw, latency_s)


def unpacked(request: Request, data: bytes) -> tuple[int, ...]:
    """Return the words of a reply, or its bits as 0 and 1."""
    if request.function <= 2:
        return tuple(data[at // 8] >> at % 8 & 1 for at in range(request.count))
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))


Told = Callable[[str], None]
"""Where progress goes: one line for a person, Chinese first."""
