"""Writing a package: members one after another, then the directory, all as the verifier wants it.

Needs   the verifier for every header's bytes; a file that can be written, read back and sought in.
Keeps   1. One way to write a package: fixed dates, no compression, order as the members come.
        2. A member's hash is that of the bytes that were written.
        3. What was read short, or longer than was said, is an error, never a package.
Bound   PIECE_BYTES in memory; a member that is made while it is written has less than 4 GiB.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from gateway.errors import StoreError
from gateway.evidence import verifier

PIECE_BYTES: Final = 1024 * 1024
_LONG_BYTES: Final = 0xFFFFFFFF


class ExportError(StoreError):
    """No package was made and nothing is left of it; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Written:
    """A member that is in the package."""

    name: str
    size: int
    crc: int
    sha256: str
    offset: int

    def listed(self) -> dict[str, Any]:
        """As the manifest has it."""
        return {"name": self.name, "size_bytes": self.size, "sha256": self.sha256}


class PackageWriter:
    """See the module. `told` is called with the bytes just written, and may raise to stop it."""

    def __init__(self, file: BinaryIO, told: Callable[[int], None] = lambda _bytes: None) -> None:
        self._file = file
        self._told = told
        self._at = self._began = 0
        self.members: list[Written] = []

    def add(self, name: str, pieces: Iterable[bytes], size: int | None = None) -> Written:
        """Write one member.

        size    when it is known before; it must be when it may be 4 GiB or more
        raises  ExportError when what comes is not that long; OSError
        """
        raw, offset = name.encode("ascii"), self._at
        self._began = offset
        header = verifier.local_header(raw, size or 0, 0)
        self._write(header)
        crc, digest, length = 0, hashlib.sha256(), 0
        for piece in pieces:
            crc = zlib.crc32(piece, crc)
            digest.update(piece)
            length += len(piece)
            if size is None and length >= _LONG_BYTES:
                raise ExportError(f"{name}: 过大，请缩短时间段 too large: ask for a shorter time")
            self._write(piece)
            self._told(len(piece))
        if size is not None and length != size:
            raise ExportError(f"{name}: {length} 字节 bytes came, expected {size}; export it again")
        self._file.seek(offset)
        self._file.write(verifier.local_header(raw, length, crc))
        self._file.seek(self._at)
        written = Written(name, length, crc, digest.hexdigest(), offset)
        self.members.append(written)
        self._began = self._at
        return written

    def drop(self) -> None:
        """Take back the member whose writing an error of its source cut off."""
        at = self._began
        self._file.seek(at)
        self._file.truncate()
        self._at = at

    def finish(self) -> int:
        """Write the directory; returns the package's length in bytes."""
        begin = self._at
        for member in self.members:
            self._write(
                verifier.central_header(
                    member.name.encode("ascii"), member.size, member.crc, member.offset
                )
            )
        self._write(verifier.end_records(len(self.members), self._at - begin, begin))
        return self._at

    def _write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._at += len(piece)
