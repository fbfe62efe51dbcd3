"""A primary school that looks like one: for the pictures in the guides, and for looking at pages.

Owns    everything of house.py, two receivers, a gas detector on Modbus, cameras and a recorder;
        a floor plan with everything on it; people with PINs.
Keeps   Nothing is played: what a picture shows, the product's own processes said.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from gateway.clock import SystemClock
from gateway.console.people import PeopleBook
from gateway.console.tokens import Role, TokenBook
from gateway.profile import shipped_folder
from simulators.brokers import Mosquitto, MosquittoSettings
from simulators.buttons import make
from simulators.cameras import Camera, Cameras, Shape
from simulators.inbox import Inbox
from simulators.modbus import Line
from simulators.modbus.behaviour import Behaviour
from simulators.modbus.model import Model
from simulators.mqtt import Publisher
from simulators.police import Police
from tests.conftest import POLICE_SECRET
from tests.console.web.house import HEARD, Desk, House, School, Spot, browse
from tests.console.web.strangers import Strangers
from tests.harness import http
from tests.recorder.school import Recorder, without_account
from tests.sirens import player

PIN: Final = "2580"
PASSWORD: Final = "correct horse"
ADMIN: Final = "周敏"
GUARD: Final = "张卫国"
LEADER: Final = "王建华"
INSTALLER: Final = "李工"
PEOPLE: Final = {GUARD: Role.GUARD, LEADER: Role.LEADER, INSTALLER: Role.INSTALLER}
READY_S: Final = 120.0
FILM: Final = Shape(width=640, height=360, fps=5, group=5, groups=2, kbit_per_s=200)
"""Five pictures a second: what is on a picture of a page needs no more."""
SOS: Final = "alarm_button/zigbee2mqtt_sos"


def sos(name: str, title: str, place: str, *cameras: str) -> Spot:
    """A button that says now and then that it lives."""
    return Spot(make("zigbee-action", name), SOS, title, place, cameras)


GATE: Final = sos("btn-gate-west", "1号一键报警", "西门门卫室", "cam-gate-west", "cam-yard")
LIBRARY: Final = sos("btn-library", "图书馆一键报警", "图书馆二楼", "cam-library")
OFFICE: Final = sos("btn-office", "校长室一键报警", "行政楼三楼", "cam-yard")
DORM: Final = sos("btn-dorm", "宿管一键报警", "学生宿舍一楼")
NURSE: Final = sos("btn-nurse", "医务室一键报警", "行政楼一楼")
GYM: Final = sos("btn-gym", "体育馆一键报警", "体育馆")
LAB: Final = Spot(
    make("json-button", "btn-lab"), "generic/json_button", "实验室一键报警", "实验楼三楼"
)
KITCHEN: Final = Spot(
    make("zigbee-gas", "gas-canteen"), "gas/zigbee2mqtt_gas", "后厨燃气探测器", "食堂后厨",
    ("cam-canteen",),
)  # fmt: skip
SMOKE: Final = Spot(make("json-button", "smoke-dorm"), "test/smoke", "烟感 203", "学生宿舍二楼")
SPOTS: Final = [GATE, LIBRARY, OFFICE, DORM, NURSE, GYM, LAB, KITCHEN, SMOKE]
SILENT: Final = {LAB.device.name, SMOKE.device.name}
"""Those that say nothing unless something happens, so nothing is known of them at first."""

CAMERAS: Final = {
    "cam-gate-west": ("西门摄像机", "西门门卫室"),
    "cam-yard": ("操场摄像机", "操场"),
    "cam-library": ("图书馆摄像机", "图书馆二楼"),
    "cam-canteen": ("食堂摄像机", "食堂后厨"),
}
BOILER: Final = """
[[device]]
id = "gas-boiler"
profile = "gas/honeywell_midas"
link = "boiler"
name = "锅炉房燃气探测器"
place = "锅炉房"
address = { unit = 1 }
"""
MORE: Final = """
[[contact]]
name = "城关派出所"
number = "0513-8012 0110"
role = "派出所"
[[contact]]
name = "王校长"
number = "138 0000 0000"
role = "校领导"
[[contact]]
name = "校医 陈医生"
number = "0513-8012 3120"
role = "医务"
[[route]]
uplink = "police"
kinds = ["panic", "duress", "fire", "gas", "smoke", "intrusion"]
[[route]]
uplink = "bureau"
"""
WALLS: Final = """
<rect width="1200" height="720" fill="#fbfbf8"/>
<rect x="30" y="30" width="1140" height="660" fill="none" stroke="#8a9199" stroke-width="6"/>
<rect x="400" y="250" width="420" height="260" rx="110"
 fill="#e4efdf" stroke="#9db396" stroke-width="4"/>
<rect x="450" y="295" width="320" height="170" rx="70"
 fill="none" stroke="#9db396" stroke-width="3"/>
<g fill="#eef0f2" stroke="#4a525b" stroke-width="5">
<rect x="80" y="70" width="270" height="120"/><rect x="420" y="70" width="330" height="120"/>
<rect x="850" y="70" width="260" height="150"/><rect x="880" y="300" width="230" height="160"/>
<rect x="850" y="540" width="260" height="110"/><rect x="400" y="570" width="330" height="90"/>
<rect x="80" y="540" width="220" height="110"/><rect x="52" y="330" width="90" height="90"/></g>
<g font-family="sans-serif" font-size="26" fill="#333" text-anchor="middle">
<text x="215" y="140">行政楼</text><text x="585" y="140">实验楼</text>
<text x="980" y="155">图书馆</text>
<text x="995" y="390">学生宿舍</text><text x="980" y="605">食堂</text>
<text x="565" y="625">教学楼</text>
<text x="190" y="605">体育馆</text><text x="97" y="455" font-size="22">西门</text>
<text x="610" y="390">操场</text></g>
"""
PLACED: Final = {
    "device/btn-gate-west": (97, 375), "device/btn-library": (905, 110),
    "device/btn-office": (120, 110),
    "device/btn-nurse": (310, 160), "device/btn-dorm": (920, 340), "device/smoke-dorm": (1070, 430),
    "device/btn-gym": (120, 580), "device/btn-lab": (480, 110), "device/gas-canteen": (900, 575),
    "camera/cam-gate-west": (200, 360, 265), "camera/cam-yard": (410, 530, 45),
    "camera/cam-library": (1060, 180, 300), "camera/cam-canteen": (1060, 620, 290),
}  # fmt: skip


class Primary(School):
    """The gateway of that school."""

    rest: str = ""

    def _prepare(self) -> None:
        School._prepare(self)
        with (self.folder / "config" / "devices.toml").open("a", encoding="utf-8") as file:
            file.write(self.rest)


@dataclass
class Guided(House):
    """What a scene needs besides a house."""

    code: str

    @asynccontextmanager
    async def open(self, **more: Any) -> AsyncIterator[Desk]:
        """A browser in which nobody signed on yet."""
        more = {"width": 1280, "height": 720, **more}
        async with self.desk(timezone_id="Asia/Shanghai", **more) as desk:
            await desk.page.add_init_script(
                "localStorage.getItem('campus.look') ?? localStorage.setItem('campus.look', 'day')"
            )
            yield desk
            desk.fine()

    @asynccontextmanager
    async def at(self, name: str, **more: Any) -> AsyncIterator[Desk]:
        """A console at which somebody is on duty."""
        async with self.open(**more) as desk:
            await desk.sign_on(name, PIN)
            yield desk

    async def hire(self) -> None:
        """Everybody gets a PIN, as `campus-gateway person add` gives it."""
        book = PeopleBook(self.gateway.store_folder / "people.json", SystemClock())
        for name, role in PEOPLE.items():
            await asyncio.to_thread(book.add, name, role, PIN)

    async def filmed(self) -> None:
        """Every camera's first pictures can be seen."""

        async def seen() -> bool:
            rows = (await self.gateway.get("/api/v1/cameras"))["cameras"]
            return len(rows) == len(CAMERAS) and all(row["newest"] for row in rows)

        await self.gateway.until(seen, "recordings of every camera", READY_S)


@asynccontextmanager
async def primary(folder: Path) -> AsyncIterator[Guided]:
    """Open the school: everything runs, nobody may sign on yet."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        broker = await enter(Mosquitto(folder / "broker", MosquittoSettings(max_queued=0)))
        police = await enter(
            Police(
                inbox=Inbox(folder / "police.inbox"),
                secret=POLICE_SECRET,
                progress=(("accepted", 0.5), ("dispatched", 3.0)),
            )
        )
        bureau = await enter(Police(inbox=Inbox(folder / "bureau.inbox"), secret=POLICE_SECRET))
        model = Model.from_file(shipped_folder() / "gas" / "honeywell_midas.toml", {"unit": 1})
        line = await enter(Line([model.unit]).tcp())
        cameras = await enter(Cameras([Camera(name=name, main=FILM, sub=None) for name in CAMERAS]))
        (folder / "disk").mkdir(parents=True)
        argv, played = player(folder)
        words = ", ".join(f'"{word}"' for word in argv)
        gateway = Primary(
            folder=folder,
            field_port=broker.port,
            devices=[],
            uplinks=[http("police", police.port), http("bureau", bureau.port)],
            more=f"player = [{words}]\n{MORE}"
            + f'[[link]]\nname = "boiler"\nkind = "modbus"\nurl = "{line.url}"\n'
            + _video(folder, cameras),
            env={"TZ": "Asia/Shanghai"},
        )
        gateway.spots = SPOTS
        gateway.rest = BOILER
        await enter(gateway)
        secret = folder / "config" / "secrets" / "cameras"
        secret.write_text(urlsplit(cameras[next(iter(CAMERAS))].url).password or "", "utf-8")
        secret.chmod(0o600)
        book = TokenBook(gateway.store_folder / "tokens.json", SystemClock())
        police.token = book.create(Role.PLATFORM, "police")
        police.reports_to = gateway.url
        life = asyncio.ensure_future(Behaviour(model).live())
        stack.callback(life.cancel)
        await gateway.start()
        recorder = Recorder(folder)
        await recorder.start()
        stack.push_async_callback(recorder.end)
        publisher = await enter(Publisher(broker.address, client_id="campus-field", window=200))
        strangers = await enter(Strangers())
        browser = await enter(browse(HEARD, strangers.flag))
        for spot in SPOTS:
            if spot.device.name not in SILENT:
                for message in spot.device.alive():
                    await publisher.post(message)
        await _place(gateway, book.create(Role.INSTALLER, "plans"))
        code = re.search(r"\b(\d{5} \d{5})\b", gateway.log_text())
        assert code is not None, "the service prints a code as long as nobody is there"
        yield Guided(
            gateway=gateway,
            police=police,
            publisher=publisher,
            browser=browser,
            tokens={},
            stack=stack,
            strangers=strangers,
            played=played,
            program=Path(argv[0]),
            code=code[1],
        )


def _video(folder: Path, cameras: Cameras) -> str:
    rows = "".join(
        f'[[camera]]\nid = "{camera.settings.name}"\nname = "{CAMERAS[camera.settings.name][0]}"\n'
        f'place = "{CAMERAS[camera.settings.name][1]}"\nurl = "{without_account(camera.url)}"\n'
        f'username = "{urlsplit(camera.url).username}"\npassword_file = "secrets/cameras"\n'
        for camera in cameras
    )
    return f'[[video.volume]]\npath = "{folder / "disk"}"\n{rows}'


async def _place(gateway: School, token: str) -> None:
    """Put the plan and everything on it, as an installer's page would send it."""
    headers = {"Authorization": f"Bearer {token}"}
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 720">'
    async with aiohttp.ClientSession(gateway.url, headers=headers, raise_for_status=True) as http:
        async with http.post(
            "/api/v1/floors",
            params={"name": "校园总图", "version": "0"},
            data=f"{head}{WALLS}</svg>".encode(),
        ) as answer:
            book = await answer.json()
        plan = book["plans"][0]["id"]
        for item, where in PLACED.items():
            x, y, *direction = where
            body = {"version": book["version"], "plan": plan, "x": x, "y": y}
            if direction:
                body |= {"direction": direction[0], "angle": 70}
            async with http.put(f"/api/v1/places/{item}", json=body) as answer:
                book = await answer.json()
