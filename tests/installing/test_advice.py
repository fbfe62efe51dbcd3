"""How searches end: always with a reason and a next step, in both languages."""

from collections import Counter

import pytest

from gateway.commission.cameras import CameraFound
from gateway.commission.scan import Found
from gateway.installing import advice
from gateway.links.modbus import parse_url
from gateway.links.onvif.discovery import Found as Camera

BUS = parse_url("tcp://192.0.2.20:502")


def camera(**more: object) -> CameraFound:
    found = Camera(key="k", sender="192.0.2.30", url="http://192.0.2.30/onvif/device_service")
    return CameraFound(found=found, versions={}, **more)  # type: ignore[arg-type]


ENDS = {
    "a silent bus": advice.after_bus(BUS, Found(), {}),
    "an unfinished one": advice.after_bus(BUS, Found(ended="gone"), {}),
    "noise": advice.after_bus(BUS, Found(spoiled={3: ("crc", 2)}), {}),
    "a converter alone": advice.after_bus(BUS, Found(gateway=Counter({11: 3})), {}),
    "a second master": advice.after_bus(
        BUS, Found(strange=Counter({"foreign": 1}), strangers={7}), {}
    ),
    "a silent broker": advice.after_topics([], []),
    "a broker that refuses": advice.after_topics([], ["#"]),
    "known topics": advice.after_topics([{"known": True}], []),
    "new topics": advice.after_topics([{"known": False}], []),
    "no camera": advice.after_cameras([], is_named=False),
    "no answer": advice.after_cameras([camera(why="no / no")], is_named=True),
    "a camera": advice.after_cameras([camera(offset_s=0.1)], is_named=True),
    "a camera of another time": advice.after_cameras([camera(offset_s=-3600.0)], is_named=True),
    **{f"failed {what}": [advice.after_failure(what)] for what in ("modbus", "topics", "cameras")},
}


@pytest.mark.parametrize("what", ENDS)
def test_every_end_says_what_to_do_next_in_both_languages(what: str) -> None:
    assert ENDS[what]
    for line in ENDS[what]:
        zh, _, en = line.partition(" / ")
        assert "下一步：" in zh
        assert "next: " in en.lower()
        assert not any("一" <= char <= "鿿" for char in en), en


def test_what_was_found_decides_what_is_said() -> None:
    assert "rtu-over-tcp://192.0.2.20:502" in ENDS["a silent bus"][1]
    assert "波特率" in ENDS["noise"][0]
    assert "转换器在" in ENDS["a converter alone"][0]
    assert any("7" in line for line in ENDS["a second master"])
    assert len(ENDS["a broker that refuses"]) == 2
    assert "NTP" in ENDS["a camera of another time"][1]
    assert len(ENDS["a camera"]) == 1
