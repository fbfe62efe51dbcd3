"""GET /api/v1/speech/{device}/{point}.{zh,en}.ogg: an alarm's place and kind, spoken.

Needs   gateway.speech for where the files are; `campus-gateway speech` makes them.
Keeps   1. A name becomes a path only when it is a plain word (speech.py).
        2. Without a file it is 404: the console has its tones.
        3. What is spoken of a point nobody knows of is known to nobody: the files are those of
           configured points, and say nothing of what happened.
Bound   FILE_BYTES.
"""

import asyncio
import re
from pathlib import Path as Folder
from typing import Annotated, Final

from fastapi import FastAPI, Path
from starlette.responses import Response

from gateway.console import shapes
from gateway.console.problems import Problem
from gateway.console.rights import Right, needs
from gateway.console.tokens import Identity
from gateway.speech import spoken_file

FILE_BYTES: Final = 1024 * 1024
PATH: Final = "/api/v1/speech/{device}/{file}"
_FILE: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})\.(zh|en)\.ogg", re.ASCII)
Reader = Annotated[Identity, needs(Right.READ)]
Word = Annotated[str, Path(min_length=1, max_length=80)]


class SpeechRoutes:
    """See the module."""

    def __init__(self, store: Folder) -> None:
        self._folder = store / "sounds"

    def join(self, app: FastAPI) -> None:
        """Add the route."""
        app.add_api_route(
            PATH,
            self.speech,
            methods=["GET"],
            response_model=None,
            responses={200: {"content": {"audio/ogg": {}}}, 404: {"model": shapes.Error}},
        )

    async def speech(self, device: Word, file: Word, _who: Reader) -> Response:
        """Where an alarm is and what it is, spoken; `file` is POINT.zh.ogg or POINT.en.ogg."""
        found = _FILE.fullmatch(file)
        path = None
        if found is not None:
            path = spoken_file(self._folder, device, found[1], found[2], "ogg")
        body = None if path is None else await asyncio.to_thread(_read, path)
        if body is None:
            raise Problem(
                404,
                "no_speech",
                "没有这条语音",
                "there is no such spoken text",
                "use tones; campus-gateway speech makes the files",
            )
        return Response(body, media_type="audio/ogg")


def _read(path: Folder) -> bytes | None:
    try:
        with path.open("rb") as file:
            body = file.read(FILE_BYTES + 1)
    except OSError:
        return None
    return body if len(body) <= FILE_BYTES else None
