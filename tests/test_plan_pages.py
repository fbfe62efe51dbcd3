"""Pages of PDFs as plans: drawn in a process of its own; what is hostile ends there."""

import asyncio
import resource
import zlib
from contextlib import suppress

import pytest

from gateway import plan_pages
from gateway.plan_pages import draw, is_pdf
from gateway.plan_pictures import BadPicture, look
from tests.test_plan_pictures import png, svg

WALLS = b"0 0 1 RG 5 w 50 50 200 100 re S"


def pdf(pages: int = 2, content: bytes = WALLS, size: tuple[int, int] = (595, 842)) -> bytes:
    """A PDF of some pages that all show the same, uncompressed."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>"
        % (b" ".join(b"%d 0 R" % (3 + 2 * each) for each in range(pages)), pages),
    ]
    for each in range(pages):
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R >>"
            % (*size, 4 + 2 * each),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        ]
    return _whole(objects)


def bomb(side: int) -> bytes:
    """A page with one picture of side × side pixels, a few hundred kilobytes when packed."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(side)) for _ in range(side)) + packer.flush()
    packed = zlib.compress(rows, 9)
    return _whole(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 600] /Contents 4 0 R"
            b" /Resources << /XObject << /I 5 0 R >> >> >>",
            b"<< /Length 26 >>\nstream\nq 600 0 0 600 0 0 cm /I Do Q\nendstream",
            b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray"
            b" /BitsPerComponent 8 /Filter [/FlateDecode /FlateDecode] /Length %d >>"
            b"\nstream\n%s\nendstream" % (side, side, len(packed), packed),
        ]
    )


def _whole(objects: list[bytes]) -> bytes:
    made, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start, count = len(made), len(objects) + 1
    made += b"xref\n0 %d\n0000000000 65535 f \n" % count
    made += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    made += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (count, start)
    return bytes(made)


async def test_the_page_that_was_chosen_is_drawn_and_its_size_is_bounded() -> None:
    small, large = await asyncio.gather(draw(pdf(), 2), draw(pdf(1, size=(14_400, 14_400)), 1))
    assert (small.page, small.pages) == (2, 2)
    assert (look(small.png).width, look(small.png).height) == (2380, 3368)
    picture = look(large.png)
    assert max(picture.width, picture.height) <= plan_pages.SIDE_PX
    assert picture.width * picture.height <= plan_pages.PIXELS_MOST
    raw = zlib.decompress(_chunk(small.png, b"IDAT"))
    assert len(raw) == 3368 * (1 + 3 * 2380)
    assert b"\x00\x00\xff" in raw  # the walls are blue


def _chunk(found: bytes, name: bytes) -> bytes:
    at = found.index(name)
    return found[at + 4 : at + 4 + int.from_bytes(found[at - 4 : at])]


@pytest.mark.parametrize(
    ("content", "page", "why"),
    [
        (pdf(), 3, "2 pages only"),
        (b"%PDF-1.7\n" + bytes(range(256)) * 40, 1, "cannot be read"),
        (pdf(1, size=(1, 1)), 1, "between"),
    ],
    ids=["no such page", "no PDF", "a page of a point"],
)
async def test_what_cannot_be_drawn_is_refused_with_what_to_do(
    content: bytes, page: int, why: str
) -> None:
    with pytest.raises(BadPicture, match=why):
        look((await draw(content, page)).png)


async def test_a_picture_of_a_quarter_of_a_gigabyte_costs_this_process_nothing() -> None:
    content = bomb(16_000)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(BadPicture):  # refused, or the page without it: what the child could do
        look((await draw(content, 1)).png)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 50 * 1024


async def test_a_page_that_would_take_for_ever_ends_with_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan_pages, "WALL_S", 0.01)
    with pytest.raises(BadPicture, match="too long"):
        await draw(pdf(), 1)


def test_only_what_is_neither_svg_nor_png_is_taken_for_a_pdf() -> None:
    assert is_pdf(pdf())
    assert is_pdf(b"\n" + pdf())
    assert not is_pdf(svg("<!-- %PDF-1.4 -->"))
    assert not is_pdf(png() + pdf())
