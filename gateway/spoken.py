"""Spoken alarm texts: one file for each point that raises alarms, made when the site is set up.

    campus-gateway speech --config DIR

Owns    STORE/sounds/speech and what is written into it; which words are spoken.
Needs   a speech engine of the machine's (espeak-ng; a Debian package), PyAV for Opus in Ogg.
Keeps   1. The engine is a child without a shell; the text goes to its standard input, so that no
           name of a device is ever an option, and its time is bounded by ENGINE_S.
        2. A file appears whole or not at all; one whose words did not change is not made again.
        3. What could not be spoken is left out and told: there the console has its tones.
Bound   TEXTS_MOST points, TEXT_CHARS characters each; some 15 kB of Ogg for a text, and WAV only
        where the gateway's own player speaks it: urgent points, in Chinese.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import unicodedata
import wave
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av

from gateway.events import Category, Device
from gateway.speech import LIST, TONES, read_list, spoken_file, write_tones

ENGINE: Final = "espeak-ng"
VOICES: Final = {"zh": "cmn", "en": "en"}
WORDS_PER_MINUTE: Final = "150"
ENGINE_S: Final = 20.0
TEXTS_MOST: Final = 5_000
TEXT_CHARS: Final = 120
WAV_BYTES: Final = 4 * 1024 * 1024
OPUS_HZ: Final = 48_000
OPUS_BPS: Final = 24_000
VERSION: Final = 1


class EngineFailed(Exception):
    """The engine did not speak a text: it is left out, the others are made."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is spoken of one point in one language: (voice, words) one after the other."""

    device: str
    point: str
    language: str
    parts: tuple[tuple[str, str], ...]
    is_urgent: bool

    @property
    def digest(self) -> str:
        """Another one when anything else is to be heard."""
        said = f"{VERSION} {self.is_urgent} {self.parts}"
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def files(self, folder: Path) -> list[Path]:
        """Which files it becomes; none for names that are no file's."""
        forms = ["ogg", "wav"] if self.is_urgent and self.language == "zh" else ["ogg"]
        found = (
            spoken_file(folder, self.device, self.point, self.language, form) for form in forms
        )
        return [path for path in found if path is not None]


@dataclass(slots=True)
class Built:
    """What became of it: counts, and a line for each text that could not be spoken."""

    made: int = 0
    kept: int = 0
    removed: int = 0
    failed: list[str] | None = None


def engine() -> str | None:
    """Return the path of this machine's speech engine, None when there is none."""
    return shutil.which(ENGINE)


def texts(devices: Iterable[Device]) -> Iterator[Text]:
    """Return what is spoken of every point that raises alarms: place, device, what it is."""
    for device in devices:
        for point in device.points.values():
            if point.category is not Category.ALARM:
                continue
            where = [_plain(each) for each in (device.place, device.name) if _plain(each)]
            is_urgent = point.priority == 1
            zh = "，".join([*where, _plain(point.text)])
            yield Text(device.id, point.name, "zh", ((VOICES["zh"], zh),), is_urgent)
            # A Chinese name is spoken by the Chinese voice: an English one spells "Chinese letter".
            parts = [(VOICES["en"], _plain(point.text_en) or point.name.replace("_", " "))]
            parts += [(VOICES["en" if each.isascii() else "zh"], each) for each in where]
            yield Text(device.id, point.name, "en", tuple(parts), is_urgent)


def build(devices: Sequence[Device], store: Path, program: str) -> Built:
    """Make what is missing or changed, and remove what is spoken of no more; blocks."""
    folder = store / "sounds"
    done = Built(failed=[])
    before = read_list(folder)
    after: dict[str, str] = {}
    for number, text in enumerate(texts(devices)):
        files = text.files(folder)
        if not files or number >= 2 * TEXTS_MOST:
            _fail(done, text, "no file has such a name" if not files else "there are too many")
            continue
        key = str(files[0].relative_to(folder))
        if before.get(key) == text.digest and all(file.is_file() for file in files):
            after[key] = text.digest
            done.kept += 1
            continue
        try:
            _make(text, files, program)
        except EngineFailed as error:
            _fail(done, text, str(error))
            continue
        after[key] = text.digest
        done.made += 1
    done.removed = _remove_others(folder, after)
    _write_list(folder, after)
    if not (folder / TONES).is_file():
        write_tones(folder / TONES)
    _give_to_owner(folder, store)
    return done


def _fail(done: Built, text: Text, why: str) -> None:
    if done.failed is not None:
        done.failed.append(f"{text.device}/{text.point}.{text.language}: {why}")


def _plain(words: str) -> str:
    """Words only: no control characters, no brackets an engine takes for phonemes or marks."""
    kept = "".join(
        " " if char in "[]<>{}\\|" or unicodedata.category(char)[0] in "CZ" else char
        for char in words[:TEXT_CHARS]
    )
    return " ".join(kept.split())


def _make(text: Text, files: Sequence[Path], program: str) -> None:
    files[0].parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="speech-") as place:
        whole = Path(place) / "whole.wav"
        _join([_speak(program, voice, words, place) for voice, words in text.parts], whole)
        for file in files:
            fresh = file.with_name(f"{file.name}.tmp")
            if file.suffix == ".wav":
                shutil.copyfile(whole, fresh)
            else:
                _encode(whole, fresh)
            fresh.replace(file)


def _speak(program: str, voice: str, words: str, place: str) -> Path:
    """Have the engine speak some words; returns its WAV. Raises EngineFailed."""
    with tempfile.NamedTemporaryFile(suffix=".wav", dir=place, delete=False) as made:
        path = Path(made.name)
    argv = [program, "-v", voice, "-s", WORDS_PER_MINUTE, "-b", "1", "-w", str(path), "--stdin"]
    try:
        done = subprocess.run(  # noqa: S603 a list, no shell; what is spoken is no argument
            argv,
            input=words.encode(),
            capture_output=True,
            timeout=ENGINE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineFailed(f"{ENGINE}: {error}") from error
    if done.returncode != 0 or not 44 < path.stat().st_size <= WAV_BYTES:
        said = done.stderr.decode(errors="replace").strip()[:200]
        raise EngineFailed(f"{ENGINE}: {done.returncode} {said}")
    return path


def _join(parts: Sequence[Path], whole: Path) -> None:
    """Put WAVs of one form behind each other."""
    try:
        with wave.open(str(whole), "wb") as out:
            for number, part in enumerate(parts):
                with wave.open(str(part), "rb") as read:
                    form = read.getparams()
                    if number == 0:
                        out.setparams(form)
                    elif form[:3] != out.getparams()[:3]:
                        raise EngineFailed(f"{ENGINE}: its voices differ in form")
                    out.writeframes(read.readframes(WAV_BYTES))
    except (wave.Error, EOFError) as error:
        raise EngineFailed(f"{ENGINE}: {error}") from error


def _encode(whole: Path, path: Path) -> None:
    """Write Opus in Ogg, which every browser decodes."""
    with av.open(str(whole)) as read, av.open(str(path), "w", format="ogg") as out:
        stream = out.add_stream("libopus", rate=OPUS_HZ, layout="mono")
        stream.bit_rate = OPUS_BPS
        for frame in read.decode(audio=0):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _write_list(folder: Path, made: dict[str, str]) -> None:
    path = folder / "speech" / LIST
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{LIST}.tmp")
    fresh.write_text(json.dumps({"version": VERSION, "made": made}), "utf-8")
    fresh.replace(path)


def _give_to_owner(folder: Path, store: Path) -> None:
    """What root made belongs to whom the store does: the gateway has to read and replace it."""
    if os.geteuid() != 0:
        return
    owner = store.stat()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _remove_others(folder: Path, made: dict[str, str]) -> int:
    """Remove spoken files that stand for no text any more, and folders that are empty then."""
    wanted = {str((folder / key).with_suffix("")) for key in made}
    removed = 0
    for path in sorted((folder / "speech").glob("*/*")):
        if path.suffix in {".ogg", ".wav", ".tmp"} and str(path.with_suffix("")) not in wanted:
            path.unlink(missing_ok=True)
            removed += 1
    for place in (folder / "speech").glob("*"):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
    return removed
