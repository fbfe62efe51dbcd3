"""Every profile in the shipped folder proves itself: its samples, and any bytes at all.

Found by looking, so a new profile is tested by being there.
"""

import json
import random
from functools import cache

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import BadFrame
from gateway.events import MAX_ATTRIBUTE_CHARS, MAX_ATTRIBUTES, ONLINE_POINT, Category, Kind
from gateway.profile import MqttPlan, PointMachine, Profile, Shelf, plan_mqtt, shipped_folder
from gateway.profile.tool import check_file, sample_device, sample_payload, try_sample
from tests.shelves import shipped


@cache
def shelf() -> Shelf:
    return shipped()


def profile_of(profile_id: str) -> Profile:
    found = shelf().get(profile_id)
    assert found is not None
    return found


IDS = shelf().ids()
MQTT_IDS = [name for name in IDS if profile_of(name).driver == "mqtt"]
SAMPLES = [(name, index) for name in IDS for index in range(len(profile_of(name).samples))]
MIB = 1024 * 1024


def concrete(plan: MqttPlan) -> list[str]:
    return [*(each.replace("+", "level") for each in plan.filters), *plan.shared]


@pytest.mark.parametrize(("profile_id", "index"), SAMPLES)
def test_a_sample_means_what_the_profile_says(profile_id: str, index: int) -> None:
    profile = profile_of(profile_id)
    difference = try_sample(profile, profile.samples[index])
    assert difference is None, difference


@pytest.mark.parametrize("profile_id", IDS)
def test_a_profile_passes_its_own_check(profile_id: str) -> None:
    assert check_file(shipped_folder() / f"{profile_id}.toml") == []


def test_the_profiles_the_contract_and_the_issue_name_are_there() -> None:
    wanted = {
        "generic/json_button",
        "generic/json_event",
        "generic/json_sensor",
        "alarm_button/zigbee2mqtt_sos",
        "alarm_button/tasmota",
        "alarm_button/esphome",
        "alarm_button/shelly_gen2",
        "alarm_button/chirpstack",
        "alarm_button/chirpstack_ws101",
        "alarm_button/ttn",
        "alarm_button/ttn_ws101",
        "smoke/milesight_gs524n",
        "gas/milesight_gs101",
        "gas/zigbee2mqtt_gas",
    }
    assert wanted <= set(IDS)


@pytest.mark.parametrize("profile_id", IDS)
def test_a_profile_has_a_sample_for_every_point_and_every_topic(profile_id: str) -> None:
    profile = profile_of(profile_id)
    device = sample_device(profile)
    seen: set[str] = set()
    for sample in profile.samples:
        if sample.expect != "garbled":
            seen |= {each.point for each in sample.expect}
    for point in device.points.values():
        if point.category is Category.ALARM:
            assert point.name in seen, f"no sample shows {point.name}"
    if profile.driver == "modbus":
        return
    plan = plan_mqtt(profile, device)
    if len(plan.filters) > len(profile.body.message):
        assert ONLINE_POINT in seen, "no sample shows how the device is told to be gone"


@pytest.mark.parametrize("profile_id", MQTT_IDS)
def test_a_panic_from_the_brokers_memory_is_never_raised(profile_id: str) -> None:
    profile = profile_of(profile_id)
    for sample in profile.samples:
        device = sample_device(profile, sample.address)
        plan = plan_mqtt(profile, device)
        for topic in concrete(plan):
            try:
                readings = plan.decode(topic, sample_payload(sample), retained=True, received_ns=1)
            except BadFrame:
                continue
            for reading in readings:
                assert reading.retained
                point = device.points.get(reading.point)
                if point is not None and point.kind in {Kind.PANIC, Kind.DURESS}:
                    machine = PointMachine(point)
                    change = machine.feed(reading, 1)
                    assert change is None or change.what != "raised"


def judge(plan: MqttPlan, payload: bytes) -> None:
    """Decode on every topic: readings within all bounds, or BadFrame with the bytes."""
    for topic in concrete(plan):
        try:
            readings = plan.decode(topic, payload, retained=False, received_ns=5)
        except BadFrame as error:
            garbled = error
        else:
            garbled = None
        if garbled is not None:
            assert garbled.raw == payload
            assert len(str(garbled).splitlines()) == 1
            continue
        for reading in readings:
            assert reading.device_id == "sample"
            assert len(reading.attributes) <= MAX_ATTRIBUTES
            for name, value in reading.attributes.items():
                assert len(name) <= MAX_ATTRIBUTE_CHARS
                assert isinstance(value, (bool, int, float, str))
                assert not isinstance(value, str) or len(value) <= MAX_ATTRIBUTE_CHARS
            assert reading.priority in {None, 1, 2, 3, 4}
            # What goes into a record must be JSON again: no NaN, no lone surrogate, no huge int.
            orjson.dumps(
                [reading.attributes, reading.value, reading.duplicate, reading.observed_ns]
            )


KEYS = [
    "action",
    "sos",
    "tamper",
    "battery",
    "gas",
    "event",
    "events",
    "params",
    "method",
    "component",
    "ts",
    "time",
    "data",
    "object",
    "button_event",
    "status",
    "devAddr",
    "fCnt",
    "rxInfo",
    "Button1",
    "Action",
    "Switch1",
    "Time",
    "level",
    "uplink_message",
    "decoded_payload",
    "frm_payload",
    "end_device_ids",
    "dev_addr",
    "f_cnt",
    "state",
    "temp_c",
    "water",
    "seq",
]

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["emergency", "ON", "AXVk/y4C", "NotifyEvent", "input:0", "online"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=12,
)


def as_sent(document: object) -> bytes:
    return json.dumps(document).encode()  # also NaN, Infinity and huge integers, as devices send


@pytest.mark.parametrize("profile_id", MQTT_IDS)
@settings(max_examples=60, deadline=None)
@given(payload=st.one_of(st.binary(max_size=300), JSON.map(as_sent)))
def test_any_bytes_decode_or_are_a_bad_frame(profile_id: str, payload: bytes) -> None:
    profile = profile_of(profile_id)
    judge(plan_mqtt(profile, sample_device(profile)), payload)


@pytest.mark.parametrize("profile_id", MQTT_IDS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_sample_decodes_or_is_a_bad_frame(profile_id: str, data: st.DataObject) -> None:
    profile = profile_of(profile_id)
    sample = data.draw(st.sampled_from(profile.samples))
    payload = bytearray(sample_payload(sample))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, max(0, len(payload) - 1)))
        payload[at : at + 1] = data.draw(st.binary(max_size=2))
    judge(plan_mqtt(profile, sample_device(profile, sample.address)), bytes(payload))


HOSTILE = {
    "empty": b"",
    "white space": b"  \n",
    "not UTF-8": b'{"action":"\xff\xfe"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "NaN": b'{"battery":NaN,"temp_c":NaN}',
    "Infinity": b'{"battery":Infinity}',
    "overflow": b'{"battery":1e999}',
    "huge integer": b'{"battery":' + b"9" * 4000 + b"}",
    "lone surrogate": b'{"action":"\\ud800"}',
    "deep array": b"[" * 100_000,
    "deep closed": b"[" * 1000 + b"]" * 1000,
    "deep object": b'{"a":' * 50_000,
    "many members": b"{" + b",".join(b'"m%d":%d' % (n, n) for n in range(5000)) + b"}",
    "long text": b'{"action":"' + b"x" * 60_000 + b'"}',
    "one MiB of JSON": b'{"a":"' + b"x" * MIB + b'"}',
    "one MiB of noise": random.Random(1).randbytes(MIB),
    "NUL": b"\0\0\0",
    "NUL inside": b'{"action":"\\u0000"}',
    "number": b"5",
    "null": b"null",
    "wrong types": b'{"action":{},"sos":[],"params":7,"object":[1],"data":{},"uplink_message":"x"}',
}


@pytest.mark.parametrize("profile_id", MQTT_IDS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_decode_or_are_a_bad_frame(profile_id: str, name: str) -> None:
    profile = profile_of(profile_id)
    judge(plan_mqtt(profile, sample_device(profile)), HOSTILE[name])
