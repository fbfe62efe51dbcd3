"""What is built of the pages: small, and at home."""

import gzip
import re
from collections.abc import Iterable
from pathlib import Path

from gateway.console import assets

FIRST_LOAD_BYTES = 100_000
"""What stands between opening the page and the queue; the rest comes once somebody is on duty."""
ALL_BYTES = 200_000


def packed(paths: Iterable[Path]) -> int:
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in paths)


def test_what_a_first_visit_waits_for_is_small_and_so_is_all_of_it() -> None:
    files = [path for path in assets.DIST.rglob("*") if path.is_file() and path.name[0] != "."]
    assert files, "make pages builds them"
    page = assets.DIST / "index.html"
    named = set(re.findall(r'"/console/([^"]+)"', page.read_text("utf-8")))
    first = [page, *(path for path in files if str(path.relative_to(assets.DIST)) in named)]
    assert any(path.suffix == ".js" for path in first)
    assert any(path.suffix == ".css" for path in first)
    assert packed(first) <= FIRST_LOAD_BYTES
    assert packed(files) <= ALL_BYTES


def test_screens_that_come_later_bring_no_style_that_could_be_missing() -> None:
    # Vite asks for such a style once: not again when the gateway was just beginning anew.
    (style,) = assets.DIST.rglob("*.css")
    assert style.name in (assets.DIST / "index.html").read_text("utf-8")


def test_the_bundle_names_no_other_host() -> None:
    for path in assets.DIST.rglob("*.js"):
        text = path.read_text("utf-8")
        assert "http://" not in text.replace("http://www.w3.org", ""), path.name
