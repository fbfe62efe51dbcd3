"""What a person types at a simulated device, and what it does then.

    alarm · alarm gas · restore · set level 12.5 · show 预热 · silent · slow=0.5 · well · values

Owns    the words. Needs behaviour, named and line of this package.
Keeps   Whatever is typed, the device goes on; a mistake is answered with what would be right.
"""

from collections.abc import Callable, Mapping
from typing import Final

from simulators.modbus.behaviour import Behaviour
from simulators.modbus.encode import Wish
from simulators.modbus.named import NAMED, fault_named


class Leave(Exception):
    """The person wants to go."""


class Console:
    """Turns one line of text into something that happens to a device.

    cut  breaks the connections there are, when the line has some
    """

    def __init__(self, behaviour: Behaviour, *, cut: Callable[[], None] | None = None) -> None:
        self._life = behaviour
        self._model = behaviour.model
        self._cut = cut
        self._verbs: Final[Mapping[str, tuple[Callable[[str], str], str]]] = {
            "alarm": (self._alarm, "[POINT] 报警 / alarm"),
            "restore": (self._restore, "[POINT] 恢复 / back to normal"),
            "set": (self._set, "VALUE NUMBER 设一个值 / let a value be"),
            "show": (self._show, "SAMPLE 规格里的样例 / a sample by its place or note"),
            "warm-up": (lambda _: f"预热 / warming up: {self._life.warm_up()}", "预热 / warm up"),
            "heart-stop": (lambda _: self._heart(beats=False), "心跳停 / heartbeats stand still"),
            "heart-on": (lambda _: self._heart(beats=True), "心跳走 / heartbeats go on"),
            "well": (lambda _: self._well(), "故障解除 / no fault any more"),
            "hang-up": (lambda _: self._hang_up(), "断开连接 / break the connections"),
            "values": (lambda _: self._values(), "现在的值 / what the values are"),
            "points": (lambda _: ", ".join(self._model.sheet.points), "点 / the points"),
            "asked": (lambda _: self._asked(), "收到的请求 / what was asked lately"),
            "help": (lambda _: self.help(), "这张表 / this list"),
            "quit": (self._leave, "结束 / end"),
        }

    def say(self, line: str) -> str:
        """Do what the line says and return the answer; raises Leave for quit."""
        verb, _, rest = line.strip().partition(" ")
        if not verb:
            return ""
        try:
            if verb in self._verbs:
                return self._verbs[verb][0](rest.strip())
            self._model.unit.fault = fault_named(line)
        except (LookupError, ValueError) as error:
            return f"{error.args[0] if error.args else error}（help 看命令 / help lists commands）"
        return f"故障 / fault: {line.strip()}（well 解除 / well ends it）"

    def help(self) -> str:
        """All words, one a line."""
        verbs = [f"  {verb:<14} {text}" for verb, (_, text) in self._verbs.items()]
        faults = [
            f"  {name + ('=' + default if default else ''):<20} {text}"
            for name, (_, default, text) in NAMED.items()
        ]
        return "\n".join([*verbs, "故障 / faults:", *faults])

    def _alarm(self, point: str) -> str:
        return f"报警 / alarm: {self._life.alarm(point or None)}"

    def _restore(self, point: str) -> str:
        self._life.restore(point or None)
        return "恢复 / restored"

    def _set(self, text: str) -> str:
        name, _, wish = text.partition(" ")
        self._model.set(name, _wish(wish.strip()))
        return f"{name} = {self._model.value(name)}"

    def _show(self, which: str) -> str:
        self._model.show(int(which) if which.isdigit() else which)
        return self._values()

    def _heart(self, *, beats: bool) -> str:
        self._life.heart_beats = beats
        return "心跳走 / beats" if beats else "心跳停 / stands still"

    def _well(self) -> str:
        self._model.unit.fault = None
        return "正常 / well"

    def _hang_up(self) -> str:
        if self._cut is None:
            return "串口没有连接可断 / a serial line has no connection to break"
        self._cut()
        return "已断开 / broken"

    def _values(self) -> str:
        return "\n".join(
            f"  {name:<20} {self._model.value(name)!r}" for name in self._model.sheet.spots
        )

    def _asked(self) -> str:
        lately = self._model.unit.requests[-10:]
        return "\n".join(f"  FC{a.function:02} {a.address} × {a.count}" for a in lately) or "-"

    def _leave(self, _rest: str) -> str:
        raise Leave


def _wish(text: str) -> Wish:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
