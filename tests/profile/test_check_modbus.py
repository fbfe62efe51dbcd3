"""What `profile check` says about a Modbus profile: one fault, one key, in the file's own words."""

import pytest

from tests.profile.modbus_files import HEAD, faults_of, gauge, point, rule, value

GOOD = value("level", 1) + value("mode", 2) + value("ready", 3, "bit = 0") + point("gas") + (
    rule("gas", "mode", "true_when = [1]\nfalse_when = [0]")
)  # fmt: skip
COMMAND = """
[[command]]
name = "close"
text = "关阀"
text_en = "close"
effect = "close"
confirm = { value = "ready", in = [true], within_s = 5 }
step = [{ at = 1, function = 6, value = 1 }]
"""
QUERY = """
[[query]]
name = "ask"
step = [{ at = 1, function = 6, value = 1 }]
done = { value = "mode", in = [0], within_s = 5 }
value = ["level"]
"""
LOG = """
[[log]]
name = "events"
kind = "ring"
newest = "mode"
entry = "100 + n % 10 * 4"
words = 4
size = 10
value = [{ name = "kind", at = 0 }]
set = [{ point = "gas", value = "kind", true_when = [1], else = "ignore" }]
"""


def test_a_good_file_has_no_fault() -> None:
    assert faults_of(GOOD + COMMAND + QUERY + LOG) == {}


# One line for each fault: what the file says instead, and the key it is told under.
VALUES = [
    ('form = "u24"', "form"),
    ('form = "u16"\nbits = [4, 16]', "bits"),
    ("bits = [9, 4]", "bits"),
    ("bit = 16", "bit"),
    ("bit = 1\nbits = [0, 1]", "bit"),
    ('form = "f32"\nbit = 1', "bit"),
    ('form = "s16"\nbits = [0, 3]', "form"),
    ('form = "m16"\nbyte = "low"', "form"),
    ('form = "u32"\nbyte = "high"', "byte"),
    ("signed = true", "signed"),
    ("words = 3", "words"),
    ('form = "text"', "words"),
    ('form = "text"\nwords = 2\nscale = 0.1', "scale"),
    ('form = "text"\nwords = 65', "words"),
    ("bit = 0\ninvalid = [1]", "invalid"),
    ("divide = 0", "divide"),
    ('names = { "1" = "on" }\nscale = 0.1', "names"),
    ('names = { "1" = "on" }\ndecimals_from = "mode"', "names"),
    ('names = { "one" = "on" }', "names"),
    ('names = { "01" = "on" }', "names"),
    ('bands = [{ name = "a", from = 5, to = 1 }]', "bands"),
    ('bands = [{ name = "a", from = 0, to = 5 }, { name = "b", from = 5, to = 9 }]', "bands"),
    ("hysteresis = 5", "bands"),
    ('else_band = "rest"', "bands"),
    ('scale_from = "nobody"', ""),
    ('scale_from = "ready"', "scale_from"),
    ('decimals_from = "ready"', "decimals_from"),
    ('unit_from = "mode"', "unit_from"),
    ("valid_when = { nobody = 1 }", ""),
    ("valid_when = { ready = 1 }", "valid_when"),
    ("valid_when = { mode = { in = [0], ignore = [true] } }", "valid_when"),
    ('compare = { value = "mode", at_least = "mode" }', "at"),
    ("function = 2", "form"),
    ('form = "bit"', "form"),
    ("function = 5", "function"),
    ('scale_form = "mode"', "scale_form"),
    ("heartbeat_s = 0", "heartbeat_s"),
    ("swap = true", "swap"),
]


@pytest.mark.parametrize(("words", "key"), VALUES, ids=[words for words, _ in VALUES])
def test_a_fault_of_a_value_is_told_under_its_word(words: str, key: str) -> None:
    found = faults_of(GOOD + value("odd", 9, words))
    assert list(found) == [f"value[3].{key}" if key else "value[3]"], found


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        (70_000, "65535"),
        ("loop * 2", "loop"),
        ("1 +", "公式"),
        ("unit ** 2", "只能用"),
        ("65535 + unit", "65535"),
    ],
)
def test_an_address_that_is_none_is_told(at: object, problem: str) -> None:
    assert problem in faults_of(GOOD + value("odd", at))["value[3].at"]


def test_a_word_of_form_the_language_does_not_have_is_not_expressible() -> None:
    found = faults_of(GOOD + value("odd", 9, 'form = "float24"'))
    assert "不可表达 / not expressible" in found["value[3].form"]


def test_a_press_that_only_polling_would_see_is_not_expressible() -> None:
    body = GOOD + point("button", "momentary", "panic") + rule("button", "mode")
    assert "不可表达" in faults_of(body)["set[1].point"]


def test_a_value_made_of_itself_is_told() -> None:
    circle = value("a", 8, 'scale_from = "b"') + value("b", 9, 'scale_from = "a"')
    assert "a, b" in faults_of(GOOD + circle)["value"]


def test_a_comparison_needs_numbers_and_one_limit() -> None:
    two = "[[value]]\nname = 'high'\n"
    two += "compare = { value = 'level', at_least = 'mode', at_most = 'mode' }\n"
    assert list(faults_of(GOOD + two)) == ["value[3].compare"]
    truth = '[[value]]\nname = "high"\ncompare = { value = "level", at_least = "ready" }\n'
    assert list(faults_of(GOOD + truth)) == ["value[3].compare"]


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (rule("nobody", "mode"), "point"),
        (rule("extra", "nothing", "true_when = [1]"), "value"),
        (rule("extra", "mode", "where = { nothing = 1 }\ntrue_when = [1]"), "where"),
        (rule("extra", "mode", 'where = { ready = "yes" }\ntrue_when = [1]'), "where"),
        (rule("extra", "mode", 'true_when = [1]\nattributes = ["nothing"]'), "attributes"),
        (rule("extra", "mode", 'true_when = ["fire"]'), "true_when"),
        (rule("extra", "ready", "true_when = [1]"), "true_when"),
        (rule("extra", "mode"), "true_when"),
        (rule("extra", "mode", 'true_when = [1]\nack = "nothing"'), "ack"),
        (rule("extra", "mode", "true_when = [1]\nfalse_when = [1]"), "false_when"),
        (rule("extra"), "active"),
    ],
)
def test_a_fault_of_a_rule_is_told_under_its_word(words: str, key: str) -> None:
    found = faults_of(
        GOOD + point("extra") + rule("extra", "ready", "where = { mode = 9 }") + words
    )
    assert list(found) == [f"set[2].{key}"], found


def test_a_measurement_of_a_truth_or_a_text_is_told() -> None:
    text = value("text", 9, 'form = "text"\nwords = 2')
    for name in ("ready", "text"):
        body = GOOD + text + point("m", "measurement") + rule("m", name)
        assert list(faults_of(body)) == ["set[1].value"]


def test_two_rules_that_always_speak_for_one_point_are_told() -> None:
    again = rule("gas", "ready")
    assert list(faults_of(GOOD + again)) == ["set[1].point"]
    assert faults_of(GOOD + rule("gas", "ready", "where = { mode = [9] }")) == {}
    one_sided = rule("gas", "level", 'true_when = [7]\nelse = "ignore"')
    assert faults_of(GOOD + one_sided) == {}


@pytest.mark.parametrize(
    ("words", "more"),
    [
        ("scale = 2", ""),
        ('form = "s16"', ""),
        ('form = "bcd16"', ""),
        ('form = "f32"', ""),
        ('byte = "low"', ""),
        ("bits = [0, 14]", ""),
        ('names = { "1" = "x" }', ""),
        ("", 'values = { "1" = "x" }'),
    ],
)
def test_a_counter_that_could_not_count_is_told(words: str, more: str) -> None:
    body = (
        GOOD + value("presses", 9, words)
        + point("button", "momentary", "panic", "counter_bits = 16")
        + rule("button", "presses", more)
    )  # fmt: skip
    (key,) = faults_of(body)
    assert key.startswith("set[1].")


def test_a_counter_of_eight_bits_may_be_a_byte() -> None:
    body = (
        GOOD + value("presses", 9, 'byte = "low"')
        + point("button", "momentary", "panic", "counter_bits = 8")
        + rule("button", "presses")
    )  # fmt: skip
    assert faults_of(body) == {}


@pytest.mark.parametrize(
    ("was", "words", "key"),
    [
        ('"ready"', '"nothing"', "confirm.value"),
        ("[true]", "[1]", "confirm.in"),
        ("at = 1", "at = 70000", "step[0].at"),
        ("at = 1", 'at = "loop"', "step[0].at"),
        ("function = 6, value = 1", "function = 16, value = 1, values = [1]", "step[0].value"),
        ("value = 1", "wait_s = 1", "step[0].value"),
        ("value = 1", "values = [1]", "step[0].function"),
        ("value = 1", "value = true", "step[0].value"),
        ("value = 1", 'value = "loop"', "step[0].value"),
        ("value = 1", "value = 1, pulse = 3", "step[0].pulse"),
        ("function = 6", "function = 3", "step[0].function"),
        ('effect = "close"', 'effect = "close"\nbroadcast = true', "broadcast"),
        ('confirm = { value = "ready", in = [true], within_s = 5 }', "", "confirm"),
    ],
)
def test_a_fault_of_a_command_is_told_under_its_word(was: str, words: str, key: str) -> None:
    assert was in COMMAND
    found = faults_of(GOOD + COMMAND.replace(was, words))
    assert list(found) == [f"command[0].{key}"], found


def test_two_commands_of_one_name_are_told() -> None:
    assert list(faults_of(GOOD + COMMAND + COMMAND)) == ["command[0].name", "command[1].name"]


def test_a_coil_is_not_written_for_a_register_nor_the_other_way_round() -> None:
    body = GOOD.replace("at = 1\n", "at = 40001\n").replace("at = 2\n", "at = 40002\n")
    body = body.replace("at = 3\n", "at = 40003\n")
    numbering = 'numbering = "reference"'
    for at, function in ((40_001, 5), (17, 6), (30_001, 16), (10_001, 15)):
        wrong = COMMAND.replace("at = 1", f"at = {at}").replace(
            "function = 6", f"function = {function}"
        )
        assert list(faults_of(body + wrong, numbering)) == ["command[0].step[0].at"]
    right = COMMAND.replace("at = 1", "at = 40021")
    assert faults_of(body + right, numbering) == {}


def test_a_reference_number_says_its_function_itself() -> None:
    body = gauge("level", 40_001, more="function = 4")
    assert list(faults_of(body, 'numbering = "reference"')) == ["value[0].function"]


def test_an_address_without_a_function_is_told() -> None:
    assert list(faults_of(gauge("level", 1), "")) == ["value[0].function"]


@pytest.mark.parametrize(
    ("was", "words", "key"),
    [
        ('value = ["level"]', 'value = ["nothing"]', "value"),
        ('value = ["level"]', 'value = ["mode"]', "done"),
        ('value = "mode", in = [0]', 'value = "nothing", in = [0]', "done.value"),
        ("in = [0]", 'in = ["done"]', "done.in"),
        ('value = ["level"]', 'value = ["level"]\ngood = { nothing = 0 }', "good"),
    ],
)
def test_a_fault_of_a_query_is_told_under_its_word(was: str, words: str, key: str) -> None:
    assert was in QUERY
    found = faults_of(GOOD + QUERY.replace(was, words))
    assert list(found) == [f"query[0].{key}"], found


def test_a_query_cannot_read_what_has_no_register() -> None:
    body = GOOD + '[[value]]\nname = "high"\ncompare = { value = "level", at_least = "mode" }\n'
    assert list(faults_of(body + QUERY.replace('["level"]', '["high"]'))) == ["query[0].value"]


@pytest.mark.parametrize(
    ("was", "words", "key"),
    [
        ('newest = "mode"', 'newest = "nothing"', "newest"),
        ('newest = "mode"', "", "newest"),
        ('kind = "ring"', 'kind = "queue"\npending = "mode"', "ack"),
        ('"100 + n % 10 * 4"', '"100 + m"', "entry"),
        ('"100 + n % 10 * 4"', '"100 + n"', "entry"),
        ('"100 + n % 10 * 4"', "65533", "entry"),
        ("size = 10", "size = 100\nwrap = 50", "wrap"),
        ("at = 0", "at = 4", "value[0].at"),
        ("at = 0", 'at = 3, form = "u32"', "value[0].at"),
        ("at = 0", "at = 0, bits = [9, 16]", "value[0].bits"),
        ('value = "kind"', 'value = "level"', "set[0].value"),
        ("true_when = [1]", 'true_when = ["fire"]', "set[0].true_when"),
        ("size = 10", 'size = 10\nack = "nothing"', "ack"),
        ("size = 10", 'size = 10\ntime = { unix_s = "level" }', "time"),
        ("size = 10", 'size = 10\ntime = { year = "kind" }', "time"),
    ],
)
def test_a_fault_of_a_log_is_told_under_its_word(was: str, words: str, key: str) -> None:
    assert was in LOG
    found = faults_of(GOOD + LOG.replace(was, words))
    assert f"log[0].{key}" in found, found
    assert all(each.startswith(f"log[0].{key}") for each in found), found


def test_an_entry_cannot_move_a_counter_that_is_polled() -> None:
    body = (
        GOOD + value("presses", 9)
        + point("button", "momentary", "panic", "counter_bits = 16")
        + rule("button", "presses")
    )  # fmt: skip
    entry = LOG.replace(
        'point = "gas", value = "kind", true_when = [1], else = "ignore"', 'point = "button"'
    )
    assert list(faults_of(body + entry)) == ["log[0].set[0].point"]


def test_a_device_on_a_bus_has_a_unit_that_is_a_number() -> None:
    assert list(faults_of(GOOD, head=HEAD.replace("unit]", "loop]"))) == ["address.unit"]
    text = HEAD.replace('"integer"', '"text"').replace("default = 1", 'default = "1"')
    assert list(faults_of(GOOD, head=text)) == ["address.unit"]


def test_what_only_mqtt_has_is_told() -> None:
    message = '[[message]]\ntopic = "x"\n[[message.set]]\npoint = "gas"\nactive = true\n'
    assert list(faults_of(GOOD + message)) == ["message"]


def test_a_sample_is_of_registers() -> None:
    bad = '[[sample]]\nnote = "x"\npayload = "{}"\nexpect = []\n'
    assert set(faults_of(GOOD + bad)) == {"sample[0].words", "sample[0]"}
    foreign = '[[sample]]\nnote = "x"\nlog = "nothing"\nwords = { "0" = [1] }\nexpect = []\n'
    assert list(faults_of(GOOD + foreign)) == ["sample[0].log"]


def test_row_29_a_ninth_bit_by_parity_is_not_expressible() -> None:
    """Quirk row 29: mark and space parity is framing, which needs a driver of its own."""
    faults = faults_of(GOOD, modbus='function = 3\nparity = ["M"]')
    assert "not expressible" in faults["modbus.parity[0]"]
