"""The guides show what the product shows: every picture is taken again, in both languages."""

import os
import re
from pathlib import Path

import pytest

from tests.console.web.primary import primary
from tests.console.web.scenes import play
from tests.console.web.shutter import Shutter, decoded
from tests.ground.tree import ROOT

GUIDES = ROOT / "gateway" / "guides"
NAMED = re.compile(r"!\[[^\]]+\]\(pictures/((?:zh|en)/[a-z-]+\.png)\)")
BYTES_MOST = 4_000_000
COLOURS_LEAST = 8
"""A page that did not come is one colour, or a few of one grey."""


def named(guide: Path) -> set[str]:
    return set(NAMED.findall(guide.read_text("utf-8")))


def test_a_guide_says_the_same_in_both_languages() -> None:
    for name in ("guard", "installer"):
        chinese, english = (named(GUIDES / f"{name}.{language}.md") for language in ("zh", "en"))
        assert chinese
        assert {each.removeprefix("zh/") for each in chinese} == {
            each.removeprefix("en/") for each in english
        }


def test_no_picture_is_kept_that_no_guide_shows_and_all_are_small_together() -> None:
    kept = [*GUIDES.rglob("*.png")]
    shown = set().union(*(named(guide) for guide in GUIDES.glob("*.md")))
    assert {path.relative_to(GUIDES / "pictures").as_posix() for path in kept} == shown
    assert sum(path.stat().st_size for path in kept) < BYTES_MOST


@pytest.mark.timeout(600)
async def test_every_picture_of_the_guides_is_taken_from_the_running_product(
    tmp_path: Path,
) -> None:
    kept_in = os.environ.get("CAMPUS_PICTURES")
    folder = Path(kept_in or tmp_path / "pictures")
    camera = Shutter(folder, is_kept=kept_in is not None)
    async with primary(tmp_path / "school") as school:
        await play(school, camera)
    wanted = set().union(*(named(guide) for guide in GUIDES.glob("*.md")))
    assert set(camera.taken) == wanted
    for name in sorted(wanted):
        frame = decoded((folder / name).read_bytes())
        pixels = frame.reformat(format="rgb24").to_ndarray().reshape(-1, 3)
        colours = {tuple(each) for each in pixels[:: max(1, len(pixels) // 20_000)].tolist()}
        assert len(colours) >= COLOURS_LEAST, f"{name} shows nothing"
        kept = decoded((GUIDES / "pictures" / name).read_bytes())
        assert (kept.width, kept.height) == (frame.width, frame.height), f"make pictures: {name}"
