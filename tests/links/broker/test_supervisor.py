"""The embedded broker: what it acknowledged survives, and it comes back by itself."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.clock import SystemClock
from gateway.errors import LinkDown
from gateway.links.broker import BrokerSettings, BrokerUser, EmbeddedBroker, answers
from tests.links.broker.conftest import (
    PATIENCE_S,
    Client,
    Notices,
    Start,
    client,
    gateway_client,
    running,
)

BUTTON = BrokerUser(name="btn", password="for-the-button", topics=("buttons/west/#",))


class HurriedClock(SystemClock):
    """Waits a fiftieth of what it is asked to."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 50)


def drain(mqtt: Client, wanted: int) -> set[bytes]:
    mqtt.wait(lambda: len({payload for _, payload in mqtt.received}) >= wanted)
    return {payload for _, payload in mqtt.received}


async def test_messages_with_a_puback_survive_sigkill_of_the_broker(
    start: Start, settings: BrokerSettings
) -> None:
    one = await start(settings)
    sent: dict[int, bytes] = {}

    def publish_and_kill() -> set[bytes]:
        with gateway_client(one) as subscriber:
            subscriber.subscribe("buttons/#")
        with gateway_client(one, "button") as button:
            for number in range(500):
                payload = b"press %d" % number
                sent[button.publish("buttons/west", payload)] = payload
            assert button.wait(lambda: len(button.acked) >= 250)
            os.kill(one.pid, signal.SIGKILL)  # in the middle of the stream
            assert button.wait(lambda: button.disconnects > 0)
            return {sent[mid] for mid in button.acked}

    acknowledged = await asyncio.to_thread(publish_and_kill)
    await one.told.wait_for("broker", healthy=True, count=2)

    def read() -> set[bytes]:
        with gateway_client(one) as subscriber:
            return drain(subscriber, len(acknowledged))

    received = await asyncio.to_thread(read)
    assert len(acknowledged) >= 250
    assert acknowledged - received == set()


async def test_a_killed_broker_comes_back_and_both_are_told(
    start: Start, settings: BrokerSettings
) -> None:
    one = await start(settings)
    first = one.pid
    os.kill(first, signal.SIGKILL)
    text = await one.told.wait_for("broker", healthy=False)
    assert "SIGKILL" in text
    await one.told.wait_for("broker", healthy=True, count=2)
    await one.broker.wait_ready(PATIENCE_S)
    assert one.pid != first


async def test_a_broker_that_hangs_is_replaced(
    start: Start, settings: BrokerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await start(settings, HurriedClock())
    with monkeypatch.context() as hurried:  # a broker that is well has all its time
        hurried.setattr(answers, "ANSWER_S", 0.3)
        hurried.setattr("gateway.links.broker.supervisor.STOP_S", 0.3)
        os.kill(one.pid, signal.SIGSTOP)
        assert "missed 3 checks" in await one.told.wait_for("broker", healthy=False)
    await one.told.wait_for("broker", healthy=True, count=2)


async def test_the_broker_dies_with_a_killed_gateway_and_its_folder_is_free_again(
    start: Start, settings: BrokerSettings
) -> None:
    program = f"""
import asyncio
from pathlib import Path
from gateway.clock import SystemClock
from gateway.links.broker import BrokerSettings, EmbeddedBroker

async def told(what, healthy, text): pass

async def main():
    settings = BrokerSettings(folder=Path({str(settings.folder)!r}), port={settings.port})
    broker = EmbeddedBroker(settings, SystemClock(), told)
    async with asyncio.TaskGroup() as group:
        group.create_task(broker.run())
        await broker.wait_ready(20)
        print("PID", broker.pid, flush=True)

asyncio.run(main())
"""
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert gateway.stdout is not None
    while not (line := await gateway.stdout.readline()).startswith(b"PID "):
        assert line, "the gateway ended before its broker was ready"
    broker_pid = int(line.split()[1])
    handle = os.pidfd_open(broker_pid)
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, gone.set)
    try:
        gateway.kill()
        await gateway.wait()
        async with asyncio.timeout(PATIENCE_S):
            await gone.wait()
    finally:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)
    one = await start(settings)
    assert one.pid != broker_pid


async def test_a_port_in_use_is_named_with_its_holder(settings: BrokerSettings) -> None:
    with socket.socket() as taken:
        taken.bind((settings.host, settings.port))
        taken.listen()
        async with running(settings) as one:
            text = await one.told.wait_for("broker", healthy=False)
            with pytest.raises(LinkDown, match="not ready"):
                await one.broker.wait_ready(0.01)
    assert f"127.0.0.1:{settings.port} is in use by" in text
    assert f"(pid {os.getpid()})" in text


async def test_it_starts_as_soon_as_the_port_is_free(settings: BrokerSettings) -> None:
    with socket.socket() as taken:
        taken.bind((settings.host, settings.port))
        taken.listen()
        async with running(settings) as one:
            await one.told.wait_for("broker", healthy=False)
            taken.close()
            await one.broker.wait_ready(PATIENCE_S)


async def test_a_second_gateway_on_the_same_folder_is_told_whose_it_is(
    start: Start, settings: BrokerSettings
) -> None:
    await start(settings)
    told = Notices()
    second = EmbeddedBroker(settings, SystemClock(), told)
    task = asyncio.create_task(second.run())
    text = await told.wait_for("broker", healthy=False)
    await second.stop()
    await task
    assert f"gateway pid {os.getpid()}" in text
    assert str(settings.folder) in text


async def test_wrong_and_missing_credentials_are_refused(
    start: Start, settings: BrokerSettings
) -> None:
    one = await start(settings)

    def attempts() -> Iterator[str]:
        for user, password in (("gateway", "guess"), ("", ""), ("campus-warden", "guess")):
            with client(settings, "stranger", user, password) as stranger:
                yield stranger.connect()

    assert await asyncio.to_thread(list, attempts()) == [
        "Not authorized",
        "Bad user name or password",
        "Not authorized",
    ]
    with pytest.raises(LinkDown, match="not authorized"):
        await answers.open_session(
            settings.host, settings.port, username="gateway", password="guess"
        )
    assert one.told.told == [one.told.told[0]]  # a stranger's failure is no fault of the broker's


async def test_the_second_listener_is_on_loopback_and_for_the_warden_alone(
    start: Start, settings: BrokerSettings
) -> None:
    one = await start(settings)
    (ports_file,) = settings.folder.glob("*.ports")
    assert "127.0.0.1" in ports_file.read_text()
    port = int(ports_file.read_text().split("127.0.0.1:")[1].split('"')[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    login = f'{{"user":"gateway","pass":"{one.broker.password}","protocol":0}}'
    writer.write(f"CONNECT {login}\r\nPING\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert b"Authorization Violation" in answer
    assert b"PONG" not in answer


async def test_devices_come_in_when_admitted_and_the_gateway_stays_connected(
    start: Start, settings: BrokerSettings
) -> None:
    one = await start(replace(settings, devices=(BUTTON,)))

    def knock() -> str:
        with client(settings, "button", BUTTON.name, BUTTON.password) as button:
            return button.connect()

    with gateway_client(one) as subscriber:
        await asyncio.to_thread(subscriber.subscribe, "buttons/#")
        assert await asyncio.to_thread(knock) == "Not authorized"
        await one.broker.admit()
        async with asyncio.timeout(PATIENCE_S):
            while await asyncio.to_thread(knock) != "Success":  # nats-server reloads on a signal
                pass

        def press() -> set[bytes]:
            with client(settings, "button", BUTTON.name, BUTTON.password) as button:
                assert button.connect() == "Success"
                mid = button.publish("buttons/west/1", b"pressed")
                assert button.wait(lambda: mid in button.acked)
            return drain(subscriber, 1)

        assert await asyncio.to_thread(press) == {b"pressed"}
        assert subscriber.disconnects == 0


async def test_a_device_reaches_its_own_topics_only_and_nobody_the_brokers_own(
    start: Start, settings: BrokerSettings
) -> None:
    one = await start(replace(settings, devices=(BUTTON,)))
    await one.broker.admit()
    os.kill(one.pid, signal.SIGKILL)  # a later life lets them in at once
    await one.told.wait_for("broker", healthy=True, count=2)

    def try_it() -> list[tuple[str, bytes]]:
        with gateway_client(one) as subscriber:
            subscriber.subscribe("#")
            with client(settings, "button", BUTTON.name, BUTTON.password) as button:
                assert button.connect() == "Success"
                button.publish("buttons/east/1", b"not mine")
                button.publish("$JS/API/STREAM/DELETE/$MQTT_msgs", b"")
                mine = button.publish("buttons/west/1", b"mine")
                assert button.wait(lambda: mine in button.acked)
                button.subscribe("buttons/west/#")
                again = button.publish("buttons/west/2", b"also mine")
                assert button.wait(lambda: ("buttons/west/2", b"also mine") in button.received)
                assert button.wait(lambda: again in button.acked)
            subscriber.publish("$JS/API/STREAM/DELETE/$MQTT_msgs", b"")
            last = subscriber.publish("buttons/west/3", b"still here")
            assert subscriber.wait(lambda: last in subscriber.acked)
            assert subscriber.wait(lambda: len(subscriber.received) >= 3)
            return subscriber.received

    assert [payload for _, payload in await asyncio.to_thread(try_it)] == [
        b"mine",
        b"also mine",
        b"still here",
    ]


async def test_a_full_backlog_refuses_devices_but_never_the_gateway_that_drains_it(
    start: Start, settings: BrokerSettings
) -> None:
    one = await start(replace(settings, max_backlog_bytes=2_000_000), HurriedClock())
    sent: dict[int, bytes] = {}

    def fill() -> set[bytes]:
        with gateway_client(one) as subscriber:
            subscriber.subscribe("buttons/#")
        with gateway_client(one, "button") as button:
            for number in range(40):
                payload = b"%d " % number + b"x" * 100_000
                mid = button.publish("buttons/west", payload)
                sent[mid] = payload
                assert button.wait(lambda mid=mid: mid in button.acked or button.disconnects > 0)
                if button.disconnects > 0:
                    break
            return {sent[mid] for mid in button.acked}

    acknowledged = await asyncio.to_thread(fill)
    assert 10 <= len(acknowledged) < 20
    assert "满后拒收" in await one.told.wait_for("broker-backlog", healthy=False)

    def read() -> set[bytes]:
        with gateway_client(one) as subscriber:
            return drain(subscriber, len(acknowledged))

    assert acknowledged - await asyncio.to_thread(read) == set()
    await one.told.wait_for("broker-backlog", healthy=True)


async def test_a_message_beyond_the_bound_is_refused_and_logged(
    start: Start, settings: BrokerSettings
) -> None:
    one = await start(replace(settings, max_message_bytes=4096))

    def send() -> int:
        with gateway_client(one) as button:
            mid = button.publish("buttons/west", b"x" * 5000)
            assert button.wait(lambda: button.disconnects > 0)
            return mid in button.acked

    with capture_logs() as lines:
        assert not await asyncio.to_thread(send)
        await one.broker.stop()
    assert any("maximum payload" in str(line.get("said", "")).lower() for line in lines)


async def test_no_secret_is_on_the_command_line_and_files_are_private(
    start: Start, settings: BrokerSettings
) -> None:
    one = await start(replace(settings, devices=(BUTTON,)))
    process = Path(f"/proc/{one.pid}")
    shown = process.joinpath("cmdline").read_bytes() + process.joinpath("environ").read_bytes()
    assert b"nats-server" in shown
    for secret in (one.broker.password, BUTTON.password):
        assert secret.encode() not in shown
        assert secret not in repr(one.settings)
    assert settings.folder.stat().st_mode & 0o777 == 0o700
    for name in ("nats.conf", "gateway.secret"):
        assert (settings.folder / name).stat().st_mode & 0o777 == 0o600


async def test_stop_ends_the_process_and_frees_the_port(
    start: Start, settings: BrokerSettings
) -> None:
    one = await start(settings)
    pid = one.pid
    await one.broker.stop()
    assert one.broker.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((settings.host, settings.port))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB; only root can make one, others skip what needs it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this account may not mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_after_a_full_disk_it_takes_messages_again_by_itself_and_lost_none(
    start: Start, settings: BrokerSettings, small_disk: Path
) -> None:
    one = await start(replace(settings, folder=small_disk / "broker"), HurriedClock())
    sent: dict[int, bytes] = {}

    def fill() -> set[bytes]:
        with gateway_client(one) as subscriber:
            subscriber.subscribe("buttons/#")
        with gateway_client(one, "button") as button:
            for number in range(80):
                payload = b"%d " % number + b"x" * 100_000
                mid = button.publish("buttons/west", payload)
                sent[mid] = payload
                assert button.wait(lambda mid=mid: mid in button.acked or button.disconnects > 0)
                if button.disconnects > 0:
                    break
            return {sent[mid] for mid in button.acked}

    acknowledged = await asyncio.to_thread(fill)
    assert 20 < len(acknowledged) < 70
    await one.told.wait_for("broker-disk", healthy=False)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)  # noqa: ASYNC221
    await one.told.wait_for("broker-disk", healthy=True)
    await one.told.wait_for("broker", healthy=True, count=2)

    def press_and_read() -> set[bytes]:
        with gateway_client(one, "button") as button:
            mid = button.publish("buttons/west", b"after")
            assert button.wait(lambda: mid in button.acked)
        with gateway_client(one) as subscriber:
            return drain(subscriber, len(acknowledged) + 1)

    assert (acknowledged | {b"after"}) - await asyncio.to_thread(press_and_read) == set()
