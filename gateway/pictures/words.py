"""What people are told of a picture that is not good: what is so and what to do, in both languages.

Keeps   One line each, at most 300 characters beside place and name: a report cuts at 400.
"""

from typing import Final

from gateway.words import Said

TEXTS: Final[dict[str, Said]] = {
    "black": Said(
        "画面全黑：镜头被盖、无光或红外灯坏。去看镜头，盖着就拿开，没有光就开灯或修红外灯；此处夜里本来无光的，过一夜自动认得",
        "picture is black: covered, no light or its infra-red lamp is broken; go and look",
    ),
    "no_signal": Said(
        "只有蓝屏或彩条，没有图像：前端断线。查该摄像机到录像机或编码器的视频线和供电",
        "a blue screen or bars, no picture: check the line and the power before the encoder",
    ),
    "covered": Said(
        "镜头被遮挡：可能有人遮盖或喷涂。立即派人到现场查看并清除，同时看相邻摄像机",
        "lens is covered, perhaps by somebody: send someone now and look at the cameras beside it",
    ),
    "blurred": Said(
        "画面模糊：镜头脏、起雾或失焦。清洁镜头，仍模糊就重新对焦",
        "picture is blurred: clean the lens, then focus it again",
    ),
    "moved": Said(
        "看到的不是原来的场景：摄像机被转动，或被东西长时间挡住。到现场转回或移开；"
        "有意调整的，请安装人员让它重新认场景",
        "it does not see its scene: turned or blocked; put it right, or if it was meant run"
        " campus-gateway video relearn",
    ),
    "frozen": Said(
        "画面定住不动：摄像机或编码器死机，录下的不是现在。重启该摄像机",
        "picture is frozen, what is recorded is not now: restart the camera",
    ),
}

NO_OPENCV: Final = Said(
    "画面检查停用：系统缺少库，请安装人员按安装说明补装。录像和报警不受影响",
    "pictures are not judged: OpenCV cannot be loaded, a library of the system is missing"
    " (Debian/Ubuntu: sudo apt-get install libgl1 libglib2.0-0); recording and alarms go on",
)


def told(place: str, name: str, kind: str) -> Said:
    """What a finding says."""
    said = TEXTS[kind]
    return Said(f"{place} {name} {said.zh}".strip(), f"{place} {name}: {said.en}".strip())
