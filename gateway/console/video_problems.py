"""What is refused where video is asked for, each with its next step."""

from typing import Final

from gateway.console.problems import Problem
from gateway.playback import Busy, NothingThere, PlaybackError, TooMany, TooMuch

RETRY_S: Final = "5"


def from_playback(error: PlaybackError) -> Problem:
    """A refusal of gateway.playback in the shape of the API."""
    if isinstance(error, NothingThere):
        return nothing_recorded()
    if isinstance(error, TooMuch):
        return Problem(
            422,
            "too_long",
            "一次最多播放 6 小时",
            "one answer is at most six hours",
            "ask for parts of at most six hours",
        )
    if isinstance(error, TooMany):
        return Problem(
            429,
            "too_many_streams",
            "同时打开的画面过多，请先关闭一些",
            "you watch as many streams as one viewer may",
            "end one of them, then ask again",
            headers={"Retry-After": RETRY_S},
        )
    if isinstance(error, Busy):
        return Problem(
            503,
            "too_many_viewers",
            "同时观看的人数已满，请稍后重试",
            "every place for a viewer is taken",
            "stop a stream that nobody looks at, or try again",
            headers={"Retry-After": RETRY_S},
        )
    return Problem(
        503,
        "video_not_ready",
        "暂时无法读取录像",
        "video cannot be read now",
        "try again; when it stays, look at the faults of the video process and its disks",
        headers={"Retry-After": RETRY_S},
    )


def no_such_camera() -> Problem:
    """No camera of this installation."""
    return Problem(
        404, "no_such_camera", "没有这台摄像机", "there is no such camera", "see /api/v1/cameras"
    )


def no_such_stream() -> Problem:
    """The camera has no sub stream."""
    return Problem(
        404,
        "no_such_stream",
        "这台摄像机没有子码流",
        "this camera has no sub stream",
        "ask for stream=main, or have the installer set sub_url",
    )


def nothing_recorded() -> Problem:
    """No picture in the range."""
    return Problem(
        404,
        "nothing_recorded",
        "这段时间没有录像",
        "nothing was recorded in that time",
        "see the camera's timeline: it says why",
    )


def nothing_live() -> Problem:
    """Nobody records the camera now."""
    return Problem(
        503,
        "not_recorded_now",
        "这台摄像机当前没有录像",
        "this camera is not being recorded now",
        "see its state in /api/v1/cameras and the open faults; try again",
        headers={"Retry-After": RETRY_S},
    )


def not_a_time(name: str) -> Problem:
    """A time that is none."""
    return Problem(
        422,
        "not_a_time",
        f"{name} 不是有效时间",
        f"{name} is not a time",
        "send RFC 3339 with a zone (2026-11-22T08:00:00+08:00) or milliseconds since 1970",
    )


def backwards() -> Problem:
    """A range that ends before it begins."""
    return Problem(
        422, "backwards", "结束时间必须晚于开始时间", "to is not after from", "send from < to"
    )


def no_picture() -> Problem:
    """No still at that time."""
    return Problem(
        404,
        "no_picture",
        "这一时刻没有画面",
        "there is no picture at that time",
        "see the camera's timeline, and ask for a time within it",
    )


def no_still_kept() -> Problem:
    """No picture of that alarm's moment."""
    return Problem(
        404,
        "no_still_kept",
        "没有保存这台摄像机在报警时刻的画面",
        "no picture of this camera was kept for this alarm",
        "see the alarm's cameras; it takes a few seconds, and the fault of the camera says why not",
    )


def still_changed() -> Problem:
    """Its bytes are not those that were written."""
    return Problem(
        500,
        "still_changed",
        "报警时刻的画面已损坏或被改动，不予显示",
        "the kept picture is damaged or was changed, so it is not shown",
        "the video of that moment is held: see video.mp4, and run campus-gateway verify",
    )


def stills_down() -> Problem:
    """The pictures process does not answer."""
    return Problem(
        503,
        "no_stills_now",
        "暂时无法生成截图",
        "the pictures process does not answer",
        "try again; when it stays, see that the video process runs. video.mp4 works without it",
        headers={"Retry-After": RETRY_S},
    )


def stills_busy() -> Problem:
    """As many stills as may be made at once."""
    return Problem(
        503,
        "too_many_stills",
        "截图请求过多，请稍后重试",
        "too many stills are asked for at once",
        "try again in a moment",
        headers={"Retry-After": "1"},
    )


def not_noted() -> Problem:
    """The audit trail could not be written: nobody looks unseen."""
    return Problem(
        503,
        "not_noted",
        "无法写入审计记录，暂不能查看录像",
        "the view cannot be written to the audit trail, so there is none",
        "try again; when it stays, see the faults of the store",
        headers={"Retry-After": RETRY_S},
    )


def not_signed() -> Problem:
    """A signature that is not ours."""
    return Problem(
        403,
        "not_signed",
        "播放地址无效",
        "this address was changed or is not ours",
        "ask for a new one: POST /api/v1/cameras/{id}/address",
    )


def address_over() -> Problem:
    """An address whose time is over, or whose token was revoked."""
    return Problem(
        403,
        "address_over",
        "播放地址已过期",
        "this address has expired",
        "ask for a new one: POST /api/v1/cameras/{id}/address",
    )
