"""One connection and a device that does what the test says, on every kind of line."""

import asyncio
import contextlib
import socket

import pytest

from gateway.errors import DeviceError, LinkDown
from gateway.links.modbus import ModbusConnection, Refused, Request, Silent, Wrong
from gateway.links.modbus.connection import FLOOD_BYTES, TURNAROUND_NS
from gateway.links.modbus.keepalive import IDLE_S, INTERVAL_S, PROBES, UNACKNOWLEDGED_MS
from tests.clocks import FakeClock
from tests.links.modbus.ends import (
    PATIENT_S,
    SOON_S,
    bus,
    ends_with,
    mbap,
    registers,
    rtu,
    words,
)

LINES = ["tcp", "rtu-over-tcp", "serial"]
RTU_LINES = LINES[1:]
READ = Request.read(1, 3, 10, 2)
OTHER = Request.read(2, 3, 20, 2)


# Every line.


@pytest.mark.parametrize("scheme", LINES)
async def test_what_is_asked_is_answered(scheme: str) -> None:
    async with bus(scheme) as both:
        found = await both.exchange(READ, lambda heard: heard.reply(registers(7, 8)))
        assert found == words(7, 8)
        write = Request.write_registers(1, 5, [1, 2])
        assert await both.exchange(write, lambda heard: heard.reply(heard.pdu[:5])) == b""
        assert both.connection.line.requests == both.connection.line.replies == 2
        assert both.strange == []


@pytest.mark.parametrize("scheme", LINES)
async def test_a_reply_in_single_bytes_is_a_reply(scheme: str) -> None:
    async with bus(scheme) as both:
        asking = both.ask(READ)
        for byte in (await both.device.next()).reply(registers(7, 8)):
            both.device.say(bytes([byte]))
            await asyncio.sleep(0)
        assert await asking == words(7, 8)


@pytest.mark.parametrize("scheme", LINES)
async def test_row_9_a_short_reply_is_wrong(scheme: str) -> None:
    """Quirk row 9: 1 register of 2."""
    async with bus(scheme) as both:
        found = await both.exchange(READ, lambda heard: heard.reply(registers(7)))
        assert isinstance(found, Wrong)
        assert both.connection.line.wrong == 1


@pytest.mark.parametrize("scheme", LINES)
async def test_row_10_another_function_is_wrong(scheme: str) -> None:
    """Quirk row 10: function 4 in answer to function 3."""
    async with bus(scheme) as both:
        found = await both.exchange(READ, lambda heard: heard.reply(registers(7, 8, function=4)))
        assert isinstance(found, Wrong)


@pytest.mark.parametrize("scheme", LINES)
async def test_row_11_a_wrong_echo_confirms_nothing(scheme: str) -> None:
    """Quirk row 11: count 8 for 9."""
    async with bus(scheme, echo=False) as both:
        write = Request.write_registers(1, 5, [0] * 9)
        found = await both.exchange(write, lambda heard: heard.reply(b"\x10\x00\x05\x00\x08"))
        assert isinstance(found, Wrong)


@pytest.mark.parametrize("scheme", LINES)
async def test_row_12_an_exception_with_function_0x80_is_that_devices_and_the_line_stays(
    scheme: str,
) -> None:
    """Quirk row 12: the client measured drops the connection."""
    async with bus(scheme) as both:
        found = await both.exchange(READ, lambda heard: heard.reply(b"\x80\x02"))
        assert isinstance(found, Refused)
        assert (found.code, found.nonstandard) == (2, True)
        found = await both.exchange(OTHER, lambda heard: heard.reply(registers(1, 2)))
        assert found == words(1, 2)


@pytest.mark.parametrize("scheme", LINES)
async def test_row_13_a_gateways_exception_leaves_the_line_up(scheme: str) -> None:
    """Quirk row 13: silence of the unit behind it."""
    async with bus(scheme) as both:
        found = await both.exchange(READ, lambda heard: heard.reply(b"\x83\x41"))
        assert isinstance(found, Refused)
        assert found.unit_silent
        assert not both.connection.lost.done()
        assert both.connection.line.refused == 1


@pytest.mark.parametrize("scheme", LINES)
async def test_row_15_a_foreign_unit_is_reported_and_never_believed(scheme: str) -> None:
    """Quirk row 15: an address given twice."""
    async with bus(scheme) as both:
        found = await both.exchange(
            READ, lambda heard: heard.reply(registers(6, 6), unit=9), timeout_s=1.0
        )
        assert isinstance(found, Silent | Wrong)
        assert both.told == [("foreign", 9)]
        assert both.connection.line.foreign == 1


@pytest.mark.parametrize("scheme", LINES)
async def test_row_19_any_number_of_time_outs_leaves_the_connection_open(scheme: str) -> None:
    """Quirk row 19: the client measured closes after a few; here it is one unit's silence."""
    async with bus(scheme, drain_s=0.0) as both:
        for _ in range(12):
            assert isinstance(await both.exchange(READ, timeout_s=0.01), Silent)
        found = await both.exchange(OTHER, lambda heard: heard.reply(registers(1, 2)))
        assert found == words(1, 2)
        assert both.connection.line.silent == 12


@pytest.mark.parametrize("scheme", LINES)
async def test_row_20_a_lost_line_fails_whoever_asks_and_never_comes_back_by_itself(
    scheme: str,
) -> None:
    """Quirk rows 20, 22, 23: one way in which it fails, from ask(), whatever it was doing."""
    async with bus(scheme) as both:
        asking, waiting = both.ask(READ), both.ask(OTHER)
        await both.device.next()
        both.hang_up()
        for outcome in (await asking, await waiting, await both.ask(READ)):
            assert isinstance(outcome, LinkDown)
            assert "重连" in str(outcome)
        async with asyncio.timeout(10):
            assert isinstance(await both.connection.lost, LinkDown)


@pytest.mark.parametrize("scheme", LINES)
async def test_closing_fails_whoever_asks_and_is_safe_twice(scheme: str) -> None:
    async with bus(scheme) as both:
        asking = both.ask(READ)
        await both.device.next()
        await both.connection.close()
        assert isinstance(await asking, LinkDown)
        await both.connection.close()


@pytest.mark.parametrize("scheme", LINES)
async def test_one_request_is_on_the_bus_at_a_time_and_turns_are_kept(scheme: str) -> None:
    async with bus(scheme) as both:
        asked = [both.ask(Request.read(unit, 3, unit, 1)) for unit in range(1, 6)]
        for unit in range(1, 6):
            heard = await both.device.next()
            assert heard.unit == unit
            assert both.device.heard.empty()
            both.device.say(heard.reply(registers(100 + unit)))
        assert await asyncio.gather(*asked) == [words(100 + unit) for unit in range(1, 6)]


@pytest.mark.parametrize("scheme", LINES)
async def test_rubbish_without_end_ends_the_connection(scheme: str) -> None:
    async with bus(scheme) as both:
        async with asyncio.timeout(20):
            while not both.connection.lost.done():
                with contextlib.suppress(OSError):  # the pty is full, or closed already
                    both.device.say(b"\xff" * 1024)
                await asyncio.sleep(0)
        assert both.connection.line.garbage_bytes > FLOOD_BYTES
        assert "Modbus" in str(both.connection.lost.result())


async def test_noise_between_sound_replies_never_ends_the_connection() -> None:
    async with bus("rtu-over-tcp") as both:
        for number in range(1, 5):
            both.device.say(b"\xff" * (FLOOD_BYTES // 2))
            enough = number * (FLOOD_BYTES // 2) - number
            await both.settles(lambda: both.connection.line.garbage_bytes >= enough)  # noqa: B023
            found = await both.exchange(READ, lambda heard: heard.reply(registers(7, 8)))
            assert found == words(7, 8)


# Row 8: time-outs and callers that go away.


async def test_row_8_on_tcp_a_late_reply_is_dropped_and_nobody_waits() -> None:
    """Quirk row 8: TCP has ids."""
    async with bus("tcp") as both:
        assert isinstance(await both.exchange(READ, timeout_s=SOON_S), Silent)
        found = await both.exchange(
            Request.read(1, 3, 11, 2), mbap(1, 1, registers(3, 3)), mbap(2, 1, registers(4, 4))
        )
        assert found == words(4, 4)
        assert both.told == [("late", 1)]
        assert both.strange[0][3] is not None


@pytest.mark.parametrize("scheme", RTU_LINES)
async def test_row_8_on_rtu_the_same_unit_waits_for_its_late_reply_and_others_do_not(
    scheme: str,
) -> None:
    """Quirk row 8: the drain is an hour here, so only the late frame can end the wait."""
    async with bus(scheme, drain_s=3600.0) as both:
        assert isinstance(await both.exchange(READ, timeout_s=SOON_S), Silent)
        again = both.ask(Request.read(1, 3, 11, 2))
        found = await both.exchange(OTHER, lambda heard: heard.reply(registers(5, 5)))
        assert found == words(5, 5)
        assert both.device.heard.empty()
        assert both.connection.quiet_s(1) > 3000
        both.device.say(rtu(1, registers(3, 3)))
        heard = await both.device.next()
        both.device.say(heard.reply(registers(4, 4)))
        assert await again == words(4, 4)
        assert both.told == [("late", 1)]


async def test_row_8_whoever_already_waits_for_its_turn_waits_out_the_quarantine_too() -> None:
    """Quirk row 8: two polls of one unit were in line when the first got no answer."""
    async with bus("rtu-over-tcp", drain_s=3600.0) as both:
        first = both.ask(READ, SOON_S)
        second = both.ask(Request.read(1, 3, 11, 2))
        await both.device.next()
        assert isinstance(await first, Silent)
        found = await both.exchange(OTHER, lambda heard: heard.reply(registers(5, 5)))
        assert found == words(5, 5)
        assert both.device.heard.empty()
        both.device.say(rtu(1, registers(3, 3)))
        both.device.say((await both.device.next()).reply(registers(4, 4)))
        assert await second == words(4, 4)


async def test_row_8_a_unit_that_never_answers_is_asked_again_after_the_drain() -> None:
    """Quirk row 8: by the clock that was handed in."""
    clock = FakeClock()
    async with bus("rtu-over-tcp", clock, drain_s=1.0) as both:
        assert isinstance(await both.exchange(READ, timeout_s=SOON_S), Silent)
        again = both.ask(READ)
        await both.settles(lambda: clock.slept == [1.0])
        clock.advance(1.0)
        both.device.say((await both.device.next()).reply(registers(1, 2)))
        assert await again == words(1, 2)


@pytest.mark.parametrize("scheme", LINES)
async def test_row_8_a_cancelled_caller_leaves_the_connection_sound(scheme: str) -> None:
    """Quirk row 8: whoever is asked next gets its own value, not the cancelled one's."""
    async with bus(scheme, drain_s=3600.0) as both:
        asking = both.ask(READ)
        heard = await both.device.next()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        late = heard.reply(registers(3, 3))
        found = await both.exchange(OTHER, late, lambda heard: heard.reply(registers(5, 5)))
        assert found == words(5, 5)
        found = await both.exchange(
            Request.read(1, 3, 11, 2), lambda heard: heard.reply(registers(4, 4))
        )
        assert found == words(4, 4)
        assert both.told == [("late", 1)]


@pytest.mark.parametrize("scheme", LINES)
async def test_a_caller_cancelled_while_it_waits_for_its_turn_asks_nothing(scheme: str) -> None:
    async with bus(scheme) as both:
        asking, waiting = both.ask(READ), both.ask(OTHER)
        heard = await both.device.next()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        both.device.say(heard.reply(registers(1, 2)))
        assert await asking == words(1, 2)
        assert both.connection.line.requests == 1


async def test_a_caller_cancelled_in_the_drain_leaves_no_trace() -> None:
    async with bus("rtu-over-tcp", drain_s=3600.0) as both:
        assert isinstance(await both.exchange(READ, timeout_s=SOON_S), Silent)
        first, second = both.ask(READ), both.ask(READ)
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        both.device.say(rtu(1, registers(3, 3)))
        both.device.say((await both.device.next()).reply(registers(4, 4)))
        assert await second == words(4, 4)


async def test_the_line_lost_in_the_drain_ends_the_wait() -> None:
    async with bus("rtu-over-tcp", drain_s=3600.0) as both:
        assert isinstance(await both.exchange(READ, timeout_s=SOON_S), Silent)
        waiting = both.ask(READ)
        await asyncio.sleep(0)
        both.hang_up()
        assert isinstance(await waiting, LinkDown)


async def test_a_long_time_out_after_a_short_one_and_the_other_way_round() -> None:
    """One timer serves all transactions: it must neither fire early nor late."""
    async with bus("tcp") as both:
        long = both.ask(READ, timeout_s=30.0)
        both.device.say((await both.device.next()).reply(registers(1, 2)))
        assert await long == words(1, 2)
        async with asyncio.timeout(25):  # the long one would fire after 30
            assert isinstance(await both.exchange(READ, timeout_s=SOON_S), Silent)
        short = both.ask(READ, timeout_s=PATIENT_S)
        both.device.say((await both.device.next()).reply(registers(1, 2)))
        assert await short == words(1, 2)
        patient = both.ask(READ, timeout_s=PATIENT_S)
        heard = await both.device.next()
        done, _ = await asyncio.wait([patient], timeout=SOON_S * 4)
        assert not done
        both.device.say(heard.reply(registers(3, 4)))
        assert await patient == words(3, 4)


# Rows 16, 24, 25, 26.


@pytest.mark.parametrize("scheme", RTU_LINES)
async def test_row_16_an_adapter_that_hears_itself_is_noticed_and_stripped(scheme: str) -> None:
    """Quirk row 16: on RTU over TCP the client measured times out."""
    async with bus(scheme) as both:
        for _ in range(2):
            found = await both.exchange(
                READ, lambda heard: heard.raw, lambda heard: heard.reply(registers(7, 8))
            )
            assert found == words(7, 8)
        assert both.told == [("echo", 1)]
        write = Request.write_register(1, 9, 5)
        echoed = await both.exchange(write, lambda heard: heard.raw, timeout_s=SOON_S)
        assert isinstance(echoed, Silent)


@pytest.mark.parametrize("scheme", RTU_LINES)
async def test_row_17_garbage_before_the_reply_is_skipped_and_counted(scheme: str) -> None:
    """Quirk row 17: 00 FF at line turn-round."""
    async with bus(scheme) as both:
        found = await both.exchange(READ, b"\x00\xff", lambda heard: heard.reply(registers(7, 8)))
        assert found == words(7, 8)
        assert both.connection.line.garbage_bytes == 2


async def test_row_24_the_bus_rests_between_transactions() -> None:
    """Quirk row 24: by the clock that was handed in; whoever is asked next waits."""
    clock = FakeClock()
    async with bus("rtu-over-tcp", clock, gap_s=0.02) as both:
        await both.exchange(READ, lambda heard: heard.reply(registers(7, 8)))
        clock.advance(0.005)
        asking = both.ask(OTHER)
        await both.settles(lambda: clock.slept != [])
        assert clock.slept == [pytest.approx(0.015)]
        assert both.device.heard.empty()
        clock.advance(0.015)
        both.device.say((await both.device.next()).reply(registers(7, 8)))
        assert await asking == words(7, 8)


@pytest.mark.parametrize("scheme", ["tcp", "rtu-over-tcp"])
async def test_row_24_a_unit_that_wants_half_a_second_does_not_keep_the_others(
    scheme: str,
) -> None:
    """Quirk row 24: per device, and the bus goes on."""
    clock = FakeClock()
    async with bus(scheme, clock) as both:
        await both.exchange(READ, lambda heard: heard.reply(registers(7, 8)))
        asking = both.ask(READ, gap_s=0.5)
        await both.settles(lambda: clock.slept == [0.5])
        found = await both.exchange(OTHER, lambda heard: heard.reply(registers(1, 2)))
        assert found == words(1, 2)
        clock.advance(0.5)
        both.device.say((await both.device.next()).reply(registers(7, 8)))
        assert await asking == words(7, 8)


@pytest.mark.parametrize("scheme", LINES)
async def test_row_25_frames_while_nothing_is_asked_are_reported(scheme: str) -> None:
    """Quirk row 25: two masters; the next transaction is not disturbed."""
    async with bus(scheme) as both:
        strange = mbap(900, 5, registers(1)) if scheme == "tcp" else rtu(5, registers(1))
        both.device.say(strange)
        await both.settles(lambda: both.strange != [])
        assert both.told == [("unsolicited", 5)]
        found = await both.exchange(READ, lambda heard: heard.reply(registers(7, 8)))
        assert found == words(7, 8)


@pytest.mark.parametrize("scheme", LINES)
async def test_row_26_nobody_answers_a_broadcast_and_the_bus_rests_after_it(scheme: str) -> None:
    """Quirk row 26: the units need time to do it."""
    clock = FakeClock()
    async with bus(scheme, clock) as both:
        assert await both.ask(Request.write_coil(0, 1, True)) == b""
        assert (await both.device.next()).unit == 0
        asking = both.ask(READ)
        await both.settles(lambda: clock.slept == [TURNAROUND_NS / 1e9])
        clock.advance(1)
        both.device.say((await both.device.next()).reply(registers(7, 8)))
        assert await asking == words(7, 8)


async def test_row_32_unit_zero_is_a_device_on_tcp_and_everybody_on_rtu() -> None:
    """Quirk row 32: which unit to ask is the profile's; here only what cannot be answered."""
    everybody = Request.read(0, 3, 0, 1)
    async with bus("tcp") as both:
        assert await both.exchange(everybody, lambda heard: heard.reply(registers(7))) == words(7)
    async with bus("rtu-over-tcp") as both:
        with pytest.raises(ValueError, match="unit 0"):
            await both.connection.ask(everybody, 1.0)


# Row 31: the socket.


@pytest.mark.parametrize("scheme", ["tcp", "rtu-over-tcp"])
async def test_row_31_the_connection_is_kept_alive_and_sends_at_once(scheme: str) -> None:
    """Quirk row 31: one long-lived connection, so a dead one has to be noticed."""
    async with bus(scheme) as both:
        assert both.connection._transport is not None
        wire = both.connection._transport.get_extra_info("socket")
        tcp = socket.IPPROTO_TCP
        assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert wire.getsockopt(tcp, socket.TCP_KEEPIDLE) == IDLE_S
        assert wire.getsockopt(tcp, socket.TCP_KEEPINTVL) == INTERVAL_S
        assert wire.getsockopt(tcp, socket.TCP_KEEPCNT) == PROBES
        assert wire.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == UNACKNOWLEDGED_MS
        assert wire.getsockopt(tcp, socket.TCP_NODELAY) == 1


async def test_row_22_asking_before_it_is_open_is_a_lost_link_when_awaited() -> None:
    """Quirk row 22: the client measured raises at the call, before anything is awaited."""
    async with bus("tcp") as both:
        unopened = ModbusConnection(both.connection.settings, FakeClock())
        assert isinstance(await ends_with(unopened.ask(READ, 1.0)), LinkDown)


async def test_a_device_that_no_longer_reads_ends_the_connection() -> None:
    async with bus("tcp") as both:
        assert both.connection._transport is not None
        wire = both.connection._transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        both.stop_reading()
        write = Request.write_registers(1, 0, [0] * 123)
        async with asyncio.timeout(50):
            while not isinstance(await both.ask(write, timeout_s=0.001), LinkDown):
                pass
        assert "no longer reads" in str(both.connection.lost.result())


async def test_row_23_whatever_goes_wrong_is_raised_by_the_await_and_is_a_device_error() -> None:
    """Quirk row 23: the client measured has three ways to say no, one of them no exception."""
    async with bus("rtu-over-tcp", drain_s=0.0) as both:
        assert isinstance(await both.exchange(READ, timeout_s=SOON_S), Silent)
        refused = await both.exchange(READ, lambda heard: heard.reply(b"\x83\x02"))
        assert isinstance(refused, Refused)
        wrong = await both.exchange(READ, lambda heard: heard.reply(registers(1)))
        assert isinstance(wrong, Wrong)
        both.hang_up()
        asking = both.ask(READ)
        assert isinstance(await asking, LinkDown)
        for kind in (Silent, Refused, Wrong, LinkDown):
            assert issubclass(kind, DeviceError)
