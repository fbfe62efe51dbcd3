"""What the recorder asks of a file system, in one place, so that a test can cut its power.

Owns    nothing: plain calls. Whoever records them knows what was synced and what was not.
Keeps   1. write() writes all of it or raises; a part may be on the disk then.
        2. A name is durable when sync_folder() of its folder has returned, not before.
"""

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.crash import here as crash_here
from gateway.store.disk import sync_folder


class Disk:
    """The real one. Every method raises OSError."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it up to one that is there; all of them durable."""
        if folder.is_dir():
            return
        self.make_folder(folder.parent)
        folder.mkdir(exist_ok=True, mode=0o750)
        self.sync_folder(folder.parent)

    def create(self, path: Path) -> int:
        """Make a new file and open it; FileExistsError when there is one."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def write(self, descriptor: int, parts: Sequence[bytes]) -> None:
        """Append the parts: one call, more only when the disk takes less than asked."""
        rest = [memoryview(part) for part in parts if part]
        while rest:
            taken = os.writev(descriptor, rest)
            while rest and taken >= len(rest[0]):
                taken -= len(rest.pop(0))
            if rest and taken:
                rest[0] = rest[0][taken:]

    def cut(self, descriptor: int, size_bytes: int) -> None:
        """Cut a file off and go on writing from there."""
        os.ftruncate(descriptor, size_bytes)
        os.lseek(descriptor, size_bytes, os.SEEK_SET)

    def sync_data(self, descriptor: int) -> None:
        """Make what was written durable, and the file's length with it."""
        os.fdatasync(descriptor)

    def sync(self, descriptor: int) -> None:
        """Make everything about the file durable."""
        os.fsync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name in the same folder."""
        old.rename(new)

    def remove(self, path: Path) -> None:
        """Take a file away; one that is gone already is no error."""
        path.unlink(missing_ok=True)

    def remove_all(self, folder: Path, names: Iterable[str]) -> None:
        """Take files of a folder away, one after another; those that are gone are no error.

        For a hundred thousand of them: half of what remove() costs each.
        """
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=descriptor)
                crash_here("expire.unlinked")
        finally:
            os.close(descriptor)

    def remove_folder(self, folder: Path) -> bool:
        """Take a folder away if there is nothing in it; whether it was."""
        try:
            folder.rmdir()
        except OSError:
            return False
        return True

    def sync_folder(self, folder: Path) -> None:
        """Make new names, renames and removals in a folder durable."""
        sync_folder(folder)
