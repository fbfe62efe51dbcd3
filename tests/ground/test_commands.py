"""The two commands: what they say on a machine that lacks something."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.ground.tree import ROOT

BASH = shutil.which("bash") or "/bin/bash"


def script(name: str, *arguments: str, path: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [BASH, str(ROOT / ".ci" / name), *arguments],
        env={"PATH": path, "HOME": os.environ.get("HOME", ""), **environment},
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A PATH with the few programs every system has, and none that installs anything."""
    for name in ("dirname", "mktemp", "rm", "env", "tail"):
        found = shutil.which(name)
        assert found
        (tmp_path / name).symlink_to(found)
    return str(tmp_path)


def test_a_missing_program_is_named_with_its_package_in_both_languages(bare: str) -> None:
    code, said = script("need", "campus-no-such-program", "campus-package", path=bare)
    assert code == 1
    assert "缺少 campus-no-such-program，请安装系统软件包 campus-package" in said
    assert "campus-no-such-program is missing: install the system's package campus-package" in said


def test_a_program_that_is_there_is_left_alone(bare: str) -> None:
    assert script("need", "env", "coreutils", path=bare) == (0, "")


def test_a_package_that_apt_cannot_install_is_said_so(bare: str, tmp_path: Path) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text(f"#!{BASH}\necho 'E: no such package' >&2\nexit 100\n")
    apt.chmod(0o755)
    sudo = tmp_path / "sudo"
    sudo.write_text(f'#!{BASH}\nshift\n"$@"\n')
    sudo.chmod(0o755)
    code, said = script("need", "campus-no-such-program", "campus-package", path=bare)
    assert code == 1
    assert "E: no such package" in said
    assert "请安装系统软件包 campus-package" in said


def test_without_a_new_enough_python_it_says_which_is_needed(bare: str, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text(f"#!{BASH}\nexit 1\n")
    old.chmod(0o755)
    code, said = script("venv", str(tmp_path / "venv"), path=bare)
    assert code == 1
    assert "需要 Python 3.11" in said
    assert "Python 3.11 or newer is needed" in said
    assert not (tmp_path / "venv").exists()


def test_continuous_integration_runs_what_a_person_runs() -> None:
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert text.splitlines()[-1] == "exec make test"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.skipif(shutil.which("make") is None, reason="this machine has no make")
def test_make_alone_lists_the_commands() -> None:
    said = subprocess.run(
        ["make", "-s", "-C", str(ROOT)], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    for command in ("demo", "test", "test-long", "bench", "schema", "lock", "clean"):
        assert f"make {command} " in said
