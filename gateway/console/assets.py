"""The console's pages as files: what was built from web/, served from memory.

Owns    GET /console/ and what lies under it.
Needs   web/dist, which `make` and the wheel's build put there.
Keeps   1. Only files that were there at the start are served, by their exact names.
        2. No script or style but our own files, no request to anywhere else: the browser holds it.
        3. The pages hold no data: whoever may load them sees nothing without signing on.
Bound   FILES_MOST files, TOTAL_BYTES together; what is beyond stops the start.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from starlette.responses import Response

from gateway.console.problems import Problem
from gateway.console.rights import everybody

DIST: Final = Path(__file__).parent / "web" / "dist"
ROOT: Final = "/console/"
FILES_MOST: Final = 2_000
TOTAL_BYTES: Final = 64 * 1024 * 1024
PACKED: Final = frozenset({".html", ".js", ".css", ".svg", ".json"})
FOR_EVER: Final = "public, max-age=31536000, immutable"
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is served: `packed` for browsers that take gzip."""

    body: bytes
    packed: bytes | None
    kind: str
    tag: str
    caching: str


class Assets:
    """See the module. Without web/dist the pages are absent and the plain page is all there is."""

    def __init__(self, folder: Path = DIST) -> None:
        self._files = _load(folder)

    def __bool__(self) -> bool:
        """Whether there are any pages."""
        return "index.html" in self._files

    def join(self, app: FastAPI) -> None:
        """Add the route."""
        app.add_api_route(
            ROOT + "{path:path}", self.file, methods=["GET", "HEAD"], include_in_schema=False
        )

    @everybody
    async def file(self, path: str, request: Request) -> Response:
        """Return one file; the folder itself is the page."""
        found = self._files.get(path or "index.html")
        if found is None:
            raise Problem(404, "not_found", "没有这个页面", "there is no such page", f"see {ROOT}")
        return answer(found, request, CSP)


def answer(found: File, request: Request, csp: str) -> Response:
    """Answer with a file, or with nothing when the browser has it as it is."""
    headers = {
        "Cache-Control": found.caching,
        "Content-Security-Policy": csp,
        "ETag": found.tag,
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    body = found.body
    if found.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = found.packed
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type=found.kind)


def _load(folder: Path) -> dict[str, File]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name[0] != "."]
    if len(paths) > FILES_MOST or sum(path.stat().st_size for path in paths) > TOTAL_BYTES:
        raise ValueError(f"{folder}: 控制台页面过大 too much to be served from memory")
    # Vite puts what it names by content into a folder of its own.
    return {
        path.relative_to(folder).as_posix(): as_file(
            path.name, path.read_bytes(), is_hashed=path.parent != folder
        )
        for path in paths
    }


def as_file(name: str, body: bytes, *, is_hashed: bool = False) -> File:
    """Return what is served under a name; one that is hashed never changes."""
    suffix = Path(name).suffix
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if suffix == ".js":
        kind = "text/javascript"  # what the system's table says of it differs
    return File(
        body=body,
        packed=gzip.compress(body, 9, mtime=0) if suffix in PACKED else None,
        kind=kind,
        tag=f'"{hashlib.sha256(body).hexdigest()[:24]}"',
        caching=FOR_EVER if is_hashed else "no-cache",
    )
