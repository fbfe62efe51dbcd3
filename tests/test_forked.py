"""What is forked from the stem is the same process as one that was started."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests import forked


@pytest.fixture
async def stem() -> forked.Stem:
    """The stem of this process, once everything is imported."""
    forked.run([*forked.MODULE, "version"], timeout_s=60)  # whoever comes first has it started
    made = forked._stem
    assert made is not None
    async with asyncio.timeout(60):
        while not made.is_ready:  # noqa: ASYNC110 another process sets no event
            await asyncio.sleep(0.05)
    return made


def started(*words: str) -> subprocess.CompletedProcess[str]:
    """The same by a real start."""
    environment = {**os.environ, "PYTHONPATH": str(forked.ROOT)}
    command = [*forked.MODULE, *words]
    return subprocess.run(
        command, cwd=forked.ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.usefixtures("stem")
@pytest.mark.parametrize("words", [("version",), ("check", "--config", "none"), ("no-such",)])
def test_it_says_and_ends_as_a_real_start_does(words: tuple[str, ...]) -> None:
    found, wanted = forked.run([*forked.MODULE, *words], timeout_s=60), started(*words)
    assert (found.returncode, found.stdout, found.stderr) == (
        wanted.returncode, wanted.stdout, wanted.stderr,
    )  # fmt: skip


async def test_it_has_its_own_folder_and_files_and_can_be_killed(
    stem: forked.Stem, tmp_path: Path
) -> None:
    pipe = tmp_path / "config" / "gateway.toml"
    pipe.parent.mkdir()
    os.mkfifo(pipe)  # whoever reads the configuration waits here
    with (tmp_path / "log").open("wb") as log:
        process = stem.fork(
            ["check", "--config", "config"],
            files=[log.fileno()] * 3,
            cwd=str(tmp_path),
            env=os.environ,
        )
        assert process.poll() is None
        here = Path(f"/proc/{process.pid}")
        async with asyncio.timeout(60):
            while (here / "cwd").readlink() != tmp_path:  # noqa: ASYNC110 another process
                await asyncio.sleep(0.01)
        files = {each.readlink() for each in (here / "fd").iterdir() if int(each.name) <= 2}
        assert files == {tmp_path / "log"}
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
        assert process.poll() == -signal.SIGKILL
