"""A profile nobody sells, with one of everything that a simulated device has to do."""

import tomllib
from typing import Any

from simulators.modbus.model import Model
from simulators.modbus.sheet import Sheet

TEXT = """
[profile]
title = "试验机"
title_en = "test device"
driver = "modbus"

[address.unit]
type = "integer"
min = 1

[address.loop]
type = "integer"
example = 1

[address.device]
type = "integer"
example = 1

[modbus]
transports = ["serial"]
function = 3
max_registers = 50
word_order = "little"

[[value]]
name = "last_event"
at = "loop * 256 + device"
names = { "1" = "fire", "2" = "fault", "0" = "none" }

[[value]]
name = "status"
at = 10
bits = [0, 3]
names = { "0" = "warm_up", "1" = "monitor" }

[[value]]
name = "mask"
at = 10
bit = 15

[[value]]
name = "level"
at = 11
form = "s32"
decimals_from = "decimals"
valid_when = { status = "monitor", mask = true }

[[value]]
name = "decimals"
at = 13
byte = "low"

[[value]]
name = "limit"
at = 14
decimals_from = "decimals"

[[value]]
name = "too_high"
compare = { value = "level", at_least = "limit", hysteresis = 2 }

[[value]]
name = "beat"
at = 15
heartbeat_s = 10

[[value]]
name = "loop_{n}"
repeat = { n = [1, 2] }
at = "20 + n"
bands = [
  { name = "short", from = 0, to = 800 },
  { name = "idle", from = 1600, to = 2389 },
  { name = "alarm", from = 2390, to = 3300 },
  { name = "open", from = 3800, to = 4095 },
]

[[value]]
name = "room"
at = 30
form = "text"
words = 4
encoding = "gbk"

[[value]]
name = "presses"
at = 40
form = "u16"

[[value]]
name = "temperature"
at = 41
form = "m16"
scale = 0.1

[[value]]
name = "newest"
at = 50

[[value]]
name = "pending"
at = 51

[[value]]
name = "valve"
at = 52

[[value]]
name = "siren"
at = 53

[[value]]
name = "busy"
at = 60

[[value]]
name = "which"
key = "loop"

[[value]]
name = "door"
at = 7
function = 2
form = "bit"

[[log]]
name = "events"
kind = "ring"
newest = "newest"
entry = "100 + n % 10 * 2"
size = 10
words = 2
[[log.value]]
name = "what"
at = 0
[[log.value]]
name = "where"
at = 1
byte = "high"

[[log]]
name = "queue"
kind = "queue"
pending = "pending"
entry = 200
words = 1
ack = "take"
[[log.value]]
name = "what"
at = 0

[[command]]
name = "take"
step = [ { at = 300, function = 6, value = 0x01F7 } ]

[[command]]
name = "close"
step = [
  { at = 301, function = 16, values = [0x065E, 0x3626] },
  { at = 5, function = 5, value = true },
]
confirm = { value = "valve", in = [1], within_s = 5 }

[[command]]
name = "hold"
refresh_s = 30
step = [ { at = 302, function = 6, value = "{seconds}" } ]
confirm = { value = "siren", in = [1], within_s = 5 }

[[query]]
name = "ask"
step = [ { at = 61, function = 6, value = 39 }, { at = 60, function = 6, value = 1 } ]
done = { value = "busy", in = [0], within_s = 2 }
value = ["decimals"]

[[point]]
name = "fire"
kind = "fire"
nature = "state"
[[point]]
name = "gas"
kind = "gas"
nature = "state"
[[point]]
name = "hot"
kind = "temperature"
nature = "measurement"
alarm_above = 60
restore_below = 55
[[point]]
name = "button_{n}"
repeat = { n = [1, 2] }
kind = "panic"
nature = "state"
[[point]]
name = "press"
kind = "panic"
nature = "momentary"
counter_bits = 16
[[point]]
name = "warm_up"
kind = "equipment"
nature = "state"
category = "record"
[[point]]
name = "door"
kind = "access"
nature = "state"
category = "alarm"

[[set]]
point = "fire"
value = "last_event"
true_when = ["fire"]
else = "inactive"
[[set]]
point = "gas"
value = "too_high"
[[set]]
point = "hot"
value = "temperature"
[[set]]
point = "button_{n}"
repeat = { n = [1, 2] }
value = "loop_{n}"
true_when = ["alarm", "short"]
false_when = ["idle"]
[[set]]
point = "press"
value = "presses"
[[set]]
point = "warm_up"
value = "status"
true_when = ["warm_up"]
else = "inactive"
[[set]]
point = "door"
where = { which = 9 }
value = "mask"
[[set]]
point = "door"
where = { status = { in = ["monitor"], ignore = ["warm_up"] } }
value = "door"
invert = true

[[sample]]
note = "平静 / calm"
expect = []
[sample.words]
"257" = [0]
"10" = [0x8001, 150, 0, 1, 500, 7]
"21" = [2048, 2048]
"2:7" = [1]
"40" = [0xFFFF, 0x00D2]

[[sample]]
note = "二回路火警 / fire on loop 2"
address = { loop = 2, device = 3 }
words = { "515" = [1] }
expect = []

[[sample]]
note = "an entry"
log = "events"
words = { "0" = [7] }
expect = []
"""


def profile() -> dict[str, Any]:
    return tomllib.loads(TEXT)


def a_device(**address: int) -> Model:
    return Model(Sheet(profile(), address))


def ask(model: Model, text: str) -> str:
    return model.unit.answer(bytes.fromhex(text)).hex(" ").upper()
