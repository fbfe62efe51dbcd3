"""`profile check` and `profile decode` of Modbus profiles, as a person types them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.profile.tool import BadSample, decode_sample, judge_file
from tests.profile.modbus_files import HEAD, gauge, point, profile_of, rule, text_of, value

BODY = (
    value("level", 0, 'decimals_from = "decimals"\nunit_from = "unit"')
    + value("decimals", 1, 'byte = "low"')
    + value("unit", 1, 'byte = "high"\nnames = { "1" = "ppm" }')
    + value("state", 5, 'names = { "2" = "alarm" }')
    + point("level", "measurement")
    + rule("level", "level")
    + point("gas", more="")
    + rule("gas", "state", 'true_when = ["alarm"]\nelse = "inactive"')
)


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["profile", *words])
    return result.exit_code, result.output


def test_registers_are_shown_as_words_as_values_and_as_what_they_mean(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    path.write_text(text_of(BODY), encoding="utf-8")
    code, out = run("decode", str(path), "--json", '{"0": [12, 257], "0x5": [2]}')
    assert code == 0
    shown = json.loads(out)
    assert shown["values"] == {
        "level": 1.2, "decimals": 1, "unit": "ppm", "state": "alarm",
    }  # fmt: skip
    assert shown["words"][1] == {"function": 3, "address": 1, "word": 257, "hex": "0x0101"}
    assert [(each["point"], each["text_en"]) for each in shown["readings"]] == [
        ("level", "level: 1.2 ppm"), ("gas", "gas"),
    ]  # fmt: skip
    assert shown["missing"] == []


def test_what_was_not_given_is_named_and_not_taken_for_zero() -> None:
    shown = decode_sample(profile_of(BODY), None, b'{"5": [0]}')
    assert [each["point"] for each in shown["readings"]] == ["gas"]
    assert shown["missing"] == ["3:0–1"]


def test_what_does_not_decode_fails_and_shows_the_words_all_the_same() -> None:
    body = gauge("count", 0, more='form = "bcd16"')
    shown = decode_sample(profile_of(body), None, b'{"0": [4660]}')
    assert (shown["garbled"], shown["values"]) == (None, {"count": 1234})
    shown = decode_sample(profile_of(body), None, b'{"0": [4666]}')
    assert "count" in shown["garbled"]
    assert shown["words"][0]["hex"] == "0x123A"
    assert shown["readings"] == []


@pytest.mark.parametrize(
    "text", ["", "[1]", "7", "{}", '{"0": 7}', '{"0": [70000]}', '{"0": ["7"]}', '{"x": [7]}',
             '{"9:0": [7]}', '{"70000": [7]}', '{"0": []}'],
)  # fmt: skip
def test_what_is_no_registers_is_told_with_an_example(text: str) -> None:
    with pytest.raises(BadSample, match="40001"):
        decode_sample(profile_of(BODY), None, text.encode())


def test_a_typing_mistake_is_a_usage_error() -> None:
    code, out = run("decode", "gas/honeywell_midas", "--json", '{"50001": [1]}')
    assert code == 2
    assert "50001" in out


def test_what_the_language_cannot_say_is_told_by_the_check_which_passes(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    line = "周期写入心跳 / a heartbeat the gateway would have to write"
    head = HEAD.replace("[source]", f'not_expressible = ["{line}"]\n[source]')
    path.write_text(text_of(BODY, head=head), encoding="utf-8")
    assert judge_file(path) == ([], [f"不可表达 / not expressible: {line}"])
    code, out = run("check", str(path))
    assert code == 0
    assert f"not expressible: {line}" in out.replace("\n", "")


def test_a_sample_that_means_something_else_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    sample = '[[sample]]\nnote = "x"\nwords = { "5" = [2] }\n'
    sample += 'expect = [{ point = "gas", active = false }]\n'
    path.write_text(text_of(BODY + sample), encoding="utf-8")
    faults, _ = judge_file(path)
    assert [fault.key for fault in faults] == ["sample[0]"]
    code, out = run("check", str(path))
    assert code == 78
    assert "sample[0]" in out
