"""An installer's afternoon: from an empty folder to six devices of four makers, by commands alone.

The real command line in processes of its own, simulated devices on Modbus TCP, on RTU through a
converter and on a serial line, a real MQTT broker, and a police receiver. Five mistakes are made
on purpose; each time the tool has to name the file, the key and what to do.
"""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from simulators.brokers import Mosquitto, MosquittoSettings, free_port
from simulators.inbox import Inbox
from simulators.modbus import Line, PtyServed, TcpServed, Unit
from simulators.modbus.behaviour import Behaviour
from simulators.modbus.model import Model
from simulators.police import Police
from tests import forked
from tests.conftest import POLICE_SECRET

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "config" / "profiles"
COMMAND_S = 90
QUICK = ("--rate", "400", "--timeout", "0.15")
RAISED = "campus.alarm.raised.v1"

GATEWAY = """\
[site]
id = "320612-0001"
name = "示范小学"
[store]
path = "data"
reserve_mib = 16
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:{mqtt}"
[[link]]
name = "canteen"
kind = "modbus"
url = "{canteen}"
[[link]]
name = "plant"
kind = "modbus"
url = "{plant}"
[[link]]
name = "fire"
kind = "modbus"
url = "serial:{fire}?baud=4800&parity=N"
[[uplink]]
name = "police"
kind = "http"
url = "{police}"
secret_file = "secrets/police"
[console]
listen = "127.0.0.1:{console}"
"""

DEVICES = """\
[[device]]
id = "gas-canteen"
profile = "gas/honeywell_midas"
link = "plant"
name = "食堂燃气"
place = "食堂厨房"
address = { unit = 1 }

[[device]]
id = "ups"
profile = "power/kstar_ups"
link = "plant"
name = "机房 UPS"
place = "信息楼机房"
address = { unit = 2 }

[[device]]
id = "sprinkler"
profile = "sensor/jiangnan_px20"
link = "plant"
name = "喷淋水压"
place = "地下泵房"
address = { unit = 5 }

[[device]]
id = "btn-gate"
profile = "generic/json_button"
link = "field"
name = "西门按钮"
place = "西门门卫室"
address = { topic = "campus/btn-gate" }
"""

TRANSMITTER = """\
[profile]
title = "江南 PX20 压力变送器"
title_en = "Jiangnan PX20 pressure transmitter"
family = "sensor"
driver = "modbus"
power = "mains"
verified = false
[source]
document = "Jiangnan PX20 leaflet, page 2: pressure at 40001 and 40002, a float"
confidence = "B"
date = "2026-11-21"
[address.unit]
type = "integer"
min = 1
max = 247
example = 5
help = "单元号"
help_en = "unit id"
[modbus]
transports = ["serial", "rtu-over-tcp"]
numbering = "reference"
[[value]]
name = "pressure"
at = 40001
form = "f32"
[[point]]
name = "low"
kind = "water"
nature = "measurement"
unit = "MPa"
alarm_below = 0.3
text = "喷淋水压低"
text_en = "sprinkler pressure low"
[[set]]
point = "low"
value = "pressure"
[[sample]]
note = "half a megapascal"
words = { "40001" = [0x3F00, 0x0000] }
expect = [{ point = "low", value = 0.5 }]
"""

POINT_LIST = """\
回路号,编号,类型,位置
1,27,手动报警按钮,教学楼一层
1,28,烟感,教学楼二层
1,无,烟感,图书馆
"""


@dataclass(slots=True)
class Said:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def everything(self) -> str:
        return self.out + self.err


async def gateway(*words: str) -> Said:
    """Run `campus-gateway` as an installer does; the devices go on living meanwhile."""
    done = await asyncio.to_thread(forked.run, [*forked.MODULE, *words], timeout_s=COMMAND_S)
    return Said(done.returncode, done.stdout, done.stderr)


@dataclass(slots=True)
class School:
    """What stands in the school, and the installer's folder."""

    folder: Path
    canteen: TcpServed
    plant: TcpServed
    fire: PtyServed
    broker: Mosquitto
    police: Police
    midas: Model
    ups: Model
    panel: Unit
    transmitter: Unit
    lines: dict[str, Line] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def change(self, name: str, old: str, new: str) -> None:
        """Edit a file; the text must be there, so that a test cannot miss its own point."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, (old, text.count(old))
        self.write(name, text.replace(old, new))

    def press(self, number: float) -> None:
        """Let the transmitter measure this; it sends the low word first, as its leaflet omits."""
        high, low = struct.unpack(">2H", struct.pack(">f", number))
        self.transmitter.set_words(3, 0, [low, high])


@pytest.fixture
async def school(tmp_path: Path) -> AsyncIterator[School]:
    midas = Model.from_file(PROFILES / "gas/honeywell_midas.toml", {"unit": 1})
    ups = Model.from_file(PROFILES / "power/kstar_ups.toml", {"unit": 3})
    panel, transmitter = Unit(1), Unit(5)
    panel.set_words(3, 256 + 27, [0, 0])
    lines = {
        "canteen": Line([midas.unit]),
        "plant": Line([ups.unit, transmitter]),
        "fire": Line([panel], baud=9600),
    }
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        made = School(
            folder=tmp_path / "campus",
            canteen=await enter(lines["canteen"].tcp()),
            plant=await enter(lines["plant"].rtu_over_tcp()),
            fire=await enter(lines["fire"].pty()),
            broker=await enter(Mosquitto(tmp_path / "broker", MosquittoSettings())),
            police=await enter(
                Police(secret=POLICE_SECRET, inbox=Inbox(tmp_path / "police.inbox"))
            ),
            midas=midas,
            ups=ups,
            panel=panel,
            transmitter=transmitter,
            lines=lines,
        )
        made.press(0.5)
        yield made


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[None]:
    """Run the gateway, and end it as systemd would."""
    with (folder / "gateway.log").open("wb") as log:
        command = [*forked.MODULE, "run", "--config", str(folder)]
        process = forked.start(command, stdout=log, stderr=log)
    try:
        yield
    except BaseException as error:
        tail = (folder / "gateway.log").read_text("utf-8", "replace").splitlines()[-20:]
        error.add_note("\n".join(tail))
        raise
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


@pytest.mark.timeout(300)
async def test_six_devices_of_four_makers_work_by_the_end_of_an_afternoon(school: School) -> None:
    folder, config = school.folder, ("--config", str(school.folder))

    # Two o'clock: an empty folder, cables, no idea which box is which.
    looked = await gateway("scan", "modbus", school.plant.url, "--units", "1-6", *QUICK)
    assert looked.code == 0, looked.everything
    assert "unit 3 is there" in looked.out
    assert "unit 5 is there" in looked.out
    assert "power/kstar_ups" in looked.out
    looked = await gateway("scan", "modbus", school.canteen.url, "--units", "1-2", *QUICK, "--json")
    assert looked.code == 0, looked.everything
    (unit,) = json.loads(looked.out)["units"]
    best = unit["profiles"][0]
    assert (unit["unit"], best["id"], best["sure"]) == (1, "gas/honeywell_midas", "likely")

    # The wrong framing finds nothing, and says which command to try instead.
    other = school.plant.url.replace("rtu-over-tcp", "tcp")
    looked = await gateway("scan", "modbus", other, "--units", "3,5", *QUICK)
    assert looked.code == 1
    assert f"campus-gateway scan modbus {school.plant.url}" in looked.out

    listed = await gateway("profile", "list", "--driver", "modbus", "--family", "fire")
    assert "fire/jbf_point" in listed.out
    assert "generic/json_button" not in listed.out

    # The files, with two mistakes: the gas detector on the wrong link, the panel's baud rate.
    school.write("secrets/police", POLICE_SECRET).chmod(0o600)
    school.write("profiles/sensor/jiangnan_px20.toml", TRANSMITTER)
    school.write("devices.toml", DEVICES)
    school.write(
        "gateway.toml",
        GATEWAY.format(
            mqtt=school.broker.port,
            canteen=school.canteen.url,
            plant=school.plant.url,
            fire=school.fire.path,
            police=school.police.url,
            console=free_port(),
        ),
    )
    checked = await gateway("profile", "check", str(folder / "profiles/sensor/jiangnan_px20.toml"))
    assert checked.code == 0, checked.everything

    # The fire panel's points come from the list the panel's supplier has sent.
    school.write("list.csv", POINT_LIST)
    listing = ("import", str(folder / "list.csv"), *config, "--profile", "fire/jbf_point",
               "--link", "fire", "--set", "unit=1", "--accept-unverified",
               "--out", "panel")  # fmt: skip
    imported = await gateway(*listing, "--dry-run")
    assert "第 4 行" in imported.out
    assert not (folder / "devices.d").exists()
    imported = await gateway(*listing)
    assert imported.code == 1, "one row does not fit"
    assert "row 4" in imported.out
    assert "2 devices imported" in imported.out

    # A map of doubtful origin is not used before the installer says so.
    checked = await gateway("check", *config)
    assert checked.code == 78
    assert 'devices.toml: device["ups"].profile' in checked.out
    assert "accept_unverified" in checked.out
    school.change("devices.toml", "address = { unit = 2 }",
                  "address = { unit = 2 }\naccept_unverified = true")  # fmt: skip

    # Mistake one and two are seen on paper, before anything is switched on.
    checked = await gateway("check", *config)
    assert checked.code == 0, checked.everything
    wrong_link = next(line for line in checked.out.splitlines() if "gas/honeywell_midas 走" in line)
    assert 'devices.toml: device["gas-canteen"].profile' in wrong_link
    assert "another link" in wrong_link
    wrong_baud = next(line for line in checked.out.splitlines() if "baud=4800" in line[60:])
    assert 'gateway.toml: link["fire"].url' in wrong_baud
    assert "baud=9600" in wrong_baud
    school.change(
        "devices.toml",
        'profile = "gas/honeywell_midas"\nlink = "plant"',
        'profile = "gas/honeywell_midas"\nlink = "canteen"',
    )
    school.change("gateway.toml", "baud=4800", "baud=9600")
    checked = await gateway("check", *config)
    assert "gas/honeywell_midas 走" not in checked.out
    assert "baud=9600，而" not in checked.out
    assert "the worst time of a new alarm" in checked.out

    # Mistake three: the UPS has another number than was written down.
    probed = await gateway("probe", *config, "--device", "ups")
    assert probed.code == 1
    assert "unit 2 is silent, those that answer: 3, 5" in probed.out
    assert 'device["ups"].address.unit' in probed.out
    assert str(folder / "devices.toml") in probed.out
    school.change("devices.toml", "unit = 2", "unit = 3")
    probed = await gateway("probe", *config, "--device", "ups")
    assert probed.code == 0, probed.everything
    assert "220.3 V" in probed.out

    # Mistake four: an address that is given twice is a fault, with both names.
    school.change("devices.toml", "unit = 5", "unit = 3")
    checked = await gateway("check", *config)
    assert checked.code == 78
    assert 'device["sprinkler"].address' in checked.out
    assert "`ups`" in checked.out
    school.change(
        "devices.toml", 'place = "地下泵房"\naddress = { unit = 3 }',
        'place = "地下泵房"\naddress = { unit = 5 }',
    )  # fmt: skip

    # Mistake five: the leaflet does not say in which order the words come.
    probed = await gateway("probe", *config, "--device", "sprinkler")
    advice = next(line for line in probed.out.splitlines() if "word_order" in line)
    assert 'word_order = "little"' in advice
    assert "CDAB 0.5" in advice
    assert str(folder / "profiles/sensor/jiangnan_px20.toml") in advice
    school.change(
        "profiles/sensor/jiangnan_px20.toml", 'form = "f32"', 'form = "f32"\nword_order = "little"'
    )
    school.change("profiles/sensor/jiangnan_px20.toml", "[0x3F00, 0x0000]", "[0x0000, 0x3F00]")
    probed = await gateway("probe", *config, "--device", "sprinkler", "--json")
    assert probed.code == 0, probed.everything
    (value,) = json.loads(probed.out)["values"]
    assert (value["value"], value["order"], value["likely_orders"]) == (0.5, "CDAB", [])

    probed = await gateway("probe", *config, "--device", "fire-1-1-27")
    assert probed.code == 0, probed.everything
    assert "283" in probed.out  # loop 1, device 27, as the formula says

    # Five o'clock: run it, and let each device alarm once.
    async with running(folder):
        await school.midas.unit.asked(function=3, address=0)
        await school.ups.unit.asked(function=3, address=110)
        await school.transmitter.asked(function=3, address=0)
        await school.panel.asked(function=3, address=256 + 27)
        Behaviour(school.midas).alarm("gas")
        Behaviour(school.ups).alarm("mains")
        school.press(0.1)
        school.panel.set_words(3, 256 + 27, [1, 1])
        pressed = await gateway("simulate", "press", *config, "--device", "btn-gate")
        assert pressed.code == 0, pressed.everything
        wanted = {
            "gas-canteen", "ups", "sprinkler", "fire-1-1-27", "fire-1-1-28", "btn-gate",
        }  # fmt: skip

        def all_there(inbox: Inbox) -> bool:
            return wanted <= {one["data"]["device"]["id"] for one in inbox.records(RAISED)}

        await school.police.inbox.until(all_there, 60)
        places = {
            one["data"]["device"]["id"]: one["data"]["device"]["place"]
            for one in school.police.inbox.records(RAISED)
        }
        assert places["fire-1-1-28"] == "教学楼二层"

        # Somebody wants to look at a bus while the gateway is using it.
        looked = await gateway("scan", "modbus", school.canteen.url)
        assert looked.code == 1
        assert "is in use by" in looked.err
        assert "systemctl stop campus-gateway" in looked.err
        probed = await gateway("probe", *config, "--device", "fire-1-1-27")
        assert probed.code == 1
        assert "another program holds the port" in probed.err

    assert all(len(line.writes) == 0 for line in school.lines.values()), "nothing was ever written"
