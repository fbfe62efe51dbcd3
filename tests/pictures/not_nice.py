"""Run a module where setpriority(2) is refused, as the unit's SystemCallFilter would do it.

python not_nice.py MODULE [ARGUMENT ...]: a filter of the kernel's own (seccomp, BPF) answers EPERM.
"""

import ctypes
import os
import platform
import runpy
import struct
import sys

NUMBERS = {"x86_64": 141, "aarch64": 140}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
LOAD, IF_EQUAL, ANSWER = 0x20, 0x15, 0x06
REFUSE, ALLOW = 0x0005_0001, 0x7FFF_0000  # with EPERM; as ever


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def refuse(number: int) -> None:
    """Have the kernel refuse one system call to this process and all its children."""
    steps = [
        (LOAD, 0, 0, 0),
        (IF_EQUAL, 0, 1, number),
        (ANSWER, 0, 0, REFUSE),
        (ANSWER, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = Program(len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "no filter of system calls")


if __name__ == "__main__":
    refuse(NUMBERS[platform.machine()])
    try:
        os.nice(1)
    except PermissionError:
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.exit("the filter does not filter")
