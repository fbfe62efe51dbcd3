"""Who holds a TCP port: for the one line that saves an installer an hour.

Owns    reading of /proc. Tells what it may see; another user's program stays unnamed.
Needs   Linux.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

_LISTEN: Final = "0A"


def port_is_free(host: str, port: int) -> bool:
    """Try to bind as the broker would; raises OSError when the address itself is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise
        except OSError as error:
            if error.errno == 98:  # EADDRINUSE
                return False
            raise
    return True


def holder_of_port(port: int) -> str | None:
    """Return "name (pid N)" of the program that listens there, None when we may not see it."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not inodes:
        return None
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with suppress(OSError):  # it ended meanwhile, or belongs to somebody else
            for handle in (process / "fd").iterdir():
                with suppress(OSError):
                    if os.readlink(handle) in inodes:  # noqa: PTH115 what it points at is no path
                        name = (process / "comm").read_text(encoding="utf-8").strip()
                        return f"{name} (pid {process.name})"
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with suppress(OSError):  # no IPv6 in this kernel
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes
