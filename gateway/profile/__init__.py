"""The language of device profiles: what a device's bytes mean, and when that is an alarm. Pure.

Owns    the profile files' schema, the decoding plans, the state machine of a point.
Needs   gateway.events, gateway.errors, pydantic (while loading), orjson (while decoding).
Read    schema.py and schema_mqtt.py (the words), then mqtt.py (the plan) and logic.py (the point).
"""

from gateway.profile.logic import Change, PointMachine, PointState
from gateway.profile.model import Profile
from gateway.profile.mqtt import BridgePlan, MqttPlan, plan_mqtt
from gateway.profile.shelf import Shelf, profile_schema, shipped_folder

__all__ = [
    "BridgePlan",
    "Change",
    "MqttPlan",
    "PointMachine",
    "PointState",
    "Profile",
    "Shelf",
    "plan_mqtt",
    "profile_schema",
    "shipped_folder",
]
