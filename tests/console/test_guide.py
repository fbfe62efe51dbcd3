"""The guides as the console serves them: what the Markdown says, to everybody, without a script."""

import json
import re
import unicodedata
from pathlib import Path

import pytest

from gateway.console import assets, guide
from gateway.console.guide import GUIDES, HOME, LANGUAGES, NAMES, Chapter, load, size_of
from tests.console.conftest import Console

WEB = assets.DIST.parent / "src"
ALL = [(name, language) for name in NAMES for language in LANGUAGES]
BUTTON = {"zh": re.compile(r"“([^”]+)”"), "en": re.compile(r"(?<!\*)\*([^*\n]+)\*(?!\*)")}
KEY = re.compile(r"\*\*(F\d|[^\W\d_]|[\[\]]|空格|Space)\*\*|(?:或|or) (D)\b|([↑↓]|回车|Enter|Esc)")
ON_THE_KEYBOARD = {
    "空格": " ", "Space": " ", "回车": "Enter", "Esc": "Escape", "↑": "ArrowUp", "↓": "ArrowDown",
}  # fmt: skip
SHARED = ("unsent", "sending", "received", "accepted", "dispatched", "on_scene", "closed")


def text_of(name: str, language: str) -> str:
    """A guide without its commands, in which quotes mean something else."""
    text = (GUIDES / f"{name}.{language}.md").read_text("utf-8")
    return re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)


def words(language: str) -> dict[str, str]:
    return dict(json.loads((WEB / "words" / f"{language}.json").read_text("utf-8")))


def plain(text: str) -> str:
    """The same whichever width its brackets and commas have."""
    return unicodedata.normalize("NFKC", text)


def keys(text: str) -> set[str]:
    found = {next(each for each in one if each) for one in KEY.findall(text)}
    return {ON_THE_KEYBOARD.get(each, each) for each in found}


def known_keys() -> set[str]:
    """What the pages take: those of the console, and those of playback."""
    table = (WEB / "keys.ts").read_text("utf-8").split("= {", 1)[1].split("};", 1)[0]
    playing = (WEB / "playback" / "transport.tsx").read_text("utf-8")
    found = re.findall(r'^\s+(?:"([^"]+)"|(\w+)): ', table, re.MULTILINE)
    return {one or other for one, other in found} | set(re.findall(r"<kbd>(.)</kbd>", playing))


@pytest.mark.parametrize(("name", "language"), ALL)
def test_every_button_and_key_that_a_guide_names_is_there(name: str, language: str) -> None:
    text = text_of(name, language)
    named = {plain(each) for each in BUTTON[language].findall(text)}
    assert named - {plain(each) for each in words(language).values()} == set()
    assert keys(text) - known_keys() == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_card_has_every_key_of_the_console_and_what_is_asked_on_the_telephone(
    language: str,
) -> None:
    card, said = text_of("card", language), words(language)
    table = (WEB / "keys.ts").read_text("utf-8").split("= {", 1)[1].split("};", 1)[0]
    taken = set(re.findall(r'"?(F\d|Escape|Enter|ArrowUp|ArrowDown| )"?: "', table))
    assert len(taken) == 12
    assert keys(card) == taken | {"D"}
    places = [card.index(f"| {said[f'card.{part}']}") for part in
              ("address", "part", "what", "size", "caller", "number")]  # fmt: skip
    assert places == sorted(places), "in the order of the call card on the screen"
    lamps = text_of("guard", language).casefold()
    assert [one for one in SHARED if said[f"lamp.{one}"].casefold() not in lamps] == []


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_have_the_same_parts(name: str) -> None:
    shapes = [
        [len(re.findall(part, text_of(name, language), re.MULTILINE))
         for part in (r"^## ", r"^\|", r"^\d\. ", r"^\* ", r"^!\[")]
        for language in LANGUAGES
    ]  # fmt: skip
    assert shapes[0] == shapes[1]


async def test_everybody_reads_them_and_no_page_can_do_anything(console: Console) -> None:
    for name, language in ALL:
        path = f"{HOME}/{name}.{language}"
        answer = await console.get(path, None)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script" not in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script|<style|\son\w+=|\sstyle=|//|javascript:", bare(answer.text))
        tag = {"If-None-Match": answer.headers["ETag"]}
        assert (await console.get(path, None, headers=tag)).status == 304
        head = await console.ask("HEAD", path, None)
        assert (head.status, head.body) == (200, b"")
    for path in (
        "guard.zh.md",
        "..%2Fguide.py",
        "pictures/../../../api.py",
        "%2e%2e/guide.py",
        "/",
    ):
        asked = f"GET {HOME}/{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        assert (await console.raw(asked.encode())).startswith(b"HTTP/1.1 404")


def bare(page: str) -> str:
    """A page without what is read: commands may name addresses."""
    return re.sub(r"<code.*?</code>|<!doctype html>", "", page, flags=re.DOTALL)


async def test_the_way_in_leads_to_the_guards_guide_in_the_browsers_language(
    console: Console,
) -> None:
    for path in (HOME, f"{HOME}/"):
        for asked, language in (("zh-CN,zh;q=0.9", "zh"), ("en-GB", "en"), ("*", "zh"), ("", "zh")):
            answer = await console.get(path, None, headers={"Accept-Language": asked})
            assert answer.status == 303
            assert answer.headers["Location"] == f"{HOME}/guard.{language}"


def test_markup_in_a_guide_is_text_and_what_leads_elsewhere_is_a_name() -> None:
    hostile = (
        "# <img src=x onerror=alert(1)>\n\n<script>alert(2)</script>\n\n"
        "[evil](javascript:alert(3)) [web](https://example.net/) [up](../../systemd/README.md)"
        " [`code`](x.md) [card](card.en.md#s-1)\n\n| a |\n|---|\n| <b>b</b> |\n"
    )
    made = Chapter(hostile, {})
    assert "<script" not in made.body
    assert made.title == "<img src=x onerror=alert(1)>"  # the template escapes it
    assert "<img" not in made.body
    assert "<b>" not in made.body
    assert re.findall(r'href="([^"]+)"', made.body) == [f"{HOME}/card.en#s-1"]
    assert "<code>web</code>" in made.body
    assert "<code>up</code>" in made.body


def test_a_picture_that_is_not_there_or_not_ours_is_refused() -> None:
    for name in ("pictures/zh/none.png", "https://example.net/x.png", "../secret.png"):
        with pytest.raises(ValueError, match="picture"):
            Chapter(f"![a]({name})", {"https://example.net/x.png": (1, 1)})


def test_contents_lead_to_every_part_and_pictures_bring_their_size() -> None:
    text = "# One\n\n## A *b*\n\n![a](pictures/en/a.png)\n\n## C\n\ntext\n"
    made = Chapter(text, {"pictures/en/a.png": (640, 360)})
    assert (made.title, made.sections) == ("One", [("s-1", "A b"), ("s-2", "C")])
    assert all(f'id="{anchor}"' in made.body for anchor, _said in made.sections)
    assert 'width="640" height="360"' in made.body
    assert f'<a class="picture" href="{HOME}/pictures/en/a.png">' in made.body


def test_guides_that_are_too_large_or_no_pictures_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(load(GUIDES)) > len(ALL)
    monkeypatch.setattr(guide, "TOTAL_BYTES", 1000)
    with pytest.raises(ValueError, match="too much"):
        load(GUIDES)
    for rubbish in (b"", b"GIF89a", b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(ValueError, match="PNG"):
            size_of(rubbish)
