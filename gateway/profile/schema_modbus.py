"""The words a profile may use for a device that talks Modbus.

Owns    the models of [modbus], [[value]], [[set]], [[log]], [[query]] and [[command]].
Needs   words.py, schema_rule.py. The meaning of each word is in registers.py and modbus.py.

    registers → [[value]] (a number, a truth or a text with a name) → [[set]] (what it means for a
    point) → [[point]]. Everything a value needs from other registers it takes by their values'
    names, so a rule never sees a register.
"""

from typing import Annotated, Literal

from pydantic import Field

from gateway.profile.schema_rule import RuleModel, Where
from gateway.profile.words import Finite, Name, PointName, ScalarValue, Seconds, Strict, Text

Address = (
    Annotated[int, Field(ge=0, le=999_999)] | Annotated[str, Field(min_length=1, max_length=120)]
)
"""Where, as the maker's document numbers it ([modbus] numbering), or a formula of the keys of
`address` and of the counters of `repeat`: "257 + (loop - 1) * 256 + device"."""

Word = Annotated[int, Field(ge=0, le=0xFFFF)]
Order = Literal["big", "little"]
Function = Annotated[int, Field(ge=1, le=4)]
Code = Annotated[int, Field(ge=1, le=255)]
ValueName = PointName
Repeat = Annotated[
    dict[Name, Annotated[list[int], Field(min_length=2, max_length=2)]],
    Field(max_length=2, description="counters: { n = [1, 64] } writes the table 64 times"),
]


class Modbus(Strict):
    """[modbus]: how the device wants to be asked.

    numbering   wire       addresses as they travel, from 0
                one        from 1, the function said beside them
                reference  40001 or 400001: the first digit says the function
    gaps        illegal    an address that is not the profile's makes the whole read fail
                zero       it reads as anything, and may be read over
    silent      exception codes of a gateway that mean: the unit behind me does not answer
    busy        exception codes that mean: ask again later
    """

    transports: Annotated[
        list[Literal["tcp", "rtu-over-tcp", "serial"]], Field(min_length=1, max_length=3)
    ]
    numbering: Literal["wire", "one", "reference"] = "wire"
    function: Function | None = None
    max_registers: Annotated[int, Field(ge=1, le=125)] = 125
    max_bits: Annotated[int, Field(ge=1, le=2000)] = 2000
    gaps: Literal["illegal", "zero"] = "illegal"
    word_order: Order = "big"
    byte_order: Order = "big"
    timeout_s: Annotated[float, Field(ge=0.05, le=10)] = 0.5
    pause_s: Annotated[float, Field(ge=0, le=5)] = 0.0
    alarm_period_s: Annotated[float, Field(ge=0.05, le=60)] | None = Field(
        default=None,
        description="how often what alarms depend on is read; default 0.2 for panic and duress, "
        "1 for other alarms",
    )
    period_s: Annotated[float, Field(ge=0.05, le=86_400)] = Field(
        default=5.0, description="how often everything else is read"
    )
    silent: Annotated[list[Code], Field(max_length=20)] = Field(
        default_factory=lambda: [10, 11, 0x41, 0x42, 0x43, 0x4B]
    )
    busy: Annotated[list[Code], Field(max_length=20)] = Field(default_factory=lambda: [5, 6])
    baud: Annotated[list[int], Field(max_length=12)] = Field(default_factory=list)
    parity: Annotated[list[Literal["N", "E", "O"]], Field(max_length=3)] = Field(
        default_factory=list
    )
    stop_bits: Annotated[int, Field(ge=1, le=2)] | None = None
    single_client: bool = Field(default=False, description="the device accepts one connection only")


Form = Literal[
    "u16", "s16", "m16", "u32", "s32", "m32", "u64", "s64", "f32", "f64",
    "bcd16", "bcd32", "digits", "text", "bit",
]  # fmt: skip


class Band(Strict):
    """One band of a number (end-of-line resistors): from and to belong to it."""

    name: Name
    from_: Annotated[Finite, Field(alias="from")]
    to: Finite


class Compare(Strict):
    """Whether another value has reached a limit that is itself in a register.

    hysteresis  how far it has to go back before the answer is no again
    """

    value: ValueName
    at_least: ValueName | None = None
    at_most: ValueName | None = None
    hysteresis: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class ValueForm(Strict):
    """How words become a number, a truth or a text; shared by [[value]] and [[log.value]].

    form       u unsigned, s two's complement, m magnitude with a sign bit, f IEEE 754, with their
               bits; bcd; digits: a number written as ASCII; text; bit: a coil or an input
    words      how many, for digits and text
    bit        this bit alone (0 is the lowest), a truth · bits  from this to that bit, a number
    byte       the high or the low half of a register, a number
    result     (raw - subtract) × scale ÷ divide + offset, then × scale_from × 10^-decimals_from
    invalid    raw numbers that mean: no measurement
    names      the text that stands for a number; others stay numbers
    bands      the number becomes the name of its band, `else_band` between them
    """

    form: Form = "u16"
    words: Annotated[int, Field(ge=1, le=64)] | None = None
    word_order: Order | None = None
    byte_order: Order | None = None
    bit: Annotated[int, Field(ge=0, le=63)] | None = None
    bits: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    byte: Literal["high", "low"] | None = None
    signed: bool = Field(default=False, description="two's complement, of `bits` and `byte`")
    encoding: Literal["ascii", "gbk", "gb18030", "utf-8", "utf-16-be"] = "ascii"
    subtract: Finite | None = None
    scale: Finite | None = None
    divide: Finite | None = None
    offset: Finite | None = None
    scale_from: ValueName | None = None
    decimals_from: ValueName | None = None
    invalid: Annotated[list[int], Field(max_length=20)] = Field(default_factory=list)
    names: Annotated[dict[str, Text], Field(max_length=200)] = Field(default_factory=dict)
    bands: Annotated[list[Band], Field(max_length=10)] = Field(default_factory=list)
    else_band: Name | None = None
    hysteresis: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class Value(ValueForm):
    """[[value]]: what some registers or bits say, under a name.

    at            where; without it the value is made of others (`compare`) or known from the start
    key           what the device's address says under this key: a limit, a scale or a number of
                  decimals that no register holds
    valid_when    unless these values are as listed, this one is unknown: a validity mask, a
                  warm-up, "valid only if bit 11"
    heartbeat_s   it must change at least this often, else the device is stuck: nothing of it
                  is believed and it counts as offline
    period_s      how often it is read, instead of what its points call for
    unit_from     the value that holds the unit, a text
    """

    name: ValueName
    repeat: Repeat = Field(default_factory=dict)
    at: Address | None = None
    function: Function | None = None
    compare: Compare | None = None
    key: Name | None = None
    valid_when: Where = Field(default_factory=dict)
    unit_from: ValueName | None = None
    heartbeat_s: Annotated[float, Field(ge=0.5, le=3600)] | None = None
    period_s: Annotated[float, Field(ge=0.05, le=86_400)] | None = None


class ModbusSet(RuleModel):
    """[[set]]: what values mean for one point.

    attributes  values that go along in data.attributes
    ack         the command to send once an active reading is on disk, for a device that latches
    """

    repeat: Repeat = Field(default_factory=dict)
    attributes: Annotated[list[ValueName], Field(max_length=16)] = Field(default_factory=list)
    ack: Name | None = None


class ClockParts(Strict):
    """The device's clock, from values: one of `unix_s`, or all of year to minute.

    utc_offset  "+08:00" or "{key}"; year_base is added to years below 100
    """

    unix_s: ValueName | None = None
    year: ValueName | None = None
    month: ValueName | None = None
    day: ValueName | None = None
    hour: ValueName | None = None
    minute: ValueName | None = None
    second: ValueName | None = None
    year_base: Annotated[int, Field(ge=1900, le=2100)] = 2000
    utc_offset: Annotated[str, Field(max_length=60)] | None = None


class LogValue(ValueForm):
    """[[log.value]]: a part of one entry; `at` counts registers from the entry's first."""

    name: Name
    at: Annotated[int, Field(ge=0, le=124)]


class Log(Strict):
    """[[log]]: events the device keeps in its own memory and which are fetched one after another.

    ring    `newest` names the value that counts entries; `entry` is a formula of {n}, the number
            of an entry; `size` is how many the device keeps, `wrap` after how many its counter
            begins anew. What we have read is remembered across restarts; entries that were
            overwritten before we came are told as a fault.
    queue   `pending` names the value that says how many wait; `entry` is where the oldest is;
            the command `ack` takes it off, after it is on disk and when it is allowed.
    """

    name: Name
    kind: Literal["ring", "queue"]
    newest: ValueName | None = None
    pending: ValueName | None = None
    entry: Address
    function: Function | None = None
    words: Annotated[int, Field(ge=1, le=125)]
    size: Annotated[int, Field(ge=1, le=65_536)] = 1
    wrap: Annotated[int, Field(ge=2, le=2**32)] = 65_536
    value: Annotated[list[LogValue], Field(min_length=1, max_length=60)]
    set: Annotated[list[ModbusSet], Field(min_length=1, max_length=60)]
    time: ClockParts | None = None
    historical_after_s: Seconds = Field(
        default=120.0, description="entries older than this by the device's clock are history"
    )
    ack: Name | None = None


class Step(Strict):
    """One write of a command: what goes where, and how long to wait afterwards.

    value   a number, a truth for a coil, or a formula of the address's keys
    values  several registers in one write (function 16)
    """

    at: Address
    function: Literal[5, 6, 15, 16]
    value: int | bool | Annotated[str, Field(max_length=40)] | None = None
    values: Annotated[list[Word], Field(max_length=123)] = Field(default_factory=list)
    wait_s: Annotated[float, Field(ge=0, le=60)] = 0.0


class Confirm(Strict):
    """The value that proves it was done: a position, not the relay that was written."""

    value: ValueName
    in_: Annotated[list[ScalarValue], Field(alias="in", min_length=1, max_length=20)]
    within_s: Annotated[float, Field(gt=0, le=600)]


class Command(Strict):
    """[[command]]: something the device can be told; see Step for how.

    Nothing is ever sent unless an installer allowed this command for this device (`commands` in
    devices.toml).

    effect      close, open: a valve; open is refused outside an interlock · others say what it is
    permission  the least role of the person who may send it
    confirm     without it the outcome is "sent", never "done"
    refresh_s   the device falls back unless it is repeated this often (host watchdog)
    echo        "any" for a device whose answer to a write is known to be wrong
    broadcast   goes to unit 0: every device on the line obeys and none answers
    idempotent  may be sent again when no answer came; false for what toggles or counts
    """

    name: Name
    text: Text
    text_en: Text
    effect: Literal[
        "close", "open", "reset", "silence", "inhibit", "test", "ack", "output", "other"
    ]
    permission: Literal["guard", "leader", "installer"] = "installer"
    step: Annotated[list[Step], Field(min_length=1, max_length=20)]
    confirm: Confirm | None = None
    refresh_s: Annotated[float, Field(ge=0.5, le=3600)] | None = None
    echo: Literal["same", "any"] = "same"
    broadcast: bool = False
    idempotent: bool = True
    timeout_s: Annotated[float, Field(ge=0.05, le=30)] | None = None


class Query(Strict):
    """[[query]]: a mailbox, filled and then read.

    Registers are written, the one that starts it last; when it has cleared and the result code is
    `good`, the values are read. It writes, so it too has to be allowed (`commands`).
    """

    name: Name
    step: Annotated[list[Step], Field(min_length=1, max_length=20)]
    done: Confirm
    good: Where = Field(default_factory=dict)
    value: Annotated[list[ValueName], Field(min_length=1, max_length=40)] = Field(
        description="[[value]]s that are read only now"
    )
    every_s: Annotated[float, Field(ge=1, le=31_536_000)] = 3600.0
