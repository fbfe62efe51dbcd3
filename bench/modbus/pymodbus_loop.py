"""Bare pymodbus in a loop: read every unit in turn, decode nothing, keep nothing. The peer.

A process of its own: `python -m bench.modbus.pymodbus_loop PORT UNITS REGISTERS SECONDS PERIOD
TIMEOUT RETRIES`. PERIOD 0: as fast as it goes; otherwise each unit is wanted once in PERIOD seconds
and a round begins no sooner. Prints "begun" once connected, and one JSON object at the end.
"""

import asyncio
import json
import sys
import time

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException


async def main(
    port: int, units: int, registers: int, seconds: float, period_s: float, wait: tuple[float, int]
) -> None:
    """Poll for so long, then say what it cost."""
    timeout_s, retries = wait
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=timeout_s, retries=retries)
    if not await client.connect():
        raise SystemExit("not connected")
    print("begun", flush=True)
    polls, cpu, began = 0, time.process_time(), time.monotonic()
    end = began + seconds
    while time.monotonic() < end:
        round_began = time.monotonic()
        for unit in range(1, units + 1):
            try:
                answer = await client.read_holding_registers(0, count=registers, device_id=unit)
            except ModbusException:
                if not client.connected:
                    await client.connect()
                continue
            polls += not answer.isError()
        await asyncio.sleep(max(round_began + period_s - time.monotonic(), 0))
    cpu_s, lasted_s = time.process_time() - cpu, time.monotonic() - began
    print(json.dumps({"polls": polls, "cpu_s": cpu_s, "seconds": lasted_s}), flush=True)
    client.close()


if __name__ == "__main__":
    port, units, registers, seconds, period_s, timeout_s, retries = sys.argv[1:8]
    wait = (float(timeout_s), int(retries))
    asyncio.run(main(int(port), int(units), int(registers), float(seconds), float(period_s), wait))
