"""The tables of gateway.toml and devices.toml, as an installer writes them.

Owns    which keys there are, their types, bounds and defaults, and the sentence that says so in a
        fault and in the JSON Schema (a field's description is what a fault calls "expected").
Needs   pydantic and the names of kinds. Reads no file; what needs a second look at the disk or at
        another table is checked in links.py, receivers.py and devices.py.
Keeps   Strict: nothing is converted, an unknown key is a fault, every number and text has a bound.
"""

import re
import unicodedata
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from gateway.config.inspection import both
from gateway.events import Kind
from gateway.response_plans import STEPS_MOST

MAX_NAME_CHARS: Final = 64
MAX_ADDRESS_KEYS: Final = 32
MIN_RETENTION_DAYS: Final = 90
MAX_ESCALATION_STEPS: Final = 10

_DIRECTION_MARKS: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_ENV_NAME: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")


def _plain(text: str) -> str:
    """Refuse what could make a name look like another one on the guard's screen."""
    if not text.strip():
        raise ValueError(both("是空的", "is blank"))
    for char in text:
        if char in _DIRECTION_MARKS:
            code = f"U+{ord(char):04X}"
            raise ValueError(both(f"含有改变文字方向的字符 {code}", f"has direction mark {code}"))
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}:
            code = f"U+{ord(char):04X}"
            raise ValueError(both(f"含有控制字符 {code}", f"has control character {code}"))
    return text


def _env_name(text: str) -> str:
    if not _ENV_NAME.match(text):
        raise ValueError(both("不是环境变量名", "is no name of an environment variable"))
    return text


Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Name = Annotated[str, StringConstraints(max_length=MAX_NAME_CHARS), AfterValidator(_plain)]
PathText = Annotated[str, StringConstraints(min_length=1, max_length=4096), AfterValidator(_plain)]
EnvName = Annotated[str, AfterValidator(_env_name)]
StepText = Annotated[str, StringConstraints(max_length=200), AfterValidator(_plain)]
UrlText = Annotated[str, StringConstraints(min_length=3, max_length=1024), AfterValidator(_plain)]

_ID: Final = both(
    "1 至 64 个字母、数字或 . _ -，以字母或数字开头",
    "1 to 64 letters, digits or . _ - that start with a letter or digit",
)
_NAME: Final = both(
    "1 至 64 个字，不含控制字符", "text of 1 to 64 characters without control characters"
)
_STEP: Final = both("1 至 200 个字", "text of 1 to 200 characters")
_FILE: Final = both("文件路径，相对路径从配置目录算起", "a path, relative to the folder")
_ENV: Final = both("环境变量的名字", "the name of an environment variable")
_STEPS: Final = both(
    "递增的秒数列表，最多 10 个，每个 5 至 86400",
    "a rising list of at most 10 times in seconds, each 5 to 86400",
)


class Table(BaseModel):
    """What all tables share: strict, closed, and not changed after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SiteTable(Table):
    """[site]: who we are in every record."""

    id: Annotated[Identifier, Field(description=_ID)]
    name: Annotated[Name, Field(description=_NAME)]
    gateway: Annotated[Identifier, Field(description=_ID)] = "gw-1"


class StoreTable(Table):
    """[store]: where events live and for how long."""

    path: Annotated[PathText, Field(description=_FILE)]
    retention_days: Annotated[
        int,
        Field(
            ge=MIN_RETENTION_DAYS,
            le=36_500,
            description=both(
                "天数，至少 90（规定的最短保存期）",
                "a number of days, at least 90 (the rules demand it)",
            ),
        ),
    ] = MIN_RETENTION_DAYS
    reserve_mib: Annotated[
        int,
        Field(
            ge=16,
            le=65_536,
            description=both(
                "为报警预留的 MiB 数，16 至 65536", "MiB set aside for alarms, 16 to 65536"
            ),
        ),
    ] = 64


class LinkTable(Table):
    """[[link]]: one way to devices; keys of the driver's own stand beside these."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[Identifier, Field(description=_ID)]
    kind: Annotated[
        Identifier,
        Field(description=both("drivers/ 下的目录名", "the name of a folder under drivers/")),
    ]
    url: Annotated[
        UrlText,
        Field(description=both("协议://主机:端口", "scheme://host:port, mqtt://127.0.0.1:1883")),
    ]
    client_id: Annotated[Name | None, Field(description=_NAME)] = None
    username: Annotated[Name | None, Field(description=_NAME)] = None
    password_file: Annotated[PathText | None, Field(description=_FILE)] = None
    password_env: Annotated[EnvName | None, Field(description=_ENV)] = None
    ca: Annotated[PathText | None, Field(description=_FILE)] = None
    cert: Annotated[PathText | None, Field(description=_FILE)] = None
    key: Annotated[PathText | None, Field(description=_FILE)] = None
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
    device_username: Annotated[Name | None, Field(description=_NAME)] = None
    device_password_file: Annotated[PathText | None, Field(description=_FILE)] = None
    device_password_env: Annotated[EnvName | None, Field(description=_ENV)] = None


class UplinkTable(Table):
    """[[uplink]]: one receiver; the keys of its kind stand beside these."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[Identifier, Field(description=_ID)]
    kind: Annotated[
        Identifier,
        Field(
            description=both(
                "gateway/uplinks/ 下的文件名", "the name of a file under gateway/uplinks/"
            )
        ),
    ]


class RouteTable(Table):
    """[[route]]: which kinds go to which receiver; without kinds: all of them."""

    uplink: Annotated[
        Identifier, Field(description=both("某个 [[uplink]] 的 name", "the name of an [[uplink]]"))
    ]
    kinds: Annotated[
        list[str] | None,
        Field(
            min_length=1,
            max_length=len(Kind),
            description=both(
                "报警种类的列表，至少一个；不写表示全部",
                "a list of at least one kind; leave the key out for all kinds",
            ),
        ),
    ] = None


class InterlockTable(Table):
    """[[interlock]]: alarms that close a valve; without it nothing is ever written by itself."""

    name: Annotated[Identifier, Field(description=_ID)]
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


class SirenTable(Table):
    """[console] siren: the commands of a device that sound where no console does."""

    device: Annotated[Identifier, Field(description=_ID)]
    on: Annotated[Identifier, Field(description=_ID)]
    off: Annotated[Identifier, Field(description=_ID)]


class ContactTable(Table):
    """[[contact]]: whom the guard room telephones."""

    name: Annotated[Name, Field(description=_NAME)]
    number: Annotated[
        str,
        StringConstraints(pattern=r"^[0-9+*#][0-9+*# ,()-]{0,31}$"),
        Field(description=both("电话号码，最多 32 个字符", "a telephone number of at most 32")),
    ]
    role: Annotated[
        str,
        StringConstraints(max_length=MAX_NAME_CHARS),
        AfterValidator(lambda text: text and _plain(text)),
        Field(description=_NAME),
    ] = ""


class ConsoleTable(Table):
    """[console]: where people and machines look in."""

    listen: Annotated[
        str,
        Field(max_length=300, description=both("主机:端口", "host:port, 127.0.0.1:8800")),
    ] = "127.0.0.1:8800"
    cert: Annotated[PathText | None, Field(description=_FILE)] = None
    key: Annotated[PathText | None, Field(description=_FILE)] = None
    behind_proxy: Annotated[
        bool,
        Field(
            description=both(
                "true：前面有自己的 TLS 代理", "true when a TLS proxy of yours stands before it"
            )
        ),
    ] = False
    siren: Annotated[
        SirenTable | None,
        Field(
            description=both(
                '{ device = "…", on = "…", off = "…" }：没有值班屏出声时由它响',
                '{ device = "…", on = "…", off = "…" }: sounds where no console does',
            )
        ),
    ] = None
    player: Annotated[
        list[
            Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_plain)]
        ],
        Field(
            max_length=16,
            description=both(
                '播放 WAV 的程序和参数，如 ["aplay", "-q"]；文件名加在最后',
                'a program that plays WAV, ["aplay", "-q"]; the file is put behind it',
            ),
        ),
    ] = []
    watched: Annotated[
        bool,
        Field(
            description=both("true：没有值班屏就是故障", "true: a fault while no console is alive")
        ),
    ] = False
    steps_required: Annotated[
        bool,
        Field(
            description=both(
                "true：必做步骤没做或没写原因，不能处置",
                "true: no closing before the plan's mandatory steps are done or have a reason",
            )
        ),
    ] = False


Steps = Annotated[
    list[Annotated[int, Field(ge=5, le=86_400)]],
    Field(max_length=MAX_ESCALATION_STEPS, description=_STEPS),
]


class EscalationTable(Table):
    """[escalation]: seconds after which an unacknowledged alarm calls the next person."""

    p1_seconds: Steps = [30, 60, 120]
    p2_seconds: Steps = [120, 300]
    p3_seconds: Steps = []
    p4_seconds: Steps = []


class DeliveryTable(Table):
    """[delivery]: what every receiver gets besides alarms."""

    heartbeat_seconds: Annotated[
        int,
        Field(
            ge=5,
            le=60,
            description=both("心跳间隔的秒数，5 至 60", "seconds between two heartbeats, 5 to 60"),
        ),
    ] = 30


class LogTable(Table):
    """[log]: lines for the person at night, or JSON for a collector."""

    format: Annotated[
        Literal["json", "console"],
        Field(description=both("“json” 或 “console”", '"json" or "console"')),
    ] = "json"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description='"debug", "info", "warning" or "error"'),
    ] = "info"


class VolumeTable(Table):
    """[[video.volume]]: a disk for pictures; the recorder reads the other keys."""

    model_config = ConfigDict(extra="allow")

    path: Annotated[PathText, Field(description=_FILE)]


class CameraTable(Table):
    """[[camera]]: one camera. Without `url` or `address` it is known by name only."""

    model_config = ConfigDict(extra="allow")

    id: Annotated[Identifier, Field(description=_ID)]
    name: Annotated[Name | None, Field(description=_NAME)] = None
    place: Annotated[Name | None, Field(description=_NAME)] = None
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
    password_file: Annotated[PathText | None, Field(description=_FILE)] = None
    password_env: Annotated[str | None, Field(max_length=128, description=_ENV)] = None
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


class DeviceTable(Table):
    """[[device]]: one button, detector or panel."""

    id: Annotated[Identifier, Field(description=_ID)]
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
    name: Annotated[Name | None, Field(description=_NAME)] = None
    place: Annotated[Name | None, Field(description=_NAME)] = None
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


class PlanStepTable(Table):
    """[[step]] of a response plan."""

    zh: Annotated[StepText, Field(description=_STEP)]
    en: Annotated[StepText, Field(description=_STEP)]
    mandatory: Annotated[
        bool, Field(description=both("true：必做", "true when it must be done"))
    ] = False


class PlanFile(Table):
    """plans/<kind>.toml: what people do when an alarm of that kind comes."""

    title: Annotated[Name, Field(description=_NAME)]
    title_en: Annotated[Name, Field(description=_NAME)]
    step: Annotated[
        list[PlanStepTable],
        Field(
            min_length=1,
            max_length=STEPS_MOST,
            description=both("1 至 20 个 [[step]]", "1 to 20 [[step]] tables"),
        ),
    ]


class GatewayFile(Table):
    """gateway.toml as a whole; the loader reads table by table so that one fault hides no other."""

    site: SiteTable
    store: StoreTable
    link: list[LinkTable] = []
    uplink: list[UplinkTable] = []
    route: list[RouteTable] = []
    interlock: list[InterlockTable] = []
    console: ConsoleTable = ConsoleTable()
    contact: list[ContactTable] = []
    escalation: EscalationTable = EscalationTable()
    delivery: DeliveryTable = DeliveryTable()
    log: LogTable = LogTable()
    video: VideoTable = VideoTable()
    camera: list[CameraTable] = []


class DevicesFile(Table):
    """devices.toml, or one file of devices.d."""

    device: list[DeviceTable] = []


def own_keys(table: LinkTable | UplinkTable) -> dict[str, Any]:
    """Return the keys that are not ours but the driver's or the uplink's."""
    return dict(table.model_extra or {})
