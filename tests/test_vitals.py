"""Who hears that the gateway lives, and what its numbers say."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from prometheus_client import generate_latest

from gateway.errors import UplinkUnavailable
from gateway.metrics import Metrics
from gateway.vitals import PROGRESS_S, WATCHDOG_S, Vitals
from tests.clocks import FakeClock
from tests.parts import PATIENCE_S, Receiver, core, wake, working


class Systemd:
    """The far end of sd_notify(3)."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(str(path))

    def heard(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(64))
            except BlockingIOError:
                return found


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    one = Systemd(path)
    yield one
    one.socket.close()


async def test_systemd_hears_of_us_while_every_loop_moves_and_not_while_one_stands(
    tmp_path: Path, systemd: Systemd
) -> None:
    clock, moved = FakeClock(), 0
    async with core(tmp_path / "store", clock) as made:
        vitals = Vitals(made.intake, made.store, [], clock)
        vitals.watch("other", lambda: moved)
        task = asyncio.create_task(vitals.watchdog())

        async def rounds(count: int, *, moving: bool) -> list[bytes]:
            nonlocal moved
            for _ in range(count):
                moved += moving
                clock.advance(WATCHDOG_S)
                await made.turn()  # the intake's own loop moves with it
            return systemd.heard()

        patient = int(PROGRESS_S / WATCHDOG_S)
        assert set(await rounds(2 * patient, moving=True)) == {b"WATCHDOG=1"}
        assert await rounds(patient - 1, moving=False), "not at once: a loop may be busy"
        await rounds(1, moving=False)
        assert await rounds(2 * patient, moving=False) == []
        assert not vitals.loops["other"]()
        assert vitals.loops["intake"]()
        assert await rounds(1, moving=True) == [b"WATCHDOG=1"]
        task.cancel()
        await asyncio.wait({task})


async def test_a_heartbeat_says_how_much_waits_and_comes_again_after_its_interval(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with core(tmp_path, clock, receivers=["police"]) as made, working(made, uplink) as worker:
        vitals = Vitals(made.intake, made.store, [worker], clock)
        # Alarms fail and heartbeats do not: what they say of the queue is seen.
        uplink.answer = lambda one: UplinkUnavailable("no") if one.is_alarm else answer(one)
        answer = Receiver().answer
        await made.write()
        await uplink.until(lambda: uplink.sent)
        await wake(made, worker)
        task = asyncio.create_task(vitals.heartbeats("gw-1", 30))
        for beats in (1, 2):
            await uplink.until(
                lambda wanted=beats: sum(not one.is_alarm for one in uplink.sent) == wanted
            )
            async with asyncio.timeout(PATIENCE_S):
                while len(clock.slept) < beats:
                    await made.turn()
            clock.advance(30)
        said = orjson.loads(next(one for one in uplink.sent if not one.is_alarm).body)["data"][
            "attributes"
        ]
        assert (said["queue_depth"], said["interval_s"], said["clock"]) == (1, 30, "trusted")
        metrics = Metrics()
        vitals.gauges(metrics)
        text = generate_latest(metrics.registry).decode()
        assert 'campus_outbox_depth{receiver="police"} 1.0' in text
        assert "campus_journal_seq " in text
        task.cancel()
        await asyncio.wait({task})
