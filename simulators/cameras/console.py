"""What can be typed at cameras that run, and given on their command line.

Keeps   A line is carried out whole or answered with what was wrong; nothing raises for a typing
        mistake.
"""

from dataclasses import fields
from typing import Final, get_type_hints

from simulators.cameras.cameras import Cameras
from simulators.cameras.conduct import Conduct
from simulators.cameras.scene import Picture

HELP: Final = """
CAMERA FIELD=VALUE    行为 / conduct, as in conduct.py: stall=yes  lost_rate=0.01  answers=PLAY:454
CAMERA good           恢复正常 / be a good camera again
CAMERA show PICTURE   画面 / normal night black covered blurred moved frozen no_signal
CAMERA jump SECONDS   时间戳跳变 / timestamps jump
CAMERA die            断开所有连接 / reset every connection
CAMERA forget         忘记会话 / forget sessions (454)
CAMERA off | on       断电、上电 / power
CAMERA cover | uncover | unplug | plug    遮挡、移开、拔线、插回 / as a hand would
help                  本说明 / this""".strip()


def set_field(conduct: Conduct, text: str) -> None:
    """Carry out FIELD=VALUE; raises ValueError that says what would have been right."""
    name, _, value = text.partition("=")
    kinds = get_type_hints(Conduct)
    if name not in {one.name for one in fields(Conduct)}:
        raise ValueError(f"没有 / no such field: {name}; {', '.join(kinds)}")
    setattr(conduct, name, _value(name, kinds[name], value))


def _value(name: str, kind: object, text: str) -> object:
    if name == "answers":
        pairs = (pair.partition(":") for pair in text.split(",") if pair)
        return {method.upper(): int(status) for method, _, status in pairs}
    if text.lower() in {"none", ""} and "None" in str(kind):
        return None
    if kind is bool:
        if text.lower() not in {"yes", "no", "true", "false", "1", "0"}:
            raise ValueError(f"{name}={text}: yes or no")
        return text.lower() in {"yes", "true", "1"}
    if kind == str | None:
        return text
    return int(text) if kind in {int, int | None} else float(text)


BY_HAND: Final = {
    "cover": ("show", "covered"),
    "uncover": ("show", "normal"),
    "unplug": ("off", ""),
    "plug": ("on", ""),
}
"""What a hand does to a camera, in the words above."""


async def obey(cameras: Cameras, line: str) -> str:
    """Carry out one typed line and return what to print."""
    words = line.split()
    if len(words) < 2:
        return HELP
    try:
        camera = cameras[words[0]]
    except KeyError:
        known = ", ".join(one.settings.name for one in cameras)
        return f"没有 / no camera {words[0]}; {known}"
    verb, rest = words[1], words[2] if len(words) > 2 else ""
    verb, rest = BY_HAND.get(verb, (verb, rest))
    try:
        if verb == "show":
            number = await camera.show(Picture(rest or "normal"))
            return f"从第 {number} 帧起 / from frame {number} on"
        if verb == "jump":
            camera.jump(float(rest))
        elif verb == "good":
            camera.conduct = Conduct()
        elif "=" in verb:
            set_field(camera.conduct, verb)
        elif verb in {"die", "forget", "off", "on"}:
            await _now(cameras, words[0], verb)
        else:
            return HELP
    except ValueError as error:
        return str(error)
    return "好 / done"


async def _now(cameras: Cameras, name: str, verb: str) -> None:
    camera = cameras[name]
    if verb == "die":
        await camera.hang_up()
    elif verb == "forget":
        camera.lose_sessions()
    elif verb == "off":
        await camera.power_off()
    else:
        await camera.power_on()
