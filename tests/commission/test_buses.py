"""What check says of Modbus buses, with the file and the key."""

from gateway.commission.buses import bus_advice, bus_summary
from tests.commission.conftest import Site, device

CABLE = "perimeter/vibration_cable"


def about(lines: list[str], words: str) -> list[str]:
    return [line for line in lines if words in line]


def test_a_quick_bus_with_the_right_settings_gets_no_warning_of_time_or_line(site: Site) -> None:
    config = site(
        {"bus": '"serial:/dev/ttyUSB0?baud=19200&parity=N"\ntimeout_seconds = 0.4'},
        [device("p1", CABLE, "bus", "unit = 1")],
    )
    lines = bus_advice(config)
    assert not about(lines, "can take")
    assert not about(lines, ".url")
    assert not about(lines, "travels by")


def test_baud_parity_and_stop_bits_are_held_against_the_documents(site: Site) -> None:
    config = site(
        {"bus": '"serial:/dev/ttyUSB0?baud=9600&parity=E&stop=2"'},
        [device("p1", CABLE, "bus", "unit = 1"), device("p2", CABLE, "bus", "unit = 2")],
    )
    lines = about(bus_advice(config), 'gateway.toml: link["bus"].url')
    assert len(lines) == 3
    assert "baud=9600, the document of perimeter/vibration_cable says baud=19200" in lines[0]
    assert "parity=E" in lines[1]
    assert "parity=N" in lines[1]
    assert "stop=2" in lines[2]
    assert "(p1, p2)" in lines[0]


def test_a_converters_line_is_compared_only_where_the_url_says_it(site: Site) -> None:
    silent = site(
        {"bus": '"rtu-over-tcp://192.0.2.1:8899"'}, [device("p1", CABLE, "bus", "unit = 1")]
    )
    assert not about(bus_advice(silent), ".url")
    said = site(
        {"bus": '"rtu-over-tcp://192.0.2.1:8899?baud=4800"'},
        [device("p1", CABLE, "bus", "unit = 1")],
    )
    assert about(bus_advice(said), "baud=19200")


def test_a_profile_on_a_link_it_does_not_travel_by_names_device_and_keys(site: Site) -> None:
    config = site(
        {"bus": '"serial:/dev/ttyUSB0"'},
        [device("g1", "gas/honeywell_midas", "bus", "unit = 1")],
    )
    (line,) = about(bus_advice(config, {"g1": "devices.d/gas.toml"}), "travels by")
    assert line.startswith('devices.d/gas.toml: device["g1"].profile')
    assert "travels by tcp, link bus is serial" in line


def test_a_slow_bus_is_explained_with_what_costs_and_what_would_help(site: Site) -> None:
    config = site(
        {"bus": '"serial:/dev/ttyUSB0?baud=2400"'},
        [
            device(f"g{unit}", "gas/draeger_regard3900", "bus", f"unit = {unit}, channel = 1")
            for unit in range(1, 9)
        ],
    )
    lines = bus_advice(config)
    (told,) = about(lines, "a new alarm can take")
    assert "round" in told
    assert "longest time-out" in told
    assert about(lines, "dearest in a round: unit ")
    (help_,) = about(lines, "what would help")
    assert "→" in help_
    assert "baud" in help_
    (summary,) = bus_summary(config)
    assert "period" in summary


def test_two_links_to_one_bus_are_told(site: Site) -> None:
    config = site(
        {"one": '"tcp://192.0.2.1:502"', "two": '"tcp://192.0.2.1"'},
        [
            device("a", "fire/jbf_point", "one", "unit = 1, loop = 1, device = 1"),
            device("b", "fire/jbf_point", "two", "unit = 1, loop = 1, device = 2"),
        ],
    )
    (line,) = about(bus_advice(config), "is the bus of link one")
    assert line.startswith('gateway.toml: link["two"].url')


def test_what_the_language_cannot_say_is_told_once_for_each_profile(site: Site) -> None:
    config = site(
        {"bus": '"tcp://192.0.2.1:502"'},
        [
            device(f"d{at}", "fire/jbf_point", "bus", f"unit = 1, loop = 1, device = {at}")
            for at in range(1, 9)
        ],
    )
    (line,) = about(bus_advice(config), "cannot say")
    assert "d1, d2, d3, d4, d5 … (8)" in line
