"""A button on a camera's input, from the contact to the police, through a real gateway process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulators.brokers import free_port
from simulators.inbox import Inbox, Received
from simulators.onvif import OnvifCamera
from simulators.police import Police
from tests.conftest import POLICE_SECRET
from tests.harness import Gateway, http

pytestmark = pytest.mark.timeout(300)

DEVICES = """
[[device]]
id = "btn-guard"
profile = "camera/onvif_digital_input"
link = "cam-gate"
name = "门卫按钮"
place = "西门"
address = { input = "DI_1", kind = "panic" }
[[device]]
id = "cam-gate-tamper"
profile = "camera/onvif_tamper"
link = "cam-gate"
place = "西门"
address = { source = "VideoSource_1" }
"""


@dataclass
class School:
    """A gateway with one camera, and the police."""

    gateway: Gateway
    camera: OnvifCamera
    police: Police

    async def record(self, kind: str, point: str = "btn-guard/input", nth: int = 1) -> Received:
        """Return the nth record of a type once the police has it."""

        def found(box: Inbox) -> list[Received]:
            return [
                r
                for r in box.received
                if r.record["type"] == f"campus.{kind}.v1" and r.record["subject"] == point
            ]

        await self.police.inbox.until(lambda box: len(found(box)) >= nth, 60)
        return found(self.police.inbox)[nth - 1]

    async def link_is_up(self) -> None:
        await self.camera.until_asked("SetSynchronizationPoint")
        await self.gateway.no_fault("gw-1/link.cam-gate")


@asynccontextmanager
async def school(folder: Path) -> AsyncIterator[School]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        camera = await enter(OnvifCamera(inputs=["DI_1"]))
        police = await enter(Police(secret=POLICE_SECRET, inbox=Inbox(folder / "police.inbox")))
        link = f"""
[[link]]
name = "cam-gate"
kind = "onvif"
url = "http://127.0.0.1:{camera.port}"
username = "{camera.account.user}"
password_env = "CAMERA_PASSWORD"
pull_seconds = 2.0
"""
        gateway = await enter(
            Gateway(
                folder=folder,
                field_port=free_port(),
                devices=[],
                uplinks=[http("police", police.port)],
                more=link,
                env={"CAMERA_PASSWORD": camera.account.password},
            )
        )
        (folder / "config" / "devices.toml").write_text(DEVICES, "utf-8")
        await gateway.start()
        yield School(gateway, camera, police)


async def test_a_press_reaches_the_police_through_a_reboot_of_the_camera_and_a_death_of_ours(
    tmp_path: Path,
) -> None:
    async with school(tmp_path) as here:
        await here.link_is_up()
        here.camera.set_input("DI_1", True)
        raised = (await here.record("alarm.raised")).record
        assert raised["data"]["kind"] == "panic"
        assert raised["data"]["attributes"]["operation"] == "Changed"
        assert raised["data"]["observed_at"] is not None

        await here.camera.power_off()
        await here.gateway.fault("gw-1/link.cam-gate")
        await here.camera.power_on()
        await here.gateway.no_fault("gw-1/link.cam-gate")
        assert "btn-guard/input" in await here.gateway.alarms()  # pressed still, and the same alarm
        here.camera.set_input("DI_1", False)
        restored = (await here.record("alarm.restored")).record
        assert restored["data"]["alarm_id"] == raised["data"]["alarm_id"]

        # Pressed and let go again while the gateway is dead: only the camera's queue knows of it.
        await here.gateway.kill()
        here.camera.set_input("DI_1", True)
        here.camera.set_input("DI_1", False)
        await here.gateway.start()
        again = (await here.record("alarm.repeated")).record
        assert again["data"]["alarm_id"] == raised["data"]["alarm_id"]
        told = [r.record for r in here.police.inbox.received]
        assert [r["type"] for r in told if r["subject"] == "btn-guard/input"].count(
            "campus.alarm.raised.v1"
        ) == 1


async def test_a_camera_that_turns_hostile_costs_one_fault_and_its_tampering_is_told(
    tmp_path: Path,
) -> None:
    async with school(tmp_path) as here:
        await here.link_is_up()
        before_kib = _memory_kib(here.gateway.pid)
        here.camera.conduct.garbage = b"<a>" + b"<b/>" * 150_000
        await here.gateway.fault("gw-1/link.cam-gate")
        asked = sum(here.camera.asked.values())
        assert _memory_kib(here.gateway.pid) - before_kib < 64 * 1024
        faults = await here.gateway.faults()
        assert [name for name in faults if "cam-gate" in name] == ["gw-1/link.cam-gate"]
        here.camera.conduct.garbage = None
        here.camera.lose_subscriptions()
        topic = "tns1:VideoSource/SignalLoss"
        here.camera.set(topic, {"Source": "VideoSource_1"}, {"State": "true"})
        await here.gateway.no_fault("gw-1/link.cam-gate")
        await here.gateway.fault("cam-gate-tamper/signal")
        assert sum(here.camera.asked.values()) > asked


def _memory_kib(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
