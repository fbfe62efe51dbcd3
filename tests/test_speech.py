"""Spoken texts with the machine's real engine where it has one; names that are hostile."""

import io
import shutil
import stat
import sys
import wave
from pathlib import Path

import av
import pytest

from gateway import spoken
from gateway.events import Category, Kind, Nature
from gateway.speech import count, spoken_file, write_tones
from tests.parts import device, point

SMOKE = point("smoke", kind=Kind.SMOKE, nature=Nature.STATE, priority=2)
DOOR = point("door", kind=Kind.ACCESS, category=Category.RECORD)


def engine(folder: Path, script: str) -> str:
    """A program that stands for an engine: Python, so that it needs no shell."""
    program = folder / "engine"
    program.write_text(f"#!{sys.executable}\nimport sys, wave\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


SPEAKS = """\
words = sys.stdin.buffer.read().decode()
out = sys.argv[sys.argv.index("-w") + 1]
with wave.open(out, "wb") as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(22050)
    file.writeframes(bytes(2 * 2205 * len(words)))
with open(sys.argv[0] + ".said", "a", encoding="utf-8") as log:
    log.write(sys.argv[2] + " " + words + chr(10))
"""


def said(program: str) -> list[str]:
    return Path(f"{program}.said").read_text("utf-8").splitlines()


def test_every_point_that_raises_alarms_is_spoken_in_two_languages_and_no_other(
    tmp_path: Path,
) -> None:
    program = engine(tmp_path, SPEAKS)
    done = spoken.build([device("btn-1", point(), SMOKE, DOOR)], tmp_path, program)
    assert (done.made, done.failed) == (4, [])
    assert said(program)[:4] == ["cmn 西门，按钮，按下", "en pressed", "cmn 西门", "cmn 按钮"]
    made = sorted(path.name for path in (tmp_path / "sounds/speech/btn-1").iterdir())
    assert made == [
        "button.en.ogg",
        "button.zh.ogg",
        "button.zh.wav",
        "smoke.en.ogg",
        "smoke.zh.ogg",
    ]
    with av.open(str(tmp_path / "sounds/speech/btn-1/button.zh.ogg")) as read:
        assert read.streams.audio[0].codec_context.name in {"opus", "libopus"}
    assert count(tmp_path) == 4


def test_only_what_changed_is_made_again_and_what_is_gone_is_removed(tmp_path: Path) -> None:
    program = engine(tmp_path, SPEAKS)
    devices = [device("btn-1", point()), device("btn-2", point())]
    spoken.build(devices, tmp_path, program)
    again = spoken.build(devices, tmp_path, program)
    assert (again.made, again.kept, again.removed) == (0, 4, 0)
    done = spoken.build([device("btn-1", point(), name="新按钮")], tmp_path, program)
    assert (done.made, done.kept, done.removed) == (2, 0, 3)
    assert [each.name for each in (tmp_path / "sounds/speech").iterdir() if each.is_dir()] == [
        "btn-1"
    ]


def test_a_hostile_name_is_words_and_never_an_option_a_command_or_a_path(tmp_path: Path) -> None:
    program = engine(tmp_path, SPEAKS)
    names = [
        "--help",
        "$(touch pwned)",
        "`id`; rm -rf /",
        "[[h@]]<mark/>",
        "a\u202eb\n-w /etc/x",
        "x" * 10_000,
    ]
    devices = [device(f"btn-{n}", point(), name=name, place="") for n, name in enumerate(names)]
    done = spoken.build(devices, tmp_path, program)
    assert done.failed == []
    words = said(program)
    assert "cmn --help，按下" in words
    assert all(len(line) < 300 and "[[" not in line and "\u202e" not in line for line in words)
    inside = {path.parts[len(tmp_path.parts)] for path in tmp_path.rglob("*")}
    assert inside == {"engine", "engine.said", "sounds"}
    for hostile in ("../x", "a/b", "", ".hidden", "a\0b", "é"):
        assert spoken_file(tmp_path, hostile, "button", "zh", "ogg") is None
        assert spoken_file(tmp_path, "btn-1", hostile, "zh", "ogg") is None


@pytest.mark.parametrize(
    "script",
    [
        "sys.exit('no voice cmn')",
        "open(sys.argv[sys.argv.index('-w') + 1], 'wb').write(b'x' * 100)",
        "pass",
    ],
)
def test_an_engine_that_fails_costs_its_texts_and_says_which(tmp_path: Path, script: str) -> None:
    done = spoken.build([device("btn-1", point())], tmp_path, engine(tmp_path, script))
    assert done.made == 0
    assert [line.partition(":")[0] for line in done.failed or []] == [
        "btn-1/button.zh", "btn-1/button.en",
    ]  # fmt: skip
    assert count(tmp_path) == 0


def test_the_siren_s_tones_are_a_wav_of_some_seconds_that_is_loud(tmp_path: Path) -> None:
    write_tones(tmp_path / "sounds" / "siren.wav")
    with wave.open(io.BytesIO((tmp_path / "sounds/siren.wav").read_bytes()), "rb") as read:
        assert 2 < read.getnframes() / read.getframerate() < 10
        frames = read.readframes(read.getnframes())
    loudest = max(abs(sample) for sample in memoryview(frames).cast("h"))
    assert 20_000 < loudest < 32_768


@pytest.mark.skipif(shutil.which(spoken.ENGINE) is None, reason="no espeak-ng on this machine")
def test_the_real_engine_speaks_chinese_for_a_plausible_time(tmp_path: Path) -> None:
    program = spoken.engine()
    assert program is not None
    named = device("btn-1", point(), name="1号一键报警按钮", place="西门门卫室")
    done = spoken.build([named], tmp_path, program)
    assert (done.made, done.failed) == (2, [])
    with wave.open(str(tmp_path / "sounds/speech/btn-1/button.zh.wav"), "rb") as read:
        assert 1.5 < read.getnframes() / read.getframerate() < 15
        assert max(memoryview(read.readframes(10**6)).cast("h")) > 3000
    assert 3_000 < (tmp_path / "sounds/speech/btn-1/button.zh.ogg").stat().st_size < 60_000
