"""Shapes: which tables a program may write, what names one of them, and in which file it belongs.

Owns    the list of what can be changed from the console; what is not in it never is: receivers,
        routes, interlocks, the site, the store, where the console listens.
Needs   nothing of ours.
Keeps   1. gateway.toml stays root's where it is root's: new tables go to gateway.d/console.toml,
           as new devices go to devices.d/console.toml.
        2. Of a table that stands alone ([console]) only the keys named here are ever touched.
"""

import re
from dataclasses import dataclass
from typing import Final

MAIN: Final = "gateway.toml"
MORE: Final = "gateway.d"
MORE_OWN: Final = f"{MORE}/console.toml"
"""Where tables of gateway.toml go that the console adds: the service may be let in there alone."""
SECRETS: Final = f"{MORE}/secrets"
DEVICES: Final = "devices.toml"
DEVICES_OWN: Final = "devices.d/console.toml"
"""Where new devices go when there is a folder devices.d."""

_FILE: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.toml"
WHOLE: Final = re.compile(rf"devices\.toml|devices\.d/{_FILE}|plans/[a-z]{{1,32}}\.toml")
"""Files that may be given as a whole text."""
KNOWN: Final = re.compile(rf"gateway\.toml|gateway\.d/{_FILE}|{WHOLE.pattern}")
"""Files that may be put back as they were."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of table.

    table   its name in the file · key  which of its keys names it, "" where it stands alone
    order   of the keys when it is written anew
    file    where it stands when people write it · own  where a program puts a new one
    only    of a table that stands alone: the keys that may be changed
    """

    table: str
    key: str
    order: tuple[str, ...]
    file: str
    own: str
    only: tuple[str, ...] = ()

    @property
    def is_alone(self) -> bool:
        """Whether there is one at most: [console], not [[device]]."""
        return not self.key


DEVICE: Final = Shape(
    "device", "id", ("id", "profile", "link", "name", "place", "address"), DEVICES, DEVICES_OWN
)
SHAPES: Final = {
    shape.table: shape
    for shape in (
        DEVICE,
        Shape("link", "name", ("name", "kind", "url"), MAIN, MORE_OWN),
        Shape("camera", "id", ("id", "name", "place", "address", "url"), MAIN, MORE_OWN),
        Shape("contact", "name", ("name", "number", "role"), MAIN, MORE_OWN),
        Shape("console", "", (), MAIN, MORE_OWN, ("siren", "player")),
    )
}
IN_MORE: Final = ("link", "camera", "contact")
"""Arrays of tables that a file of gateway.d may hold, besides [console] siren and player."""
