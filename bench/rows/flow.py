"""Messages that flow: how late, how many a second, at what cost in processor time.

Every carrier is measured by the same two functions, so that a ratio compares like with like.
"""

from collections.abc import Callable
from typing import Any

from bench.rig import Rig
from bench.rows import Size
from bench.rows.carriers import Carried, Carrier, bridge, gateway_http, gateway_mqtt
from bench.table import Row

Measure = Callable[[Rig, Size], list[Row]]


def latency(name: str, carrier: Carrier, *, targets: bool, against: str | None) -> Measure:
    """Latency from the device's publish to the receiver, at 100/s and 1,000/s, and the cost."""

    def measure(rig: Rig, size: Size) -> list[Row]:
        rows: list[Row] = []
        with rig.scene():
            carried = carrier(rig)
            for rate, count in ((100, size.slow), (1000, size.fast)):
                rows += _at(rate, count, carried, rig)
        return rows

    def _at(rate: int, count: int, carried: Carried, rig: Rig) -> list[Row]:
        carried.receiver.clear()
        load = rig.load(carried.field_port, count, rate=rate)
        before = carried.process().cpu_s()
        load.go()
        sent = load.result()
        report = carried.receiver.wait(count)
        cpu = carried.process().cpu_s() - before
        note = _oddities(report, count, carried)
        if sent["late_ms_p99"] > 5:
            note += f"; load itself late by {sent['late_ms_p99']:.0f} ms (p99): machine busy"
        group = f"latency, {rate:,}/s"
        peer = f"{against}, {rate:,}/s" if against else None
        bound = {100: 10.0, 1000: 25.0}[rate] if targets else None
        rows = [
            Row(
                group=group,
                name=f"{name}, {rate:,}/s p50",
                value=report["p50_ms"],
                unit="ms",
                against=f"{peer} p50" if peer else None,
            ),
            Row(
                group=group,
                name=f"{name}, {rate:,}/s p99",
                value=report["p99_ms"],
                unit="ms",
                target=bound,
                against=f"{peer} p99" if peer else None,
                note=note.strip("; "),
            ),
        ]
        if rate == 1000:
            rows.append(
                Row(
                    group="processor time",
                    name=f"{name}, 1,000/s, CPU per 10,000",
                    value=cpu * 10_000 / count,
                    unit="s",
                    target=3.0 if targets else None,
                    against=f"{against}, 1,000/s, CPU per 10,000" if against else None,
                )
            )
        return rows

    return measure


def burst(name: str, carrier: Carrier, *, target: float | None, against: str | None) -> Measure:
    """Records a second from the first publish to the last receipt; what is missing is lost."""

    def measure(rig: Rig, size: Size) -> list[Row]:
        count = size.burst
        with rig.scene():
            carried = carrier(rig)
            load = rig.load(carried.field_port, count)
            before = carried.process().cpu_s()
            load.go()
            sent = load.result()
            report = carried.receiver.wait(count)
            cpu = carried.process().cpu_s() - before
            note = _oddities(report, count, carried)
        took_s = (report["last_ns"] - sent["first_ns"]) / 1e9
        whole = f"burst of {count:,}"
        return [
            Row(
                group=whole,
                name=f"{name}, burst",
                value=report["unique"] / took_s,
                unit="/s",
                sense=">=",
                target=target,
                against=f"{against}, burst" if against else None,
                note="; ".join(
                    part for part in (f"{cpu / count * 1e6:.0f} us CPU each", note) if part
                ),
            ),
            Row(
                group=whole,
                name=f"{name}, burst, lost",
                value=count - report["unique"],
                unit="",
                target=0 if target else None,
                worst=True,
            ),
        ]

    return measure


def _oddities(report: dict[str, Any], count: int, carried: Carried) -> str:
    """Say what should not have been, in a few words."""
    parts = []
    if report["unique"] < count:
        parts.append(f"{count - report['unique']} LOST")
    words = ("repeats", "twins", "disorder")
    parts += [f"{report[word]} {word}" for word in words if report[word]]
    if carried.gateway is not None and (said := carried.gateway.complaints()):
        parts.append(f"gateway said {len(said)} times: {said[0][:160]}")
    return "; ".join(parts)


ALL: dict[str, Measure] = {
    "latency-bridge": latency("mosquitto bridge", bridge(), targets=False, against=None),
    "latency-mqtt": latency(
        "gateway to MQTT", gateway_mqtt(), targets=True, against="mosquitto bridge"
    ),
    "latency-http": latency(
        "gateway to HTTP", gateway_http(), targets=True, against="mosquitto bridge"
    ),
    "burst-bridge": burst("mosquitto bridge", bridge(), target=None, against=None),
    "burst-mqtt": burst(
        "gateway to MQTT", gateway_mqtt(), target=10_000, against="mosquitto bridge"
    ),
    "burst-mqtt-inflight20": burst(
        "gateway to MQTT, field broker's default of 20 in flight",
        gateway_mqtt(inflight=20),
        target=None,
        against="gateway to MQTT",
    ),
    "burst-http": burst(
        "gateway to HTTP, one a request", gateway_http(), target=2_500, against="gateway to MQTT"
    ),
    "burst-http-batch": burst(
        "gateway to HTTP, batches of 100",
        gateway_http(batch=100),
        target=10_000,
        against="gateway to MQTT",
    ),
}
