"""One segment's file on its way into a package, read once: copied, and held against its seal.

Needs   store/video/boxes.py for the seal.
Keeps   1. The bytes travel as they are, also when they no longer match their seal: then it is told.
        2. A file that cannot be opened or read is Unreadable, which costs that segment only.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway.evidence.package import PIECE_BYTES
from gateway.store.video import Located, boxes


class Unreadable(Exception):
    """The disk does not give this file; the package is made without it and says so."""


class SegmentCopy:
    """A context: the open file. pieces() once, then listed()."""

    def __init__(self, place: Located) -> None:
        self._place = place
        self._seal: dict[str, Any] = {}
        self._covered = 0
        self._wrong = ""
        self.size = 0

    @property
    def path(self) -> Path:
        """Where the index says it lies."""
        return self._place.path

    def __enter__(self) -> Self:
        """Open it and read its seal. Raises Unreadable."""
        try:
            self._file = self.path.open("rb", buffering=0)
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error
        try:
            self.size = self._file.seek(0, 2)
            self._seal, self._covered = boxes.read_seal(self._file)
        except boxes.NotBoxes as error:
            self._wrong = str(error)
        except (OSError, ValueError) as error:
            self._file.close()
            raise Unreadable(str(error)) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self._file.close()

    def pieces(self) -> Iterator[bytes]:
        """All of its bytes. Raises Unreadable."""
        at, digest = 0, hashlib.sha256()
        try:
            self._file.seek(0)
            while at < self.size and (piece := self._file.read(min(PIECE_BYTES, self.size - at))):
                digest.update(piece[: max(0, self._covered - at)])
                at += len(piece)
                yield piece
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error
        if at < self.size:
            raise Unreadable(f"{at} of {self.size} bytes came")
        if not self._wrong and self._seal.get("sha256") != digest.hexdigest():
            self._wrong = "内容与封印不符 the content does not match its seal"
        self._compare()

    def _compare(self) -> None:
        facts = self._place.segment.facts
        same = (self._seal.get("camera"), self._seal.get("started_ns")) == (
            facts.camera,
            facts.started_ns,
        )
        numbers = [self._seal.get(name) for name in ("started_ns", "ended_ns", "frames")]
        if not self._wrong and not (same and all(type(number) is int for number in numbers)):
            self._wrong = "封印属于另一段录像 its seal is that of another segment"

    def listed(self) -> dict[str, Any]:
        """As timeline.json has it: what the seal says, or the index and what is wrong."""
        segment = self._place.segment
        facts = segment.facts
        said: dict[str, Any] = {
            "name": self.path.name,
            "start_ns": facts.started_ns,
            "end_ns": segment.end_ns,
            "frames": segment.frames,
            "sha256": segment.sha256.hex(),
            "clock": facts.quality,
            "camera_offset_ms": facts.offset_ms,
            "codec": facts.codec,
            "width": facts.width,
            "height": facts.height,
        }
        if self._wrong:
            return {**said, "wrong": self._wrong}
        return {
            **said,
            "end_ns": self._seal["ended_ns"],
            "frames": self._seal["frames"],
            "sha256": self._seal["sha256"],
        }
