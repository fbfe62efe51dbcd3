"""Devices that publish to an MQTT broker: buttons, gateways of other radios, anything with JSON."""

from drivers.mqtt.driver import SCHEMES, Driver, Options

__all__ = ["SCHEMES", "Driver", "Options"]
