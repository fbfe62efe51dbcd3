"""From a request to a finished package in a file that the caller gave.

Needs   the two stores read-only (events.db, video.sqlite), the segments, a signing key.
Keeps   1. Nothing is written into the stores, so it may run beside the gateway, in a thread, or
           without one.
        2. The manifest comes last: all that it names is in the package, with the hash of what was
           written, and its signature is over exactly its bytes.
        3. Stopped or failed, it raises; what the file holds then is no package.
Bound   PIECE_BYTES and the lists of segments and records in memory; Limits for time and room.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from gateway.audit import Entry
from gateway.clock import Clock
from gateway.config import Config
from gateway.errors import StoreError
from gateway.evidence import chain, events, readme, verifier, video
from gateway.evidence.key import SigningKey
from gateway.evidence.package import ExportError, PackageWriter
from gateway.evidence.segment_copy import SegmentCopy, Unreadable
from gateway.evidence.wanted import Limits, NothingThere, Wanted
from gateway.rules.alarm import Alarm
from gateway.store import rfc3339
from gateway.store.journal import uuid7
from gateway.store.opening import explain, read_only
from gateway.store.video import Gap, index, names
from gateway.store.video.timeline import UNKNOWN

STILLS_MOST: Final = 128
STILL_BYTES_MOST: Final = 16 * 1024 * 1024
TEXTS_BYTES: Final = 64 * 1024 * 1024
"""Room that is reckoned for everything but video and stills."""
Progress = Callable[[int, int], None]


class Stopped(ExportError):
    """Somebody stopped it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A package that is whole; manifest is the SHA-256 of manifest.json."""

    id: str
    manifest: str
    key: str
    size_bytes: int
    segments: int
    missing: int
    from_ns: int
    to_ns: int

    def entry(self, wanted: Wanted) -> Entry:
        """What the audit trail must say before anybody gets it."""
        return Entry(
            who=wanted.person.who,
            role=wanted.person.role,
            from_address=wanted.person.from_address,
            action="evidence.export",
            subject=wanted.subject,
            reason=wanted.reason,
            details={
                "package": self.id,
                "manifest_sha256": self.manifest,
                "key": self.key,
                "size_bytes": self.size_bytes,
                "segments": self.segments,
                "missing": self.missing,
                "from": rfc3339(self.from_ns),
                "to": rfc3339(self.to_ns),
            },
        )


@dataclass(slots=True)
class Builder:
    """One export. Call build() in a thread of its own; set `stop` to have it end."""

    config: Config
    wanted: Wanted
    key: SigningKey
    clock: Clock
    limits: Limits = field(default_factory=Limits)
    progress: Progress = lambda _done, _total: None
    stop: threading.Event = field(default_factory=threading.Event)
    _total: int = 0
    _done: int = 0
    _missing: list[dict[str, Any]] = field(default_factory=list)

    def build(self, file: BinaryIO) -> Built:
        """Write the package into an empty file.

        raises  NothingThere, ExportError (what to do is in it), StoreError
        """
        try:
            with self._connected("events.db") as db, self._video_index() as recorded:
                return self._build(file, db, recorded)
        except sqlite3.Error as error:
            raise explain(error) from error
        except OSError as error:
            raise ExportError(f"写不下去 it could not be written: {error.strerror}") from error

    @contextlib.contextmanager
    def _connected(self, name: str) -> Iterator[sqlite3.Connection]:
        path = self.config.store.path / name
        if not path.is_file():
            raise StoreError(f"{path}: 没有 there is no such store")
        with contextlib.closing(
            sqlite3.connect(read_only(path), uri=True, isolation_level=None, timeout=5.0)
        ) as db:
            yield db

    @contextlib.contextmanager
    def _video_index(self) -> Iterator[sqlite3.Connection | None]:
        if not (self.config.store.path / index.FILE).is_file():
            yield None
            return
        with self._connected(index.FILE) as db:
            yield db

    def _build(
        self, file: BinaryIO, db: sqlite3.Connection, recorded: sqlite3.Connection | None
    ) -> Built:
        asked = self.wanted
        now_ns = self.clock.utc_ns()
        alarm = None if asked.alarm_id is None else events.alarm_of(db, asked.alarm_id)
        wanted = self._spans(recorded, alarm, now_ns)
        if recorded is not None:
            video.wait_for_seals(recorded, wanted, self._wait, self.limits.seal_wait_s)
        footage = self._footage(recorded, wanted)
        concern = self._concern(alarm, wanted, now_ns)
        stills = self._stills(alarm)
        self._has_room(file, footage, stills)
        writer = PackageWriter(file, self._told)
        self._write_texts(writer, db, concern)
        for name, path in stills:
            self._write_still(writer, f"stills/{name}", path)
        for each in footage:
            self._write_video(writer, each)
        self._add_json(writer, "timeline.json", self._timeline(footage))
        manifest = self._manifest(writer, concern, now_ns)
        writer.add("manifest.json", [manifest])
        writer.add("manifest.sig", [self.key.sign(manifest).hex().encode() + b"\n"])
        size = writer.finish()
        return Built(
            id=json.loads(manifest)["id"],
            manifest=hashlib.sha256(manifest).hexdigest(),
            key=self.key.fingerprint,
            size_bytes=size,
            segments=sum(len(each.written) for each in footage),
            missing=len(self._missing),
            from_ns=concern.from_ns,
            to_ns=concern.to_ns,
        )

    # What belongs to it.

    def _spans(
        self, recorded: sqlite3.Connection | None, alarm: Alarm | None, now_ns: int
    ) -> dict[str, video.Span]:
        if alarm is not None:
            return video.spans(recorded, alarm, now_ns)
        camera = self.wanted.camera or ""
        if recorded is None or index.known_camera(recorded, camera) is None:
            raise NothingThere(
                f"{camera}: 没有这台摄像机的录像 nothing was recorded of this camera"
            )
        if self.wanted.from_ns >= now_ns:
            raise ExportError("时间段在将来 the time lies in the future")
        return {camera: (self.wanted.from_ns, min(self.wanted.to_ns, now_ns))}

    def _footage(
        self, recorded: sqlite3.Connection | None, wanted: Mapping[str, video.Span]
    ) -> list[video.Footage]:
        found = []
        for camera, span in sorted(wanted.items()):
            if recorded is None:
                each = video.Footage(camera, *span, gaps=[Gap(*span, UNKNOWN)])
            else:
                each = video.footage(recorded, camera, span)
            found.append(each)
        return found

    def _concern(
        self, alarm: Alarm | None, wanted: Mapping[str, video.Span], now_ns: int
    ) -> events.Concern:
        gateway = self.config.site.gateway
        cameras = set(wanted)
        devices = {device.id for device in self.config.devices if cameras & {*device.cameras}}
        if alarm is not None:
            devices = {alarm.device}
        span = (self.wanted.from_ns, min(self.wanted.to_ns, now_ns))
        if alarm is not None:
            own = video.span_of(alarm, now_ns)
            span = (min(own[0], *_lows(wanted, own)), max(own[1], *_highs(wanted, own)))
        streams = {f"{camera}{video.SUB_ENDING}" for camera in cameras}
        subjects = [*([alarm.alarm_id] if alarm else []), *sorted(cameras | streams | devices)]
        return events.Concern(
            from_ns=span[0],
            to_ns=span[1],
            devices=frozenset(devices | cameras | {gateway}),
            gateway=gateway,
            subjects=tuple(subjects),
            alarm_id=None if alarm is None else alarm.alarm_id,
        )

    def _stills(self, alarm: Alarm | None) -> list[tuple[str, Path]]:
        if alarm is None:
            return []
        folder = self.config.store.path / "stills" / alarm.alarm_id
        try:
            found = sorted(folder.iterdir())
        except OSError:
            return []
        return [
            (path.name, path)
            for path in found
            if path.suffix in {".jpg", ".json"} and names.is_camera(path.stem)
        ][:STILLS_MOST]

    def _has_room(
        self, file: BinaryIO, footage: list[video.Footage], stills: list[tuple[str, Path]]
    ) -> None:
        self._total = sum(each.size_bytes for each in footage) + TEXTS_BYTES
        self._total += sum(path.lstat().st_size for _, path in stills)
        if self._total > self.limits.bytes_most:
            raise ExportError(
                f"约 {_gib(self._total)} GiB，上限 {_gib(self.limits.bytes_most)} GiB："
                "请缩短时间段，或在网关上用 campus-gateway export;"
                " too large for this way: ask for less, or use campus-gateway export on the gateway"
            )
        room = os.fstatvfs(file.fileno())
        free = room.f_bavail * room.f_frsize
        if free < self._total + self.limits.spare_bytes:
            raise ExportError(
                f"空间不足：需要 {_gib(self._total + self.limits.spare_bytes)} GiB，"
                f"只有 {_gib(free)} GiB; not enough room there: export to another disk"
            )

    # What is written.

    def _write_texts(
        self, writer: PackageWriter, db: sqlite3.Connection, concern: events.Concern
    ) -> None:
        writer.add("README.txt", [readme.TEXT.encode()])
        writer.add("__main__.py", [Path(verifier.__file__).read_bytes()])
        writer.add("public-key.pem", [self.key.pem])
        seqs = events.records(db, concern)
        writer.add("events.jsonl", chain.chosen(db, chain.JOURNAL, seqs))
        writer.add("events-chain.jsonl", chain.links(db, chain.JOURNAL, seqs))
        writer.add("deliveries.json", events.deliveries(db, seqs))
        entries = events.entries(db, concern)
        writer.add("audit.jsonl", chain.chosen(db, chain.TRAIL, entries))
        writer.add("audit-chain.jsonl", chain.links(db, chain.TRAIL, entries))

    def _write_still(self, writer: PackageWriter, name: str, path: Path) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
                content = file.read(STILL_BYTES_MOST + 1) if plain else b""
        except OSError as error:
            self._miss(name, error.strerror or str(error))
            return
        if not 0 < len(content) <= STILL_BYTES_MOST:
            self._miss(name, "不是图片文件 no picture of a sound size")
            return
        writer.add(name, [content])

    def _write_video(self, writer: PackageWriter, footage: video.Footage) -> None:
        for place in footage.segments:
            name = f"video/{footage.camera}/{place.path.name}"
            try:
                with SegmentCopy(place) as copy:
                    writer.add(name, copy.pieces(), copy.size)
                    footage.written.append(copy.listed())
            except Unreadable as error:
                writer.drop()
                start_ns, end_ns = place.segment.facts.started_ns, place.segment.end_ns
                footage.gaps.append(Gap(start_ns, end_ns, video.UNREADABLE))
                self._miss(name, f"无法读取 cannot be read: {error}")
        for gap in footage.gaps:
            if gap.reason == video.NOT_SEALED:
                told = f"{rfc3339(gap.from_ns)} – {rfc3339(gap.to_ns)}"
                self._miss(f"video/{footage.camera}", f"{told}: 仍在录制 still being recorded")

    def _timeline(self, footage: list[video.Footage]) -> dict[str, Any]:
        return {
            "times": "UTC, nanoseconds since 1970, by the gateway's clock",
            "made_with_clock": self.clock.quality,
            "cameras": [each.listed() for each in footage],
        }

    def _manifest(self, writer: PackageWriter, concern: events.Concern, now_ns: int) -> bytes:
        site, asked = self.config.site, self.wanted
        about: dict[str, Any] = {"from": rfc3339(concern.from_ns), "to": rfc3339(concern.to_ns)}
        if asked.alarm_id is not None:
            about = {"alarm_id": asked.alarm_id, **about}
        else:
            about = {"camera": asked.camera, **about}
        said = {
            "format": verifier.FORMAT,
            "version": verifier.VERSION,
            "id": uuid7(now_ns, 0),
            "made_at": rfc3339(now_ns),
            "clock": self.clock.quality,
            "site": f"{site.id} {site.name}",
            "gateway": site.gateway,
            "software": f"campus-gateway {_version()}",
            "asked": about,
            "by": {
                "who": asked.person.who,
                "role": asked.person.role,
                "from": asked.person.from_address,
            },
            "reason": asked.reason,
            "key": self.key.fingerprint,
            "missing": self._missing,
            "members": [member.listed() for member in writer.members],
        }
        return json.dumps(said, ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n"

    def _add_json(self, writer: PackageWriter, name: str, said: object) -> None:
        writer.add(name, [json.dumps(said, ensure_ascii=False, indent=1).encode() + b"\n"])

    # While it goes on.

    def _miss(self, what: str, why: str) -> None:
        self._missing.append({"what": what, "why": why})

    def _wait(self, seconds: float) -> bool:
        if self.stop.wait(seconds):
            raise Stopped("已停止，没有留下任何文件 stopped; nothing is left of it")
        self.progress(0, max(self._total, 1))
        return False

    def _told(self, size: int) -> None:
        if self.stop.is_set():
            raise Stopped("已停止，没有留下任何文件 stopped; nothing is left of it")
        self._done += size
        self.progress(min(self._done, self._total), self._total)


def _lows(wanted: Mapping[str, video.Span], own: video.Span) -> list[int]:
    return [span[0] for span in wanted.values()] or [own[0]]


def _highs(wanted: Mapping[str, video.Span], own: video.Span) -> list[int]:
    return [span[1] for span in wanted.values()] or [own[1]]


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f}"


def _version() -> str:
    try:
        return importlib.metadata.version("campus-gateway")
    except importlib.metadata.PackageNotFoundError:
        return "0+checkout"
