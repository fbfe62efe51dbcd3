"""How bytes travel on a Modbus bus; README.md says in which order to read."""

from gateway.links.modbus.connection import ModbusConnection
from gateway.links.modbus.dial_in import listening
from gateway.links.modbus.errors import PortRefuses, Refused, Silent, Wrong
from gateway.links.modbus.line import LineQuality, OnStrange, Strange
from gateway.links.modbus.request import Request
from gateway.links.modbus.settings import BusSettings, parse_url

__all__ = [
    "BusSettings",
    "LineQuality",
    "ModbusConnection",
    "OnStrange",
    "PortRefuses",
    "Refused",
    "Request",
    "Silent",
    "Strange",
    "Wrong",
    "listening",
    "parse_url",
]
