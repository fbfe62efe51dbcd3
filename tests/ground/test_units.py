"""The service unit: it keeps being started, and it may do little."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.config import shapes
from gateway.config.shapes import SHAPES
from gateway.recorder.service import MOVED_S, SEAL_S
from gateway.store.video.store import CLOSE_WAIT_S
from tests.ground.tree import ROOT

UNIT = ROOT / "systemd" / "campus-gateway.service"
VIDEO = ROOT / "systemd" / "campus-gateway-video.service"
UNITS = [UNIT, VIDEO]

ANALYZE = shutil.which("systemd-analyze")
WORST_EXPOSURE = 15  # tenths; 1.2 was measured with systemd 252


def settings(path: Path) -> dict[str, list[str]]:
    """Return key → values of a unit file; a key may be there more than once."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", "[")):
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture(params=UNITS, ids=lambda unit: unit.stem)
def runnable(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit with a program that exists on every machine, so that the rest can be judged."""
    text = request.param.read_text(encoding="utf-8").splitlines()
    lines = ["ExecStart=/bin/true" if line.startswith("ExecStart=") else line for line in text]
    path = tmp_path / request.param.name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_it_is_started_again_for_ever_and_watched() -> None:
    unit = settings(UNIT)
    expected = {
        "Type": "notify", "WatchdogSec": "30", "Restart": "always", "RestartSec": "2",
        "StartLimitIntervalSec": "0", "TimeoutStopSec": "20",
    }  # fmt: skip
    assert {key: unit[key] for key in expected} == {key: [value] for key, value in expected.items()}


def test_video_is_started_again_for_ever_and_watched_too() -> None:
    unit = settings(VIDEO)
    expected = {
        "Type": "notify", "Restart": "always", "StartLimitIntervalSec": "0",
    }  # fmt: skip
    assert {key: unit[key] for key in expected} == {key: [value] for key, value in expected.items()}
    assert float(unit["WatchdogSec"][0]) > MOVED_S
    assert float(unit["TimeoutStopSec"][0]) > SEAL_S + CLOSE_WAIT_S
    assert not [unit[key] for key in ("Requires", "BindsTo", "RequiresMountsFor") if key in unit]


def test_video_weighs_less_than_alarms_and_goes_first() -> None:
    alarms, video = settings(UNIT), settings(VIDEO)
    for key in ("CPUWeight", "IOWeight"):
        assert int(video[key][0]) < int(alarms[key][0])
    assert int(video["OOMScoreAdjust"][0]) > int(alarms["OOMScoreAdjust"][0])
    assert video["OOMPolicy"] == ["continue"]
    assert "MemoryMax" in video
    assert "RuntimeDirectory" not in video, "the one that stops first would take it away"


@pytest.mark.parametrize("path", UNITS, ids=lambda unit: unit.stem)
def test_a_limit_on_starts_stands_where_systemd_reads_it(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines.index("[Unit]") < lines.index("StartLimitIntervalSec=0") < lines.index("[Service]")


def test_the_process_that_judges_pictures_may_be_nice() -> None:
    filters = settings(VIDEO)["SystemCallFilter"]
    assert "setpriority" in filters[-1].split(), "what is refused before is allowed behind it"


@pytest.mark.parametrize("path", UNITS, ids=lambda unit: unit.stem)
def test_it_has_no_privilege_and_only_its_own_folders(path: Path) -> None:
    unit = settings(path)
    expected = {
        "User": "campus-gateway", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "",
        "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "UMask": "0077",
        "MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes", "LimitCORE": "0",
        "StateDirectory": "campus-gateway", "ConfigurationDirectory": "campus-gateway",
        "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    }  # fmt: skip
    assert {key: unit.get(key) for key in expected} == {
        key: [value] for key, value in expected.items()
    }


def test_alarms_weigh_more_than_what_else_the_machine_does() -> None:
    unit = settings(UNIT)
    assert int(unit["CPUWeight"][0]) > 100  # systemd's default, and the most video may have
    assert int(unit["IOWeight"][0]) > 100
    assert int(unit["OOMScoreAdjust"][0]) < 0


def test_the_account_it_runs_as_is_made_by_sysusers_and_owns_what_tmpfiles_makes() -> None:
    user = settings(UNIT)["User"][0]
    sysusers = (ROOT / "systemd" / "campus-gateway.sysusers.conf").read_text(encoding="utf-8")
    tmpfiles = (ROOT / "systemd" / "campus-gateway.tmpfiles.conf").read_text(encoding="utf-8")
    assert f"u {user} - " in sysusers
    rows = [line.split() for line in tmpfiles.splitlines() if line and not line.startswith("#")]
    assert {row[1]: (row[2], row[3], row[4]) for row in rows}["/etc/campus-gateway/secrets"] == (
        "0750",
        "root",
        user,
    )


def test_the_console_may_write_what_installers_add_and_nothing_else_of_the_configuration() -> None:
    user, root = settings(UNIT)["User"][0], "/etc/campus-gateway"
    opened = {path.lstrip("-") for path in settings(UNIT)["ReadWritePaths"][0].split()}
    assert opened == {f"{root}/{shapes.MORE}", f"{root}/devices.d", f"{root}/plans"}
    tmpfiles = (ROOT / "systemd" / "campus-gateway.tmpfiles.conf").read_text(encoding="utf-8")
    rows = [line.split() for line in tmpfiles.splitlines() if line.startswith("d /etc")]
    assert {row[1] for row in rows if row[3] == user} == opened
    assert all(shape.own.split("/")[0] in {"devices.d", shapes.MORE} for shape in SHAPES.values())


@pytest.mark.skipif(ANALYZE is None, reason="this machine has no systemd-analyze")
def test_systemd_understands_every_line(runnable: Path) -> None:
    said = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(runnable)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


@pytest.mark.skipif(ANALYZE is None, reason="this machine has no systemd-analyze")
def test_systemd_rates_its_exposure_low(runnable: Path) -> None:
    said = subprocess.run(
        [str(ANALYZE), "security", "--no-pager", "--offline=true",
         f"--threshold={WORST_EXPOSURE}", str(runnable)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if "unrecognized option" in said.stderr:
        pytest.skip("this systemd cannot judge a unit that is not installed")
    assert said.returncode == 0, said.stdout[-600:] + said.stderr
