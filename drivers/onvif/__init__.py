"""Cameras and recorders that report by ONVIF events: inputs, motion, tamper, whatever they have."""

from drivers.onvif.driver import SCHEMES, Driver, Options
from gateway.links.onvif.settings import device_url

__all__ = ["SCHEMES", "Driver", "Options", "check_url"]


def check_url(url: str) -> None:
    """Raise ValueError with what is wrong with a link's address."""
    device_url(url)
