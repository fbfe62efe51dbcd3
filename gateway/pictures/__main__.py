"""`python -m gateway.pictures --config DIR`: started by the video process; by hand for a look.

Keeps   It is nice to everybody else, and takes MEMORY_MOST at most: what asks for more fails. Where
        a sandbox forbids to be nice, it works all the same.
"""

import argparse
import asyncio
import contextlib
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.config import load_config
from gateway.errors import ConfigError
from gateway.pictures.checks import checks
from gateway.pictures.service import Part, run

NICE: Final = 10
MEMORY_MOST: Final = 2 * 1024**3
EXIT_CONFIG: Final = 78

PARTS: Final[Mapping[str, Part]] = {"picture checks": checks}
"""What this process does besides stills, by name."""


def main() -> int:
    """Run the process; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m gateway.pictures")
    parser.add_argument("--config", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--leashed", action="store_true", help="end when standard input ends / 标准输入结束即退出"
    )
    given = parser.parse_args()
    with contextlib.suppress(PermissionError):  # refused by a sandbox; the unit has weights, too
        os.nice(NICE)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = MEMORY_MOST if hard == resource.RLIM_INFINITY else min(MEMORY_MOST, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        config = load_config(given.config)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIG
    return asyncio.run(run(config, PARTS, leashed=given.leashed))


if __name__ == "__main__":
    sys.exit(main())
