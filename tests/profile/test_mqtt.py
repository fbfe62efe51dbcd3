"""Plans: the contract's two generic profiles to the letter, sharing, topics, partial messages."""

import base64
import tracemalloc
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadFrame
from gateway.events import ONLINE_POINT, Category, Device, Kind, Nature, Reading, Scalar
from gateway.profile import MqttPlan, Profile, Shelf, plan_mqtt
from gateway.profile.shelf import load_file
from tests.shelves import shipped


@cache
def shelf() -> Shelf:
    return shipped()


def profile_of(profile_id: str) -> Profile:
    found = shelf().get(profile_id)
    assert found is not None
    return found


def device(profile: Profile, device_id: str = "d", **address: Scalar) -> Device:
    assert profile.check_address(address) == []
    return Device(
        id=device_id,
        name="名",
        place="处",
        profile_id=profile.id,
        family=profile.family,
        link="field",
        address=address,
        points=profile.points_for(address),
    )


def plan(profile_id: str, **address: Scalar) -> MqttPlan:
    profile = profile_of(profile_id)
    return plan_mqtt(profile, device(profile, **address))


def decode(made: MqttPlan, payload: bytes, topic: str | None = None) -> list[Reading]:
    return made.decode(topic or made.filters[0], payload, retained=False, received_ns=99)


def profile_from(folder: Path, body: str) -> Profile:
    path = folder / "x.toml"
    path.write_text(HEAD + body, encoding="utf-8")
    profile, faults = load_file(path, "test/x")
    assert profile is not None, [str(fault) for fault in faults]
    return profile


HEAD = """
[profile]
title = "试"
title_en = "t"
family = "test"
driver = "mqtt"
power = "mains"
verified = false
[source]
document = "a test"
confidence = "D"
date = "2026-11-22"
"""
ADDRESS = """
[address.topic]
type = "topic"
example = "t"
help = "主题"
help_en = "topic"
"""


# --- the contract ---


def test_a_json_button_is_a_panic_of_priority_one_that_latches() -> None:
    point = profile_of("generic/json_button").points_for({"topic": "b/1"})["button"]
    assert (point.kind, point.nature, point.category) == (
        Kind.PANIC,
        Nature.MOMENTARY,
        Category.ALARM,
    )
    assert (point.priority, point.latch, point.accept_retained) == (1, True, False)


def test_a_json_button_press_carries_its_top_level_scalars() -> None:
    made = plan("generic/json_button", topic="b/1")
    assert made.filters == ("b/1",)
    found = decode(
        made, b'{"user":"\xe7\x8e\x8b","n":1,"f":0.5,"ok":false,"o":{},"a":[1],"z":null}'
    )
    assert found == [
        Reading(
            device_id="d",
            point="button",
            received_ns=99,
            active=True,
            attributes={"user": "王", "n": 1, "f": 0.5, "ok": False},
        )
    ]
    assert type(found[0].attributes["ok"]) is bool


@pytest.mark.parametrize("payload", [b"1", b'"help"', b"[]", b"true", b"null", b"{}"])
def test_any_json_on_a_json_buttons_topic_is_a_press(payload: bytes) -> None:
    (reading,) = decode(plan("generic/json_button", topic="b/1"), payload)
    assert (reading.point, reading.active, reading.attributes) == ("button", True, {})


@pytest.mark.parametrize("payload", [b"", b"help", b"{", b"\xff", b"NaN", b'{"a":NaN}'])
@pytest.mark.parametrize("profile_id", ["generic/json_button", "generic/json_event"])
def test_what_is_not_json_is_garbled(profile_id: str, payload: bytes) -> None:
    with pytest.raises(BadFrame) as caught:
        decode(plan(profile_id, topic="b/1"), payload)
    assert caught.value.raw == payload


def test_attributes_are_the_first_sixteen_of_256_characters_each() -> None:
    members = ",".join(f'"m{n}":"{"长" * 300}"' for n in range(20))
    (reading,) = decode(plan("generic/json_button", topic="b/1"), f"{{{members}}}".encode())
    assert list(reading.attributes) == [f"m{n}" for n in range(16)]
    assert set(reading.attributes.values()) == {"长" * 256}


def test_nested_members_do_not_count_among_the_sixteen() -> None:
    members = ",".join([f'"o{n}":{{}}' for n in range(10)] + [f'"m{n}":{n}' for n in range(10)])
    (reading,) = decode(plan("generic/json_event", topic="b/1"), f"{{{members}}}".encode())
    assert reading.attributes == {f"m{n}": n for n in range(10)}


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        ("1", 1),
        ("4", 4),
        ("2.0", 2),
        ("0", None),
        ("5", None),
        ("2.5", None),
        ('"2"', None),
        ("true", None),
        ("null", None),
        ("[1]", None),
    ],
)
def test_an_events_priority_is_read_from_its_member(level: str, priority: int | None) -> None:
    made = plan("generic/json_event", topic="e", kind="access", priority_member="level")
    (reading,) = decode(made, f'{{"level":{level}}}'.encode())
    assert reading.priority == priority


def test_an_event_without_its_own_priority_has_three_whatever_its_kind() -> None:
    profile = profile_of("generic/json_event")
    for kind in Kind:
        point = profile.points_for({"topic": "e", "kind": str(kind)})["event"]
        assert (point.kind, point.priority) == (kind, 3)
        assert (point.nature, point.category) == (Nature.RECORD, Category.RECORD)
    assert profile.points_for({"topic": "e"})["event"].kind is Kind.ACCESS


def test_the_priority_member_may_have_any_name() -> None:
    made = plan("generic/json_event", topic="e", priority_member="a.b[0] c")
    (reading,) = decode(made, b'{"a.b[0] c":1}')
    assert reading.priority == 1


# --- topics and sharing ---


def test_the_bridge_is_one_plan_for_all_devices_and_not_among_the_filters() -> None:
    profile = profile_of("alarm_button/zigbee2mqtt_sos")
    plans = [plan_mqtt(profile, device(profile, topic=f"zigbee2mqtt/b{n}")) for n in range(200)]
    bridge = plans[0].bridge
    assert bridge is not None
    assert all(made.bridge is bridge for made in plans)
    assert bridge.topic == "zigbee2mqtt/bridge/state"
    assert plans[0].shared == (bridge.topic,)
    assert all(bridge.topic not in made.filters for made in plans)
    assert [bridge.decode(p) for p in (b"online", b'{"state":"offline"}', b"\xff", b"", b"?")] == [
        True,
        False,
        None,
        None,
        None,
    ]


def test_another_base_topic_is_another_bridge() -> None:
    made = plan("alarm_button/zigbee2mqtt_sos", topic="z2m-b/x", base="z2m-b")
    assert made.shared == ("z2m-b/bridge/state",)
    (reading,) = decode(made, b"offline", "z2m-b/bridge/state")
    assert (reading.point, reading.value) == (ONLINE_POINT, False)
    assert reading.attributes == {"via": "z2m-b/bridge/state"}


def test_a_foreign_topic_means_nothing() -> None:
    assert decode(plan("generic/json_button", topic="b/1"), b"1", "b/2") == []


def test_a_wildcard_level_takes_one_level_only() -> None:
    eui = "24e124535c000107"
    made = plan("alarm_button/chirpstack_ws101", dev_eui=eui)
    press = b'{"devAddr":"1","data":"/y4B"}'
    assert made.filters == (f"application/+/device/{eui}/event/up",)
    assert len(decode(made, press, f"application/any/device/{eui}/event/up")) == 1
    assert decode(made, press, f"application/a/b/device/{eui}/event/up") == []
    assert decode(made, press, "application/any/device/24e124535c000108/event/up") == []


def test_two_devices_on_one_board_read_their_own_button() -> None:
    one = plan("alarm_button/tasmota", topic="gate", button=1)
    two = plan("alarm_button/tasmota", topic="gate", button=2)
    press = b'{"Button2":{"Action":"SINGLE"}}'
    assert decode(one, press, "stat/gate/RESULT") == []
    assert len(decode(two, press, "stat/gate/RESULT")) == 1


def test_ten_thousand_plans_are_small() -> None:
    profile = profile_of("alarm_button/zigbee2mqtt_sos")
    devices = [device(profile, f"d{n}", topic=f"zigbee2mqtt/b{n}") for n in range(2000)]
    plan_mqtt(profile, devices[0])
    tracemalloc.start()
    try:
        plans = [plan_mqtt(profile, each) for each in devices]
        size_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(plans) == 2000
    assert size_bytes / len(plans) < 1500


def test_every_word_of_a_point_reaches_the_point(tmp_path: Path) -> None:
    words = {
        "on_delay_s": 1.0,
        "off_delay_s": 2.0,
        "debounce_s": 0.5,
        "auto_restore_s": 9.0,
        "alarm_above": 23.5,
        "restore_below": 23.0,
        "alarm_below": 19.5,
        "restore_above": 20.0,
        "duplicate_window_s": 77.0,
        "priority": 2,
    }
    lines = "\n".join(f"{name} = {value}" for name, value in words.items())
    profile = profile_from(
        tmp_path,
        ADDRESS
        + f"""
[[point]]
name = "o2"
kind = "gas"
nature = "measurement"
text = "氧气异常"
text_en = "oxygen out of range"
unit = "%"
latch = true
accept_retained = false
{lines}
[[message]]
topic = "{{topic}}"
format = "text"
[[message.set]]
point = "o2"
value = "$"
[[sample]]
note = "s"
payload = "20.9"
expect = [{{ point = "o2", value = 20.9 }}]
""",
    )
    point = profile.points_for({"topic": "t"})["o2"]
    assert {name: getattr(point, name) for name in words} == words
    assert (point.unit, point.latch, point.accept_retained) == ("%", True, False)
    assert (point.kind, point.category, point.text_en) == (
        Kind.GAS,
        Category.ALARM,
        "oxygen out of range",
    )


@pytest.mark.parametrize("text", ["abc", "1_000", "nan", "inf", "1e999", "0x10", "٣"])
def test_a_text_that_is_no_decimal_number_is_garbled(tmp_path: Path, text: str) -> None:
    profile = profile_from(tmp_path, NUMBER)
    with pytest.raises(BadFrame):
        decode(plan_mqtt(profile, device(profile, topic="t")), text.encode())


NUMBER = (
    ADDRESS
    + """
[[point]]
name = "n"
kind = "temperature"
nature = "measurement"
text = "温度"
text_en = "temperature"
[[message]]
topic = "{topic}"
format = "text"
[[message.set]]
point = "n"
value = "$"
[[sample]]
note = "s"
payload = " -4.5 "
expect = [{ point = "n", value = -4.5 }]
"""
)


def test_a_capture_goes_into_attributes_and_keys(tmp_path: Path) -> None:
    profile = profile_from(
        tmp_path,
        """
[[point]]
name = "p"
kind = "patrol"
nature = "record"
text = "巡更"
text_en = "patrol"
[[message]]
topic = "reader/{+post}/tag"
format = "text"
attributes = { post = "+post" }
duplicate = "{+post}/{$}"
[[message.set]]
point = "p"
value = "$"
[[sample]]
note = "s"
topic = "reader/north/tag"
payload = "0042"
expect = [{ point = "p", value = "0042" }]
""",
    )
    made = plan_mqtt(profile, device(profile))
    assert made.filters == ("reader/+/tag",)
    (reading,) = decode(made, b"0042", "reader/north/tag")
    assert (reading.attributes, reading.duplicate) == ({"post": "north"}, "north/0042")


# --- messages in part ---


BYTES = (
    ADDRESS
    + """
[[point]]
name = "press"
kind = "panic"
nature = "momentary"
text = "按"
text_en = "press"
[[point]]
name = "volt"
kind = "power"
nature = "measurement"
text = "电压"
text_en = "voltage"
unit = "V"
[[message]]
topic = "{topic}"
format = "hex"
[[message.tlv]]
channel = 1
type = 2
length = 2
name = "volt"
endian = "big"
signed = true
scale = 0.1
offset = -1
[[message.tlv]]
channel = 9
type = 9
length = 1
name = "press"
[[message.set]]
point = "press"
value = "@press"
true_when = [1]
false_when = [0]
[[message.set]]
point = "volt"
value = "@volt"
[[sample]]
note = "s"
hex = "3031303230303634"
expect = [{ point = "volt", value = 9.0 }]
"""
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01020064", [("volt", 9.0)]),
        ("0102ff9c", [("volt", -11.0)]),
        ("090901", [("press", 1)]),
        ("090900", []),
        ("090901 090901", [("press", 1), ("press", 1)]),
        ("01020064 090901", [("press", 1), ("volt", 9.0)]),
        ("090901 7777", [("press", 1)]),  # a press before what nobody knows is a press
        ("090901 090907", [("press", 1)]),
    ],
)
def test_bytes_are_read_by_the_table(
    tmp_path: Path, text: str, expected: list[tuple[str, Scalar]]
) -> None:
    profile = profile_from(tmp_path, BYTES)
    found = decode(plan_mqtt(profile, device(profile, topic="t")), text.encode())
    assert [(reading.point, reading.value) for reading in found] == expected


@pytest.mark.parametrize("text", ["7777 090901", "01020064 77", "0102", "09", "090907", "zz", ""])
def test_bytes_that_may_hide_a_press_are_garbled(tmp_path: Path, text: str) -> None:
    profile = profile_from(tmp_path, BYTES)
    with pytest.raises(BadFrame):
        decode(plan_mqtt(profile, device(profile, topic="t")), text.encode())


def test_what_could_not_be_read_is_noted_beside_the_alarm(tmp_path: Path) -> None:
    profile = profile_from(tmp_path, BYTES)
    (reading,) = decode(plan_mqtt(profile, device(profile, topic="t")), b"0909017777")
    assert "byte 3" in str(reading.attributes["undecoded"])


@given(st.binary(max_size=60))
def test_the_table_never_reads_beyond_the_bytes(data: bytes) -> None:
    made = plan("gas/milesight_gs101", dev_eui="24e124538d000001")
    text = base64.b64encode(data).decode()
    topic = made.filters[0].replace("+", "1")
    try:
        found = decode(made, f'{{"devAddr":"1","data":"{text}"}}'.encode(), topic)
    except BadFrame:
        return
    gas = [at for at in range(len(data) - 2) if data[at : at + 2] == b"\x05\x8e"]
    if any(reading.point == "gas" for reading in found):
        assert gas, "gas out of nothing"


@pytest.mark.parametrize(
    ("form", "value", "observed_ns"),
    [
        ('form = "unix_s"', "1795241133", 1_795_241_133_000_000_000),
        ('form = "unix_s"', "1795241133.42", 1_795_241_133_420_000_000),
        ('form = "unix_ms"', "1795241133420", 1_795_241_133_420_000_000),
        ('form = "iso8601"', '"2026-11-21T06:05:33.775023242+00:00"', 1_795_241_133_775_023_242),
        ('form = "iso8601"', '"2026-11-21T14:05:33+08:00"', 1_795_241_133_000_000_000),
        ('form = "iso8601"', '"2026-11-21T06:05:33Z"', 1_795_241_133_000_000_000),
        ('form = "iso8601"', '"2026-11-21T06:05:33"', None),
        ('form = "local", utc_offset = "+08:00"', '"2026-11-21 14:05:33"', 1_795_241_133 * 10**9),
        ('form = "local", utc_offset = "+08:00"', '"2026-02-30T14:05:33"', None),
        ('form = "unix_s"', "0", None),
        ('form = "unix_s"', "-5", None),
        ('form = "unix_s"', "1e300", None),
        ('form = "unix_s"', "true", None),
        ('form = "iso8601"', '"0001-01-01T00:00:00+14:00"', None),
        ('form = "iso8601"', "{}", None),
    ],
)
def test_device_time_is_read_or_left_out(
    tmp_path: Path, form: str, value: str, observed_ns: int | None
) -> None:
    profile = profile_from(
        tmp_path,
        ADDRESS
        + f"""
[[point]]
name = "p"
kind = "panic"
nature = "momentary"
text = "按"
text_en = "press"
[[message]]
topic = "{{topic}}"
time = {{ path = "t", {form} }}
[[message.set]]
point = "p"
[[sample]]
note = "s"
payload = '{{}}'
expect = [{{ point = "p" }}]
""",
    )
    (reading,) = decode(plan_mqtt(profile, device(profile, topic="t")), f'{{"t":{value}}}'.encode())
    assert reading.observed_ns == observed_ns


def test_two_messages_on_one_topic_are_both_read(tmp_path: Path) -> None:
    body = ADDRESS
    for name in ("a", "b"):
        body += f"""
[[point]]
name = "{name}"
kind = "smoke"
nature = "state"
text = "烟"
text_en = "smoke"
[[message]]
topic = "{{topic}}"
where = {{ from = "{name}" }}
[[message.set]]
point = "{name}"
value = "on"
"""
    body += """
[[sample]]
note = "s"
topic = "{topic}"
payload = '{"from":"a","on":true}'
expect = [{ point = "a", active = true }]
"""
    profile = profile_from(tmp_path, body)
    made = plan_mqtt(profile, device(profile, topic="t"))
    assert [r.point for r in decode(made, b'{"from":"b","on":false}')] == ["b"]
    assert decode(made, b'{"from":"c","on":false}') == []
    with pytest.raises(BadFrame):
        decode(made, b'{"from":"a","on":"perhaps"}')
