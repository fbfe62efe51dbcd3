"""What a scan found, for a person and for a program: and what to try next.

Owns    the words of a scan's result.
Needs   scan.py.
Keeps   1. Every result ends with a next step, also "nothing found".
        2. What was not looked at is never said to be missing.
"""

from collections.abc import Iterator
from typing import Any, Final

from gateway.commission.fit import Fit
from gateway.commission.ranges import Known
from gateway.commission.scan import Found, UnitFound
from gateway.commission.words import FUNCTION_NAMES, exception, explained, numbered
from gateway.config.inspection import both
from gateway.links.modbus import BusSettings

MAX_RANGES: Final = 12
_SURE: Final = {
    "likely": ("很像", "likely"),
    "possible": ("可能", "possible"),
    "unlikely": ("不大像", "unlikely"),
}


def lines_of(settings: BusSettings, found: Found) -> list[str]:
    """Return the result for a person."""
    return [*_head(settings, found), *_units(found), *_troubles(found), *_next(settings, found)]


def document_of(settings: BusSettings, found: Found) -> dict[str, Any]:
    """Return the result for a program; every key is always there."""
    return {
        "link": settings.where,
        "asked": found.asked,
        "requests": found.requests,
        "seconds": round(found.seconds, 3),
        "complete": found.ended is None,
        "ended": found.ended,
        "unit_ignored": found.unit_ignored,
        "units": [_unit_document(each) for each in found.units.values()],
        "gateway_exceptions": {str(code): often for code, often in found.gateway.items()},
        "spoiled": {str(unit): why for unit, (why, _) in found.spoiled.items()},
        "late_seconds": {str(unit): round(late, 3) for unit, late in found.late.items()},
        "strange": dict(found.strange),
        "next": list(_next(settings, found)),
    }


def _unit_document(each: UnitFound) -> dict[str, Any]:
    return {
        "unit": each.unit,
        "timeout_seconds": round(each.timeout_s, 3),
        "exception": each.first.code,
        "functions": {
            str(function): {
                "state": known.state,
                "ranges": [list(span) for span in known.ranges()],
                "most_in_one_read": known.limit,
                "complete": known.complete,
            }
            for function, known in each.functions.items()
        },
        "profiles": [
            {
                "id": fit.profile_id,
                "title": fit.title,
                "title_en": fit.title_en,
                "sure": fit.sure,
                "addresses_wanted": fit.wanted,
                "addresses_answered": fit.answered,
                "why": fit.why,
                "texts": list(fit.texts),
            }
            for fit in each.fits
        ],
    }


def _head(settings: BusSettings, found: Found) -> Iterator[str]:
    count = len(found.units)
    yield (
        settings.where
        + ": "
        + both(
            f"问了 {len(found.asked)} 个站号，{count} 个应答；{found.requests} 次读，"
            f"{found.seconds:.0f} 秒，没有写",
            f"{len(found.asked)} numbers asked, {count} answered; {found.requests} reads in "
            f"{found.seconds:.0f} s, nothing was written",
        )
    )
    if found.ended is not None:
        yield both("没有做完：", "not finished: ") + found.ended
    if found.unit_ignored:
        yield both(
            "无论什么站号都同样应答：设备独占这个连接，站号写 1",
            "every number answers alike: the device has the connection for itself, write unit = 1",
        )


def _units(found: Found) -> Iterator[str]:
    for each in found.units.values():
        yield ""
        said = ("", "") if each.first.code is None else exception(each.first.code)
        yield both(f"{each.unit} 号站在{said[0]}", f"unit {each.unit} is there{said[1]}")
        for function, known in each.functions.items():
            yield from _function(function, known)
        for fit in each.fits:
            if not fit.weak:
                yield from _fit(fit)
        weak = [fit.profile_id for fit in each.fits if fit.weak]
        if weak:
            yield "  → " + both(
                f"也读得通，但读得太少，换别的设备也一样：{', '.join(weak)}",
                f"can be read too, but read so little that any device would do: {', '.join(weak)}",
            )
        if each.functions and not each.fits:
            yield "  " + both(
                "没有现成型号合适：照说明书写一个，见 config/profiles/README.md",
                "no shipped profile fits: write one from the manual, config/profiles/README.md",
            )


def _function(function: int, known: Known) -> Iterator[str]:
    chinese, english = FUNCTION_NAMES[function]
    head = f"  {function:02d} " + both(chinese, english) + ": "
    if known.state == "unasked":
        yield head + both("还没有看", "not looked at")
        return
    if not known.held:
        code = "" if known.code is None else " " + both(*exception(known.code))
        word = {
            "unknown": both("不支持", "not supported"),
            "silent": both("不应答", "no answer"),
        }.get(known.state, both("问过的地址都没有", "none of the addresses that were asked"))
        yield head + word + code
        return
    spans = known.ranges()
    shown = ", ".join(_span(function, *span) for span in spans[:MAX_RANGES])
    more = f" … ({len(spans)})" if len(spans) > MAX_RANGES else ""
    yield head + shown + more
    if known.limit is not None:
        yield "     " + both(
            f"一次最多读 {known.limit} 个（型号里写 max_registers 或 max_bits）",
            f"at most {known.limit} in one read (max_registers or max_bits of a profile)",
        )
    if not known.complete:
        yield "     " + both("没有看完，可能还有", "not looked through, there may be more")


def _span(function: int, first: int, last: int) -> str:
    """0–3 (40001–40004): on the wire, and as most documents write it."""
    wire = str(first) if first == last else f"{first}–{last}"
    low, high = (numbered(function, each, "reference") for each in (first, last))
    return f"{wire} ({low if first == last else f'{low}–{high}'})"


def _fit(fit: Fit) -> Iterator[str]:
    sure = both(*_SURE[fit.sure])
    yield f"  → {fit.profile_id}  {both(fit.title, fit.title_en)}  [{sure}]"
    yield f"     {fit.why}"
    if fit.texts:
        yield "     " + both("设备自述", "it says of itself") + ": " + " | ".join(fit.texts)


def _troubles(found: Found) -> Iterator[str]:
    for unit, (why, often) in found.spoiled.items():
        if unit in found.units:
            continue
        yield ""
        yield (
            both(
                f"{unit} 号：有应答但读不通（{often} 次），多半是两台设备同号，或波特率、校验不对",
                f"number {unit}: something answers that cannot be read ({often} times), most "
                "likely two devices with one address, or the wrong baud rate or parity",
            )
            + f": {why}"
        )
    for unit, late_s in found.late.items():
        yield both(
            f"{unit} 号站 {late_s:.2f} 秒才应答：--timeout {late_s * 1.5:.1f}，"
            f"配置里写 timeout_seconds",
            f"unit {unit} takes {late_s:.2f} s: --timeout {late_s * 1.5:.1f}, and timeout_seconds "
            "in the [[link]]",
        )
    if found.strange["foreign"] or found.strange["unsolicited"]:
        numbers = ", ".join(map(str, sorted(found.strangers)))
        yield both(
            f"总线上有别的主站或重复地址（{numbers} 号）：拔掉调试电脑，检查拨码",
            f"another master, or an address given twice (number {numbers}): unplug the laptop, "
            "check the switches",
        )


def _next(settings: BusSettings, found: Found) -> Iterator[str]:
    if found.units:
        yield from _next_found(found)
        return
    yield ""
    if found.ended is not None:
        yield both("没有问完，不能说没有设备", "not all were asked: this says nothing of the rest")
        return
    if found.spoiled:
        yield both(
            "有信号但没有一帧完整：先查波特率和校验，再查 A/B 线和终端电阻",
            "signals arrive but no whole frame: check baud and parity first, then wiring",
        )
    if found.gateway:
        codes = ", ".join(explained(code) for code in sorted(found.gateway))
        yield both(
            f"转换器在，后面的从站都不应答（异常 {codes}）：查它的串口参数和 485 接线",
            f"the converter is there, no unit behind it answers (exception {codes}): check its "
            "serial settings and the RS-485 wiring",
        )
    elif settings.scheme == "tcp":
        other = f"rtu-over-tcp://{settings.host}:{settings.port}"
        yield (
            both(
                "端口能连上，没有一个站号应答。透传转换器不认 Modbus TCP，改试：",
                "the port connects and no number answers. A transparent converter does not speak "
                "Modbus TCP; try:",
            )
            + f" campus-gateway scan modbus {other}"
        )
    elif settings.scheme == "rtu-over-tcp":
        other = f"tcp://{settings.host}:{settings.port}"
        yield (
            both(
                "端口能连上，没有应答。协议转换型的转换器要用 Modbus TCP，改试：",
                "the port connects and nobody answers. A protocol converter wants Modbus TCP; try:",
            )
            + f" campus-gateway scan modbus {other}"
        )
    if settings.rtu:
        yield from _wiring(settings)
    yield both(
        "站号不在范围内？--units 1-247（慢）；设备慢？--timeout 1",
        "the number lies elsewhere? --units 1-247 (slow); a slow device? --timeout 1",
    )


def _wiring(settings: BusSettings) -> Iterator[str]:
    yield both(
        "接线：A/B 对调试一次；公共端 GND 要接；总线两头各一个 120 Ω；设备有电",
        "wiring: swap A and B once; connect GND; 120 Ω at both ends of the line only; power is on",
    )
    yield both(
        "拨码：站号改后多数设备要断电重启才生效；两台同号会互相毁掉应答",
        "switches: most devices take a new number only after a power cycle; two with one number "
        "spoil each other",
    )
    if settings.scheme == "serial":
        line = f"{settings.baud} 8{settings.parity}{settings.stop_bits:g}"
        yield both(
            f"现在用 {line}。波特率、校验不明时加 --serial-guess 自动试",
            f"now {line}. If baud or parity are unknown add --serial-guess to try the usual ones",
        )
    else:
        yield both(
            "波特率和校验在转换器的网页里设，要与设备铭牌一致",
            "baud and parity are set on the converter's page and must be those of the device",
        )


def _next_found(found: Found) -> Iterator[str]:
    yield ""
    unit = next(iter(found.units))
    yield (
        both(
            f"下一步：devices.toml 写 address = {{ unit = {unit} }} 和型号，再",
            f"next: write address = {{ unit = {unit} }} and the profile into devices.toml, then",
        )
        + " campus-gateway check --config DIR; campus-gateway probe --config DIR --device ID"
    )
    unsure = [each for each in found.units.values() if each.functions and not _is_sure(each)]
    if unsure:
        yield both(
            "型号以铭牌为准：Modbus 里没有型号；拿不准就用 probe 对着设备的显示逐点核对",
            "the type plate decides, Modbus has no model names: compare what probe shows with the "
            "device's own display, point by point",
        )
    for each in found.units.values():
        states = {known.state for known in each.functions.values()}
        if each.functions and "answers" not in states:
            yield both(
                f"{each.unit} 号站在，但试过的地址都没有：按说明书的地址表写型号，注意 0 或 1 起",
                f"unit {each.unit} is there but has none of the addresses that were tried: take "
                "them from its manual and mind whether it counts from 0 or 1",
            )


def _is_sure(each: UnitFound) -> bool:
    return bool(each.fits) and each.fits[0].sure == "likely"
