"""What a device must say of itself, and the helpers behind the command line."""

from typing import Any

import pytest

from gateway.profile import Profile
from gateway.profile.tool import decode_sample
from tests.shelves import shipped

SHELF = shipped()


def profile_of(profile_id: str) -> Profile:
    found = SHELF.get(profile_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("profile_id", "address", "keys"),
    [
        ("generic/json_event", {"topic": "a/b", "kind": "access", "priority_member": "level"}, []),
        ("generic/json_event", {"topic": "a/b"}, []),
        ("generic/json_event", {}, ["topic"]),
        ("generic/json_event", {"topic": "a/b", "kind": "party"}, ["kind"]),
        ("generic/json_event", {"topic": "a/b", "priority_member": 'a"b'}, ["priority_member"]),
        ("generic/json_event", {"topic": "a/b", "priority_member": ""}, ["priority_member"]),
        ("generic/json_button", {"topic": "a/+"}, ["topic"]),
        ("generic/json_button", {"topic": "a/#"}, ["topic"]),
        ("generic/json_button", {"topic": ""}, ["topic"]),
        ("generic/json_button", {"topic": "a\0b"}, ["topic"]),
        ("generic/json_button", {"topic": "/a"}, ["topic"]),
        ("generic/json_button", {"topic": "$SYS/x"}, ["topic"]),
        ("generic/json_button", {"topic": "a{b}"}, ["topic"]),
        ("generic/json_button", {"topic": 5}, ["topic"]),
        ("generic/json_button", {"topic": "a", "topik": "b"}, ["topik"]),
        ("alarm_button/tasmota", {"topic": "gate", "button": 8}, []),
        ("alarm_button/tasmota", {"topic": "gate", "button": 9}, ["button"]),
        ("alarm_button/tasmota", {"topic": "gate", "button": True}, ["button"]),
        ("alarm_button/tasmota", {"topic": "gate", "button": "1"}, ["button"]),
        ("alarm_button/tasmota", {"topic": "gate/1"}, ["topic"]),
        ("alarm_button/tasmota", {"topic": "gate", "utc_offset": "Beijing"}, ["utc_offset"]),
        ("alarm_button/chirpstack", {"dev_eui": "24E124535C000107"}, ["dev_eui"]),
        (
            "alarm_button/chirpstack",
            {"dev_eui": "24e124535c000107", "member": "a..b"},
            ["member"],
        ),
    ],
)
def test_an_address_is_checked(profile_id: str, address: dict[str, Any], keys: list[str]) -> None:
    faults = profile_of(profile_id).check_address(address)
    assert [key for key, _, _ in faults] == keys
    assert all(problem and expected for _, problem, expected in faults)


def test_devices_of_one_kind_share_their_points() -> None:
    profile = profile_of("generic/json_event")
    one = profile.points_for({"topic": "a", "kind": "patrol"})
    assert profile.points_for({"topic": "b", "kind": "patrol"}) is one
    assert profile.points_for({"topic": "b"}) is not one


def test_a_decoded_sample_reads_as_a_guard_would_see_it() -> None:
    shown = decode_sample(
        profile_of("alarm_button/zigbee2mqtt_sos"), None, b'{"action":"emergency","battery":87}'
    )
    assert shown["garbled"] is None
    assert [(r["point"], r["text"], r["kind"]) for r in shown["readings"]] == [
        ("button", "紧急求助按钮按下:emergency", "panic"),
        ("battery", "电池电量:87 %", "power"),
    ]


def test_a_decoded_sample_on_another_topic_may_be_availability() -> None:
    profile = profile_of("alarm_button/zigbee2mqtt_sos")
    shown = decode_sample(profile, "zigbee2mqtt/gate/sos-01/availability", b"offline")
    assert shown["readings"][0]["text"] == "离线"
    assert decode_sample(profile, "elsewhere", b"offline")["known_topic"] is False


def test_a_sample_that_is_garbled_says_why() -> None:
    shown = decode_sample(profile_of("generic/json_button"), None, b"help")
    assert shown["readings"] == []
    assert "JSON" in shown["garbled"]


def test_a_wildcard_topic_needs_no_topic_to_be_tried() -> None:
    shown = decode_sample(
        profile_of("alarm_button/chirpstack_ws101"), None, b'{"devAddr":"1","data":"/y4B"}'
    )
    assert [reading["text"] for reading in shown["readings"]] == ["紧急求助按钮按下:short"]
