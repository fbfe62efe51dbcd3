"""Files beside the database: written whole or not at all, and the reserve that alarms live on.

Keeps   1. write_file leaves the old content or the new one, never half of either.
        2. The reserve is real blocks, not a sparse file: giving it back makes that much room.
Source  reliability-facts sections 3 and 4: DELETE fails on a full disk, unlinking does not.
"""

import contextlib
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Final

STEPS: Final = 4
"""The reserve is given back in this many parts: something is left for the next hour."""


def write_file(path: Path, content: bytes, mode: int = 0o640) -> None:
    """Write to a temporary name, fsync, rename, fsync the folder. Raises OSError."""
    temporary = path.with_name(path.name + ".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        rest = memoryview(content)
        while rest:  # a disk that is nearly full takes a part and refuses only the next call
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def own_like(path: Path, folder: Path) -> None:
    """Give what root has made in the store to whom the store belongs: the gateway must read it."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def read_head(folder: Path) -> tuple[int, int]:
    """The sequence number and time noted outside the database; (0, 0) when there is none."""
    try:
        noted = json.loads((folder / "head.json").read_bytes())
        seq, utc_ns = int(noted["seq"]), int(noted["utc_ns"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0
    return (seq, utc_ns) if seq >= 0 and utc_ns >= 0 else (0, 0)


class Reserve:
    """Blocks set aside for alarms on the day the disk is full.

    Never raises: a reserve that cannot be had is a fault for a person, no reason to take no alarms.

    size_bytes  what it should hold; held_bytes what it holds now
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes

    @property
    def held_bytes(self) -> int:
        """How much can still be given back."""
        try:
            found = self.path.stat()
        except OSError:
            return 0
        # Blocks, not length: a sparse file of that length would give nothing back.
        return min(found.st_size, found.st_blocks * 512) if stat.S_ISREG(found.st_mode) else 0

    @property
    def free_bytes(self) -> int:
        """Room on the file system, without the reserve; 0 when it cannot be asked."""
        try:
            return shutil.disk_usage(self.path.parent).free
        except OSError:
            return 0

    def fill(self) -> bool:
        """Take the reserve again if there is ample room; True when it is whole."""
        held = self.held_bytes
        missing = self.size_bytes - held
        if missing <= 0:
            return True
        if self.free_bytes < missing + self.size_bytes:
            return False
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError:
            return False
        try:
            os.posix_fallocate(descriptor, 0, self.size_bytes)
            os.fsync(descriptor)
        except OSError:  # a file size limit, or a disk that filled meanwhile
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, held)
            return False
        finally:
            os.close(descriptor)
        return True

    def release(self) -> int:
        """Give back one part; returns its bytes, 0 when there is none or it cannot be had."""
        held = self.held_bytes
        if held == 0:
            return 0
        part = min(held, max(self.size_bytes // STEPS, 1))
        try:
            os.truncate(self.path, held - part)
        except OSError:
            return 0
        return part
