"""Real ends for every test: brokers, receivers, a wire, certificates; and no task left behind."""

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from simulators.brokers import Mosquitto, MosquittoSettings, NatsMqtt
from simulators.bureau import Bureau
from simulators.inbox import Inbox
from simulators.mqtt import Address
from simulators.police import Police
from simulators.ports import free_port
from simulators.wire import Wire

MosquittoFactory = Callable[..., Awaitable[Mosquitto]]
NatsFactory = Callable[..., Awaitable[NatsMqtt]]
PoliceFactory = Callable[..., Awaitable[Police]]
BureauFactory = Callable[..., Awaitable[Bureau]]
WireFactory = Callable[..., Awaitable[Wire]]
ENDING_S = 2.0

# Hundreds of processes are begun in these tests. Where the environment forbids to keep bytecode,
# each compiles the gateway anew, which is half of what its start costs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The same examples on every machine and in every run: what passes here passes where it must. Who
# looks for new ones says --hypothesis-profile=search; ten times as many are in make test-long. And
# no example fails for being slow.
hypothesis_settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.register_profile(
    "long", hypothesis_settings.get_profile("suite"), max_examples=400
)
hypothesis_settings.register_profile(
    "search", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("suite")
POLICE_SECRET = "whsec_" + "c2ltdWxhdGVkLXNlY3JldC1vZi1wb2xpY2UtMDE="


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Who says --dist loadfile gets it with the order of tests/schedule.py."""
    if config.getvalue("dist") != "loadfile":
        return None
    from tests.schedule import Mixed  # noqa: PLC0415 only where xdist is in use

    return Mixed(config, log)


@pytest_asyncio.fixture(autouse=True)
async def no_task_is_left_behind(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Fail a test that ends with more asyncio tasks than it began with.

    A task that is merely on its last step, which may be the goodbye of a process or a thread, has
    ENDING_S for it. Fixtures that keep tasks of their own are torn down before this one, because
    they are set up after it.
    """
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=ENDING_S)
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=2)
        names = ", ".join(repr(task.get_coro()) for task in left)
        pytest.fail(f"{request.node.name} left {len(left)} task(s) running: {names}")


@pytest_asyncio.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[MosquittoFactory]:
    """Start real mosquittos: `await mosquitto(persistence=False, …)`, see MosquittoSettings."""
    numbers = count(1)
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Mosquitto:
            folder = tmp_path / f"mosquitto-{next(numbers)}"
            return await stack.enter_async_context(Mosquitto(folder, MosquittoSettings(**settings)))

        yield start


@pytest_asyncio.fixture
async def nats_mqtt(tmp_path: Path) -> AsyncIterator[NatsFactory]:
    """Start real nats-servers with MQTT, every write synced."""
    numbers = count(1)
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> NatsMqtt:
            folder = tmp_path / f"nats-{next(numbers)}"
            return await stack.enter_async_context(NatsMqtt(folder, **settings))

        yield start


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files of one throw-away authority, and of a stranger's that nobody trusts."""

    ca: Path
    server_cert: Path
    server_key: Path
    client_cert: Path
    client_key: Path
    stranger_ca: Path
    stranger_cert: Path
    stranger_key: Path

    def client_context(self, *, with_certificate: bool = True) -> ssl.SSLContext:
        """A client that trusts the authority, and shows its certificate or has none."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if with_certificate:
            context.load_cert_chain(str(self.client_cert), str(self.client_key))
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make them once; the server's is for localhost and 127.0.0.1."""
    folder = tmp_path_factory.mktemp("certificates")
    authority, stranger = trustme.CA(), trustme.CA()
    issued = {
        "server": authority.issue_cert("localhost", "127.0.0.1"),
        "client": authority.issue_cert("gw-1", common_name="gw-1"),
        "stranger": stranger.issue_cert("localhost", "127.0.0.1"),
    }
    for name, pair in issued.items():
        pair.private_key_pem.write_to_path(folder / f"{name}.key")
        (folder / f"{name}.pem").write_bytes(b"".join(b.bytes() for b in pair.cert_chain_pems))
    authority.cert_pem.write_to_path(folder / "ca.pem")
    stranger.cert_pem.write_to_path(folder / "stranger-ca.pem")
    return Certificates(
        ca=folder / "ca.pem",
        server_cert=folder / "server.pem",
        server_key=folder / "server.key",
        client_cert=folder / "client.pem",
        client_key=folder / "client.key",
        stranger_ca=folder / "stranger-ca.pem",
        stranger_cert=folder / "stranger.pem",
        stranger_key=folder / "stranger.key",
    )


@pytest_asyncio.fixture
async def police(tmp_path: Path) -> AsyncIterator[PoliceFactory]:
    """Start police receivers with POLICE_SECRET: `await police(batches=True, …)`, see Police."""
    numbers = count(1)
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Police:
            inbox = Inbox(tmp_path / f"police-{next(numbers)}.inbox")
            return await stack.enter_async_context(
                Police(**({"secret": POLICE_SECRET, "inbox": inbox} | settings))
            )

        yield start


@pytest.fixture
def unused_tcp_port() -> int:
    """As pytest-asyncio's, and nobody else's while the test lasts."""
    return free_port()


@pytest_asyncio.fixture
async def wire() -> AsyncIterator[WireFactory]:
    """Put wires before ports: `await wire(broker.port, seed=7)`."""
    async with AsyncExitStack() as stack:

        async def start(target_port: int, **settings: Any) -> Wire:
            return await stack.enter_async_context(Wire(target_port, **settings))

        yield start


@pytest_asyncio.fixture
async def bureau(tmp_path: Path) -> AsyncIterator[BureauFactory]:
    """Start bureau receivers: `await bureau(broker.address, …)`, see Bureau."""
    numbers = count(1)
    async with AsyncExitStack() as stack:

        async def start(address: Address, **settings: Any) -> Bureau:
            inbox = Inbox(tmp_path / f"bureau-{next(numbers)}.inbox")
            return await stack.enter_async_context(Bureau(address, **({"inbox": inbox} | settings)))

        yield start
