"""Commissioning help: what an installer needs between the screwdriver and the first real alarm.

Owns    looking at a bus (scan), at one device (probe), and at the time an alarm takes (budget).
Needs   gateway.config for an installation's files, gateway.profile, gateway.links.modbus.
Keeps   1. Nothing here writes to a device: function codes 1 to 4 only, see asking.py.
        2. What comes from a device is hostile text until words.shown() has had it.
        3. A search that finds nothing ends with a reason and a next step.
Read    asking.py, ranges.py, fit.py, scan.py, scan_text.py; probe.py, probe_text.py; budget.py,
        buses.py. words.py is what all of them say.
"""
