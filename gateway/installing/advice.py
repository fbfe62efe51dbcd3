"""Advice: how every search ends: why it found what it found, and what a person does next. Pure.

Owns    the sentences a page shows below a result; the command line has its own (scan_text.py).
Needs   gateway.commission, for what a search has learnt.
Keeps   There is at least one line after every search, whatever came of it; each holds a reason and
        a next step that can be done on the page or at the device.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.commission.cameras import CLOCK_OFF_S, CameraFound
from gateway.commission.scan import Found
from gateway.commission.words import EXCEPTIONS
from gateway.config.inspection import both
from gateway.links.modbus import BusSettings

_STRANGE: Final = ("自定义异常", "an exception of its own")


def after_bus(settings: BusSettings, found: Found, taken: Mapping[int, str]) -> list[str]:
    """Return what to do after a bus was asked. taken: unit numbers that are devices already."""
    return list(_units(found, taken) if found.units else _nobody(settings, found))


def _units(found: Found, taken: Mapping[int, str]) -> Iterator[str]:
    fresh = [unit for unit in found.units if unit not in taken]
    if fresh:
        yield both(
            "有站号应答。下一步：对着铭牌选型号，按“添加设备”，先试一下再保存",
            "units answer. Next: choose the model by the type plate, press Add a device, try it "
            "before you save",
        )
    else:
        yield both(
            "应答的都已经是设备。少一台？下一步：查它的电源、拨码（不能与别台同号），扩大站号范围",
            "all that answer are devices already. One is missing? Next: check its power and its "
            "number, which no other may have, and ask more numbers",
        )
    if any(not each.fits or each.fits[0].sure != "likely" for each in found.units.values()):
        yield both(
            "Modbus 里没有型号名。下一步：拿不准时按铭牌选，再与设备自己的显示逐点核对",
            "Modbus has no model names. Next: go by the type plate, and compare each value with "
            "the device's own display",
        )
    for each in found.units.values():
        states = {known.state for known in each.functions.values()}
        if each.functions and "answers" not in states:
            yield both(
                f"{each.unit} 号站在，但试过的地址都没有。下一步：按说明书核对地址表，注意从 0 "
                "还是从 1 数",
                f"unit {each.unit} is there but has none of the addresses tried. Next: take them "
                "from its manual; mind whether it counts from 0 or 1",
            )
    if found.unit_ignored:
        yield both(
            "每个站号都一样应答，是独占一条连接的设备。下一步：只加一台，站号照说明书",
            "every number answers alike: one device has the connection for itself. Next: add one, "
            "with the number of its manual",
        )
    yield from _doubts(found)


def _nobody(settings: BusSettings, found: Found) -> Iterator[str]:
    if found.ended is not None:
        yield both(
            "没有问完，不能说没有设备。下一步：连通后再查一次",
            "not all were asked, so nothing can be said. Next: look again once it connects",
        )
    if found.spoiled:
        yield both(
            "有信号但没有一帧完整。下一步：先查波特率和校验，再查 A/B 线和终端电阻",
            "signals arrive but no whole frame. Next: check baud and parity, then A/B and the "
            "terminating resistors",
        )
    elif found.gateway:
        said = [EXCEPTIONS.get(code, _STRANGE) for code in sorted(found.gateway)]
        why_zh, why_en = (", ".join(dict.fromkeys(each[at] for each in said)) for at in (0, 1))
        yield both(
            f"转换器在，后面没有一台应答（{why_zh}）。下一步：查它的串口参数、485 接线、设备电源",
            f"the converter is there, nothing behind it answers ({why_en}). Next: check its serial "
            "settings, the RS-485 wiring, the devices' power",
        )
    elif found.ended is None:
        yield both(
            "连上了，没有一个站号应答。下一步：A/B 对调试一次，接上 GND，查设备电源和站号拨码，"
            "扩大站号范围",
            "it connects, and no unit answers. Next: swap A and B once, connect GND, check the "
            "devices' power and their numbers, ask more numbers",
        )
        other = {"tcp": "rtu-over-tcp", "rtu-over-tcp": "tcp"}.get(settings.scheme)
        if other is not None:
            yield both(
                "转换器有透传和协议转换两种，说法不同。下一步：链路选“还没有建的链路”，地址写 "
                f"{other}://{settings.host}:{settings.port} 再查",
                "a converter is either transparent or speaks Modbus TCP. Next: choose a bus that "
                f"is not set up yet and look at {other}://{settings.host}:{settings.port}",
            )
    yield from _doubts(found)


def _doubts(found: Found) -> Iterator[str]:
    if found.strange["foreign"] or found.strange["unsolicited"]:
        numbers = ", ".join(map(str, sorted(found.strangers)))
        yield both(
            f"总线上有别的主站或两台同号（{numbers} 号）。下一步：拔掉调试电脑，查拨码",
            f"another master, or one number given twice ({numbers}). Next: unplug the laptop, "
            "check the switches",
        )


def after_topics(rows: Sequence[Mapping[str, Any]], refused: Sequence[str]) -> list[str]:
    """Return what to do after a broker was listened to. rows: with `known` for a device's own."""
    fresh = sum(not row["known"] for row in rows)
    if fresh:
        lines = [
            both(
                f"听到 {fresh} 个不认识的主题。下一步：找到您按的那个，按“添加设备”",
                f"{fresh} unknown topics were heard. Next: find the one you pressed, press Add a "
                "device",
            )
        ]
    elif rows:
        lines = [
            both(
                "听到的都已经是设备，新设备没有出声。下一步：让人按住它再听久一点；查它连的是不是"
                "这个代理、账号和电池",
                "only devices that are set up spoke. Next: have the new one pressed and listen "
                "longer; check that it is on this broker, its account, its battery",
            )
        ]
    else:
        lines = [
            both(
                "什么也没听到。下一步：查设备连的代理地址、账号、电池或网线，按一下再听",
                "nothing was heard. Next: check the broker's address in the device, its account, "
                "battery or cable; press it and listen again",
            )
        ]
    if refused:
        shown = ", ".join(refused[:3])
        lines.append(
            both(
                f"代理不让网关听 {shown}。下一步：给网关的账号读的权限",
                f"the broker does not let the gateway hear {shown}. Next: give its account the "
                "right to read",
            )
        )
    return lines


def after_cameras(found: Sequence[CameraFound], is_named: bool) -> list[str]:  # noqa: FBT001
    """Return what to do after cameras were looked for. is_named: one address was asked."""
    answered = [each for each in found if not each.why]
    if not answered:
        if is_named:
            return [
                both(
                    "这个地址不应答。下一步：查 IP 和端口，在摄像机网页里打开 ONVIF，"
                    "与网关同一网段",
                    "nothing answers there. Next: check address and port, switch ONVIF on at the "
                    "camera's own page, be on its network",
                )
            ]
        return [
            both(
                "没有摄像机应答。下一步：在摄像机网页里打开 ONVIF；广播不过路由器，隔着就写出地址",
                "no camera answered. Next: switch ONVIF on at the camera's own page; a search does "
                "not cross routers, so name the address if there is one between",
            )
        ]
    lines = [
        both(
            "找到了。下一步：先在摄像机里换掉出厂密码，给网关建一个只看的账号，再按“添加这台摄像机”",
            "found. Next: change the maker's password at the camera, make an account there that "
            "may only look, then press Add this camera",
        )
    ]
    if any(each.offset_s is not None and abs(each.offset_s) > CLOCK_OFF_S for each in answered):
        lines.append(
            both(
                "有摄像机时钟不准，录像时刻会对不上。下一步：在它里面设 NTP，服务器写网关或学校的",
                "a clock is wrong, so its pictures' times are. Next: set NTP in the camera to the "
                "gateway's or the school's server",
            )
        )
    return lines


def after_failure(what: str) -> str:
    """Return the last line of a search that could not be carried out."""
    return {
        "modbus": both(
            "下一步：查网线、地址和端口；485 转换器一次只接一个主站",
            "next: check cable, address and port; most converters take one master at a time",
        ),
        "topics": both(
            "下一步：查链路是否连通（设备页），代理在不在",
            "next: see whether the link is up (the devices' page) and the broker runs",
        ),
    }.get(what, both("下一步：查网络，再找一次", "next: check the network, look again"))
