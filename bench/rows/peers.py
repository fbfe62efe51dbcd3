"""Peers that are installed for the occasion: Node-RED (npm) and ThingsBoard IoT Gateway (PyPI).

Owns    a cache folder of the user (~/.cache/campus-gateway-bench) with one installation each.
Needs   npm and node, or a network to the package index. Without them the row says why.
Keeps   Nothing is installed into this project or the system.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench import wire
from bench.generator import open_session
from bench.machine import BenchError, Process, free_port
from bench.rig import Field, Rig, warm
from bench.rows import Size
from bench.rows.carriers import Carried, Carrier
from bench.rows.flow import Measure, burst, latency
from bench.table import Row

INSTALL_S: Final = 600
NODE_RED: Final = "node-red@4"
THINGSBOARD: Final = "thingsboard-gateway==3.8.5"
_ASKED: Final = re.compile(rb'rpc/request/(\d+)\{"method":"getSessionLimits')


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "campus-gateway-bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(command: list[str], cwd: Path) -> None:
    try:
        subprocess.run(command, cwd=cwd, check=True, capture_output=True, timeout=INSTALL_S)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise BenchError(f"not installed: {' '.join(command[:3])}: {said}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"not installed: {error}") from error


def _node_red_program() -> list[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise BenchError("not installed: node and npm are missing (Debian: apt-get install npm)")
    folder = _cache() / "node-red"
    script = folder / "node_modules" / "node-red" / "red.js"
    if not script.is_file():
        folder.mkdir(exist_ok=True)
        options = ["--no-audit", "--no-fund", "--loglevel=error"]
        _run([npm, "install", *options, "--prefix", str(folder), NODE_RED], folder)
    return [node, str(script)]


def node_red(rig: Rig) -> Carried:
    """Two nodes, MQTT in and MQTT out, both at QoS 1: it has no durable queue to switch on."""
    program = _node_red_program()
    out = rig.broker(Field(inflight=0))
    receiver = rig.receiver("subscribe", out.port)
    field = rig.broker()
    folder = rig.place("node-red")
    flow = [
        {"id": "tab", "type": "tab", "label": "bench"},
        _node_red_broker("near", field.port),
        _node_red_broker("far", out.port),
        {
            "id": "in", "type": "mqtt in", "z": "tab", "topic": "bench/#", "qos": "1",
            "datatype": "buffer", "broker": "near", "wires": [["out"]],
        },
        {
            "id": "out", "type": "mqtt out", "z": "tab", "topic": "", "qos": "1",
            "retain": "false", "broker": "far", "wires": [],
        },
    ]  # fmt: skip
    (folder / "flows.json").write_text(json.dumps(flow))
    (folder / "settings.js").write_text(
        f"module.exports = {{flowFile: 'flows.json', uiHost: '127.0.0.1', uiPort: {free_port()},"
        " logging: {console: {level: 'warn'}}, telemetry: {enabled: false}};\n"
    )
    command = [*program, "--userDir", str(folder), "--settings", str(folder / "settings.js")]
    process = rig.start(Process(command, folder / "node-red.log", cwd=folder))
    warm(field.port, receiver)
    return Carried(field.port, receiver, lambda: process)


def _node_red_broker(name: str, port: int) -> dict[str, object]:
    return {
        "id": name, "type": "mqtt-broker", "name": f"broker {name}", "broker": "127.0.0.1",
        "port": str(port), "clientid": f"node-red-{name}", "autoConnect": True, "usetls": False,
        "protocolVersion": "4", "keepalive": "60", "cleansession": False,
    }  # fmt: skip


def _thingsboard_program(packages: Sequence[str] = ()) -> list[str]:
    folder = _cache() / "thingsboard"
    python = folder / "bin" / "python"
    if not (folder / "complete").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], _cache())
        _run([str(python), "-m", "pip", "install", "-q", THINGSBOARD], folder)
        (folder / "complete").touch()
    known = folder / "packages"
    if packages and not (known.is_file() and set(packages) <= set(known.read_text().split())):
        _run([str(python), "-m", "pip", "install", "-q", *packages], folder)
        known.write_text("\n".join(packages))
    starter = "from thingsboard_gateway.tb_gateway import main; main()"
    return [str(python), "-c", starter]


def thingsboard(rig: Rig) -> Carried:
    """Its MQTT connector with one mapping, SQLite storage, the receiver in its cloud's place."""
    out = rig.broker(Field(inflight=0))
    receiver = rig.receiver("subscribe", out.port)
    field = rig.broker()
    process = start_thingsboard(rig, out.port, "mqtt", _mqtt_connector(field.port))
    _answer_limits(out.port)
    warm(field.port, receiver, 60)
    return Carried(field.port, receiver, lambda: process)


def start_thingsboard(
    rig: Rig, cloud_port: int, kind: str, connector: object, packages: Sequence[str] = ()
) -> Process:
    """Start it with one connector and the broker at cloud_port as its cloud.

    packages  what that connector would install for itself at its first start
    """
    program = _thingsboard_program(packages)
    folder = rig.place("thingsboard")
    for name, content in _thingsboard_files(folder, cloud_port, kind, connector).items():
        (folder / name).write_text(json.dumps(content))
    env = {"TB_GW_CONFIG_DIR": str(folder), "TB_GW_LOGS_PATH": str(folder)}
    return rig.start(Process(program, folder / "thingsboard.log", cwd=folder, env=env))


def _answer_limits(port: int) -> None:
    """Be its cloud once: it sends nothing before it was told its limits (none).

    raises BenchError when it does not ask within 40 s
    """
    sock = open_session(port, "bench-cloud")
    sock.settimeout(40)
    sock.sendall(wire.subscribe("v1/devices/me/rpc/request/+"))
    data = b""
    try:
        while (asked := _ASKED.search(data)) is None:
            more = sock.recv(65536)
            if not more:
                raise BenchError("the broker left before ThingsBoard asked for its limits")
            data += more
    except TimeoutError:
        raise BenchError("ThingsBoard did not ask for its limits within 40 s") from None
    limits = {"messages": "", "telemetryMessages": "", "telemetryDataPoints": ""}
    answer = {"maxPayloadSize": 65536, "maxInflightMessages": 1000, "rateLimits": limits}
    topic = f"v1/devices/me/rpc/response/{int(asked[1])}"
    sock.sendall(wire.publish(topic, json.dumps(answer).encode(), 2))
    sock.sendall(wire.DISCONNECT)
    sock.close()


def _thingsboard_files(folder: Path, far: int, kind: str, connector: object) -> dict[str, object]:
    """Return tb_gateway.json, the connector's own file and logs.json."""
    main = {
        "thingsboard": {
            "host": "127.0.0.1",
            "port": far,
            "remoteShell": False,
            "remoteConfiguration": False,
            "latencyDebugMode": False,
            "statistics": {"enable": False, "statsSendPeriodInSeconds": 3600},
            "deviceFiltering": {"enable": False},
            "maxPayloadSizeBytes": 8196,
            "minPackSendDelayMS": 0,
            "minPackSizeToSend": 1,
            "checkConnectorsConfigurationInSeconds": 60,
            "handleDeviceRenaming": False,
            "security": {"type": "accessToken", "accessToken": "bench"},
            "qos": 1,
        },
        "storage": {
            "type": "sqlite",
            "data_file_path": str(folder / "data.db"),
            "messages_ttl_check_in_hours": 1,
            "messages_ttl_in_days": 7,
            "max_read_records_count": 1000,
        },
        "grpc": {"enabled": False},
        "connectors": [
            {"name": "bench", "type": kind, "configuration": f"{kind}.json"},
        ],
    }
    quiet = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {},
        "loggers": {},
        "root": {"level": "WARNING", "handlers": []},
    }
    return {"tb_gateway.json": main, f"{kind}.json": connector, "logs.json": quiet}


def _mqtt_connector(near: int) -> object:
    """Return its mqtt.json: one mapping, all devices."""
    number = {"type": "integer", "key": "n", "value": "${n}"}
    stamp = {"type": "integer", "key": "t", "value": "${t}"}
    return {
        "broker": {
            "host": "127.0.0.1",
            "port": near,
            "clientId": "thingsboard-bench",
            "version": 4,
            "maxMessageNumberPerWorker": 10,
            "maxNumberOfWorkers": 100,
            "sendDataOnlyOnChange": False,
            "security": {"type": "anonymous"},
        },
        "mapping": [
            {
                "topicFilter": "bench/+",
                "subscriptionQos": 1,
                "converter": {
                    "type": "json",
                    "deviceInfo": {
                        "deviceNameExpressionSource": "topic",
                        "deviceNameExpression": r"(?<=bench\/)(.*?)$",
                        "deviceProfileExpressionSource": "constant",
                        "deviceProfileExpression": "default",
                    },
                    "timeout": 60000,
                    "attributes": [],
                    "timeseries": [number, stamp],
                },
            }
        ],
        "requestsMapping": {},
    }


def optional(name: str, carrier: Carrier, make: Callable[..., Measure], **more: object) -> Measure:
    """Measure a peer where it can be had; otherwise a row that says why not."""
    measure = make(name, carrier, against=None, **more)

    def measured(rig: Rig, size: Size) -> list[Row]:
        try:
            return measure(rig, size)
        except BenchError as error:
            note = str(error)[:200]
            return [Row(group="peers", name=name, value=None, unit="", note=note)]

    return measured


ALL: dict[str, Measure] = {
    "peer-node-red-latency": optional("Node-RED", node_red, latency, targets=False),
    "peer-node-red-burst": optional("Node-RED", node_red, burst, target=None),
    "peer-thingsboard-latency": optional(
        "ThingsBoard IoT Gateway", thingsboard, latency, targets=False
    ),
    "peer-thingsboard-burst": optional("ThingsBoard IoT Gateway", thingsboard, burst, target=None),
}
