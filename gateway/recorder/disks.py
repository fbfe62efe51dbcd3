"""What is wrong with the disks, the index and the days: as findings for a person.

Owns    their keys and sentences, and the command that mends each.
Needs   gateway.store.video for states and figures. Pure: whoever calls has looked already.
Keeps   A sentence says what is so, what becomes of the recordings meanwhile, and what to do.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.events import Scalar
from gateway.reports import Finding, Value
from gateway.store.video import Forecast, State, Volume, Volumes
from gateway.store.video.retention import Refused
from gateway.words import SEE_LOG, Said, english

_SAID: Final[dict[State, Said]] = {
    State.FULL: Said("录像盘已满", "volume full"),
    State.READ_ONLY: Said(
        "录像盘写不进去，请检查磁盘", "volume cannot be written: look at the disk"
    ),
    State.GONE: Said("录像盘不见了，请检查接线和挂载", "volume gone: look at cable and mount"),
    State.STALLED: Said("录像盘没有响应", "volume does not answer"),
}
_ELSEWHERE: Final = Said(";录像写到别的盘", "; recording goes on elsewhere")
_NOWHERE: Final = Said(
    ";没有别的盘可写，没有录像", "; there is no other to write to: nothing is recorded"
)


def label(volumes: Volumes, volume: Volume) -> str:
    """A volume's path as part of a key: letters, digits and dashes, unlike any other's."""
    name = _plain(volume.path)
    same = [each for each in volumes.all if _plain(each.path) == name]
    at = same.index(volume)
    return name if at == 0 else f"{name}-{at + 1}"


def _plain(path: Path) -> str:
    kept = [char if char.isascii() and char.isalnum() else "-" for char in str(path)]
    return "".join(kept).strip("-")[-60:].strip("-") or "root"


def figures(volumes: Volumes) -> tuple[Mapping[str, Value], ...]:
    """Every volume as the report has it; None for what nobody can know while a disk is away."""
    rows: list[Mapping[str, Value]] = []
    for volume in volumes.all:
        known = volume.is_readable
        rows.append(
            {
                "path": str(volume.path),
                "state": str(State.STALLED if volume.is_stalled else volume.state),
                "free_bytes": volume.free_bytes if known else None,
                "size_bytes": volume.total_bytes if known else None,
            }
        )
    return tuple(rows)


def of_volumes(volumes: Volumes, folder: Path) -> Iterator[Finding]:
    """Every volume that is not written to.

    folder  of the configuration, for the command that adopts a disk
    """
    end = _ELSEWHERE if any(volume.is_usable for volume in volumes.all) else _NOWHERE
    for volume in volumes.all:
        if volume.is_usable:
            if volume.is_resting:
                yield Finding(
                    f"video-volume.{label(volumes, volume)}",
                    Said(
                        f"{volume.path}: 录像盘写入出错，先用别的盘，之后再试；请检查磁盘",
                        f"{volume.path}: writing failed; others are used first, tried again"
                        f" later: {english(volume.failure) or SEE_LOG}",
                    ),
                    {"path": str(volume.path), "state": "failed", "why": volume.failure},
                )
            continue
        state = State.STALLED if volume.is_stalled else volume.state
        kind = "volume"
        figures: dict[str, Scalar] = {
            "path": str(volume.path),
            "state": str(state),
            "free_bytes": volume.free_bytes,
            "why": volume.why,
        }
        if state in {State.WRONG_MOUNT, State.FOREIGN}:
            kind, command = "mount", adopting(folder, volume.path)
            figures["command"] = command
            said = Said(
                f"{volume.path}: 不是原来的录像盘{end.zh}。装回原盘，或请安装人员改用此盘",
                f"{volume.path}: another disk is mounted there{end.en}; mount the old one, or"
                f" adopt this: {command}",
            )
        else:
            so = _SAID[state]
            said = Said(f"{volume.path}: {so.zh}{end.zh}", f"{volume.path}: {so.en}{end.en}")
        yield Finding(f"video-{kind}.{label(volumes, volume)}", said, figures)


def adopting(folder: Path, path: Path) -> str:
    """The command that has a disk adopted."""
    return shlex.join(["campus-gateway", "video", "adopt", "--config", str(folder), str(path)])


def of_forecast(ahead: Forecast, warn_days: Sequence[int], days: int) -> Iterator[Finding]:
    """One finding for every threshold that was passed, so that each is told anew.

    days  of the site: a disk that will be full before they have passed does not hold them
    """
    left = ahead.full_in_days
    if left is None or ahead.rate_bytes_per_day is None:
        return
    figures: dict[str, Scalar] = {
        "full_in_days": left,
        "rate_bytes_per_day": ahead.rate_bytes_per_day,
        "free_bytes": ahead.free_bytes,
    }
    for threshold in sorted(warn_days):
        if left < threshold:
            yield Finding(
                f"video-full.{threshold}",
                Said(
                    f"录像盘 {left} 天后将满，存不够 {days} 天：请加盘或降低码率",
                    f"the disks will be full in {left} days and cannot hold {days}: add a disk",
                ),
                figures,
            )
    yield Finding(
        "video-shortfall",
        Said(
            f"按现在的码率，录像盘存不够 {days} 天，约 {left} 天后开始不够",
            f"at the present rate the disks do not hold {days} days; that begins in {left} days",
        ),
        figures,
    )


def of_retention(refused: Refused | None) -> Iterator[Finding]:
    """Why nothing is removed for its age."""
    if refused is Refused.HOLDS_UNKNOWN:
        yield Finding(
            "video-holds",
            Said(
                "留证清单丢失，在确认之前不删除任何录像",
                "what was held is not known any more; no video is removed until that is confirmed",
            ),
        )
    elif refused is not None:
        yield Finding(
            "video-retention",
            Said(
                "时钟不可信，暂不删除到期录像，磁盘会慢慢变满：请检查时间服务器",
                "the clock cannot be trusted, so no video is removed for its age: look at the time"
                " server",
            ),
            {"why": str(refused)},
        )


def of_index(told: Sequence[str], failure: str | None) -> Iterator[Finding]:
    """What became of the index.

    told     what was found when it was opened
    failure  why its last write failed, None when it did not
    """
    if failure is not None:
        yield Finding(
            "video-index",
            Said(
                "录像索引写不进去，录像照常，查询可能不全：请检查系统盘",
                "the video index cannot be written; recording goes on: look at its disk:"
                f" {english(failure) or SEE_LOG}",
            ),
            {"why": failure},
        )
    if told:
        yield Finding(
            "video-rebuilt",
            Said("录像索引有过损坏，已重建", "the video index was damaged and is rebuilt"),
            {f"told_{number}": line for number, line in enumerate(told[:4], start=1)},
        )
