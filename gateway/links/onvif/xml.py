"""XML of strangers: bytes in, a small tree out. Pure.

Owns    Element, and what is refused.
Needs   nothing of ours; expat is Python's own.
Keeps   1. A document type is refused where it begins, so there are no entities, no bombs and
           nothing is ever fetched.
        2. Bounds: MAX_BYTES in, MAX_ELEMENTS, MAX_DEPTH, MAX_ATTRIBUTES for each element. Memory is
           a small multiple of the bytes.
        3. Names are compared without their namespace: within one parent they are unique, and
           cameras err in prefixes. The namespace is kept for what has to be said back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

MAX_BYTES: Final = 1024 * 1024
MAX_ELEMENTS: Final = 20_000
MAX_DEPTH: Final = 48
MAX_ATTRIBUTES: Final = 32
_NO_PREFIXES: Final[Mapping[str, str]] = {}


class BadXml(ValueError):
    """Not XML, or XML that nobody honest sends; the text is for a person."""


@dataclass(slots=True)
class Element:
    """One element.

    text      all the text directly in it, stripped
    prefixes  the namespaces in scope by their prefix, "" for the default one
    """

    namespace: str
    name: str
    attributes: dict[str, str]
    prefixes: Mapping[str, str] = field(default_factory=dict, repr=False)
    children: list["Element"] = field(default_factory=list)
    text: str = ""

    def all(self, *path: str) -> Iterator["Element"]:
        """Go through every element at a path of local names below this one."""
        if not path:
            yield self
            return
        for child in self.children:
            if child.name == path[0]:
                yield from child.all(*path[1:])

    def find(self, *path: str) -> "Element | None":
        """Return the first element at a path of local names; None when there is none."""
        return next(self.all(*path), None)

    def said(self, *path: str) -> str:
        """Return the text of the first element at a path, "" when there is none."""
        found = self.find(*path)
        return "" if found is None else found.text

    def written(self) -> str:
        """Write it again, as XML that stands by itself."""
        names = "".join(f" {name}={quoteattr(value)}" for name, value in self.attributes.items())
        inside = escape(self.text) + "".join(child.written() for child in self.children)
        return f"<{self.name} xmlns={quoteattr(self.namespace)}{names}>{inside}</{self.name}>"


def parse(data: bytes) -> Element:
    """Return the root; raises BadXml and nothing else."""
    if len(data) > MAX_BYTES:
        raise BadXml("过长 / too long")
    builder = _Builder()
    try:
        builder.parser.Parse(data, True)  # noqa: FBT003 expat's own way
    except expat.ExpatError as error:
        raise BadXml(f"不是 XML / not XML: {expat.ErrorString(error.code)}") from error
    except (ValueError, LookupError) as error:  # a BadXml of ours, or an encoding nobody knows
        raise error if isinstance(error, BadXml) else BadXml("编码不认识 / encoding") from error
    if builder.root is None:
        raise BadXml("空 / empty")
    return builder.root


class _Builder:
    def __init__(self) -> None:
        parser: Any = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartNamespaceDeclHandler = self._prefix
        self.parser = parser
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._fresh: dict[str, str] = {}
        self._count = 0

    def _doctype(self, *_what: object) -> None:
        raise BadXml("含文档类型声明 / holds a document type")

    def _prefix(self, prefix: str | None, uri: str | None) -> None:
        if len(self._fresh) >= MAX_ATTRIBUTES:
            raise BadXml("命名空间过多 / too many namespaces")
        self._fresh[prefix or ""] = uri or ""

    def _start(self, full: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise BadXml("元素过多或过深 / too many elements, or too deep")
        if len(attributes) > MAX_ATTRIBUTES:
            raise BadXml("属性过多 / too many attributes")
        above = self._open[-1].prefixes if self._open else _NO_PREFIXES
        prefixes = above
        if self._fresh:
            prefixes = {**above, **self._fresh}
            self._fresh = {}
            if len(prefixes) > 4 * MAX_ATTRIBUTES:
                raise BadXml("命名空间过多 / too many namespaces")
        namespace, _, name = full.rpartition(" ")
        plain = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        element = Element(namespace, name, plain, prefixes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def _end(self, _full: str) -> None:
        self._open.pop().text = "".join(self._texts.pop()).strip()

    def _text(self, text: str) -> None:
        self._texts[-1].append(text)
