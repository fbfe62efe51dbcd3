"""Wrong configuration does not start, and says what was expected (promise 11)."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.uplinks.mqtt import Options


def check(folder: Path, **table: Any) -> Options:
    return Options.model_validate({"url": "mqtt://127.0.0.1"} | table, context={"folder": folder})


def test_ports_are_those_of_the_scheme(tmp_path: Path) -> None:
    assert check(tmp_path).port == 1883
    assert check(tmp_path, url="mqtts://broker.example").port == 8883
    assert check(tmp_path, url="mqtts://broker.example:443").port == 443
    assert check(tmp_path, url="mqtts://[2001:db8::1]:443").host == "2001:db8::1"


def test_the_password_is_read_and_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "bureau").write_text("hunter2\n")
    options = check(tmp_path, username="gw", password_file="bureau")
    assert options.password == "hunter2"
    shown = repr(options) + str(options.model_dump()) + str(Options.model_json_schema())
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"url": "http://broker"}, "mqtts:// or mqtt://"),
        ({"url": "mqtt://gw:hunter2@broker"}, "it in a file or environment"),
        ({"url": "mqtt://broker/alarms"}, "mqtts://host"),
        ({"password_file": "nowhere"}, "a readable file"),
        ({"password_env": "UNSET_HERE", "username": "gw"}, "a secret"),
        ({"password_file": "bureau"}, "username"),
        ({"topic": "campus/#"}, "a topic to publish to"),
        ({"status_topic": "campus/{kind}"}, "only"),
        ({"protocol": "4"}, "'auto', '3.1.1' or '5'"),
        ({"ca": "bureau"}, "mqtts:// in url"),
        ({"url": "mqtts://broker", "ca": "bureau"}, "PEM certificates"),
        ({"window": 0}, "greater than or equal to 4"),
        ({"qos": 2}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_said_with_what_was_expected(
    tmp_path: Path, table: dict[str, Any], expected: str
) -> None:
    (tmp_path / "bureau").write_text("hunter2")
    with pytest.raises(ValidationError) as caught:
        check(tmp_path, **table)
    assert expected in str(caught.value)
    assert "hunter2" not in str(caught.value)
