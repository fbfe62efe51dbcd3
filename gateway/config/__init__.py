"""The files of an installation, checked as a whole before anything starts (promise 11).

Read `tables/` (what an installer may write), `settings.py` (what comes out), then `load.py`.

Owns    gateway.toml, devices.toml, devices.d/ and the folder's own profiles/: reading and judging.
Needs   gateway.profile for models of devices, gateway.driver and gateway.uplink to find what a
        table's `kind` names.
Keeps   Either a whole sound Config comes out, or a ConfigError with every fault of every file.
"""

from gateway.config.advice import advice
from gateway.config.load import load_config
from gateway.config.settings import (
    Camera,
    Config,
    ConsoleSettings,
    Contact,
    EmbeddedBroker,
    Interlock,
    LogSettings,
    Route,
    Siren,
    Site,
    StoreSettings,
    UplinkEntry,
    VideoSettings,
)

__all__ = [
    "Camera",
    "Config",
    "ConsoleSettings",
    "Contact",
    "EmbeddedBroker",
    "Interlock",
    "LogSettings",
    "Route",
    "Siren",
    "Site",
    "StoreSettings",
    "UplinkEntry",
    "VideoSettings",
    "advice",
    "load_config",
]
