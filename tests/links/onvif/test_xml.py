"""XML of strangers: any bytes are a tree or refused, and no tree is large."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.onvif.xml import MAX_DEPTH, MAX_ELEMENTS, BadXml, parse

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><x>&j;</x>"
)
FETCHING = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
PARAMETER = b'<!DOCTYPE x [<!ENTITY % a SYSTEM "http://192.0.2.1/x.dtd"> %a;]><x/>'


@pytest.mark.parametrize(
    "data",
    [
        BOMB,
        FETCHING,
        PARAMETER,
        b"<!DOCTYPE x><x/>",
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>",
        b"<a " + b" ".join(b'x%d="1"' % n for n in range(100)) + b"/>",
        b"<a " + b" ".join(b'xmlns:x%d="u"' % n for n in range(100)) + b"/>",
        b"<a>&undeclared;</a>",
        b'<?xml version="1.0" encoding="EBCDIC-no-such"?><a/>',
        b"<x:a/>",
        b"",
        b"<a/>" + b" " * 2_000_000,
    ],
    ids=range(13),
)
def test_what_nobody_honest_sends_is_refused_and_costs_little_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadXml):
            parse(data)
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=300))
def test_any_bytes_are_a_tree_or_refused(data: bytes) -> None:
    for document in (data, b"<a>" + data + b"</a>", b'<a b="' + data + b'"/>'):
        try:
            root = parse(document)
        except BadXml:
            continue
        assert root.name


def test_names_are_found_whatever_their_prefixes_and_text_is_stripped() -> None:
    root = parse(b'<p:a xmlns:p="u"><p:b/><q:b xmlns:q="v" k="1"> x&amp;\n<c/>y </q:b></p:a>')
    assert [each.attributes for each in root.all("b")] == [{}, {"k": "1"}]
    second = list(root.all("b"))[1]
    assert (second.namespace, second.prefixes["q"], second.text) == ("v", "v", "x&\ny")
    assert root.said("b") == ""
    assert root.find("b", "c") is None or root.find("b", "c") is not None
    assert root.said("no", "such") == ""


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=50))
def test_what_is_said_back_is_what_was_said(text: str) -> None:
    one = parse(b'<a xmlns="u"><b xmlns="v" k="1"/></a>')
    one.children[0].text = text
    one.children[0].attributes["k"] = text
    try:
        again = parse(one.written().encode())
    except BadXml:  # a few characters are in no XML document
        return
    assert again.said("b") == text.strip()
    assert [(e.namespace, e.name) for e in (again, again.children[0])] == [("u", "a"), ("v", "b")]
