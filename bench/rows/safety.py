"""What must hold when things go wrong: kills, an absent receiver, a backlog before an alarm."""

import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from bench.generator import topic_of
from bench.machine import BenchError, until
from bench.rig import Field, Publisher, Rig, mqtt_uplink, warm
from bench.rows import Size
from bench.rows.carriers import Carried, Carrier, bridge, gateway_http, gateway_mqtt
from bench.rows.flow import Measure
from bench.table import Row

URGENT_WAIT_S = 40.0
SILENCE_S = 20.0
"""Longer than any call of an uplink may take (15 s)."""
NEVER = 1e-9
"""Records a second: one in thirty years."""


def lost_when_killed(rig: Rig, size: Size) -> list[Row]:
    """SIGKILL three times in the stream, the receiver away all the while; then it comes back."""
    count, group = size.lost, "killed while the receiver is away"
    with rig.scene():
        field = rig.broker(Field())
        receiver = rig.receiver("serve")
        gateway = rig.gateway(field.port, mqtt_uplink(receiver.port))
        warm(field.port, receiver)
        receiver.process.end()
        load = rig.load(field.port, count, rate=1000)
        load.go()
        database = gateway.folder / "store" / "events.db"
        for part in (0.1, 0.3, 0.6):
            until("part of it is stored", partial(_stored, database, count * part), 40, 0.01)
            gateway.kill()
            gateway.start()
        load.result()
        receiver = rig.receiver("serve", receiver.port)
        report = receiver.wait(count, stalled_s=25)
        said = [line for line in gateway.complaints() if "receiver not reached" not in line]
    note = f"{report['repeats']} repeats; first complaint: {said[0][:200] if said else 'none'}"
    return [
        Row(
            group=group,
            name=f"gateway, lost of {count:,}",
            value=count - report["unique"],
            unit="",
            target=0,
            worst=True,
            note=note,
        ),
        Row(
            group=group,
            name="gateway, one message made two records",
            value=report["twins"],
            unit="",
            worst=True,
        ),
        Row(
            group=group,
            name="gateway, out of order within a device",
            value=report["disorder"],
            unit="",
            worst=True,
        ),
    ]


def lost_by_bridge(rig: Rig, size: Size) -> list[Row]:
    """The same for the bridge, which has nothing on disk as installed."""
    count = size.lost
    with rig.scene():
        receiver = rig.receiver("serve")
        field = rig.broker(Field(bridge=receiver.port))
        warm(field.port, receiver)
        receiver.process.end()
        load = rig.load(field.port, count)
        load.go()
        load.result()
        field.process.end(kill=True)
        rig.broker(Field(bridge=receiver.port), field.port)
        receiver = rig.receiver("serve", receiver.port)
        report = receiver.wait(count, stalled_s=4)
    return [
        Row(
            group="killed while the receiver is away",
            name=f"mosquitto bridge, lost of {count:,}",
            value=count - report["unique"],
            unit="",
            worst=True,
            note="as installed: its queue is in memory; all were acknowledged to the device",
        )
    ]


def silent_receiver(rig: Rig, size: Size) -> list[Row]:
    """A receiver that accepts connections and reads nothing, long enough for calls to time out."""
    count = size.lost
    with rig.scene():
        carried = gateway_mqtt(serve=True)(rig)
        carried.receiver.rate(NEVER)
        load = rig.load(carried.field_port, count, rate=2000)
        load.go()
        load.result()
        time.sleep(SILENCE_S)
        carried.receiver.rate(0)
        report = carried.receiver.wait(count, stalled_s=25)
    return [
        Row(
            group="a receiver that accepts and never reads",
            name=f"gateway, lost of {count:,} against it",
            value=count - report["unique"],
            unit="",
            target=0,
            worst=True,
            note=f"silent for {SILENCE_S:g} s; {report['repeats']} repeats,"
            f" {report['twins']} twins, {report['disorder']} out of order",
        )
    ]


def urgent(name: str, carrier: Carrier, *, target: float | None) -> Measure:
    """A priority 1 event and a panic press behind a backlog that drains at 1,000/s."""

    def measure(rig: Rig, size: Size) -> list[Row]:
        count = size.backlog
        with rig.scene():
            carried = carrier(rig)
            receiver = carried.receiver
            receiver.rate(1000)
            load = rig.load(carried.field_port, count)
            load.go()
            load.result()
            if carried.gateway is not None:
                database = carried.gateway.folder / "store" / "events.db"
                until("the backlog is in the store", partial(_stored, database, count), 30)
            publisher = Publisher(carried.field_port)
            numbers = [publisher.publish(topic_of(7), level=1), publisher.publish("bench/panic")]
            waiting = count - receiver.report()["unique"]
            until(
                "the urgent record arrives",
                lambda: all(str(n) in receiver.report()["special"] for n in numbers),
                URGENT_WAIT_S,
                0.2,
            )
            delays = [receiver.report()["special"][str(n)] / 1e3 for n in numbers]
            receiver.rate(0)
            report = receiver.wait(count)
            publisher.close()
        return [
            Row(
                group="urgent behind a backlog",
                name=f"{name}, urgent behind a backlog",
                value=max(delays),
                unit="s",
                target=target,
                note=f"behind {waiting:,}; {count - report['unique']} lost,"
                f" {report['disorder']} out of order",
            )
        ]

    return measure


def _stored(database: Path, count: float) -> bool:
    """Whether the gateway has so many records on disk; a look from outside, by a reader."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        found = db.execute("SELECT max(seq) FROM record").fetchone()[0]
    return int(found or 0) >= count


def many(rig: Rig, size: Size) -> list[Row]:
    """Memory after many events, and how soon a killed gateway with all of them takes an alarm."""
    count = size.many
    with rig.scene():
        carried = gateway_mqtt()(rig)
        gateway, receiver = carried.gateway, carried.receiver
        if gateway is None:
            raise BenchError("no gateway")
        load = rig.load(carried.field_port, count)
        load.go()
        load.result()
        report = receiver.wait(count, stalled_s=30)
        missing = count - report["unique"]
        if missing:
            said = "; ".join(line[:160] for line in gateway.complaints()[:3])
            raise BenchError(f"{missing:,} of {count:,} did not come through: {said}")
        pss, rss = gateway.process.memory_mib()
        store_mib = (
            sum(p.stat().st_size for p in (gateway.folder / "store").glob("events.db*")) / 2**20
        )
        receiver.clear()
        gateway.kill()
        publisher = Publisher(carried.field_port)
        number = publisher.publish("bench/panic")
        gateway.start()
        until(
            "the alarm arrives",
            lambda: str(number) in receiver.report()["special"],
            60,
        )
        start_s = receiver.report()["special"][str(number)] / 1e3
        publisher.close()
    group = f"after {count:,} events"
    return [
        Row(
            group=group,
            name="gateway, memory (PSS)",
            value=pss,
            unit="MiB",
            target=120,
            note=f"RSS {rss:.0f} MiB; store {store_mib:,.0f} MiB",
        ),
        Row(
            group=group,
            name="gateway, SIGKILL and start to the first alarm's receipt",
            value=start_s,
            unit="s",
            target=3.0,
            note="the press waits at the field broker; includes Python's own start",
        ),
    ]


def many_devices(rig: Rig, size: Size) -> list[Row]:
    """Processor time per event with ten devices and with very many, each heard of before."""
    rows: list[Row] = []
    group = "processor time"
    for devices in (10, size.devices):
        with rig.scene():
            carried = gateway_mqtt(devices=devices)(rig)
            if devices > 10:
                _run(rig, carried, devices, devices, 0.0)
            cpu = _run(rig, carried, size.each, devices, 1000.0)
        rows.append(
            Row(
                group=group,
                name=f"gateway, {devices:,} devices, CPU per 10,000 at 1,000/s",
                value=cpu * 10_000 / size.each,
                unit="s",
                against=rows[0].name if rows else None,
                note="" if not rows else "the ratio should be about 1",
            )
        )
    rows[1].target = (rows[0].value or 0) * 1.1
    return rows


def _run(rig: Rig, carried: Carried, count: int, devices: int, rate: float) -> float:
    carried.receiver.clear()
    load = rig.load(carried.field_port, count, rate=rate, devices=devices)
    before = carried.process().cpu_s()
    load.go()
    load.result()
    carried.receiver.wait(count)
    return carried.process().cpu_s() - before


ALL: dict[str, Measure] = {
    "lost": lost_when_killed,
    "lost-bridge": lost_by_bridge,
    "silent-receiver": silent_receiver,
    "urgent-mqtt": urgent("gateway to MQTT", gateway_mqtt(serve=True), target=1.0),
    "urgent-http": urgent("gateway to HTTP", gateway_http(), target=1.0),
    "urgent-bridge": urgent("mosquitto bridge", bridge(serve=True), target=None),
    "many": many,
    "devices": many_devices,
}
