"""The demo as a newcomer meets it: a press, a receipt, Ctrl-C, and the old data again."""

import contextlib
import json
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from simulators.cameras import read_number
from simulators.ports import free_port

START_S = 120.0
ANSWER_S = 60.0
PORTS = 11
"""The demo takes so many in a row."""
HEAD_BYTES = 8 * 1024
"""A file that is larger has pictures in it."""
CAMERAS = {"cam-gate-west": ["h264"], "cam-library": ["hevc"], "cam-canteen": ["h264", "aac"]}


class Demo:
    def __init__(self, process: subprocess.Popen[str], data: Path, port: int) -> None:
        self.process = process
        self.data = data
        self.port = port
        self.said = ""
        self._lines: queue.Queue[str] = queue.Queue()
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def until(self, pattern: str, within_s: float) -> re.Match[str]:
        """Read the terminal until it says so; a demo that says nothing fails after that time."""
        deadline = time.monotonic() + within_s
        while not (found := re.search(pattern, self.said)):
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = ""
            if not line:
                pytest.fail(f"the demo never said {pattern!r}:\n{self.said}")
            self.said += line
        return found

    def ended(self) -> None:
        """Read what it says until it has ended; at most ANSWER_S."""
        try:
            self.process.wait(ANSWER_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self._reading.join()
            assert self.process.stdout is not None
            self.process.stdout.close()
        while not self._lines.empty():
            self.said += self._lines.get()

    def get(self, path: str, token: str) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def recorded(data: Path, camera: str) -> list[Path]:
    """What there is of a camera with pictures in it, oldest first; at most ANSWER_S are waited."""
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        files = sorted((data / "video" / camera).rglob("*.mp4*"))
        if found := [path for path in files if path.stat().st_size > HEAD_BYTES]:
            return found
        time.sleep(0.05)
    pytest.fail((data / "video.log").read_text("utf-8"))


def fetched(url: str, token: str, path: Path) -> Path:
    """What the demo answers, whole; asked again while the still's process is not up yet."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                path.write_bytes(answer.read())
                return path
        except urllib.error.HTTPError as error:
            why = error.read().decode("utf-8", "replace")
            error.close()
            if error.code != 503 or time.monotonic() > deadline:
                pytest.fail(f"{url}: {error.code} {why}")
        time.sleep(0.2)


def numbers_in(path: Path) -> list[int]:
    """The numbers that stand in the pictures of a file; its last fragment may be half there."""
    numbers: list[int] = []
    with av.open(str(path)) as container, contextlib.suppress(av.error.InvalidDataError):
        numbers.extend(read_number(frame) for frame in container.decode(video=0))
    return numbers


@contextmanager
def demo(data: Path, port: int) -> Iterator[Demo]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "demo", "--data", str(data), "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    shown = Demo(process, data, port)
    try:
        yield shown
    finally:
        process.send_signal(signal.SIGINT)
        shown.ended()
    assert process.returncode == 0, shown.said


def press(data: Path, *options: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "gateway.cli", "simulate", "press", "--data", str(data), *options],
        check=True,
        capture_output=True,
        timeout=ANSWER_S,
    )


def simulate(*words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", "simulate", *words],
        check=True,
        capture_output=True,
        text=True,
        timeout=ANSWER_S,
    ).stdout


@contextmanager
def cameras(folder: Path, port: int) -> Iterator[None]:
    """The demo's cameras alone: gate at port, yard behind it, orders at the third."""
    command = [sys.executable, "-m", "simulators.cameras", "--camera=gate=h264"]
    command += ["--camera=yard=h264", "--no-sub", "--size=640x360", "--fps=5", f"--port={port}"]
    command += [f"--control=127.0.0.1:{port + 2}"]
    with (folder / "cameras.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=output, text=True)
    try:
        assert process.stdout is not None
        assert str(port) in process.stdout.readline()
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=ANSWER_S)


def modbus(port: int, word: str) -> str:
    """What the demo's Modbus device says to a word."""
    control = f"127.0.0.1:{port + 6}"
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", "simulate", "modbus", word, "--control", control],
        check=True,
        capture_output=True,
        text=True,
        timeout=ANSWER_S,
    ).stdout


@pytest.mark.timeout(600)
def test_one_command_shows_a_press_and_both_receipts_and_a_second_start_finds_the_data(
    tmp_path: Path,
) -> None:
    data, port = tmp_path / "demo", free_port(PORTS)
    with demo(data, port) as shown:
        token = shown.until(r"/console/#token=(cg_\S+)", START_S).group(1)
        for camera in CAMERAS:
            recorded(data, camera)
        press(data)
        line = shown.until(r"alarm\.raised .*西门门卫室.*police.*\n", ANSWER_S).group(0)
        assert "已送达" in line or "已受理" in line
        assert "bureau" in line
        assert "ms" in line
        alarm = shown.get("/api/v1/alarms?state=open", token)["alarms"][0]
        assert alarm["kind"] == "panic"
        clip = shown.until(r"录像 clip (\S+/cam-gate-west/(video\.mp4\?\S+))", ANSWER_S)
        numbers = numbers_in(fetched(clip.group(1), token, tmp_path / "clip.mp4"))
        assert len(numbers) >= 5, "the seconds before the press can be played at once"
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        still = shown.until(r"此刻 still +(\S+)", ANSWER_S).group(1)
        with av.open(str(fetched(still, token, tmp_path / "still.jpg"))) as container:
            assert (read_number(next(container.decode(video=0))) or 0) >= numbers[0]
        assert {lamp["receiver"] for lamp in alarm["deliveries"]} == {"police", "bureau"}
        assert "报警" in modbus(port, "alarm")
        line = shown.until(r"alarm\.raised .*锅炉房.*police.*\n", ANSWER_S).group(0)
        assert "已送达" in line or "已受理" in line
        modbus(port, "restore")
        shown.until(r"alarm\.restored .*锅炉房.*\n", ANSWER_S)
    assert "已停止" in shown.said
    for camera, codec in CAMERAS.items():
        [path, *_] = recorded(data, camera)
        assert path.suffix == ".mp4", "sealed when the demo ends"
        numbers = numbers_in(path)
        assert len(numbers) >= 5
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        with av.open(str(path)) as container:
            assert [stream.codec_context.name for stream in container.streams] == codec
    for name in ("police", "bureau"):
        assert "campus.alarm.raised.v1" in (data / "peers" / f"{name}.jsonl").read_text("utf-8")
    with demo(data, port) as again:
        token = again.until(r"#token=(cg_\S+)", START_S).group(1)
        kept = again.get("/api/v1/alarms?state=open", token)["alarms"]
        assert alarm["alarm_id"] in [each["alarm_id"] for each in kept]


@pytest.mark.timeout(300)
def test_where_no_video_can_be_kept_the_demo_shows_alarms_all_the_same(tmp_path: Path) -> None:
    data, port = tmp_path / "demo", free_port(PORTS)
    data.mkdir()
    (data / "video").write_text("a file where the disk should be", encoding="utf-8")
    with demo(data, port) as shown:
        shown.until(r"#token=(cg_\S+)", START_S)
        press(data)
        shown.until(r"alarm\.raised .*西门门卫室.*police.*\n", ANSWER_S)


@pytest.mark.timeout(120)
def test_a_camera_of_the_demo_is_covered_by_a_command_and_a_wrong_word_is_answered_with_help(
    tmp_path: Path,
) -> None:
    port = free_port(3)
    with cameras(tmp_path, port):
        control = ("--control", f"127.0.0.1:{port + 2}")
        assert "from frame" in simulate("camera", "cover", "--camera", "gate", *control)
        assert "done" in simulate("camera", "unplug", "--camera", "gate", *control)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, "nobody is there"
        assert "done" in simulate("camera", "plug", "--camera", "gate", *control)
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S):
            pass
        assert "uncover" in simulate("camera", "dance", "--camera", "gate", *control)
        assert "yard" in simulate("camera", "cover", "--camera", "nobody", *control)


def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path: Path) -> None:
    port = free_port(PORTS)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 3))
        taken.listen()
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "gateway.cli",
                "demo",
                "--data",
                str(tmp_path),
                "--port",
                str(port),
            ],
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            check=False,
        )
    assert ended.returncode == 1
    assert str(port + 3) in ended.stderr
    assert "--port" in ended.stderr
