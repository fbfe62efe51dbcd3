"""The guard room: [console] with its siren, [[contact]], and the files of response plans.

Needs   words.py.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from gateway.config.inspection import both
from gateway.config.tables.words import (
    FILE,
    ID,
    MAX_NAME_CHARS,
    NAME,
    NUMBER,
    STEP,
    Identifier,
    Name,
    PathText,
    PhoneNumber,
    StepText,
    Table,
    plain,
)
from gateway.response_plans import STEPS_MOST


class SirenTable(Table):
    """[console] siren: the commands of a device that sound where no console does."""

    device: Annotated[Identifier, Field(description=ID)]
    on: Annotated[Identifier, Field(description=ID)]
    off: Annotated[Identifier, Field(description=ID)]


class ContactTable(Table):
    """[[contact]]: whom the guard room telephones."""

    name: Annotated[Name, Field(description=NAME)]
    number: Annotated[PhoneNumber, Field(description=NUMBER)]
    role: Annotated[
        str,
        StringConstraints(max_length=MAX_NAME_CHARS),
        AfterValidator(lambda text: text and plain(text)),
        Field(description=NAME),
    ] = ""


class ConsoleTable(Table):
    """[console]: where people and machines look in."""

    listen: Annotated[
        str,
        Field(max_length=300, description=both("主机:端口", "host:port, 127.0.0.1:8800")),
    ] = "127.0.0.1:8800"
    cert: Annotated[PathText | None, Field(description=FILE)] = None
    key: Annotated[PathText | None, Field(description=FILE)] = None
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
            Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(plain)]
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


class PlanStepTable(Table):
    """[[step]] of a response plan."""

    zh: Annotated[StepText, Field(description=STEP)]
    en: Annotated[StepText, Field(description=STEP)]
    mandatory: Annotated[
        bool, Field(description=both("true：必做", "true when it must be done"))
    ] = False


class PlanFile(Table):
    """plans/<kind>.toml: what people do when an alarm of that kind comes."""

    title: Annotated[Name, Field(description=NAME)]
    title_en: Annotated[Name, Field(description=NAME)]
    step: Annotated[
        list[PlanStepTable],
        Field(
            min_length=1,
            max_length=STEPS_MOST,
            description=both("1 至 20 个 [[step]]", "1 to 20 [[step]] tables"),
        ),
    ]
