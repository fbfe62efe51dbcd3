"""A thing said in two languages: each stays in its own, in every sentence that the gateway has."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.words import MOST_CHARS, Said, english, is_chinese, receiver

ROOT: Final = Path(__file__).parents[1]
NAMES: Final = frozenset({"PIN"})
"""What a Chinese sentence may hold in Latin letters; the catalogue of the pages has no other."""


def test_as_one_line_chinese_comes_first_and_nothing_is_said_twice() -> None:
    assert str(Said("磁盘不足", "disk nearly full")) == "磁盘不足 disk nearly full"
    assert str(Said("x", "x")) == str(Said("", "x")) == str(Said("x", "")) == "x"


@pytest.mark.parametrize(
    ("line", "zh", "en"),
    [
        ("192.0.2.1: 连接不上，稍后重连 / 192.0.2.1: cannot connect / no",
         "192.0.2.1: 连接不上，稍后重连", "192.0.2.1: cannot connect / no"),
        ("代理正常 · the broker runs", "代理正常", "the broker runs"),
        ("索引损坏，已重建 damaged and rebuilt", "索引损坏，已重建", "damaged and rebuilt"),
        ("192.0.2.5:554 refused us", "", "192.0.2.5:554 refused us"),
        ("and / or", "", "and / or"),
        ("请检查 /srv/video", "请检查 /srv/video", ""),
        ("连接中", "连接中", ""),
        ("", "", ""),
    ],
)  # fmt: skip
def test_a_line_with_both_languages_is_parted(line: str, zh: str, en: str) -> None:
    assert Said.split(line) == Said(zh, en)


@given(st.text(max_size=60), st.sampled_from([" / ", " · ", " ", ""]), st.text(max_size=60))
def test_whatever_a_line_says_its_english_has_no_chinese(one: str, between: str, two: str) -> None:
    assert not is_chinese(english(f"{one}{between}{two}"))


@given(st.text(max_size=600), st.text(max_size=600))
def test_what_was_stored_is_read_again_and_is_bounded(zh: str, en: str) -> None:
    read = Said.read(Said(zh, en).as_dict())
    if not zh and not en:
        assert read is None
    else:
        assert read == Said(zh, en).cut()
        assert max(len(read.zh), len(read.en)) <= MOST_CHARS


@pytest.mark.parametrize(
    "value", [None, "磁盘", {}, {"zh": "磁盘"}, {"zh": 1, "en": "disk"}, ["zh"]]
)
def test_what_is_no_pair_is_none(value: object) -> None:
    assert Said.read(value) is None


def test_receivers_have_names_in_both_languages_and_strangers_their_own() -> None:
    assert receiver("police") == Said("公安", "police")
    assert receiver("hotline") == Said("hotline", "hotline")


def spoken(node: ast.expr) -> str:
    """The letters that a sentence has in the source; what is put into it stands as a space."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(spoken(each) for each in node.values)
    return " "


def sentences() -> list[tuple[str, ast.expr, ast.expr]]:
    """Every Said of the source: where, Chinese, English."""
    found = []
    for folder in ("gateway", "drivers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text("utf-8")
            if "node_modules" in path.parts or "Said(" not in text:
                continue
            for node in ast.walk(ast.parse(text)):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                    continue
                if node.func.id == "Said" and len(node.args) == 2:
                    where = f"{path.relative_to(ROOT)}:{node.lineno}"
                    found.append((where, node.args[0], node.args[1]))
    return found


def test_no_chinese_sentence_of_the_gateway_holds_english_and_no_english_one_chinese() -> None:
    found = sentences()
    assert len(found) > 50, "the sentences are written another way: mend this test"
    mixed = []
    for where, zh, en in found:
        latin = set(re.findall(r"[A-Za-z]{2,}", spoken(zh))) - NAMES
        if (is_chinese(spoken(zh)) and latin) or is_chinese(spoken(en)):
            mixed.append((where, spoken(zh), spoken(en)))
    assert mixed == []
