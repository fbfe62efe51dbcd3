"""Formulas of addresses, and what a document's numbering means on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.profile.formula import MAX_CHARS, BadFormula, evaluate, names_in, on_the_wire


@pytest.mark.parametrize(
    ("text", "names", "meant"),
    [
        ("257 + (loop - 1) * 256 + device", {"loop": 2, "device": 3}, 516),
        ("zone * 240 + code", {"zone": 9, "code": 240}, 2400),
        ("0x6000 + n", {"n": 1}, 0x6001),
        ("1000 + n % 100 * 8", {"n": 205}, 1040),
        ("-n // 2", {"n": 3}, -2),
        ("00017", {}, 17),
        ("000009", {}, 9),
        ("40001", {}, 40_001),
        (12, {}, 12),
    ],
)
def test_what_documents_write_is_worked_out(
    text: int | str, names: dict[str, int], meant: int
) -> None:
    assert evaluate(text, names) == meant


@st.composite
def formulas(draw: st.DrawFn) -> tuple[str, int]:
    """A formula and its result, worked out beside it."""
    text, result = "x", 7
    for _ in range(draw(st.integers(0, 5))):
        sign, number = draw(st.sampled_from("+-*/%")), draw(st.integers(1, 999))
        if sign == "/":
            text, result = f"({text}) // {number}", result // number
        elif sign == "%":
            text, result = f"({text}) % {number}", result % number
        else:
            text = f"({text}) {sign} {number}"
            result = {"+": result + number, "-": result - number, "*": result * number}[sign]
    return text, result


@given(formulas())
def test_any_formula_gives_its_number(formula: tuple[str, int]) -> None:
    text, result = formula
    if len(text) <= MAX_CHARS:
        assert evaluate(text, {"x": 7}) == result
        assert names_in(text) == {"x"}


@given(st.text(max_size=140) | st.text("0123456789abn+-*/%() _x.,='\\\"[]{}", max_size=140))
def test_any_text_is_a_number_or_a_bad_formula(text: str) -> None:
    try:
        found = evaluate(text, {"n": 3, "a": 5})
    except BadFormula:
        return
    assert isinstance(found, int)


@pytest.mark.parametrize(
    "text",
    [
        "", "n.real", "__import__('os')", "n ** 9", "n << 30", "1.5", "True", "n if n else 1",
        "[n]", "{n}", "n == 1", "f(n)", "lambda: 1", "n / 2", "1 // 0", "1 % 0", "unit2", "ｎ",
        "n\n+1", "n" * 121, "0x", "5000000000",
    ],
)  # fmt: skip
def test_what_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(BadFormula):
        evaluate(text, {"n": 1})


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(BadFormula, match=r"zone.*loop, device"):
        evaluate("zone * 2", {"loop": 1, "device": 2})


@pytest.mark.parametrize(
    ("number", "numbering", "function", "meant"),
    [
        (0, "wire", 3, (3, 0)),
        (65_535, "wire", 4, (4, 65_535)),
        (1, "one", 3, (3, 0)),
        (65_536, "one", 3, (3, 65_535)),
        (40_001, "reference", None, (3, 0)),  # Midas
        (400_001, "reference", None, (3, 0)),  # CGW-MBB
        (465_536, "reference", None, (3, 65_535)),
        (30_065, "reference", None, (4, 64)),
        (10_001, "reference", None, (2, 0)),
        (17, "reference", None, (1, 16)),  # 00017, ADAM
        (165_536, "reference", None, (2, 65_535)),
    ],
)
def test_a_documents_number_means_a_function_and_an_address_from_0(
    number: int, numbering: str, function: int | None, meant: tuple[int, int]
) -> None:  # modbus-quirks rows 1 and 2
    assert on_the_wire(number, numbering, function) == meant


@pytest.mark.parametrize(
    ("number", "numbering"),
    [(-1, "wire"), (65_536, "wire"), (0, "one"), (65_537, "one"), (0, "reference"),
     (10_000, "reference"), (20_001, "reference"), (40_000, "reference"), (50_001, "reference"),
     (465_537, "reference"), (300_000, "reference")],
)  # fmt: skip
def test_a_number_outside_the_map_is_refused(number: int, numbering: str) -> None:
    with pytest.raises(BadFormula):
        on_the_wire(number, numbering, 3)
