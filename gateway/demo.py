"""`campus-gateway demo`: everything on one machine, with the real parts.

Owns    the demo's folder: its configuration (written once, then yours to edit), its secrets, the
        peers' inboxes. The gateway in it is the one of `run`, the peers are the simulators.
Needs   gateway.app; the simulators as processes, by name, because nobody here imports them.
Keeps   Ctrl-C ends every process it started; the data stay for the next start.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from typing import Final

import orjson
import typer

from gateway import app
from gateway.clock import Clock, SystemClock
from gateway.config import load_config
from gateway.console.tokens import Role, TokenBook
from gateway.delivery import Item, Worker
from gateway.errors import GatewayError
from gateway.store import Sealed
from gateway.store.disk import write_file
from gateway.uplink import Receipt

WAIT_LINE_S: Final = 5.0
"""An alarm's line is printed when every receiver has answered, or after this."""
PEERS_S: Final = 20.0
_LAMPS: Final = {
    "received": "已送达",
    "accepted": "已受理",
    "rejected": "拒收",
    "dispatched": "已派警",
    "on_scene": "已到场",
    "closed": "已结束",
}

_GATEWAY: Final = """\
# 演示配置,可以修改;删除本文件会重新生成 · the demo's configuration; delete it to get it anew
[site]
id = "320612-0001"
name = "示范小学"
gateway = "gw-1"
[store]
path = "../store"
reserve_mib = 16
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:{field}"
broker = "embedded"
[[link]]
name = "canteen"
kind = "modbus"
url = "tcp://127.0.0.1:{modbus}"
[[uplink]]
name = "police"
kind = "http"
url = "http://127.0.0.1:{police}/alarms"
secret_file = "secrets/police"
[[uplink]]
name = "bureau"
kind = "mqtt"
url = "mqtt://127.0.0.1:{bureau}"
[[route]]
uplink = "police"
kinds = ["panic", "duress", "fire", "gas", "smoke", "intrusion"]
[[route]]
uplink = "bureau"
[console]
listen = "127.0.0.1:{page}"
[log]
format = "console"
level = "warning"
"""

_DEVICES: Final = """\
[[device]]
id = "btn-gate-west"
profile = "alarm_button/zigbee2mqtt_sos"
link = "field"
name = "1号一键报警"
place = "西门门卫室"
address = {{ topic = "zigbee2mqtt/btn-gate-west" }}
cameras = ["cam-gate-west"]
[[device]]
id = "btn-library"
profile = "generic/json_button"
link = "field"
name = "图书馆一键报警"
place = "图书馆二楼"
address = {{ topic = "campus/btn-library" }}
[[device]]
id = "gas-canteen"
profile = "gas/zigbee2mqtt_gas"
link = "field"
name = "后厨燃气探测器"
place = "食堂后厨"
address = {{ topic = "zigbee2mqtt/gas-canteen" }}
[[device]]
id = "gas-boiler"
profile = "gas/honeywell_midas"
link = "canteen"
name = "锅炉房燃气探测器"
place = "锅炉房"
address = {{ unit = 1 }}
[[device]]
id = "door-lab"
profile = "generic/json_event"
link = "field"
name = "化学实验室门禁"
place = "实验楼三楼"
address = {{ topic = "campus/door-lab", kind = "access", priority_member = "level" }}
"""


async def demo(data: Path, port: int) -> int:
    """Run everything until Ctrl-C; returns the exit code. Uses port and the six after it."""
    data = Path(os.path.abspath(data))  # noqa: ASYNC240, PTH100 no disk is touched
    names = ("page", "field", "bureau", "police", "police control", "modbus", "modbus control")
    ports = {name: port + at for at, name in enumerate(names)}
    config_folder = data / "config"
    try:
        _check_ports(ports.values())
        _write_configuration(config_folder, ports)
        config = load_config(config_folder)
        guard = _make_tokens(data, config.store.path)
        async with _peers(data, ports) as peers:
            teller = _Teller(data, port, guard)
            watching = asyncio.ensure_future(peers.watch())
            try:
                return await app.run(config, teller.begin)
            finally:
                watching.cancel()
                typer.echo("已停止,数据保留在 stopped; the data stay in " + str(data))
    except _NotStarted as error:
        typer.echo(str(error), err=True)
        return 1


class _NotStarted(GatewayError):
    """A part of the demo did not start; the text says what to do."""


def _check_ports(ports: Collection[int]) -> None:
    for number in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except OSError as error:
                raise _NotStarted(
                    f"端口 {number} 被占用,请换一个:campus-gateway demo --port 9800\n"
                    f"port {number} is taken ({error.strerror}); choose another with --port"
                ) from error


def _write_configuration(folder: Path, ports: dict[str, int]) -> None:
    """Write what is not there yet; what a person changed is left alone."""
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    (folder / "secrets").chmod(0o700)
    if not (folder / "gateway.toml").exists():
        write_file(folder / "gateway.toml", _GATEWAY.format(**ports).encode())
    if not (folder / "devices.toml").exists():
        write_file(folder / "devices.toml", _DEVICES.format().encode())
    secret = folder / "secrets" / "police"
    if not secret.exists():
        write_file(secret, b"whsec_" + b64encode(secrets.token_bytes(32)) + b"\n", mode=0o600)


def _make_tokens(data: Path, store: Path) -> str:
    """Make new tokens for this run and forget the last one's; returns the guard's."""
    store.mkdir(parents=True, exist_ok=True)
    (data / "peers").mkdir(exist_ok=True)
    book = TokenBook(store / "tokens.json", SystemClock())
    for entry in book.list():
        if entry.name.startswith("demo-"):
            book.revoke(entry.id)
    platform = book.create(Role.PLATFORM, "demo-police")
    write_file(data / "peers" / "police.token", platform.encode() + b"\n", mode=0o600)
    return book.create(Role.GUARD, "demo-guard")


# The peers.


class _Peers:
    def __init__(self) -> None:
        self.processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str, folder: Path, *arguments: str) -> None:
        """Start a simulator as a process whose output goes to a file."""
        with (folder / f"{name}.log").open("ab") as output:
            self.processes[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *arguments,
                f"--for-s={10**9}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=folder,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path),
                },
            )

    async def watch(self) -> None:
        """Say so when a peer ends by itself: the demo goes on and shows what a guard would see."""
        ended = {
            asyncio.ensure_future(process.wait()): name for name, process in self.processes.items()
        }
        while ended:
            done, _ = await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                typer.echo(f"模拟对端 {ended.pop(task)} 已退出 a simulated peer ended", err=True)

    async def stop(self) -> None:
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        for process in self.processes.values():
            try:
                async with asyncio.timeout(5):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # and what it started itself
                await process.wait()


@contextlib.asynccontextmanager
async def _peers(data: Path, ports: dict[str, int]) -> AsyncIterator[_Peers]:
    folder = data / "peers"
    peers = _Peers()
    progress = "accepted=0.5,dispatched=6,closed=30"
    try:
        await peers.start(
            "bureau-broker",
            folder,
            "simulators.brokers",
            "nats",
            f"--port={ports['bureau']}",
            f"--folder={folder / 'bureau-broker'}",
        )
        await peers.start(
            "police",
            folder,
            "simulators.police",
            f"--port={ports['police']}",
            f"--control-port={ports['police control']}",
            f"--secret-file={data / 'config' / 'secrets' / 'police'}",
            f"--inbox={folder / 'police.jsonl'}",
            f"--progress={progress}",
            f"--reports-to=http://127.0.0.1:{ports['page']}",
            f"--token-file={folder / 'police.token'}",
        )
        await peers.start(
            "modbus",
            folder,
            "simulators.modbus",
            "gas/honeywell_midas",
            f"--listen=127.0.0.1:{ports['modbus']}",
            f"--control=127.0.0.1:{ports['modbus control']}",
        )
        await _listening(ports["bureau"], "bureau-broker", peers, folder)
        await _listening(ports["police"], "police", peers, folder)
        await peers.start(
            "bureau",
            folder,
            "simulators.bureau",
            f"--port={ports['bureau']}",
            "--mqtt3",
            f"--inbox={folder / 'bureau.jsonl'}",
            f"--progress={progress}",
        )
        yield peers
    finally:
        await peers.stop()


async def _listening(port: int, name: str, peers: _Peers, folder: Path) -> None:
    try:
        async with asyncio.timeout(PEERS_S):
            while True:
                if peers.processes[name].returncode is not None:
                    break
                try:
                    _reader, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)  # noqa: TID251 no Clock before there is a gateway
                    continue
                writer.close()
                return
    except TimeoutError:
        pass
    raise _NotStarted(
        f"模拟对端 {name} 没有启动,请看 {folder / (name + '.log')}\n"
        f"the simulated peer {name} did not start; see that file for why"
    )


# What the terminal shows.


class _Teller:
    """One line for each alarm, with the time each stage took."""

    def __init__(self, data: Path, port: int, guard: str) -> None:
        self._data = data
        self._guard = guard
        self._port = port
        self._workers: list[Worker] = []
        self._open: dict[int, tuple[str, float, dict[str, str], set[int]]] = {}

    def begin(self, running: app.Running) -> None:
        """The gateway is ready: print how to see it and how to press, then listen."""
        self._workers = running.workers
        clock = running.clock
        running.intake.listen(lambda records: self._committed(records, clock))
        for worker in running.workers:
            worker.watchers.append(self._receipt(worker))
        default = Path("demo-data").absolute() == self._data
        where = "" if default else f" --data {self._data}"
        control = "" if self._port == 8800 else f" --control 127.0.0.1:{self._port + 6}"
        typer.echo(
            f"\n校园网关已就绪 the gateway is ready\n"
            f"  页面 page     http://127.0.0.1:{self._port}/login#token={self._guard}\n"
            f"  接口 API      Authorization: Bearer {self._guard}\n"
            f"  按一下 press  campus-gateway simulate press{where}\n"
            f"                campus-gateway simulate press{where} --device gas-canteen\n"
            f"  燃气 gas      campus-gateway simulate modbus alarm{control}\n"
            f"  配置 files    {self._data / 'config'}\n"
            f"  停止 stop     Ctrl-C\n"
        )

    def _committed(self, records: Sequence[Sealed], clock: Clock) -> None:
        loop = asyncio.get_running_loop()
        for record in records:
            if not record.type.startswith("alarm."):
                continue
            data = orjson.loads(record.body)["data"]
            stored_ms = (clock.utc_ns() - record.stored_ns) / 1e6
            text = f"{data['received_at'][11:23]} {record.type:<18} {data['text']}"
            marks = {"落盘 stored": f"{stored_ms:.1f} ms"}
            self._open[record.seq] = (text, loop.time(), marks, set(record.receivers))
            loop.call_later(WAIT_LINE_S, self._print, record.seq)
            if not record.receivers:
                self._print(record.seq)

    def _receipt(self, worker: Worker) -> Callable[[Item, Receipt, int], None]:
        def received(item: Item, receipt: Receipt, _utc_ns: int) -> None:
            found = self._open.get(item.seq)
            if found is None:
                return
            _text, stored_at, marks, left = found
            took = (asyncio.get_running_loop().time() - stored_at) * 1e3
            reference = f" {receipt.reference}" if receipt.reference else ""
            marks[worker.name] = f"{_LAMPS[receipt.state]}{reference} {took:.1f} ms"
            left.discard(worker.number)
            if not left:
                self._print(item.seq)

        return received

    def _print(self, seq: int) -> None:
        found = self._open.pop(seq, None)
        if found is None:
            return
        text, _stored_at, marks, left = found
        for worker in self._workers:
            if worker.number in left:
                marks[worker.name] = "未送达 not delivered yet"
        told = " · ".join(f"{name} {value}" for name, value in marks.items())
        typer.echo(f"{text}  {told}")
