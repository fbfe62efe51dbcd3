"""Guide: what guards and installers read, served where they stand, with or without the Internet.

Owns    GET /console/guide/: the guides of gateway/guides, their pictures, one stylesheet.
Needs   markdown-it-py, the template beside it, gateway/guides, which travels in the wheel.
Keeps   1. The Markdown file is the one source: nothing of a guide is written down twice.
        2. A page runs no script, takes nothing from another host and holds no data of the school;
           so everybody may read it, also before signing on.
        3. What a guide links to and the console does not serve is shown as a name, not as a link.
        4. The path of alarms pays nothing: it is all made when somebody first asks, in a thread.
Bound   FILES_MOST files, TOTAL_BYTES together; what is beyond is refused as a whole.
"""

import asyncio
import re
from collections.abc import Mapping, MutableMapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from starlette.responses import RedirectResponse, Response

from gateway.console.assets import ROOT, File, answer, as_file
from gateway.console.problems import Problem
from gateway.console.rights import everybody

GUIDES: Final = Path(__file__).parents[1] / "guides"
HOME: Final = ROOT + "guide"
NAMES: Final = ("guard", "installer", "card")
"""The guides, in the order of their head; each is <name>.zh.md and <name>.en.md."""
LANGUAGES: Final = ("zh", "en")
FILES_MOST: Final = 200
TOTAL_BYTES: Final = 16 * 1024 * 1024
CSP: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

Env = MutableMapping[str, Any]
_HERE: Final = Path(__file__).parent
_PAGE: Final = re.compile(r"([a-z]+)\.(zh|en)\.md(#.*)?")
_PICTURE: Final = re.compile(r"pictures/(?:zh|en)/[a-z-]+\.png")
_PNG_HEAD: Final = b"\x89PNG\r\n\x1a\n"


class Guide:
    """The routes; see the module."""

    def __init__(self, folder: Path = GUIDES) -> None:
        self._folder = folder
        self._making = asyncio.Lock()
        self._files: Mapping[str, File] | None = None

    def join(self, app: FastAPI) -> None:
        """Add the routes; before those of the pages, under which they lie."""
        for path, endpoint in ((HOME, self.start), (HOME + "/{path:path}", self.file)):
            app.add_api_route(path, endpoint, methods=["GET", "HEAD"], include_in_schema=False)

    @everybody
    async def start(self, request: Request) -> Response:
        """Lead to the guards' guide, in the language that the browser asks for."""
        wanted = request.headers.get("accept-language", "").strip().lower()
        language = "zh" if wanted == "" or wanted.startswith(("zh", "*")) else "en"
        return RedirectResponse(f"{HOME}/{NAMES[0]}.{language}", 303, {"Vary": "Accept-Language"})

    @everybody
    async def file(self, path: str, request: Request) -> Response:
        """Return one page, one picture or the stylesheet; the folder itself leads to a page."""
        if path == "":
            return await self.start(request)
        async with self._making:
            if self._files is None:
                self._files = await asyncio.to_thread(load, self._folder)
        found = self._files.get(path)
        if found is None:
            raise Problem(
                404, "not_found", "没有这一页指南", "there is no such page", f"see {HOME}"
            )
        return answer(found, request, CSP)


def load(folder: Path) -> dict[str, File]:
    """Return every file by its path under HOME: the pages made of the guides, and the pictures.

    raises  ValueError beyond the bounds, OSError when one cannot be read
    """
    pictures = sorted(folder.glob("pictures/*/*.png"))
    sources = [(name, language) for name in NAMES for language in LANGUAGES]
    paths = [*pictures, *(folder / f"{name}.{language}.md" for name, language in sources)]
    if len(paths) > FILES_MOST or sum(path.stat().st_size for path in paths) > TOTAL_BYTES:
        raise ValueError(f"{folder}: 指南过大 too much to be served from memory")
    bodies = {path.relative_to(folder).as_posix(): path.read_bytes() for path in pictures}
    sizes = {name: size_of(body) for name, body in bodies.items()}
    chapters = {
        (name, language): Chapter((folder / f"{name}.{language}.md").read_text("utf-8"), sizes)
        for name, language in sources
    }
    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = templates.get_template("guide.html")
    files = {name: as_file(name, body) for name, body in bodies.items()}
    files["guide.css"] = as_file("guide.css", (_HERE / "static" / "guide.css").read_bytes())
    for (name, language), chapter in chapters.items():
        page = template.render(
            name=name,
            language=language,
            other=LANGUAGES[1 - LANGUAGES.index(language)],
            others=[(each, chapters[each, language].title) for each in NAMES],
            chapter=chapter,
            root=ROOT,
        )
        files[f"{name}.{language}"] = as_file(f"{name}.html", page.encode())
    return files


class Chapter:
    """One guide, made of its Markdown.

    sizes     width and height of each picture there is, pixels
    title     its first line, a heading
    sections  its second headings with their anchors: the table of contents
    body      the rest as HTML
    """

    def __init__(self, text: str, sizes: Mapping[str, tuple[int, int]]) -> None:
        reader = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
        tokens = reader.parse(text)
        self.title = ""
        if tokens[:1] and tokens[0].tag == "h1":  # the template's, since the contents come after it
            self.title = _said(tokens[1])
            tokens = tokens[3:]
        self.sections: list[tuple[str, str]] = []
        for token, inside in pairwise(tokens):
            if token.type == "heading_open" and token.tag == "h2":
                anchor = f"s-{len(self.sections) + 1}"
                token.attrSet("id", anchor)
                self.sections.append((anchor, _said(inside)))
        self.body = str(reader.renderer.render(tokens, reader.options, {"sizes": sizes}))


class _Renderer(RendererHTML):
    """markdown-it's own, but for links, pictures, and what may be wider than a telephone."""

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A link to another guide, or a name where the console serves no such thing."""
        where = str(tokens[idx].attrGet("href"))
        found = _PAGE.fullmatch(where)
        if found is None or found[1] not in NAMES:
            return "<code>"
        tokens[idx].attrSet("href", f"{HOME}/{found[1]}.{found[2]}{found[3] or ''}")
        return self.renderToken(tokens, idx, options, env)

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """End what link_open began."""
        before = next(each for each in reversed(tokens[:idx]) if each.type == "link_open")
        is_link = str(before.attrGet("href")).startswith(f"{HOME}/")
        return self.renderToken(tokens, idx, options, env) if is_link else "</code>"

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A picture with its size, so that nothing moves when it comes; touched it is whole."""
        token = tokens[idx]
        name = str(token.attrGet("src"))
        if _PICTURE.fullmatch(name) is None or name not in env["sizes"]:
            raise ValueError(f"{name}: 指南没有这张图 a guide shows a picture that is not there")
        width, height = env["sizes"][name]
        address = f"{HOME}/{name}"
        for key, value in (("src", address), ("width", str(width)), ("height", str(height))):
            token.attrSet(key, value)
        return f'<a class="picture" href="{address}">{super().image(tokens, idx, options, env)}</a>'

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """A table scrolls by itself where it is wider than the page, also with the keyboard."""
        return '<div class="wide" tabindex="0">' + self.renderToken(tokens, idx, options, env)

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """End what table_open began."""
        return self.renderToken(tokens, idx, options, env) + "</div>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Commands: never broken, so they scroll."""
        return super().fence(tokens, idx, options, env).replace("<pre>", '<pre tabindex="0">', 1)


def _said(inline: Token) -> str:
    return "".join(each.content for each in inline.children or ())


def size_of(png: bytes) -> tuple[int, int]:
    """Return a PNG's width and height, pixels; source: PNG specification, 11.2.1 IHDR.

    raises  ValueError when it is no PNG
    """
    if png[:8] != _PNG_HEAD or png[12:16] != b"IHDR":
        raise ValueError("这不是 PNG not a PNG")
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
