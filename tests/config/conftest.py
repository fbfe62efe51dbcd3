"""A small sound installation in a folder, to be broken in one way or in many."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.config import Config, load_config
from gateway.errors import ConfigError

GATEWAY = """\
[site]
id = "320612-0001"
name = "示范小学"
gateway = "gw-1"
[store]
path = "data"
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:1883"
[[uplink]]
name = "police"
kind = "http"
url = "http://127.0.0.1:9000/alarms"
"""

DEVICES = """\
[[device]]
id = "btn-1"
profile = "generic/json_button"
link = "field"
name = "西门按钮"
place = "西门"
address = { topic = "site/btn-1" }
"""


@dataclass
class Installation:
    """A configuration folder whose files a test writes."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def gateway(self, text: str) -> None:
        self.write("gateway.toml", text)

    def devices(self, text: str) -> None:
        self.write("devices.toml", text)

    def change(self, name: str, old: str, new: str) -> None:
        """Replace text that must be there, so that a test cannot miss its own point."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new, 1))

    def add(self, name: str, text: str) -> None:
        self.write(name, (self.folder / name).read_text(encoding="utf-8") + text)

    def load(self) -> Config:
        return load_config(self.folder)

    def faults(self) -> list[str]:
        """Return the lines that check prints, with the folder's own path taken out."""
        with pytest.raises(ConfigError) as caught:
            self.load()
        return [re.sub(re.escape(f"{self.folder}/"), "", str(f)) for f in caught.value.faults]


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    folder = tmp_path / "site"
    folder.mkdir()
    made = Installation(folder)
    made.gateway(GATEWAY)
    made.devices(DEVICES)
    return made
