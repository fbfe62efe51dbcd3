"""What is taken as a floor plan, and every way to smuggle something in that we know of."""

import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plan_pictures import SIZE_MOST, BadPicture, Picture, look

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def svg(inside: str, attributes: str = 'viewBox="0 0 800 600"') -> bytes:
    return f"{HEAD} {attributes}>{inside}</svg>".encode()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int = 40, height: int = 30) -> bytes:
    rows = zlib.compress(b"".join(b"\0" + b"\xff" * width for _ in range(min(height, 40))))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_a_drawing_is_taken_with_the_size_of_its_view_box() -> None:
    walls = '<g id="walls"><path d="M0 0h800v600z" style="fill:none;stroke:#000"/></g>'
    again = '<defs><symbol id="door"><rect width="9" height="2"/></symbol></defs>'
    used = '<use xlink:href="#door" x="4"/><use href="#door"/><text>食堂</text>'
    paint = '<linearGradient id="a"/><rect fill="url(#a)"/><style>.w{fill:url(#a)}</style>'
    assert look(svg(walls + again + used + paint)) == Picture("svg", 800.0, 600.0)


def test_a_size_in_millimetres_counts_as_css_does() -> None:
    assert look(svg("", 'width="254mm" height="2in"')) == Picture("svg", 960.0, 192.0)


def test_what_inkscape_notes_for_itself_is_no_harm() -> None:
    notes = (
        'xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape"'
        ' xmlns:sodipodi="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd"'
    )
    inside = '<sodipodi:namedview pagecolor="#fff" inkscape:zoom="1.2"/><g inkscape:label="x"/>'
    assert look(svg(inside, f'viewBox="0 0 80 60" {notes}')).width == 80


def test_a_png_is_taken_with_its_size() -> None:
    assert look(png()) == Picture("png", 40.0, 30.0)


HOSTILE = {
    "a script": "<script>alert(1)</script>",
    "a script of another house": '<script xmlns="http://www.w3.org/1999/xhtml">x</script>',
    "a page inside": "<foreignObject><p>x</p></foreignObject>",
    "html inside": '<g><iframe xmlns="http://www.w3.org/1999/xhtml" src="/"/></g>',
    "an event": '<g onclick="alert(1)"/>',
    "an event in capitals": '<g ONLOAD="alert(1)"/>',
    "an event among notes": (
        '<i:x xmlns:i="http://www.inkscape.org/namespaces/inkscape" onload="x"/>'
    ),
    "a link that runs": '<a href="javascript:alert(1)"><text>x</text></a>',
    "a picture from elsewhere": '<image href="https://example.org/a.png"/>',
    "a picture beside us": '<image xlink:href="/api/v1/alarms"/>',
    "an svg within data": '<image href="data:image/svg+xml;base64,PHN2Zy8+"/>',
    "a drawing from elsewhere": '<use href="other.svg#a"/>',
    "a colour from elsewhere": '<rect fill="url(https://example.org/#a)"/>',
    "a colour with a blank": '<rect fill="url( https://example.org/#a)"/>',
    "a colour that hides": r'<rect fill="u\72l(https://example.org/a)"/>',
    "a style from elsewhere": "<style>@import 'https://example.org/a.css';</style>",
    "a style cut in two": "<style>g{fill:u/**/rl(https://example.org)}</style>",
    "a style that hides": r"<style>g{fill:\75rl(//example.org)}</style>",
    "a style with an element in it": "<style>a<g/>@import '//example.org';</style>",
    "a style that is split": "<style><![CDATA[@im]]><![CDATA[port '//example.org';]]></style>",
    "a font from elsewhere": "<style>@font-face{src:url(//example.org)}</style>",
    "a change of an address": '<a><set attributeName="href" to="javascript:alert(1)"/></a>',
    "an animation": '<rect><animate attributeName="x" values="1;2"/></rect>',
    "a base": '<g xml:base="https://example.org/"/>',
    "a handler": '<handler xmlns="http://www.w3.org/2001/xml-events">x</handler>',
    "a filter": "<filter><feImage href='https://example.org'/></filter>",
    "something that draws itself": '<g id="a"><use href="#a"/></g>',
    "a bomb": "".join(
        f'<g id="n{at}">' + f'<use href="#n{at - 1}"/>' * 10 + "</g>" for at in range(1, 12)
    )
    + '<rect id="n0"/>',
    "a deep well": "<g>" * 150 + "</g>" * 150,
}  # fmt: skip


@pytest.mark.parametrize("inside", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_but_drawing_is_taken(inside: str) -> None:
    with pytest.raises(BadPicture) as refused:
        look(svg(inside))
    assert "example" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + svg("<text>&a;</text>"),
        b"<!DOCTYPE svg>" + svg(""),
        b'<?xml-stylesheet href="https://example.org/a.css"?>' + svg(""),
        b'<?xml version="1.0" encoding="UTF-7"?>' + svg(""),
        svg("").decode().encode("utf-16"),
        b"<html><body>x</body></html>",
        b"<svg></svg>",
        svg("<g>").replace(b"</svg>", b""),
        svg("", ""),
        svg("", 'viewBox="0 0 800"'),
        svg("", 'viewBox="0 0 1e9 600"'),
        svg("", 'viewBox="0 0 nan 600"'),
        svg("", 'viewBox="0 0 -800 600"'),
        svg("", 'width="100%" height="100%"'),
        b"GIF89a",
        b"",
        b" " * (SIZE_MOST + 1),
        png()[:-3],
        png() + b"<script>",
        png()[:45] + b"!" + png()[46:],
        png()[:8] + chunk(b"IDAT", b"") + png()[8:],
        png(19_000, 19_000),
        png(4, 4),
        png(0, 40),
        b"\x89PNG\r\n\x1a\n" + b"\xff" * 40,
    ],
)
def test_what_is_no_plan_is_refused(content: bytes) -> None:
    with pytest.raises(BadPicture):
        look(content)


@given(
    st.binary(max_size=300), st.sampled_from([b"", png()[:33], svg("")[:-6], b"\x89PNG\r\n\x1a\n"])
)
def test_any_bytes_are_a_picture_or_refused(tail: bytes, head: bytes) -> None:
    with suppress(BadPicture):
        assert look(head + tail).width > 0
