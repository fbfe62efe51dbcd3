"""ThingsBoard IoT Gateway with its Modbus connector, polling what the gateway polls.

Needs   bench.rows.peers, which installs it. Its cloud is a broker that answers nothing: what
        it costs to send the values on is not in its figures, which are a lower bound.
"""

import time
from typing import Final

from bench.machine import Process, until
from bench.modbus.device import Device
from bench.rig import Field, Rig
from bench.rows.peers import start_thingsboard

PACKAGES: Final = ("pymodbus==3.9.2", "pyserial", "pyserial-asyncio")
"""What the connector of 3.8.5 installs when it finds them missing."""
FIRST_POLL_S: Final = 60.0
SETTLE_S: Final = 5.0


def start(rig: Rig, device: Device, *, tags: bool, period_s: float) -> Process:
    """Return its process once it has read something.

    tags  a request for each register; otherwise one for all of a unit
    """
    broker = rig.broker(Field(inflight=0))
    slaves = [
        _slave(device, unit, tags=tags, period_s=period_s) for unit in range(1, device.units + 1)
    ]
    connector = {"logLevel": "ERROR", "master": {"slaves": slaves}}
    process = start_thingsboard(rig, broker.port, "modbus", connector, PACKAGES)
    until("ThingsBoard polls", lambda: device.counted().polls > 0, FIRST_POLL_S)
    time.sleep(SETTLE_S)
    return process


def _slave(device: Device, unit: int, *, tags: bool, period_s: float) -> dict[str, object]:
    common = {"type": "16uint", "functionCode": 3, "objectsCount": 1}
    if tags:
        wanted = [{**common, "tag": f"r{at}", "address": at} for at in range(device.registers)]
    else:
        last = device.registers - 1
        most = {"maxRegistersPerRequest": device.registers}
        wanted = [{**common, **most, "tag": "r${address}", "address": f"0-{last}"}]
    return {
        "host": "127.0.0.1",
        "port": device.port,
        "type": "tcp",
        "method": "socket",
        "unitId": unit,
        "deviceName": f"dev-{unit}",
        "deviceType": "default",
        "timeout": 1,
        "byteOrder": "BIG",
        "wordOrder": "BIG",
        "retries": 0,
        "pollPeriod": int(period_s * 1000),
        "connectAttemptTimeMs": 500,
        "connectAttemptCount": 5,
        "waitAfterFailedAttemptsMs": 30000,
        "attributes": [],
        "timeseries": wanted,
        "attributeUpdates": [],
        "rpc": [],
    }
