"""What is built of the pages: small, and at home."""

import gzip

from gateway.console import assets

FIRST_LOAD_BYTES = 150_000


def test_everything_that_a_first_visit_loads_is_small() -> None:
    files = [path for path in assets.DIST.rglob("*") if path.is_file() and path.name[0] != "."]
    assert files, "make pages builds them"
    packed = sum(len(gzip.compress(path.read_bytes(), 9)) for path in files)
    assert packed <= FIRST_LOAD_BYTES, f"{packed} bytes"


def test_the_bundle_names_no_other_host() -> None:
    for path in assets.DIST.rglob("*.js"):
        text = path.read_text("utf-8")
        assert "http://" not in text.replace("http://www.w3.org", ""), path.name
