"""What the plan of a device wants of its bus, as the planner of reads takes it. Pure.

Owns    how a profile's parts become wants: the driver asks for them, and the installer's budget
        reckons with the same, so that what was promised is what happens.
"""

from gateway.links.modbus.planner import Want
from gateway.profile import ModbusPlan


def wants_of(plan: ModbusPlan, owner: int, alarm_period_s: float | None) -> list[Want]:
    """Return what is read of a device over and over; not what is read on demand only.

    owner           handed back in each Slice
    alarm_period_s  how often to read what alarms depend on, instead of what the profile says
    """
    return [
        Want(
            unit=plan.unit,
            function=part.function,
            address=part.address,
            count=part.count,
            period_s=alarm_period_s
            if part.urgent and alarm_period_s is not None
            else part.period_s,
            urgent=part.urgent,
            limit=plan.modbus.max_bits if part.function <= 2 else plan.modbus.max_registers,
            gaps=plan.modbus.gaps == "zero",
            owner=owner,
            part=index,
        )
        for index, part in enumerate(plan.parts)
        if index not in plan.on_demand
    ]
