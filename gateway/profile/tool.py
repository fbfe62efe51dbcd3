"""What `campus-gateway profile check` and `profile decode` need: judging a file, showing a sample.

Owns    running the samples of a profile, and readings as a person reads them.
Needs   shelf.py, mqtt.py, samples_modbus.py.
"""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from gateway.errors import BadFrame, ConfigFault
from gateway.events import ONLINE_POINT, Device, Point, Reading, Scalar
from gateway.profile.formula import BadFormula
from gateway.profile.modbus import plan_modbus
from gateway.profile.model import Profile
from gateway.profile.mqtt import MqttPlan, plan_mqtt
from gateway.profile.path import substitute
from gateway.profile.samples_modbus import lay_under, play, play_log, registers_of
from gateway.profile.schema import Expect, Sample
from gateway.profile.schema_modbus import Word
from gateway.profile.shelf import load_file
from gateway.profile.words import MESSAGE_DRIVERS

SAMPLE_NS = 1_795_241_133_000_000_000
"""When samples are received: 2026-11-21T06:05:33Z."""


_REGISTERS: Final = TypeAdapter(
    Annotated[
        dict[str, Annotated[list[Word], Field(min_length=1, max_length=2000)]],
        Field(min_length=1, max_length=60),
    ],
    config=ConfigDict(strict=True),
)


def check_file(path: Path | str) -> list[ConfigFault]:
    """Return every fault of one profile file, its samples included; empty when it will do."""
    return judge_file(path)[0]


def judge_file(path: Path | str) -> tuple[list[ConfigFault], list[str]]:
    """Return every fault of one profile file, and what its reader has to know all the same.

    The second are the lines of [profile] not_expressible: what the device has and nobody reads.
    """
    path = Path(path)
    profile, faults = load_file(path, path.with_suffix("").name)
    if profile is None:
        return faults, []
    for index, sample in enumerate(profile.samples):
        problem = try_sample(profile, sample)
        if problem is not None:
            key = f"sample[{index}]"
            faults.append(ConfigFault(str(path), key, problem[0], problem[1]))
    told = profile.body.profile.not_expressible
    return faults, [f"不可表达 / not expressible: {line}" for line in told]


def sample_device(profile: Profile, address: dict[str, Scalar] | None = None) -> Device:
    """Return a device of this profile whose address is made of the profile's examples."""
    full: dict[str, Scalar] = {}
    for name, key in profile.address.items():
        value = key.default if key.example is None else key.example
        if value is not None:
            full[name] = value
    full.update(address or {})
    return Device(
        id="sample",
        name="样例 / sample",
        place="",
        profile_id=profile.id,
        family=profile.family,
        link="sample",
        address=full,
        points=profile.points_for(full),
        silence_s=profile.silence_s,
    )


def sample_payload(sample: Sample) -> bytes:
    """Return a sample's bytes; raises ValueError when its hex or base64 is none."""
    if sample.payload is not None:
        return sample.payload.encode()
    if sample.hex is not None:
        return bytes.fromhex(sample.hex)
    return base64.b64decode(sample.base64 or "", validate=True)


def sample_topic(profile: Profile, sample: Sample, device: Device, plan: MqttPlan) -> str | None:
    """Return the topic a sample arrives on; None when it does not say and there are several."""
    words = {name: str(value) for name, value in profile.complete(device.address).items()}
    if sample.topic is not None:
        return substitute(sample.topic, words)
    first = plan.filters[0]
    return first if "+" not in first and len(profile.body.message) == 1 else None


def try_sample(profile: Profile, sample: Sample) -> tuple[str, str] | None:
    """Decode one sample; returns (what came, what was expected) when they differ, else None."""
    device = sample_device(profile, sample.address)
    faults = profile.check_address(device.address)
    if faults:
        return (f"address.{faults[0][0]}: {faults[0][1]}", faults[0][2])
    try:
        readings = _play(profile, sample, device)
    except BadFrame as error:
        good = sample.expect == "garbled"
        return None if good else (f"无法解码 / garbled: {error}", _expectation(sample))
    except BadSample as error:
        return error.problem
    return None if _meets(readings, sample) else (_seen(readings), _expectation(sample))


class BadSample(ValueError):
    """The sample itself is not well written; says what was expected."""

    def __init__(self, problem: str, expected: str) -> None:
        super().__init__(f"{problem}, expected {expected}")
        self.problem = (problem, expected)


def _play(profile: Profile, sample: Sample, device: Device) -> list[Reading]:
    if profile.driver in MESSAGE_DRIVERS:
        return _play_mqtt(profile, sample, device)
    try:
        if sample.log is not None:
            plan = plan_modbus(profile, device)
            return play_log(plan, sample.log, sample.words, SAMPLE_NS)
        return play(profile, device, registers_of(profile, device, sample.words), SAMPLE_NS)
    except BadFormula as error:
        raise BadSample(str(error), '"40001" / "4:0"') from error


def _play_mqtt(profile: Profile, sample: Sample, device: Device) -> list[Reading]:
    plan = plan_mqtt(profile, device)
    topic = sample_topic(profile, sample, device, plan)
    if topic is None or not _belongs(topic, plan):
        raise BadSample(f"主题不对 / not a topic of this profile: {topic}", ", ".join(plan.filters))
    try:
        payload = sample_payload(sample)
    except ValueError as error:
        problem = "报文写法不对 / the payload is not well written"
        raise BadSample(problem, "hex 或 / or base64") from error
    return plan.decode(topic, payload, retained=sample.retained, received_ns=SAMPLE_NS)


def _meets(readings: list[Reading], sample: Sample) -> bool:
    if sample.expect == "garbled" or len(readings) != len(sample.expect):
        return False
    return all(map(_fits, readings, sample.expect))


def _belongs(topic: str, plan: MqttPlan) -> bool:
    levels = topic.split("/")
    for known in (*plan.filters, *plan.shared):
        wanted = known.split("/")
        if len(wanted) == len(levels) and all(
            want in {"+", level} for want, level in zip(wanted, levels, strict=True)
        ):
            return True
    return False


def _fits(reading: Reading, expect: Expect) -> bool:
    shown = _show(reading)
    wanted = expect.model_dump(exclude_unset=True)
    return all(
        shown.get(name) == value and type(shown.get(name)) is type(value)
        for name, value in wanted.items()
    )


def _show(reading: Reading) -> dict[str, Any]:
    return {
        "point": reading.point,
        "active": reading.active,
        "value": reading.value,
        "observed": None if reading.observed_ns is None else rfc3339(reading.observed_ns),
        "duplicate": reading.duplicate,
        "priority": reading.priority,
        "attributes": reading.attributes,
        "unit": reading.unit,
        "historical": reading.historical or None,
    }


def _seen(readings: list[Reading]) -> str:
    shown = [
        {name: value for name, value in _show(reading).items() if value not in (None, {})}
        for reading in readings
    ]
    return f"得到 / got {shown}"


def _expectation(sample: Sample) -> str:
    if sample.expect == "garbled":
        return "garbled"
    return str([each.model_dump(exclude_unset=True) for each in sample.expect])


def rfc3339(utc_ns: int) -> str:
    """Write a time as the contract does: UTC with milliseconds."""
    seconds, rest = divmod(utc_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}Z"


def decode_sample(profile: Profile, topic: str | None, payload: bytes) -> dict[str, Any]:
    """Decode one message, or registers, as a device with the profile's example address has them.

    topic    MQTT: where it arrives; None takes the profile's first topic that has no wildcard
    payload  MQTT: the message. Modbus: JSON, {"40001": [193, 0]} as [[sample]] words has it
    returns  what `profile decode` prints: profile, readings or garbled, with Chinese text
    raises   BadSample when the registers are not written as they should be
    """
    device = sample_device(profile)
    head = {"profile": profile.id, "title": f"{profile.title} / {profile.title_en}"}
    if profile.driver == "modbus":
        return {**head, **decode_registers(profile, device, payload)}
    return {**head, **_decode_message(profile, device, topic, payload)}


def _decode_message(
    profile: Profile, device: Device, topic: str | None, payload: bytes
) -> dict[str, Any]:
    plan = plan_mqtt(profile, device)
    if topic is None:
        topic = next((each for each in plan.filters if "+" not in each), plan.filters[0])
        topic = topic.replace("+", "any")
    shown: dict[str, Any] = {
        "topic": topic,
        "topics": [*plan.filters, *plan.shared],
        "known_topic": _belongs(topic, plan),
    }
    try:
        readings = plan.decode(topic, payload, retained=False, received_ns=SAMPLE_NS)
    except BadFrame as error:
        return {**shown, "garbled": str(error), "readings": []}
    return {**shown, "garbled": None, "readings": _explained(readings, device)}


def decode_registers(profile: Profile, device: Device, payload: bytes) -> dict[str, Any]:
    """Show registers as words, as values by their names, and as what they mean."""
    try:
        words = _REGISTERS.validate_json(payload)
        held = registers_of(profile, device, words)
    except (ValidationError, BadFormula) as error:
        why = "不是寄存器 / no registers" if isinstance(error, ValidationError) else str(error)
        raise BadSample(why, '{"40001": [193, 0], "4:0": [7]}') from error
    played = lay_under(profile, device, held, SAMPLE_NS)
    return {
        "words": [
            {"function": function, "address": at, "word": word, "hex": f"0x{word:04X}"}
            for (function, at), word in sorted(held.items())
        ],
        "values": played.values,
        "missing": [
            f"{part.function}:{part.address}" + (f"–{part.end - 1}" if part.count > 1 else "")
            for part in played.missing
        ],
        "garbled": played.problem,
        "readings": _explained(played.readings, device),
    }


def _explained(readings: list[Reading], device: Device) -> list[dict[str, Any]]:
    return [_explain(reading, device.points.get(reading.point)) for reading in readings]


def _explain(reading: Reading, point: Point | None) -> dict[str, Any]:
    shown = _show(reading)
    if reading.point == ONLINE_POINT:
        there = bool(reading.value)
        return {
            **shown,
            "text": "在线" if there else "离线",
            "text_en": "online" if there else "offline",
        }
    if point is None:
        return shown
    text, text_en = point.text, point.text_en
    if reading.active is False:
        text, text_en = f"{text}(恢复)", f"{text_en} (over)"
    if reading.value is not None:
        unit = reading.unit or point.unit
        amount = f"{reading.value}{'' if unit is None else ' ' + unit}"
        text, text_en = f"{text}:{amount}", f"{text_en}: {amount}"
    return {
        **shown,
        "kind": str(point.kind),
        "nature": str(point.nature),
        "category": str(point.category),
        "text": text,
        "text_en": text_en,
    }
