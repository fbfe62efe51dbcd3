"""Loading: every fault is named with its file and key, and later folders win."""

import shutil
from pathlib import Path

import pytest

from gateway.errors import ConfigError, ConfigFault
from gateway.profile import Shelf, profile_schema, shipped_folder
from gateway.profile.tool import check_file

SENSOR = (shipped_folder() / "generic/json_sensor.toml").read_text(encoding="utf-8")
CHIRP = (shipped_folder() / "alarm_button/chirpstack_ws101.toml").read_text(encoding="utf-8")


def faults_of(path: Path) -> list[ConfigFault]:
    with pytest.raises(ConfigError) as caught:
        Shelf.load(path)
    return caught.value.faults


def write(folder: Path, text: str, name: str = "fam/model.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_profiles_load_and_are_found_by_path() -> None:
    shelf = Shelf.load(shipped_folder())
    assert shelf.ids() == sorted(shelf.ids())
    profile = shelf.get("generic/json_sensor")
    assert profile is not None
    assert (profile.driver, profile.power, profile.silence_s) == ("mqtt", "mains", 900.0)
    assert shelf.get("generic/json_senser") is None
    assert shelf.close_matches("generic/json_senser")[0] == "generic/json_sensor"


def test_a_later_folder_overrides_an_earlier_one(tmp_path: Path) -> None:
    write(tmp_path, SENSOR.replace('"通用 JSON 传感器"', '"我们的"'), "generic/json_sensor.toml")
    shelf = Shelf.load(shipped_folder(), tmp_path)
    profile = shelf.get("generic/json_sensor")
    assert profile is not None
    assert profile.title == "我们的"
    assert len(shelf.ids()) == len(Shelf.load(shipped_folder()).ids())


def test_supervision_follows_the_power_class_unless_the_profile_says_otherwise() -> None:
    shelf = Shelf.load(shipped_folder())
    silence = {name: getattr(shelf.get(name), "silence_s", "?") for name in shelf.ids()}
    assert silence["alarm_button/tasmota"] == 600.0
    assert silence["alarm_button/zigbee2mqtt_sos"] == 90_000.0
    assert silence["generic/json_button"] is None


def test_every_fault_of_every_file_is_reported_at_once(tmp_path: Path) -> None:
    first = write(tmp_path, SENSOR.replace('nature = "state"', 'nature = "stat"'), "a/one.toml")
    text = SENSOR.replace('kind = "water"', 'kind = "wet"').replace("off_delay_s", "of_delay_s")
    second = write(tmp_path, text, "b/two.toml")
    third = write(tmp_path, "[profile\n", "c/three.toml")
    found = {(fault.file, fault.key) for fault in faults_of(tmp_path)}
    assert found == {
        (str(first), "point[0].nature"),
        (str(second), "point[0].of_delay_s"),
        (str(third), ""),
    }


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path / "nowhere")
    assert fault.file == str(tmp_path / "nowhere")


CASES = [
    ('title = "通用 JSON 传感器"', "title = 5", "profile.title"),
    ('driver = "mqtt"', 'driver = "telepathy"', "profile.driver"),
    ("verified = true", 'verified = "yes"', "profile.verified"),
    ("silence_s = 900 ", 'silence_s = "seldom"', "profile.silence_s"),
    ('confidence = "A"', 'confidence = "sure"', "source.confidence"),
    ('document = "', 'document = "http://x ', "source.document"),
    ('type = "topic"', 'type = "rope"', "address.topic.type"),
    ('type = "topic"', 'type = "number"', "address.topic.example"),
    ('kind = "water"', 'kind = "wet"', "point[0].kind"),
    ('kind = "water"', 'kind = "{topic}"', "point[0].kind"),
    ('kind = "water"', 'kind = "fire"\nlatch = false', "point[0].latch"),
    ('kind = "water"', 'kind = "panic"\naccept_retained = true', "point[0].accept_retained"),
    ("on_delay_s = 2 ", "on_delay_s = -2 ", "point[0].on_delay_s"),
    ("debounce_s = 0.5", "alarm_above = 3", "point[0].alarm_above"),
    ("restore_below = 55", "restore_below = 65", "point[1].restore_below"),
    ("restore_below = 55", "alarm_below = 60", "point[1].alarm_below"),
    ('name = "temperature"', 'name = "water"', "point[1].name"),
    ('name = "battery"', 'name = "Battery Level"', "point[2].name"),
    ('topic = "{topic}"\nformat', 'topic = "{tpoic}"\nformat', "message[0].topic"),
    ('topic = "{topic}"\nformat', 'topic = "a/#"\nformat', "message[0].topic"),
    ('topic = "{topic}"\nformat', 'topic = "a/b{+x}"\nformat', "message[0].topic"),
    ('topic = "{topic}"\nformat', 'topic = "a/{topic"\nformat', "message[0].topic"),
    ('format = "json"', 'format = "xml"', "message[0].format"),
    ('format = "json"', 'format = "bytes"', "message[0]"),
    ('format = "json"', 'format = "json"\nsize = 6\nwhere = { "@x" = 1 }', "message[0].where.@x"),
    ('attributes = ["seq"]', 'attributes = ["seq["]', "message[0].attributes[0]"),
    ('duplicate = "{seq}"', 'duplicate = "seq"', "message[0].duplicate"),
    ('duplicate = "{seq}"', 'duplicate = "{+none}"', "message[0].duplicate"),
    ('form = "unix_s"', 'form = "local"', "message[0].time.utc_offset"),
    ('form = "unix_s"', 'form = "local", utc_offset = "Beijing"', "message[0].time.utc_offset"),
    ('value = "temp_c"', 'value = "temp..c"', "message[0].set[1].value"),
    ('value = "temp_c"', 'worth = "temp_c"', "message[0].set[1].worth"),
    ('value = "temp_c"', "", "message[0].set[1].value"),
    ('value = "temp_c"', 'value = "temp_c"\ninvert = true', "message[0].set[1].invert"),
    ('value = "water" ', 'value = "water"\nscale = 2 ', "message[0].set[0].scale"),
    (
        'value = "water" ',
        'value = "water"\ntrue_when = [1]\nfalse_when = [1] ',
        "message[0].set[0].false_when",
    ),
    ('point = "battery"\nvalue', 'point = "cell"\nvalue', "message[0].set[2].point"),
    ('offline = ["offline"]', 'offline = ["Online"]', "availability[0].offline"),
    ('topic = "{topic}/status"\nonline', 'topic = "+/status"\nonline', "availability[0].topic"),
]


@pytest.mark.parametrize(("old", "new", "key"), CASES)
def test_a_fault_names_its_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in SENSOR
    path = write(tmp_path, SENSOR.replace(old, new, 1))
    found = faults_of(tmp_path)
    assert {fault.file for fault in found} == {str(path)}
    assert key in [fault.key for fault in found], [str(fault) for fault in found]
    assert all(fault.problem and fault.expected for fault in found)


def test_a_key_that_begins_like_a_type_keeps_its_name(tmp_path: Path) -> None:
    text = SENSOR.replace("[address.topic]", "[address.interval]").replace('type = "topic"', "")
    write(tmp_path, text)
    assert [fault.key for fault in faults_of(tmp_path)] == ["address.interval.type"]


TLV_CASES = [
    ("type = 0x2E", "type = 0x12E", "message[0].tlv[1].type"),
    ("channel = 0xFF\ntype = 0x2E", "channel = 0x01\ntype = 0x75", "message[0].tlv[1]"),
    ('value = "@press"', 'value = "@pressed"', "message[0].set[0].value"),
    ('encoding = "base64"', 'encoding = "base65"', "message[0].bytes.encoding"),
    ('bytes = { path = "data", encoding = "base64" }', "", "message[0].tlv"),
    ('pattern = "[0-9a-f]{16}"', 'pattern = "[0-9"', "address.dev_eui.pattern"),
    ('example = "24e124535c000107"', 'example = "24E1"', "address.dev_eui.example"),
]


@pytest.mark.parametrize(("old", "new", "key"), TLV_CASES)
def test_a_fault_of_the_bytes_names_its_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in CHIRP
    write(tmp_path, CHIRP.replace(old, new, 1))
    assert key in [fault.key for fault in faults_of(tmp_path)]


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    write(tmp_path, SENSOR[: SENSOR.index("[[sample]]")])
    assert [fault.key for fault in faults_of(tmp_path)] == ["sample"]


def test_a_file_that_is_not_utf_8_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes("title = '按钮'".encode("gb18030"))
    assert "TOML" in faults_of(tmp_path)[0].problem


def test_a_wrong_sample_is_found_by_the_check(tmp_path: Path) -> None:
    path = write(tmp_path, SENSOR.replace("value = 41.5 }", "value = 41.6 }"))
    (fault,) = check_file(path)
    assert (fault.file, fault.key) == (str(path), "sample[0]")
    assert "41.5" in fault.problem
    assert "41.6" in fault.expected


def test_true_is_not_one_in_a_sample(tmp_path: Path) -> None:
    path = write(tmp_path, SENSOR.replace("attributes = { seq = 12 }", "value = true"))
    assert [fault.key for fault in check_file(path)] != []


def test_a_profile_works_in_a_folder_of_the_installation(tmp_path: Path) -> None:
    shutil.copytree(shipped_folder(), tmp_path / "profiles")
    assert Shelf.load(tmp_path / "profiles").ids() == Shelf.load(shipped_folder()).ids()


def test_the_json_schema_knows_every_table() -> None:
    schema = profile_schema()
    assert {"profile", "source", "address", "point", "message", "sample"} <= set(
        schema["properties"]
    )
    assert schema["additionalProperties"] is False
