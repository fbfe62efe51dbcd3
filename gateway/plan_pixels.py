"""Pictures of pixels in floor plans: how many they have, and what else is in their files. Pure.

Needs   nothing of ours.
Keeps   1. No pixel is decoded: a PNG is walked chunk by chunk and a JPEG mark by mark, the rest is
           the browser's.
        2. What a browser would unpack besides pixels is unpacked here first, up to UNPACKED_MOST.
Bound   PIXELS_MOST, CHUNKS_MOST, UNPACKED_MOST.
Source  PNG, ISO/IEC 15948 (5.3, 11.2.2, 11.3.3); APNG (acTL); JPEG, ITU-T T.81 (B.2.2).
"""

import base64
import binascii
import struct
import zlib
from typing import Final

PIXELS_MOST: Final = 40_000_000
"""A browser holds four bytes of each: 160 MB, what an old PC can still bear."""
CHUNKS_MOST: Final = 20_000
"""Of a PNG: 10 MB in the pieces of 8 kB that libpng writes are 1 300."""
UNPACKED_MOST: Final = 4 * 1024 * 1024
"""Of a colour profile or a text in a PNG; the largest profiles in use have 2 MB."""
PNG: Final = b"\x89PNG\r\n\x1a\n"
_PACKED: Final = frozenset({b"iCCP", b"zTXt", b"iTXt"})
_KNOWN: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_MOVES: Final = frozenset({b"acTL", b"fcTL", b"fdAT"})


class BadPicture(ValueError):
    """It is not taken. zh, en: why, and nothing of the file is in them but a name of an element."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


def png_size(content: bytes) -> tuple[int, int]:
    """Return width and height of a PNG that is whole, with nothing behind its end, or raise."""
    at, size, is_first, chunks = len(PNG), (0, 0), True, 0
    while True:
        chunks += 1
        if at + 12 > len(content) or chunks > CHUNKS_MOST:
            raise BadPicture("PNG 文件不完整", "the PNG is cut off")
        length, name = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if end > len(content):
            raise BadPicture("PNG 文件不完整", "the PNG is cut off")
        (crc,) = struct.unpack_from(">I", content, end - 4)
        if binascii.crc32(memoryview(content)[at + 4 : end - 4]) != crc:
            raise BadPicture("PNG 文件已损坏", "the PNG is damaged")
        if is_first:
            if name != b"IHDR" or length != 13:
                raise BadPicture("不是 PNG 文件", "this is no PNG")
            size, is_first = struct.unpack_from(">II", content, at + 8), False
        _check_chunk(name, content[at + 8 : end - 4] if name in _PACKED else b"")
        at = end
        if name == b"IEND":
            break
    if at != len(content):
        raise BadPicture("PNG 文件后面还有别的内容", "something stands behind the PNG's end")
    if size[0] * size[1] > PIXELS_MOST:
        raise too_many()
    return size


def _check_chunk(name: bytes, data: bytes) -> None:
    """Refuse what moves, what a reader must know and nobody does, and what unpacks without end."""
    if name in _MOVES:
        raise BadPicture("PNG 是动画，请另存为普通 PNG", "the PNG moves; save it as a still one")
    if name[:1].isupper() and name not in _KNOWN:
        raise BadPicture("PNG 含有未知内容", "the PNG holds something unknown")
    if name not in _PACKED:
        return
    _, _, rest = data.partition(b"\0")  # a keyword, then how it is packed
    packed = rest[1:]
    if name == b"iTXt":
        packed = rest[2:].split(b"\0", 2)[-1] if rest[:1] == b"\1" else b""
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed, UNPACKED_MOST)
    except zlib.error:
        return  # a browser leaves it out
    if unpacker.unconsumed_tail:
        raise BadPicture("PNG 里有过大的附加内容", "the PNG holds too much besides its pixels")


def _jpeg_pixels(content: bytes) -> int:
    """How many pixels a JPEG has: the largest that any of its frames says."""
    at, most = 2, 0
    if content[:2] != b"\xff\xd8":
        raise _no_picture()
    while at + 9 <= len(content) and content[at] == 0xFF:
        mark = content[at + 1]
        if mark == 0xFF:
            at += 1
            continue
        if mark == 0xDA:  # the picture itself: what follows is no more to be walked
            break
        length = int.from_bytes(content[at + 2 : at + 4])
        if 0xC0 <= mark <= 0xCF and mark not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack_from(">HH", content, at + 5)
            most = max(most, width * max(height, 1))
        at += 2 + max(length, 2)
    if not most:
        raise _no_picture()
    return most


def pixels(packed: str) -> int:
    """How many pixels a picture has that stands in an SVG, base64."""
    try:
        content = base64.b64decode("".join(packed.split()))
    except binascii.Error as error:
        raise _no_picture() from error
    if content.startswith(PNG):
        width, height = png_size(content)
        return width * height
    return _jpeg_pixels(content)


def _no_picture() -> BadPicture:
    return BadPicture(
        "SVG 里的图片无法读取，请嵌入 PNG 或 JPEG", "a picture in the SVG is neither PNG nor JPEG"
    )


def too_many() -> BadPicture:
    """More pixels than are taken."""
    return BadPicture(
        f"图过大，最多 {PIXELS_MOST // 10**6} 百万像素",
        f"at most {PIXELS_MOST // 10**6} million pixels",
    )
