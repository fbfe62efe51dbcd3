"""Headers: which column means what, in the words of Chinese and English point lists. Pure.

Owns    the vocabulary of headers, and of types of detectors.
Needs   cells.py.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.config.inspection import both
from gateway.events import Kind
from gateway.pointlist.cells import Row, clean, text_of

HEADER_ROWS: Final = 20
"""How far down a header is looked for: lists begin with a title, a date and a stamp."""

MEANINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "unit": ("单元", "单元号", "主机", "主机号", "控制器", "控制器号", "从站", "从站地址", "站号",
             "模块号", "unit", "unit id", "panel", "slave", "module address"),
    "loop": ("回路", "回路号", "总线", "总线号", "loop", "loop no", "loop number"),
    "zone": ("区", "区号", "分区", "防区", "防区号", "zone", "zone no", "zone number", "area"),
    "device": ("地址", "地址号", "编号", "设备号", "器件号", "点号", "点位号", "部位号", "device",
               "device no", "address", "addr", "point", "point no"),
    "input": ("输入", "输入号", "通道", "通道号", "路", "input", "channel", "di"),
    "type": ("类型", "设备类型", "器件类型", "探测器类型", "类别", "type", "device type", "kind"),
    "place": ("位置", "安装位置", "地点", "安装地点", "房间", "房间号", "楼栋", "楼层", "部位",
              "place", "location", "room", "building", "floor"),
    "name": ("名称", "设备名称", "点位名称", "描述", "说明", "注释",
             "name", "description", "label"),
    "cameras": ("摄像机", "摄像头", "摄像机编号", "关联摄像机", "cameras", "camera"),
    "id": ("编码", "设备编码", "标识", "id", "device id"),
}  # fmt: skip
"""Meaning → headers. An address key of the profile is a header of its own too."""

KINDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.FIRE: ("烟感", "感烟", "温感", "感温", "手报", "手动报警", "消报", "消火栓", "火焰",
                "火灾", "smoke", "heat", "manual call point", "call point", "hydrant", "flame"),
    Kind.GAS: ("可燃", "燃气", "气体", "gas detector"),
    Kind.WATER: ("水流", "压力开关", "漏水", "水浸", "flow switch", "pressure switch", "leak"),
    Kind.EQUIPMENT: ("信号阀", "阀", "防火门", "卷帘", "风机", "水泵", "声光", "模块", "valve",
                     "door", "shutter", "fan", "pump", "sounder", "module"),
    Kind.PANIC: ("紧急按钮", "求助按钮", "panic button"),
}  # fmt: skip
"""Words that a type may contain, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the header is and what its columns mean.

    header   number of the header's row · used  the index of every column that means something
    places   several columns may say the place; they are put together in the list's order
    """

    header: int
    single: Mapping[str, int]
    places: tuple[int, ...]
    titles: Mapping[int, str]

    @property
    def used(self) -> tuple[int, ...]:
        """Every column that means something."""
        return (*self.single.values(), *self.places)

    def title(self, meaning: str) -> str:
        """What the list calls this column."""
        index = self.places[0] if meaning == "place" and self.places else self.single.get(meaning)
        return meaning if index is None else self.titles[index]


def normal(header: str) -> str:
    """Return a header for comparing: clean, lower case, without what stands in brackets."""
    bare = re.sub(r"[(\[【].*$", "", clean(header).casefold())
    return re.sub(r"[\s_\-:：*/.]+", " ", bare).strip()


_KNOWN: Final = {normal(word): meaning for meaning, words in MEANINGS.items() for word in words}


def recognised(header: str) -> bool:
    """Whether a text is one of the headers everybody uses."""
    return normal(header) in _KNOWN


def find_columns(
    rows: Sequence[Row], own: Mapping[str, str], keys: Sequence[str]
) -> tuple[Columns | None, list[str]]:
    """Find the header; returns it, or None, and sentences about columns that do not fit.

    own   header → meaning, as the installer says; it comes before the common words
    keys  address keys of the profile, which are meanings and headers too
    """
    words = {**_KNOWN, **{normal(key): key for key in keys}}
    words.update({normal(header): meaning for header, meaning in own.items()})
    best: Row | None = None
    most = 0
    for row in rows[:HEADER_ROWS]:
        count = len({words[word] for cell in row.cells if (word := normal(text_of(cell))) in words})
        if count > most:
            best, most = row, count
    if best is None:
        return None, []
    single: dict[str, int] = {}
    places: list[int] = []
    titles: dict[int, str] = {}
    problems: list[str] = []
    for index, cell in enumerate(best.cells):
        meaning = words.get(normal(text_of(cell)))
        if meaning is None:
            continue
        titles[index] = text_of(cell)[:40]
        if meaning == "place":
            places.append(index)
        elif meaning in single:
            first = titles[single[meaning]]
            problems.append(
                both(f"两列都是 {meaning}：{first}、{titles[index]}",
                     f"two columns mean {meaning}: {first}, {titles[index]}")
            )  # fmt: skip
        else:
            single[meaning] = index
    return Columns(best.number, single, tuple(places), titles), problems


def kind_of(text: str, own: Mapping[str, str]) -> str | None:
    """Return the kind a type means; None for one nobody knows.

    own  type → kind, as the installer says
    """
    word = normal(text)
    for name, kind in own.items():
        if normal(name) == word:
            return kind
    if word in set(Kind):
        return word
    for found, words in KINDS.items():
        if any(each in word for each in words):
            return found.value
    return None
