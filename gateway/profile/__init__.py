"""The language of device profiles: what a device's bytes mean, and when that is an alarm. Pure.

Owns    the profile files' schema, the decoding plans, the state machine of a point.
Needs   gateway.events, gateway.errors, pydantic (while loading), orjson (while decoding).
Read    schema.py, schema_rule.py, schema_mqtt.py and schema_modbus.py (the words); mqtt.py or
        modbus.py with image.py (the plan); logic.py (the point).
"""

from gateway.profile.formula import BadFormula
from gateway.profile.image import Image, Taken
from gateway.profile.logic import Change, PointMachine, PointState
from gateway.profile.modbus import (
    CommandPlan,
    LogPlan,
    ModbusPlan,
    Part,
    QueryPlan,
    Write,
    plan_modbus,
)
from gateway.profile.model import Profile
from gateway.profile.mqtt import BridgePlan, MqttPlan, plan_mqtt
from gateway.profile.shelf import Shelf, profile_schema, shipped_folder

__all__ = [
    "BadFormula",
    "BridgePlan",
    "Change",
    "CommandPlan",
    "Image",
    "LogPlan",
    "ModbusPlan",
    "MqttPlan",
    "Part",
    "PointMachine",
    "PointState",
    "Profile",
    "QueryPlan",
    "Shelf",
    "Taken",
    "Write",
    "plan_modbus",
    "plan_mqtt",
    "profile_schema",
    "shipped_folder",
]
