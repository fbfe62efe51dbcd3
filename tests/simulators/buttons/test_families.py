"""Each family says what its documents print."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from simulators.buttons import (
    DOUBLE,
    EIGHT_HOURS_S,
    FAMILIES,
    LONG,
    MARK,
    SHORT,
    ChirpStack,
    EspHomeButton,
    Gs101,
    Gs524n,
    JsonButton,
    JsonEvent,
    ShellyGen2,
    TasmotaButton,
    TasmotaSwitch,
    Ttn,
    Ws101,
    ZigbeeAction,
    ZigbeeGas,
    ZigbeeSticky,
    bridge,
    make,
)
from simulators.mqtt import Message

EUI = "24e124535c000107"


def content(message: Message) -> Any:
    return orjson.loads(message.payload)


def test_zigbee_action_is_one_word_and_never_released() -> None:
    button = ZigbeeAction("guardroom-north/sos-01")
    [message] = button.pressed()
    assert message.topic == "zigbee2mqtt/guardroom-north/sos-01"
    assert content(message)["action"] == "emergency"
    assert content(message)["voltage"] == 3000
    assert not message.retain
    assert button.released() == []
    assert "action" not in content(button.alive()[0])


def test_the_legacy_option_adds_an_empty_action() -> None:
    actions = [content(m)["action"] for m in ZigbeeAction("b", empty_action=True).pressed()]
    assert actions == ["emergency", ""]


def test_a_sticky_sos_stays_true_in_every_later_report() -> None:
    button = ZigbeeSticky("dorm-3/sos-07")
    assert content(button.alive()[0])["sos"] is False
    button.pressed()
    assert button.released() == []
    button.battery_pct = 8
    report = content(button.alive()[0])
    assert (report["sos"], report["battery_low"], report["battery"]) == (True, True, 8)


def test_a_sos_that_clears_says_so() -> None:
    button = ZigbeeSticky("b", clears=True)
    assert content(button.pressed()[0])["sos"] is True
    assert content(button.released()[0])["sos"] is False


def test_zigbee_availability_has_an_old_and_a_new_form_and_is_retained() -> None:
    [new] = ZigbeeAction("b").online(up=False)
    [old] = ZigbeeAction("b", json_availability=False).online(up=True)
    assert (new.topic, new.payload) == ("zigbee2mqtt/b/availability", b'{"state":"offline"}')
    assert old.payload == b"online"
    assert new.retain
    assert old.retain
    assert bridge(up=True).topic == "zigbee2mqtt/bridge/state"
    assert bridge(up=False, json_form=False).payload == b"offline"


def test_zigbee_gas_rises_and_falls() -> None:
    detector = ZigbeeGas("canteen/kitchen-gas")
    assert content(detector.pressed()[0])["gas"] is True
    assert content(detector.alive()[0])["gas"] is True
    assert content(detector.released()[0])["gas"] is False
    detector.faulty = True
    assert content(detector.alive()[0])["self_test_result"] == "failure"


def test_a_tasmota_switch_repeats_its_state_each_period() -> None:
    switch = TasmotaSwitch("gate-east")
    [pressed] = switch.pressed()
    assert pressed.topic == "tele/gate-east/SENSOR"
    assert content(pressed)["Switch1"] == "ON"
    assert content(switch.alive()[0])["Switch1"] == "ON"
    assert content(switch.released()[0])["Switch1"] == "OFF"
    assert content(TasmotaSwitch("x", inverted=True).pressed()[0])["Switch1"] == "OFF"


def test_tasmota_time_is_local_and_has_no_zone() -> None:
    time = content(TasmotaSwitch("g").pressed()[0])["Time"]
    away = datetime.fromisoformat(time) - datetime.now(UTC).replace(tzinfo=None)
    assert abs(away - timedelta(hours=8)) < timedelta(seconds=5)


def test_a_tasmota_button_publishes_its_action() -> None:
    [message] = TasmotaButton("gate-east").pressed()
    assert message.topic == "stat/gate-east/RESULT"
    assert message.payload == b'{"Button1":{"Action":"HOLD"}}'


def test_tasmota_registers_a_retained_will() -> None:
    will = TasmotaButton("gate-east").will
    assert will == Message(topic="tele/gate-east/LWT", payload=b"Offline", retain=True)


def test_esphome_speaks_text() -> None:
    button = EspHomeButton("guard-node", thing="sos")
    [message] = button.pressed()
    assert (message.topic, message.payload) == ("guard-node/binary_sensor/sos/state", b"ON")
    assert button.released()[0].payload == b"OFF"
    assert button.will == Message(topic="guard-node/status", payload=b"offline", retain=True)


def test_shelly_notifies_an_event_and_its_status_says_nothing_of_the_input() -> None:
    shelly = ShellyGen2("shellyplusi4-a8032ab1")
    event = content(shelly.pressed()[0])
    assert event["method"] == "NotifyEvent"
    assert event["params"]["events"][0]["event"] == "single_push"
    status = content(shelly.alive()[0])
    assert status["method"] == "NotifyStatus"
    assert "events" not in status["params"]


def test_ws101_says_what_the_maker_prints() -> None:
    button = ChirpStack(EUI)
    assert content(button.pressed()[0])["data"] == "AXVk/y4C"
    assert base64.b64decode(content(button.alive()[0])["data"]) == b"\x01\x75\x64"
    for press in (SHORT, LONG, DOUBLE):
        one = Ws101(press)
        one.active = True
        assert one.frame(50, event=True) == bytes([0x01, 0x75, 50, 0xFF, 0x2E, press])


def test_gs101_says_what_the_maker_prints() -> None:
    detector = ChirpStack(EUI, sensor=Gs101())
    alarm = base64.b64decode(content(detector.pressed()[0])["data"])
    assert alarm == bytes.fromhex("058E01 060100 070101")
    report = base64.b64decode(content(detector.alive()[0])["data"])
    assert report[9:11] == b"\x08\x90"
    assert int.from_bytes(report[11:], "little") == 5 * 365 * 86_400
    assert content(detector.released()[0])["data"] == "BY4ABgEBBwEA"


def test_gs524n_says_what_the_maker_prints_and_sums_to_zero() -> None:
    smoke = Gs524n()
    smoke.testing = True
    assert smoke.frame(100, event=True) == bytes.fromhex("221E64001C40")
    smoke.testing, smoke.active = False, True
    assert sum(smoke.frame(100, event=True)) % 256 == 0
    assert smoke.frame(100, event=True)[1] == 0x11


def test_chirpstack_leaves_out_the_counter_when_it_is_zero() -> None:
    button = ChirpStack(EUI)
    first, second = content(button.pressed()[0]), content(button.pressed()[0])
    assert "fCnt" not in first
    assert second["fCnt"] == 1
    assert first["deviceInfo"]["devEui"] == EUI
    assert len(first["time"].split(".")[1]) == len("775023242+00:00")
    datetime.fromisoformat(first["time"])


def test_one_press_heard_by_three_gateways_is_one_event() -> None:
    [message] = ChirpStack(EUI, gateways=3).pressed()
    assert len(content(message)["rxInfo"]) == 3
    [message] = Ttn("sos-1", gateways=3).pressed()
    assert len(content(message)["uplink_message"]["rx_metadata"]) == 3


def test_a_press_the_server_did_not_merge_has_one_counter_and_three_ids() -> None:
    button = ChirpStack(EUI)
    button.alive()
    events = [content(message) for message in button.pressed_and_heard_apart()]
    assert [event["fCnt"] for event in events] == [1, 1, 1]
    assert len({event["deduplicationId"] for event in events}) == 3
    assert button.press_count == 1
    assert content(button.pressed()[0])["fCnt"] == 2


def test_after_a_rejoin_the_counter_begins_again_under_another_address() -> None:
    button = ChirpStack(EUI)
    before = content(button.pressed()[0])["devAddr"]
    button.pressed()
    [join] = button.rejoin()
    assert join.topic.endswith("/event/join")
    after = content(button.pressed()[0])
    assert after["devAddr"] == content(join)["devAddr"] != before
    assert "fCnt" not in after


def test_a_decoded_uplink_carries_what_the_makers_script_gives() -> None:
    button = make("chirpstack-decoded", EUI)
    pressed = content(button.pressed()[0])["object"]
    assert pressed["button_event"]["status"] == "long press"
    assert content(button.alive()[0])["object"] == {"battery": 100}
    smoke = make("ttn-decoded+gs524n", "smoke-1")
    uplink = content(smoke.pressed()[0])["uplink_message"]
    assert uplink["decoded_payload"]["event"] == "alarm"
    gas = make("chirpstack-decoded+gs101", EUI)
    assert content(gas.pressed()[0])["object"]["gas_status"] == "alarm"


def test_ttn_publishes_under_application_and_tenant() -> None:
    [message] = Ttn("sos-1").pressed()
    assert message.topic == "v3/campus@ttn/devices/sos-1/up"
    uplink = content(message)["uplink_message"]
    assert uplink["frm_payload"] == "AXVk/y4C"
    assert "f_cnt" not in uplink


def test_plain_json_marks_every_message() -> None:
    button, door = JsonButton("btn-1"), JsonEvent("door-1", kind="access")
    assert content(button.pressed()[0])[MARK] == "btn-1#1"
    event = content(door.pressed()[0])
    assert event[MARK] == door.mark == "door-1#1"
    assert event["level"] in {1, 2, 3, 4}
    assert door.address()["priority_member"] == "level"


@pytest.mark.parametrize("family", ["tasmota-switch", "shelly-gen2", "chirpstack", "ttn"])
def test_a_wrong_clock_is_eight_hours_off(family: str) -> None:
    device = make(family, EUI, clock_offset_s=EIGHT_HOURS_S)
    assert timedelta(hours=7.9) < device.now() - datetime.now(UTC) < timedelta(hours=8.1)
    right = make(family, EUI).pressed()[0].payload
    wrong = device.pressed()[0].payload
    assert right != wrong


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_makes_the_same_device(family: str) -> None:
    one, two = make(family, EUI, seed=3), make(family, EUI, seed=3)
    assert [m.topic for m in one.pressed()] == [m.topic for m in two.pressed()]
    assert one.dice.random() == two.dice.random()
    assert one.press_topic() == two.pressed()[0].topic
    assert one.press_count == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_json_is_strict_and_small(family: str) -> None:
    device = make(family, EUI)
    for message in [*device.pressed(), *device.alive(), *device.released()]:
        assert len(message.payload) < 2000
        assert message.qos == 1
        if message.payload[:1] == b"{":
            json.loads(message.payload, parse_constant=pytest.fail)
