"""Run a program that dies with us: `python leash.py PARENT_PID PROGRAM ARGUMENT…`.

Started as a program of its own, because asking the kernel between fork and exec inside a process
with threads is not safe. The kernel keeps the request across exec, so that nothing of Python stays.

Owns    one system call.
Needs   Linux.
Keeps   A gateway that is killed leaves no broker behind that would hold the port.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, then become the program; returns only when that failed."""
    parent, program, *rest = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    # SIGKILL and not SIGTERM: whoever restarts us wants the port now, and PUBACKs are on disk.
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):  # it died before the request was in place
        sys.exit("the gateway is gone")
    os.execv(program, [program, *rest])  # noqa: S606 no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
