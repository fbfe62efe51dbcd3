"""Changing an installation's files: proposed, judged, shown, applied, undone.

Owns    devices.toml, devices.d, gateway.d and plans as far as programs write them; of gateway.toml
        the tables that shapes.py names, where the service may write it at all.
Needs   changes.py (what a change comes to), kept.py (copies), load.py: what `check` refuses is
        refused here.
Keeps   1. What is applied is exactly what was judged: the whole configuration, every fault told.
        2. Nobody's work is overwritten: a change names the version it was made from, and the file
           is read again right before it is replaced. What differs is Stale, and nothing is done.
        3. The copy of what was is on disk before the file is touched; then the file is replaced
           whole or not at all. One change is one file, so no kill leaves half a change. A password
           is on disk before the table that names it.
        4. Undo is a change like any other: judged, kept, and itself undone. gateway.toml is put
           back only while it is as that change left it: it holds what is not ours.
Bound   DIFF_LINES of a difference are shown; a change is one file of at most COPY_MOST_BYTES.
Blocks  Every call reads the whole configuration: run it in a thread.
"""

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway import crash
from gateway.clock import Clock
from gateway.config import blocks, shapes
from gateway.config.changes import (
    DIFF_LINES,
    CannotWrite,
    Change,
    Current,
    NothingToDo,
    Proposal,
    Stale,
    difference,
    drawn,
    place_of,
    since,
)
from gateway.config.inspection import Inspection, both
from gateway.config.kept import (
    COPY_MOST_BYTES,
    WHO_CHARS,
    WHY_CHARS,
    CannotKeep,
    Kept,
    KeptCopies,
    sync_folder,
    write_whole,
)
from gateway.config.load import device_files, load_config
from gateway.config.more import more_files
from gateway.config.shapes import SHAPES
from gateway.errors import ConfigError

__all__ = [
    "DIFF_LINES",
    "CannotWrite",
    "Change",
    "Current",
    "Editor",
    "NothingToDo",
    "Proposal",
    "Stale",
]

_BOM: Final = b"\xef\xbb\xbf"
_SECRET: Final = re.compile(r"(link|camera)-[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.\d{1,9}")


class Editor:
    """See the module. Two of them on one folder keep out of each other's way by the lock."""

    def __init__(self, folder: Path, store: Path, clock: Clock) -> None:
        self._folder = folder
        self._copies = KeptCopies(store)
        self._clock = clock

    def current(self) -> Current:
        """Return the files. Raises CannotWrite when one cannot be read as text."""
        digest = hashlib.sha256()
        files: dict[str, str] = {}
        names = [path.relative_to(self._folder).as_posix() for path in self._paths()]
        for name in [shapes.MAIN, *names]:
            raw = self._read(name)
            digest.update(f"{name}\0{'-' if raw is None else len(raw)}\0".encode())
            digest.update(raw or b"")
            if raw is not None:
                files[name] = _text(name, raw)
        return Current(files, digest.hexdigest()[:32])

    def device(self, device_id: str) -> tuple[str, dict[str, Any]] | None:
        """Return the file and the table of a device as they are written."""
        return self.table("device", device_id)

    def table(self, kind: str, name: str) -> tuple[str, dict[str, Any]] | None:
        """Return the file and a table as they are written; of one that stands alone our keys."""
        shape, files = SHAPES[kind], self.current().files
        file = place_of(files, shape, name)
        if file is None:
            return None
        table = blocks.table_of(files[file], name, shape) or {}
        if shape.is_alone:
            table = {key: value for key, value in table.items() if key in shape.only}
        return file, table

    def propose(self, change: Change, *, untried: bool = False) -> Proposal:
        """Say what a change would do. Raises CannotEdit, NothingToDo, CannotWrite.

        untried  let profiles of doubtful origin pass, for a trial that writes nothing
        """
        now = self.current()
        made = drawn(change, now.files, self._homes(now), self._fresh_secrets(change))
        before = now.files.get(made.file)
        if before == made.after:
            raise NothingToDo(both("没有变化", "nothing would change"))
        if len(made.after.encode()) > COPY_MOST_BYTES:
            raise blocks.CannotEdit(both("文件太大", f"{made.file} would be too big"))
        faults = made.faults
        config = None
        try:
            instead = {self._folder / made.file: made.after.encode()}
            if made.secret is not None:
                instead[self._folder / made.secret[0]] = made.secret[1]
            config = load_config(self._folder, untried=untried, instead=instead)
        except ConfigError as error:
            faults += tuple(error.faults)
        return Proposal(
            made.file,
            before,
            made.after,
            now.version,
            difference(made.file, before or "", made.after),
            faults,
            None if faults else config,
            made.what,
            made.secret,
        )

    def apply(self, change: Change, *, version: str, who: str, why: str) -> tuple[Proposal, Kept]:
        """Put a change on disk; `version` is what the person had seen.

        raises  ConfigError (nothing done, all faults), Stale, NothingToDo, CannotEdit, CannotWrite
        """
        with self._copies.locked():
            # Before the change is judged: what the other one did may be why it does not hold now.
            now = self.current()
            if now.version != version:
                raise self._stale(version, now.files)
            proposal = self.propose(change)
            if proposal.version != version:
                raise self._stale(version, self.current().files)
            if proposal.faults:
                raise ConfigError(list(proposal.faults))
            kept = self._put(proposal, who, why)
            self._tidy()
            return proposal, kept

    def undo(self, number: int, *, version: str, who: str, why: str) -> tuple[Proposal, Kept]:
        """Put a file back to what it held before a change; raises as apply(), and CannotEdit."""
        return self.apply(self.undoing(number), version=version, who=who, why=why)

    def undoing(self, number: int) -> Change:
        """Return the change that undo() would make. Raises CannotEdit when no such copy is kept."""
        kept = self._copies.get(number)
        if kept is None or not shapes.KNOWN.fullmatch(kept.file):
            raise blocks.CannotEdit(both(f"没有第 {number} 份备份", f"there is no copy {number}"))
        if kept.file == shapes.MAIN:
            raw = self._read(shapes.MAIN) or b""
            if hashlib.sha256(raw).hexdigest() != kept.after_sha:
                raise blocks.CannotEdit(
                    both(
                        "gateway.toml 此后又改过，只能到网关上用编辑器改",
                        "gateway.toml was changed since then; edit it at the machine",
                    )
                )
        # A file that was not there becomes an empty one: nothing here ever removes a file.
        return Change(file=kept.file, text=kept.before or "", undo=True)

    def history(self) -> list[Kept]:
        """Every change that is kept, newest first."""
        return self._copies.all()

    def writable(self, kind: str = "device") -> bool:
        """Whether a new table of this kind, or a plan, could be written where it belongs."""
        home = self._homes(self.current()).get(kind, "plans/panic.toml")
        place = self._folder / home
        parent = place.parent if place.parent.exists() else self._folder
        return os.access(parent, os.W_OK) and (not place.exists() or os.access(place, os.W_OK))

    # Inside.

    def _paths(self) -> list[Path]:
        inspection = Inspection(self._folder)
        plans = self._folder / "plans"
        return [
            *more_files(self._folder, inspection),
            *device_files(self._folder, inspection),
            *(sorted(plans.glob("*.toml")) if plans.is_dir() else ()),
        ]

    def _homes(self, now: Current) -> dict[str, str]:
        """Where a new table of each kind belongs."""
        homes = {name: shape.own for name, shape in SHAPES.items()}
        if shapes.DEVICES_OWN not in now.files and not (self._folder / "devices.d").is_dir():
            homes["device"] = shapes.DEVICES
        return homes

    def _fresh_secrets(self, change: Change) -> Mapping[str, str]:
        """A name for the file of a password that was typed: one that was never there."""
        stem = f"{change.kind}-{change.device}."
        there = [name for name in self._secrets() if name.startswith(stem)]
        taken = [int(name[len(stem) :]) for name in there if name[len(stem) :].isdigit()]
        name = f"{shapes.SECRETS}/{stem}{max(taken, default=0) + 1}"
        return {kind: name for kind in ("link", "camera") if kind == change.kind}

    def _secrets(self) -> list[str]:
        folder = self._folder / shapes.SECRETS
        try:
            return [path.name for path in folder.iterdir() if _SECRET.fullmatch(path.name)]
        except OSError:
            return []

    def _tidy(self) -> None:
        """Remove passwords that neither a file nor a kept copy names any more."""
        try:
            now = self.current().files
        except CannotWrite:
            return  # the change is made; what cannot be read now is looked at after the next one
        texts = [*now.values(), *(kept.before or "" for kept in self.history())]
        for name in self._secrets():
            if not any(f"{shapes.SECRETS}/{name}" in text for text in texts):
                with contextlib.suppress(OSError):
                    (self._folder / shapes.SECRETS / name).unlink()

    def _stale(self, seen: str, files: Mapping[str, str]) -> Stale:
        later = since(self._copies.all(), seen, files)
        whose = "、".join(dict.fromkeys(kept.who for kept, _ in later))
        return Stale(
            both(
                f"配置文件已被{whose or '别人'}改动，什么也没有做；请看过差异再决定",
                f"{whose or 'somebody'} changed the files meanwhile, nothing was done;"
                " look at the difference and decide anew",
            ),
            tuple(later),
        )

    def _read(self, name: str) -> bytes | None:
        path = self._folder / name
        try:
            with path.open("rb") as file:
                raw = file.read(COPY_MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CannotWrite(f"{path}: {error.strerror}") from error
        if len(raw) > COPY_MOST_BYTES:
            raise CannotWrite(both(f"{path} 太大", f"{path} is too big to be changed here"))
        return raw

    def _put(self, proposal: Proposal, who: str, why: str) -> Kept:
        path = self._folder / proposal.file
        raw = self._read(proposal.file)
        content = (
            _BOM if raw is not None and raw.startswith(_BOM) else b""
        ) + proposal.after.encode()
        kept = Kept(
            number=self._copies.next_number(),
            file=proposal.file,
            before=proposal.before,
            after_sha=hashlib.sha256(content).hexdigest(),
            at_ns=self._clock.utc_ns(),
            who=who[:WHO_CHARS],
            why=why[:WHY_CHARS],
            what=proposal.what[:WHY_CHARS],
            version=proposal.version,
        )
        try:
            self._copies.put(kept)
        except CannotKeep as error:
            raise CannotWrite(str(error)) from error
        crash.here("config.kept")
        try:
            if proposal.secret is not None:
                secret = self._folder / proposal.secret[0]
                _folder(secret.parent, 0o700)
                write_whole(secret, proposal.secret[1], 0o600)
                crash.here("config.secret")
            _folder(path.parent, 0o750)
            mode = stat.S_IMODE(path.stat().st_mode) if raw is not None else 0o640
            # Keep 2, as late as can be: an editor that saved this moment has the last word.
            if (None if raw is None else _text(proposal.file, raw)) != proposal.before:
                raise Stale(both("文件刚被改动", f"{proposal.file} was changed this moment"))  # noqa: TRY301
            write_whole(path, content, mode)
        except OSError as error:
            self._copies.drop(kept.number)
            raise CannotWrite(
                both(
                    f"写不了 {path}:{error.strerror};网关用户须能写它所在的目录",
                    f"{path}: {error.strerror}; the gateway's user must be able to write there",
                )
            ) from error
        except Stale:
            self._copies.drop(kept.number)
            raise
        crash.here("config.written")
        return kept


def _folder(path: Path, mode: int) -> None:
    """Make a folder below the installation's, and its name durable. Raises OSError."""
    if path.is_dir():
        return
    _folder(path.parent, 0o750)
    path.mkdir(mode=mode, exist_ok=True)
    sync_folder(path.parent)


def _text(name: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotWrite(both(f"{name} 不是 UTF-8", f"{name} is no UTF-8 text")) from error
