"""Changing an installation's device files: proposed, judged, shown, applied, undone.

Owns    devices.toml and devices.d/*.toml as far as programs write them. gateway.toml is read only:
        what it says of addresses, accounts and secrets is changed at the machine.
Needs   blocks.py (the text), kept.py (copies), load.py: what `check` refuses is refused here.
Keeps   1. What is applied is exactly what was judged: the whole configuration, every fault told.
        2. Nobody's work is overwritten: a change names the version it was made from, and the file
           is read again right before it is replaced. What differs is Stale, and nothing is done.
        3. The copy of what was is on disk before the file is touched; then the file is replaced
           whole or not at all. One change is one file, so no kill leaves half a change.
        4. Undo is a change like any other: judged, kept, and itself undone.
Bound   DIFF_LINES of a difference are shown; a change is one file of at most COPY_MOST_BYTES.
Blocks  Every call reads the whole configuration: run it in a thread.
"""

import difflib
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway import crash
from gateway.clock import Clock
from gateway.config import blocks
from gateway.config.inspection import Inspection, both
from gateway.config.kept import (
    COPY_MOST_BYTES,
    WHO_CHARS,
    WHY_CHARS,
    CannotKeep,
    Kept,
    KeptCopies,
    write_whole,
)
from gateway.config.load import device_files, load_config
from gateway.config.settings import Config
from gateway.errors import ConfigError, ConfigFault, GatewayError

DIFF_LINES: Final = 2_000
MAIN_FILE: Final = "devices.toml"
OWN_FILE: Final = "devices.d/console.toml"
"""Where new devices go when there is a folder devices.d: the service may be let in there alone."""
_FILE: Final = re.compile(r"devices\.toml|devices\.d/[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.toml")
_BOM: Final = b"\xef\xbb\xbf"


class Stale(GatewayError):
    """Somebody changed the files meanwhile; nothing was done, read again and decide anew."""


class NothingToDo(GatewayError):
    """The files hold it already; nothing was done."""


class CannotWrite(GatewayError):
    """The disk or its permissions refuse; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is wanted; one of three.

    device  put this device's table as `table`, or take it out when `table` is None
    text    put this text as the whole file
    file    which file: of a new device, or of the text; None for where the device is or belongs
    new     the device must not be there yet
    """

    device: str | None = None
    table: dict[str, Any] | None = None
    text: str | None = None
    file: str | None = None
    new: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a change would do, judged; `faults` empty means it may be applied.

    version  of the files it was made from · config  what would run; None when there are faults
    """

    file: str
    before: str | None
    after: str
    version: str
    diff: str
    faults: tuple[ConfigFault, ...]
    config: Config | None
    what: str


@dataclass(frozen=True, slots=True)
class Current:
    """The device files as they are, by name, and their version."""

    files: dict[str, str]
    version: str


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
        for name in ["gateway.toml", *names]:
            raw = self._read(name)
            digest.update(f"{name}\0{'-' if raw is None else len(raw)}\0".encode())
            digest.update(raw or b"")
            if name in names and raw is not None:
                files[name] = _text(name, raw)
        return Current(files, digest.hexdigest()[:32])

    def device(self, device_id: str) -> tuple[str, dict[str, Any]] | None:
        """Return the file and the table of a device as they are written."""
        for name, text in self.current().files.items():
            table = blocks.table_of(text, device_id)
            if table is not None:
                return name, table
        return None

    def propose(self, change: Change, *, untried: bool = False) -> Proposal:
        """Say what a change would do. Raises CannotEdit, NothingToDo, CannotWrite.

        untried  let profiles of doubtful origin pass, for a trial that writes nothing
        """
        now = self.current()
        file, after, what = self._after(change, now)
        before = now.files.get(file)
        if before == after:
            raise NothingToDo(both("没有变化", "nothing would change"))
        if len(after.encode()) > COPY_MOST_BYTES:
            raise blocks.CannotEdit(both("文件太大", f"{file} would be too big"))
        faults: tuple[ConfigFault, ...] = ()
        config = None
        try:
            instead = {self._folder / file: after.encode()}
            config = load_config(self._folder, untried=untried, instead=instead)
        except ConfigError as error:
            faults = tuple(error.faults)
        diff = _difference(file, before or "", after)
        return Proposal(file, before, after, now.version, diff, faults, config, what)

    def apply(self, change: Change, *, version: str, who: str, why: str) -> tuple[Proposal, Kept]:
        """Put a change on disk; `version` is what the person had seen.

        raises  ConfigError (nothing done, all faults), Stale, NothingToDo, CannotEdit, CannotWrite
        """
        with self._copies.locked():
            proposal = self.propose(change)
            if proposal.version != version:
                raise Stale(
                    both(
                        "配置文件已被别人改动,什么也没有做;请重新读取再决定",
                        "the files were changed meanwhile, nothing was done; read them again",
                    )
                )
            if proposal.faults:
                raise ConfigError(list(proposal.faults))
            return proposal, self._put(proposal, who, why)

    def undo(self, number: int, *, version: str, who: str, why: str) -> tuple[Proposal, Kept]:
        """Put a file back to what it held before a change; raises as apply(), and CannotEdit."""
        return self.apply(self.undoing(number), version=version, who=who, why=why)

    def undoing(self, number: int) -> Change:
        """Return the change that undo() would make. Raises CannotEdit when no such copy is kept."""
        kept = self._copies.get(number)
        if kept is None or not _FILE.fullmatch(kept.file):
            raise blocks.CannotEdit(both(f"没有第 {number} 份备份", f"there is no copy {number}"))
        # A file that was not there becomes an empty one: nothing here ever removes a file.
        return Change(file=kept.file, text=kept.before or "")

    def history(self) -> list[Kept]:
        """Every change that is kept, newest first."""
        return self._copies.all()

    def writable(self) -> bool:
        """Whether a new device could be written where it belongs."""
        place = self._folder / self._home(self.current())
        return os.access(place.parent, os.W_OK) and (
            not place.exists() or os.access(place, os.W_OK)
        )

    # Inside.

    def _paths(self) -> list[Path]:
        return device_files(self._folder, Inspection(self._folder))

    def _home(self, now: Current) -> str:
        if OWN_FILE in now.files or (self._folder / "devices.d").is_dir():
            return OWN_FILE
        return MAIN_FILE

    def _after(self, change: Change, now: Current) -> tuple[str, str, str]:
        """Return file, its new text, and a few words."""
        if change.file is not None and not _FILE.fullmatch(change.file):
            raise blocks.CannotEdit(
                both("只能改设备文件", "only device files: devices.toml, devices.d/*.toml")
            )
        if change.text is not None and change.file is not None:
            return change.file, change.text, f"put {change.file}"
        if change.device is None:
            raise blocks.CannotEdit(both("没说改什么", "the change says nothing"))
        home = next(
            (
                name
                for name, text in now.files.items()
                if blocks.find(text, change.device) is not None
            ),
            None,
        )
        if change.table is None:
            if home is None:
                raise blocks.CannotEdit(
                    both(f"没有设备 {change.device[:64]}", f"no device {change.device[:64]}")
                )
            return home, blocks.removed(now.files[home], change.device), f"remove {change.device}"
        if home is not None and change.new:
            raise blocks.CannotEdit(
                both(f"`{change.device[:64]}` 已在 {home}", f"it is in {home} already; another id")
            )
        if home is not None:
            after = blocks.changed(now.files[home], change.device, change.table)
            return home, after, f"change {change.device}"
        file = change.file or self._home(now)
        return file, blocks.added(now.files.get(file, ""), change.table), f"add {change.device}"

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
        )
        try:
            self._copies.put(kept)
        except CannotKeep as error:
            raise CannotWrite(str(error)) from error
        crash.here("config.kept")
        try:
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


def _text(name: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CannotWrite(both(f"{name} 不是 UTF-8", f"{name} is no UTF-8 text")) from error


def _difference(file: str, before: str, after: str) -> str:
    lines = list(
        difflib.unified_diff(
            before.splitlines(), after.splitlines(), f"{file} (old)", f"{file} (new)", lineterm=""
        )
    )
    rest = len(lines) - DIFF_LINES
    shown = [*lines[:DIFF_LINES], f"… {rest}"] if rest > 0 else lines
    return "\n".join(shown)
