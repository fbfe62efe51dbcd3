"""Telling devices something: which commands there are, how one is sent, how it is written down.

Owns    the form of the record of a command: campus.event.recorded.v1 of the device's point
        "command", with command, state, why, by and whatever else the sender knows.
Needs   gateway.driver (Commander), the intake's ledger for writing, profiles for the names.
Keeps   1. tell() always answers, at the latest after MOST_S: a driver that cannot, is not there or
           breaks is an outcome "failed" with its reason, never an error.
        2. Nothing is sent that `Device.commands` does not name: asked here once more than needed.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from gateway.driver import Commander, Outcome
from gateway.events import MAX_ATTRIBUTE_CHARS, MAX_ATTRIBUTES, Device, Kind, Scalar
from gateway.judge import Judge
from gateway.profile import Shelf
from gateway.rules.ledger import Ledger
from gateway.store import Draft
from gateway.words import Said

MOST_S: Final = 900.0
"""Longest a command may take: more than the longest proof (600 s) with its writes."""
POINT: Final = "command"
STATES: Final = {
    "requested": Said("已请求", "requested"),
    "waiting": Said("等待第二人", "waits for a second person"),
    "done": Said("已证实", "proved"),
    "sent": Said("已发送，未证实", "sent, not proved"),
    "failed": Said("失败", "failed"),
    "refused": Said("已拒绝", "refused"),
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A command of a device's profile.

    permission  the least role of the person who may send it: guard, leader or installer
    allowed     whether the installer allowed it for this device
    """

    name: str
    text: str
    text_en: str
    effect: str
    permission: str
    allowed: bool


class Commanding:
    """See the module.

    drivers  the link's driver by the link's name, as far as they run; looked at for each command
    """

    def __init__(
        self,
        devices: Sequence[Device],
        shelf: Shelf,
        drivers: Mapping[str, object],
        judge: Judge,
    ) -> None:
        self.devices: dict[str, Device] = {}
        self._drivers = drivers
        self._judge = judge
        self._known: dict[str, dict[str, Known]] = {}
        self.change(devices, shelf)

    def change(self, devices: Sequence[Device], shelf: Shelf) -> None:
        """These are the devices from now on; whoever holds `devices` sees them at once."""
        self.devices.clear()
        self.devices.update({device.id: device for device in devices})
        self._known = {
            device.id: known for device in devices if (known := _known_of(device, shelf))
        }

    def known(self, device_id: str) -> Mapping[str, Known]:
        """Every command of a device by its name, allowed or not."""
        return self._known.get(device_id, {})

    async def tell(self, device_id: str, name: str) -> Outcome:
        """Have the device's driver carry out a command."""
        device = self.devices[device_id]
        if name not in device.commands:
            return Outcome("refused", f"设备不允许 {name} / not allowed for this device")
        driver = self._drivers.get(device.link)
        if driver is None:
            return Outcome("failed", f"链路 {device.link} 还没有启动 / the link has not started")
        if not isinstance(driver, Commander):
            return Outcome("failed", f"链路 {device.link} 不能发命令 / the link takes no commands")
        try:
            async with asyncio.timeout(MOST_S):
                return await driver.command(device_id, name)
        except TimeoutError:
            return Outcome("failed", f"{MOST_S:.0f} 秒内没有结果 / no outcome within that time")
        except Exception as error:  # the edge: a driver's bug is a command that failed
            log.exception("a driver broke over a command", device=device_id, command=name)
            return Outcome("failed", f"驱动出错 / the driver broke: {type(error).__name__}")

    def note(
        self,
        ledger: Ledger,
        device_id: str,
        command: str,
        outcome: tuple[str, str],
        *,
        kind: Kind = Kind.EQUIPMENT,
        mode: str = "live",
        attributes: Mapping[str, Scalar | None],
    ) -> None:
        """Write one record about a command; outcome is (state, why), None attributes are left out.

        For a device that does not exist pass the gateway's id.
        """
        state, why = outcome
        subject = self._judge.subject(device_id, POINT)
        known = self.known(device_id).get(command)
        named = Said(command, command) if known is None else Said(known.text, known.text_en)
        so = STATES.get(state, Said(state, state))
        words = Said(f"{named.zh} {so.zh}", f"{named.en} {so.en}")
        every = {"command": command, "state": state, "why": why, **attributes}
        kept = {name: _bounded(value) for name, value in every.items() if value not in {None, ""}}
        ledger.write(
            Draft(
                type="event.recorded",
                subject=subject,
                kind=str(kind),
                priority=3,
                received_ns=ledger.now_ns,
                quality=ledger.quality,
                text=f"{subject.place} {subject.name} {words.zh}".strip(),
                words=words.cut(),
                mode=mode,
                attributes=dict(list(kept.items())[:MAX_ATTRIBUTES]),
            )
        )


def _known_of(device: Device, shelf: Shelf) -> dict[str, Known]:
    profile = shelf.get(device.profile_id)
    return {
        command.name: Known(
            name=command.name,
            text=command.text,
            text_en=command.text_en,
            effect=command.effect,
            permission=command.permission,
            allowed=command.name in device.commands,
        )
        for command in (() if profile is None else profile.body.command)
    }


def _bounded(value: Scalar | None) -> Scalar:
    return value[:MAX_ATTRIBUTE_CHARS] if isinstance(value, str) else value or 0
