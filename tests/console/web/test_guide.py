"""The guides in a browser: every page, picture and link, on a telephone, at night and on paper."""

import io
from collections.abc import Sequence

import pypdfium2
import pytest
from playwright.async_api import Page, expect

from gateway.console.guide import HOME, LANGUAGES, NAMES
from tests.console.web.house import House
from tests.console.web.test_access import AXE, SERIOUS, WIDE

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAGES = [f"{name}.{language}" for name in NAMES for language in LANGUAGES]
SHEETS_MOST = 14
ALL_LOADED = "[...document.images].every(one => one.complete)"
EMPTY = "[...document.images].filter(one => one.naturalWidth === 0).map(one => one.src)"
LOST = """[...document.querySelectorAll("a[href^='#']")].map(one => one.getAttribute("href"))
  .filter(one => document.querySelector(one) === null)"""
LINKS = "[...document.querySelectorAll('a[href]')].map(one => one.href.split('#')[0])"


async def sheets(page: Page) -> list[str]:
    """What stands on each sheet of paper."""
    paper = pypdfium2.PdfDocument(io.BytesIO(await page.pdf(prefer_css_page_size=True)))
    try:
        return [each.get_textpage().get_text_bounded() for each in paper]
    finally:
        paper.close()


async def serious(page: Page) -> Sequence[str]:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make web installs it")
    await page.evaluate(AXE.read_text("utf-8"))
    return list(await page.evaluate(SERIOUS))


async def test_the_guides_open_for_everybody_whole_readable_and_printable(school: House) -> None:
    links: set[str] = set()
    found: list[str] = []
    async with school.desk(width=360, height=740, color_scheme="dark") as desk:
        page = desk.page
        await page.goto(f"{desk.url}/console/")
        await page.get_by_role("link", name="指南").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("值班员指南")
        await page.get_by_role("link", name="English").click()
        await expect(page.locator("html")).to_have_attribute("lang", "en")
        for name in PAGES:
            await page.goto(f"{desk.url}{HOME}/{name}")
            await desk.until(f"() => {ALL_LOADED}")
            assert await page.evaluate(EMPTY) == []
            assert await page.evaluate(LOST) == []
            assert await page.evaluate(WIDE) <= 0, f"{name} is wider than a telephone"
            links |= set(await page.evaluate(LINKS))
            found += [f"{name} {each}" for each in await serious(page)]
            if name.startswith("card"):
                (sheet,) = await sheets(page)
                assert "F9" in sheet
        await page.emulate_media(color_scheme="light")
        await page.goto(f"{desk.url}{HOME}/installer.zh")
        found += [f"by day {each}" for each in await serious(page)]
        assert len(await sheets(page)) <= SHEETS_MOST
        for link in sorted(links):
            answer = await desk.context.request.get(link)
            assert answer.ok, (link, answer.status)
        desk.fine()
    assert found == []
