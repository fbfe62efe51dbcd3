"""URLs an installer writes, and mistakes an installer makes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.modbus import BusSettings, parse_url


def test_a_tcp_device_needs_no_more_than_its_host() -> None:
    assert parse_url("tcp://192.0.2.20") == BusSettings(scheme="tcp", host="192.0.2.20", port=502)


def test_a_converter_is_rtu_over_tcp() -> None:
    found = parse_url("rtu-over-tcp://192.0.2.21:8899?baud=4800&gap_ms=30&drain_s=2&echo=true")
    assert (found.host, found.port, found.baud) == ("192.0.2.21", 8899, 4800)
    assert (found.gap_s, found.drain_s, found.echo) == (0.03, 2.0, True)
    assert found.rtu


def test_a_serial_port_is_a_path_with_its_parameters() -> None:
    found = parse_url("serial:/dev/ttyUSB0?baud=19200&parity=E&stop=2&bytes=8")
    assert (found.device, found.baud, found.parity, found.stop_bits) == (
        "/dev/ttyUSB0", 19200, "E", 2,
    )  # fmt: skip
    assert found.where == "serial:/dev/ttyUSB0"


def test_a_dial_in_has_a_registration_and_heartbeats() -> None:
    found = parse_url(
        "dial-in://0.0.0.0:5020?registration=DTU+1%20a&heartbeat=50494E47&heartbeat=fe&match=prefix"
    )
    assert found.registration == b"DTU+1 a"
    assert found.heartbeats == (b"PING", b"\xfe")
    assert found.match == "prefix"
    assert parse_url("dial-in://[::1]:5020?registration_hex=00ff").registration == b"\x00\xff"


@pytest.mark.parametrize(
    ("url", "gap_s"),
    [
        ("tcp://h", 0.0),
        ("tcp://h?gap_ms=500", 0.5),
        ("serial:/dev/x?baud=9600", 0.02),
        ("serial:/dev/x?baud=9600&gap_ms=0", 3.5 * 10 / 9600),
        ("serial:/dev/x?baud=300&parity=E", 3.5 * 11 / 300),
        ("serial:/dev/x?baud=115200&gap_ms=0", 0.00175),
    ],
)
def test_row_24_an_rtu_line_rests_at_least_three_and_a_half_characters(
    url: str, gap_s: float
) -> None:
    """Quirk row 24: whatever the installer wrote."""
    assert parse_url(url).gap_s == pytest.approx(gap_s)


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("", "unknown"),
        ("udp://192.0.2.1:502", "tcp | rtu-over-tcp | serial | dial-in"),
        ("tcp://", "host"),
        ("tcp://192.0.2.1:99999", "cannot be read"),
        ("tcp://192.0.2.1:0", "port"),
        ("tcp://192.0.2.1/unit/1", "more than a host"),
        ("tcp://me:secret@192.0.2.1", "no user"),
        ("tcp://192.0.2.1#1", "no user and no #"),
        ("tcp://192.0.2.1?baud=9600", "no key 'baud'"),
        ("tcp://192.0.2.1?unit=1", "no key 'unit'"),
        ("tcp://192.0.2.1?gap_ms", "cannot be read"),
        ("tcp://192.0.2.1?gap_ms=fast", "out of range"),
        ("tcp://192.0.2.1?gap_ms=nan", "out of range"),
        ("tcp://192.0.2.1?gap_ms=1&gap_ms=2", "twice"),
        ("rtu-over-tcp://192.0.2.1", "port is missing"),
        ("rtu-over-tcp://192.0.2.1:1?echo=yes", "true | false | auto"),
        ("serial:ttyUSB0", "no serial port"),
        ("serial://ttyUSB0", "no serial port"),
        ("serial:/dev/x?baud=0", "baud"),
        ("serial:/dev/x?baud=9600.5", "baud"),
        ("serial:/dev/x?bytes=7", "8 data bits"),
        ("serial:/dev/x?parity=e", "N | E | O | M | S"),
        ("dial-in://0.0.0.0:5020", "registration text is missing"),
        ("dial-in://0.0.0.0:5020?registration=", "empty"),
        ("dial-in://0.0.0.0:5020?registration=a&heartbeat=PING", "not hexadecimal"),
        ("dial-in://0.0.0.0:5020?registration=a&registration_hex=62", "twice"),
        ("dial-in://0.0.0.0:5020?registration=a" + "&heartbeat=00" * 5, "too many"),
        ("tcp://" + "h" * 2000, "too long"),
    ],
)
def test_a_mistake_is_named_in_both_languages_with_what_would_be_right(
    url: str, names: str
) -> None:
    with pytest.raises(ValueError, match=" / ") as caught:
        parse_url(url)
    assert names in str(caught.value)
    assert "secret" not in str(caught.value)


@given(st.text(max_size=80))
def test_any_text_is_settings_or_one_sentence(text: str) -> None:
    for url in (text, f"tcp://{text}", f"dial-in://h:1?{text}", f"serial:/dev/x?{text}"):
        sentence = fault_of(url)
        assert sentence is None or " / " in sentence


def fault_of(url: str) -> str | None:
    """What is wrong with it; None when nothing is."""
    try:
        assert isinstance(parse_url(url), BusSettings)
    except ValueError as error:
        return str(error)
    return None
