"""`python -m bench`: measure, print the table.

Keeps   1. A row that cannot be measured says why, and the next one is tried.
        2. The whole run ends within --limit-s; then what was measured so far is printed.
        3. Every process and every file of it is gone at the end, also after Ctrl-C.
"""

import argparse
import os
import platform
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.machine import BenchError
from bench.rig import Rig
from bench.rows import (
    FULL,
    QUICK,
    Size,
    bands,
    beside,
    console,
    console_log,
    console_many,
    console_minutes,
    flow,
    modbus,
    modbus_peers,
    peers,
    pictures,
    playback,
    raw,
    safety,
    stages,
    video,
    video_index,
)
from bench.rows.flow import Measure
from bench.table import Row, merge, render
from bench.video import soak

MEASURES: dict[str, Measure] = (
    raw.ALL
    | flow.ALL
    | safety.ALL
    | beside.ALL
    | peers.ALL
    | stages.ALL
    | modbus_peers.ALL
    | modbus.ALL
    | pictures.ALL
    | video.ALL
    | video_index.ALL
    | playback.ALL
    | bands.ALL
    | console.ALL
    | console_many.ALL
    | console_minutes.ALL
    | console_log.ALL
)
ONLY_FULL = {*peers.ALL, *modbus_peers.INSTALLED, "silent-receiver", "stages-http"}
ONLY_FULL |= {"stages-http-batch", *video.LONG}
"""What the short run leaves out for its length: peers that are installed first, and more."""
PEER = "peer-"
LIMIT_S = {"quick": 600, "full": 5400}


class OutOfTime(BaseException):
    """The run took longer than it may; no row may swallow it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when every target that was measured is met, 1 otherwise, 2 for wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["soak"]:
        return soak.main(given[1:])
    parser = _parser()
    options = parser.parse_args(given)
    names = [name for name in MEASURES if _is_chosen(name, options)]
    if any(not _wanted_any(part) for part in options.only):
        parser.error(f"--only: {' '.join(MEASURES)}")
    if options.list:
        print("\n".join(names))
        return 0
    limit_s = options.limit_s or LIMIT_S["full" if options.full else "quick"]
    rows: dict[str, Row] = {}
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.signal(signal.SIGTERM, _interrupted)
    signal.alarm(limit_s)
    folder = Path(tempfile.mkdtemp(prefix="campus-bench-", dir=options.folder))
    print(_where(folder), file=sys.stderr)
    try:
        _measure(names, FULL if options.full else QUICK, options.repeat, folder, rows)
    except OutOfTime:
        print(f"stopped after {limit_s} s (--limit-s); the rest is not measured", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted; this is what was measured", file=sys.stderr)
    finally:
        signal.alarm(0)
        if options.keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(render(rows))
    if options.repeat > 1:
        print(f"best of {options.repeat} runs each; of losses the worst")
    return int(any(row.verdict in {"MISSED", "NOT MEASURED"} for row in rows.values()))


def _measure(
    names: Sequence[str], size: Size, repeat: int, folder: Path, rows: dict[str, Row]
) -> None:
    """Run everything; whatever ends it early leaves a row for each name that was not measured."""
    rig = Rig(folder)
    for at, name in enumerate(names):
        failed: list[str] = []
        for turn in range(repeat):
            began = time.monotonic()
            try:
                merge(rows, MEASURES[name](rig, size))
                told = "measured"
            except (BenchError, OSError, ValueError, sqlite3.Error) as error:
                told = " ".join(f"{type(error).__name__}: {error}".split())
                failed.append(told)
            except (OutOfTime, KeyboardInterrupt):
                for left in names[at:]:
                    merge(rows, [_unmeasured(left, "the run ended before")])
                raise
            took = f"{time.monotonic() - began:.0f} s"
            print(f"{name} {turn + 1}/{repeat}: {told} ({took})", file=sys.stderr, flush=True)
        if len(failed) == repeat:
            merge(rows, [_unmeasured(name, failed[0][:300])])


def _unmeasured(name: str, why: str) -> Row:
    return Row(group="not measured", name=name, value=None, unit="", note=why, required=True)


def _is_chosen(name: str, options: argparse.Namespace) -> bool:
    """Whether to run it; --peers adds the installed peers of what is wanted."""
    if options.peers and name.startswith(PEER):
        return _wanted(name, options.only, full=True) or _wanted(
            name.removeprefix(PEER), options.only, full=True
        )
    return _wanted(name, options.only, full=options.full)


def _wanted(name: str, only: Sequence[str], *, full: bool) -> bool:
    if only:
        return any(name == part or name.startswith(f"{part}-") for part in only)
    return full or name not in ONLY_FULL


def _wanted_any(part: str) -> bool:
    return any(_wanted(name, [part], full=True) for name in MEASURES)


def _where(folder: Path) -> str:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, load {load}; Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}, Linux {platform.release()}; files in {folder.parent}"
    )


def _out_of_time(*_: object) -> None:
    raise OutOfTime


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="测量网关、对照和本机极限 / the gateway, its peers and this machine's limits",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="十分钟以内（默认）/ under ten minutes")
    size.add_argument("--full", action="store_true", help="一百万事件 / a million events")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="只测这些 / only these, see --list",
    )
    parser.add_argument(
        "--peers", action="store_true", help="先装再比的对照 / peers that are installed first"
    )
    parser.add_argument("--list", action="store_true", help="列出名称 / list the names")
    parser.add_argument(
        "--repeat", type=_positive, default=1, help="每项测几次 / runs of each, best kept"
    )
    parser.add_argument("--limit-s", type=_positive, help="总时限 / seconds for everything")
    parser.add_argument("--folder", type=Path, help="临时文件放哪里 / where temporary files go")
    parser.add_argument("--keep", action="store_true", help="保留文件 / keep the files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
