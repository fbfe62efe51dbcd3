"""The words all tables share: identifiers, names, paths, and the sentence each one's fault says.

Owns    the bounds of texts an installer writes, and Table: strict, closed, not changed afterwards.
Needs   pydantic.
Keeps   A text cannot look like another one on the guard's screen: no control characters, no marks
        that turn its direction.
"""

import re
import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from gateway.config.inspection import both

MAX_NAME_CHARS: Final = 64

_DIRECTION_MARKS: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_ENV_NAME: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")


def plain(text: str) -> str:
    """Refuse what could make a name look like another one on the guard's screen."""
    if not text.strip():
        raise ValueError(both("是空的", "is blank"))
    for char in text:
        if char in _DIRECTION_MARKS:
            code = f"U+{ord(char):04X}"
            raise ValueError(both(f"含有改变文字方向的字符 {code}", f"has direction mark {code}"))
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}:
            code = f"U+{ord(char):04X}"
            raise ValueError(both(f"含有控制字符 {code}", f"has control character {code}"))
    return text


def _env_name(text: str) -> str:
    if not _ENV_NAME.match(text):
        raise ValueError(both("不是环境变量名", "is no name of an environment variable"))
    return text


Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Name = Annotated[str, StringConstraints(max_length=MAX_NAME_CHARS), AfterValidator(plain)]
PathText = Annotated[str, StringConstraints(min_length=1, max_length=4096), AfterValidator(plain)]
EnvName = Annotated[str, AfterValidator(_env_name)]
PhoneNumber = Annotated[str, StringConstraints(pattern=r"^[0-9+*#][0-9+*# ,()-]{0,31}$")]
LineText = Annotated[str, StringConstraints(max_length=100), AfterValidator(plain)]
StepText = Annotated[str, StringConstraints(max_length=200), AfterValidator(plain)]
UrlText = Annotated[str, StringConstraints(min_length=3, max_length=1024), AfterValidator(plain)]

ID: Final = both(
    "1 至 64 个字母、数字或 . _ -，以字母或数字开头",
    "1 to 64 letters, digits or . _ - that start with a letter or digit",
)
NAME: Final = both(
    "1 至 64 个字，不含控制字符", "text of 1 to 64 characters without control characters"
)
NUMBER: Final = both("电话号码，最多 32 个字符", "a telephone number of at most 32")
LINE: Final = both(
    "1 至 100 个字，不含控制字符", "text of 1 to 100 characters without control characters"
)
STEP: Final = both("1 至 200 个字", "text of 1 to 200 characters")
FILE: Final = both("文件路径，相对路径从配置目录算起", "a path, relative to the folder")
ENV: Final = both("环境变量的名字", "the name of an environment variable")
STEPS: Final = both(
    "递增的秒数列表，最多 10 个，每个 5 至 86400",
    "a rising list of at most 10 times in seconds, each 5 to 86400",
)


class Table(BaseModel):
    """What all tables share: strict, closed, and not changed after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
