"""The repository's own files, as the tests of the ground see them."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
BINARY = {".png", ".ico", ".woff2", ".jpg", ".db", ".whl"}
PAGES = Path("gateway/console/web")
"""What the console's pages are made of: the wheel holds them built."""
NOT_OURS = {".git", ".venv", "dist", "htmlcov", "demo-data", "node_modules"}


@cache
def tracked() -> tuple[Path, ...]:
    """Return every file of the repository, relative to ROOT: git's word, or the folder itself."""
    listing = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False
    )
    if listing.returncode == 0 and listing.stdout:
        names = [Path(name) for name in listing.stdout.decode().split("\0") if name]
        return tuple(sorted(name for name in names if (ROOT / name).is_file()))
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return tuple(
        sorted(
            path
            for path in found
            if not NOT_OURS & set(path.parts)
            and not any(part.endswith(("cache__", "_cache")) for part in path.parts)
        )
    )


def texts() -> list[tuple[Path, str]]:
    """Return (path, text) of every tracked text file."""
    return [
        (path, (ROOT / path).read_text(encoding="utf-8"))
        for path in tracked()
        if path.suffix not in BINARY
    ]
