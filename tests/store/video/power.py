"""A disk whose power can be cut: it records every call, and can show what would be left.

The model is the strict one of a file system without order: of a file's bytes only what was synced
is sure, of what was written since any part may be there, with zeros for what is not; of a folder's
names only those that were there at its last sync are sure.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.store.video.disk import Disk


@dataclass
class File:
    """One inode: what was written, and how much of that is sure."""

    content: bytes = b""
    sure: bytes = b""


@dataclass
class Names:
    """The names in one folder: as the kernel has them, and as the disk is sure to."""

    now: dict[str, int] = field(default_factory=dict)
    sure: dict[str, int] = field(default_factory=dict)


class PowerDisk(Disk):
    """A real disk that remembers each call; left() says what a power cut would leave."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object, object]] = []
        self._open: dict[int, int] = {}
        self._files = 0

    def make_folder(self, folder: Path) -> None:
        super().make_folder(folder)  # with its own syncs: whole or not there, and then empty

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self._files += 1
        self._open[descriptor] = self._files
        self.calls.append(("create", path, self._files))
        return descriptor

    def write(self, descriptor: int, parts: Sequence[bytes]) -> None:
        super().write(descriptor, parts)
        self.calls.append(("write", self._open[descriptor], b"".join(parts)))

    def sync_data(self, descriptor: int) -> None:
        super().sync_data(descriptor)
        self.calls.append(("sync", self._open[descriptor], None))

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.calls.append(("sync", self._open[descriptor], None))

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        self.calls.append(("rename", old, new))

    def remove(self, path: Path) -> None:
        super().remove(path)
        self.calls.append(("remove", path, None))

    def remove_all(self, folder: Path, names: Iterable[str]) -> None:
        for name in names:
            self.remove(folder / name)

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self.calls.append(("sync_folder", folder, None))

    def cut(self, descriptor: int, size_bytes: int) -> None:
        raise AssertionError("nothing fails here, so nothing is cut")

    def left(self, calls: int, dice: random.Random) -> dict[Path, bytes]:
        """Path → bytes, as a power cut after that many calls may leave them."""
        files: dict[int, File] = {}
        folders: dict[Path, Names] = {}
        for what, first, second in self.calls[:calls]:
            if what == "create":
                assert isinstance(first, Path)
                assert isinstance(second, int)
                files[second] = File()
                folders.setdefault(first.parent, Names()).now[first.name] = second
            elif what == "write":
                assert isinstance(second, bytes)
                files[first].content += second  # type: ignore[index]
            elif what == "sync":
                files[first].sure = files[first].content  # type: ignore[index]
            elif what == "rename":
                assert isinstance(first, Path)
                assert isinstance(second, Path)
                names = folders[first.parent]
                names.now[second.name] = names.now.pop(first.name)
            elif what == "remove":
                assert isinstance(first, Path)
                folders[first.parent].now.pop(first.name, None)
            elif what == "sync_folder" and first in folders:
                names = folders[first]  # type: ignore[index]
                names.sure = dict(names.now)
        found: dict[Path, bytes] = {}
        for folder, names in folders.items():
            for name, number in self._names(names, dice).items():
                found[folder / name] = self._bytes(files[number], dice)
        return found

    @staticmethod
    def _names(names: Names, dice: random.Random) -> dict[str, int]:
        """A rename that was not synced is one entry: the old name or the new one, never none."""
        return names.now if dice.random() < 0.5 else names.sure

    @staticmethod
    def _bytes(file: File, dice: random.Random) -> bytes:
        rest = file.content[len(file.sure) :]
        kept = rest[: dice.randint(0, len(rest))]
        if kept and dice.random() < 0.5:  # the length was written and a block in it was not
            at = dice.randrange(len(kept))
            hole = min(len(kept) - at, dice.choice([1, 100, 4096]))
            kept = kept[:at] + bytes(hole) + kept[at + hole :]
        return file.sure + kept
