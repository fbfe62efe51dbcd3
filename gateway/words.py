"""Words: a thing said to people in both languages, kept apart until somebody reads it.

Owns    the pair, how it is written into one line, and how one that was written is read again.
Needs   nothing of ours.
Keeps   1. A screen shows one language at a time (decision 0024): whoever tells people something
           gives both, and glues them only for what has one text, Chinese first: str().
        2. What was stored or reported by an older gateway has no pair: that is None, and its text
           is shown as it is.
Bound   MOST_CHARS of each language, wherever a pair is read or cut.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MOST_CHARS: Final = 400
SEPARATORS: Final = (" / ", " · ")
"""Between the languages in texts that travel as one line: errors of links, notices of drivers."""

SEE_LOG: Final = "see the log"
"""In place of a detail that nobody said in English."""

_CHINESE: Final = "\u3400-\u9fff\uf900-\ufaff"
_HAN: Final = re.compile(f"[{_CHINESE}]")
_LATIN: Final = re.compile("[A-Za-z]{2}")
_LAST: Final = re.compile(
    f"(.*[{_CHINESE}][，。；：）”]?)[ :,;]+([A-Za-z\\[][^{_CHINESE}]*)"  # an OSError begins with [
)


@dataclass(frozen=True, slots=True)
class Said:
    """One thing, in Chinese and in English; either is "" only when it is not known."""

    zh: str
    en: str

    def __str__(self) -> str:
        """As one line, Chinese first; what is the same in both is said once."""
        if not self.zh or not self.en or self.zh == self.en:
            return self.zh or self.en
        return f"{self.zh} {self.en}"

    def cut(self, most: int = MOST_CHARS) -> "Said":
        """The same, each language with at most so many characters."""
        if len(self.zh) <= most and len(self.en) <= most:
            return self
        return Said(_cut(self.zh, most), _cut(self.en, most))

    def as_dict(self) -> dict[str, str]:
        """As rows, records and reports have it."""
        return {"zh": self.zh, "en": self.en}

    @classmethod
    def read(cls, value: object) -> "Said | None":
        """What as_dict() gave; None for anything else, however it came there."""
        if not isinstance(value, Mapping):
            return None
        zh, en = value.get("zh"), value.get("en")
        if not isinstance(zh, str) or not isinstance(en, str) or not (zh or en):
            return None
        return cls(zh, en).cut()

    @classmethod
    def split(cls, text: str) -> "Said":
        """A line that may hold both: parted at one of SEPARATORS, or behind the last Chinese in it.

        A line in one language only leaves the other one "".
        """
        for separator in SEPARATORS:
            parts = text.split(separator)
            for at in range(1, len(parts)):
                zh, en = separator.join(parts[:at]), separator.join(parts[at:])
                if is_chinese(zh) and en and not is_chinese(en):
                    return cls(zh, en)
        if (found := _LAST.fullmatch(text)) is not None:
            return cls(found[1], found[2])
        return cls(text, "") if is_chinese(text) else cls("", text)

    def either(self, other: "Said") -> "Said":
        """The same, with what is not known taken from the other one."""
        return Said(self.zh or other.zh, self.en or other.en)


RECEIVERS: Final = {
    "police": Said("公安", "police"),
    "bureau": Said("教育局", "bureau"),
    "fire": Said("消防", "fire brigade"),
    "leader": Said("校领导", "duty leader"),
}
"""What receivers of the usual names are called; others go by the name of the configuration."""


def receiver(name: str) -> Said:
    """A receiver as people call it."""
    return RECEIVERS.get(name) or Said(name, name)


def english(text: str) -> str:
    """What of a line that may hold both is for those who read English; "" when there is none."""
    return Said.split(text).en


def chinese(text: str) -> str:
    """What of such a line is for those who read Chinese; "" when English words stand in it."""
    zh = Said.split(text).zh
    return "" if _LATIN.search(zh) else zh


def is_chinese(text: str) -> bool:
    """Whether there is a Chinese character in it."""
    return _HAN.search(text) is not None


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
