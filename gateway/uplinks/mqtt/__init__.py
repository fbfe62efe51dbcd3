"""MQTT receivers: the bureau's or the centre's own broker, one record a message, QoS 1.

Read options.py (what an installer writes), words.py (topics, status, receipts; pure), then
publishing.py.
"""

from gateway.uplinks.mqtt.options import Options
from gateway.uplinks.mqtt.publishing import Uplink

__all__ = ["Options", "Uplink"]
