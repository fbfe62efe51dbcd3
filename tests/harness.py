"""A gateway as a process, between real ends, for tests that kill it, starve it and lie to it.

Owns    one folder: configuration, store, log; one process at a time on it.
Needs   the command line of the gateway. Knows no part of it but TokenBook, to let itself in.
Keeps   1. start() returns when /readyz says 200, or raises with the last lines of the log.
        2. An assertion that fails while the gateway is open carries those lines too.
        3. Nothing waits without a bound: READY_S to be ready, STOP_S to stop, UNTIL_S for the rest.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import orjson
from prometheus_client.parser import text_string_to_metric_families

from gateway.clock import SystemClock
from gateway.console.tokens import Role, TokenBook
from simulators.brokers import free_port
from simulators.buttons import Device
from tests import forked
from tests.conftest import POLICE_SECRET

ROOT: Final = Path(__file__).parents[1]
READY_S: Final = 120.0
STOP_S: Final = 30.0
UNTIL_S: Final = 60.0
LOOK_S: Final = 0.05
LAST_LINES: Final = 40
PROFILES: Final = {
    "json-button": "generic/json_button",
    "json-event": "generic/json_event",
    "zigbee-action": "alarm_button/zigbee2mqtt_sos",
    "zigbee-gas": "gas/zigbee2mqtt_gas",
}


class GatewayFailed(AssertionError):
    """The gateway did not do what it was started for; its last lines are in the text."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """One [[uplink]]: its name, kind, url and further lines of TOML."""

    name: str
    kind: str
    url: str
    more: str = ""


def http(name: str, port: int, more: str = "") -> Receiver:
    """A police receiver on this machine, which shares POLICE_SECRET."""
    return Receiver(
        name, "http", f"http://127.0.0.1:{port}/alarms", f'secret_file = "secrets/police"\n{more}'
    )


def mqtt(name: str, port: int, more: str = "") -> Receiver:
    """A bureau's broker on this machine."""
    return Receiver(name, "mqtt", f"mqtt://127.0.0.1:{port}", more)


@dataclass(slots=True, kw_only=True)
class Gateway:
    """`async with` writes the configuration and ends what runs at the end; start() is yours.

    field_port   where the devices' broker is, or the embedded one will be
    more         further TOML for gateway.toml: [escalation], [[route]] …
    link_more    further lines of the [[link]]
    launcher     put before the command: it must end by executing its arguments
    env          further environment of every start
    store        where the store is; the folder's `store` when None
    """

    folder: Path
    field_port: int
    devices: Sequence[Device]
    uplinks: Sequence[Receiver] = ()
    embedded: bool = False
    more: str = ""
    link_more: str = ""
    reserve_mib: int = 16
    launcher: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    store: Path | None = None
    api_port: int = field(default_factory=free_port)
    starts: int = 0
    kills: int = 0
    _process: forked.Process | None = None
    _client: aiohttp.ClientSession | None = None
    _token: str = ""

    async def __aenter__(self) -> Self:
        """Write the files and make a token."""
        await asyncio.to_thread(self._prepare)
        self._client = aiohttp.ClientSession(
            base_url=f"http://127.0.0.1:{self.api_port}",
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=aiohttp.ClientTimeout(total=UNTIL_S),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process; a failure takes the log's last lines along."""
        await self._signal(signal.SIGTERM)
        if self._client is not None:
            await self._client.close()
        if error is not None and not isinstance(error, GatewayFailed):
            error.add_note(self.last_lines())

    # The process.

    @property
    def store_folder(self) -> Path:
        """Where events.db is."""
        return self.store or self.folder / "store"

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def child(self, name: str) -> int:
        """Return the process id of a program that the gateway runs itself."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                number, _, rest = (entry / "stat").read_text().partition(" (")
                program, _, rest = rest.rpartition(") ")
            except OSError:  # it ended while we looked
                continue
            if program == name and int(rest.split()[1]) == self.pid:
                return int(number)
        raise GatewayFailed(f"no {name} runs under the gateway\n{self.last_lines()}")

    def launch(self, *, crash_at: str | None = None) -> None:
        """Start the process and do not wait for anything."""
        assert not self.is_running, "there is a gateway already"
        environment = {**os.environ, **self.env, "PYTHONPATH": str(ROOT)}
        environment.pop("CAMPUS_CRASH_AT", None)
        if crash_at is not None:
            environment["CAMPUS_CRASH_AT"] = crash_at
        with (self.folder / "gateway.log").open("ab") as log:
            self._process = forked.start(
                [*self.launcher, *self.command("run")],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=environment,
            )
        self.starts += 1

    async def start(self) -> float:
        """Start, wait for /readyz, and return how long that took."""
        began = time.monotonic()
        self.launch()
        await self.until_ready()
        return time.monotonic() - began

    async def until_ready(self) -> None:
        """Return when /readyz says 200; raises GatewayFailed when the process ends instead."""

        async def ready() -> bool:
            if not self.is_running:
                raise GatewayFailed(f"the gateway ended before it was ready\n{self.last_lines()}")
            return await self._status("/readyz") == 200

        await self.until(ready, "the gateway is ready", READY_S)

    async def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self.kills += 1
        await self._signal(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        await self._signal(signal.SIGTERM)
        assert self._process is not None
        return self._process.wait()

    async def ended(self, timeout_s: float) -> int | None:
        """Return the exit code when the process ends by itself; None when it does not."""
        process = self._process
        assert process is not None
        try:
            return await asyncio.to_thread(process.wait, timeout_s)
        except subprocess.TimeoutExpired:
            return None

    async def _signal(self, how: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        if await self.ended(STOP_S) is None:
            process.kill()
            await asyncio.to_thread(process.wait)

    def command(self, name: str) -> list[str]:
        """A command of the gateway on this configuration."""
        return [*forked.MODULE, name, "--config", str(self.folder / "config")]

    async def verify(self) -> list[str]:
        """What `campus-gateway verify` prints, line by line, and its exit code first."""
        done = await asyncio.to_thread(forked.run, self.command("verify"), timeout_s=UNTIL_S)
        return [str(done.returncode), *done.stdout.splitlines()]

    def last_lines(self) -> str:
        """The end of the log."""
        log = self.folder / "gateway.log"
        if not log.exists():
            return "(the gateway was never started)"
        lines = log.read_text("utf-8", "replace").splitlines()[-LAST_LINES:]
        return "\n".join(["--- the gateway's log ends:", *lines])

    def log_text(self) -> str:
        """Everything the gateway said."""
        return (self.folder / "gateway.log").read_text("utf-8", "replace")

    # What a guard's screen and a platform ask.

    async def get(self, path: str, **parameters: str | int) -> Any:
        """GET a path of the API; raises AssertionError when the answer is not 200."""
        assert self._client is not None
        async with self._client.get(path, params=parameters) as answer:
            body = await answer.read()
            assert answer.status == 200, f"{path}: HTTP {answer.status} {body[:300]!r}"
            return orjson.loads(body)

    async def picture(self, path: str) -> tuple[int, bytes]:
        """GET what is no JSON; return status and body."""
        assert self._client is not None
        async with self._client.get(path) as answer:
            return answer.status, await answer.read()

    async def metric(self, name: str, **labels: str) -> float:
        """One number of /metrics; raises AssertionError when it is not there."""
        assert self._client is not None
        async with self._client.get("/metrics") as answer:
            text = await answer.text()
        samples = (one for family in text_string_to_metric_families(text) for one in family.samples)
        found = [one.value for one in samples if one.name == name and one.labels == labels]
        assert len(found) == 1, f"{name} {labels}: {found}"
        return float(found[0])

    async def post(self, path: str, body: object = None) -> tuple[int, Any]:
        """POST JSON; return status and answer."""
        assert self._client is not None
        async with self._client.post(path, json=body) as answer:
            return answer.status, orjson.loads(await answer.read())

    async def _status(self, path: str) -> int:
        assert self._client is not None
        try:
            async with self._client.get(path) as answer:
                return answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0

    async def alarms(self, *, state: str = "open") -> dict[str, dict[str, Any]]:
        """Alarms by DEVICE/POINT."""
        found = (await self.get("/api/v1/alarms", state=state, limit=1000))["alarms"]
        return {f"{one['device']['id']}/{one['point']}": one for one in reversed(found)}

    async def faults(self, *, state: str = "open") -> dict[str, dict[str, Any]]:
        """Faults by DEVICE/POINT; the gateway's own are gw-1/…"""
        found = (await self.get("/api/v1/faults", state=state, limit=1000))["faults"]
        return {f"{one['device']['id']}/{one['point']}": one for one in reversed(found)}

    async def receivers(self) -> dict[str, dict[str, Any]]:
        """Receivers by name."""
        found = (await self.get("/api/v1/receivers"))["receivers"]
        return {one["name"]: one for one in found}

    async def records(self) -> list[dict[str, Any]]:
        """Every record in the store, oldest first."""
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            page = await self.get("/api/v1/events", after=after, limit=1000)
            if not page["events"]:
                return found
            found += page["events"]
            after = page["next"]

    async def fault(self, name: str, timeout_s: float = UNTIL_S) -> dict[str, Any]:
        """Return the open fault DEVICE/POINT once the guard sees it."""

        async def seen() -> dict[str, Any] | None:
            return (await self.faults()).get(name)

        return await self.until(seen, f"the fault {name}", timeout_s)

    async def no_fault(self, name: str, timeout_s: float = UNTIL_S) -> None:
        """Return once that fault is over."""

        async def gone() -> bool:
            return name not in await self.faults()

        await self.until(gone, f"the end of fault {name}", timeout_s)

    async def nothing_waits(self, timeout_s: float = UNTIL_S) -> None:
        """Return once every receiver has acknowledged everything that is stored."""

        async def idle() -> bool:
            return all(one["queue_depth"] == 0 for one in (await self.receivers()).values())

        await self.until(idle, "empty outboxes", timeout_s)

    async def until(
        self, look: Callable[[], Awaitable[Any]], what: str, timeout_s: float = UNTIL_S
    ) -> Any:
        """Look again every LOOK_S until the answer is true, and return it."""
        try:
            async with asyncio.timeout(timeout_s):
                while not (found := await look()):  # noqa: ASYNC110 another process sets no event
                    await asyncio.sleep(LOOK_S)
                return found
        except TimeoutError:
            raise GatewayFailed(f"waited {timeout_s} s for: {what}\n{self.last_lines()}") from None

    # The files.

    def _prepare(self) -> None:
        config = self.folder / "config"
        (config / "secrets").mkdir(parents=True, exist_ok=True)
        secret = config / "secrets" / "police"
        secret.write_text(POLICE_SECRET, "utf-8")
        secret.chmod(0o600)
        (config / "gateway.toml").write_text(self._gateway_toml(), "utf-8")
        (config / "devices.toml").write_text("".join(map(_device_toml, self.devices)), "utf-8")
        self.store_folder.mkdir(parents=True, exist_ok=True)
        book = TokenBook(self.store_folder / "tokens.json", SystemClock())
        self._token = book.create(Role.GUARD, "test")

    def _gateway_toml(self) -> str:
        embedded = 'broker = "embedded"\n' if self.embedded else ""
        uplinks = "".join(
            f'[[uplink]]\nname = "{one.name}"\nkind = "{one.kind}"\nurl = "{one.url}"\n{one.more}\n'
            for one in self.uplinks
        )
        return f"""
[site]
id = "320612-0001"
name = "示范小学"
gateway = "gw-1"
address = "示范市实验区学府路 1 号"
phone = "0513-8000"
[store]
path = "{self.store_folder}"
reserve_mib = {self.reserve_mib}
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:{self.field_port}"
{embedded}{self.link_more}
{uplinks}
[console]
listen = "127.0.0.1:{self.api_port}"
{self.more}
"""


def _device_toml(device: Device) -> str:
    address = ", ".join(f'{key} = "{value}"' for key, value in device.address().items())
    return f"""
[[device]]
id = "{device.name}"
profile = "{PROFILES[device.family]}"
link = "field"
name = "设备{device.name}"
place = "西门"
address = {{ {address} }}
"""
