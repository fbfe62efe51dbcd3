"""Installations with Modbus buses, and a line of simulated devices."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config, load_config
from gateway.profile import Shelf
from simulators.modbus.model import Model
from tests.shelves import shipped

PROFILES = Path(__file__).parents[2] / "config" / "profiles"
GATEWAY = """\
[site]
id = "320612-0001"
name = "示范小学"
[store]
path = "data"
"""

Site = Callable[..., Config]


@pytest.fixture(scope="session")
def shelf() -> Shelf:
    return shipped()


def model(profile: str, **address: Any) -> Model:
    """A simulated device of a shipped profile."""
    return Model.from_file(PROFILES / f"{profile}.toml", address)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Write an installation and load it: links by name → url (more lines after it), devices."""

    def make(links: dict[str, str], devices: list[str]) -> Config:
        folder = tmp_path / "site"
        folder.mkdir(exist_ok=True)
        tables = [
            f'[[link]]\nname = "{name}"\nkind = "modbus"\nurl = {url}'
            for name, url in links.items()
        ]
        (folder / "gateway.toml").write_text("\n".join([GATEWAY, *tables]), encoding="utf-8")
        (folder / "devices.toml").write_text("\n".join(devices), encoding="utf-8")
        return load_config(folder)

    return make


def device(name: str, profile: str, link: str, address: str) -> str:
    return (
        f'[[device]]\nid = "{name}"\nprofile = "{profile}"\nlink = "{link}"\nplace = "here"\n'
        f"address = {{ {address} }}\naccept_unverified = true\n"
    )
