"""picture_checks of a camera: all, none or some, and nothing that only looks like it."""

import pytest

from gateway.config.settings import PICTURE_CHECKS
from tests.config.conftest import Installation

CAMERA = '[[camera]]\nid = "gate"\nurl = "rtsp://192.0.2.5/main"\n'


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("", PICTURE_CHECKS),
        ("picture_checks = true\n", PICTURE_CHECKS),
        ("picture_checks = false\n", frozenset()),
        ("picture_checks = []\n", frozenset()),
        ('picture_checks = ["black", "frozen", "black"]\n', {"black", "frozen"}),
    ],
)
def test_all_none_or_some(line: str, wanted: frozenset[str], installation: Installation) -> None:
    installation.add("gateway.toml", CAMERA + line)
    [camera] = installation.load().cameras
    assert camera.picture_checks == wanted


@pytest.mark.parametrize(
    "value", ['"moved"', '["rained_on"]', "1", "[true]", '["black", 1]', "{}", "1.0", '"true"']
)
def test_anything_else_is_told_where_it_stands(value: str, installation: Installation) -> None:
    installation.add("gateway.toml", f"{CAMERA}picture_checks = {value}\n")
    [*lines] = installation.faults()
    assert lines
    assert all(line.startswith("gateway.toml: camera[0].picture_checks") for line in lines), lines
