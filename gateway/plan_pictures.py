"""Pictures of floor plans as they are uploaded: what is taken, and what is refused. Pure.

Needs   plan_pixels.py for PNGs and pictures within drawings, plan_weight.py for how much is drawn.
Keeps   1. An SVG holds drawing and nothing else: no script, no event, no foreign markup, no
           reference to anything outside the file. What is not known to be harmless is refused,
           never repaired: what is stored is what was uploaded, byte for byte.
        2. What the browser of a guard room is made to draw is bounded, however few bytes ask.
Bound   SIZE_MOST bytes, SIDE_MOST units a side, PIXELS_MOST of a PNG and of all pictures in an SVG;
        ELEMENTS_MOST elements, ATTRIBUTES_MOST, DEPTH_MOST deep, plan_weight.MOST to be drawn. Who
        calls it bounds its time and memory (plan_pages.py).
Source  W3C SVG 1.1 and SVG 2 (elements and attributes).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal
from xml.parsers import expat  # without DTDs, which are refused, nothing in it can grow

from gateway.plan_pixels import PIXELS_MOST, PNG, BadPicture, pixels, png_size, too_many
from gateway.plan_weight import MOST as DRAWN_MOST
from gateway.plan_weight import DrawsItself, Weight

__all__ = ["SIZE_MOST", "BadPicture", "Picture", "look"]

SIZE_MOST: Final = 10 * 1024 * 1024
SIDE_LEAST, SIDE_MOST = 16.0, 20_000.0
ELEMENTS_MOST: Final = 200_000
ATTRIBUTES_MOST: Final = 1_000_000
"""Counted before anything is parsed: a parser holds all of one element's."""
DEPTH_MOST: Final = 100

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
_PICTURE: Final = re.compile(r"data:image/(?:png|jpeg);base64,([A-Za-z0-9+/=\s]*)")
_CSS_BAD: Final = re.compile(
    r"""@|\\|expression|javascript|behavior|-moz-binding|<|url\(\s*(?!["']?#)|image-set|src\s*:"""
    r"""|var\(""",
    re.IGNORECASE,
)
_LENGTH: Final = re.compile(r"\s*(\d{1,7}(?:\.\d{1,9})?)\s*(px|pt|pc|mm|cm|in)?\s*")
_PX: Final = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54,
              "in": 96.0}  # fmt: skip


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
    if content.startswith(PNG):
        width, height = png_size(content)
        found = Picture("png", float(width), float(height))
    else:
        found = _svg(content)
    if not (SIDE_LEAST <= found.width <= SIDE_MOST and SIDE_LEAST <= found.height <= SIDE_MOST):
        raise BadPicture(
            f"图的边长须在 {SIDE_LEAST:.0f} 到 {SIDE_MOST:.0f} 之间",
            f"each side must be between {SIDE_LEAST:.0f} and {SIDE_MOST:.0f}",
        )
    return found


def _svg(content: bytes) -> Picture:
    if content.count(b"=") > ATTRIBUTES_MOST:
        raise _complex()
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
        self._pixels = 0
        self._weight = Weight()

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """An element and its attributes."""
        self._depth += 1
        self._count += 1
        if self._depth > DEPTH_MOST or self._count > ELEMENTS_MOST:
            raise _complex()
        space, _, local = name.rpartition(" ")
        if self._root is None:
            if (space, local) != (_SVG, "svg"):
                raise BadPicture("不是 SVG 或 PNG 文件", "this is neither SVG nor PNG")
            self._root = attributes
        if self._style is not None:
            raise _refused(local)
        self._weight.begin(local, attributes)
        if space.startswith(_NOTES):
            _only_notes(attributes)
            return
        if space != _SVG or local not in _DRAWN:
            raise _refused(local)
        if local == "style":
            self._style = []
        for key, value in attributes.items():
            _check(local, key, value)
        if local == "image":
            self._look_at(attributes.values())

    def _look_at(self, values: Iterable[str]) -> None:
        """A picture within the drawing: all of them have PIXELS_MOST together."""
        for value in values:
            found = _PICTURE.fullmatch(value.strip())
            self._pixels += pixels(found[1]) if found else 0
        if self._pixels > PIXELS_MOST:
            raise too_many()

    def end(self, _name: str) -> None:
        """The end of an element."""
        self._depth -= 1
        self._weight.end()
        if self._style is not None:
            sheet = "".join(self._style)
            _check_css(sheet)
            self._weight.sheet(sheet)
            self._style = None

    def text(self, data: str) -> None:
        """Text: that of a style sheet means something, any other may be drawn."""
        self._weight.text(len(data))
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

    def picture(self) -> Picture:
        """The size that the root says."""
        try:
            if self._weight.drawn() > DRAWN_MOST:
                raise _complex()
        except DrawsItself as error:
            raise BadPicture("SVG 引用了自身", "the SVG refers to itself") from error
        root = self._root or {}
        box = re.split(r"[\s,]+", root.get("viewBox", "").strip(), maxsplit=4)
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
    return ("url" in low or "\\" in low or "var" in low) and _CSS_BAD.search(value) is not None


def _check_css(text: str) -> None:
    """Colours and lines, and nothing that is fetched or run; comments may split a word in two."""
    plain = re.sub(r"/\*.*?(\*/|$)", "", text, flags=re.DOTALL)
    # Inkscape writes its font's name with a minus in front; "@font-face" would fetch one.
    if _CSS_BAD.search(text) or _CSS_BAD.search(plain):
        raise BadPicture(
            "SVG 样式里有不安全的内容，请另存为 PNG",
            "the SVG's styles hold something unsafe; save it as PNG",
        )


def _complex() -> BadPicture:
    return BadPicture("SVG 过于复杂，请导出为 PNG", "too complex; export it as PNG")


def _refused(name: str) -> BadPicture:
    shown = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "?" for c in name)[:40]
    return BadPicture(
        f"SVG 含有不允许的内容 {shown}，请另存为“纯 SVG”或 PNG",
        f"the SVG holds {shown}, which is not taken; save it as plain SVG or PNG",
    )
