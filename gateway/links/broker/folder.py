"""The broker's folder: whose it is, and what nats-server leaves in it.

Owns    the file `lock`.
Needs   gateway.errors.
Keeps   Two brokers never write in one folder, whoever of gateway and broker died first.
"""

import fcntl
import json
import os
from pathlib import Path

from gateway.errors import LinkDown


class FolderLock:
    """A lock that the broker inherits, so that it is held while either of us lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None

    @property
    def handles(self) -> tuple[int, ...]:
        """What the child must inherit."""
        return () if self._handle is None else (self._handle,)

    def take(self) -> None:
        """Take it, or raise LinkDown that names the gateway which has it."""
        if self._handle is not None:
            return
        handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise LinkDown(
                f"another gateway's broker (gateway pid {holder}) still uses {self._folder}; "
                "stop that one, or give each its own folder"
            ) from None
        os.truncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Give it back; a child that still lives goes on holding it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def own_port(ports_file: Path) -> int:
    """Return the loopback port nats-server wrote down; raises LinkDown while it has not."""
    try:
        urls = json.loads(ports_file.read_text(encoding="utf-8"))["nats"]
        return int(urls[0].rpartition(":")[2])
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise LinkDown("it has not said yet where it listens") from error
