"""What takes the pictures of the guides: one scene, both languages, small files.

Owns    the folder it is given: <language>/<scene>.png.
Keeps   1. A picture is taken when the page stands still: fonts are there, nothing moves.
        2. 256 colours are enough for a screen; a file is a third of what the browser makes.
"""

import io
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.filter import Graph
from playwright.async_api import Page

LANGUAGES: Final = ("zh", "en")
_OTHER: Final = {"zh": "中文", "en": "English"}
_BEAT: Final = Fraction(1, 25)


@dataclass
class Shutter:
    """See the module.

    is_kept  the files are for the repository: made small, which takes a moment each
    """

    folder: Path
    is_kept: bool = False
    taken: list[str] = field(default_factory=list)

    async def take(self, page: Page, scene: str) -> None:
        """Take one picture in each language by the page's own button; it stays as it was."""
        before = await _language(page)
        for language in (before, *(each for each in LANGUAGES if each != before)):
            await speak(page, language)
            await self.once(page, scene, language)
        await speak(page, before)

    async def once(
        self, page: Page, scene: str, language: str, *, has_scripts: bool = True
    ) -> None:
        """Take one picture of the page as it is."""
        if has_scripts:
            await page.evaluate(
                """async () => {
                  await document.fonts.ready;
                  await new Promise(done =>
                    requestAnimationFrame(() => requestAnimationFrame(done)));
                }"""
            )
        png = await page.screenshot(animations="disabled", caret="hide", scale="css")
        path = self.folder / language / f"{scene}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(small(png) if self.is_kept else png)
        self.taken.append(f"{language}/{scene}.png")


async def _language(page: Page) -> str:
    return "en" if (await page.evaluate("document.documentElement.lang")).startswith("en") else "zh"


async def speak(page: Page, language: str) -> None:
    """Change the language of a page that has a button for it."""
    if await _language(page) == language:
        return
    await page.get_by_role("button", name=_OTHER[language], exact=True).click()
    await page.wait_for_function(
        "language => document.documentElement.lang.startsWith(language)", arg=language
    )


def decoded(png: bytes) -> av.VideoFrame:
    """One picture."""
    with av.open(io.BytesIO(png), format="png_pipe") as file:
        return next(file.decode(video=0))


def small(png: bytes) -> bytes:
    """The same picture with a palette of its own."""
    frame = decoded(png).reformat(format="rgba")
    frame.pts, frame.time_base = 0, _BEAT
    graph = Graph()
    begin = graph.add_buffer(width=frame.width, height=frame.height, format="rgba", time_base=_BEAT)
    split, sink = graph.add("split"), graph.add("buffersink")
    palette = graph.add("palettegen", "reserve_transparent=0")
    use = graph.add("paletteuse", "dither=none")
    for one, out, two, into in (
        (begin, 0, split, 0), (split, 0, palette, 0), (split, 1, use, 0), (palette, 0, use, 1),
        (use, 0, sink, 0),
    ):  # fmt: skip
        one.link_to(two, out, into)
    graph.configure()
    graph.push(frame)
    begin.push(None)
    made: Any = graph.pull()
    encoder: Any = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = made.width, made.height, "pal8"
    encoder.time_base = _BEAT
    encoder.options = {"compression_level": "9"}
    return b"".join(bytes(each) for each in (*encoder.encode(made), *encoder.encode(None)))
