"""What the demo's terminal shows: where everything is, and one line for each alarm.

Needs   a running gateway (app.Running) to listen to.
"""

import asyncio
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import typer

from gateway import app
from gateway.clock import Clock
from gateway.console.assets import DIST, ROOT
from gateway.delivery import Item, Worker
from gateway.demo.site import Ports
from gateway.store import Sealed
from gateway.uplink import Receipt

WAIT_LINE_S: Final = 5.0
"""An alarm's line is printed when every receiver has answered, or after this."""
DEFAULT_PORT: Final = 8800
CLIP_BEFORE_S: Final = 10
CLIP_AFTER_S: Final = 20
"""The clip whose address is printed; more is held (120 s), this much is there soon."""
_LAMPS: Final = {
    "received": "已送达",
    "accepted": "已受理",
    "rejected": "拒收",
    "dispatched": "已派警",
    "on_scene": "已到场",
    "closed": "已结束",
}


class Teller:
    """One line for each alarm, with the time each stage took."""

    def __init__(self, data: Path, ports: Ports, guard: str, cameras: Sequence[str]) -> None:
        self._data = data
        self._guard = guard
        self._ports = ports
        self._cameras = cameras
        self._workers: list[Worker] = []
        self._seen: dict[int, str] = {}
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
        port = self._ports.page
        moved = port != DEFAULT_PORT
        program = _program()
        modbus = f" --control 127.0.0.1:{self._ports.modbus_control}" if moved else ""
        typer.echo(
            f"\n校园网关已就绪 the gateway is ready\n"
            f"  页面 page     http://127.0.0.1:{port}{_start()}#token={self._guard}\n"
            f"  接口 API      Authorization: Bearer {self._guard}\n"
            f"  按一下 press  {program} simulate press{where}\n"
            f"                {program} simulate press{where} --device gas-canteen\n"
            f"  燃气 gas      {program} simulate modbus alarm{modbus}\n"
            f"{self._about_video(program, moved=moved)}"
            f"  配置 files    {self._data / 'config'}\n"
            f"  停止 stop     Ctrl-C\n"
        )

    def _about_video(self, program: str, *, moved: bool) -> str:
        if not self._cameras:
            return (
                "  录像 video    配置里没有摄像机；删除配置目录会重新生成"
                " none: no camera in the configuration; delete it to get them\n"
            )
        control = f" --control 127.0.0.1:{self._ports.cameras}" if moved else ""
        still = self._video_of(self._cameras[0], "snapshot.jpg")
        return (
            f"  录像 video    {self._data / 'video'}：{len(self._cameras)} 台，几秒后开始"
            f" {len(self._cameras)} cameras, in some seconds\n"
            f"  实时 live     {self._video_of(self._cameras[0], 'live.mp4')}\n"
            f"  此刻 still    {still}\n"
            f'                curl -H "Authorization: Bearer {self._guard}" -o still.jpg {still}\n'
            f"  遮挡 cover    {program} simulate camera cover{control}\n"
            f"                … uncover, unplug, plug --camera {self._cameras[-1]}\n"
        )

    def _video_of(self, camera: str, what: str) -> str:
        return f"http://127.0.0.1:{self._ports.page}/api/v1/cameras/{camera}/{what}"

    def _clips(self, data: dict[str, Any]) -> str:
        """Where what an alarm's cameras saw is played, one line each; asked with the token."""
        at = datetime.fromisoformat(data["received_at"])
        begin, end = (
            (at + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
            for seconds in (-CLIP_BEFORE_S, CLIP_AFTER_S)
        )
        return "".join(
            f"\n  录像 clip {self._video_of(camera, f'video.mp4?from={begin}&to={end}')}"
            for camera in data["cameras"]
            if camera in self._cameras
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
            if record.type == "alarm.raised":
                self._seen[record.seq] = self._clips(data)
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
        typer.echo(f"{text}  {told}{self._seen.pop(seq, '')}")


def _program() -> str:
    """What is typed in another terminal, in this folder, to run the same program."""
    path = Path(sys.argv[0]).absolute()
    if shutil.which(path.name) == str(path):
        return path.name
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _start() -> str:
    """Where a token in the address signs on: the console, or the plain page where none is built."""
    return ROOT if (DIST / "index.html").is_file() else "/login"
