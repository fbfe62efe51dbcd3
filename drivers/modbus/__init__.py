"""Modbus buses: gas detectors, fire panels, wired buttons and everything else with registers."""

from drivers.modbus.driver import SCHEMES, Driver, Options
from gateway.links.modbus import parse_url as check_url

__all__ = ["SCHEMES", "Driver", "Options", "check_url"]
