"""A school in a folder: configuration by the contract, a gateway process, and all its far ends.

Source  design.md section 4: the commands, gateway.toml, devices.toml.
Owns    the folder, the gateway process, two brokers, two receivers, three wires, the devices.
Needs   a command that starts a gateway; it is only ever run, never imported.
Keeps   1. The gateway is killed with SIGKILL and started again on the same folder.
        2. Everything that was started is stopped, whatever happens.
        3. Bounds: 120 s to become ready, 10 s to stop, `arrive_s` for what is under way to arrive.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp

from simulators.brokers import Broker, Mosquitto, MosquittoSettings, NatsMqtt, free_port
from simulators.bureau import Bureau
from simulators.buttons import Device, Hand, make
from simulators.day.ledger import Ledger, compare, may_still_heal
from simulators.day.plan import Planned
from simulators.day.player import Handles
from simulators.inbox import Inbox
from simulators.mqtt import Publisher
from simulators.police import Police
from simulators.wire import Wire

READY_S: Final = 120.0
STOP_S: Final = 10.0
SECRET: Final = "whsec_" + "c2ltdWxhdGVkLWNhbXB1cy1kYXktc2VjcmV0LTA="
PROFILES: Final = {
    "json-button": "generic/json_button",
    "json-event": "generic/json_event",
    "zigbee-action": "alarm_button/zigbee2mqtt_sos",
}


class GatewayFailed(Exception):
    """The gateway did not become ready; its text ends with the last lines it wrote."""


@dataclass(slots=True)
class Site:
    """One school. `async with` starts everything, the gateway last.

    command   how to start a gateway: `run --config DIR` is appended
    devices   what is in devices.toml
    durable   the field broker is nats-server, whose PUBACK means on disk, not mosquitto
    """

    folder: Path
    command: Sequence[str]
    devices: Sequence[Planned]
    durable: bool = False
    handles: Handles = field(init=False)
    api_port: int = field(default_factory=free_port)
    gateway_starts: int = 0
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Start the brokers, receivers, wires and devices, then the gateway."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything, the gateway first."""
        await self._stack.aclose()

    async def _start(self) -> None:
        enter = self._stack.enter_async_context
        field_folder = self.folder / "field"
        field_broker: Broker = NatsMqtt(field_folder)
        if not self.durable:
            settings = MosquittoSettings(max_inflight=0, max_queued=0)
            field_broker = Mosquitto(field_folder, settings)
        await enter(field_broker)
        centre = await enter(
            Mosquitto(self.folder / "centre", MosquittoSettings(max_inflight=0, max_queued=0))
        )
        police = await enter(
            Police(secret=SECRET, inbox=Inbox(self.folder / "police.inbox"), batches=True)
        )
        bureau = await enter(Bureau(centre.address, inbox=Inbox(self.folder / "bureau.inbox")))
        wires = {
            "field": await enter(Wire(field_broker.port, seed=1)),
            "police": await enter(Wire(police.port, seed=2)),
            "bureau": await enter(Wire(centre.port, seed=3)),
        }
        hands = {}
        machines = [make(one.family, one.name) for one in self.devices]
        for machine in machines:
            publisher = Publisher(field_broker.address, client_id=f"device-{machine.name}")
            hands[machine.name] = Hand(machine, await enter(publisher))
        self.handles = Handles(
            hands=hands,
            wires=wires,
            broker=field_broker,
            police=police,
            bureau=bureau,
            kill_gateway=self.kill_gateway,
        )
        await asyncio.to_thread(self._write_configuration, machines, wires)
        self._stack.push_async_callback(self._stop_gateway)
        await self.start_gateway()

    def _write_configuration(self, machines: Sequence[Device], wires: dict[str, Wire]) -> None:
        folder = self.folder / "config"
        (folder / "secrets").mkdir(parents=True, exist_ok=True)
        secret = folder / "secrets" / "police"
        secret.write_text(SECRET, "utf-8")
        secret.chmod(0o600)
        (folder / "gateway.toml").write_text(
            f"""
[site]
id = "320612-0001"
name = "示范小学"
gateway = "gw-1"
[store]
path = "{self.folder / "store"}"
retention_days = 90
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:{wires["field"].port}"
[[uplink]]
name = "police"
kind = "http"
url = "http://127.0.0.1:{wires["police"].port}/alarms"
secret_file = "secrets/police"
[[uplink]]
name = "bureau"
kind = "mqtt"
url = "mqtt://127.0.0.1:{wires["bureau"].port}"
[console]
listen = "127.0.0.1:{self.api_port}"
""",
            "utf-8",
        )
        tables = []
        for planned, machine in zip(self.devices, machines, strict=True):
            address = ", ".join(f'{name} = "{value}"' for name, value in machine.address().items())
            tables.append(
                f"""
[[device]]
id = "{machine.name}"
profile = "{PROFILES[planned.family]}"
link = "field"
name = "设备{machine.name}"
place = "西门"
address = {{ {address} }}
""",
            )
        (folder / "devices.toml").write_text("".join(tables), "utf-8")

    async def start_gateway(self) -> None:
        """Start the process and wait for /readyz; raises GatewayFailed."""
        log = await asyncio.to_thread((self.folder / "gateway.log").open, "ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *(*self.command, "run", "--config", str(self.folder / "config")),
                stdout=log,
                stderr=log,
            )
        self.gateway_starts += 1
        try:
            async with asyncio.timeout(READY_S), aiohttp.ClientSession() as client:
                while not await self._ready(client):
                    if self._process.returncode is not None:
                        raise GatewayFailed(await asyncio.to_thread(self._last_lines))
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise GatewayFailed(await asyncio.to_thread(self._last_lines)) from error

    async def kill_gateway(self, away_s: float) -> None:
        """SIGKILL, stay away, start again."""
        await self._end(signal.SIGKILL)
        await asyncio.sleep(away_s)
        await self.start_gateway()

    async def settled(self, ledger: Ledger, arrive_s: float = 60.0) -> list[str]:
        """Wait until nothing is under way any more, at most arrive_s; return all complaints."""
        complaints = self.compared(ledger)
        with suppress(TimeoutError):
            async with asyncio.timeout(arrive_s):
                while any(
                    map(may_still_heal, complaints)
                ):  # looked at again: what is under way arrives without a signal
                    await asyncio.sleep(0.5)
                    complaints = self.compared(ledger)
        return complaints

    def compared(self, ledger: Ledger) -> list[str]:
        """What is wrong now."""
        police, bureau = self.handles.police, self.handles.bureau
        if police is None or bureau is None:
            return []
        changed = [f"police: {one} came with other bytes" for one in police.inbox.changed]
        changed += [f"bureau: {one} came with other bytes" for one in bureau.inbox.changed]
        broken = [*police.inbox.problems, *bureau.inbox.problems]
        return (
            changed
            + broken
            + compare(ledger, list(police.inbox.received), list(bureau.inbox.received))
        )

    async def _ready(self, client: aiohttp.ClientSession) -> bool:
        try:
            async with client.get(f"http://127.0.0.1:{self.api_port}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def _stop_gateway(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(how)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _last_lines(self) -> str:
        text = (self.folder / "gateway.log").read_text("utf-8", "replace")
        return "\n".join(text.splitlines()[-20:])


def default_command() -> list[str]:
    """The installed command when there is one, else the module of this checkout."""
    beside = Path(sys.executable).parent / "campus-gateway"
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "gateway.cli"]
