"""Simulated ONVIF cameras: an HTTP server that answers by the specifications. See README.md."""

from simulators.onvif.camera import OnvifCamera
from simulators.onvif.conduct import Account, Conduct, Stream
from simulators.onvif.discovery import DiscoveryResponder

__all__ = ["Account", "Conduct", "DiscoveryResponder", "OnvifCamera", "Stream"]
