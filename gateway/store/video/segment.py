"""One segment's file: how it is written, fragment by fragment, and sealed.

Owns    files NAME.mp4.open, and NAME.mp4 at the moment it gets that name.
Needs   .boxes for the form, .disk for the calls. Runs in a volume's threads.
Keeps   1. A fragment counts from the moment its fdatasync has returned (V1).
        2. The sealed name appears only over bytes that are synced, and the row after the name (V2).
        3. After an error nothing is believed but what was synced before it.
"""

import contextlib
import errno
import hashlib
import os
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from gateway.crash import here as crash_here
from gateway.errors import StoreError
from gateway.store.video import boxes, names
from gateway.store.video.disk import Disk
from gateway.store.video.volumes import Volume

NAMES_TRIED: Final = 16
NOTED_WAIT_S: Final = 2.0
QUALITIES: Final = ("trusted", "stepped", "unset")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the recorder knows of a segment when it begins.

    quality    Clock.quality at that moment
    offset_ms  the camera's clock minus ours; None when it does not tell
    aged_ns    since when the segment ages, when its own time does not say; None as a rule
    """

    camera: str
    started_ns: int
    quality: str
    codec: str
    width: int
    height: int
    offset_ms: int | None = None
    aged_ns: int | None = None

    def content(self) -> dict[str, Any]:
        """As the boxes carry them; None is left out."""
        said = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A sealed segment.

    volume      the volume's uuid
    size_bytes  the whole file
    sha256      of all of the file before its seal, 32 bytes
    """

    facts: Facts
    volume: str
    end_ns: int
    frames: int
    size_bytes: int
    sha256: bytes

    @property
    def path(self) -> Path:
        """Inside its volume."""
        return names.relative(self.facts.camera, self.facts.started_ns)


def facts_from(said: dict[str, Any]) -> Facts:
    """Facts as a box carries them. Raises NotBoxes when they are not ours."""
    try:
        aged, offset = said.get("aged_ns"), said.get("offset_ms")
        facts = Facts(
            camera=str(said["camera"]),
            started_ns=int(said["started_ns"]),
            quality=str(said["quality"]),
            codec=str(said["codec"]),
            width=int(said["width"]),
            height=int(said["height"]),
            offset_ms=None if offset is None else int(offset),
            aged_ns=None if aged is None else int(aged),
        )
        names.day_of(facts.started_ns)
    except (KeyError, TypeError, ValueError) as error:
        raise boxes.NotBoxes(f"facts that do not hold: {error}") from error
    if facts.quality not in QUALITIES or not names.is_camera(facts.camera):
        raise boxes.NotBoxes(f"facts that do not hold: {facts.camera} {facts.quality}")
    return facts


def sealing(facts: Facts, end_ns: int, frames: int, fragments: int, reason: str) -> dict[str, Any]:
    """What a seal says: all the index needs."""
    return facts.content() | {
        "ended_ns": end_ns,
        "frames": frames,
        "fragments": fragments,
        "reason": reason[:100],
    }


class SegmentFile:
    """The file, for one thread at a time. Methods raise OSError; then only close() or seal().

    whole_bytes  the length that is synced: what a power cut leaves at least
    noted        done when the index knows that something is written in this folder
    """

    def __init__(
        self, volume: Volume, facts: Facts, init: bytes, noted: "Future[None] | None" = None
    ) -> None:
        self.facts = facts
        self._noted = noted
        self.volume = volume
        self.end_ns = facts.started_ns
        self.frames = self.fragments = self.whole_bytes = 0
        self._disk: Disk = volume.disk
        self._init = init
        self._descriptor = -1
        self._digest = hashlib.sha256()
        self._broken = False

    @property
    def sealed_path(self) -> Path:
        """Its name once it is sealed."""
        return self.volume.path / names.relative(self.facts.camera, self.facts.started_ns)

    @property
    def open_path(self) -> Path:
        """Its name until then."""
        return self.sealed_path.with_suffix(names.OPEN_ENDING)

    def create(self) -> None:
        """Make the file and its folder; both are durable, the file with its first bytes.

        Not before the index knows that recovery has to look into the folder. An index that cannot
        say so is no reason not to record: its next look at everything finds the file.
        """
        if self._noted is not None:
            with contextlib.suppress(StoreError, TimeoutError):
                self._noted.result(NOTED_WAIT_S)
        if not self.volume.is_mine():
            raise StoreError(f"{self.volume.path}: 卷已更换 the volume is not the one it was")
        self._disk.make_folder(self.open_path.parent)
        self._create_new()
        self._append([self._init, boxes.head_box(self.facts.content())])
        self._disk.sync_folder(self.open_path.parent)
        crash_here("segment.begun")

    def _create_new(self) -> None:
        """A clock that went back may lead to a name that is taken: then a nanosecond later."""
        for _ in range(NAMES_TRIED):
            try:
                if not self.sealed_path.exists():
                    self._descriptor = self._disk.create(self.open_path)
                    return
            except FileExistsError:
                pass
            self.facts = replace(self.facts, started_ns=self.facts.started_ns + 1)
        raise FileExistsError(errno.EEXIST, "every name is taken", str(self.open_path))

    def add(self, fragments: list[tuple[bytes, int, int]]) -> None:
        """Write (bytes, end_ns, frames) one after the other, with one write and one sync."""
        parts: list[bytes] = []
        for content, end_ns, frames in fragments:
            parts += [content, boxes.mark_box(content, end_ns, frames)]
        self._append(parts)
        self.fragments += len(fragments)
        self.frames += sum(frames for _, _, frames in fragments)
        self.end_ns = fragments[-1][1]

    def _append(self, parts: list[bytes]) -> None:
        self._broken = True  # until it is synced: what is there then is unknown
        self._disk.write(self._descriptor, parts)
        crash_here("segment.written")
        self._disk.sync_data(self._descriptor)
        crash_here("segment.synced")
        self._broken = False
        for part in parts:
            self._digest.update(part)
        self.whole_bytes += sum(map(len, parts))

    def seal(self, reason: str) -> Segment | None:
        """Close the file for ever; None when there is no picture in it and it was removed.

        After a failed write it is first cut back to what is known to be whole.
        """
        try:
            if self._descriptor < 0:
                return None
            if not self.fragments:
                self._disk.remove(self.open_path)
                self._disk.sync_folder(self.open_path.parent)
                return None
            if self._broken:
                self._disk.cut(self._descriptor, self.whole_bytes)
            facts = sealing(self.facts, self.end_ns, self.frames, self.fragments, reason)
            seal = boxes.seal_box(facts, self._digest.digest())
            self._disk.write(self._descriptor, [seal])
            crash_here("segment.boxed")
            self._disk.sync(self._descriptor)
            crash_here("segment.closed")
            self._disk.rename(self.open_path, self.sealed_path)
            crash_here("segment.renamed")
            self._disk.sync_folder(self.sealed_path.parent)
            crash_here("segment.named")
        finally:
            self.close()
        return Segment(
            facts=self.facts,
            volume=self.volume.uuid,
            end_ns=self.end_ns,
            frames=self.frames,
            size_bytes=self.whole_bytes + len(seal),
            sha256=self._digest.digest(),
        )

    def close(self) -> None:
        """Let go of the file as it is: recovery finishes it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
