"""What a probe has read, in columns for a person and as a document for a program.

Owns    the columns, and the words that say which key of which file to change.
Needs   probe.py.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.commission.probe import PointNow, Probe, ValueNow
from gateway.commission.words import ORDERS, hexadecimal, shown, written
from gateway.config.inspection import both
from gateway.profile import shipped_folder

QUALITY: Final = {
    "good": ("好", "good"),
    "unknown": ("未知", "unknown"),
    "garbled": ("乱码", "garbled"),
    "refused": ("拒绝", "refused"),
    "silent": ("不应答", "silent"),
    "unasked": ("没有读", "not read"),
}
MAX_WORDS_SHOWN: Final = 8
HEAD: Final = ("值/value", "地址/address", "fc:wire", "hex", "dec", "解出/decoded", "数值/scaled",
               "测点/point", "质量/quality", "age")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Files:
    """What the installer would edit: the profile's file, and the one the device is in."""

    profile: str
    device: str


def lines_of(probe: Probe, files: Files, now_ns: int) -> list[str]:
    """Return everything for a person."""
    device, profile = probe.device, probe.profile
    lines = [
        f"{device.id} {shown(device.name)}: {both(profile.title, profile.title_en)}, "
        f"unit {probe.plan.unit}, {files.profile}",
        *_table([HEAD, *(_row(each, now_ns) for each in probe.values)]),
        *_orders(probe),
        *(line for each in probe.values if each.near for line in _neighbours(each)),
        "",
        *(_point_line(each) for each in probe.points.values()),
        *_advice(probe, files),
    ]
    return [line.rstrip() for line in lines]


def document_of(probe: Probe, files: Files, now_ns: int) -> dict[str, Any]:
    """Return everything for a program; every key is always there."""
    return {
        "device": probe.device.id,
        "profile": probe.profile.id,
        "file": files.profile,
        "device_file": files.device,
        "unit": probe.plan.unit,
        "complete": probe.complete,
        "problem": probe.problem,
        "others_answer": probe.others,
        "values": [_value_document(each, now_ns) for each in probe.values],
        "points": [
            {
                "name": name,
                "kind": str(each.point.kind),
                "category": str(each.point.category),
                "known": each.known,
                "active": each.active,
                "value": each.value,
                "unit": each.unit,
            }
            for name, each in probe.points.items()
        ],
        "advice": list(_advice(probe, files)),
    }


def _value_document(each: ValueNow, now_ns: int) -> dict[str, Any]:
    place = each.place
    return {
        "name": place.value.name,
        "address": place.document,
        "function": place.function,
        "wire_address": place.address,
        "words": None if each.words is None else list(each.words),
        "form": place.value.form,
        "decoded": each.decoded,
        "value": each.value,
        "unit": each.unit,
        "points": list(each.points),
        "quality": each.quality,
        "why": each.why,
        "age_seconds": _age_s(each, now_ns),
        "order": each.order,
        "orders": each.variants,
        "likely_orders": list(each.likely),
        "neighbours": {where: near.text for where, near in each.near.items()},
    }


def profile_file(folder: Path, profile_id: str) -> str:
    """Return the file a profile is in: the installation's own, else the shipped one."""
    own = folder / "profiles" / f"{profile_id}.toml"
    return str(own if own.is_file() else shipped_folder() / f"{profile_id}.toml")


# --- columns -------------------------------------------------------------------------------------


def _age_s(each: ValueNow, now_ns: int) -> float | None:
    return None if each.read_ns is None else round((now_ns - each.read_ns) / 1e9, 1)


def _row(each: ValueNow, now_ns: int) -> tuple[str, ...]:
    place, words, age = each.place, each.words, _age_s(each, now_ns)
    more = "" if words is None or len(words) <= MAX_WORDS_SHOWN else " …"
    some = () if words is None else words[:MAX_WORDS_SHOWN]
    unit = f" {each.unit}" if each.unit and each.value is not None else ""
    return (
        place.value.name,
        place.document,
        f"{place.function:02d}:{place.address}",
        hexadecimal(some) + more,
        " ".join(map(str, some)) + more,
        f"{each.decoded} {place.value.form}",
        written(each.value) + unit,
        ", ".join(each.points) or "—",
        both(*QUALITY[each.quality]) + (f": {each.why}" if each.why else ""),
        "—" if age is None else f"{age:.1f} s",
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Put texts into columns; a Chinese character takes two places. The last two are ragged."""
    fixed = len(HEAD) - 2
    widths = [max(_width(row[at]) for row in rows) for at in range(fixed)]
    for row in rows:
        cells = [row[at] + " " * (widths[at] - _width(row[at])) for at in range(fixed)]
        yield "  ".join([*cells, row[-1].rjust(6), row[-2]])


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _orders(probe: Probe) -> Iterator[str]:
    several = [each for each in probe.values if each.variants]
    if not several:
        return
    yield ""
    yield both(
        "32 位以上的值在四种字序下各是多少，* 为现用：",
        "numbers of 32 bits and more in the four orders, * is the one in use:",
    )
    for each in several:
        shown_orders = "   ".join(
            f"{'*' if name == each.order else ' '}{name} {text}"
            for name, text in each.variants.items()
        )
        yield f"  {each.place.value.name} ({each.place.document}): {shown_orders}"


def _neighbours(each: ValueNow) -> Iterator[str]:
    found = "   ".join(f"[{name}] {near.text}" for name, near in each.near.items())
    yield (
        f"  {each.place.value.name} ({each.place.document}) "
        + both("旁边", "beside")
        + f": {found}"
    )


def _point_line(each: PointNow) -> str:
    point = each.point
    unit = f" {each.unit}" if each.unit else ""
    value = (
        "" if each.value is None or each.active == each.value else f"{written(each.value)}{unit}"
    )
    if not each.known:
        state = both("未知", "unknown")
    elif each.active is None:
        state = value or both("没有发生", "nothing happened")
        value = ""
    elif each.active:
        state = both(f"报警：{point.text}", f"would be active: {point.text_en}")
    else:
        state = both("正常", "normal")
    return f"  {point.name} [{point.kind}/{point.category}]: {state} {value}"


# --- what to do ----------------------------------------------------------------------------------


def _advice(probe: Probe, files: Files) -> Iterator[str]:
    file = files.profile
    yield from _silent(probe, files.device)
    for each in probe.values:
        yield from _wrong_order(probe, each, file)
        yield from _wrong_place(probe, each, file)
    if probe.problem is not None:
        yield both(
            f"有内容解不开：{probe.problem}。先核对型号，再核对 {file} 里的 form、bits、names",
            f"something does not decode: {probe.problem}. Is it this model? then see form, bits "
            f"and names in {file}",
        )


def _silent(probe: Probe, file: str) -> Iterator[str]:
    if not all(each.quality in {"silent", "unasked"} for each in probe.values):
        return
    unit, key = probe.plan.unit, f'device["{probe.device.id}"].address.unit'
    if probe.others:
        others = ", ".join(map(str, probe.others))
        yield both(
            f"{unit} 号站不应答，应答的有 {others} 号：改 {file} 的 {key}，或改拨码并断电重启",
            f"unit {unit} is silent, those that answer: {others}. Change {key} in {file}, or the "
            "switches of the device and power it off and on",
        )
    else:
        yield (
            both(
                f"{unit} 号站不应答，1 至 16 号也都不应答：查电源、A/B 线、波特率和校验，再",
                f"unit {unit} is silent, and so are 1 to 16: check power, A and B, baud and "
                "parity, then",
            )
            + " campus-gateway scan modbus URL"
        )


def _wrong_order(probe: Probe, each: ValueNow, file: str) -> Iterator[str]:
    if not each.likely or each.order is None:
        return
    tried = each.likely[0]
    word_order, byte_order = ORDERS[tried]
    before = ORDERS[each.order]
    keys = [
        f'{key} = "{now}"'
        for key, now, then in (
            ("word_order", word_order, before[0]),
            ("byte_order", byte_order, before[1]),
        )
        if now != then
    ]
    name = each.place.value.name
    others = ", ".join(f"{order} {each.variants[order]}" for order in each.likely)
    yield both(
        f"{name} 按 {each.order} 是 {each.variants[each.order]}，不像真的；{others}。与设备的显示"
        f"核对后，在 {file} 的 [modbus]（全部）或 [[value]] {name} 里写 {' 和 '.join(keys)}",
        f"{name} read as {each.order} is {each.variants[each.order]}, hardly true; {others}. "
        f"Compare with the device's display, then write {' and '.join(keys)} into [modbus] (for "
        f"all) or [[value]] {name} of {file}",
    ) + _how_to_own(probe, file)


def _wrong_place(probe: Probe, each: ValueNow, file: str) -> Iterator[str]:
    """A refused value that answers next door: say which key says so."""
    if each.quality != "refused":
        return
    name = each.place.value.name
    for where, near in each.near.items():
        if not near.answers:
            continue
        key = (
            f"function = {where.removeprefix('function ')}"
            if where.startswith("function")
            else f"at, [modbus] numbering ({where})"
        )
        yield both(
            f"{name} 在 {where} 处有应答（{near.text}）：核对说明书，改 {file} 的 "
            f"[[value]] {name}: {key}",
            f"{name} answers at {where} ({near.text}): see the manual, change [[value]] {name} "
            f"of {file}: {key}",
        ) + _how_to_own(probe, file)


def _how_to_own(probe: Probe, file: str) -> str:
    """A shipped file is not edited: a copy in the folder's own profiles/ takes its place."""
    if Path(file).is_relative_to(shipped_folder()):
        own = f"DIR/profiles/{probe.profile.id}.toml"
        return both(f"（先复制成 {own} 再改）", f" (copy it to {own} first and edit the copy)")
    return ""
