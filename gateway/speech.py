"""Sounds of this machine: the siren's tones, and where an alarm is, spoken.

Owns    STORE/sounds: siren.wav, and speech/<device>/<point>.<zh|en>.<wav|ogg> beside it, which
        spoken.py makes.
Needs   the alarm book for what an alarm is about.
Keeps   1. A name from a configuration or a request becomes a path only when it is a plain word:
           nobody reads or writes beside the folder.
        2. Without spoken texts, or with one that cannot be read, there are the tones.
Bound   SPOKEN_MOST texts in one round of the siren.
"""

import json
import math
import re
import wave
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from gateway.rules.book import AlarmBook

SPOKEN_MOST: Final = 3
LIST: Final = "made.json"
TONES: Final = "siren.wav"
RATE_HZ: Final = 16_000
TONES_HZ: Final = (660.0, 880.0, 660.0, 880.0, 660.0, 880.0)
TONE_S: Final = 0.5
LOUDNESS: Final = 0.7
Language = Literal["zh", "en"]
_PLAIN: Final = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._-]{0,63}", re.ASCII)


class Sounds:
    """What the player plays; its files() is called in a thread."""

    def __init__(self, store: Path, book: AlarmBook) -> None:
        self._folder = store / "sounds"
        self._book = book

    def files(self, alarms: Sequence[str]) -> list[Path]:
        """Return the tones, and behind them where the first alarms are; blocks."""
        tones = self._folder / TONES
        if not tones.is_file():
            write_tones(tones)
        spoken: list[Path] = []
        for alarm_id in list(alarms)[:SPOKEN_MOST]:
            alarm = self._book.get(alarm_id)
            if alarm is not None:
                spoken += _there(self._folder, alarm.device, alarm.point)
        return [tones, *spoken]


def _there(folder: Path, device: str, point: str) -> list[Path]:
    found = (spoken_file(folder, device, point, language, "wav") for language in ("zh", "en"))
    return [path for path in found if path is not None and path.is_file()]


def spoken_file(folder: Path, device: str, point: str, language: str, form: str) -> Path | None:
    """Return where the spoken text of a point is, None for names that are none."""
    if not (_PLAIN.fullmatch(device) and _PLAIN.fullmatch(point)):
        return None
    return folder / "speech" / device / f"{point}.{language}.{form}"


def count(store: Path) -> int:
    """Return how many spoken texts there are, in all languages."""
    return len(read_list(store / "sounds"))


def read_list(folder: Path) -> dict[str, str]:
    """What was made, by file: its digest. A list that cannot be read means: make all again."""
    try:
        made = json.loads((folder / "speech" / LIST).read_text("utf-8"))
        return {str(key): str(value) for key, value in made["made"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_tones(path: Path) -> None:
    """Write the siren's tones: two that alternate, with soft ends, some seconds long."""
    samples = array("h")
    count = int(RATE_HZ * TONE_S)
    edge = RATE_HZ // 100
    for hz in TONES_HZ:
        for n in range(count):
            soft = min(1.0, n / edge, (count - n) / edge)
            value = math.sin(2 * math.pi * hz * n / RATE_HZ)
            samples.append(int(value * soft * LOUDNESS * 32767))
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.tmp")
    with wave.open(str(fresh), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())
    fresh.replace(path)
