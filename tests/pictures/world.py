"""Scenes to judge: drawn as a school camera sees them, lit, peopled, spoilt and really encoded.

A World is one camera's place, from a seed: a gate with a building and trees, a corridor, a yard.
`View` says what is before the lens at a moment; `World.picture` draws it in 4:2:0, with the noise
of a sensor; `Coder` has a real encoder write it as a key frame and a real decoder read it back.
"""

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from typing import Literal

import av
import cv2
import numpy as np

from gateway.pictures.judge_look import Picture

SECOND_NS = 1_000_000_000
WIDTH, HEIGHT = 640, 360
Cover = Literal["", "hand", "bag", "paint", "tape", "paper"]
PLACES = ("gate", "corridor", "yard", "room")


@dataclass(frozen=True)
class View:
    """What is before the lens.

    light     1.0 is day; 0.05 a room whose lights went out
    infrared  no colours, the near brighter than the far
    warm      colour of the light: sunrise
    sun       0 to 1, from left to right: where shadows fall
    people    how many walk through
    rain      0 to 1
    fog       0 to 1
    lamps     headlights that shine into the lens
    truck     0 to 1: how far one drove in from the left
    bird      whether one sits before the lens
    blur      out of focus, samples
    aside     moved right and down, samples; roll in degrees
    shake     samples, wind
    grain     noise of the sensor, steps
    clock     whether the camera writes one
    """

    light: float = 1.0
    infrared: bool = False
    warm: float = 0.0
    sun: float = 0.4
    people: int = 3
    rain: float = 0.0
    fog: float = 0.0
    lamps: bool = False
    truck: float = 0.0
    bird: bool = False
    cover: Cover = ""
    covered: float = 1.0
    blur: float = 0.0
    aside: tuple[int, int] = (0, 0)
    roll: float = 0.0
    shake: float = 0.0
    grain: float = 1.5
    clock: bool = True
    signal: Literal["", "blue", "bars", "black", "grey"] = ""


@dataclass
class World:
    seed: int
    place: str = ""
    dice: np.random.Generator = field(init=False)
    shade: dict[float, np.ndarray] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = np.random.default_rng(self.seed)
        self.place = self.place or PLACES[self.seed % len(PLACES)]
        # Larger than the picture, so that a camera can be turned aside.
        self.still = _drawn(self.place, self.seed + 1000)
        self.far = _distance(self.place)
        self.foliage = _texture(self.seed + 7, 960, 540, 2)
        self.walkers = [
            (self.dice.uniform(0, 1), self.dice.uniform(0.03, 0.12), self.dice.uniform(0.45, 0.95))
            for _ in range(220)
        ]
        self.coats = self.dice.integers(30, 220, (220, 3))

    def picture(self, view: View, at_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One picture in planes Y, U, V."""
        if view.signal:
            bgr = _no_signal(view.signal)
            dice = None
        else:
            dice = np.random.default_rng([self.seed, int(at_s * 1000)])
            bgr = self._seen(view, at_s, dice)
        if view.clock and not view.signal:
            _write_clock(bgr, at_s)
        planes = cv2.cvtColor(np.clip(bgr, 0, 255).astype(np.uint8), cv2.COLOR_BGR2YUV_I420)
        luma = planes[:HEIGHT]
        blue = planes[HEIGHT : HEIGHT * 5 // 4].reshape(HEIGHT // 2, WIDTH // 2)
        red = planes[HEIGHT * 5 // 4 :].reshape(HEIGHT // 2, WIDTH // 2)
        if view.infrared:
            blue, red = np.full_like(blue, 128), np.full_like(red, 128)
        return luma, blue, red

    def _seen(self, view: View, at_s: float, dice: np.random.Generator) -> np.ndarray:
        scene = self.still.copy()
        self._shadows(scene, view.sun)
        self._leaves(scene, at_s)
        self._people(scene, view.people, at_s)
        if view.truck:
            _truck(scene, view.truck, self.seed)
        if view.infrared:
            grey = cv2.cvtColor(scene, cv2.COLOR_BGR2GRAY)
            scene = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR) * (1.15 - self.far[..., None])
        if view.fog:
            haze = np.clip(view.fog * (0.3 + self.far), 0, 0.95)[..., None]
            scene = scene * (1 - haze) + 190 * haze
        scene = self._through_lens(scene, view, dice)
        if view.rain:
            _rain(scene, view.rain, dice)
        if view.bird:
            cv2.ellipse(scene, (420, 250), (120, 90), 20, 0, 360, (40, 50, 60), -1)
            scene[160:340, 300:540] += dice.normal(0, 6, (180, 240, 1))
        if view.cover:
            scene = _covered(scene, view.cover, view.covered, self.seed)
        light = view.light
        scene *= light
        scene[..., 0] *= 1 - 0.35 * view.warm
        scene[..., 2] *= 1 + 0.25 * view.warm
        if view.lamps:
            for at in ((260, 230), (380, 230)):
                glow = _glow(at)
                scene = scene * (1 - 0.35) + glow[..., None] * 330
        grain = view.grain * (1 + 1.5 * max(0.0, 1 - light * 2))
        noise = dice.standard_normal(scene.shape[:2], np.float32) * np.float32(grain)
        return np.clip(scene + noise[..., None], 0, 255)

    def _through_lens(self, scene: np.ndarray, view: View, dice: np.random.Generator) -> np.ndarray:
        left, top = 160 + view.aside[0], 90 + view.aside[1]
        if view.shake:
            shaken = dice.normal(0, view.shake, 2)
            left, top = left + shaken[0], top + shaken[1]
        turn = cv2.getRotationMatrix2D((480, 270), view.roll, 1.0)
        turn[:, 2] -= (left, top)
        seen = cv2.warpAffine(
            scene, turn, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        if view.blur:
            seen = cv2.GaussianBlur(seen, (0, 0), view.blur)
        return np.ascontiguousarray(seen, np.float32)

    def _shadows(self, scene: np.ndarray, sun: float) -> None:
        if self.place in {"corridor", "room"}:
            return
        if sun not in self.shade:
            self.shade[sun] = self._shade(sun)
        scene *= self.shade[sun]

    @staticmethod
    def _shade(sun: float) -> np.ndarray:
        left = int(960 * (sun - 0.3))
        corners = np.array([(left, 540), (left + 260, 300), (left + 420, 300), (left + 330, 540)])
        shade = np.zeros((540, 960), np.float32)
        cv2.fillPoly(shade, [corners], 0.4)
        return 1 - cv2.GaussianBlur(shade, (0, 0), 3)[..., None]

    def _leaves(self, scene: np.ndarray, at_s: float) -> None:
        if self.place not in {"gate", "yard"}:
            return
        moved = np.roll(self.foliage, int(4 * math.sin(at_s * 1.7)), axis=1)[90:300, 700:900]
        scene[90:300, 700:900] = scene[90:300, 700:900] * 0.3 + (moved[..., None] * 90 + 40) * 0.7

    def _people(self, scene: np.ndarray, count: int, at_s: float) -> None:
        for number in range(min(count, len(self.walkers))):
            start, speed, depth = self.walkers[number]
            across = int(((start + speed * at_s) % 1.2 - 0.1) * 960)
            tall = int(40 + 190 * (depth - 0.4))
            foot = int(540 * (0.42 + depth * 0.5))
            coat = [int(n) for n in self.coats[number]]
            swing = int(tall * 0.12 * math.sin(at_s * 6 + number))
            cv2.ellipse(
                scene, (across, foot - tall // 2), (tall // 5, tall // 3), 0, 0, 360, coat, -1
            )
            cv2.line(
                scene,
                (across, foot - tall // 3),
                (across + swing, foot),
                (40, 40, 50),
                max(2, tall // 14),
            )
            cv2.line(
                scene,
                (across, foot - tall // 3),
                (across - swing, foot),
                (40, 40, 50),
                max(2, tall // 14),
            )
            cv2.circle(scene, (across, foot - tall + tall // 10), tall // 9, (120, 150, 200), -1)


class Coder:
    """A real encoder and decoder; every picture a key frame, as the judge gets nothing else."""

    def __init__(self, codec: str = "h264", quality: int = 28) -> None:
        name = {"h264": "libx264", "h265": "libx265"}[codec]
        self.encoder = av.CodecContext.create(name, "w")
        assert isinstance(self.encoder, av.VideoCodecContext)
        self.encoder.width, self.encoder.height = WIDTH, HEIGHT
        self.encoder.pix_fmt = "yuv420p"
        self.encoder.time_base, self.encoder.framerate = Fraction(1, 25), Fraction(25)
        self.encoder.thread_count = 1
        if codec == "h264":
            self.encoder.options = {
                "preset": "superfast",
                "tune": "zerolatency",
                "g": "1",
                "crf": str(quality),
            }
        else:
            self.encoder.options = {
                "preset": "ultrafast",
                "tune": "zerolatency",
                "g": "1",
                "x265-params": f"crf={quality}:log-level=none:keyint=1:pools=none:frame-threads=1",
            }
        self.decoder = av.CodecContext.create({"h264": "h264", "h265": "hevc"}[codec], "r")
        self.decoder.thread_count = 1
        self.sent = self.bytes = 0

    def through(self, planes: tuple[np.ndarray, np.ndarray, np.ndarray], at_ns: int) -> Picture:
        frame = av.VideoFrame.from_ndarray(
            np.concatenate([plane.reshape(-1, WIDTH) for plane in planes]), format="yuv420p"
        )
        frame.pts, frame.time_base = self.sent, Fraction(1, 25)
        self.sent += 1
        assert isinstance(self.encoder, av.VideoCodecContext)
        assert isinstance(self.decoder, av.VideoCodecContext)
        for packet in self.encoder.encode(frame):
            self.bytes += packet.size
            for decoded in self.decoder.decode(av.Packet(bytes(packet))):
                return Picture(at_ns, *_planes(decoded))
        for decoded in self.decoder.decode(None):  # HEVC's parser may keep the last picture back
            return Picture(at_ns, *_planes(decoded))
        raise AssertionError("the decoder returned no picture")


def _planes(frame: av.VideoFrame) -> list[np.ndarray]:
    return [
        np.frombuffer(plane, np.uint8)
        .reshape(plane.height, plane.line_size)[:, : plane.width]
        .copy()
        for plane in frame.planes
    ]


@cache
def _texture(seed: int, width: int, height: int, finest: int) -> np.ndarray:
    """As _noise; nobody writes into it."""
    return _noise(np.random.default_rng(seed), width, height, finest)


def _noise(dice: np.random.Generator, width: int, height: int, finest: int) -> np.ndarray:
    """Noise of many sizes, 0 to 1: plaster, asphalt, leaves."""
    total = np.zeros((height, width), np.float32)
    size, weight = 64, 1.0
    while size >= finest:
        rough = dice.random((height // size + 2, width // size + 2)).astype(np.float32)
        total += weight * cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
        size, weight = size // 2, weight * 0.75
    low, high = total.min(), total.max()
    return (total - low) / (high - low)


def _distance(place: str) -> np.ndarray:
    """0 near, 1 far: for fog and infra-red."""
    down = np.linspace(1.0, 0.1, 540, dtype=np.float32)[:, None]
    return np.repeat(down, 960, axis=1) * (0.9 if place in {"gate", "yard"} else 0.5)


@cache
def _drawn(place: str, seed: int) -> np.ndarray:
    dice = np.random.default_rng(seed)
    rough = _noise(dice, 960, 540, 2)
    scene = np.zeros((540, 960, 3), np.float32)
    if place in {"gate", "yard"}:
        sky = np.linspace(215, 165, 540, dtype=np.float32)[:, None, None]
        scene[:] = sky * np.array([1.0, 0.95, 0.9], np.float32)
        cv2.rectangle(scene, (0, 330), (960, 540), (118, 122, 125), -1)
        for _ in range(2 if place == "gate" else 3):
            _building(scene, dice)
        for post in range(0, 960, int(dice.integers(28, 60))):
            cv2.rectangle(scene, (post, 300), (post + 6, 372), (70, 90, 60), -1)
        cv2.rectangle(scene, (0, 305), (960, 311), (60, 80, 55), -1)
        for lane in range(5):
            cv2.line(
                scene,
                (480 + (lane - 2) * 40, 380),
                (480 + (lane - 2) * 260, 540),
                (215, 215, 215),
                3,
            )
    else:
        scene[:] = (170, 185, 195)
        wall = [(0, 0), (960, 0), (960, 540), (0, 540)]
        door = [(380, 200), (580, 200), (580, 350), (380, 350)]
        for near, far in zip(wall, door, strict=True):
            cv2.line(scene, near, far, (80, 80, 85), 4)
        cv2.fillPoly(
            scene, [np.array([(0, 540), (960, 540), (580, 350), (380, 350)])], (95, 110, 120)
        )
        cv2.rectangle(scene, (380, 200), (580, 350), (140, 150, 150), -1)
        for _ in range(14):
            _thing(scene, dice)
        for lamp in range(4):
            cv2.rectangle(
                scene,
                (450 - lamp * 30, 150 - lamp * 45),
                (510 + lamp * 30, 160 - lamp * 45),
                (250, 250, 250),
                -1,
            )
    scene *= (0.85 + 0.3 * rough)[..., None]
    return np.clip(scene, 0, 255)


def _building(scene: np.ndarray, dice: np.random.Generator) -> None:
    left, top = int(dice.integers(0, 600)), int(dice.integers(60, 170))
    wide, tall = int(dice.integers(200, 420)), 330 - top
    wall = [int(n) for n in dice.integers(90, 190, 3)]
    cv2.rectangle(scene, (left, top), (left + wide, top + tall), wall, -1)
    across, down = int(dice.integers(26, 48)), int(dice.integers(34, 56))
    for x in range(left + 10, left + wide - across // 2, across):
        for y in range(top + 12, top + tall - down // 2, down):
            cv2.rectangle(scene, (x, y), (x + across // 2, y + down // 2), (95, 75, 60), -1)
            cv2.line(
                scene, (x + across // 4, y), (x + across // 4, y + down // 2), (190, 190, 190), 1
            )


def _thing(scene: np.ndarray, dice: np.random.Generator) -> None:
    left, top = int(dice.integers(0, 860)), int(dice.integers(40, 430))
    wide, tall = int(dice.integers(30, 130)), int(dice.integers(30, 120))
    tint = [int(n) for n in dice.integers(40, 230, 3)]
    cv2.rectangle(scene, (left, top), (left + wide, top + tall), tint, -1)
    cv2.rectangle(scene, (left, top), (left + wide, top + tall), (60, 60, 60), 2)
    for line in range(top + 8, top + tall - 4, 12):
        cv2.line(scene, (left + 6, line), (left + wide - 6, line), (70, 70, 70), 1)


def _truck(scene: np.ndarray, part: float, seed: int) -> None:
    """High and close: its side takes the picture from a third of its height down, and has seams."""
    right = int(160 + 660 * part)
    tint = 90 + seed * 37 % 120
    cv2.rectangle(scene, (right - 900, 150), (right, 500), (tint, tint + 10, tint + 20), -1)
    for seam in range(right - 900, right, 110):
        cv2.line(scene, (seam, 150), (seam, 500), (tint - 30, tint - 30, tint - 30), 2)
    _write(scene, "SCHOOL FOOD", (right - 520, 300), 2.2, (40, 40, 160), 6)
    for wheel in (right - 120, right - 560):
        cv2.circle(scene, (wheel, 500), 46, (35, 35, 35), -1)


def _rain(scene: np.ndarray, strength: float, dice: np.random.Generator) -> None:
    streaks = np.zeros(scene.shape[:2], np.float32)
    for _ in range(int(500 * strength)):
        x, y = int(dice.integers(0, WIDTH)), int(dice.integers(0, HEIGHT))
        cv2.line(streaks, (x, y), (x + 2, y + int(dice.integers(8, 24))), 60.0, 1)
    scene += cv2.GaussianBlur(streaks, (0, 0), 0.8)[..., None]
    for _ in range(int(8 * strength)):  # drops on the dome
        x, y = int(dice.integers(0, WIDTH - 40)), int(dice.integers(0, HEIGHT - 40))
        scene[y : y + 36, x : x + 36] = cv2.GaussianBlur(scene[y : y + 36, x : x + 36], (0, 0), 6)


def _covered(scene: np.ndarray, how: str, part: float, seed: int) -> np.ndarray:
    """Things so close to the lens that they are out of focus; light falls in at their edge."""
    soft = cv2.GaussianBlur(_texture(seed + 77, WIDTH, HEIGHT, 16), (0, 0), 14)[..., None]
    slope = np.linspace(0.6, 1.2, WIDTH, dtype=np.float32)[None, :, None]
    tints = {
        "hand": (70, 85, 120),
        "bag": (60, 60, 55),
        "paint": (35, 35, 38),
        "tape": (95, 95, 92),
        "paper": (190, 195, 198),
    }
    over = np.array(tints[how], np.float32) * slope * (0.8 + 0.4 * soft)
    if how == "paint":  # some of the scene comes through, without any edge
        over = over + 0.12 * cv2.GaussianBlur(scene, (0, 0), 40)
    mask = np.zeros((HEIGHT, WIDTH, 1), np.float32)
    mask[:, : int(WIDTH * part)] = 1
    if part < 1:
        mask = cv2.GaussianBlur(mask, (0, 0), 12)[..., None]
    return np.ascontiguousarray(scene * (1 - mask) + over * mask, np.float32)


def _glow(at: tuple[int, int]) -> np.ndarray:
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    apart = np.hypot(x - at[0], y - at[1])
    return np.exp(-apart / 28) + 0.25 * np.exp(-apart / 120)


def _no_signal(kind: str) -> np.ndarray:
    scene = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    if kind == "blue":
        scene[:] = (200, 30, 20)
        _write(scene, "NO SIGNAL", (220, 190), 1.2, (255, 255, 255), 3)
    elif kind == "bars":
        tints = [
            (191, 191, 191),
            (0, 191, 191),
            (191, 191, 0),
            (0, 191, 0),
            (191, 0, 191),
            (0, 0, 191),
            (191, 0, 0),
        ]
        for number, tint in enumerate(tints):
            scene[:, number * WIDTH // 7 : (number + 1) * WIDTH // 7] = tint
    elif kind == "grey":
        scene[:] = 128
    return scene


def _write_clock(bgr: np.ndarray, at_s: float) -> None:
    second = int(at_s)
    text = f"2026-11-22 {second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
    _write(bgr, text, (12, 24), 0.6, (255, 255, 255), 2)
    _write(bgr, "CAM GATE WEST", (430, 345), 0.6, (255, 255, 255), 2)


def _write(
    scene: np.ndarray,
    text: str,
    at: tuple[int, int],
    size: float,
    tint: tuple[int, ...],
    thick: int,
) -> None:
    high = int(30 * size) + thick
    top, bottom = max(0, at[1] - high), min(scene.shape[0], at[1] + high // 2)
    mask = np.zeros((bottom - top, scene.shape[1]), np.uint8)
    cv2.putText(mask, text, (at[0], at[1] - top), cv2.FONT_HERSHEY_SIMPLEX, size, 255, thick)
    part = (mask / np.float32(255))[..., None]
    scene[top:bottom] = scene[top:bottom] * (1 - part) + part * np.array(tint, np.float32)


def during(view: View, **changes: object) -> View:
    """The view with something else."""
    return replace(view, **changes)  # type: ignore[arg-type]
