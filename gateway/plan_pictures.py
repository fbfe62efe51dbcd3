"""Pictures of floor plans as they are uploaded: what is taken, and what is refused. Pure.

Needs   nothing of ours.
Keeps   1. An SVG holds drawing and nothing else: no script, no event, no foreign markup, no
           reference to anything outside the file. What is not known to be harmless is refused,
           never repaired: what is stored is what was uploaded, byte for byte.
        2. Nothing is decoded: a PNG is walked chunk by chunk, its pixels are the browser's.
Bound   SIZE_MOST bytes, SIDE_MOST units a side, PIXELS_MOST of a PNG; ELEMENTS_MOST elements,
        DEPTH_MOST deep, DRAWN_MOST to be drawn.
Source  W3C SVG 1.1 and SVG 2 (elements and attributes); PNG, ISO/IEC 15948 (5.3, 11.2.2).
"""

import binascii
import re
import struct
from dataclasses import dataclass
from typing import Final, Literal
from xml.parsers import expat  # without DTDs, which are refused, nothing in it can grow

SIZE_MOST: Final = 10 * 1024 * 1024
SIDE_LEAST, SIDE_MOST = 16.0, 20_000.0
PIXELS_MOST: Final = 40_000_000
"""A browser holds four bytes of each: 160 MB, what an old PC can still bear."""
ELEMENTS_MOST: Final = 200_000
DEPTH_MOST: Final = 100
DRAWN_MOST: Final = 1_000_000
"""Elements once every <use> is followed: ten that use ten that use ten … hang a browser."""

_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"
_XML: Final = "http://www.w3.org/XML/1998/namespace"
_NOTES: Final = (
    "http://www.inkscape.org/namespaces/",
    "http://sodipodi.sourceforge.net/",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "http://creativecommons.org/ns#",
    "http://web.resource.org/cc/",
    "http://purl.org/dc/",
)
"""What drawing programs note for themselves; browsers draw nothing of it."""
_DRAWN: Final = frozenset(
    {
        "svg", "g", "defs", "symbol", "use", "path", "rect", "circle", "ellipse", "line",
        "polyline", "polygon", "text", "tspan", "textPath", "title", "desc", "metadata", "style",
        "linearGradient", "radialGradient", "stop", "clipPath", "mask", "pattern", "marker",
        "image", "switch", "view",
    }
)  # fmt: skip
_INSIDE: Final = re.compile(r"#[^\s]+")
_PICTURE: Final = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]*")
_CSS_BAD: Final = re.compile(
    r"""@|\\|expression|javascript|behavior|-moz-binding|<|url\(\s*(?!["']?#)|image-set|src\s*:""",
    re.IGNORECASE,
)
_LENGTH: Final = re.compile(r"\s*(\d{1,7}(?:\.\d{1,9})?)\s*(px|pt|pc|mm|cm|in)?\s*")
_PX: Final = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54,
              "in": 96.0}  # fmt: skip
_PNG: Final = b"\x89PNG\r\n\x1a\n"


class BadPicture(ValueError):
    """It is not taken. zh, en: why, and nothing of the file is in them but a name of an element."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a picture: its kind, and its size in its own units."""

    kind: Literal["svg", "png"]
    width: float
    height: float


def look(content: bytes) -> Picture:
    """Say what a picture is. Raises BadPicture."""
    if len(content) > SIZE_MOST:
        raise BadPicture("文件超过 10 MB", "the file is larger than 10 MB")
    found = _png(content) if content.startswith(_PNG) else _svg(content)
    if not (SIDE_LEAST <= found.width <= SIDE_MOST and SIDE_LEAST <= found.height <= SIDE_MOST):
        raise BadPicture(
            f"图的边长须在 {SIDE_LEAST:.0f} 到 {SIDE_MOST:.0f} 之间",
            f"each side must be between {SIDE_LEAST:.0f} and {SIDE_MOST:.0f}",
        )
    return found


def _png(content: bytes) -> Picture:
    """Walk the chunks: whole, checked, and nothing behind the last one."""
    at, size, is_first = len(_PNG), (0, 0), True
    while True:
        if at + 12 > len(content):
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
        at = end
        if name == b"IEND":
            break
    if at != len(content):
        raise BadPicture("PNG 文件后面还有别的内容", "something stands behind the PNG's end")
    if size[0] * size[1] > PIXELS_MOST:
        raise BadPicture(
            f"图过大，最多 {PIXELS_MOST // 10**6} 百万像素",
            f"at most {PIXELS_MOST // 10**6} million pixels",
        )
    return Picture("png", float(size[0]), float(size[1]))


def _svg(content: bytes) -> Picture:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadPicture(
            "只接受 SVG（UTF-8）和 PNG 文件", "only SVG (in UTF-8) and PNG are taken"
        ) from error
    reader = _Reader()
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.ProcessingInstructionHandler = reader.instruction
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.XmlDeclHandler = reader.declaration
    parser.buffer_text = True
    try:
        parser.Parse(content, True)  # noqa: FBT003 - expat's own form: this is all of it
    except expat.ExpatError as error:
        raise BadPicture("SVG 文件无法读取", "the SVG cannot be read") from error
    return reader.picture()


class _Reader:
    """What expat tells, judged piece by piece; every method may raise BadPicture."""

    def __init__(self) -> None:
        self._depth = 0
        self._count = 0
        self._root: dict[str, str] | None = None
        self._style: list[str] | None = None
        self._named: list[str] = [""]
        self._names: list[bool] = []
        self._own: dict[str, int] = {"": 0}
        self._into: dict[str, list[str]] = {"": []}

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """An element and its attributes."""
        self._depth += 1
        self._count += 1
        if self._depth > DEPTH_MOST or self._count > ELEMENTS_MOST:
            raise BadPicture("SVG 过于复杂，请导出为 PNG", "too complex; export it as PNG")
        space, _, local = name.rpartition(" ")
        if self._root is None:
            if (space, local) != (_SVG, "svg"):
                raise BadPicture("不是 SVG 或 PNG 文件", "this is neither SVG nor PNG")
            self._root = attributes
        if self._style is not None:
            raise _refused(local)
        self._weigh(local, attributes)
        if space.startswith(_NOTES):
            _only_notes(attributes)
            return
        if space != _SVG or local not in _DRAWN:
            raise _refused(local)
        if local == "style":
            self._style = []
        for key, value in attributes.items():
            _check(local, key, value)

    def end(self, _name: str) -> None:
        """The end of an element."""
        self._depth -= 1
        if self._names.pop():
            self._named.pop()
        if self._style is not None:
            _check_css("".join(self._style))
            self._style = None

    def text(self, data: str) -> None:
        """Text; only that of a style sheet means anything."""
        if self._style is not None:
            self._style.append(data)

    def declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        """A browser reads it in the encoding it names: in another one other things stand there."""
        if encoding is not None and encoding.lower() != "utf-8":
            raise BadPicture("SVG 须为 UTF-8 编码", "the SVG must be in UTF-8")

    def instruction(self, _target: str, _data: str) -> None:
        """A style sheet from elsewhere, and the like."""
        raise BadPicture("SVG 引用了外部样式", "the SVG refers to something outside itself")

    def doctype(self, *_parts: object) -> None:
        """Entities: what they stand for may be anything, and endless."""
        raise BadPicture(
            "SVG 含有 DOCTYPE，请另存为“纯 SVG”或 PNG",
            "the SVG has a DOCTYPE; save it as plain SVG or PNG",
        )

    def _weigh(self, local: str, attributes: dict[str, str]) -> None:
        """Note what is drawn within which name, and which name is drawn again there."""
        name = attributes.get("id", "")
        self._names.append(bool(name))
        if name:
            self._into[self._named[-1]].append(name)
            self._own.setdefault(name, 0)
            self._into.setdefault(name, [])
            self._named.append(name)
        here = self._named[-1]
        self._own[here] += 1
        for key, value in attributes.items():
            if local != "image" and key.rpartition(" ")[2] == "href" and value.startswith("#"):
                self._into[here].append(value[1:])

    def _drawn(self) -> int:
        """How many elements are drawn in all. Raises BadPicture for what draws itself."""
        known: dict[str, int] = {}
        under_way: set[str] = set()
        todo = [("", False)]
        while todo:
            name, is_counted = todo.pop()
            inside = [each for each in self._into.get(name, ()) if each in self._own]
            if is_counted:
                under_way.discard(name)
                known[name] = self._own[name] + sum(known.get(each, 0) for each in inside)
                continue
            if name in known:
                continue
            if name in under_way:
                raise BadPicture("SVG 引用了自身", "the SVG refers to itself")
            under_way.add(name)
            todo.append((name, True))
            todo += [(each, False) for each in inside if each not in known]
        return known[""]

    def picture(self) -> Picture:
        """The size that the root says."""
        if self._drawn() > DRAWN_MOST:
            raise BadPicture("SVG 过于复杂，请导出为 PNG", "too complex; export it as PNG")
        root = self._root or {}
        box = re.split(r"[\s,]+", root.get("viewBox", "").strip())
        if len(box) == 4:
            try:
                return Picture("svg", float(box[2]), float(box[3]))
            except ValueError:
                raise BadPicture("viewBox 不正确", "the viewBox is wrong") from None
        sides = [_LENGTH.fullmatch(root.get(name, "")) for name in ("width", "height")]
        if None in sides:
            raise BadPicture(
                "SVG 没有 viewBox，也没有宽和高",
                "the SVG has neither a viewBox nor width and height",
            )
        width, height = (round(float(s[1]) * _PX[s[2] or ""], 3) for s in sides if s is not None)
        return Picture("svg", width, height)


def _only_notes(attributes: dict[str, str]) -> None:
    """Notes may hold any text; what a browser could follow or run is refused even there."""
    for key in attributes:
        local = key.rpartition(" ")[2].lower()
        if local.startswith("on"):
            raise _refused(local)


def _check(element: str, key: str, value: str) -> None:
    space, _, local = key.rpartition(" ")
    low = local.lower()
    if space.startswith(_NOTES):
        return
    if space not in {"", _XLINK, _XML} or low.startswith("on") or low == "base":
        raise _refused(local)
    if low in {"href", "src"}:
        plain = value.strip()
        is_picture = element == "image" and _PICTURE.fullmatch(plain) is not None
        if not (is_picture or _INSIDE.fullmatch(plain) or plain == ""):
            raise BadPicture(
                "SVG 引用了文件以外的内容，请嵌入后再导出",
                "the SVG refers to something outside itself; embed it and export again",
            )
    elif low == "style":
        _check_css(value)
    elif space == "" and _leads_out(value):
        raise BadPicture("SVG 引用了文件以外的内容", "the SVG refers to something outside itself")


def _leads_out(value: str) -> bool:
    """Whether an attribute like fill="url(…)" points elsewhere; also where CSS escapes hide it."""
    low = value.lower()
    return ("url" in low or "\\" in low) and _CSS_BAD.search(value) is not None


def _check_css(text: str) -> None:
    """Colours and lines, and nothing that is fetched or run; comments may split a word in two."""
    plain = re.sub(r"/\*.*?(\*/|$)", "", text, flags=re.DOTALL)
    # Inkscape writes its font's name with a minus in front; "@font-face" would fetch one.
    if _CSS_BAD.search(text) or _CSS_BAD.search(plain):
        raise BadPicture(
            "SVG 样式里有不安全的内容，请另存为 PNG",
            "the SVG's styles hold something unsafe; save it as PNG",
        )


def _refused(name: str) -> BadPicture:
    shown = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "?" for c in name)[:40]
    return BadPicture(
        f"SVG 含有不允许的内容 {shown}，请另存为“纯 SVG”或 PNG",
        f"the SVG holds {shown}, which is not taken; save it as plain SVG or PNG",
    )
