"""What is uploaded as a floor plan: looked at, and a page of a PDF drawn, by a process of its own.

Owns    the child process that opens the file, and what it may use.
Needs   pypdfium2 in the child only; gateway.plan_pictures for what is refused and how.
Keeps   1. Nothing that was uploaded is parsed in the process of the alarms: what a hostile file
           breaks, or keeps busy, is the child, which is given bytes and gives bytes.
        2. The child has CPU_S, MEMORY_BYTES and WALL_S, writes no file, runs nothing, draws no
           form and knows no script; it is the first to go when memory is short, and the last to
           get the processor.
        3. What was drawn is looked at as if somebody had uploaded it.
Bound   plan_pictures.SIZE_MOST bytes of the file and of the PNG, PAGES_MOST pages to choose from,
        SIDE_PX a side and PIXELS_MOST of the PNG. The caller lets one be drawn at a time.
Source  PDF, ISO 32000-1 (7.7.3 page tree; user space is 1/72 inch).
"""

import asyncio
import contextlib
import json
import os
import resource
import signal
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway import plan_pictures
from gateway.plan_pictures import SIZE_MOST, BadPicture, Picture

PAGES_MOST: Final = 500
SIDE_PX: Final = 5_000
PIXELS_MOST: Final = 14_000_000
SCALE_MOST: Final = 4.0
"""288 dots an inch: what a small sketch is drawn at, at most."""
WALL_S: Final = 30.0
CPU_S: Final = 20
MEMORY_BYTES: Final = 512 * 1024 * 1024
TRIES: Final = 4
ANSWER_BYTES: Final = SIZE_MOST + 4096
_PDF: Final = b"%PDF-"
_WHY: Final = {
    "locked": ("PDF 有密码，请去掉密码再上传", "the PDF has a password; take it off first"),
    "broken": ("PDF 无法读取，请另存为 PNG", "the PDF cannot be read; save the page as PNG"),
    "empty": ("这一页没有大小", "the page has no size"),
    "big": ("这一页太复杂，请另存为 PNG", "the page is too complex; save it as PNG"),
    "slow": ("画这一页太久，请另存为 PNG", "the page takes too long; save it as PNG"),
    "much": ("图过于复杂，请另存为 PNG", "the picture is too complex; save it as PNG"),
}
LOOK: Final = "look"
"""What the child is told instead of a page."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page as it was drawn. pages: how many there are."""

    png: bytes
    page: int
    pages: int


def is_pdf(content: bytes) -> bool:
    """Whether it says that it is a PDF, within the first kilobyte, and is none of the others."""
    start = content[:1024]
    return _PDF in start and not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"\x89"))


async def draw(content: bytes, page: int) -> Drawn:
    """Draw one page, counted from 1. Raises BadPicture with what to do instead."""
    try:
        return _read(await _in_child(content, str(page)))
    except TimeoutError:
        raise _refused("slow") from None


async def look(content: bytes) -> Picture:
    """Say what an SVG or PNG is. Raises BadPicture, also for one that takes too much to read."""
    try:
        said: dict[str, Any] = json.loads(await _in_child(content, LOOK) or b"{}")
    except (TimeoutError, json.JSONDecodeError) as error:
        raise _refused("much") from error
    if "zh" in said:
        raise BadPicture(str(said["zh"]), str(said["en"]))
    kind: Any = said.get("kind")
    if kind not in {"svg", "png"}:
        raise _refused("much")  # the child was ended by one of its limits
    return Picture(kind, float(said["width"]), float(said["height"]))


async def _in_child(content: bytes, what: str) -> bytes:
    """Return what a child says of a file. Raises BadPicture, TimeoutError."""
    if len(content) > SIZE_MOST:
        raise BadPicture("文件超过 10 MB", "the file is larger than 10 MB")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.plan_pages",
        what,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        cwd=Path(__file__).parents[1],
        env={name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
    )
    try:
        async with asyncio.timeout(WALL_S):
            return await _exchange(child, content)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


async def _exchange(child: asyncio.subprocess.Process, content: bytes) -> bytes:
    """Give the child its PDF, and take what it says; at most ANSWER_BYTES of it."""
    assert child.stdin is not None  # noqa: S101 pipes were asked for
    assert child.stdout is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.write(content)
        await child.stdin.drain()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.close()
    found = bytearray()
    while piece := await child.stdout.read(1 << 16):
        found += piece
        if len(found) > ANSWER_BYTES:
            raise _refused("big")
    return bytes(found)


def _read(answer: bytes) -> Drawn:
    head, _, png = answer.partition(b"\n")
    try:
        said: dict[str, Any] = json.loads(head)
        if said.get("why") == "page":
            pages = int(said["pages"])
            raise BadPicture(f"PDF 共 {pages} 页，没有这一页", f"the PDF has {pages} pages only")
        if "why" in said:
            raise _refused(str(said["why"]))
        return Drawn(png, int(said["page"]), int(said["pages"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, BadPicture):
            raise
        raise _refused("big") from error  # the child was ended by one of its limits


def _refused(why: str) -> BadPicture:
    return BadPicture(*_WHY.get(why, _WHY["broken"]))


# The child.


def main() -> None:
    """Read a file from standard input, write one line of JSON and the PNG to standard output."""
    _limit()
    content, png = sys.stdin.buffer.read(SIZE_MOST + 1), b""
    said: dict[str, object]
    try:
        if sys.argv[1] == LOOK:
            said = _look(content)
        else:
            said, png = _draw(content, int(sys.argv[1]))
    except MemoryError:
        said, png = {"why": "big"}, b""
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\n" + png)
    sys.stdout.buffer.flush()


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (most, most))
    with contextlib.suppress(OSError):  # a sandbox may refuse it; the limits above it may not
        os.nice(19)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


def _look(content: bytes) -> dict[str, object]:
    try:
        found = plan_pictures.look(content)
    except BadPicture as error:
        return {"zh": error.zh, "en": str(error)}
    return {"kind": found.kind, "width": found.width, "height": found.height}


def _draw(content: bytes, page: int) -> tuple[dict[str, object], bytes]:
    import pypdfium2  # noqa: PLC0415 in the child only
    from pypdfium2 import raw  # noqa: PLC0415

    try:
        document = pypdfium2.PdfDocument(content)
        pages = min(len(document), PAGES_MOST)
        if not 1 <= page <= pages:
            return {"why": "page", "pages": pages}, b""
        sheet = document[page - 1]
        width, height = sheet.get_size()
    except pypdfium2.PdfiumError as error:
        locked = getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD
        return {"why": "locked" if locked else "broken"}, b""
    if not (width >= 1 and height >= 1):
        return {"why": "empty"}, b""
    scale = min(
        SCALE_MOST,
        SIDE_PX / max(width, height),
        ((PIXELS_MOST - 2 * SIDE_PX) / (width * height)) ** 0.5,
    )
    for _ in range(TRIES):
        bitmap = sheet.render(scale=scale, may_draw_forms=False, rev_byteorder=True)
        png = _png(bitmap)
        if len(png) <= SIZE_MOST:
            return {"page": page, "pages": pages}, png
        scale *= 0.7
    return {"why": "big"}, b""


def _png(bitmap: Any) -> bytes:  # noqa: ANN401 pypdfium2 has no types
    """Write a bitmap as PNG (ISO/IEC 15948, 11.2): true colour, each row as it is."""
    width, height, stride = bitmap.width, bitmap.height, bitmap.stride
    pixels = memoryview(bitmap.buffer).cast("B")

    def rows() -> Iterator[bytes]:
        packer = zlib.compressobj(6)
        for row in range(height):
            line = bytes(pixels[row * stride : row * stride + width * 3])
            yield packer.compress(b"\0" + line)
        yield packer.flush()

    body = bytearray()
    for piece in rows():
        body += piece
        if len(body) > SIZE_MOST:
            break  # it is drawn smaller
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", head), (b"IDAT", bytes(body)), (b"IEND", b""))
    )


if __name__ == "__main__":
    main()
