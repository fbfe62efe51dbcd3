"""Simulated cameras: RTSP servers whose every picture says which one it is. See README.md."""

from simulators.cameras.auth import Scheme
from simulators.cameras.camera import Camera, LiveCamera
from simulators.cameras.cameras import Cameras
from simulators.cameras.clip import MAIN, SMALL, SUB, Clip, Shape
from simulators.cameras.conduct import Conduct, Run
from simulators.cameras.scene import Picture
from simulators.cameras.sound import Sound
from simulators.cameras.strip import StripUnreadable, read_luma, read_number

__all__ = [
    "MAIN",
    "SMALL",
    "SUB",
    "Camera",
    "Cameras",
    "Clip",
    "Conduct",
    "LiveCamera",
    "Picture",
    "Run",
    "Scheme",
    "Shape",
    "Sound",
    "StripUnreadable",
    "read_luma",
    "read_number",
]
