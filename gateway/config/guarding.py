"""What a change from the console may not do, whoever asks: send a secret elsewhere, run a program.

Owns    the rules for keys that name secrets, and for the player.
Needs   inspection for words, shapes. Pure.
Keeps   1. A table may name a secret only as it did before, and only while nothing beside it changes
           that could send the secret somewhere else. Else the secret is typed again, and kept in a
           file of its own: an installer's account must not be a way to the receivers' keys.
        2. A player is one of a few programs with plain arguments: whatever else runs on this
           machine is said in gateway.toml, by somebody who has an account there.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from gateway.config.inspection import Spot, both, one_of
from gateway.config.shapes import Shape
from gateway.errors import ConfigFault

PASSWORD: Final = "password_file"  # noqa: S105 the key's name
_NAMES_ONE: Final = re.compile(r"\w*(_file|_env)|cert|key")
_HARMLESS: Final = frozenset(
    {
        "name", "place", "username", "retention_days", "sub_retention_days", "picture_checks",
        "audio", "channel", "sub_stream",
    }
)  # fmt: skip
"""What may change beside a secret that stays: none of it says where the secret goes."""
PLAYERS: Final = {
    "aplay": re.compile(r"-q|-D|(default|sysdefault|(plug)?hw)(:[A-Za-z0-9=,_]{1,40})?"),
    "paplay": re.compile(r"--volume=\d{1,5}"),
    "pw-play": re.compile(r"--volume=[0-9.]{1,6}"),
}
"""Programs by name, and what may stand behind each: a device of ALSA's could be a command."""


def refused(
    shape: Shape, before: Mapping[str, Any] | None, table: Mapping[str, Any], spot: Spot
) -> list[ConfigFault]:
    """Return what is wrong with a table as somebody at a console wants it.

    before  as it is written now; None for a new one
    table   without a secret that was typed for it just now
    """
    if shape.is_alone:
        same = before is not None and before.get("player") == table.get("player")
        return [] if same else _player(table.get("player"), spot)
    if shape.table not in {"link", "camera"}:
        return []
    was = before or {}
    named = [key for key in table if _NAMES_ONE.fullmatch(key)]
    moved = {
        key
        for key in {*was, *table}
        if key not in _HARMLESS and not _NAMES_ONE.fullmatch(key) and was.get(key) != table.get(key)
    }
    return [
        _fault(
            spot.child(key),
            both("密码不会跟着地址走", "a secret is not sent to another address"),
            both("重新输入密码", "the password, typed again"),
        )
        if key in was and was[key] == table[key]
        else _fault(
            spot.child(key),
            both("这里不能指定密码文件或证书", "secrets and keys cannot be named here"),
            both(
                "输入密码，或到网关上改 gateway.toml", "a typed password, or gateway.toml by hand"
            ),
        )
        for key in named
        if moved or key not in was or was[key] != table[key]
    ]


def _player(argv: object, spot: Spot) -> list[ConfigFault]:
    if not isinstance(argv, Sequence) or isinstance(argv, str) or not argv:
        return []
    words = [str(each) for each in argv]
    allowed = PLAYERS.get(words[0])
    if PurePath(words[0]).name != words[0] or allowed is None:
        problem = both("这里不能指定这个程序", "this program cannot be set here")
        return [_fault(spot.child("player").item(0), problem, one_of(PLAYERS))]
    return [
        _fault(
            spot.child("player").item(index),
            both("这里不能用这个参数", "this argument cannot be set here"),
            both("在网关上改 gateway.toml", "gateway.toml, edited at the machine"),
        )
        for index, word in enumerate(words[1:], start=1)
        if not allowed.fullmatch(word)
    ]


def _fault(spot: Spot, problem: str, expected: str) -> ConfigFault:
    return ConfigFault(spot.file, spot.key, problem, expected)
