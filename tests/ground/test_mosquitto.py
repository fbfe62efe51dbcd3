"""config/mosquitto: a real mosquitto reads it and does what it says."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from gateway.links.broker import BrokerSettings
from simulators.ports import free_port
from tests.ground.tree import ROOT
from tests.links.broker.conftest import Client, client

SOURCE = ROOT / "config" / "mosquitto"
PLACES = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin"
PASSWORDS = {"gateway": "for-the-gateway", "btn-1": "for-the-button"}


class Broker:
    """One mosquitto under campus.conf: only the port and the places of its files are ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = BrokerSettings(folder=folder, port=free_port())
        self.process: asyncio.subprocess.Process | None = None

    def write(self) -> Path:
        passwords = self.folder / "campus.passwd"
        passwords.touch(mode=0o600)
        for name, password in PASSWORDS.items():
            tool = str(shutil.which("mosquitto_passwd", path=PLACES))
            subprocess.run([tool, "-b", str(passwords), name, password], check=True)
        shutil.copy(SOURCE / "campus.acl", self.folder)
        text = (SOURCE / "campus.conf").read_text(encoding="utf-8")
        for place in ("/etc/mosquitto/campus.passwd", "/etc/mosquitto/campus.acl"):
            assert place in text
        text = text.replace("/etc/mosquitto/", f"{self.folder}/")
        text = text.replace("/var/lib/mosquitto/", f"{self.folder}/")
        text = text.replace("listener 1883\n", f"listener {self.settings.port} 127.0.0.1\n")
        if os.geteuid() == 0:
            text += "\nuser root\n"  # it would become another user, who cannot read this folder
        path = self.folder / "campus.conf"
        path.write_text(text + "log_dest stderr\nlog_type information\n", encoding="utf-8")
        return path

    async def start(self) -> None:
        """Return once it says that it runs."""
        program = shutil.which("mosquitto", path=PLACES)
        assert program is not None, "mosquitto is not installed; `make test` says how"
        self.process = await asyncio.create_subprocess_exec(
            program, "-c", str(self.folder / "campus.conf"), stderr=asyncio.subprocess.PIPE
        )
        assert self.process.stderr is not None
        said = b""
        async with asyncio.timeout(45):
            while b" running" not in (line := await self.process.stderr.readline()):
                said += line
                assert line, said.decode()

    async def kill(self) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


@pytest_asyncio.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    one = Broker(tmp_path)
    await asyncio.to_thread(one.write)
    try:
        await one.start()
        yield one
    finally:
        await one.kill()


def gateway(broker: Broker) -> Client:
    return Client(broker.settings, "gw", "gateway", PASSWORDS["gateway"])


async def test_nobody_comes_in_without_a_password(broker: Broker) -> None:
    def knock() -> list[str]:
        answers = []
        for user, password in (("", ""), ("gateway", "guess"), ("btn-1", PASSWORDS["btn-1"])):
            with client(broker.settings, "somebody", user, password) as one:
                answers.append(one.connect())
        return answers

    assert await asyncio.to_thread(knock) == ["Not authorized", "Not authorized", "Success"]


async def test_a_device_speaks_in_its_own_branch_only(broker: Broker) -> None:
    def press() -> list[tuple[str, bytes]]:
        one = gateway(broker)
        try:
            one.connect()
            one.subscribe("#")
            with client(broker.settings, "b1", "btn-1", PASSWORDS["btn-1"]) as button:
                button.connect()
                button.publish("devices/btn-2/press", b"as another")
                last = button.publish("devices/btn-1/press", b"as itself")
                assert button.wait(lambda: last in button.acked)
            assert one.wait(lambda: bool(one.received))
            return one.received
        finally:
            one.close()

    assert await asyncio.to_thread(press) == [("devices/btn-1/press", b"as itself")]


async def test_messages_and_session_survive_sigkill_after_autosave(broker: Broker) -> None:
    def press() -> int:
        one = gateway(broker)
        one.connect()
        one.subscribe("devices/#")
        one.close()
        with client(broker.settings, "b1", "btn-1", PASSWORDS["btn-1"]) as button:
            button.connect()
            for number in range(50):
                mid = button.publish("devices/btn-1/press", b"%d" % number)
                assert button.wait(lambda mid=mid: mid in button.acked)
            return len(button.acked)

    acknowledged = await asyncio.to_thread(press)
    await broker.kill()
    await broker.start()

    def read() -> int:
        one = gateway(broker)
        try:
            one.connect()
            with client(broker.settings, "b1", "btn-1", PASSWORDS["btn-1"]) as button:
                button.connect()
                button.publish("devices/btn-1/press", b"last")  # what survived comes before it
                assert one.wait(lambda: ("devices/btn-1/press", b"last") in one.received)
            return len(one.received) - 1
        finally:
            one.close()

    # One may be missing: mosquitto acknowledges before it saves. That is what campus.conf says.
    assert acknowledged == 50
    assert await asyncio.to_thread(read) >= acknowledged - 1


async def test_a_packet_beyond_the_bound_is_not_acknowledged(broker: Broker) -> None:
    def press() -> bool:
        with client(broker.settings, "b1", "btn-1", PASSWORDS["btn-1"]) as button:
            button.connect()
            mid = button.publish("devices/btn-1/press", b"x" * 300_000)
            assert button.wait(lambda: button.disconnects > 0)
            return mid in button.acked

    assert not await asyncio.to_thread(press)
