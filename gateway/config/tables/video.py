"""Video: [[camera]], [video], [[video.volume]].

Needs   words.py.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from gateway.config.inspection import both
from gateway.config.tables.words import ENV, FILE, ID, NAME, Identifier, Name, PathText, Table


class VolumeTable(Table):
    """[[video.volume]]: a disk for pictures; the recorder reads the other keys."""

    model_config = ConfigDict(extra="allow")

    path: Annotated[PathText, Field(description=FILE)]


class CameraTable(Table):
    """[[camera]]: one camera. Without `url` or `address` it is known by name only."""

    model_config = ConfigDict(extra="allow")

    id: Annotated[Identifier, Field(description=ID)]
    name: Annotated[Name | None, Field(description=NAME)] = None
    place: Annotated[Name | None, Field(description=NAME)] = None
    url: Annotated[
        str | None,
        Field(
            max_length=1024,
            description=both(
                "码流地址，不含用户名密码", "the stream, rtsp://…, without an account"
            ),
        ),
    ] = None
    username: Annotated[Name | None, Field(description=both("摄像机的用户名", "its user"))] = None
    password_file: Annotated[PathText | None, Field(description=FILE)] = None
    password_env: Annotated[str | None, Field(max_length=128, description=ENV)] = None
    audio: Annotated[bool, Field(description=both("录不录声音", "whether sound is kept"))] = True
    retention_days: Annotated[
        int | None,
        Field(ge=1, le=3650, description=both("与全局不同时写", "when it differs from the site's")),
    ] = None
    sub_url: Annotated[
        str | None,
        Field(
            max_length=1024,
            description=both(
                "子码流地址，不含用户名密码", "the small stream, rtsp://…, without an account"
            ),
        ),
    ] = None
    sub_retention_days: Annotated[
        int,
        Field(
            ge=1,
            le=3650,
            description=both("子码流保存的天数，1 至 3650", "days of the small stream, 1 to 3650"),
        ),
    ] = 7
    picture_checks: Annotated[
        bool | list[Literal["black", "no_signal", "covered", "blurred", "moved", "frozen"]],
        Field(
            description=both(
                "检查画面：true 全部，false 不查，或只查所列几项（会转动的球机不要写 moved）",
                "judge the picture: true, false, or only for these (a dome that turns: no moved)",
            ),
        ),
    ] = True
    address: Annotated[
        str | None,
        Field(
            max_length=1024,
            description=both(
                "ONVIF 地址，代替 url，如 192.0.2.30",
                "where it is asked by ONVIF, instead of url: 192.0.2.30",
            ),
        ),
    ] = None
    channel: Annotated[
        int,
        Field(ge=1, le=256, description=both("录像机的第几路", "which picture of a recorder")),
    ] = 1
    sub_stream: Annotated[
        bool,
        Field(
            description=both(
                "address 的摄像机录不录子码流", "with address: whether its small stream is kept"
            )
        ),
    ] = True


class VideoTable(Table):
    """[video]: where pictures lie, and what about them a person is told."""

    volume: list[VolumeTable] = []
    warn_days: Annotated[
        list[Annotated[int, Field(ge=1, le=365)]],
        Field(
            max_length=6,
            description=both(
                "录像盘将满前多少天各报一次，递减，最多 6 个，每个 1 至 365",
                "a falling list of at most 6 numbers of days before the disks are full, 1 to 365",
            ),
        ),
    ] = [14, 7, 2]
    gap_minutes: Annotated[
        int,
        Field(
            ge=1,
            le=1440,
            description=both(
                "一天里缺多少分钟录像算故障，1 至 1440",
                "minutes without video in a day that are a fault, 1 to 1440",
            ),
        ),
    ] = 15
    camera_clock_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=86_400,
            description=both(
                "摄像机时钟差多少秒算故障，1 至 86400",
                "seconds that a camera's clock may be off, 1 to 86400",
            ),
        ),
    ] = 10
    hold_before_s: Annotated[
        int,
        Field(
            ge=0,
            le=600,
            description=both(
                "报警前多少秒的录像留证，0 至 600",
                "seconds of video kept from before an alarm, 0 to 600",
            ),
        ),
    ] = 10
    hold_after_s: Annotated[
        int,
        Field(
            ge=10,
            le=3600,
            description=both(
                "报警后（未关闭则顺延）多少秒的录像留证，10 至 3600",
                "seconds kept from behind an alarm and from behind its end, 10 to 3600",
            ),
        ),
    ] = 120
    hold_most_h: Annotated[
        int,
        Field(
            ge=1,
            le=168,
            description=both(
                "一直不关闭的报警最多留证多少小时，1 至 168",
                "hours kept at most of an alarm that nobody closes, 1 to 168",
            ),
        ),
    ] = 24
