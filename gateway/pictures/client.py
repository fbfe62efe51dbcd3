"""Asking the pictures process for a still: what the alarm and the video process use.

Owns    one connection for one question.
Needs   .wire; the process behind `<store>/pictures.sock` need not be there.
Keeps   1. Every way it can fail ends in PictureError, in time: NoPicture says that there is none,
           PicturesDown that it may be asked again.
        2. No picture is larger than JPEG_MOST, whatever is said at the other end.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from gateway.pictures.errors import NoPicture, PictureError, PicturesDown
from gateway.pictures.wire import (
    LINE_MOST,
    Answer,
    Wanted,
    read_answer,
    request_line,
    socket_path,
)

__all__ = ["NoPicture", "PictureError", "PicturesDown", "Still", "still"]


@dataclass(frozen=True, slots=True)
class Still:
    """A JPEG, and when its picture was taken.

    at_ns     of the key picture that it is, UTC nanoseconds
    until_ns  where its group of pictures ends: asked for a time before that, this is the answer
              for good; for a later one there may be a better one when more is on the disk
    """

    jpeg: bytes
    at_ns: int
    until_ns: int = 0


async def still(
    folder: Path, camera: str, at_ns: int | None, width: int | None = None, timeout_s: float = 5.0
) -> Still:
    """The key picture of a camera at or before a time, from what lies on the disk.

    folder   the store's
    camera   as it is recorded: for a sub stream the name of that recording
    at_ns    UTC nanoseconds; None is the newest there is
    width    of the JPEG; None is as recorded. Never made larger than recorded
    raises   NoPicture: nothing decodes there within ten minutes before;
             PicturesDown: the process is away or did not answer within timeout_s: ask again
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _ask(folder, Wanted(camera, at_ns, width))
    except TimeoutError as error:
        raise PicturesDown(f"no picture within {timeout_s} s; ask again") from error
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        why = str(error) or type(error).__name__
        raise PicturesDown(f"the pictures process does not answer: {why}; ask again") from error


async def _ask(folder: Path, wanted: Wanted) -> Still:
    with socket_path(folder) as path:
        reader, writer = await asyncio.open_unix_connection(path, limit=LINE_MOST)
    try:
        writer.write(request_line(wanted))
        await writer.drain()
        answer: Answer = read_answer(await reader.readuntil(b"\n"))
        if not answer.size_bytes:
            raise NoPicture(answer.why)
        jpeg = await reader.readexactly(answer.size_bytes)
        return Still(jpeg, answer.at_ns, answer.until_ns)
    finally:
        writer.close()
