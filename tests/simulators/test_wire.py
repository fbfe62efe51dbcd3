"""A wire carries everything while it is whole, and breaks exactly as it was told."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from simulators.mqtt import Address, Listener, Message, Publisher
from simulators.wire import Trouble
from tests.conftest import MosquittoFactory, WireFactory


@pytest_asyncio.fixture
async def echo_port() -> AsyncIterator[int]:
    """A server that says back what it hears."""
    writers = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0)


async def say(port: int, data: bytes, expect: int | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(30):
            return await (reader.read(-1) if expect is None else reader.readexactly(expect))
    finally:
        writer.close()


async def test_a_whole_wire_carries_every_byte(echo_port: int, wire: WireFactory) -> None:
    proxy = await wire(echo_port)
    data = bytes(range(256)) * 4000
    assert await say(proxy.port, data, len(data)) == data
    assert proxy.carried_bytes == 2 * len(data)


async def test_a_delay_holds_up_and_loses_nothing(echo_port: int, wire: WireFactory) -> None:
    proxy = await wire(echo_port)
    proxy.trouble = Trouble(delay_s=0.1, jitter_s=0.01)
    begun_s = asyncio.get_running_loop().time()
    assert await say(proxy.port, b"hello", 5) == b"hello"
    assert asyncio.get_running_loop().time() - begun_s >= 0.2


async def test_a_throttle_lets_through_so_many_bytes_a_second(
    echo_port: int, wire: WireFactory
) -> None:
    proxy = await wire(echo_port)
    proxy.trouble = Trouble(bytes_per_s=10_000)
    begun_s = asyncio.get_running_loop().time()
    assert len(await say(proxy.port, b"x" * 1000, 1000)) == 1000
    assert asyncio.get_running_loop().time() - begun_s >= 0.2


async def test_the_same_seed_garbles_the_same_byte(echo_port: int, wire: WireFactory) -> None:
    heard = []
    for seed in (7, 7, 8):
        proxy = await wire(echo_port, seed=seed)
        proxy.trouble = Trouble(garble_rate=1.0)
        heard.append(await say(proxy.port, bytes(64), 64))
        assert proxy.garbled_bytes == 2
    assert heard[0] == heard[1] != heard[2]
    assert heard[0] != bytes(64)


async def test_an_end_that_has_said_everything_can_still_listen(
    echo_port: int, wire: WireFactory
) -> None:
    proxy = await wire(echo_port)
    assert await say(proxy.port, b"hello") == b"hello"
    await proxy.until(lambda one: one.open_count == 0)


async def test_a_cut_wire_closes_and_then_carries_again(echo_port: int, wire: WireFactory) -> None:
    proxy = await wire(echo_port)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    await proxy.until(lambda one: one.open_count == 1)
    await proxy.cut()
    assert await reader.read() == b""
    writer.close()
    assert await say(proxy.port, b"again", 5) == b"again"


async def test_a_reset_wire_says_so(echo_port: int, wire: WireFactory) -> None:
    proxy = await wire(echo_port)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"x")
    await reader.readexactly(1)
    await proxy.reset()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_a_wire_that_is_down_refuses_and_comes_back_on_its_port(
    echo_port: int, wire: WireFactory
) -> None:
    proxy = await wire(echo_port)
    port = proxy.port
    await proxy.down()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await proxy.up()
    assert proxy.port == port
    assert await say(port, b"again", 5) == b"again"


async def test_a_connection_is_cut_after_so_many_bytes(echo_port: int, wire: WireFactory) -> None:
    proxy = await wire(echo_port)
    proxy.trouble = Trouble(cut_after_bytes=3)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    assert len(await reader.read()) <= 3
    writer.close()


async def test_a_wire_to_nobody_breaks_at_once(wire: WireFactory, unused_port: int) -> None:
    proxy = await wire(unused_port)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    writer.close()


@pytest.fixture
def unused_port(unused_tcp_port: int) -> int:
    return unused_tcp_port


async def test_a_half_open_wire_swallows_and_the_device_sends_again_when_it_is_healed(
    mosquitto: MosquittoFactory, wire: WireFactory
) -> None:
    broker = await mosquitto()
    proxy = await wire(broker.port)
    async with (
        Listener(broker.address, "t/#", client_id="l") as listener,
        Publisher(Address(port=proxy.port), client_id="p") as device,
    ):
        proxy.half_open()
        waiting = device.post(Message(topic="t/1", payload=b"pressed"))
        await proxy.until(lambda one: one.swallowed_bytes > 0)
        assert device.accepted_count == 0
        proxy.heal()
        assert (await waiting).resent
        assert (await listener.next()).payload == b"pressed"


async def test_when_only_the_answer_is_swallowed_the_press_arrives_twice(
    mosquitto: MosquittoFactory, wire: WireFactory
) -> None:
    broker = await mosquitto()
    proxy = await wire(broker.port)
    async with (
        Listener(broker.address, "t/#", client_id="l") as listener,
        Publisher(Address(port=proxy.port), client_id="p") as device,
    ):
        proxy.trouble.swallow_down = True
        waiting = device.post(Message(topic="t/1", payload=b"pressed"))
        assert (await listener.next()).payload == b"pressed"
        await proxy.until(lambda one: one.swallowed_bytes > 0)
        proxy.heal()
        assert (await waiting).resent
        assert (await listener.next()).payload == b"pressed"
