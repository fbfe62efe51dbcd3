"""What an installer gets: a wheel, looked into, installed and run away from the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.ground.tree import PAGES, ROOT, tracked

pytestmark = pytest.mark.timeout(400)


def run(*arguments: str, cwd: Path, **environment: str) -> str:
    """Run Python with these arguments, return what it prints; fail with all of it."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it as `pip install .` does, without asking any registry."""
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it into a folder of its own; dependencies come from this environment."""
    folder = tmp_path_factory.mktemp("installed")
    run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile",
        "--disable-pip-version-check", "--target", str(folder), str(wheel), cwd=folder)  # fmt: skip
    return folder


def test_it_holds_the_three_packages_and_nothing_else(names: set[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "gateway",
        "drivers",
        "simulators",
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_it_holds_every_file_of_them_that_is_tracked(names: set[str]) -> None:
    ours = {
        path.as_posix()
        for path in tracked()
        if path.parts[0] in {"gateway", "drivers", "simulators"} and PAGES not in path.parents
    }
    assert ours - names == set()
    assert {"gateway/store/schema", "gateway/console/templates"} <= {
        name.rpartition("/")[0] for name in names
    }


@pytest.mark.parametrize(
    ("kept", "shipped"),
    [("config/profiles", "gateway/profile/shipped"), ("config/schema", "gateway/schema")],
)
def test_it_holds_what_an_installation_reads_from_config(
    names: set[str], kept: str, shipped: str
) -> None:
    sources = {path for path in tracked() if path.is_relative_to(kept)}
    assert sources, f"nothing is tracked under {kept}"
    assert {f"{shipped}/{path.relative_to(kept).as_posix()}" for path in sources} - names == set()


def test_it_names_its_licence_and_its_command(wheel: Path, names: set[str]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (about,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        (commands,) = (name for name in names if name.endswith("entry_points.txt"))
        metadata = archive.read(about).decode()
        assert "License-Expression: Apache-2.0" in metadata
        assert "Provides-Extra: broker" in metadata
        assert "campus-gateway = gateway.cli:main" in archive.read(commands).decode()


def test_installed_elsewhere_it_runs_and_knows_its_profiles(
    installed: Path, tmp_path: Path
) -> None:
    where = run(
        "-P",
        "-c",
        "import gateway; print(gateway.__file__)",
        cwd=tmp_path,
        PYTHONPATH=str(installed),
    )
    assert Path(where.strip()).is_relative_to(installed)
    listed = run(
        "-P", "-m", "gateway.cli", "profile", "list", cwd=tmp_path, PYTHONPATH=str(installed)
    )
    shipped = {
        path.relative_to("config/profiles").with_suffix("").as_posix()
        for path in tracked()
        if path.is_relative_to("config/profiles") and path.suffix == ".toml"
    }
    assert {"generic/json_button", "generic/json_event"} <= shipped
    assert {name for name in shipped if name not in listed} == set()


def test_it_holds_the_consoles_pages_built_and_none_of_what_they_are_made_of(
    names: set[str],
) -> None:
    pages = {name for name in names if name.startswith("gateway/console/web/")}
    assert "gateway/console/web/dist/index.html" in pages
    assert any(name.endswith(".js") for name in pages)
    assert all(name.startswith("gateway/console/web/dist/") for name in pages)
