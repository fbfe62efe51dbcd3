"""The field: [[link]], [[device]], [[interlock]]: what stands in the house and how it is reached.

Needs   words.py.
"""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from gateway.config.inspection import both
from gateway.config.tables.words import (
    ENV,
    FILE,
    ID,
    NAME,
    EnvName,
    Identifier,
    Name,
    PathText,
    Table,
    UrlText,
)

MAX_ADDRESS_KEYS: Final = 32


class LinkTable(Table):
    """[[link]]: one way to devices; keys of the driver's own stand beside these."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[Identifier, Field(description=ID)]
    kind: Annotated[
        Identifier,
        Field(description=both("drivers/ 下的目录名", "the name of a folder under drivers/")),
    ]
    url: Annotated[
        UrlText,
        Field(description=both("协议://主机:端口", "scheme://host:port, mqtt://127.0.0.1:1883")),
    ]
    client_id: Annotated[Name | None, Field(description=NAME)] = None
    username: Annotated[Name | None, Field(description=NAME)] = None
    password_file: Annotated[PathText | None, Field(description=FILE)] = None
    password_env: Annotated[EnvName | None, Field(description=ENV)] = None
    ca: Annotated[PathText | None, Field(description=FILE)] = None
    cert: Annotated[PathText | None, Field(description=FILE)] = None
    key: Annotated[PathText | None, Field(description=FILE)] = None
    broker: Annotated[
        Literal["embedded"] | None,
        Field(description=both("“embedded”，或不写", '"embedded", or leave the key out')),
    ] = None
    broker_listen: Annotated[
        str | None,
        Field(
            max_length=300,
            description=both(
                "内置代理接受设备的 主机:端口，默认与 url 相同",
                "host:port where the embedded broker takes devices; the url's by default",
            ),
        ),
    ] = None
    device_username: Annotated[Name | None, Field(description=NAME)] = None
    device_password_file: Annotated[PathText | None, Field(description=FILE)] = None
    device_password_env: Annotated[EnvName | None, Field(description=ENV)] = None


class DeviceTable(Table):
    """[[device]]: one button, detector or panel."""

    id: Annotated[Identifier, Field(description=ID)]
    profile: Annotated[
        str,
        Field(
            min_length=1,
            max_length=128,
            description=both(
                "型号文件，如 alarm_button/zigbee2mqtt_sos",
                "a profile such as alarm_button/zigbee2mqtt_sos (campus-gateway profile list)",
            ),
        ),
    ]
    link: Annotated[
        Identifier, Field(description=both("某个 [[link]] 的 name", "the name of a [[link]]"))
    ]
    name: Annotated[Name | None, Field(description=NAME)] = None
    place: Annotated[Name | None, Field(description=NAME)] = None
    address: Annotated[
        dict[str, bool | int | float | str],
        Field(
            max_length=MAX_ADDRESS_KEYS,
            description=both(
                "型号文件 address 一节要的键",
                "the keys that the profile's address section asks for",
            ),
        ),
    ] = {}
    cameras: Annotated[
        list[Identifier],
        Field(max_length=16, description=both("最多 16 个摄像机 id", "at most 16 camera ids")),
    ] = []
    commands: Annotated[
        list[str],
        Field(
            max_length=40,
            description=both(
                "允许写给设备的命令和查询，不写就什么都不写",
                "the profile's commands and queries that may be written to it; by default none",
            ),
        ),
    ] = []
    priority: Annotated[
        int | None,
        Field(ge=1, le=4, description=both("1 至 4，1 最急", "1 to 4, 1 is the most urgent")),
    ] = None
    silence_seconds: Annotated[
        float | None,
        Field(
            ge=5,
            le=2_678_400,
            allow_inf_nan=False,
            description=both(
                "多少秒没有消息算离线，5 至 2678400",
                "seconds of silence after which it is offline, 5 to 2678400 (31 days)",
            ),
        ),
    ] = None
    accept_unverified: Annotated[
        bool,
        Field(
            description=both(
                "true：知道此型号文件未经实物验证",
                "true when you know that this profile was never tried on a real device",
            )
        ),
    ] = False


class InterlockTable(Table):
    """[[interlock]]: alarms that close a valve; without it nothing is ever written by itself."""

    name: Annotated[Identifier, Field(description=ID)]
    when: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200)]],
        Field(
            min_length=1,
            max_length=64,
            description=both(
                "设备 id，或 设备 id/测点，1 至 64 个",
                "1 to 64 device ids (every alarm of it), or device id/point",
            ),
        ),
    ]
    valve: Annotated[
        Identifier, Field(description=both("阀门设备的 id", "the id of the valve's device"))
    ]
    close: Annotated[
        str | None,
        Field(
            max_length=64,
            description=both(
                "关阀命令；型号只有一个时可不写", "the command that closes; the only one by default"
            ),
        ),
    ] = None
    open: Annotated[
        str | None,
        Field(
            max_length=64,
            description=both(
                "开阀命令；不写就不能远程开阀",
                "the command that opens; without it the valve is opened on site only",
            ),
        ),
    ] = None
    clear_for_seconds: Annotated[
        int,
        Field(
            ge=60,
            le=604_800,
            description=both(
                "开阀前须连续正常的秒数，60 至 604800",
                "seconds without gas before it may be opened, 60 to 604800",
            ),
        ),
    ] = 1800
    second_person_within_seconds: Annotated[
        int,
        Field(
            ge=10,
            le=3600,
            description=both(
                "第二人须在多少秒内确认，10 至 3600",
                "seconds within which a second person confirms, 10 to 3600",
            ),
        ),
    ] = 120
